"""Animations: what every frame shows, the files that come out, and that nothing broken is ever left behind."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from hyperstyle.alignment import paste_back
from hyperstyle.animation import Animation, InPhoto, Morph, State, Sweep, blend_states
from hyperstyle.cli import main
from hyperstyle.editing import TextEdit
from hyperstyle.errors import BadStrength, Cancelled, CannotWrite, ShapeMismatch, UnknownEdit, UsageError
from hyperstyle.images import open_photo
from hyperstyle.latents import Inversion
from hyperstyle.movies import MOVIE_SUFFIXES, save_movie
from hyperstyle.provenance import SOURCE_TYPES


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


@pytest.fixture(scope="module")
def aligned(tiny, photo):
    return tiny.align(photo)


@pytest.fixture(scope="module")
def inversion(tiny, aligned) -> Inversion:
    return tiny.invert(aligned)


def decode(path: Path) -> tuple[list[Image.Image], float]:
    """All frames of a movie as a player shows them, and its length in seconds."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            seconds = float(stream.duration * stream.time_base)
            return [frame.to_image() for frame in container.decode(stream)], seconds
    frames, milliseconds = [], 0
    with Image.open(path) as movie:
        for index in range(movie.n_frames):
            movie.seek(index)
            frames.append(movie.convert("RGB"))
            milliseconds += movie.info["duration"]
    return frames, milliseconds / 1000


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean())


# What frames show


def test_a_sweep_goes_from_end_to_end(tiny, inversion) -> None:
    """The first and last frames are the ends, exactly; what stays is in all of them."""
    base = State({"age": 1.0, "smile": 9.0}, offset_strength=0.5)
    animation = Animation(tiny, inversion, Sweep("smile", -2, 2, base, ease="linear"), seconds=0.5, fps=10)
    assert len(animation) == 5
    frames = list(animation.frames())
    for index, smile in enumerate((-2, -1, 0, 1, 2)):
        expected = tiny.render(inversion, {"age": 1.0, "smile": smile}, offset_strength=0.5)
        assert difference(frames[index], expected) < 0.5
    smooth = Animation(tiny, inversion, Sweep("smile", -2, 2, base), seconds=0.5, fps=10)
    strengths = [smooth.state(index).edits.get("smile", 0.0) for index in range(5)]
    assert strengths == pytest.approx([-2, -np.sqrt(2), 0, np.sqrt(2), 2], abs=1e-6)


def test_there_and_back_has_no_jump(tiny, inversion) -> None:
    animation = Animation(tiny, inversion, Sweep("smile", 0, 4, ease="linear", ping_pong=True), seconds=1, fps=8)
    strengths = [animation.state(index).edits.get("smile", 0.0) for index in range(8)]
    assert strengths == pytest.approx([0, 1, 2, 3, 4, 3, 2, 1])


def test_a_morph_passes_every_state(tiny, inversion) -> None:
    """From a face through an edit into another face, with prompts coming and going."""
    other = tiny.random_face(4)
    beard, hat = TextEdit("a beard", 2.0), TextEdit("a hat", 1.0, neutral="a head")
    half = blend_states(State({"smile": 1.0}, (beard,)), State({"age": 2.0}, (hat, beard), 0.5), 0.5)
    assert half.edits == {"smile": 0.5, "age": 1.0}
    assert half.offset_strength == 0.75
    assert set(half.text) == {beard, replace(hat, strength=0.5)}
    states = (State(), State({"smile": 2.0}), State(inversion=other))
    animation = Animation(tiny, inversion, Morph(states), seconds=0.5, fps=10)
    pictures = list(animation.frames())
    assert difference(pictures[0], tiny.render(inversion)) < 0.5
    assert difference(pictures[2], tiny.render(inversion, {"smile": 2.0})) < 0.5
    assert difference(pictures[4], tiny.render(other)) < 0.5
    assert animation.state(3).inversion.offsets  # between an adapted face and one that is not
    closer = tiny.render(tiny.interpolate(inversion, other, 0.5), {"smile": 1.0})
    assert difference(pictures[3], closer) < 0.5


def test_a_swept_prompt_replaces_its_own_strength() -> None:
    sweep = Sweep(TextEdit("a beard"), 0, 2, State(text=(TextEdit("a beard", 9.0), TextEdit("a hat"))))
    assert [edit.strength for edit in sweep.states[1].text] == [1.0, 2.0]


