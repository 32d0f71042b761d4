"""Parts of a face's crop that can be kept from the original while the rest is edited.

Background and person come from MediaPipe's segmenter, the parts of the face from the mesh's outlines. Three are stated
approximations, because no network here knows them: hair is what of the person, beyond the features, has the colour seen
above the forehead rather than the cheeks' (where these are alike, everything above the chin and beyond the face);
clothes are the rest below the chin; glasses are the band around the eyes in which they sit.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from hyperstyle.alignment import crop, landmarks, outlines
from hyperstyle.alignment.faces import AlignedFace
from hyperstyle.alignment.report import head_pose
from hyperstyle.errors import UsageError, did_you_mean

Points = NDArray[np.float64]
Plane = NDArray[np.float32]

REGIONS: dict[str, str] = {
    "background": "Everything behind the person, as far as it is behind the edited person too.",
    "hair": "Hair or headwear around the face: an approximation from the person's outline and the hair's colour.",
    "face": "The whole face from the hairline to the chin.",
    "brows": "Both eyebrows.",
    "eyes": "Both eyes with their lids.",
    "glasses": "The band around the eyes where glasses sit: an approximation, worn or not.",
    "nose": "The nose from its bridge to the nostrils.",
    "mouth": "Lips, teeth and whatever the open mouth shows.",
    "clothes": "Neck, shoulders and clothes below the chin: an approximation from the person's outline.",
}
"""Every region's name, and one line about it for people."""

FEATHER = 0.03  # of the crop; a region itself is kept whole and the fade lies around it
MAX_FEATHER = 0.2

# Rebuilding alone moves the outline by up to 0.02 of the crop and turns it by up to 5 degrees as the mesh sees it.
MOVED = 0.03  # of the crop, the mean over the face's outline
TURNED_DEG = 8.0

_SOFT = 0.006  # of the crop; the edge of an outline
_RINGS = {  # region -> outlines, and how far they are grown in crops: lids and lip rims lie just outside the mesh's
    "face": ((outlines.FACE,), 0.0),
    "brows": ((outlines.LEFT_BROW, outlines.RIGHT_BROW), 0.012),
    "eyes": ((outlines.LEFT_EYE, outlines.RIGHT_EYE), 0.02),
    "glasses": ((outlines.GLASSES,), 0.025),
    "nose": ((outlines.NOSE,), 0.008),
    "mouth": ((outlines.LIPS,), 0.015),
}
_BROW_TOPS = (70, 105, 334, 300)
_SAMPLE = 0.002  # of the crop's pixels; fewer say nothing about a colour
_LEAST_SPREAD = 12.0  # grey levels, the three channels added up
_ALIKE = 60.0  # likewise: fair hair on fair skin, or a bald head
_OTHER_COLOUR = 5.0  # spreads; what is further from the hair's colour is neither hair nor skin: clothes
_FOREHEAD = 0.05  # of the crop; so far beyond the mesh the skin of a high forehead may reach
_NECK = 0.04  # of the crop above the chin; here clothes begin at the sides of the jaw


@dataclass(frozen=True, eq=False)
class Locked:
    """An edited crop with parts of the original back in it.

    Attributes:
        picture: RGB, of the edited crop's size.
        mask: (H, W) from 0 (edited) to 1 (original, exactly).
        warning: A sentence if the head has moved so far that kept parts no longer meet the edited ones.
    """

    picture: Image.Image
    mask: Plane
    warning: str | None


def check_regions(names: Iterable[str]) -> tuple[str, ...]:
    """Names of regions without repetitions, in the table's order.

    Raises:
        UsageError: There is no such region.
    """
    asked = list(names)
    for name in asked:
        if name not in REGIONS:
            raise UsageError(f"There is no region '{name}' to keep; {did_you_mean(name, REGIONS)}")
    return tuple(name for name in REGIONS if name in asked)


