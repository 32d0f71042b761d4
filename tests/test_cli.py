"""The command line over the tiny domain and a real photo: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from published_files import complete
from safetensors.torch import save_file
from skimage import data
from tiny import make_tiny_domain

from hyperstyle.cli import main
from hyperstyle.cli.faces import parse_number
from hyperstyle.latents import Inversion
from hyperstyle.weights.fine_tuned import load_fine_tuned

COMMANDS = (
    "align",
    "invert",
    "edit",
    "batch",
    "animate",
    "mix",
    "random",
    "domains",
    "edits",
    "train",
    "evaluate",
    "benchmark",
)


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


@pytest.fixture(scope="module")
def face(tiny, photo, tmp_path_factory) -> Path:
    """A saved inversion of the photo's face."""
    path = tmp_path_factory.mktemp("faces") / "face.safetensors"
    tiny.invert(tiny.align(photo)).save(path)
    return path


@pytest.fixture
def run(capsys):
    """Run a command; returns its exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def refused(result: tuple[int, str, str], code: int, *parts: str) -> None:
    """Check that a command failed in one clear line and nothing else."""
    got, out, err = result
    assert got == code, err
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err
    assert err.strip().endswith((".", "?", ")")), err
    assert not err.strip().endswith(("?.", "..")), err
    for part in parts:
        assert part in err


# What it does


def test_edit_draws_with_a_fine_tuned_generator(run, tiny, tiny_folder, face, tmp_path):
    other = make_tiny_domain(tmp_path / "other", seed=1) / "generator.safetensors"
    options = ("--domain", tiny_folder, "--set", "smile=1")
    assert run("edit", face, "-o", tmp_path / "plain.png", *options)[0] == 0
    assert run("edit", face, "-o", tmp_path / "toon.png", *options, "--generator", other)[0] == 0
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "toon.png") as toon:
        assert plain.tobytes() != toon.tobytes()
    # With the domain's own generator and all layers counted as fine, it is what `render` draws.
    inversion = Inversion.load(face)
    own = load_fine_tuned(tiny_folder / "generator.safetensors", tiny.domain)
    same, drawn = tiny.stylise(inversion, own, {"smile": 1.0}), tiny.render(inversion, {"smile": 1.0})
    assert np.abs(np.asarray(same, int) - np.asarray(drawn, int)).max() <= 1
    halved = tiny.stylise(inversion, own, offset_strength=0.5)
    assert np.abs(np.asarray(halved, int) - np.asarray(tiny.render(inversion, offset_strength=0.5), int)).max() <= 1


def test_edit_refuses_a_generator_of_other_sizes(run, tiny_folder, face, tmp_path):
    foreign = tmp_path / "g.pt"
    torch.save({"g_ema": complete("generator_256_cm1", "decoder.")}, foreign)
    out = tmp_path / "out.png"
    done = run("edit", face, "-o", out, "--domain", tiny_folder, "--generator", foreign)
    refused(done, 1, "256 px", "32 px", "fine-tuned")
    refused(run("edit", face, "-o", out, "--domain", tiny_folder, "--generator", tmp_path / "no.pt"), 1, "no.pt")
    assert not out.exists()


def test_version_and_help(run):
    assert run("--version")[:2] == (0, "hyperstyle 0.1.0\n")
    code, out, err = run()
    assert (code, err) == (2, "")
    assert "edit" in out
    code, out, _ = run("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_a_device(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Examples" in out
    assert f"python -m hyperstyle {command}" in out
    assert "--device" in out


def test_align(run, photo, tmp_path):
    code, out, err = run("align", photo, "-o", tmp_path / "new" / "faces", "--face", "all", "--size", 96)
    assert (code, err) == (0, "")
    with Image.open(tmp_path / "new" / "faces" / "astronaut_face0.png") as crop:
        assert crop.size == (96, 96)
    assert "astronaut_face0.png" in out


def test_invert_writes_a_face_and_a_report(run, tiny, tiny_folder, photo, tmp_path):
    out, report = tmp_path / "face.safetensors", tmp_path / "report.json"
    code, shown, _ = run("invert", photo, "-o", out, "--steps", 2, "--report", report, "--domain", tiny_folder)
    assert code == 0
    assert "2 refinement steps" in shown
    numbers = json.loads(report.read_text())
    assert len(numbers["steps"]) == 2
    for row in (numbers["encoder"], *numbers["steps"]):
        assert {"identity", "perceptual", "l2", "ms_ssim", "seconds"} <= set(row)
        assert all(np.isfinite(value) for value in row.values())
    assert {"load", "align"} <= set(numbers["seconds"])
    assert numbers["face"]["face_px"] > 50
    saved = Inversion.load(out)
    measured = tiny.measure(tiny.target(tiny.align(photo)), tiny.draw(saved))
    assert measured["l2"] == pytest.approx(numbers["steps"][-1]["l2"], abs=1e-4)


def test_edit_of_a_saved_face(run, tiny, tiny_folder, face, tmp_path):
    out = tmp_path / "out.png"
    assert run("edit", face, "-o", out, "--set", "smile=2.0", "--set", "age=-1", "--domain", tiny_folder)[0] == 0
    expected = tiny.render(Inversion.load(face), {"smile": 2.0, "age": -1.0})
    with Image.open(out) as drawn:
        assert drawn.tobytes() == expected.tobytes()


def test_edit_of_a_photo_pasted_back(run, tiny_folder, photo, tmp_path):
    out = tmp_path / "out.png"
    assert run("edit", photo, "-o", out, "--set", "smile=1", "--paste-back", "--domain", tiny_folder)[0] == 0
    with Image.open(out) as after, Image.open(photo) as before:
        changed = (np.asarray(after) != np.asarray(before)).any(-1)
    assert changed.any()
    assert not changed[:10].any()  # far from the face every pixel is as it was
    assert not changed[-100:].any()


def test_paste_back_says_how_much_is_unchanged(run, tiny_folder, photo, tmp_path):
    shares = {}
    for shape in ("crop", "face"):
        out = tmp_path / f"{shape}.png"
        words = (
            "--mask",
            shape,
            "--feather",
            0.05,
            "--colour-match",
            0.5,
            "--blend",
            "poisson",
            "--keep",
            "eyes,mouth",
        )
        words += ("--detail", 0)
        code, said, err = run("edit", photo, "-o", out, "--paste-back", *words, "--domain", tiny_folder)
        assert (code, err) == (0, "")
        with Image.open(out) as after, Image.open(photo) as before:
            same = (np.asarray(after) == np.asarray(before)).all(-1).mean()
        shares[shape] = float(said.split("(")[1].split("%")[0]) / 100
        assert 0 <= same - shares[shape] < 0.001  # true, and rounded down
    assert shares["face"] > shares["crop"] > 0.5


def test_several_faces_of_a_photo_edited_at_once(run, tiny_folder, tmp_path):
    photo, changed = "examples/drawn/group.jpg", {}
    for name, wanted in (("two", "0,2"), ("all", "all")):
        out = tmp_path / f"{name}.png"
        words = ("--face", wanted, "--steps", 1, "--detail", 0, "--paste-back", "--domain", tiny_folder)
        assert run("edit", photo, "-o", out, *words)[0] == 0
        with Image.open(out) as after, Image.open(photo) as before:
            changed[name] = (np.asarray(after) != np.asarray(before)).any(-1)
    columns = [changed["two"][:, left : left + 300].mean() for left in (60, 490, 920)]  # left, middle, right person
    assert sum(share > 0.1 for share in columns) == 2
    assert changed["all"].mean() > changed["two"].mean() * 1.2
    refused(run("edit", photo, "-o", out, "--face", "0,5", "--paste-back", "--domain", tiny_folder), 2, "no face 5")


def test_keep_without_paste_back_locks_inside_the_crop(run, tiny, tiny_folder, photo, tmp_path):
    plain, kept = tmp_path / "plain.png", tmp_path / "kept.png"
    assert run("edit", photo, "-o", plain, "--detail", 0, "--domain", tiny_folder)[0] == 0
    assert run("edit", photo, "-o", kept, "--detail", 0, "--keep", "face", "--domain", tiny_folder)[0] == 0
    face = tiny.align(photo)
    original = np.asarray(face.own_crop(face.own_side(32)))
    with Image.open(plain) as a, Image.open(kept) as b:
        before, after = np.asarray(a), np.asarray(b)
    middle = len(original) // 2
    assert before.shape == after.shape == original.shape
    assert (after[middle, middle] == original[middle, middle]).all()
    assert (after[0, 0] == before[0, 0]).all()


def test_an_edit_of_nothing_leaves_the_photo_as_it_is(run, tiny_folder, photo, tmp_path):
    out = tmp_path / "same.png"
    code, said, _ = run("edit", photo, "-o", out, "--paste-back", "--domain", tiny_folder)
    assert code == 0
    assert "(100.0% of the photo's pixels are unchanged)" in said
    with Image.open(out) as after, Image.open(photo) as before:
        assert np.array_equal(np.asarray(after), np.asarray(before.convert("RGB")))


def test_detail_is_an_option_with_a_range(run, tiny_folder, photo, tmp_path):
    out = tmp_path / "edited.png"
    words = ("edit", photo, "-o", out, "--set", "smile=1", "--domain", tiny_folder)
    refused(run(*words, "--detail", 2), 2, "between 0 and 1")


def test_domains_and_edits(run, tiny_folder, tmp_path):
    code, out, _ = run("edits", "--domain", tiny_folder)
    assert code == 0
    assert "smile" in out
    assert "-3 to 3" in out
    bare = tmp_path / "bare"
    shutil.copytree(tiny_folder, bare, ignore=shutil.ignore_patterns("editing_directions"))
    code, out, _ = run("edits", "--domain", bare)
    assert code == 0
    assert "no edits yet" in out
    code, out, _ = run("domains")
    assert code == 0
    assert "portraits" in out


def test_benchmark(run, tiny_folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(tiny_folder / "domain.json", bare)
    out = tmp_path / "timings.json"
    code, shown, _ = run("benchmark", "--domain", bare, "--random-weights", "--device", "cpu", "--out", out)
    assert code == 0
    results = json.loads(shown)
    assert results == json.loads(out.read_text())
    names = [(row["name"], row["batch"]) for row in results["stages"]]
    assert names == [
        ("encoder", 1),
        ("refinement_step", 1),
        ("inversion", 1),
        ("render", 1),
        ("render", 4),
        ("render", 16),
        ("preview", 1),
        ("edit_to_jpeg", 1),
    ]
    for row in results["stages"]:
        assert 0 < row["median_s"] <= row["p95_s"]
        assert row["ratio_to_twin"] > 0
        assert row["gflops"] > 0
        assert row["share_of_peak"] == pytest.approx(row["gflops"] / results["peak_gflops"], rel=0.2, abs=1e-3)
        assert row["peak_mb"] > 0
        assert row["psnr_db"] is None or row["psnr_db"] > 80
    assert {row["name"] for row in results["stages"] if row["psnr_db"] is not None} == {"refinement_step", "render"}
    page = out.with_suffix(".md").read_text()
    assert "| render | 16 |" in page
    assert "benchmark --domain" in page


def test_train_hands_everything_on(run, monkeypatch, tmp_path):
    calls = []
    module = types.ModuleType("hyperstyle.training.stages")
    module.run_stage = lambda stage, domain, **options: calls.append((stage, domain, options)) or options["out"]
    monkeypatch.setitem(sys.modules, "hyperstyle.training.stages", module)
    options = ("--domain", "mine", "--minutes", 1.5, "--no-resume", "--seed", 3, "--out", tmp_path, "--smoke")
    assert run("train", "encoder", *options, "--device", "cpu", "--faces", tmp_path)[:2] == (0, f"{tmp_path}\n")
    assert calls == [
        (
            "encoder",
            "mine",
            {
                "steps": None,
                "minutes": 1.5,
                "resume": False,
                "seed": 3,
                "device": "cpu",
                "out": tmp_path,
                "smoke": True,
                "weights": None,
                "name": None,
                "source": None,
                "faces": tmp_path,
            },
        )
    ]
    refused(run("train", "generatr"), 2, "did you mean 'generator'")


def test_train_offers_every_stage():
    from hyperstyle.training import stage_names, stages
    from hyperstyle.training.config import PORTRAITS
    from hyperstyle.training.photo_stages import STAGES as OF_PHOTOGRAPHS

    assert tuple(stages.STAGES) == stage_names.STAGES
    assert set(OF_PHOTOGRAPHS) <= set(stage_names.STAGES)
    assert set(stage_names.BASELINES) == set(PORTRAITS.baselines)
    assert set(stage_names.ABLATIONS) == set(PORTRAITS.ablations)


# What it refuses


def test_wrong_usage(run, photo, face, tmp_path):
    out = tmp_path / "out.png"
    refused(run("frob"), 2, "frob", "--help")
    refused(run("edit"), 2, "PHOTO", "edit --help")
    refused(run("edit", photo, "-o", out, "--nothing"), 2, "--nothing")
    refused(run("edit", photo, "-o", out, "--set", "smile"), 2, "--set smile=2.0")
    refused(run("edit", photo, "-o", out, "--set", "smile=big"), 2, "must be a number, not 'big'")
    refused(run("edit", photo, "-o", out, "--text", "a beard=much"), 2, "must be a number, not 'much'")
    refused(run("edit", face, "-o", out, "--paste-back"), 2, "needs the whole photo")
    refused(run("edit", photo, "-o", out, "--face", "all"), 2, "edit with --paste-back")
    refused(run("edit", photo, "-o", out, "--paste-back", "--face", "0,b"), 2, "numbers such as 0,2")
    refused(run("edit", photo, "-o", out, "--mask", "face"), 2, "--mask", "add --paste-back")
    refused(run("edit", photo, "-o", out, "--colour-match", 1), 2, "--colour-match", "add --paste-back")
    refused(run("edit", photo, "-o", out, "--paste-back", "--mask", "fase"), 2, "did you mean 'face'")
    refused(run("edit", photo, "-o", out, "--paste-back", "--blend", "fish"), 2, "choose from: alpha, poisson")
    refused(run("edit", photo, "-o", out, "--keep", "background,hare"), 2, "did you mean 'hair'")
    refused(run("edit", face, "-o", out, "--keep", "hair"), 2, "needs the photo to keep parts of")
    refused(run("align", photo, "-o", tmp_path, "--face", "left"), 2, "largest, all or a number")
    refused(run("align", photo, "-o", tmp_path, "--face", 7), 2, "no face 7")
    refused(run("invert", photo, "-o", tmp_path / "face.bin"), 2, ".safetensors")
    refused(run("invert", photo, "-o", tmp_path / "f.safetensors", "--domain", "portrait"), 2, "did you mean")
    refused(run("align", photo, "-o", tmp_path, "--device", "tpu"), 2, "no device called 'tpu'")
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--set", "smlie=1"), ("did you mean 'smile'",)),
        (("--set", "smile=nan"), ("smile", "nan")),
        (("--set", "smile=inf"), ("smile", "inf")),
        (("--set", "smile=1e9"), ("smile", "1e+09")),
        (("--offset-strength", "1e9"), ("offset strength",)),
    ],
)
def test_bad_edits(run, tiny_folder, face, tmp_path, words, parts):
    refused(run("edit", face, "-o", tmp_path / "out.png", "--domain", tiny_folder, *words), 2, *parts)
    assert list(tmp_path.iterdir()) == []


def test_a_decimal_comma_is_understood_where_it_can_only_be_one(run, tiny_folder, face, tmp_path):
    drawn = []
    for number, value in enumerate(("1.5", "1,5", " 1,50 ", "+1,5")):
        out = tmp_path / f"{number}.png"
        assert run("edit", face, "-o", out, "--domain", tiny_folder, "--set", f"smile={value}")[0] == 0
        drawn.append(out.read_bytes())
    assert len(set(drawn)) == 1
    assert parse_number("0,125", "x") == 0.125
    assert parse_number("-,5", "x") == -0.5
    for value in ("1,500", "1,2,3", "1.000,5", "1,", ","):
        words = ("edit", face, "-o", tmp_path / "o.png", "--domain", tiny_folder, "--set", f"smile={value}")
        refused(run(*words), 2, f"must be a number, not '{value}'")


@pytest.mark.parametrize(("steps", "part"), [("-1", "not -1"), ("1000000", "not 1000000"), ("many", "'--steps'")])
def test_bad_steps(run, tiny_folder, photo, tmp_path, steps, part):
    result = run("invert", photo, "-o", tmp_path / "f.safetensors", "--steps", steps, "--domain", tiny_folder)
    refused(result, 2, part)


def png(path: Path, picture: Image.Image) -> None:
    picture.save(path, "PNG")


BAD_PHOTOS = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("hello"),
    "truncated": lambda path: (
        png(path, Image.effect_noise((300, 300), 50)),
        path.write_bytes(path.read_bytes()[:2000]),
    ),
    "transparent": lambda path: png(path, Image.new("RGBA", (64, 64), (9, 9, 9, 0))),
    "no face": lambda path: png(path, Image.new("RGB", (300, 300), (90, 120, 90))),
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", BAD_PHOTOS)
@pytest.mark.parametrize("command", ["align", "invert", "edit"])
def test_bad_photos(run, tiny_folder, tmp_path, command, kind):
    bad = tmp_path / "bad.png"
    BAD_PHOTOS[kind](bad)
    out = tmp_path / {"align": "faces", "invert": "f.safetensors", "edit": "o.png"}[command]
    extra = () if command == "align" else ("--domain", tiny_folder)
    refused(run(command, bad, "-o", out, *extra), 1)
    assert not out.exists()


def test_bad_faces(run, tiny, tiny_folder, face, tmp_path):
    out, bad = tmp_path / "out.png", tmp_path / "bad.safetensors"
    refused(run("edit", bad, "-o", out, "--domain", tiny_folder), 1, "does not exist")
    bad.write_bytes(face.read_bytes()[:100])
    refused(run("edit", bad, "-o", out, "--domain", tiny_folder), 1, "damaged")
    bad.write_bytes(b"PK\x03\x04 something else entirely")
    refused(run("edit", bad, "-o", out, "--domain", tiny_folder), 1, "not a safetensors file")
    save_file({"x": torch.zeros(1)}, bad)
    refused(run("edit", bad, "-o", out, "--domain", tiny_folder), 1, "not a saved face")
    replace(Inversion.load(face), domain="portraits").save(bad)
    refused(run("edit", bad, "-o", out, "--domain", tiny_folder), 2, "'portraits', but 'tiny'")
    assert not out.exists()


def test_bad_weights(run, tiny_folder, face, tmp_path):
    broken, out = tmp_path / "broken", tmp_path / "out.png"
    shutil.copytree(tiny_folder, broken)
    generator = broken / "generator.safetensors"
    generator.write_bytes(generator.read_bytes()[:500])
    refused(run("edit", face, "-o", out, "--domain", broken), 1, "generator.safetensors", "damaged")
    shutil.copy(broken / "identity.safetensors", generator)
    refused(run("edit", face, "-o", out, "--domain", broken), 1, "do not fit this network")
    generator.unlink()
    refused(run("edit", face, "-o", out, "--domain", broken), 1, "generator.safetensors", "does not exist")
    (broken / "domain.json").write_text("{")
    refused(run("edit", face, "-o", out, "--domain", broken), 1, "not valid JSON")


def test_evaluate_refuses_a_domain_without_truth(run, tiny_folder, tmp_path):
    refused(run("evaluate", "--domain", tiny_folder, "--out", tmp_path / "r.md"), 2, "not drawn by")


def test_nowhere_to_write(run, tiny_folder, photo, face, tmp_path):
    (tmp_path / "file").write_text("")
    missing = tmp_path / "missing" / "out.png"
    refused(run("edit", face, "-o", missing, "--domain", tiny_folder), 1, "There is no folder")
    refused(run("edit", face, "-o", tmp_path, "--domain", tiny_folder), 1, "is a folder")
    refused(run("edit", face, "-o", tmp_path / "out.xyz", "--domain", tiny_folder), 2, ".xyz")
    refused(run("align", photo, "-o", tmp_path / "file" / "faces"), 1, "Could not write")


def test_what_is_read_is_never_written_over(run, tiny_folder, photo, face, tmp_path, monkeypatch):
    """By the file itself: through a link, from another folder, under a second name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "faces").mkdir()
    shutil.copy(photo, "photo.png")
    shutil.copy(face, "face.safetensors")
    assert run("edit", face, "-o", "drawn.png", "--domain", tiny_folder, "--save-recipe", "a.hyperstyle.json")[0] == 0
    Path("link.png").symlink_to("photo.png")
    Path("second.png").hardlink_to("photo.png")
    Path("link.safetensors").symlink_to("face.safetensors")
    Path("link.hyperstyle.json").symlink_to("a.hyperstyle.json")
    Path("sub/faces/photo_face0.png").symlink_to("../../photo.png")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    same, absolute = "are the same file", tmp_path / "photo.png"
    for out in ("photo.png", "sub/../photo.png", "link.png", "second.png", absolute):
        refused(run("edit", "photo.png", "-o", out, "--domain", tiny_folder), 2, same)
    refused(run("edit", "link.png", "-o", "photo.png", "--domain", tiny_folder), 2, same)
    refused(run("edit", photo, "-o", "photo.png", "--recipe", "link.png", "--domain", tiny_folder), 2, same)
    refused(run("edit", "a.hyperstyle.json", "-o", "o.png", "--save-recipe", "link.hyperstyle.json"), 2, same)
    refused(run("edit", photo, "-o", "photo.png", "--generator", "link.png"), 2, same)
    refused(run("invert", "face.safetensors", "-o", "link.safetensors"), 2, same)
    refused(run("invert", "photo.png", "-o", "o.safetensors", "--report", "link.png"), 2, same)
    refused(run("invert", "photo.png", "-o", "o.safetensors", "--report", "sub/../o.safetensors"), 2, same)
    for one, other in (("face.safetensors", face), (face, "face.safetensors")):
        refused(run("mix", one, other, "-o", "link.safetensors", "--domain", tiny_folder), 2, same)
    movie = ("-o", "photo.gif", "--sweep", "smile=-1:1", "--domain", tiny_folder)
    Path("photo.gif").symlink_to("photo.png")
    Path("face.gif").symlink_to("face.safetensors")
    refused(run("animate", "photo.png", *movie), 2, same)
    refused(run("animate", photo, "-o", "face.gif", "--into", "face.safetensors"), 2, same)
    refused(run("align", "photo.png", "-o", "sub/faces"), 2, same)
    refused(run("benchmark", "--out", "numbers.md", "--domain", tiny_folder), 2, same)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in before} == before


