"""The README's promises: its snippet runs, its commands exist, its files are there, and a Space can read its header."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
import yaml
from PIL import Image

from hyperstyle.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPET = re.search(r"```python\n(.*?)```", README, re.S)[1]
COMMANDS = re.findall(r"^python -m hyperstyle (.+)$", README, re.M)


def test_snippet_is_the_quickstart_and_short():
    quickstart = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8")
    assert quickstart.endswith(SNIPPET)
    assert len([line for line in SNIPPET.splitlines() if line.strip()]) < 10


def test_snippet_runs(tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("examples/quickstart.py")
    with Image.open("smiling.png") as result, Image.open("examples/portrait.jpg") as photo:
        assert result.size == photo.size
        assert result.convert("RGB").tobytes() != photo.convert("RGB").tobytes()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command, capsys):
    """Each command of the README is one the program knows: `--help` after it must show that command's help."""
    words = shlex.split(command)
    options = [word for word in words if word.startswith("-")]
    assert main([words[0], "--help"]) == 0
    shown = capsys.readouterr().out
    for option in options:
        assert option in shown


def test_mentioned_files_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_space_header():
    header = yaml.safe_load(README.split("---")[1])
    assert header["sdk"] == "gradio"
    assert f"gradio=={header['sdk_version']}" in (ROOT / "requirements.txt").read_text()
    assert (ROOT / header["app_file"]).is_file()
    assert header["license"] == "mit"
    assert len(header["short_description"]) <= 60
    assert header["colorFrom"] in COLOURS
    assert header["colorTo"] in COLOURS


COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")  # what a Space accepts
