"""The page beyond dragging, without a browser: what is in use, history, versions, two states, surprises, readouts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from demo_tools import add_words, astronaut

from hyperstyle.alignment import REGIONS, AlignedFace
from hyperstyle.demo import readouts, texts
from hyperstyle.demo.animate_tab import FORM_TEXTS, MOVIE_TEXTS
from hyperstyle.demo.beginnings_form import FORM_TEXTS as BEGINNINGS_TEXTS
from hyperstyle.demo.compare_tab import COMPARE_TEXTS
from hyperstyle.demo.contact_sheet import grid
from hyperstyle.demo.controls import PANEL_TEXTS
from hyperstyle.demo.handlers import Change, Handlers
from hyperstyle.demo.history import MAX_ENTRIES, MAX_VERSIONS, History, describe
from hyperstyle.demo.languages import LANGUAGES
from hyperstyle.demo.pictures import shrink, to_data_uri
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.demo.state import Controls, read_controls, write_controls
from hyperstyle.demo.studio import CELL_PX, Studio
from hyperstyle.demo.surprise import surprise
from hyperstyle.demo.take_home import TAKE_HOME_TEXTS
from hyperstyle.demo.widgets import VIEWER_TEXTS, viewer_value
from hyperstyle.editing.base import EditRow
from hyperstyle.editing.directions import Direction, write_directions
from hyperstyle.errors import HyperStyleError
from hyperstyle.inversion import METHODS
from hyperstyle.look import TextEdit
from hyperstyle.pipeline import HyperStyle, list_edits, load
from hyperstyle.synthetic.parameters import PARAMETERS, TRAITS, neutral_parameters, to_z
from hyperstyle.training import photo_traits
from hyperstyle.training.photo_directions import PHOTO_SLIDERS
from hyperstyle.traits import Trait

REST = Controls(steps=2)
SMILE = Controls({"smile": 2.0}, steps=2)
BOTH = Controls({"smile": 2.0, "age": -1.5}, (TextEdit("a face with a beard", 3.0),), steps=2)


@pytest.fixture(scope="module")
def talking(tiny_folder, tmp_path_factory) -> HyperStyle:
    """A tiny pipeline that understands words."""
    return load(add_words(tiny_folder, tmp_path_factory.mktemp("domains") / "talking"), "cpu")


@pytest.fixture(scope="module")
def faces(talking) -> list[AlignedFace]:
    """Looked for once: that takes longer than everything else in here."""
    return talking.align_all(astronaut())


@pytest.fixture
def studio(talking, faces, tmp_path, monkeypatch) -> Studio:
    """A studio with one page, "a", whose face is rebuilt."""
    monkeypatch.setattr(talking, "align_all", lambda _photo: faces)
    handlers = Handlers(talking, SessionStore())
    astronaut().save(tmp_path / "one.png")
    *_, last = handlers.open_photo("a", tmp_path / "one.png", 2)
    assert last.ready
    return Studio(handlers)


def act(studio: Studio, action: str, controls: Controls = REST, **data: object) -> list[Change]:
    return list(studio.act("a", action, dict(data), controls))


def labels(studio: Studio) -> list[str]:
    return [entry.label for entry in studio.handlers.store.get("a").history.entries]


# Where the controls stand


def test_controls_survive_the_way_to_the_page_and_back():
    controls = Controls(
        {"smile": 1.5, "age": -2.0},
        (TextEdit("a face with a beard", -1.0, 0.25, "a man", False), TextEdit("")),
        0.5,
        steps=3,
        off=frozenset({"age"}),
        plain=frozenset({"smile"}),
    )
    sent = json.loads(json.dumps(write_controls(controls)))
    assert read_controls(sent, 1) == controls


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [],
        {},
        {"edits": [1]},
        {"edits": {"smile": "lots"}},
        {"prompts": [3]},
        {"steps": True},
        {"off": "x"},
    ],
)
def test_nonsense_from_a_page_is_left_out(value):
    assert read_controls(value, 4) == Controls(steps=4)
    assert read_controls({"edits": {"smile": float("nan")}}, 4) == Controls(steps=4)


def test_an_edit_that_is_off_keeps_its_strength_and_changes_nothing(studio):
    rebuilt = studio.handlers.live("a", REST).picture
    off = replace(SMILE, off=frozenset({"smile"}))
    assert not off.edited
    assert studio.handlers.live("a", off).picture == rebuilt
    assert studio.handlers.live("a", SMILE).picture != rebuilt
    assert read_controls(write_controls(off), 1).edits == {"smile": 2.0}


# Other traits kept, or not


@pytest.fixture(scope="module")
def conditioned(tiny_folder, tmp_path_factory) -> HyperStyle:
    """A tiny pipeline with one edit that has both vectors."""
    folder = add_words(tiny_folder, tmp_path_factory.mktemp("domains") / "talking")
    g = torch.Generator().manual_seed(1)
    row = EditRow("smile", "Smile", "expression", "fraction", -3.0, 3.0, conditioned_on=("age",))
    vectors = Direction(torch.randn(16, generator=g), torch.randn(16, generator=g))
    write_directions(folder / "editing_directions", [row], {"smile": vectors}, "tiny")
    return load(folder, "cpu")


def test_plain_directions_can_be_asked_for(conditioned):
    inversion = conditioned.invert(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    kept = conditioned.draw(inversion, {"smile": 2.0})
    plain = conditioned.draw(inversion, {"smile": 2.0}, plain={"smile"})
    assert not torch.equal(kept, plain)
    assert torch.equal(conditioned.draw(inversion, {"smile": 2.0}, plain={"age"}), kept)
    shift = conditioned.draw(replace(inversion, w_plus=inversion.w_plus + 2 * _vector(conditioned)))
    assert torch.allclose(plain, shift, atol=1e-5)
    picture = conditioned.render(inversion, {"smile": 2.0}, plain=["smile"])
    assert picture.tobytes() == conditioned.preview(inversion, {"smile": 2.0}, plain=["smile"]).tobytes()


def _vector(pipeline: HyperStyle) -> torch.Tensor:
    assert pipeline._directions is not None
    return pipeline._directions.direction("smile").plain


# History


def test_every_settled_state_is_noted_once(studio):
    for controls in (SMILE, SMILE, BOTH, replace(BOTH, off=frozenset({"smile"}))):
        change = studio.handlers.live("a", controls)
    studio.handlers.live("a", Controls({"smile": 2.5}), preview=True)
    assert labels(studio) == [texts.HISTORY_START, "Smile +2", "2 changes", "Smile +0"]
    assert [entry.label for entry in change.past.entries] == labels(studio)
    assert change.past.undo
    assert not change.past.redo
    value = viewer_value(change)["past"]
    assert len(value["thumbnails"]) == 3  # the page has the others already
    assert value["at"] == value["entries"][-1]["number"]


def test_undo_and_redo_bring_back_controls_and_pictures(studio):
    shown = [studio.handlers.live("a", controls) for controls in (REST, SMILE, BOTH)]
    (back,) = act(studio, "undo", BOTH)
    assert (back.controls, back.picture) == (SMILE, shown[1].picture)
    assert (back.past.undo, back.past.redo) == (True, True)
    (start,) = act(studio, "undo", SMILE)
    assert (start.controls, start.picture, start.edited) == (REST, shown[0].picture, False)
    assert act(studio, "undo", REST) == []
    act(studio, "redo")
    (forth,) = act(studio, "redo")
    assert (forth.controls, forth.picture) == (BOTH, shown[2].picture)
    assert act(studio, "redo") == []
    serials = [change.serial for change in (*shown, back, start, forth)]
    assert serials == sorted(set(serials))


def test_undo_takes_away_a_move_that_had_not_settled(studio):
    studio.handlers.live("a", SMILE)
    (back,) = act(studio, "undo", BOTH)  # BOTH is on the page, but was never let go
    assert back.controls == SMILE
    (forth,) = act(studio, "redo")
    assert forth.controls == BOTH


def test_a_new_state_after_undo_forgets_what_was_undone(studio):
    for controls in (SMILE, BOTH):
        studio.handlers.live("a", controls)
    act(studio, "undo", BOTH)
    studio.handlers.live("a", Controls({"age": 1.0}, steps=2))
    assert labels(studio) == [texts.HISTORY_START, "Smile +2", "2 changes"]
    assert not studio.handlers.store.get("a").history.can_redo


def test_any_state_can_be_restored_with_its_refinement_steps(studio):
    first = studio.handlers.live("a", SMILE)
    fewer = list(studio.handlers.change_steps("a", replace(SMILE, steps=1)))[-1]
    assert len(fewer.frames) == 3
    (back,) = act(studio, "restore", entry=first.past.at)
    assert back.controls == SMILE
    assert back.picture == first.picture
    assert len(back.frames) == 4  # the film shows the steps of that state again
    assert studio.handlers.live("a", SMILE).picture == first.picture
    (gone,) = act(studio, "restore", entry=10**6)
    assert gone.status.text == texts.STATE_GONE


def test_a_new_face_begins_a_new_history(studio, tmp_path):
    studio.handlers.live("a", SMILE)
    act(studio, "keep", name="Mine")
    *_, last = studio.handlers.open_photo("a", tmp_path / "one.png", 2)
    assert labels(studio) == [texts.HISTORY_START]
    assert last.past.versions == ()
    assert last.controls == REST


def test_the_history_is_bounded_and_goes_with_the_page(studio):
    session = studio.handlers.store.get("a")
    for number in range(MAX_ENTRIES + 5):
        session.history.push("state", Controls({"smile": number / 10}), session.rebuilt, "")
    assert len(session.history.entries) == MAX_ENTRIES
    assert session.history.at == MAX_ENTRIES - 1
    studio.handlers.close("a")
    assert session.history.entries == []


def test_versions_are_kept_by_name(studio):
    studio.handlers.live("a", SMILE)
    (kept,) = act(studio, "keep", name="  With a   smile ")
    assert kept.status.text == texts.VERSION_KEPT.format(name="With a smile")
    studio.handlers.live("a", REST)
    (version,) = kept.past.versions
    (back,) = act(studio, "restore", entry=version.number)
    assert back.controls == SMILE
    assert labels(studio)[-1] == "With a smile"
    (undone,) = act(studio, "undo", SMILE)
    assert undone.controls == REST
    (again,) = act(studio, "keep", name="With a smile")
    (replaced,) = again.past.versions
    assert replaced.controls == REST
    (dropped,) = act(studio, "drop", entry=replaced.number)
    assert dropped.past.versions == ()
    assert act(studio, "keep", name="  ")[0].status.text == texts.VERSION_NAMELESS
    for number in range(MAX_VERSIONS):
        act(studio, "keep", name=f"number {number}")
    assert act(studio, "keep", name="one more")[0].status.kind == "problem"


def test_two_states_are_compared_without_going_to_either(studio):
    first = studio.handlers.live("a", SMILE)
    second = studio.handlers.live("a", BOTH)
    (change,) = act(studio, "compare", BOTH, before=first.past.at, after=second.past.at)
    assert (change.pair.before, change.pair.after) == (first.picture, second.picture)
    assert (change.pair.before_label, change.pair.after_label) == ("Smile +2", "2 changes")
    assert change.controls is None
    assert studio.handlers.store.get("a").history.current.controls == BOTH
    assert act(studio, "compare", before="x", after=None)[0].status.kind == "problem"


@pytest.mark.parametrize("action", ["undo", "redo", "dance", "keep", "surprise", "sheet", "restore", "compare"])
def test_actions_before_a_photo_are_one_sentence_or_nothing(talking, action):
    studio = Studio(Handlers(talking, SessionStore()))
    for change in studio.act("new", action, {"name": "x", "prompt": 0}, BOTH):
        assert change.status.kind == "problem"
        assert change.status.text.endswith(".")


def test_what_changed_is_said_in_a_few_words(tiny_folder):
    rows = list_edits(tiny_folder)

    def say(before: Controls, after: Controls) -> str:
        return describe(before, after, rows)

    beard = (TextEdit("a face with a beard", 3.0),)
    assert say(REST, Controls({"age": -1.5})) == "Age -1.5"
    assert say(REST, Controls(text=beard)) == "a face with a beard"
    assert say(Controls({"age": 1}, beard), Controls({"age": 1})) == texts.HISTORY_WITHOUT.format(words=beard[0].prompt)
    assert say(SMILE, REST) == texts.HISTORY_RESET
    assert say(REST, replace(REST, offset_strength=0.5)) == texts.HISTORY_OFFSET.format(value=0.5)
    assert say(SMILE, replace(SMILE, steps=1)) == texts.HISTORY_STEPS.format(count=1)
    assert say(SMILE, replace(SMILE, plain=frozenset({"smile"}))) == texts.HISTORY_OTHER


def test_an_empty_history_has_nothing_to_keep():
    with pytest.raises(HyperStyleError, match="photo"):
        History().keep("name")


# Surprises


def test_a_surprise_is_repeatable_and_inside_the_tested_ranges():
    rows = list_edits("portraits")
    by_name = {row.name: row for row in rows}
    assert surprise(rows, 7) == surprise(rows, 7)
    drawn = [surprise(rows, seed) for seed in range(60)]
    assert len({tuple(sorted(edits.items())) for edits in drawn}) > 50
    for edits in drawn:
        assert 2 <= len(edits) <= 4
        assert len({by_name[name].group for name in edits}) == len(edits)
        assert not {"skin_tone", "femininity"} & edits.keys()
        for name, strength in edits.items():
            end = by_name[name].maximum if strength > 0 else by_name[name].minimum
            assert 0.3 < strength / end < 0.75
    assert surprise([], 1) == {}


def test_a_surprise_keeps_the_words_and_can_be_undone(studio):
    studio.handlers.live("a", BOTH)
    (change,) = act(studio, "surprise", BOTH)
    assert change.controls.text == BOTH.text
    assert change.controls.edits not in ({}, BOTH.edits)
    assert change.picture == studio.handlers.live("a", change.controls).picture
    assert labels(studio)[-1] == texts.HISTORY_SURPRISE
    (back,) = act(studio, "undo", change.controls)
    assert back.controls == BOTH


# Contact sheet


def test_a_contact_sheet_shows_what_adopting_a_cell_gives(studio):
    busy, change = act(studio, "sheet", BOTH, prompt=0)
    assert busy.status.kind == "busy"
    sheet = change.sheet
    assert (sheet.prompt, sheet.words) == (0, "a face with a beard")
    assert sheet.strengths == (1.0, 2.0, 3.0, 4.0)  # this prompt was tried up to 4
    assert [len(row) for row in sheet.rows] == [4, 4, 4]
    assert len({cell.source for row in sheet.rows for cell in row}) > 4
    cell = sheet.rows[2][3]
    adopted = replace(BOTH.text[0], strength=cell.strength, disentanglement=cell.disentanglement)
    shown = studio.handlers.draw(studio.handlers.store.get("a").rebuilt, replace(BOTH, text=(adopted,)))
    assert to_data_uri(shrink(shown, CELL_PX), 80) == cell.source
    assert json.loads(json.dumps(viewer_value(change)))["sheet"]["rows"][2][3]["strength"] == 4.0


@pytest.mark.parametrize(
    ("prompts", "index"), [((), 0), ((TextEdit(" "),), 0), ((TextEdit("zxqv blorp"),), 0), (BOTH.text, 5)]
)
def test_a_contact_sheet_needs_words_it_knows(studio, prompts, index):
    *_, change = act(studio, "sheet", Controls(text=prompts), prompt=index)
    assert change.status.kind == "problem"
    assert change.sheet is None


def test_the_grid_of_a_prompt_nobody_tried_is_the_usual_one(talking):
    strengths, disentanglements = grid("an old face with glasses", talking.text_editor)
    assert strengths == tuple(sorted(strengths))
    assert strengths[-1] == 4.0  # the usual end of the prompts that were tried
    assert disentanglements == (0.0, 0.1, 0.2)


def test_neutral_and_disentanglement_reach_the_picture(studio):
    def draw(**changes: object) -> Change:
        prompt = replace(TextEdit("a face with a beard", 4.0), **changes)
        return studio.handlers.live("a", Controls(text=(prompt,), steps=2))

    pictures = {draw().picture, draw(neutral="a smiling face").picture, draw(disentanglement=0.3).picture}
    assert len(pictures) == 3
    same = draw(neutral="a face with a beard")
    assert same.status.kind == "problem"
    assert "neutral" in same.status.text


# Readouts


def test_likeness_is_measured_when_something_settles_only(studio):
    settled = studio.handlers.live("a", SMILE)
    assert -1 <= settled.readout.likeness <= 1
    assert settled.readout.moves is None  # this network reads other properties
    assert studio.handlers.live("a", BOTH, preview=True).readout is None
    value = viewer_value(settled)["readout"]
    assert value["summary"] == [texts.LIKENESS.format(likeness=settled.readout.likeness)]
    assert value["notes"] == [texts.LIKENESS_NOTE]


@pytest.mark.parametrize(
    ("likeness", "text"), [(0.7, texts.LIKENESS_SAME), (0.4, texts.LIKENESS_ALIKE), (0.2, texts.LIKENESS_OTHER)]
)
def test_likeness_in_words_goes_by_what_strangers_reach(likeness, text):
    value = viewer_value(Change(1, readout=readouts.Readout(likeness, None, (0.3, 0.6))))["readout"]
    assert value["summary"] == [text.format(likeness=likeness)]
    assert "0.30" in value["notes"][0]
    assert "0.60" in value["notes"][0]


def moved_by(**changes: float) -> tuple[torch.Tensor, torch.Tensor]:
    before = neutral_parameters()
    after = {name: value + changes.get(name, 0.0) for name, value in before.items()}
    return to_z(before), to_z(after)


def test_what_else_moved_is_said_in_units_people_know():
    before, after = moved_by(age=12, yaw=-7, hair_grey=0.4, smile=0.5, jaw=0.01, clothes_saturation=0.3)
    moves = readouts.what_else_moved(
        TRAITS, before, after, {"smile"}, {"age": "Age", "hair_grey": "Grey hair", "yaw": "Turn head"}
    )
    assert {(move.label, move.amount) for move in moves} == {
        ("Age", "+12 years"),
        ("Turn head", "\u22127\u00b0"),
        ("Grey hair", "+40\u00a0%"),
        ("Clothes colour", ""),
    }
    assert [move.share for move in moves] == sorted((move.share for move in moves), reverse=True)
    assert readouts.what_else_moved(TRAITS, before, before, set(), {}) == ()
    assert all(parameter.name in texts.TRAITS or parameter.name.replace("_", " ") for parameter in PARAMETERS)


def test_what_was_asked_for_is_no_news(talking, monkeypatch):
    monkeypatch.setattr(talking, "domain", replace(talking.domain, traits=TRAITS))
    controls = Controls({"smile": 1.0, "age": 2.0}, (TextEdit("grey hair and a beard"),), off=frozenset({"age"}))
    asked = readouts.asked_for(talking, controls)
    assert {"smile", "hair_grey", "beard"} <= asked
    assert "age" not in asked


def test_a_domain_names_its_own_traits():
    traits = (Trait("teeth", 0, 1, "fraction", "expression"), Trait("yaw", -40, 40, "degrees", "pose", odd=True))
    before = torch.tensor([[-1.7, 0.0]])
    moves = readouts.what_else_moved(traits, before, torch.tensor([[0.0, 2.0]]), set(), {})
    # A head cannot be seen to turn further than the range goes.
    assert {(move.label, move.amount) for move in moves} == {
        ("Teeth", "+50\u00a0%"),
        (texts.TRAITS["yaw"], "+40\u00b0"),
    }


def test_a_domain_whose_network_reads_the_parameters_says_what_moved(drawn_folder: Path):
    pipeline = load(drawn_folder, "cpu")
    target = torch.zeros(1, 3, 32, 32)
    first = readouts.baseline(pipeline, target, target)
    assert first.traits.shape == (1, len(PARAMETERS))
    read = readouts.read(pipeline, first, target + 0.5, REST)
    assert read.moves is not None
    assert readouts.read(pipeline, first, target, REST).moves == ()
    assert readouts.read(pipeline, first, target, REST).likeness == pytest.approx(1, abs=1e-5)


# Other languages


def test_translations_keep_the_blanks_and_know_only_texts_of_the_page():
    rows = list_edits("portraits")
    known = {text for text in vars(texts).values() if isinstance(text, str)} | set(texts.GROUPS.values())
    known |= {*REGIONS.values(), *texts.REGION_NAMES.values()}
    known |= {part for pair in (*texts.SHAPES.values(), *texts.BLENDS.values()) for part in pair}
    known |= set(texts.MIX_GROUPS.values()) | set(texts.STYLES.values()) | set(texts.CARD_STATES.values())
    known |= set(texts.TRAITS.values())
    known |= {part for method in METHODS.values() for part in (method.label, method.about)}
    known |= {part for row in rows for part in (row.label, row.description, row.unit)}
    known |= {part for slider in PHOTO_SLIDERS for part in (slider.label, slider.description)}
    known |= {trait.unit for trait in photo_traits.TRAITS}
    for table in LANGUAGES.values():
        assert set(table) <= known
        for english, other in table.items():
            assert sorted(re.findall(r"{\w+", english)) == sorted(re.findall(r"{\w+", other)), english
        names = (*PANEL_TEXTS, *VIEWER_TEXTS, *TAKE_HOME_TEXTS, *BEGINNINGS_TEXTS, *FORM_TEXTS, *MOVIE_TEXTS)
        shown = {getattr(texts, name) for name in (*names, *COMPARE_TEXTS)}
        assert shown - set(table) <= SAME_IN_EVERY_LANGUAGE


SAME_IN_EVERY_LANGUAGE = {texts.PROMPT_HINT, texts.PROMPT_NEUTRAL_HINT, texts.PROMPT_AUTOMATIC}
"""What people type is English: the text model knows no other words."""
