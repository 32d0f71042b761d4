"""Parts of a face: where they are, what is kept of them, and masks of other shapes than the crop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data

from hyperstyle.alignment import (
    REGIONS,
    AlignedFace,
    align_faces,
    check_regions,
    lock_regions,
    movement_warning,
    region_masks,
    whole_photo,
)
from hyperstyle.alignment.outlines import FACE, fade, head_ring, outside_distance
from hyperstyle.errors import UsageError
from hyperstyle.images import open_photo

GREEN = (0, 200, 0)


@pytest.fixture(scope="module")
def face() -> AlignedFace:
    return align_faces(Image.fromarray(data.astronaut()), 256)[0]


@pytest.fixture(scope="module")
def drawn() -> AlignedFace:
    """A drawn man with a beard and glasses."""
    return align_faces(open_photo("examples/drawn/glasses.jpg"), 256)[0]


@pytest.fixture(scope="module", params=["face", "drawn"])
def either(request) -> AlignedFace:
    return request.getfixturevalue(request.param)


def at(mask: np.ndarray, face: AlignedFace, *indices: int) -> np.ndarray:
    """Values of a mask at landmarks."""
    places = np.floor(face.crop_landmarks[list(indices)] * face.picture.width).astype(int)
    return mask[places[:, 1], places[:, 0]]


def test_every_region_is_where_it_belongs(either) -> None:
    masks = region_masks(either.picture, either.crop_landmarks)
    assert list(masks) == list(REGIONS)
    for mask in masks.values():
        assert (mask.shape, mask.dtype) == ((256, 256), np.float32)
        assert mask.min() >= 0
        assert mask.max() <= 1
        assert mask.max() > 0.99
    pupils, mouth, nose, brows = (468, 473), (13, 14, 61, 291), (4, 5), (105, 334)
    assert at(masks["eyes"], either, *pupils).min() > 0.99
    assert at(masks["glasses"], either, *pupils).min() > 0.99
    assert at(masks["mouth"], either, *mouth).min() > 0.9
    assert at(masks["nose"], either, *nose).min() > 0.99
    assert at(masks["brows"], either, *brows).min() > 0.9
    for name in ("background", "hair", "clothes"):
        assert at(masks[name], either, *pupils, *mouth, *nose).max() < 0.05
    for name, others in (("eyes", (*mouth, *nose)), ("mouth", (*pupils, *nose)), ("glasses", mouth)):
        assert at(masks[name], either, *others).max() == 0
    # Hair above the forehead, background in the corner, neck and clothes below the chin.
    above = either.crop_landmarks[10] - (0, 0.08)
    x, y = (above * 256).astype(int)
    assert masks["hair"][y, x] > 0.95
    assert masks["background"][4, 4] > 0.95
    x, y = ((either.crop_landmarks[152] + (0, 0.06)) * 256).astype(int)
    assert masks["clothes"][y, x] > 0.95
    assert masks["hair"][y, x] < 0.05


def test_regions_cover_the_crop(either) -> None:
    """Background, hair, face and clothes leave out little but ears."""
    masks = region_masks(either.picture, either.crop_landmarks)
    covered = np.maximum.reduce([masks[name] for name in ("background", "hair", "face", "clothes")])
    assert (covered > 0.5).mean() > 0.95
    assert (np.minimum(masks["background"], masks["hair"]) > 0.5).sum() == 0
    assert (np.minimum(masks["clothes"], masks["hair"]) > 0.5).sum() == 0


def test_hair_has_the_hairs_colour(face) -> None:
    """A fringe over the forehead is hair; ears and the bare forehead of a dark-skinned woman are not."""
    hair = region_masks(face.picture, face.crop_landmarks)["hair"]
    beside = ((face.crop_landmarks[234] - (0.09, 0.02)) * 256).astype(int)  # hair beside the cheek
    assert hair[beside[1], beside[0]] > 0.9
    ada = align_faces(open_photo("examples/drawn/elder.jpg"), 256)[0]
    hair = region_masks(ada.picture, ada.crop_landmarks)["hair"]
    assert at(hair, ada, 151, 9, 108, 337).max() < 0.1  # the middle of the forehead
    above = ((ada.crop_landmarks[10] - (0, 0.1)) * 256).astype(int)
    assert hair[above[1], above[0]] > 0.95
    bald = Image.new("RGB", (256, 256), (180, 140, 120))
    assert region_masks(bald, ada.crop_landmarks)["hair"].max() <= 1  # one colour everywhere: the outline decides


def test_locking_is_exact_where_the_mask_is_one(face) -> None:
    edited = Image.new("RGB", (256, 256), GREEN)
    locked = lock_regions(face, edited, ["eyes", "mouth"])
    kept = locked.mask == 1
    away = locked.mask == 0
    assert kept.mean() > 0.01
    assert away.mean() > 0.7
    result, original = np.asarray(locked.picture), np.asarray(face.picture)
    assert (result[kept] == original[kept]).all()
    assert (result[away] == GREEN).all()
    soft = ~kept & ~away
    assert soft.sum() > lock_regions(face, edited, ["eyes", "mouth"], feather=0.01).mask.astype(bool).sum() - kept.sum()
    assert locked.warning is None  # there is no face in a green square


def test_locking_follows_the_edited_size(face) -> None:
    locked = lock_regions(face, Image.new("RGB", (64, 64), GREEN), ["mouth"])
    assert locked.picture.size == (64, 64)
    assert locked.mask.shape == (64, 64)
    assert locked.mask.max() == 1


def test_nothing_locked_changes_nothing(face) -> None:
    edited = Image.new("RGB", (128, 128), GREEN)
    locked = lock_regions(face, edited, [])
    assert locked.picture.tobytes() == edited.tobytes()
    assert locked.mask.max() == 0


def test_hair_grown_over_the_background_stays(drawn) -> None:
    """Only what is background before and after is kept: a second, wider head is not cut off."""
    wide = drawn.picture.resize((320, 256)).crop((32, 0, 288, 256))
    before = lock_regions(drawn, drawn.picture, ["background"], feather=0).mask
    after = lock_regions(drawn, wide, ["background"], feather=0).mask
    assert before.mean() > 0.3
    assert after.mean() < before.mean() - 0.03


def test_a_moved_head_is_warned_about(drawn) -> None:
    assert movement_warning(drawn, drawn.picture) is None
    assert movement_warning(drawn, drawn.picture.resize((128, 128))) is None
    moved = drawn.picture.transform((256, 256), Image.Transform.AFFINE, (1, 0, -14, 0, 1, 0))
    assert "moved the head by" in str(movement_warning(drawn, moved))
    turned = movement_warning(drawn, ImageOps.mirror(drawn.picture))
    assert "turned the head by" in str(turned)
    assert lock_regions(drawn, moved, ["hair"]).warning is not None


def test_names_are_checked(face) -> None:
    assert check_regions(["mouth", "background", "mouth"]) == ("background", "mouth")
    with pytest.raises(UsageError, match=r"did you mean 'mouth'\?$"):
        check_regions(["mouht"])
    with pytest.raises(UsageError, match="feather of a region"):
        lock_regions(face, face.picture, ["mouth"], feather=0.5)
    whole = whole_photo(Image.fromarray(data.astronaut()), (64, 64))
    with pytest.raises(UsageError, match="taken as a whole"):
        lock_regions(whole, whole.picture, ["mouth"])


def test_distance_from_an_outline() -> None:
    square = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])
    distance = outside_distance(square, 100)
    assert distance[50, 50] == pytest.approx(-0.245, abs=0.001)
    assert distance[50, 0] == pytest.approx(0.245, abs=0.001)
    assert distance[0, 0] == pytest.approx(np.hypot(0.245, 0.245), abs=0.001)
    assert (distance < 0).mean() == pytest.approx(0.25)
    faded = fade(distance, 0.0, 0.1)
    assert faded[50, 50] == 1
    assert faded[50, 0] == 0
    assert faded[50, 24:26].mean() == pytest.approx(0.5, abs=0.01)


def test_head_contains_the_face(either) -> None:
    marks = either.crop_landmarks
    head = outside_distance(head_ring(marks), 256) < 0
    oval = outside_distance(marks[list(FACE)], 256) < 0
    assert (oval & ~head).sum() == 0
    person = 1 - region_masks(either.picture, marks)["background"]
    chin = int(marks[152, 1] * 256)
    assert (person[:chin] * head[:chin]).sum() / person[:chin].sum() > 0.85  # hair and ears too


def test_landmarks_in_the_crop_are_those_of_the_picture(face) -> None:
    again = align_faces(face.picture, 256)[0]
    shift = (again.landmarks + 0.5) / 256 - face.crop_landmarks
    assert np.abs(shift).mean() < 0.008
    assert replace(face, index=1).crop_landmarks.shape == (478, 2)
