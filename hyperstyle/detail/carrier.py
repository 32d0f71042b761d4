"""Carries a photograph's detail over into edits of the face that was rebuilt from it.

    edited, rebuilt --motion--> where everything went
    photo, moved + what the edit changed in the generator's own picture  ->  the edited photograph

Where an edit changes only colours, the photo keeps its texture and takes the new colour. Where it draws something
else (teeth, other hair), the photo's texture there has become wrong and goes. What neither belongs to the head nor
changes much stays the photo.

Everything is worked out at the generator's resolution, once per edit, and laid over the photo at any resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hyperstyle.alignment import landmarks, outlines
from hyperstyle.detail.motion import WORKING_SIDE, Plane, enlarged, motion, smooth, texture, warp

Points = NDArray[np.float64]

# Radii are in px at `WORKING_SIDE`, levels are of 255.
_COARSE = 5.0  # what is coarser than this is colour, what is finer is texture
_NEW_TEXTURE = (1.0, 12.0)  # levels of fine change: below the first all of the photo's texture stays; then it falls off
_NEW_COLOUR = (4.0, 60.0)  # the same for what the generator got wrong about the photo's colours
_FLAT = 2.0  # levels of texture that even smooth places count as having
_DARK = 20.0  # levels; keeps the gain of dark places finite
_GAIN = (0.5, 1.4)  # texture follows the light within these factors
_OUTSIDE = (8.0, 28.0)  # levels a change must have to count outside the head: less is the generator's unrest
_MISTAKEN = (25.0, 45.0)  # levels by which the rebuilt face may be wrong; beyond, its changes are not believed either
_FACE_MARGIN, _FACE_FADE = 0.06, 0.08  # of the crop around the face's outline, where changes are always believed
_HEAD_MARGIN = 6  # px around the person


@dataclass(frozen=True, eq=False)
class _Rebuilt:
    """What edits are compared with, at the working side; H = W.

    Attributes:
        texture: (H, W) from `motion.texture`.
        coarse: (H, W, 4): the rebuilt face's colours, and how far changes are believed, 0 to 1.
        lacking: (H, W, 4): what its colours lack of the photo's, and how much texture it has.
    """

    texture: NDArray[np.uint8]
    coarse: Plane
    lacking: Plane


class DetailCarrier:
    """One face: its photograph, and the generator's picture of it without edits. Threads may share it.

    Args:
        photo: The face's crop, an RGB square of any size: edits come back at this size unless a smaller one is asked.
        rebuilt: The generator's picture of it, RGB.
        face_landmarks: (478, 2) in the crop, (1, 1) being its bottom right corner; without any (a whole photo), all
            of the picture counts as the head.
    """

    def __init__(self, photo: Image.Image, rebuilt: Image.Image, face_landmarks: Points) -> None:
        self._photo = photo.convert("RGB")
        self._sized: dict[int, Plane] = {}
        self._rebuilt = np.asarray(rebuilt.convert("RGB")).astype(np.float32)
        side = min(WORKING_SIDE, rebuilt.width)
        small_photo, small = _pixels(photo, side), _pixels(rebuilt, side)
        ours, theirs = small.astype(np.float32), small_photo.astype(np.float32)
        lacking = smooth(theirs - ours, _COARSE)
        self._head, face = _head_and_face(small_photo, face_landmarks)
        mistaken = _level(np.abs(lacking))
        trust = face + (1 - face) * _falling(mistaken, *_MISTAKEN)
        self._base = _Rebuilt(
            texture(small),
            np.dstack((smooth(ours, _COARSE), smooth(trust, 3.0))),
            np.dstack((lacking, _roughness(small))),
        )

    def carry(self, edited: Image.Image, amount: float = 1.0, side: int | None = None) -> Image.Image:
        """Draw the edit on the photograph.

        Args:
            edited: The generator's picture of the edited face, of the rebuilt one's size or smaller.
            amount: 1 for all of the photo's detail, 0 for the generator's own picture, enlarged.
            side: Of the result in px; None for the photo's.

        Returns:
            An RGB square.
        """
        drawn = np.asarray(edited.convert("RGB")).astype(np.float32)
        out, side = side or self._photo.width, self._base.texture.shape[0]
        if amount <= 0:
            return Image.fromarray(_to_bytes(enlarged(drawn, out)))
        small = _pixels(edited, side)
        moved = motion(texture(small), self._base.texture) * self._head[..., None]
        coarse, lacking = warp(self._base.coarse, moved), warp(self._base.lacking, moved)
        rebuilt = warp(_pixels_of(self._rebuilt, drawn.shape[0]), _scaled(moved, drawn.shape[0]))
        now, before = smooth(small.astype(np.float32), _COARSE), coarse[..., :3]
        recoloured = now - before
        # How much of the photo's texture stays.
        fine = small.astype(np.float32) - _pixels_of(rebuilt, side) - recoloured
        stays = _falling(smooth(_level(np.abs(fine)), 2.0), *_NEW_TEXTURE)
        stays *= np.clip((_roughness(small) + _FLAT) / (lacking[..., 3] + _FLAT), 0, 1) ** 2
        stays *= np.clip((_level(now) + _DARK) / (_level(before) + _DARK), *_GAIN)
        changed = _level(np.abs(recoloured))
        corrected = lacking[..., :3] * _falling(changed, *_NEW_COLOUR)[..., None]
        # How far the edit is believed: everywhere on the head, beyond it where it is large.
        large = np.clip((changed - _OUTSIDE[0]) / (_OUTSIDE[1] - _OUTSIDE[0]), 0, 1)
        believed = coarse[..., 3] * (self._head + (1 - self._head) * large)
        # edited = drawn + corrected + stays x (photo - its colours - (rebuilt - its colours)), put together at the
        # generator's side except for the photo itself.
        share = enlarged(stays[..., None] * believed[..., None], drawn.shape[0])
        share = share.reshape(*share.shape[:2], 1)  # OpenCV drops an axis of one channel
        known = enlarged(np.dstack((corrected, lacking[..., :3], believed)), drawn.shape[0])
        ground = (drawn + known[..., :3]) * known[..., 6:] - share * (rebuilt + known[..., 3:6])
        keeps = share + 1 - known[..., 6:]
        photo = warp(self._photo_at(out), _scaled(moved, out), cubic=True)
        kept = cv2.merge([enlarged(keeps, out)] * 3)
        result: Plane = np.clip(np.asarray(cv2.add(cv2.multiply(photo, kept), enlarged(ground, out))), 0, 255)
        if amount < 1:
            result = np.clip(enlarged(drawn, out), 0, 255) * (1 - amount) + result * amount
        return Image.fromarray(_to_bytes(result))

    def _photo_at(self, side: int) -> Plane:
        """The photo in levels at this size, which a slider asks for again and again."""
        if side not in self._sized:
            resized = self._photo.resize((side, side), Image.Resampling.LANCZOS)
            self._sized = {side: np.asarray(resized).astype(np.float32)}
        return self._sized[side]


def _head_and_face(picture: NDArray[np.uint8], face_landmarks: Points) -> tuple[Plane, Plane]:
    """Where the person is, and the face in it, (H, W) from 0 to 1 each, with soft edges."""
    side = picture.shape[0]
    if not len(face_landmarks):
        everywhere = np.ones((side, side), dtype=np.float32)
        return everywhere, everywhere
    distance = outlines.outside_distance(face_landmarks[list(outlines.FACE)], side)
    face = outlines.fade(distance, _FACE_MARGIN, _FACE_FADE).astype(np.float32)
    person = np.maximum(landmarks.person_mask(Image.fromarray(picture)), face)
    reach = 2 * round(_HEAD_MARGIN * side / WORKING_SIDE) + 1
    grown: Plane = np.asarray(cv2.dilate(person, np.ones((reach, reach), np.uint8)), dtype=np.float32)
    return np.clip(smooth(grown, _COARSE), 0, 1), face


def _level(plane: Plane) -> Plane:
    """Mean of the channels of (H, W, 3): (H, W); several times as fast as `mean`."""
    return plane @ np.full(3, 1 / 3, dtype=np.float32)


def _falling(levels: Plane, start: float, width: float) -> Plane:
    """1 up to `start`, then falling like a Gaussian of this width."""
    return np.exp(-((np.maximum(levels - start, 0) / width) ** 2))


def _roughness(picture: NDArray[np.uint8]) -> Plane:
    """Standard deviation of the fine part of (H, W, 3) around each pixel: (H, W) in levels."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - smooth(grey, _COARSE)
    return np.sqrt(smooth(fine * fine, _COARSE))


def _pixels(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    """(side, side, 3) of a square picture."""
    picture = picture.convert("RGB")
    return np.asarray(picture if picture.width == side else picture.resize((side, side), Image.Resampling.BOX))


def _pixels_of(plane: Plane, side: int) -> Plane:
    return plane if plane.shape[0] == side else np.asarray(cv2.resize(plane, (side, side), None, 0, 0, cv2.INTER_AREA))


def _scaled(moved: Plane, side: int) -> Plane:
    """Motion in px of a picture of another side."""
    return enlarged(moved, side) * np.float32(side / moved.shape[0])


def _to_bytes(levels: Plane) -> NDArray[np.uint8]:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
