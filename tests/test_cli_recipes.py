"""Recipes, provenance and `batch` on the command line, over the tiny domain and a real photo."""

from __future__ import annotations

import csv
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cli import face, photo, refused, run
from test_provenance import source_type

from hyperstyle.alignment import PasteOptions
from hyperstyle.batch import STATE_FILE, Row, read_csv, to_csv
from hyperstyle.images import open_photo
from hyperstyle.latents import Inversion
from hyperstyle.provenance import SOURCE_TYPES, add_mark
from hyperstyle.recipes import Recipe

__all__ = ["face", "photo", "run"]  # fixtures for the tests below


@pytest.fixture
def look(tmp_path) -> Path:
    path = tmp_path / "look.hyperstyle.json"
    Recipe("tiny", {"smile": 2.0, "age": 1.0}, off=frozenset({"age"}), offset_strength=0.5, steps=1).save(path)
    return path


@pytest.fixture
def folder(tmp_path, photo) -> Path:
    """Two photos, three files that are none, and others that `batch` leaves alone."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(photo, folder / "a.png")
    open_photo(photo).save(folder / "b.jpg", quality=95)
    (folder / "broken.png").write_bytes(photo.read_bytes()[:5000])
    Image.new("RGB", (200, 200), (90, 120, 90)).save(folder / "nobody.png")
    (folder / "text.JPG").write_text("not a picture")
    (folder / "notes.txt").write_text("not for us")
    (folder / "letter.pdf").write_text("not for us either")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "inside.png").mkdir()
    return folder


def report(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


# edit


def test_edit_with_a_recipe(run, tiny, tiny_folder, face, look, tmp_path):
    out = tmp_path / "out.png"
    assert run("edit", face, "-o", out, "--recipe", look, "--domain", tiny_folder) == (0, f"{out}\n", "")
    expected = tiny.render(Inversion.load(face), {"smile": 2.0}, offset_strength=0.5)
    assert open_photo(out).tobytes() == expected.tobytes()
    assert source_type(out) == SOURCE_TYPES["generated"]


def test_a_saved_recipe_draws_the_same_picture_again(run, tiny_folder, photo, face, tmp_path):
    first, look, again = tmp_path / "first.png", tmp_path / "look.hyperstyle.json", tmp_path / "again.png"
    options = ("--set", "smile=1.25", "--set", "age=-2", "--offset-strength", 0.8, "--steps", 2, "--detail", 0)
    options += ("--save-recipe", look, "--with-face", "--domain", tiny_folder)
    assert run("edit", photo, "-o", first, *options)[:2] == (0, f"{first}\n{look}\n")
    assert run("edit", look, "-o", again, "--domain", tiny_folder)[0] == 0
    large, small = open_photo(first), open_photo(again)  # without its photo a face has the generator's size
    enlarged = np.asarray(small.resize(large.size, Image.Resampling.BICUBIC), dtype=float)
    assert np.abs(enlarged - np.asarray(large)).mean() < 2
    saved = Recipe.load(look)
    assert (saved.edits, saved.offset_strength) == ({"smile": 1.25, "age": -2.0}, 0.8)
    bare = tmp_path / "bare.hyperstyle.json"
    assert run("edit", face, "-o", again, "--set", "smile=1", "--save-recipe", bare, "--domain", tiny_folder)[0] == 0
    assert Recipe.load(bare) == Recipe("tiny", {"smile": 1.0})
    assert bare.stat().st_size < 400  # never the photo, and no face unless asked for


def test_a_recipe_says_how_its_face_goes_back(run, tiny, tiny_folder, photo, tmp_path):
    options = PasteOptions("face", 0.05, 1.0, "poisson", ("eyes",))
    recipe = Recipe("tiny", {"smile": 2.0}, steps=1, paste=options)
    look, out, domain = tmp_path / "look.hyperstyle.json", tmp_path / "out.png", ("--domain", tiny_folder)
    recipe.save(look)
    aligned = tiny.align(photo)
    drawn = tiny.render_recipe(recipe, tiny.invert(aligned, 1), face=aligned)

    def pasted(options: PasteOptions) -> bytes:
        return tiny.paste_back_all(photo, [(aligned, drawn, options)]).picture.tobytes()

    assert run("edit", photo, "-o", out, "--recipe", look, "--paste-back", *domain)[0] == 0
    assert open_photo(out).tobytes() == pasted(options)
    # What is said on the command line counts for more, and is what a recipe saved there says.
    again = tmp_path / "again.hyperstyle.json"
    words = ("--paste-back", "--mask", "crop", "--keep", "nose", "--mark", "--save-recipe", again)
    assert run("edit", photo, "-o", out, "--recipe", look, *words, *domain)[0] == 0
    other = replace(options, shape="crop", keep=("nose",))
    assert Recipe.load(again) == replace(recipe, paste=other, mark=True)
    assert open_photo(out).tobytes() == add_mark(Image.frombytes("RGB", (512, 512), pasted(other))).tobytes()
    # The face alone is left as it is drawn, but for the mark.
    assert run("edit", photo, "-o", out, "--recipe", again, *domain)[0] == 0
    assert open_photo(out).tobytes() == add_mark(drawn).tobytes()
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(photo, folder / "a.png")
    assert run("batch", folder, "-o", tmp_path / "edited", "--recipe", look, "--paste-back", *domain)[0] == 0
    assert open_photo(tmp_path / "edited" / "a.png").tobytes() == pasted(options)


def test_a_picture_carries_its_recipe_on_request(run, tiny_folder, face, tmp_path):
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    options = ("--set", "smile=1.5", "--embed-recipe", "--domain", tiny_folder)
    assert run("edit", face, "-o", out, *options)[0] == 0
    assert Recipe.load(out) == Recipe("tiny", {"smile": 1.5})
    assert source_type(out) == SOURCE_TYPES["generated"]
    assert run("edit", face, "-o", again, "--recipe", out, "--domain", tiny_folder)[0] == 0
    assert open_photo(again).tobytes() == open_photo(out).tobytes()
    refused(run("edit", face, "-o", tmp_path / "a.jpg", *options), 2, "Only PNG")


def test_provenance_of_edits(run, tiny, tiny_folder, photo, face, tmp_path):
    options = ("--set", "smile=1", "--domain", tiny_folder)
    whole, plain, marked, bitmap = (tmp_path / name for name in ("whole.jpg", "plain.webp", "marked.png", "face.bmp"))
    assert run("edit", photo, "-o", whole, "--paste-back", *options)[0] == 0
    assert source_type(whole) == SOURCE_TYPES["composite"]
    assert run("edit", face, "-o", plain, "--no-provenance", *options)[0] == 0
    assert source_type(plain) is None
    assert run("edit", face, "-o", marked, "--mark", *options)[0] == 0
    expected = add_mark(tiny.render(Inversion.load(face), {"smile": 1.0}))
    assert open_photo(marked).tobytes() == expected.tobytes()
    code, _, err = run("edit", face, "-o", bitmap, *options)
    assert code == 0
    assert "cannot say that a picture is AI-edited" in err
    assert bitmap.is_file()


def test_edit_signs_on_request(run, tiny_folder, face, tmp_path):
    pytest.importorskip("c2pa")
    out = tmp_path / "signed.png"
    assert run("edit", face, "-o", out, "--set", "smile=1", "--sign", "--domain", tiny_folder)[0] == 0
    assert b"c2pa" in out.read_bytes()
    refused(run("edit", face, "-o", tmp_path / "a.bmp", "--sign", "--no-provenance"), 2, ".bmp")


def test_wrong_usage_of_recipes(run, tiny_folder, photo, face, look, tmp_path):
    out, domain = tmp_path / "out.png", ("--domain", tiny_folder)
    refused(run("edit", face, "-o", out, "--recipe", look, "--set", "smile=1", *domain), 2, "brings its own edits")
    refused(run("edit", face, "-o", out, "--recipe", look, "--offset-strength", 1), 2, "brings its own edits")
    refused(run("edit", look, "-o", out, "--recipe", look), 2, "twice")
    refused(run("edit", look, "-o", out, *domain), 2, "holds no face")
    refused(run("edit", look, "-o", out, "--paste-back"), 2, "needs the whole photo")
    refused(run("edit", face, "-o", out, "--recipe", tmp_path / "no.json"), 1, "cannot be read")
    refused(run("edit", face, "-o", out, "--recipe", photo), 1, "carries no recipe")
    refused(run("edit", face, "-o", out, "--save-recipe", tmp_path / "look.json"), 2, ".hyperstyle.json")
    refused(run("edit", face, "-o", out, "--with-face"), 2, "--save-recipe")
    missing = tmp_path / "missing" / "look.hyperstyle.json"
    refused(run("edit", face, "-o", out, "--save-recipe", missing), 1, "There is no folder")
    save = ("--save-recipe", tmp_path / "new.hyperstyle.json", "--generator", "toon.pt")
    refused(run("edit", face, "-o", out, *save), 2, "another generator")
    Recipe("ffhq", {"smile": 1.0}).save(look)
    refused(run("edit", face, "-o", out, "--recipe", look, *domain), 2, "'ffhq', but 'tiny'")
    assert sorted(path.name for path in tmp_path.iterdir()) == [look.name]


# batch


def test_batch_edits_every_photo_and_names_the_bad_ones(run, tiny, tiny_folder, folder, look, tmp_path):
    out, table = tmp_path / "edited", tmp_path / "report.csv"
    options = ("--recipe", look, "-o", out, "--report", table, "--domain", tiny_folder)
    code, shown, err = run("batch", folder, *options)
    assert code == 1  # some failed
    assert shown == f"{out}  (2 done, 0 finished earlier, 3 failed)\n"
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", STATE_FILE]
    rows = report(table)
    assert list(rows) == ["a.png", "b.jpg", "broken.png", "nobody.png", "text.JPG"]
    assert [row["status"] for row in rows.values()] == ["done", "done", "failed", "failed", "failed"]
    for name in ("a.png", "b.jpg"):
        assert float(rows[name]["seconds"]) > 0
        assert -1 <= float(rows[name]["identity"]) <= 1
    failed = [row for row in rows.values() if row["status"] == "failed"]
    left = "Note: 2 left alone, because their names do not end as pictures' do: letter.pdf, notes.txt."
    assert err.splitlines() == [left, *(f"{row['file']}: {row['message']}" for row in failed)]
    for row in failed:
        assert row["message"].endswith(".")
        assert (row["seconds"], row["identity"]) == ("", "")
    recipe = Recipe.load(look)
    face = tiny.align(folder / "a.png")
    expected = tiny.render_recipe(recipe, tiny.invert(face, recipe.steps), face=face)
    assert open_photo(out / "a.png").tobytes() == expected.tobytes()
    assert source_type(out / "a.png") == SOURCE_TYPES["composite"]

    # A second run makes what is missing, what is older than its photo, and nothing else.
    (out / "b.png").unlink()
    before = (out / "a.png").stat().st_mtime_ns
    code, shown, _ = run("batch", folder, *options)
    assert (code, shown) == (1, f"{out}  (1 done, 1 finished earlier, 3 failed)\n")
    assert (out / "a.png").stat().st_mtime_ns == before
    again = report(table)
    assert again["a.png"] == {**rows["a.png"], "status": "skipped"}
    assert again["b.jpg"]["status"] == "done"
    for bad in ("broken.png", "nobody.png", "text.JPG"):
        (folder / bad).unlink()
    os.utime(folder / "a.png", ns=(before + 10**9, before + 10**9))
    code, shown, err = run("batch", folder, *options)
    assert (code, shown, err) == (0, f"{out}  (1 done, 1 finished earlier, 0 failed)\n", f"{left}\n")

    # Another recipe, or other options, never mix with these.
    for other in ("--paste-back", "--mark", "--no-provenance"):
        refused(run("batch", folder, *options, other), 2, "another recipe or other options", "--again")
    code, shown, _ = run("batch", folder, *options, "--paste-back", "--again")
    assert (code, shown) == (0, f"{out}  (2 done, 0 finished earlier, 0 failed)\n")
    assert source_type(out / "b.png") == SOURCE_TYPES["composite"]
    changed = (np.asarray(open_photo(out / "a.png")) != np.asarray(open_photo(folder / "a.png"))).any(-1)
    assert changed.any()
    assert not changed[-100:].any()


def test_an_interrupted_batch_goes_on_and_leaves_nothing_half(run, tiny_folder, folder, look, tmp_path, monkeypatch):
    out, table = tmp_path / "edited", tmp_path / "report.csv"
    options = ("--recipe", look, "-o", out, "--report", table, "--domain", tiny_folder, "--format", "jpg")
    save = Image.Image.save

    def interrupt(picture, file, format, **how):
        if (out / "a.jpg").exists():
            file.write(b"the first bytes")
            raise KeyboardInterrupt
        save(picture, file, format, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", interrupt)
        code, _, err = run("batch", folder, *options)
    assert (code, err.splitlines()[-1]) == (1, "Interrupted.")
    assert sorted(path.name for path in out.iterdir()) == ["a.jpg", STATE_FILE]
    assert list(report(table)) == ["a.png"]
    code, shown, _ = run("batch", folder, *options)
    assert shown == f"{out}  (1 done, 1 finished earlier, 3 failed)\n"


def test_a_surprise_is_a_row_too(run, tiny_folder, folder, look, tmp_path, monkeypatch, caplog):
    def surprise(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError("over\nzero")

    monkeypatch.setattr("hyperstyle.pipeline.HyperStyle.render_recipe", surprise)
    table = tmp_path / "report.csv"
    options = ("--recipe", look, "-o", tmp_path / "out", "--report", table, "--domain", tiny_folder)
    assert run("batch", folder, *options)[0] == 1
    assert report(table)["a.png"]["message"].startswith("Sorry, something unexpected went wrong (ZeroDivisionError")
    assert not caplog.records  # nothing that a program without settings for its log would show


def test_photos_of_one_name_do_not_meet(tmp_path):
    from hyperstyle.batch import place_results

    photos = [Path(name) for name in ("A.png", "a.jpg", "b.jpg")]
    placed = place_results(photos, Path("out"), ".webp")
    assert [str(path) for path in placed.values()] == ["out/A.png.webp", "out/a.jpg.webp", "out/b.webp"]


def test_photos_of_the_longest_names_have_results(run, tiny_folder, photo, look, tmp_path):
    """A name has at most 255 bytes, and a result's may be longer than its photo's."""
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    names = ["\U0001f642" * 62 + "x.png", "\U0001f642" * 62 + "y.png", "ü" * 125 + ".png"]
    for name in names:
        shutil.copy(photo, folder / name)
    options = ("--recipe", look, "-o", out, "--domain", tiny_folder, "--format", "webp")
    assert run("batch", folder, *options)[:2] == (0, f"{out}  (3 done, 0 finished earlier, 0 failed)\n")
    made = {path.name for path in out.iterdir()} - {STATE_FILE}
    assert len(made) == 3
    assert all(name.endswith(".webp") and len(name.encode()) <= 255 for name in made)
    assert "ü" * 125 + ".webp" in made  # fits as it is
    assert run("batch", folder, *options)[1] == f"{out}  (0 done, 3 finished earlier, 0 failed)\n"
    assert run("align", folder / names[0], "-o", tmp_path / "faces")[0] == 0
    (face,) = (tmp_path / "faces").iterdir()
    assert face.name.startswith("\U0001f642" * 58)
    assert face.name.endswith("_face0.png")


def test_wrong_usage_of_batch(run, tiny_folder, folder, look, tmp_path):
    options = ("--recipe", look, "-o", tmp_path / "out", "--domain", tiny_folder)
    refused(run("batch", tmp_path / "absent", *options), 2, "no folder")
    (tmp_path / "empty").mkdir()
    refused(run("batch", tmp_path / "empty", *options), 2, "no picture")
    refused(run("batch", folder, "--recipe", look, "-o", folder), 2, "folder of their own")
    (tmp_path / "other").symlink_to(folder)
    refused(run("batch", folder, "--recipe", look, "-o", tmp_path / "other"), 2, "folder of their own")
    (tmp_path / "r.csv").symlink_to(look)
    (tmp_path / "a.csv").symlink_to(folder / "a.png")
    for written in (look, tmp_path / "r.csv", tmp_path / "a.csv", tmp_path / "out" / STATE_FILE):
        refused(run("batch", folder, *options, "--report", written), 2, "are the same file")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "b.png").symlink_to(folder / "b.jpg")
    refused(run("batch", folder, "--recipe", look, "-o", tmp_path / "linked"), 2, "are the same file")
    shutil.copy(look, tmp_path / "linked" / STATE_FILE)
    own = ("--recipe", tmp_path / "linked" / STATE_FILE, "-o", tmp_path / "linked", "--again")
    refused(run("batch", folder, *own), 2, "are the same file")
    refused(run("batch", folder, *options, "--format", "gif"), 2, "not 'gif'")
    refused(run("batch", folder, *options, "--face", "all"), 2, "is for align, and for edit")
    refused(run("batch", folder, *options, "--report", tmp_path / "absent" / "r.csv"), 1, "There is no folder")
    refused(run("batch", folder, "--recipe", folder / "a.png", "-o", tmp_path / "out"), 1, "carries no recipe")
    refused(run("batch", folder, "-o", tmp_path / "out"), 2, "--recipe")
    Recipe("tiny", {"smlie": 1.0}).save(look)
    refused(run("batch", folder, *options), 2, "did you mean 'smile'")
    assert not (tmp_path / "out").exists()


def test_reports_survive_odd_names_and_foreign_files(tmp_path):
    rows = [Row('a, "b".png', "done", 1.5, None, "Two\nlines, with a comma."), Row("ü.png", "failed", message="No.")]
    path = tmp_path / "r.csv"
    path.write_text(to_csv(rows), encoding="utf-8")
    assert read_csv(path) == {row.file: row for row in rows}
    for text in ("file,status\na,done\n", "file,status,seconds,identity,message\na,odd,,,\n", "\0", ""):
        path.write_text(text)
        assert read_csv(path) == {}
    assert read_csv(tmp_path / "absent.csv") == {}
