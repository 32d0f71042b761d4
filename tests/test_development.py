"""What a contributor's machine is asked for: nothing behind their back, and a reason for what is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from test_requirements import PROJECT

ROOT = Path(__file__).resolve().parent.parent


def planned(*goals: str) -> str:
    """The commands that make would run, as if nothing were installed."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    command = [make, "--dry-run", "--always-make", *goals]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True, timeout=60).stdout


@pytest.mark.parametrize("goal", ["demo", "test", "check", "format", "hooks"])
def test_nobody_becomes_root_unasked(goal: str):
    commands = planned(goal)
    assert "requirements.txt" in commands
    assert "sudo" not in commands
    assert "chromium" not in commands


def test_checks_look_for_dead_code():
    assert "vulture" in planned("check")


def test_system_packages_can_be_asked_for():
    assert "sudo" in planned("system")
    assert "chromium" in planned("system")


MARKED = """
from needs_browser import needs_browser

pytestmark = needs_browser


def test_something():
    raise AssertionError("it was run")
"""


def test_without_a_browser_its_tests_are_skipped_with_a_reason(tmp_path):
    (tmp_path / "test_marked.py").write_text(MARKED)
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "CHROMIUM")}
    environment |= {"PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]

    def outcome(**more: str) -> str:
        options = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 100}
        return subprocess.run([*command, "test_marked.py"], env={**environment, **more}, **options).stdout

    skipped = outcome()
    assert "1 skipped" in skipped
    assert "no Chromium on this machine; `make system` installs it" in skipped
    assert "it was run" in outcome(CI="1")


def test_files_that_open_a_browser_are_marked():
    for path in (ROOT / "tests").glob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if "import open_browser" in text:
            assert "\npytestmark = needs_browser\n" in text, path.name


def test_the_public_checks_run_on_every_promised_python():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    tried = job["strategy"]["matrix"]["python"]
    promised = SpecifierSet(PROJECT["requires-python"])
    assert tried == [f"3.{minor}" for minor in range(5, 20) if f"3.{minor}" in promised]
    assert any("make check test" in step.get("run", "") for step in job["steps"])
