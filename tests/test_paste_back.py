"""An edited face goes back to where it came from, and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage import data

from hyperstyle.alignment import AlignedFace, align_faces, changed_fraction, paste_back
from hyperstyle.alignment.crop import crop_face, photo_to_quad, quad_to_photo
from hyperstyle.animation import InPhoto
from hyperstyle.errors import UsageError


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def face(photo) -> AlignedFace:
    return align_faces(photo, 256)[0]


@pytest.fixture(scope="module")
def cut_photo(photo) -> Image.Image:
    """The head touches two edges, so the crop reaches outside."""
    return photo.crop((150, 60, 400, 300))


@pytest.fixture(scope="module")
def cut_face(cut_photo) -> AlignedFace:
    return align_faces(cut_photo, 256)[0]


def array(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=np.int64)


def assert_untouched_outside(before: Image.Image, after: Image.Image, mask: Image.Image) -> None:
    assert after.size == mask.size == before.size
    assert (after.mode, mask.mode) == ("RGB", "L")
    outside = np.asarray(mask) == 0
    assert outside.any()
    assert not outside.all()
    assert (array(after)[outside] == array(before)[outside]).all()


def test_unedited_crop_changes_almost_nothing(photo, face) -> None:
    result, mask = paste_back(photo, face, face.picture)
    assert_untouched_outside(photo, result, mask)
    inside = np.asarray(mask) > 0
    assert np.abs(array(result) - array(photo))[inside].mean() < 2.5  # what two resamplings cost


@pytest.mark.parametrize("angle", [30, -75])
def test_unedited_crop_of_a_tilted_photo(photo, angle: int) -> None:
    tilted = photo.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    found = align_faces(tilted, 256)[0]
    result, mask = paste_back(tilted, found, found.picture)
    assert_untouched_outside(tilted, result, mask)
    assert np.abs(array(result) - array(tilted))[np.asarray(mask) > 0].mean() < 2.5


@pytest.mark.parametrize("size", [128, 300, 512, 1024])
def test_nothing_moves_by_as_much_as_a_pixel(photo, face, size: int) -> None:
    """A wrong half pixel anywhere in the maps would show on ramps; opposite ramps cancel a change of brightness."""
    ramp_x, ramp_y = np.meshgrid(np.linspace(0, 250, 512), np.linspace(0, 250, 512))
    for ramp in (ramp_x, ramp_y):
        ramps = Image.fromarray(np.stack([ramp, 250 - ramp, ramp], axis=-1).round().astype(np.uint8))
        result, mask = paste_back(ramps, face, crop_face(ramps, face.quad, size), feather=0.0)
        change = (array(result) - array(ramps))[np.asarray(mask) > 0].mean(axis=0)
        assert abs(change[0] - change[1]) / 2 < 0.1 * 250 / 511  # a tenth of a pixel
        assert abs(change[0] + change[1]) / 2 < 0.7


def test_a_very_large_face_is_put_back_in_place(photo) -> None:
    large = photo.crop((130, 20, 330, 220)).resize((2000, 2000), Image.Resampling.BICUBIC)
    found = align_faces(large, 256)[0]
    result, mask = paste_back(large, found, found.picture)
    assert_untouched_outside(large, result, mask)
    assert np.abs(array(result) - array(large))[np.asarray(mask) > 0].mean() < 2.5


@pytest.mark.parametrize("size", [64, 128, 1024])
def test_edited_pictures_of_any_size(photo, face, size: int) -> None:
    result, mask = paste_back(photo, face, Image.new("RGB", (size, size), (0, 200, 0)))
    assert_untouched_outside(photo, result, mask)
    full = np.asarray(mask) == 255
    assert full.mean() > 0.03
    assert (array(result)[full] == (0, 200, 0)).all()


def test_marked_point_lands_where_it_belongs(photo, face) -> None:
    edited = face.picture.copy()
    ImageDraw.Draw(edited).ellipse((91, 117, 100, 126), fill=(255, 0, 255))  # its centre is (96, 122) of 256
    result, _ = paste_back(photo, face, edited)
    values = array(result)
    rows, columns = np.nonzero((values[:, :, 0] > 200) & (values[:, :, 1] < 60) & (values[:, :, 2] > 200))
    expected = quad_to_photo(face.quad, np.array([[96.0, 122.0]]) / 256)[0]
    assert (columns.mean(), rows.mean()) == pytest.approx(tuple(expected), abs=0.6)


def test_shrinking_is_antialiased(photo, face) -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], dtype=np.uint8), (1024, 512))).convert("RGB")
    result, mask = paste_back(photo, face, stripes)
    assert np.abs(array(result)[np.asarray(mask) == 255] - 127.5).max() < 20


def test_crop_partly_outside_the_photo(cut_photo, cut_face) -> None:
    assert cut_face.report.outside_fraction > 0.2
    result, mask = paste_back(cut_photo, cut_face, cut_face.picture)
    assert_untouched_outside(cut_photo, result, mask)
    # The crop's invented and softened border must not come back into the photo.
    assert np.abs(array(result) - array(cut_photo))[np.asarray(mask) > 0].mean() < 2.5
    assert np.asarray(mask)[0].max() == 0


def test_crop_wholly_outside_the_photo_changes_nothing(photo, face) -> None:
    away = AlignedFace(face.picture, face.quad + 5000, face.box, face.landmarks, face.report, 0)
    result, mask = paste_back(photo, away, face.picture)
    assert result.tobytes() == photo.tobytes()
    assert mask.getextrema() == (0, 0)


def test_another_photo_than_the_faces_own_is_refused(photo, face) -> None:
    half = photo.resize((photo.width // 2, photo.height // 2))
    with pytest.raises(UsageError, match=rf"of {photo.width} x {photo.height} pixels, and this one has {half.width} x"):
        paste_back(half, face, face.picture)
    with pytest.raises(UsageError, match="give that photo"):
        InPhoto(half, face)


def test_mask_is_soft_and_face_shaped(photo, face) -> None:
    _, mask = paste_back(photo, face, face.picture)
    weights = np.asarray(mask, dtype=np.int64)
    side = float(np.hypot(*(face.quad[3] - face.quad[0])))
    for axis in (0, 1):  # no step anywhere that could show as a seam
        assert np.abs(np.diff(weights, axis=axis)).max() < 255 * 1.6 / (0.12 * side) + 2
    ys, xs = np.nonzero(weights)
    places = photo_to_quad(face.quad, np.stack([xs, ys], axis=1).astype(float))
    assert places.min() > 0  # nothing of the crop's own rim is used
    assert places.max() < 1
    corners = quad_to_photo(face.quad, np.array([[0.05, 0.05], [0.95, 0.05], [0.05, 0.95], [0.95, 0.95]])).round()
    assert all(weights[int(y), int(x)] == 0 for x, y in corners)
    marks = face.landmarks.round().astype(int)
    assert (weights[marks[:, 1], marks[:, 0]] > 200).all()


def test_feather_widens_the_fade(photo, face) -> None:
    soft = {
        feather: int((np.asarray(paste_back(photo, face, face.picture, feather)[1]) % 255 > 0).sum())
        for feather in (0.0, 0.1, 0.3, 0.5)
    }
    assert soft[0.0] == 0
    assert soft[0.1] < soft[0.3] < soft[0.5]


def test_colour_match_takes_away_a_cast_but_not_a_feature(photo, face) -> None:
    tinted = face.picture.point(lambda value: min(255, value + 24))
    ImageDraw.Draw(tinted).ellipse((124, 140, 132, 148), fill=(255, 0, 255))
    plain, mask = paste_back(photo, face, tinted)
    matched, _ = paste_back(photo, face, tinted, colour_match=1.0)
    assert_untouched_outside(photo, matched, mask)
    full = np.asarray(mask) == 255
    assert np.abs(array(plain) - array(photo))[full].mean() > 15
    assert np.abs(array(matched) - array(photo))[full].mean() < 6
    values = array(matched)
    assert ((values[:, :, 0] > 180) & (values[:, :, 1] < 110) & (values[:, :, 2] > 180)).sum() > 20


def test_inputs_are_left_as_they_were(photo, face) -> None:
    before, crop_before = photo.tobytes(), face.picture.tobytes()
    paste_back(photo, face, Image.new("L", (128, 128), 40), colour_match=0.5)
    assert (photo.tobytes(), face.picture.tobytes()) == (before, crop_before)


def test_changed_fraction(photo, face) -> None:
    assert changed_fraction(photo, photo) == 0
    result, mask = paste_back(photo, face, Image.new("RGB", (128, 128), (0, 255, 0)))
    assert changed_fraction(photo, result) == pytest.approx((np.asarray(mask) > 0).mean(), abs=0.002)
    with pytest.raises(ValueError, match="cannot be compared"):
        changed_fraction(photo, photo.resize((64, 64)))


@pytest.mark.parametrize("feather", [-0.1, 0.7, float("nan")])
def test_bad_feather(photo, face, feather: float) -> None:
    with pytest.raises(UsageError, match="feather must lie between 0 and"):
        paste_back(photo, face, face.picture, feather)


@pytest.mark.parametrize("colour_match", [-1.0, 2.0, float("nan")])
def test_bad_colour_match(photo, face, colour_match: float) -> None:
    with pytest.raises(UsageError, match="colour match must lie between 0 and 1"):
        paste_back(photo, face, face.picture, colour_match=colour_match)


def test_only_squares_fit(photo, face) -> None:
    with pytest.raises(UsageError, match="is square"):
        paste_back(photo, face, Image.new("RGB", (128, 64)))