def region_masks(face_picture: Image.Image, face_landmarks: Points) -> dict[str, Plane]:
    """Find every region of a crop.

    Args:
        face_picture: RGB square, as in `AlignedFace.picture`.
        face_landmarks: (478, 2) in the crop, (1, 1) being its bottom right corner: `AlignedFace.crop_landmarks`.

    Returns:
        (H, W) from 0 to 1 for each name of `REGIONS`, of the picture's size.
    """
    size = face_picture.width
    person = landmarks.person_mask(face_picture)
    masks = {"background": 1 - person}
    distance = {
        name: np.minimum.reduce([outlines.outside_distance(face_landmarks[list(ring)], size) for ring in rings])
        for name, (rings, _) in _RINGS.items()
    }
    for name, (_, grown) in _RINGS.items():
        masks[name] = outlines.fade(distance[name], grown, _SOFT)
    height = ((np.arange(size, dtype=np.float32) + 0.5) / size)[:, None]
    below_chin = outlines.fade(float(face_landmarks[outlines.CHIN, 1]) - _NECK - height, 0.0, 2 * _SOFT)
    beyond_face = person * (1 - masks["face"])
    above_brows = outlines.fade(height - float(face_landmarks[list(_BROW_TOPS), 1].min()), -0.03, 2 * _SOFT)
    masks["hair"] = beyond_face * (1 - below_chin)
    colour = _hair_likeness(face_picture, person, distance, float(face_landmarks[outlines.NOSE_TIP, 1]))
    if colour is not None:
        # Over the face only colour can tell; above it the person's outline is enough, whatever lights play on the hair.
        above = above_brows * outlines.fade(-distance["face"], -_FOREHEAD, 2 * _SOFT)
        hair = np.maximum(beyond_face * np.maximum(above, colour), person * masks["face"] * above_brows * colour)
        chin = int(size * float(np.clip(face_landmarks[outlines.CHIN, 1] - _NECK, 0, 0.99)))
        # Below the chin hair hangs down from hair; a collar of its colour does not.
        hair[chin:] = np.minimum.accumulate(hair[chin:], axis=0)
        masks["hair"] = hair
    masks["clothes"] = beyond_face * below_chin * (1 - masks["hair"])
    return {name: masks[name] for name in REGIONS}


def _hair_likeness(picture: Image.Image, person: Plane, distance: Mapping[str, Plane], nose_y: float) -> Plane | None:
    """How much more each pixel's colour is like the hair's than the skin's.

    Args:
        picture: RGB square.
        person: (H, W) from `person_mask`.
        distance: (H, W) from the outlines, by region.
        nose_y: Of the tip of the nose, in the crop.

    Returns:
        (H, W) from 0 to 1; None where there is no hair to see above the forehead or its colour is the skin's.
    """
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
    face = distance["face"]
    if face.min() >= 0:
        return None
    height = ((np.arange(len(face), dtype=np.float32) + 0.5) / len(face))[:, None]
    top = height[(face < 0).any(axis=1)].min()
    above = (person > 0.9) & (face > 0.03) & (face < 0.12) & (height < top + 0.05)
    # The nose and what of the cheeks is beside it: the skin that beards, glasses and fringes leave free.
    features = np.minimum.reduce([distance[name] for name in ("brows", "glasses", "mouth")])
    skin = (distance["nose"] < 0) | ((face < -0.04) & (features > 0.01) & (height > top + 0.1) & (height < nose_y))
    if min(above.sum(), skin.sum()) < _SAMPLE * face.size:
        return None
    medians, away = [], []
    for sample in (pixels[above], pixels[skin]):
        median = np.median(sample, axis=0)
        spread = np.median(np.abs(sample - median).sum(axis=1)) + _LEAST_SPREAD
        medians.append(median)
        away.append(np.abs(pixels - median).sum(axis=2) / spread)
    if np.abs(medians[0] - medians[1]).sum() < _ALIKE:
        return None
    share = away[0] / np.maximum(away[0] + away[1], 1e-6)
    like = outlines.fade(share, 0.5, 0.2) * outlines.fade(away[0], _OTHER_COLOUR, 1.0)
    # Wrinkles and glints are thin; hair is not.
    radius = max(1, round(len(face) / 128))
    smooth = Image.fromarray(np.rint(like * 255).astype(np.uint8)).filter(ImageFilter.MedianFilter(2 * radius + 1))
    return np.asarray(smooth, dtype=np.float32) / 255


