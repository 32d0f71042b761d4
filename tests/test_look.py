"""What is done to a face, as one value: checks, parts as arguments, and the same wherever it comes from."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from demo_tools import add_words, close_event_loops
from tiny import make_tiny_domain

import hyperstyle
from hyperstyle.animation import Animation, Morph, State, Sweep, blend_states
from hyperstyle.cli import main
from hyperstyle.demo.api import Endpoints
from hyperstyle.demo.state import Controls, read_controls, write_controls
from hyperstyle.errors import BadLook, BadStrength, UsageError
from hyperstyle.look import MAX_EDITS, MAX_WORDS, NUMBERS, Look, TextEdit, blend_looks, look_of
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.recipes import Recipe

__all__ = ["close_event_loops"]  # a fixture for every test below

BEARD = TextEdit("a face with a beard", 2.0)
ASKED = Look({"smile": 1.5, "age": -1.0}, (BEARD,), 0.5, art_style="line")
FULL = replace(
    ASKED,
    words=(replace(BEARD, disentanglement=0.2, neutral="a man"), TextEdit("a smiling face", on=False)),
    unconditioned=frozenset({"smile"}),
    off=frozenset({"age"}),
)


@pytest.fixture(scope="module")
def folder(tiny_folder, tmp_path_factory) -> Path:
    """A tiny domain with words and a style."""
    folder = add_words(tiny_folder, tmp_path_factory.mktemp("domains") / "talking")
    (folder / "styles").mkdir()
    other = make_tiny_domain(folder.parent / "other", seed=1)
    shutil.copy(other / "generator.safetensors", folder / "styles" / "line.safetensors")
    return folder


@pytest.fixture(scope="module")
def hs(folder) -> HyperStyle:
    return load(folder, "cpu")


@pytest.fixture(scope="module")
def inversion(hs):
    return hs.invert(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1, steps=2)


# The value


def test_it_is_a_public_name_and_does_nothing_by_itself():
    assert hyperstyle.Look is Look
    assert Look().is_plain
    assert Look() == Look({}, []) == look_of(None) == look_of({}) == look_of(edits=None)


def test_types_are_settled_and_the_caller_keeps_no_hold_on_it():
    edits = {"smile": 1}
    look = Look(edits, [BEARD], 1, ["smile"], off=("smile",))
    edits["smile"] = 9
    assert look == Look({"smile": 1.0}, (BEARD,), 1.0, frozenset({"smile"}), off=frozenset({"smile"}))
    assert isinstance(look.edits["smile"], float)
    assert isinstance(look.offset_strength, float)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"edits": [1]}, "Its edits must be at most 200 names with strengths."),
        ({"edits": dict.fromkeys(map(str, range(MAX_EDITS + 1)), 1.0)}, "Its edits must be at most 200 names"),
        ({"edits": {"smile": "2"}}, "The edit 'smile' needs a number, not '2'."),
        ({"edits": {"smile": True}}, "The edit 'smile' needs a number, not 'True'."),
        ({"edits": {"smile": float("nan")}}, "The edit 'smile' needs an ordinary number, not nan."),
        ({"edits": {"smile": 10**400}}, "The edit 'smile' needs an ordinary number"),
        ({"edits": {"": 1.0}}, "The name of an edit must be text"),
        ({"words": ["a beard"]}, "Its prompts must be at most 50 rows of words and strengths."),
        ({"words": [BEARD] * (MAX_WORDS + 1)}, "Its prompts must be at most 50 rows"),
        ({"words": [TextEdit(3)]}, "A prompt must be text."),
        ({"words": [TextEdit("a beard", float("inf"))]}, "The prompt 'a beard' needs an ordinary number, not inf."),
        ({"words": [TextEdit("a beard", 1.0, "x")]}, "The prompt 'a beard', disentanglement, needs a number"),
        ({"words": [TextEdit("a beard", on=1)]}, "Whether a prompt is on must be true or false."),
        ({"unconditioned": "smile"}, "The edits that let other traits move must be a list of names."),
        ({"off": [["smile"]]}, "What is turned off must be a list of names."),
        ({"art_style": 3}, "The name of its style must be text"),
        *(({name: None}, f"The {name.replace('_', ' ')} needs a number, not 'None'.") for name in NUMBERS),
    ],
)
def test_values_that_make_no_sense(parts: dict[str, Any], sentence: str):
    with pytest.raises(BadLook) as error:
        Look(**parts)
    assert str(error.value).startswith(sentence)
    assert isinstance(error.value, BadStrength)


def test_its_parts_have_the_names_of_arguments_too():
    expected = Look({"smile": 1.0}, (BEARD,), 0.5, frozenset({"smile"}), "line")
    assert look_of({"smile": 1.0}, [BEARD], 0.5, plain=["smile"], style="line") == expected
    assert look_of(edits={"smile": 1.0}, text=[BEARD], offset_strength=0.5, plain={"smile"}, style="line") == expected
    assert (
        look_of({"smile": 1.0}, words=[BEARD], offset_strength=0.5, unconditioned={"smile"}, art_style="line")
        == expected
    )
    assert look_of(expected, offset_strength=1.0, style="") == replace(expected, offset_strength=1.0, art_style="")
    assert look_of(expected) is expected
    for values, parts in (
        (({},), {"edits": {}}),
        (({}, [BEARD]), {"text": []}),
        ((), {"text": [], "words": []}),
        (({}, [], 1.0, 32), {}),
        ((), {"colour": 1}),
    ):
        with pytest.raises(TypeError):
            look_of(*values, **parts)


def test_what_counts_and_what_does_not():
    look = Look(
        {"smile": 1.0, "age": 2.0, "yaw": 0.0},
        (BEARD, TextEdit(" "), TextEdit("a hat", 0.0), TextEdit("a scarf", on=False)),
        unconditioned=frozenset({"yaw", "age"}),
        off=frozenset({"age", "yaw"}),
    )
    assert look.active.edits == {"smile": 1.0}
    assert [edit.prompt for edit in look.active.words] == [BEARD.prompt, " ", "a hat"]
    assert look.settled().edits == {"smile": 1.0, "age": 2.0}
    assert look.settled().unconditioned == look.settled().off == frozenset({"age"})
    assert [edit.prompt for edit in look.settled().words] == [BEARD.prompt, "a hat", "a scarf"]
    assert look.effective.edits == {"smile": 1.0}
    assert look.effective.words == (BEARD,)
    assert not look.is_plain
    nothing = Look({"smile": 1.0}, (replace(BEARD, on=False),), unconditioned={"smile"}, off={"smile"})
    assert nothing.is_plain
    assert not replace(nothing, offset_strength=0.5).is_plain
    assert not replace(nothing, art_style="line").is_plain


def test_a_blend_goes_from_one_to_the_other():
    a, b = Look({"smile": 1.0}, (BEARD,)), Look({"age": 2.0}, (), 0.5, {"age"})
    half = blend_looks(a, b, 0.5)
    assert half == Look({"smile": 0.5, "age": 1.0}, (replace(BEARD, strength=1.0),), 0.75, {"age"})
    assert blend_looks(FULL, FULL, 0) == FULL.active
    assert blend_states(State(a), State(b), 1).look == replace(b, edits={"age": 2.0})


# The same value from everywhere


def over_http(pipeline: HyperStyle, monkeypatch, **arguments: Any) -> Look:
    """The look that `/edit` draws."""
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "check_recipe", lambda recipe: seen.append(recipe.look))
        next(Endpoints(pipeline).edit(**arguments))
    return seen[0]


def test_commands_pages_endpoints_and_files_make_the_same_look(hs, folder, inversion, tmp_path, monkeypatch):
    face, saved = str(tmp_path / "face.safetensors"), tmp_path / "look.hyperstyle.json"
    inversion.save(face)
    words = ["edit", face, "-o", tmp_path / "out.png", "--set", "smile=1.5", "--set", "age=-1"]
    words += ["--text", "a face with a beard=2", "--offset-strength", 0.5, "--style", "line", "--save-recipe", saved]
    assert main([*map(str, words), "--domain", str(folder)]) == 0
    assert Recipe.load(saved).look == ASKED
    assert Recipe.from_link(Recipe("tiny", ASKED).to_link()).look == ASKED
    assert Recipe("tiny", ASKED.edits, ASKED.words, offset_strength=0.5, style="line").look == ASKED
    row = {"words": "a face with a beard", "strength": 2, "on": True, "neutral": "", "disentanglement": None}
    page = {"edits": {"smile": 1.5, "age": -1}, "prompts": [row], "offset_strength": 0.5, "off": [], "plain": []}
    assert read_controls({**page, "style": "line", "steps": 3}, 1) == Controls(ASKED, steps=3)
    record = json.loads(saved.read_text())
    assert over_http(hs, monkeypatch, inversion=face, recipe=record) == ASKED
    prompts = [{"prompt": "a face with a beard", "strength": 2}]
    asked = over_http(
        hs, monkeypatch, inversion=face, edits={"smile": 1.5, "age": -1}, prompts=prompts, offset_strength=0.5
    )
    assert asked == replace(ASKED, art_style="")
    assert State(ASKED.edits, ASKED.words, 0.5, style="line").look == ASKED


@pytest.mark.parametrize("name", [field.name for field in fields(Look)])
def test_every_field_survives_files_links_the_page_and_animations(name: str):
    """Also one that is added later: a number is tried by itself, anything else needs a place in `FULL`."""
    look = replace(FULL, **{name: 0.25}) if name in NUMBERS else FULL
    assert getattr(look, name) != getattr(Look(), name)
    recipe = Recipe("tiny", look)
    assert Recipe.from_json(recipe.to_json()).look == look
    assert Recipe.from_link(recipe.to_link()).look == look
    assert read_controls(json.loads(json.dumps(write_controls(Controls(look, steps=2)))), 1).look == look
    assert blend_looks(look, look, 0) == look.active
    assert not replace(Look(), **{name: getattr(look, name)}).is_plain or name in ("unconditioned", "off")


def test_numbers_at_their_usual_value_stay_out_of_recipes_and_links_of_older_programs():
    recipe = Recipe("tiny", {"smile": 2.0})
    known = {"format", "version", "domain", "edits", "off", "plain", "text", "offset_strength", "steps", "style"}
    assert set(json.loads(recipe.to_json())) == known
    assert recipe.to_link() == "recipe=1&domain=tiny&edit=smile&by=2"


def test_holders_tell_the_parts_by_the_names_of_arguments():
    recipe = Recipe("tiny", FULL, text_off={0})
    assert (recipe.edits, recipe.off, recipe.plain, recipe.style) == (FULL.edits, {"age"}, {"smile"}, "line")
    assert (recipe.text_off, recipe.active_edits, recipe.active_text) == ({0, 1}, {"smile": 1.5}, ())
    assert recipe.offset_strength == 0.5
    assert replace(recipe, style="clay").look == replace(recipe.look, art_style="clay")
    assert State(FULL, inversion=None).text == Controls(FULL).text == FULL.words


def test_what_no_page_sends_moves_nothing():
    assert read_controls({"edits": {"smile": 1.0}, "style": "x" * 1000}, 4) == Controls(steps=4)
    assert read_controls({"edits": {"": 1.0}}, 4) == Controls(steps=4)


# Drawing it


def test_a_look_draws_what_its_parts_draw(hs, inversion):
    look = replace(FULL, art_style="")
    parts = {"edits": {"smile": 1.5}, "text": [look.words[0]], "offset_strength": 0.5, "plain": ["smile"]}
    assert torch.equal(hs.draw(inversion, look), hs.draw(inversion, **parts))
    for render in (hs.render, hs.preview):
        assert render(inversion, look).tobytes() == render(inversion, **parts).tobytes()
    small = hs.render(inversion, look, resolution=16)
    assert small.size == (16, 16)
    assert small.tobytes() == hs.render(inversion, **parts, resolution=16).tobytes()
    drawn = hs.stylise(inversion, "line", **parts).tobytes()
    assert drawn != hs.render(inversion, look).tobytes()
    for render in (hs.render, hs.preview):
        assert render(inversion, FULL).tobytes() == render(inversion, **parts, style="line").tobytes() == drawn
    assert hs.render_recipe(Recipe("tiny", FULL), inversion).tobytes() == drawn


def test_animations_go_through_looks(hs, inversion):
    morph = Animation(hs, inversion, Morph((State(), State(FULL))), seconds=0.5, fps=8)
    assert morph.frame(3).tobytes() == hs.render(inversion, replace(FULL, art_style="")).tobytes()
    sweep = Animation(hs, inversion, Sweep("age", 0, 1, State(FULL)), seconds=0.5, fps=8)
    assert sweep.state(3).look == replace(FULL.active, edits={"smile": 1.5, "age": 1.0})
    assert sweep.frame(3).tobytes() == hs.render(inversion, sweep.state(3).look).tobytes()
    styled = Animation(hs, inversion, Sweep("age", 0, 1), seconds=0.5, fps=8, generator="line")
    assert styled.frame(3).tobytes() == hs.render(inversion, {"age": 1.0}, style="line").tobytes()


def test_what_the_domain_lacks_is_refused_before_anything_is_drawn(hs):
    with pytest.raises(UsageError, match="did you mean 'line'"):
        hs.check_look(Look(art_style="lines"))
    with pytest.raises(BadStrength, match="between 0 and 4"):
        hs.check_look(Look(offset_strength=5.0))
    hs.check_look(Look({"smlie": 1.0}, off={"smlie"}))