@pytest.mark.parametrize("letter", ["a", "ü", "\U0001f642"])
def test_names_that_are_too_long(run, tiny_folder, photo, face, tmp_path, letter, monkeypatch):
    monkeypatch.setattr("hyperstyle.cli.shared.load_pipeline", None)  # nothing is loaded for them
    count = 255 // len(letter.encode())
    name = letter * count
    domain = ("--domain", tiny_folder)
    long = "too long"
    refused(run("edit", face, "-o", tmp_path / f"{name}.png", *domain), 1, long)
    recipe = tmp_path / f"{name}.hyperstyle.json"
    refused(run("edit", face, "-o", tmp_path / "o.png", "--save-recipe", recipe, *domain), 1, long)
    refused(run("invert", photo, "-o", tmp_path / f"{name}.safetensors", *domain), 1, long)
    refused(run("invert", photo, "-o", tmp_path / "f.safetensors", "--report", tmp_path / f"{name}.json"), 1, long)
    refused(run("mix", face, face, "-o", tmp_path / f"{name}.png", *domain), 1, long)
    refused(run("random", "-o", tmp_path / f"{name}.png", *domain), 1, long)
    refused(run("animate", face, "-o", tmp_path / f"{name}.mp4", "--sweep", "smile=0:1", *domain), 1, long)
    refused(run("align", photo, "-o", tmp_path / f"{name}{letter}"), 1, long)
    for read in (f"{name}.png", f"{name}.safetensors", f"{name}.hyperstyle.json"):
        refused(run("edit", tmp_path / read, "-o", tmp_path / "o.png", *domain), 1)
    refused(run("batch", tmp_path / f"{name}{letter}", "--recipe", recipe, "-o", tmp_path / "out"), 2, "no folder")
    refused(run("edits", "--domain", f"{name}{letter}"), 2)
    refused(run("edits", "--domain", "ffhq", "--weights", f"{name}{letter}"), 2)
    refused(run("edits", "--domain", "~nobody/at/home"), 2, "no domain")
    assert list(tmp_path.iterdir()) == []