def kept_mask(face: AlignedFace, edited: Image.Image, names: Iterable[str], feather: float = FEATHER) -> Plane:
    """Where the original is kept if regions are locked.

    Args:
        face: The original.
        edited: Its edited crop, any size; where hair has grown over the background, it stays.
        names: Of `REGIONS`.
        feather: Width of the soft edge around the regions as a fraction of the crop, 0 to 0.2.

    Returns:
        (H, W) of the original crop's size, from 0 (edited) to 1 (original).

    Raises:
        UsageError: There is no such region, the feather is out of range, or the face is a whole photo.
    """
    wanted = check_regions(names)
    if not 0 <= feather <= MAX_FEATHER:
        raise UsageError(f"The feather of a region must lie between 0 and {MAX_FEATHER:g}, not {feather:g}.")
    if face.whole:
        raise UsageError("Regions can be kept only around a face that was found; this photo is taken as a whole.")
    size = face.picture.width
    kept = np.zeros((size, size), dtype=np.float32)
    masks = _regions_of(face)
    for name in wanted:
        mask = masks[name]
        if name == "background":
            mask = mask * (1 - landmarks.person_mask(edited.convert("RGB").resize((size, size))))
        kept = np.maximum(kept, mask)
    if feather > 0:
        around = next(crop.blur(kept[None], feather * size / 2))
        kept = np.maximum(kept, np.clip(2 * around - 0.02, 0, 1))
    return kept


def lock_regions(face: AlignedFace, edited: Image.Image, names: Iterable[str], feather: float = FEATHER) -> Locked:
    """Put regions of the original crop back into an edited one.

    For a whole photo, `paste_back` keeps regions itself, at the photo's own sharpness.

    Args:
        face: The original.
        edited: The edited crop, square.
        names, feather: As in `kept_mask`.

    Raises:
        UsageError: As `kept_mask`.
    """
    wanted = check_regions(names)
    mask = kept_mask(face, edited, wanted, feather)
    edited = edited.convert("RGB")
    if edited.size != face.picture.size:
        resized = Image.fromarray(mask).resize(edited.size, Image.Resampling.BILINEAR)
        mask = np.asarray(resized)
    original = face.own_crop(edited.width)
    before, after = (np.asarray(picture, dtype=np.float32) for picture in (original, edited))
    mixed = after + (before - after) * mask[:, :, None]
    picture = Image.fromarray(np.rint(mixed).astype(np.uint8))
    return Locked(picture, mask, movement_warning(face, edited) if wanted else None)


def movement_warning(face: AlignedFace, edited: Image.Image) -> str | None:
    """Say whether an edit has moved the head so far that regions of the original no longer fit.

    Args:
        face: The original.
        edited: Its edited crop.

    Returns:
        One sentence, or None where the head is still or no face is found in the edited crop.
    """
    found = [] if face.whole else landmarks.find_faces(edited.convert("RGB"))
    if not found:
        return None
    ring = list(outlines.FACE)
    moved = (found[0].landmarks[ring] + 0.5) / edited.width - face.crop_landmarks[ring]
    shift = float(np.hypot(*moved.T).mean())
    turned = abs(head_pose(found[0].points)[0] - face.report.yaw_deg)
    if shift <= MOVED and turned <= TURNED_DEG:
        return None
    how = f"turned the head by {turned:.0f} degrees"
    if turned <= TURNED_DEG:
        how = f"moved the head by {shift:.0%} of the picture"
    return f"The edit has {how}, so kept parts of the original may not meet the edited face; keep fewer of them."


_cache: weakref.WeakKeyDictionary[AlignedFace, Mapping[str, Plane]] = weakref.WeakKeyDictionary()
_cache_lock = threading.Lock()


def _regions_of(face: AlignedFace) -> Mapping[str, Plane]:
    """The regions of a face, found once for as long as the face is in use: a slider pastes it many times."""
    with _cache_lock:
        known = _cache.get(face)
    if known is None:
        known = region_masks(face.picture, face.crop_landmarks)
        with _cache_lock:
            _cache[face] = known
    return known
