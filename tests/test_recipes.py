"""Recipes: out and back in, the same picture bit for bit, and one sentence for everything that is none."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import hyperstyle
from hyperstyle.alignment import PasteOptions
from hyperstyle.editing import TextEdit
from hyperstyle.errors import BadRecipe, BadStrength, CannotWrite, HyperStyleError, UnknownEdit, UsageError, WrongDomain
from hyperstyle.images import save_picture
from hyperstyle.latents import Inversion
from hyperstyle.recipes import MAX_FACE_BYTES, MAX_LINK, PNG_KEYWORD, Recipe

BEARD = TextEdit("a face with a beard & more=1", 1.5, 0.12, "a man's face")
SMILE = TextEdit("lächelnd", -0.1)
FULL = Recipe(
    "tiny",
    {"smile": 1 / 3, "age": -2.0},
    (BEARD, SMILE),
    off=frozenset({"age"}),
    text_off=frozenset({1}),
    offset_strength=0.7,
    steps=3,
    plain=("smile",),
    style="line",
)
PASTE = PasteOptions("head", 0.2, 0.5, "poisson", ("background", "hair"))


def face(layers: int = 8, steps: int = 2) -> Inversion:
    g = torch.Generator().manual_seed(3)
    return Inversion(
        torch.randn(1, layers, 16, generator=g), {"convs.2": torch.randn(1, 8, generator=g)}, steps, "tiny"
    )


def png(size: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((size, size), 50).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def record(**changes: object) -> dict[str, object]:
    return json.loads(FULL.to_json()) | changes


def refused(error: pytest.ExceptionInfo[HyperStyleError]) -> str:
    """The message, checked for form: one sentence that does not show its inside."""
    text = str(error.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert "Traceback" not in text
    return text


# Out and back in


def test_json_and_file_and_link_and_png_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "look.hyperstyle.json"
    FULL.save(path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert Recipe.from_json(FULL.to_json()) == FULL
    assert Recipe.load(path, "tiny") == FULL
    assert Recipe.from_link(FULL.to_link()) == FULL
    (tmp_path / "look.png").write_bytes(FULL.embed_in_png(png()))
    assert Recipe.load(tmp_path / "look.png") == FULL


def test_order_of_edits_is_kept() -> None:
    """Floating-point sums depend on it."""
    names = [f"edit {number}" for number in (7, 1, 5, 3)]
    made = Recipe("tiny", dict.fromkeys(names, 0.1), off=frozenset(names[1:3]))
    for again in (Recipe.from_json(made.to_json()), Recipe.from_link(made.to_link())):
        assert list(again.edits) == names
        assert list(again.active_edits) == [names[0], names[3]]


def test_what_is_turned_off_is_kept_but_not_used() -> None:
    assert FULL.edits["age"] == -2.0
    assert FULL.active_edits == {"smile": 1 / 3}
    assert FULL.active_text == (BEARD,)


def test_the_plainest_recipe() -> None:
    plain = Recipe.from_json('{"format": "hyperstyle.recipe", "version": 1, "domain": "tiny"}')
    assert plain == Recipe("tiny")
    assert plain.to_link() == "recipe=1&domain=tiny"


def test_links_work_inside_addresses_and_carry_no_face() -> None:
    held = replace(FULL, inversion=face())
    link = held.to_link()
    assert base64.b64encode(face().to_bytes()).decode()[:20] not in link
    for address in (f"http://127.0.0.1:7860/?{link}", f"https://a.b/c?x=1#{link}", f"#{link}"):
        assert Recipe.from_link(address) == held.without_face() == FULL
    assert Recipe("tiny", {"smile": 2.0}).to_link() == "recipe=1&domain=tiny&edit=smile&by=2"


def test_the_way_back_into_the_photo_is_in_files_but_not_in_links() -> None:
    made = replace(FULL, paste=PASTE, mark=True)
    assert Recipe.from_json(made.to_json()) == made
    assert Recipe.from_png(made.embed_in_png(png())) == made
    assert Recipe.from_link(made.to_link()) == FULL
    assert FULL.to_json().count("paste") == FULL.to_json().count("mark") == 0
    said = Recipe.from_record(record(paste={"shape": "face", "keep": ["hair", "background", "hair"]}))
    assert said.paste == PasteOptions("face", keep=("background", "hair"))
    assert said.mark is None


def test_a_face_comes_back_bit_for_bit(tmp_path: Path) -> None:
    kept = face()
    replace(FULL, inversion=kept).save(tmp_path / "held.hyperstyle.json")
    again = Recipe.load(tmp_path / "held.hyperstyle.json").inversion
    assert again is not None
    assert again.digest(latent=True) == kept.digest(latent=True)
    kept.save(tmp_path / "face.safetensors")
    assert (tmp_path / "face.safetensors").stat().st_size == len(kept.to_bytes())
    assert Inversion.from_bytes(kept.to_bytes()).digest(latent=True) == kept.digest(latent=True)


def test_a_png_keeps_its_pixels_and_notes_and_holds_one_recipe(tmp_path: Path) -> None:
    save_picture(Image.open(io.BytesIO(png(64))), tmp_path / "a.png", "<x/>", {"other": "kept", PNG_KEYWORD: "{}"})
    before = (tmp_path / "a.png").read_bytes()
    after = Recipe("tiny", {"smile": 1.0}).embed_in_png(FULL.embed_in_png(before))
    with Image.open(io.BytesIO(after)) as picture, Image.open(io.BytesIO(before)) as old:
        assert picture.tobytes() == old.tobytes()
        assert picture.info["other"] == "kept"
        assert picture.info["xmp"] == b"<x/>"
        assert json.loads(picture.info[PNG_KEYWORD])["edits"] == {"smile": 1.0}
    assert after.count(PNG_KEYWORD.encode() + b"\0") == 1


def test_it_is_a_public_name() -> None:
    assert hyperstyle.Recipe is Recipe


# Pictures


def test_a_recipe_with_a_face_draws_the_same_picture(tiny, tmp_path: Path) -> None:
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    inversion = tiny.invert(target, steps=2)
    edits = {"age": 0.1, "smile": 1.7}
    picture = tiny.render(inversion, edits, offset_strength=0.9)
    made = Recipe("tiny", {**edits, "smile": 1.7}, offset_strength=0.9, inversion=inversion)
    made.save(tmp_path / "look.hyperstyle.json")
    loaded = Recipe.load(tmp_path / "look.hyperstyle.json")
    assert tiny.render_recipe(loaded).tobytes() == picture.tobytes()
    assert tiny.render_recipe(made.without_face(), inversion).tobytes() == picture.tobytes()
    other = tiny.invert(-target, steps=1)
    assert tiny.render_recipe(loaded, other).tobytes() == tiny.render(other, edits, offset_strength=0.9).tobytes()
    off = replace(made, off=frozenset({"age"}))
    assert tiny.render_recipe(off).tobytes() == tiny.render(inversion, {"smile": 1.7}, offset_strength=0.9).tobytes()


def test_the_pipeline_refuses_what_does_not_fit(tiny) -> None:
    with pytest.raises(UsageError, match="holds no face"):
        tiny.render_recipe(Recipe("tiny", {"smile": 1.0}))
    with pytest.raises(WrongDomain, match="made in the domain 'ffhq', but 'tiny'"):
        tiny.check_recipe(Recipe("ffhq"))
    with pytest.raises(UnknownEdit, match="did you mean 'smile'"):
        tiny.check_recipe(Recipe("tiny", {"smlie": 1.0}))
    tiny.check_recipe(Recipe("tiny", {"smlie": 1.0}, off=frozenset({"smlie"})))
    with pytest.raises(BadStrength, match="smile"):
        tiny.check_recipe(Recipe("tiny", {"smile": 1e9}))


# What it refuses


def test_other_domains_and_newer_versions() -> None:
    with pytest.raises(WrongDomain, match="'tiny', but 'ffhq'") as error:
        Recipe.from_json(FULL.to_json(), "ffhq")
    refused(error)
    with pytest.raises(WrongDomain, match="'tiny', but 'ffhq'"):
        Recipe.from_link(FULL.to_link(), "ffhq")
    with pytest.raises(BadRecipe, match=r"version 2, .* up to version 1; update it\.") as error:
        Recipe.from_record(record(version=2, plain=["smile"]))
    refused(error)
    with pytest.raises(BadRecipe, match=r"version 7, .* up to version 1"):
        Recipe.from_link("recipe=7&domain=tiny&colour=red")
    with pytest.raises(WrongDomain, match="belongs to the domain 'tiny', not to 'ffhq'"):
        Recipe("ffhq", inversion=face())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "other"}, "not a recipe"),
        ({"version": "1"}, "version makes no sense"),
        ({"version": 0}, "version makes no sense"),
        ({"version": True}, "version makes no sense"),
        ({"domain": ""}, "name of the domain"),
        ({"domain": 3}, "name of the domain"),
        ({"colour": 1}, "no field 'colour'"),
        ({"edits": [1]}, "names with strengths"),
        ({"edits": {str(number): 1.0 for number in range(300)}, "off": []}, "at most 200"),
        ({"edits": {"smile": "lots", "age": 1}}, "'smile' needs a number, not 'lots'"),
        ({"edits": {"smile": True, "age": 1}}, "'smile' needs a number"),
        ({"edits": {"smile": None, "age": 1}}, "'smile' needs a number"),
        ({"edits": {"smile": 10**400, "age": 1}}, "ordinary number"),
        ({"edits": {" ": 1.0, "age": 1}}, "name of an edit"),
        ({"off": ["nose"]}, "turns off 'nose'"),
        ({"off": [["age"]]}, "list of names"),
        ({"off": "age"}, "list of names"),
        ({"plain": ["nose"]}, "move with 'nose'"),
        ({"plain": [["age"]]}, "list of names"),
        ({"plain": "age"}, "list of names"),
        ({"text": "beard"}, "prompts must be a list"),
        ({"text": [{"words": "beard"}]}, "a prompt must look like"),
        ({"text": [{"prompt": "a", "power": 1}]}, "a prompt must look like"),
        ({"text": [{"prompt": 1}]}, "a prompt must be text"),
        ({"text": [{"prompt": "a", "strength": "b"}]}, "'a' needs a number"),
        ({"text": [{"prompt": "a", "disentanglement": []}]}, "disentanglement"),
        ({"text": [{"prompt": "a", "neutral": None}]}, "must be text"),
        ({"text": [{"prompt": "a", "on": 1}]}, "true or false"),
        ({"text": [{"prompt": "a"}] * 60}, "at most 50"),
        ({"offset_strength": [1]}, "offset strength needs a number"),
        ({"steps": -1}, "whole number"),
        ({"steps": 1.5}, "whole number"),
        ({"mark": 1}, "marked must be true or false"),
        ({"paste": []}, "must look like"),
        ({"paste": {"mask": "head"}}, "must look like"),
        ({"paste": {"shape": "hed"}}, "no mask 'hed'; did you mean 'head'?"),
        ({"paste": {"shape": []}}, "shape must be a name"),
        ({"paste": {"blend": "average"}}, "no blending 'average'"),
        ({"paste": {"feather": "wide"}}, "feather needs a number"),
        ({"paste": {"feather": 0.7}}, "between 0 and 0.5 of the crop"),
        ({"paste": {"colour_match": -1}}, "colour match must lie between 0 and 1"),
        ({"paste": {"keep": "hair"}}, "list of names"),
        ({"paste": {"keep": [3]}}, "list of names"),
        ({"paste": {"keep": ["beard"]}}, "no region 'beard'"),
        ({"inversion": 5}, "face must be text"),
        ({"inversion": "%%%"}, "cut short or changed"),
        ({"inversion": "QUJDRA=="}, "face in it is damaged"),
        ({"inversion": base64.b64encode(b"0" * (MAX_FACE_BYTES + 1)).decode()}, "more than 512 KB"),
    ],
)
def test_values_that_make_no_sense(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(BadRecipe) as error:
        Recipe.from_json(json.dumps(record(**changes)), what="The file look.json")
    assert reason in refused(error)
    assert str(error.value).startswith("The file look.json is ")


def test_values_given_by_a_program_are_checked_too() -> None:
    with pytest.raises(
        BadRecipe, match=r"^This recipe makes no sense: the edit 'smile' needs an ordinary number"
    ) as error:
        Recipe("tiny", {"smile": float("nan")})
    refused(error)
    with pytest.raises(BadRecipe, match="turns off a prompt"):
        Recipe("tiny", text=(BEARD,), text_off=frozenset({1}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "[]",
        "3",
        "{}",
        "[" * 200_000,
        '{"a": NaN}',
        FULL.to_json()[:-30],
        FULL.to_json().replace("1.5", "NaN"),
    ],
    ids=["empty", "word", "list", "number", "object", "deep", "nan", "cut", "nan-inside"],
)
def test_what_is_no_json_recipe(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.hyperstyle.json"
    path.write_text(text)
    with pytest.raises(BadRecipe, match="not a recipe") as error:
        Recipe.load(path)
    assert "r.hyperstyle.json" in refused(error)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="No such file"):
        Recipe.load(tmp_path / "absent")
    with pytest.raises(BadRecipe, match="cannot be read"):
        Recipe.load(tmp_path)
    with pytest.raises(BadRecipe, match="cannot be read"):
        Recipe.load("a\0b")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)))
    with pytest.raises(BadRecipe, match="not a recipe"):
        Recipe.load(tmp_path / "photo.jpg")
    (tmp_path / "large").write_bytes(b" " * 2_000_000)
    with pytest.raises(BadRecipe, match="no more than 1 MB"):
        Recipe.load(tmp_path / "large")
    (tmp_path / "plain.png").write_bytes(png())
    with pytest.raises(BadRecipe, match=r"plain\.png carries no recipe"):
        Recipe.load(tmp_path / "plain.png")
    (tmp_path / "cut.png").write_bytes(FULL.embed_in_png(png())[:60])
    with pytest.raises(BadRecipe, match="carries no recipe"):
        Recipe.load(tmp_path / "cut.png")
    with pytest.raises(BadRecipe, match="not a PNG"):
        FULL.embed_in_png(b"GIF89a")


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("", "holds no recipe"),
        ("?x=1", "holds no recipe"),
        ("recipe=one&domain=tiny", "version"),
        ("recipe=1", "name of the domain"),
        ("recipe=1&domain=tiny&by=3", "no field 'by'"),
        ("recipe=1&domain=tiny&edit=smile", "needs a number"),
        ("recipe=1&domain=tiny&edit=smile&by=nan", "ordinary number"),
        ("recipe=1&domain=tiny&edit=smile&by=%FF", "needs a number"),
        ("recipe=1&domain=tiny&steps=1.5", "whole number"),
        ("recipe=1&domain=tiny&inversion=QUJDRA==", "damaged"),
        ("recipe=1&domain=" + "x" * MAX_LINK, "more than 2000"),
    ],
)
def test_links_that_are_none(link: str, reason: str) -> None:
    with pytest.raises(BadRecipe) as error:
        Recipe.from_link(link)
    assert reason in refused(error)


def test_what_is_too_large_to_save(tmp_path: Path) -> None:
    tuned = replace(face(), offsets={"convs.2": torch.zeros(1, 512, 512, 3, 3)})
    with pytest.raises(BadRecipe, match=r"9[0-9]+ KB, and a recipe holds one of up to 512 KB") as error:
        replace(FULL, inversion=tuned).save(tmp_path / "r.hyperstyle.json")
    refused(error)
    with pytest.raises(BadRecipe, match="too long for a link"):
        Recipe("tiny", text=(TextEdit("a beard " * 20),) * 20).to_link()
    with pytest.raises(CannotWrite, match="absent"):
        FULL.save(tmp_path / "absent" / "r.hyperstyle.json")
    assert list(tmp_path.iterdir()) == []