def test_full_disk(run, tiny_folder, face, tmp_path):
    """A limit on file sizes fails writes half way, as a full disk does."""
    out = tmp_path / "out.png"
    out.write_bytes(b"earlier result")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        result = run("edit", face, "-o", out, "--domain", tiny_folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    refused(result, 1, "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    assert out.read_bytes() == b"earlier result"


def test_surprises_are_one_line_unless_asked(run, monkeypatch):
    def surprise():
        raise ZeroDivisionError("over\nzero")

    monkeypatch.setattr("hyperstyle.domains.list_domains", surprise)
    refused(run("domains"), 1, "ZeroDivisionError: over zero", "--debug")
    code, _, err = run("domains", "--debug")
    assert code == 1
    assert "Traceback" in err


def test_interruption_is_quiet(run, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("hyperstyle.domains.list_domains", interrupt)
    refused(run("domains"), 1, "Interrupted")


def test_as_a_program(tiny_folder, face, tmp_path):
    out = tmp_path / "out.png"
    words = [sys.executable, "-m", "hyperstyle", "edit", str(face), "-o", str(out), "--domain", str(tiny_folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.is_file()
    done = subprocess.run([*words, "--set", "smile=nan"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("The edit 'smile' needs an ordinary number")
    assert done.stderr.count("\n") == 1


# Evaluation


def test_evaluate(run, drawn_folder, tmp_path):
    page = tmp_path / "docs" / "results.md"
    quick = ("--slow-n", 0)
    code, out, _ = run("evaluate", "--domain", drawn_folder, "--n", 3, *quick, "--seed", 5, "--faces", 4, "--out", page)
    assert (code, out) == (0, f"{page}\n")
    text = page.read_text()
    words = f"--n 3 --slow-n 0 --seed 5 --faces 4 --split beyond --out {page}"
    assert f"python -m hyperstyle evaluate --domain {drawn_folder} {words}" in text
    assert "| separable offsets |" in text
    for name in ("quick_summary.csv", "quick_tradeoff.png", "ablations_editability.csv", "ablations_editability.png"):
        assert (page.parent / "results" / name).is_file()
    assert "![results/quick_editability.png](results/quick_editability.png)" in text
    results = json.loads(page.with_suffix(".json").read_text())
    assert results["generator"]["psnr"]["low"] <= results["generator"]["psnr"]["mean"]
    assert results["detector"]["portraits"] == 4
    assert results["detector"]["found"] == round(4 * results["detector"]["share"])
    assert f"in {results['detector']['found']} of 4 random portraits" in text
    for question in ("in_domain", "beyond_domain"):
        assert [row["stage"] for row in results[question]] == ["encoder", "step 1", "step 2", "step 3"]
    assert [row["name"] for row in results["edits"]] == ["smile", "age"]
    assert {row["unit"] for row in results["edits"]} == {"fraction", "years"}
    assert {"encoder", "step 3", "first edit of a face", "every further edit"} == set(results["seconds"]) - {
        "step 1",
        "step 2",
    }
    again = tmp_path / "again.md"
    run("evaluate", "--domain", drawn_folder, "--n", 3, *quick, "--seed", 5, "--faces", 0, "--out", again)
    repeated = json.loads(again.with_suffix(".json").read_text())
    assert "detector" not in repeated
    assert repeated["beyond_domain"] == results["beyond_domain"]
    assert repeated["edits"] == results["edits"]


def test_bootstrap_interval():
    from hyperstyle.evaluation.tables import interval

    values = torch.randn(400, generator=torch.Generator().manual_seed(1)) * 2 + 5
    found = interval(values)
    assert found["mean"] == pytest.approx(float(values.mean()), abs=1e-5)
    half_width = (found["high"] - found["low"]) / 2
    assert half_width == pytest.approx(1.96 * float(values.std()) / 20, rel=0.1)  # what theory says for 400 normals
