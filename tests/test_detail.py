"""The photo's own detail in edits: what stays to the bit, what moves, what goes, and what takes a new colour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperstyle.alignment import PasteOptions
from hyperstyle.detail import DetailCarrier
from hyperstyle.errors import UsageError
from hyperstyle.images import open_photo
from hyperstyle.look import Look
from hyperstyle.pipeline import HyperStyle

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "drawn" / "elder.jpg"
SIDE = 256
NOBODY = np.zeros((0, 2))  # no landmarks: all of the picture is the head


def blobs(seed: int, px: int, side: int = SIDE) -> np.ndarray:
    """A smooth random picture (side, side, 3) from 60 to 190, whose features are about `px` wide."""
    small = np.random.default_rng(seed).uniform(60, 190, (side // px, side // px, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)).astype(float)


def picture(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def fine(shown: Image.Image | np.ndarray) -> np.ndarray:
    """What is finer than a few pixels, (H, W) in levels."""
    grey = np.asarray(shown, dtype=float).mean(2)
    coarse = Image.fromarray(grey.astype(np.float32)).resize((SIDE // 8, SIDE // 8), Image.Resampling.BOX)
    return grey - np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


REBUILT = blobs(0, 32)
TEXTURE = np.random.default_rng(1).normal(0, 12, (SIDE, SIDE, 1))
PHOTO = picture(REBUILT + TEXTURE)
CARRIER = DetailCarrier(PHOTO, picture(REBUILT), NOBODY)
MIDDLE = (slice(64, 192), slice(64, 192))


def test_nothing_changes_where_the_edit_changes_nothing():
    again = np.asarray(CARRIER.carry(picture(REBUILT)), dtype=int)
    assert np.abs(again - np.asarray(PHOTO, dtype=int)).max() <= 1


def test_a_new_colour_keeps_the_texture():
    result = CARRIER.carry(picture(REBUILT - [0, 30, 40]))
    change = np.asarray(result, dtype=float)[MIDDLE].mean((0, 1)) - np.asarray(PHOTO, dtype=float)[MIDDLE].mean((0, 1))
    assert np.allclose(change, [0, -30, -40], atol=3)
    assert likeness(fine(result)[MIDDLE], fine(PHOTO)[MIDDLE]) > 0.95


def test_detail_moves_with_the_edit():
    result = CARRIER.carry(picture(np.roll(REBUILT, 6, axis=1)))
    moved = np.roll(fine(PHOTO), 6, axis=1)
    assert likeness(fine(result)[MIDDLE], moved[MIDDLE]) > 0.8
    assert likeness(fine(result)[MIDDLE], fine(PHOTO)[MIDDLE]) < 0.2


def test_the_photos_texture_goes_where_something_else_is_drawn():
    stripes = REBUILT.copy()
    stripes[MIDDLE] = np.where((np.arange(128) // 4 % 2)[:, None, None], 230.0, 20.0)
    result = CARRIER.carry(picture(stripes))
    inner = (slice(90, 166), slice(90, 166))
    left = np.asarray(result, dtype=float)[inner] - stripes[inner]
    assert np.abs(left - left.mean((0, 1))).mean() < 0.35 * np.abs(TEXTURE[inner]).mean()
    rim = (slice(8, 40), slice(8, 40))
    assert likeness(fine(result)[rim], fine(PHOTO)[rim]) > 0.9


@pytest.mark.parametrize("side", [SIDE, 2 * SIDE])
def test_amount_leads_from_the_generators_picture_to_the_photo(side):
    photo = PHOTO.resize((side, side), Image.Resampling.BICUBIC)
    carrier = DetailCarrier(photo, picture(REBUILT), NOBODY)
    edited = picture(REBUILT + 20)
    none, half, full = (np.asarray(carrier.carry(edited, amount), dtype=float) for amount in (0, 0.5, 1))
    assert none.shape == (side, side, 3)
    assert np.abs(none - np.asarray(edited.resize((side, side), Image.Resampling.BICUBIC), dtype=float)).mean() < 1
    assert np.abs(half - (none + full) / 2).max() <= 1.01


@pytest.fixture(scope="module")
def face_photo() -> Image.Image:
    return open_photo(EXAMPLE)


def test_without_edits_the_result_is_the_photograph(tiny: HyperStyle, face_photo):
    face = tiny.align(face_photo)
    inversion = tiny.invert(face)
    side = face.own_side(tiny.domain.resolution)
    kept = tiny.edit(face, inversion, {"smile": 0.0}, offset_strength=0.5)
    assert kept.size == (side, side)
    assert np.array_equal(np.asarray(kept), np.asarray(face.own_crop(side)))
    back = tiny.paste_back(face_photo, face, kept)
    assert np.array_equal(np.asarray(back), np.asarray(face_photo))


def test_only_the_changes_of_a_crop_are_put_back(tiny: HyperStyle, face_photo):
    face = tiny.align(face_photo)
    kept = tiny.edit(face, tiny.invert(face))
    levels = np.asarray(kept).copy()
    third = kept.width // 3
    levels[third:-third, third:-third, 1] //= 2
    changed = Image.fromarray(levels)
    changed.info.update(kept.info)
    pasted = tiny.paste_back_all(face_photo, [(face, changed, PasteOptions())])
    assert 0.8 < pasted.unchanged_fraction < 1
    before, after = np.asarray(face_photo, dtype=int), np.asarray(pasted.picture, dtype=int)
    x, y = np.rint(face.quad.mean(0)).astype(int)
    assert abs(after[y, x, 1] - before[y, x, 1] // 2) <= 4
    assert np.array_equal(after[..., 0], before[..., 0])


def test_edits_come_at_the_photos_own_size(tiny: HyperStyle, face_photo):
    face = tiny.align(face_photo)
    inversion = tiny.invert(face)
    name = tiny.edits[0].name
    side = face.own_side(tiny.domain.resolution)
    full = tiny.edit(face, inversion, {name: 2.0})
    assert full.size == (side, side)
    quick = tiny.edit(face, inversion, {name: 2.0}, quick=True)
    assert quick.width == min(side, 512)
    plain = tiny.edit(face, inversion, {name: 2.0}, detail=0)
    assert plain.size == full.size
    assert not np.array_equal(np.asarray(plain), np.asarray(full))
    assert tiny.edit(face, inversion, Look({name: 2.0})).tobytes() == full.tobytes()
    with pytest.raises(UsageError, match="without styles"):
        tiny.edit(face, inversion, Look(art_style="line"))


@pytest.mark.parametrize("detail", [-0.1, 1.5, float("nan"), True, "much"])
def test_detail_has_a_range(tiny: HyperStyle, face_photo, detail):
    face = tiny.align(face_photo)
    with pytest.raises(UsageError, match=r"The detail .*(between 0 and 1|number)"):
        tiny.edit(face, tiny.invert(face), detail=detail)


def test_edits_go_further_under_the_photos_detail(tiny: HyperStyle):
    look = Look({"smile": 1.0, "age": -2.0}, unconditioned=frozenset({"age"}))
    assert tiny.look_on_photo(look).edits == pytest.approx({"smile": 1.3, "age": -2.2})
    assert tiny.look_on_photo(look).unconditioned == look.unconditioned
    half = tiny.look_on_photo(replace(look, detail=0.5))
    assert half.edits == pytest.approx({"smile": 1.15, "age": -2.1})
    assert tiny.look_on_photo(replace(look, detail=0.0)).edits == look.edits