def test_passing_faces_push_nobody_out_of_the_cache(tiny, inversion) -> None:
    tiny.render(inversion)
    held = len(tiny._prepared)
    morph = Morph((State(), State(inversion=tiny.invert(torch.rand(1, 3, 32, 32) * 2 - 1))))
    list(Animation(tiny, inversion, morph, seconds=0.5, fps=10).frames())
    assert len(tiny._prepared) == held


def test_drawn_by_another_generator(tiny, inversion) -> None:
    animation = Animation(tiny, inversion, Sweep("smile", -1, 1), 0.5, 10, generator=tiny.models.generator)
    assert difference(animation.frame(0), tiny.stylise(inversion, tiny.models.generator, {"smile": -1.0})) == 0


def test_in_the_whole_photo(tiny, inversion, photo, aligned) -> None:
    """At full size exactly what `paste_back` makes; a smaller photo is scaled once and stays even."""
    picture = tiny.render(inversion, {"smile": 2.0})
    opened = open_photo(photo)
    assert InPhoto(photo, aligned)(picture).tobytes() == paste_back(opened, aligned, picture)[0].tobytes()
    small = InPhoto(photo, aligned, max_side=251)
    assert small.size == (250, 250)
    expected = paste_back(opened, aligned, picture)[0].resize((251, 251), Image.Resampling.LANCZOS)
    assert difference(small(picture), expected.crop((0, 0, 250, 250))) < 1.5
    animation = Animation(tiny, inversion, Sweep("smile", -2, 2), 0.5, 10, place=small)
    assert animation.size == (250, 250)
    first, *_, last = animation.frames()
    changed = (np.asarray(first) != np.asarray(last)).any(-1)
    assert changed.any()
    assert not changed[-40:].any()


# Files


@pytest.mark.parametrize("suffix", MOVIE_SUFFIXES)
def test_two_seconds_are_48_frames(tiny, inversion, tmp_path, suffix) -> None:
    """Every format opens, lasts two seconds and shows what was drawn; its size is told and foretold."""
    animation = Animation(tiny, inversion, Sweep("smile", -3, 3, ease="linear"))  # no two frames are alike
    seen: list[tuple[int, int]] = []
    movie = animation.export(tmp_path / f"out{suffix}", lambda done, total: seen.append((done, total)))
    assert seen == [(index, 48) for index in range(1, 49)]
    assert movie.n_bytes == movie.path.stat().st_size
    assert (movie.frames, movie.seconds, movie.size) == (48, 2.0, (32, 32))
    frames, seconds = decode(movie.path)
    assert len(frames) == 48
    assert seconds == pytest.approx(2.0)
    for index in (0, 47):  # in grey: movies have half the colour resolution, and this is noise of 32 px
        assert difference(frames[index].convert("L"), animation.frame(index).convert("L")) < 8
    assert 0.4 < animation.estimate_bytes(suffix) / movie.n_bytes < 2.5
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


