"""A published domain from files on the disk to an edited face: converted once, at its real size of 1024 px."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from demo_tools import astronaut
from published_files import write_direction, write_w_encoder

from hyperstyle.cli import main
from hyperstyle.domains import get_domain
from hyperstyle.errors import ForeignWeights, UsageError, WeightsMissing
from hyperstyle.latents import Inversion
from hyperstyle.pipeline import load
from hyperstyle.published import EDITS, is_ready, prepare
from hyperstyle.weights.registry import find_set

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def cache(ffhq_cache):
    """The cache that published files are converted into, for every test in this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYPERSTYLE_CACHE", str(ffhq_cache))
        patch.delenv("HYPERSTYLE_WEIGHTS", raising=False)
        yield ffhq_cache


@pytest.fixture(scope="module")
def originals(ffhq_originals):
    return ffhq_originals


@pytest.fixture(scope="module")
def faces(cache, originals):
    """The converted domain, loaded."""
    new = not any(cache.iterdir())
    said: list[str] = []
    pipeline = load("ffhq", "cpu", originals, on_part=said.append)
    assert any("hyperstyle_ffhq.pt" in words for words in said) == new
    return pipeline


def test_a_second_start_converts_nothing(faces, originals):
    said = []
    domain = prepare(get_domain("ffhq"), originals, said.append)
    assert said == []
    assert is_ready(domain)
    assert domain.path("generator") == faces.domain.path("generator")


def test_the_chain_at_1024_px(faces, tmp_path):
    target = torch.rand(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0)) * 2 - 1
    inversion = faces.invert(target, steps=1)
    path = tmp_path / "face.safetensors"
    inversion.save(path)
    assert path.stat().st_size < 40_000
    again = Inversion.load(path, "ffhq")
    plain = faces.render(again)
    assert plain.size == (1024, 1024)
    edited = faces.render(again, {"smile": 3.0, "eyes_open": 2.0})
    assert plain.tobytes() != edited.tobytes()
    measured = faces.measure(target, faces.draw(again))
    assert set(measured) == {"l2", "ms_ssim", "psnr"}  # nothing was downloaded that measures identity


# The command, and then the most memory it ever had; `ru_maxrss` would also count what its parent had.
MEASURED = """
import re, sys
from hyperstyle.cli import main
assert main(sys.argv[1:]) == 0
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads what Linux says of a process")
def test_inverting_a_photo_at_1024_px_takes_less_than_6_gb(faces, originals, tmp_path):
    """The whole program, from its start to the face file with its five steps."""
    astronaut().save(tmp_path / "photo.png")
    face = tmp_path / "face.safetensors"
    arguments = ["invert", tmp_path / "photo.png", "-o", face, "--domain", "ffhq", "--weights", originals]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURED, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert face.stat().st_size < 64_000
    assert 1e9 < int(done.stdout.split()[-1]) * 1024 < 6e9


def test_edits_come_from_the_published_files(faces):
    names = [row.name for row in faces.edits]
    assert names == [edit.row.name for edit in EDITS["ffhq"]]
    assert {row.name: row.space for row in faces.edits} == {
        "smile": "w",
        "age": "w",
        "pose": "w",  # eighteen equal rows
        "eyes_open": "w+",
        "beard": "w+",
    }


def test_headers_say_where_weights_come_from(faces):
    from hyperstyle.weights.files import load_weights

    _, header = load_weights(faces.domain.path("w_encoder"))
    assert header["source"] == "faces_w_encoder.pt"
    assert "NVIDIA" in header["licence"]


def test_a_folder_of_converted_files_is_used_as_it_is(faces, cache):
    domain = prepare(get_domain("ffhq"), faces.domain.weights)
    assert domain.weights == faces.domain.weights


def test_what_is_added_later_is_converted_later(originals, cache, tmp_path):
    folder = tmp_path / "links"
    folder.mkdir()
    for file in originals.iterdir():
        if file.name not in ("age.pt", "smile.pt", "pose.pt", "ffhq_pca.pt"):
            os.link(file, folder / file.name)
    said = []
    domain = prepare(get_domain("ffhq"), folder, said.append)
    assert not (domain.directions / "manifest.json").exists()
    write_direction(folder / "age.pt")
    said.clear()
    prepare(get_domain("ffhq"), folder, said.append)
    assert said == ["age.pt"]
    manifest = json.loads((domain.directions / "manifest.json").read_text())
    assert [row["name"] for row in manifest["directions"]] == ["age"]
    shutil.rmtree(domain.weights)


# What can go wrong, without large files


@pytest.fixture
def empty(monkeypatch, tmp_path):
    """No weights anywhere."""
    monkeypatch.setenv("HYPERSTYLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HYPERSTYLE_WEIGHTS", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["invert", "PHOTO", "-o", "face.safetensors"],
        ["edit", "PHOTO", "-o", "out.png"],
        ["evaluate", "--n", "2"],
        ["benchmark"],
    ],
)
@pytest.mark.parametrize("name", ["ffhq", "afhq_wild", "cars"])
def test_without_weights_every_command_says_what_to_do(arguments, name, empty, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.chdir(empty)
    Image.new("RGB", (64, 64), (120, 90, 80)).save(empty / "photo.png")
    arguments = ["photo.png" if word == "PHOTO" else word for word in arguments]
    assert main([*arguments, "--domain", name]) == 1
    said = capsys.readouterr().err
    assert f"python -m hyperstyle download {name}" in said
    assert "--weights" in said
    assert "Traceback" not in said


def test_without_weights_there_are_no_edits_to_list(empty, capsys):
    assert main(["edits", "--domain", "ffhq"]) == 0
    assert "download ffhq" in capsys.readouterr().out


def test_a_folder_that_lacks_files_names_them(empty):
    folder = empty / "some"
    folder.mkdir()
    write_direction(folder / "age.pt")
    with pytest.raises(WeightsMissing, match=r"lacks hyperstyle_ffhq\.pt and faces_w_encoder\.pt; copy them there"):
        prepare(get_domain("ffhq"), folder)
    with pytest.raises(UsageError, match="There is no folder"):
        prepare(get_domain("ffhq"), empty / "nowhere")


def test_swapped_files_are_recognised(empty):
    folder = empty / "swapped"
    folder.mkdir()
    write_w_encoder(folder / "hyperstyle_ffhq.pt")
    shutil.copy(folder / "hyperstyle_ffhq.pt", folder / "faces_w_encoder.pt")
    with pytest.raises(ForeignWeights, match="this is a W encoder; what is needed is a HyperStyle checkpoint"):
        load("ffhq", "cpu", folder)


def test_domains_with_their_own_weights_take_no_folder(empty):
    with pytest.raises(UsageError, match="brings its own weights"):
        load("portraits", "cpu", empty)


def test_every_edit_names_a_file_of_its_set():
    for name, edits in EDITS.items():
        files = {row.name for row in find_set(name).files()}
        assert {edit.file for edit in edits} <= files
