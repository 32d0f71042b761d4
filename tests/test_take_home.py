"""What leaves the page and comes back, without a browser: downloads, recipes, links, several faces in one photo."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from demo_tools import add_words, two_people
from PIL import Image

from hyperstyle import provenance
from hyperstyle.alignment import AlignedFace, PasteOptions
from hyperstyle.demo import sessions, texts
from hyperstyle.demo.handlers import Change, Handlers
from hyperstyle.demo.looks import to_controls, to_recipe
from hyperstyle.demo.pictures import to_data_uri
from hyperstyle.demo.recipe_box import FILE_NAME
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.demo.state import MAX_PROMPTS, Controls
from hyperstyle.demo.studio import Studio
from hyperstyle.demo.whole_photo import TakeHome, read_take_home, write_take_home
from hyperstyle.demo.widgets import picker_value, viewer_value
from hyperstyle.editing import TextEdit
from hyperstyle.errors import BadRecipe
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.recipes import PNG_KEYWORD, Recipe

REST = Controls(steps=2)
SMILE = Controls({"smile": 2.0}, steps=2)
LOOK = Controls(
    {"smile": 2.0, "age": -1.5},
    (TextEdit("a face with a beard", 3.0, 0.1, "a man"), TextEdit("a smiling face", on=False)),
    0.8,
    steps=2,
    off=frozenset({"age"}),
    plain=frozenset({"smile"}),
)


@pytest.fixture(scope="module")
def talking(tiny_folder, tmp_path_factory) -> HyperStyle:
    """A tiny pipeline that understands words."""
    return load(add_words(tiny_folder, tmp_path_factory.mktemp("domains") / "talking"), "cpu")


@pytest.fixture(scope="module")
def faces(talking) -> list[AlignedFace]:
    """Looked for once: that takes longer than everything else in here."""
    return talking.align_all(two_people())


@pytest.fixture
def studio(talking, faces, monkeypatch) -> Studio:
    """A studio whose page "a" has no face yet."""
    monkeypatch.setattr(talking, "align_all", lambda _photo: faces)
    return Studio(Handlers(talking, SessionStore()))


@pytest.fixture
def group(tmp_path) -> Path:
    two_people().save(tmp_path / "group.png")
    return tmp_path / "group.png"


def opened(studio: Studio, group: Path) -> Change:
    *_, last = studio.handlers.open_photo("a", group, 2)
    assert last.ready, last.status
    return last


def copy_of_recipe(studio: Studio, controls: Controls, take: TakeHome, path: Path) -> Path:
    for saved, change in studio.recipes.save("a", controls, take):
        assert saved is not None, change.status
        assert saved.name == FILE_NAME
        path.write_bytes(saved.read_bytes())
    return path


def loaded(studio: Studio, path: Path, key: str = "a", controls: Controls = REST) -> list[Change]:
    changes = list(studio.recipes.load(key, path, controls))
    assert not path.exists()  # an upload does not stay
    return changes


def problem(change: Change) -> str:
    assert change.status is not None
    assert change.status.kind == "problem"
    assert change.status.text.endswith((".", "?"))
    return change.status.text


# Controls and recipes


def test_controls_survive_the_way_into_a_recipe_and_back():
    for made in (LOOK, REST, Controls(steps=0, offset_strength=0.0)):
        recipe = to_recipe(made, "tiny")
        assert to_controls(Recipe.from_json(recipe.to_json()), 5) == made
        assert to_controls(Recipe.from_link(recipe.to_link()), 5) == made
    assert list(to_recipe(LOOK, "tiny").active_edits) == ["smile"]
    assert to_controls(Recipe("tiny"), 4).steps == 4
    assert to_controls(Recipe("tiny", steps=19), 4).steps == 5  # as many as the page offers
    rows = (TextEdit("a beard"),) * (MAX_PROMPTS + 1)
    with pytest.raises(BadRecipe, match="9 prompts"):
        to_controls(Recipe("tiny", text=rows), 4)


def test_a_recipe_of_the_page_draws_the_page(studio, group):
    opened(studio, group)
    rebuilt = studio.handlers.store.get("a").rebuilt
    shown = studio.handlers.draw(rebuilt, LOOK)
    recipe = Recipe.from_json(to_recipe(LOOK, studio.pipeline.domain.name, rebuilt.inversion).to_json())
    assert studio.pipeline.render_recipe(recipe, face=rebuilt.face).tobytes() == shown.tobytes()


def test_what_a_page_sends_is_understood_or_left_out():
    take = TakeHome(PasteOptions("head", 0.2, 0.5, "poisson", ("background", "hair")), mark=True, face=True)
    assert read_take_home(json.loads(json.dumps(write_take_home(take)))) == take
    wrong = {"shape": "star", "feather": 7, "colour_match": True, "blend": None, "keep": ["ear", "eyes"], "mark": 1}
    for value in (None, [], {}, {**wrong, "keep": "eyes"}, {"feather": math.nan}):
        assert read_take_home(value) == TakeHome(PasteOptions(keep=()))
    assert read_take_home(wrong).paste.keep == ("eyes",)


# Downloads


def test_downloads_say_that_they_are_edited_and_carry_the_recipe(studio, group, tmp_path):
    opened(studio, group)
    mark = TakeHome(mark=True)
    for save, source in ((studio.handlers.save_face, "composite"), (studio.handlers.save_whole, "composite")):
        for path, _ in save("a", LOOK):
            content = path.read_bytes()
            with Image.open(path) as picture:
                plain = picture.convert("RGB")
        assert provenance.SOURCE_TYPES[source].encode() in content
        recipe = Recipe.from_png(content)
        assert recipe.inversion is None  # the face goes along only where it was asked for
        assert to_controls(recipe, 5) == LOOK
        for path, _ in save("a", LOOK, mark):
            with Image.open(path) as picture:
                assert picture.info[PNG_KEYWORD]
                assert picture.tobytes() == provenance.add_mark(plain).tobytes()
    drawn = replace(LOOK, look=replace(LOOK.look, detail=0.0))
    for path, _ in studio.handlers.save_face("a", drawn, TakeHome(face=True)):
        (tmp_path / "face.png").write_bytes(path.read_bytes())
        assert provenance.SOURCE_TYPES["generated"].encode() in path.read_bytes()
    rebuilt = studio.handlers.store.get("a").rebuilt
    before = to_data_uri(studio.pipeline.render(rebuilt.inversion, LOOK.look.effective))
    *_, change = loaded(studio, tmp_path / "face.png", "elsewhere")  # a page without any photo
    assert change.picture == before


# Recipes


def test_a_recipe_with_its_face_brings_the_picture_back_without_a_photo(studio, group, tmp_path):
    opened(studio, group)
    rebuilt = studio.handlers.store.get("a").rebuilt
    before = to_data_uri(studio.pipeline.render(rebuilt.inversion, LOOK.look.effective))  # the photo stays behind
    path = copy_of_recipe(studio, LOOK, TakeHome(face=True), tmp_path / "look.json")
    *_, change = loaded(studio, path, "b")
    assert (change.picture, change.controls, change.ready) == (before, LOOK, True)
    assert [frame.label for frame in change.frames] == [texts.FRAME_RECIPE]
    assert viewer_value(change)["readout"]["summary"] == []  # nothing to compare with
    (undone,) = studio.act("b", "undo", {}, LOOK)
    assert not undone.edited
    assert problem(studio.handlers.paste("b", LOOK)) == texts.FACE_WITHOUT_PHOTO
    (refused,) = studio.handlers.change_steps("b", replace(LOOK, steps=1))
    assert problem(refused) == texts.NO_PHOTO_TO_REFINE


def test_a_recipe_without_a_face_suits_the_face_on_the_page(studio, group, tmp_path):
    path = copy_of_recipe(studio, LOOK, TakeHome(), tmp_path / "look.json")
    content = path.read_bytes()
    (refused,) = loaded(studio, path)
    assert problem(refused) == texts.RECIPE_NEEDS_FACE
    path.write_bytes(content)
    start = opened(studio, group)
    (change,) = loaded(studio, path)
    assert change.controls == LOOK
    assert change.picture == studio.handlers.live("a", LOOK).picture
    (undone,) = studio.act("a", "undo", {}, LOOK)
    assert undone.picture == start.picture


def test_loading_a_face_keeps_what_was_done_to_those_of_the_photo(studio, group, tmp_path):
    opened(studio, group)
    edited = studio.handlers.live("a", SMILE).picture
    path = copy_of_recipe(studio, LOOK, TakeHome(face=True), tmp_path / "look.json")
    *_, change = loaded(studio, path)
    assert change.photo.chosen == -1
    assert picker_value(change.photo)["edited"] == [0]
    *_, back = studio.handlers.choose_face("a", 0, 2, LOOK)
    assert (back.picture, back.controls, back.photo.chosen) == (edited, SMILE, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a recipe"),
        (b"\x89PNG\r\n\x1a\n", "carries no recipe"),
        (Recipe("ffhq").to_json().encode(), "made in the domain 'ffhq'"),
        (Recipe("tiny", {"smlie": 1.0}).to_json().encode(), "did you mean 'smile'"),
        (Recipe("tiny", {"smlie": 1.0}, off=frozenset({"smlie"})).to_json().encode(), "did you mean 'smile'"),
        (Recipe("tiny").to_json().replace('"version": 1', '"version": 2').encode(), "version 2"),
    ],
)
def test_recipes_that_do_not_fit_are_one_sentence(studio, group, tmp_path, content, said):
    opened(studio, group)
    (tmp_path / "look.json").write_bytes(content)
    (change,) = loaded(studio, tmp_path / "look.json")
    assert said in problem(change)
    assert str(tmp_path) not in change.status.text
    assert list(studio.recipes.load("a", None, REST)) == []


def test_a_recipe_brings_the_way_back_into_the_photo_along(studio, group, tmp_path):
    opened(studio, group)
    take = TakeHome(PasteOptions("head", 0.2, 0.5, "poisson", ("background", "hair")), mark=True)
    *_, change = loaded(studio, copy_of_recipe(studio, SMILE, take, tmp_path / "look.json"))
    sent = viewer_value(change)["take"]
    assert read_take_home(json.loads(json.dumps(sent))) == take
    assert "face" not in sent  # of the page, not of the look
    for path, _ in studio.handlers.save_whole("a", SMILE, take):
        assert Recipe.from_png(path.read_bytes()).paste == take.paste
    Recipe(studio.pipeline.domain.name, {"smile": 1.0}).save(tmp_path / "edits.json")
    *_, change = loaded(studio, tmp_path / "edits.json")
    assert "take" not in viewer_value(change)
    (link,) = studio.act("a", "link", {}, SMILE)
    (change,) = studio.act("a", "open_link", {"link": link.link}, REST)
    assert "take" not in viewer_value(change)


# Links


def test_a_link_applies_its_edits_to_the_next_face(studio, group):
    opened(studio, group)
    (made,) = studio.act("a", "link", {}, LOOK)
    assert viewer_value(made)["link"] == made.link
    (waits,) = studio.act("b", "open_link", {"link": f"#{made.link}"}, REST)
    assert (waits.status.text, waits.controls) == (texts.LINK_WAITS, LOOK)
    *_, first = studio.handlers.open_photo("b", group, 2)
    assert (first.controls, first.picture) == (LOOK, studio.handlers.live("a", LOOK).picture)
    *_, second = studio.handlers.choose_face("b", 1, 2)
    assert second.controls == REST  # for one face only
    (now,) = studio.act("b", "open_link", {"link": made.link}, REST)
    assert (now.status.text, now.controls) == (texts.LINK_APPLIED, LOOK)


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("#recipe=1&domain=ffhq", "made in the domain 'ffhq'"),
        ("#recipe=9&domain=tiny", "version 9"),
        ("#recipe=1&domain=tiny&edit=smile", "damaged"),
        ("", "no recipe"),
    ],
)
def test_links_that_do_not_fit_are_one_sentence(studio, link, said):
    (change,) = studio.act("a", "open_link", {"link": link}, REST)
    assert said in problem(change)


# Several faces


def test_every_face_of_a_photo_keeps_its_own_edits(studio, group, monkeypatch):
    opened(studio, group)
    large = studio.handlers.live("a", SMILE)
    assert large.past.edited_faces == (0,)
    *_, arrived = studio.handlers.choose_face("a", 1, 2, SMILE)
    assert arrived.controls == REST
    assert [entry.label for entry in arrived.past.entries] == [texts.HISTORY_START]
    small = studio.handlers.live("a", LOOK)
    assert small.past.edited_faces == (0, 1)
    monkeypatch.setattr(studio.pipeline, "invert", None)  # nothing is rebuilt from here on
    moved = Controls({"smile": -1.0}, steps=2)  # was not let go yet when the other face was chosen
    (back,) = studio.handlers.choose_face("a", 0, 2, moved)
    assert (back.picture, back.controls, back.photo.chosen) == (large.picture, SMILE, 0)
    assert back.photo.edited == (0, 1)
    assert len(viewer_value(back)["past"]["thumbnails"]) == len(back.past.entries)  # the page forgot them
    (again,) = studio.handlers.choose_face("a", 1, 2, SMILE)
    assert again.controls == moved
    (undone,) = studio.act("a", "undo", {}, moved)
    assert undone.controls == LOOK
    numbers = [entry.number for change in (back, again) for entry in change.past.entries]
    assert len(set(numbers)) == len(numbers)


def test_only_so_many_faces_are_kept_and_another_photo_forgets_them(studio, group, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_ASIDE", 0)
    opened(studio, group)
    studio.handlers.live("a", SMILE)
    list(studio.handlers.choose_face("a", 1, 2, SMILE))
    *_, back = studio.handlers.choose_face("a", 0, 2)
    assert back.controls == REST
    monkeypatch.setattr(sessions, "MAX_ASIDE", 4)
    list(studio.handlers.choose_face("a", 1, 2))
    session = studio.handlers.store.get("a")
    assert list(session.aside) == [0]
    opened(studio, group)
    assert session.aside == {}
    session.close()
    assert session.edited_faces == ()


def test_all_edited_faces_go_back_and_the_share_of_untouched_pixels_is_true(studio, group):
    opened(studio, group)
    alone = studio.handlers.paste("a", REST)
    studio.handlers.live("a", SMILE)
    list(studio.handlers.choose_face("a", 1, 2, SMILE))
    take = TakeHome(PasteOptions(keep=("background",)))
    both = studio.handlers.paste("a", LOOK, take)
    assert both.status.text == texts.PASTED_ALL.format(count=2)
    assert both.whole_lines[1] == texts.WHOLE_FACES.format(count=2)
    first_only = studio.handlers.paste("a", REST)  # the face on show is not edited, the other one is
    assert first_only.status.text == alone.status.text == texts.PASTED
    for path, _ in studio.handlers.save_whole("a", LOOK, take):
        with Image.open(path) as picture:
            changed = (np.asarray(picture.convert("RGB")) != np.asarray(two_people())).any(axis=2)
    assert changed[:, :430].any()  # the large face
    assert changed[:, 540:].any()  # the small one
    said = float(both.whole_lines[0].split("\u00a0")[0])
    assert said <= 100 * (1 - changed.mean()) < said + 0.1


def test_a_turned_head_is_warned_of_only_where_something_is_kept(studio, group, monkeypatch):
    monkeypatch.setattr("hyperstyle.demo.whole_photo.movement_warning", lambda _face, _edited: "It moved.")
    opened(studio, group)
    assert studio.handlers.paste("a", SMILE).whole_warnings == ()
    kept = TakeHome(PasteOptions(keep=("eyes",)))
    assert studio.handlers.paste("a", SMILE, kept).whole_warnings == ("It moved.",)