def noted(path) -> str:
    """What a movie file's metadata say."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            return container.metadata.get("comment", "")
    with Image.open(path) as movie:
        found = movie.info.get("comment" if path.suffix == ".gif" else "xmp", b"")
    return found.decode("utf-8")


@pytest.mark.parametrize("suffix", MOVIE_SUFFIXES)
def test_movies_say_that_they_are_edited_unless_told_not_to(tiny, inversion, tmp_path, suffix) -> None:
    still = Animation(tiny, inversion, Sweep("smile", -3, 3), seconds=0.5, fps=10)
    path = still.export(tmp_path / f"out{suffix}").path
    assert SOURCE_TYPES["generated"] in noted(path)
    pasted = Animation(tiny, inversion, Sweep("smile", -3, 3), seconds=0.5, fps=10, place=lambda picture: picture)
    assert SOURCE_TYPES["composite"] in noted(pasted.export(path).path)
    assert "digitalsourcetype" not in noted(still.export(path, note=False).path)


def test_mp4_keeps_colours_starts_fast_and_is_even(tmp_path) -> None:
    colours = ((200, 60, 40), (40, 160, 70), (60, 80, 190))
    frames = [Image.new("RGB", (67, 51), colour) for colour in colours]
    path = tmp_path / "out.mp4"
    assert save_movie(frames, path, 3) == (3, path.stat().st_size)
    decoded, seconds = decode(path)
    assert seconds == 1
    for frame, colour in zip(decoded, colours, strict=True):
        assert frame.size == (66, 50)
        assert np.abs(np.asarray(frame, float) - colour).max() < 5
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("suffix", MOVIE_SUFFIXES)
@pytest.mark.parametrize("how", ["function", "event", "failure"])
def test_what_is_stopped_leaves_nothing_broken(tiny, inversion, tmp_path, suffix, how) -> None:
    """Cancelled or failed half way, an earlier file stays as it was and no other appears."""
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"earlier")
    event, drawn = threading.Event(), 0

    def on_frame(done: int, total: int) -> None:
        nonlocal drawn
        drawn = done
        if done == 5:
            event.set()
            if how == "failure":
                raise KeyboardInterrupt

    cancel = {"function": event.is_set, "event": event, "failure": None}[how]
    animation = Animation(tiny, inversion, Sweep("smile", -2, 2), 1.0, 12)
    with pytest.raises(KeyboardInterrupt if how == "failure" else Cancelled):
        animation.export(path, on_frame, cancel)
    assert drawn == 5
    assert path.read_bytes() == b"earlier"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


# What is refused


def test_what_makes_no_sense_is_refused(tiny, inversion, tmp_path) -> None:
    sweep = Sweep("smile", -1, 1)
    for seconds, fps, part in (
        (0, 24, "up to 60 seconds"),
        (-1, 24, "not -1"),
        (float("nan"), 24, "not nan"),
        (1e9, 24, "up to 60"),
        (2, 0, "1 to 60"),
        (2, 1000, "not 1000"),
        (0.01, 24, "less than two frames"),
    ):
        with pytest.raises(UsageError, match=part):
            Animation(tiny, inversion, sweep, seconds, fps)
    with pytest.raises(UnknownEdit, match="did you mean 'smile'"):
        Animation(tiny, inversion, Sweep("smlie", -1, 1))
    with pytest.raises(BadStrength, match="smile"):
        Animation(tiny, inversion, Sweep("smile", -1, 1e9))
    with pytest.raises(UsageError, match="no face"):
        Animation(tiny, None, sweep)
    with pytest.raises(UsageError, match="two states"):
        Morph((State(),))
    with pytest.raises(UsageError, match="smooth or linear"):
        Sweep("smile", 0, 1, ease="bouncy")
    animation = Animation(tiny, inversion, sweep)
    for name, error, part in (
        ("out.avi", UsageError, ".mp4, .gif or .webp"),
        ("out", UsageError, "without a suffix"),
        ("no/out.mp4", CannotWrite, "There is no folder"),
    ):
        with pytest.raises(error, match=part):
            animation.export(tmp_path / name)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(CannotWrite, match="is a folder"):
        animation.export(tmp_path / "folder.mp4")
    with pytest.raises(UsageError, match="1 to 50"):
        Animation(tiny, inversion, sweep, fps=60).export(tmp_path / "out.gif")
    with pytest.raises(UsageError, match="at least one"):
        save_movie([], tmp_path / "out.mp4", 24)
    two = Inversion(inversion.w_plus.repeat(2, 1, 1), {}, 0, "tiny")
    with pytest.raises(ShapeMismatch, match="2 faces"):
        Animation(tiny, two, sweep).export(tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]


# The command line


@pytest.fixture
def run(capsys):
    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp"])
def test_a_movie_stops_while_its_drawn_frames_are_encoded(tiny, inversion, tmp_path, suffix) -> None:
    drawn, asked = [0], []

    def cancel() -> bool:
        asked.append(drawn[0])
        return asked.count(12) > 3  # all are drawn, some are encoded

    animation = Animation(tiny, inversion, Sweep("smile", -2, 2), 0.5)
    with pytest.raises(Cancelled):
        animation.export(tmp_path / f"out{suffix}", lambda done, _: drawn.__setitem__(0, done), cancel)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def saved(inversion, tmp_path) -> Path:
    path = tmp_path / "face.safetensors"
    inversion.save(path)
    return path


def test_animate(run, tiny, tiny_folder, photo, saved, inversion, tmp_path) -> None:
    at = ("--domain", tiny_folder)
    out = tmp_path / "out.mp4"
    code, shown, _ = run("animate", saved, "-o", out, "--sweep", "smile=-2:2", "--set", "age=1", *at)
    assert code == 0
    assert "48 frames, 2 s, 32 x 32 px" in shown
    assert len(decode(out)[0]) == 48
    quick = ("--seconds", 0.5, "--fps", 8, *at)
    out = tmp_path / "whole.gif"
    words = ("--sweep", "smile=-2:2", "--sweep", "age=0:1", "--ping-pong", "--paste-back")
    assert run("animate", photo, "-o", out, *words, *quick)[0] == 0
    assert decode(out)[0][0].size == (512, 512)
    assert run("random", "-o", tmp_path / "other.safetensors", "--seed", 5, *at)[0] == 0
    out = tmp_path / "into.webp"
    words = ("--into", tmp_path / "other.safetensors", "--ease", "linear", "--sweep", "smile=0:1")
    assert run("animate", saved, "-o", out, *words, *quick)[0] == 0
    assert b"digitalsourcetype" in out.read_bytes()
    silent = tmp_path / "silent.webp"
    assert run("animate", saved, "-o", silent, *words, "--no-provenance", *quick)[0] == 0
    assert b"digitalsourcetype" not in silent.read_bytes()
    last = tiny.render(tiny.random_face(5), {"smile": 1.0})
    assert difference(decode(out)[0][-1].convert("L"), last.convert("L")) < 8


def test_mix_and_random(run, tiny, tiny_folder, saved, inversion, tmp_path) -> None:
    at = ("--domain", tiny_folder)
    other, out = tmp_path / "other.safetensors", tmp_path / "mixed.safetensors"
    assert run("random", "-o", other, "--seed", 3, "--truncation", 0.5, *at)[0] == 0
    assert torch.equal(Inversion.load(other).w_plus, tiny.random_face(3, 0.5).w_plus)
    assert run("mix", saved, other, "-o", out, "--t", 0.25, *at)[0] == 0
    mixed = tiny.interpolate(inversion, Inversion.load(other), 0.25)
    assert torch.equal(Inversion.load(out).w_plus, mixed.w_plus)
    assert run("mix", saved, other, "-o", tmp_path / "mixed.png", "--fine", "--medium", *at)[0] == 0
    expected = tiny.render(tiny.mix_styles(inversion, Inversion.load(other), ("medium", "fine")))
    with Image.open(tmp_path / "mixed.png") as picture:
        assert picture.tobytes() == expected.tobytes()
        assert b"digitalsourcetype/trainedAlgorithmicMedia" in picture.info["xmp"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--sweep", "smile"), "smile=-2:2"),
        (("--sweep", "smile=1"), "smile=-2:2"),
        (("--sweep", "smile=a:1"), "must be a number, not 'a'"),
        (("--sweep", "smlie=0:1"), "did you mean 'smile'"),
        ((), "Nothing would move"),
        (("--sweep", "smile=0:1", "--paste-back"), "whole photo"),
        (("--sweep", "smile=0:1", "--seconds", "1000"), "up to 60 seconds"),
        (("--sweep", "smile=0:1", "--fps", "1000"), "not 1000"),
        (("--sweep", "smile=0:1", "--ease", "bouncy"), "smooth or linear"),
        (("--sweep", "smile=0:1", "--style", "line"), "without styles"),
    ],
)
def test_animate_refuses(run, tiny_folder, saved, tmp_path, words, part) -> None:
    code, out, err = run("animate", saved, "-o", tmp_path / "out.mp4", "--domain", tiny_folder, *words)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert part in err
    assert [path.name for path in tmp_path.iterdir()] == [saved.name]


def test_mix_and_animate_refuse_more(run, tiny_folder, saved, tmp_path) -> None:
    at = ("--domain", tiny_folder)
    for words, part in (
        (("animate", saved, "-o", tmp_path / "out.avi", "--sweep", "smile=0:1"), ".mp4, .gif or .webp"),
        (("mix", saved, saved, "-o", tmp_path / "o.png", "--t", 0.5, "--fine"), "--t"),
        (("mix", saved, saved, "-o", tmp_path / "o.png", "--t", 7), "between 0 and 1"),
        (("random", "-o", tmp_path / "o.png", "--seed", -1), "seed"),
        (("random", "-o", tmp_path / "o.safetensors", "--style", "line"), "style"),
    ):
        code, _, err = run(*words, *at)
        assert code == 2
        assert part in err
    assert [path.name for path in tmp_path.iterdir()] == [saved.name]
