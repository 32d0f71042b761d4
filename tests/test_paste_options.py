"""Masks of other shapes, colours that meet, regions kept in the whole photo, and several faces in one."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from hyperstyle.alignment import (
    BLENDS,
    SHAPES,
    AlignedFace,
    PasteOptions,
    align_faces,
    changed_fraction,
    paste_back,
    paste_back_all,
    whole_photo,
)
from hyperstyle.alignment.blending import membrane
from hyperstyle.errors import UsageError
from hyperstyle.images import open_photo

GREEN, RED = Image.new("RGB", (64, 64), (0, 200, 0)), Image.new("RGB", (64, 64), (200, 0, 0))


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def face(photo) -> AlignedFace:
    return align_faces(photo, 256)[0]


@pytest.fixture(scope="module")
def group() -> Image.Image:
    return open_photo("examples/drawn/group.jpg")


@pytest.fixture(scope="module")
def faces(group) -> list[AlignedFace]:
    return align_faces(group, 256)


def values(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=np.int64)


def at(picture: Image.Image, face: AlignedFace, *indices: int) -> np.ndarray:
    """Pixels at landmarks."""
    places = face.landmarks[list(indices)].round().astype(int)
    return values(picture)[places[:, 1], places[:, 0]]


@pytest.mark.parametrize(("shape", "blend"), list(itertools.product(SHAPES, BLENDS)))
@pytest.mark.parametrize("colour_match", [0.0, 1.0])
def test_pixels_outside_the_mask_are_bit_exact(photo, face, shape, blend, colour_match) -> None:
    tinted = face.picture.point(lambda value: min(255, value + 20))
    options = PasteOptions(shape, colour_match=colour_match, blend=blend, keep=("mouth",))
    pasted = paste_back_all(photo, [(face, tinted, options)])
    outside = np.asarray(pasted.mask) == 0
    assert 0.6 < outside.mean() < 0.99
    assert (values(pasted.picture)[outside] == values(photo)[outside]).all()
    assert pasted.unchanged_fraction == 1 - changed_fraction(photo, pasted.picture)
    assert outside.mean() <= pasted.unchanged_fraction < 1
    assert (at(pasted.mask, face, 13, 14) == 0).all()  # the mouth stays the photo's own


def test_shapes_are_nested_and_follow_the_face(photo, face) -> None:
    masks = {shape: values(paste_back(photo, face, GREEN, shape=shape)[1]) for shape in SHAPES}
    assert (masks["face"] <= masks["head"] + 1).all()
    assert (masks["head"] <= masks["crop"] + 1).all()
    areas = [(masks[shape] > 127).sum() for shape in ("face", "head", "crop")]
    assert areas[0] < 0.8 * areas[1] < 0.8 * areas[2]
    for mask in masks.values():
        marks = face.landmarks.round().astype(int)
        assert (mask[marks[:, 1], marks[:, 0]] > 127).all()
    side = np.hypot(*(face.quad[3] - face.quad[0]))
    above = (face.landmarks[10] - (0, 0.14 * side)).round().astype(int)  # the hair above the forehead
    assert masks["face"][above[1], above[0]] == 0
    assert masks["head"][above[1], above[0]] > 127


@pytest.mark.parametrize("shape", ["face", "head"])
def test_feather_of_every_shape(photo, face, shape) -> None:
    soft = [
        int((values(paste_back(photo, face, GREEN, feather, shape=shape)[1]) % 255 > 0).sum())
        for feather in (0.02, 0.1, 0.3)
    ]
    assert soft[0] < soft[1] < soft[2]
    hard = values(paste_back(photo, face, GREEN, 0.0, shape=shape)[1])
    assert (hard % 255 > 0).mean() < 0.005  # only what interpolation between the mask's own pixels leaves


def test_kept_background_is_bit_exact(photo, face) -> None:
    plain, _ = paste_back(photo, face, face.picture)
    kept, mask = paste_back(photo, face, face.picture, keep=["background"])
    assert changed_fraction(photo, kept) < changed_fraction(photo, plain) - 0.01
    box = tuple(int(value) for value in (face.box[0] - 30, face.box[1], face.box[0] - 25, face.box[3]))
    assert mask.crop(box).getextrema()[0] == 0
    assert (at(mask, face, 1, 4, 13) == 255).all()  # the face itself is edited


def test_poisson_meets_the_photo_and_keeps_features(photo, face) -> None:
    """A cast goes at the rim and inside; what is drawn into the face stays."""
    tinted = values(face.picture) + np.array((12, -12, 8))
    tinted[140:148, 124:132] = (255, 0, 255)
    picture = Image.fromarray(tinted.clip(0, 255).astype(np.uint8))
    plain, mask = paste_back(photo, face, picture, shape="face")
    blended, _ = paste_back(photo, face, picture, shape="face", blend="poisson")
    covered = np.asarray(mask) > 127
    assert np.abs(values(plain) - values(photo))[covered].mean() > 9
    assert np.abs(values(blended) - values(photo))[covered].mean() < 4
    dots = (values(blended)[:, :, 0] > 200) & (values(blended)[:, :, 1] < 80) & (values(blended)[:, :, 2] > 200)
    assert dots.sum() > 20


def test_poisson_leaves_a_wholly_different_picture_alone(photo, face) -> None:
    """Green is not the photo in another light: meeting its colours would only stain the rest."""
    plain, _ = paste_back(photo, face, GREEN)
    blended, _ = paste_back(photo, face, GREEN, blend="poisson")
    assert np.abs(values(plain) - values(blended)).mean() < 0.5


@pytest.mark.parametrize("shape", SHAPES)
def test_a_face_at_the_photos_border(photo, shape) -> None:
    cut = photo.crop((150, 60, 400, 300))
    found = align_faces(cut, 256)[0]
    result, mask = paste_back(cut, found, found.picture, shape=shape, blend="poisson", colour_match=0.5)
    outside = np.asarray(mask) == 0
    assert (values(result)[outside] == values(cut)[outside]).all()
    assert np.abs(values(result) - values(cut))[~outside].mean() < 3


def test_membrane_solves_laplaces_equation() -> None:
    rows, columns = np.mgrid[0:61, 0:83].astype(np.float32)
    harmonic = np.stack([0.1 * rows + 0.2 * columns, (rows**2 - columns**2) / 200, rows * columns / 100])
    known = (rows - 30) ** 2 + (columns - 41) ** 2 > 24**2
    film = membrane(np.where(known, harmonic, 0), known)
    assert (film[:, known] == harmonic[:, known]).all()
    assert np.abs(film - harmonic).max() < 0.35  # grey levels
    assert (membrane(harmonic, np.zeros_like(known)) == 0).all()
    assert (membrane(harmonic, np.ones_like(known)) == harmonic).all()
    flat = membrane(np.full((1, 61, 83), 7, np.float32), columns < 3)  # free edges: a known side fills everything
    assert np.abs(flat - 7).max() < 0.01


def test_membrane_agrees_with_opencvs_clone() -> None:
    """The picture plus the membrane is nearly what `seamlessClone` paints, which also touches what is outside."""
    rows, columns = np.mgrid[0:120, 0:120].astype(np.float32)
    there = np.stack([90 + 0.5 * columns, 120 + 0.3 * rows, 150 - 0.4 * columns])
    here = np.stack([100 + 20 * np.sin(rows / 6), 110 + 20 * np.cos(columns / 5), 120 + 10 * np.sin(columns / 7)])
    inside = (rows - 60) ** 2 + (columns - 60) ** 2 < 40**2
    film = here + membrane(there - here, ~inside)
    source, target = (np.ascontiguousarray(p.transpose(1, 2, 0).round().astype(np.uint8)) for p in (here, there))
    mask = inside.astype(np.uint8) * 255
    cloned = cv2.seamlessClone(source, target, mask, (60, 60), cv2.NORMAL_CLONE)
    core = (rows - 60) ** 2 + (columns - 60) ** 2 < 34**2
    difference = np.abs(cloned.astype(float) - film.transpose(1, 2, 0))[core]
    assert difference.mean() < 3


# Several faces


def test_one_of_several_is_what_it_is_alone(group, faces) -> None:
    alone = paste_back(group, faces[0], GREEN)
    pasted = paste_back_all(group, [(faces[0], GREEN, PasteOptions())])
    assert pasted.picture.tobytes() == alone[0].tobytes()
    assert pasted.mask.tobytes() == alone[1].tobytes()


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbours_do_not_undo_each_other(group, faces, shape) -> None:
    """Crops grown until they overlap: the others' unedited faces in a crop must not come back."""
    wide = [grown(face, 1.6) for face in faces]
    colours = [Image.new("RGB", (64, 64), colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
    edited = [(face, colour, PasteOptions(shape)) for face, colour in zip(wide, colours, strict=True)]
    pasted = paste_back_all(group, edited)
    for face, colour in zip(wide, colours, strict=True):
        alone = paste_back(group, face, colour, shape=shape)[1]
        places = [mark for mark in (1, 4, 6, 13, 50, 280, 151, 199, 10) if at(alone, face, mark) == 255]
        assert len(places) >= 5
        assert np.abs(at(pasted.picture, face, *places) - colour.getpixel((0, 0))).max() <= 2
    outside = np.asarray(pasted.mask) == 0
    assert (values(pasted.picture)[outside] == values(group)[outside]).all()
    assert pasted.unchanged_fraction == 1 - changed_fraction(group, pasted.picture)
    again = paste_back_all(group, edited[::-1])
    assert again.picture.tobytes() == pasted.picture.tobytes()


def grown(face: AlignedFace, factor: float) -> AlignedFace:
    """The same face with a larger crop; the mask of the whole crop then reaches the neighbours."""
    middle = face.quad.mean(axis=0)
    quad = middle + (face.quad - middle) * factor
    return AlignedFace(face.picture, quad, face.box, face.landmarks, face.report, face.index)


def test_overlapping_margins_leave_no_photo_between(group, faces) -> None:
    """Where two masks are full, the two pictures share the pixel and the photo has none of it."""
    left, right = grown(faces[1], 2.2), grown(faces[0], 2.2)
    alone = [values(paste_back(group, face, GREEN)[1]) == 255 for face in (left, right)]
    both = alone[0] & alone[1]
    assert both.sum() > 500
    pasted = paste_back_all(group, [(left, GREEN, PasteOptions()), (right, GREEN, PasteOptions())])
    assert np.abs(values(pasted.picture)[both] - (0, 200, 0)).max() <= 2
    assert values(pasted.mask)[both].min() >= 253


def test_no_faces_change_nothing(photo) -> None:
    pasted = paste_back_all(photo, [])
    assert pasted.picture.tobytes() == photo.tobytes()
    assert pasted.unchanged_fraction == 1
    assert pasted.mask.getextrema() == (0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "oval"}, r"no mask 'oval'; choose from: .*[a-z]\.$"),
        ({"shape": "heads"}, r"did you mean 'head'\?$"),
        ({"blend": "poison"}, r"did you mean 'poisson'\?$"),
        ({"keep": ["hare"]}, r"did you mean 'hair'\?$"),
        ({"feather": 0.9}, "feather must lie"),
        ({"colour_match": 3.0}, "colour match must lie"),
    ],
)
def test_bad_options(photo, face, options, message) -> None:
    with pytest.raises(UsageError, match=message):
        paste_back(photo, face, GREEN, **options)


def test_regions_need_a_face_that_was_found(photo) -> None:
    whole = whole_photo(photo, (64, 64))
    with pytest.raises(UsageError, match="taken as a whole"):
        paste_back(photo, whole, whole.picture, keep=["background"])
    with pytest.raises(UsageError, match="one picture to put back"):
        paste_back_all(photo, [(whole, whole.picture, PasteOptions())] * 2)


def test_the_pipeline_offers_all_of_it(tiny, group) -> None:
    found = tiny.align_all(group)[:2]
    pasted = tiny.paste_back_all(group, [(face, RED, PasteOptions("head", keep=("eyes",))) for face in found])
    assert (at(pasted.picture, found[1], 1, 4) == (200, 0, 0)).all()
    pupils = at(pasted.picture, found[1], 468, 473)
    assert (pupils == at(group, found[1], 468, 473)).all()
    one = tiny.paste_back(group, found[0], RED, shape="face", feather=0.05, colour_match=0.2, blend="poisson")
    assert changed_fraction(group, one) < changed_fraction(group, tiny.paste_back(group, found[0], RED))
