"""What can be said about a face before anything is done with it: pose, size, sharpness, and plain warnings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Points = NDArray[np.float64]

SMALL_FACE_PX = 60  # below this the crop is mostly enlargement: features of a few pixels cannot be rebuilt
PROFILE_YAW_DEG = 40.0  # beyond this one eye begins to disappear, and with it half of what FFHQ-style crops rely on
STEEP_PITCH_DEG = 30.0  # looking further up or down hides eyes or mouth corners
BLURRY_SHARPNESS = 0.006  # a blur over about 1.5% of the face (standard deviation): lashes and single hairs are gone
OUTSIDE_FRACTION = 0.10  # more than a tenth of the crop invented: forehead or chin is usually cut

_SHARPNESS_PX = 128  # faces are compared at this height at most, so a big photo gets no bonus for finer noise

# Pairs at the same height on both sides of the face (left of the picture first): eye corners, cheeks, mouth corners.
_PAIRS = ((33, 263), (234, 454), (61, 291))
_FOREHEAD, _CHIN = 10, 152
_LEVEL_PITCH_DEG = 10.6  # the mesh's line from forehead to chin leans by this much in level portraits of known pitch


@dataclass(frozen=True)
class AlignmentReport:
    """What the photo offers for one face.

    Attributes:
        yaw_deg: Head turned; positive looks to the right of the picture, 0 at the camera, 90 is a profile.
        pitch_deg: Head nodded; positive bows, as in the portraits renderer.
        roll_deg: Head tilted in the picture, -180 to 180; positive is clockwise. The crop removes it.
        face_px: Face height (or width, if larger) in pixels of the photo.
        sharpness: Fine detail relative to contrast, 0 (blurred) to about 1 (crisp).
        outside_fraction: Share of the crop that lies outside the photo and had to be invented, 0 to 1.
        warnings: One sentence for everything that may spoil the result.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    face_px: float
    sharpness: float
    outside_fraction: float
    warnings: tuple[str, ...]


def make_report(
    photo: Image.Image, points: Points, face_px: float, outside_fraction: float, box: tuple[float, float, float, float]
) -> AlignmentReport:
    """Describe one face.

    Args:
        photo: RGB.
        points: (478, 3) landmarks with depth, in pixels.
        face_px: Face size in pixels.
        outside_fraction: Share of the crop outside the photo.
        box: Left, top, right, bottom of the face in the photo.
    """
    yaw, pitch, roll = head_pose(points)
    sharp = sharpness(photo, box)
    return AlignmentReport(
        yaw, pitch, roll, face_px, sharp, outside_fraction, _warnings(yaw, pitch, face_px, sharp, outside_fraction)
    )


def head_pose(points: Points) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees from 3-D landmarks, as `AlignmentReport` defines them.

    Args:
        points: (478, 3), y down, z away from the camera, all in the same unit.
    """
    across = sum(points[right] - points[left] for left, right in _PAIRS)
    down = points[_CHIN] - points[_FOREHEAD]
    roll = np.arctan2(across[1], across[0])
    cos, sin = np.cos(roll), np.sin(roll)
    upright = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    towards = -np.cross(upright @ across, upright @ down)  # where the face looks; (0, 0, -1) is at the camera
    towards /= np.linalg.norm(towards)
    yaw = np.arctan2(towards[0], -towards[2])
    pitch = np.degrees(np.arcsin(np.clip(towards[1], -1, 1))) - _LEVEL_PITCH_DEG
    return float(np.degrees(yaw)), float(pitch), float(np.degrees(roll))


def sharpness(photo: Image.Image, box: tuple[float, float, float, float]) -> float:
    """Fine detail of a part of a photo: variance of its Laplacian relative to its own variance.

    Dividing by the variance makes it independent of exposure and contrast; the fixed scale, of how large the face is.

    Args:
        photo: Any mode.
        box: Left, top, right, bottom in pixels; what lies outside the photo is ignored.

    Returns:
        From 0 (nothing finer than the face itself) upwards; crisp photos reach 0.1 and more.
    """
    left, top = max(0, int(box[0])), max(0, int(box[1]))
    right, bottom = min(photo.width, int(np.ceil(box[2])) + 1), min(photo.height, int(np.ceil(box[3])) + 1)
    if right - left < 3 or bottom - top < 3:
        return 0.0
    part = photo.crop((left, top, right, bottom)).convert("L")
    if part.height > _SHARPNESS_PX:
        part = part.resize(
            (max(3, round(part.width * _SHARPNESS_PX / part.height)), _SHARPNESS_PX), Image.Resampling.LANCZOS
        )
    grey = np.asarray(part, dtype=np.float64)
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    variance = inner.var()
    return float(laplacian.var() / variance) if variance > 1 else 0.0


def _warnings(yaw: float, pitch: float, face_px: float, sharp: float, outside: float) -> tuple[str, ...]:
    """Sentences for what may spoil the result, the worst first."""
    sentences = []
    if face_px < SMALL_FACE_PX:
        sentences.append(
            f"This face is only {face_px:.0f} pixels tall, so most detail is missing; "
            f"use a larger photo ({SMALL_FACE_PX} pixels or more)."
        )
    if abs(yaw) > PROFILE_YAW_DEG:
        sentences.append(
            f"This face is turned {abs(yaw):.0f} degrees to the side, close to a profile; a frontal photo works better."
        )
    if abs(pitch) > STEEP_PITCH_DEG:
        direction = "down" if pitch > 0 else "up"
        sentences.append(f"This face looks {abs(pitch):.0f} degrees {direction}; a photo at eye level works better.")
    if sharp < BLURRY_SHARPNESS:
        sentences.append("This face is blurred, so fine detail cannot be rebuilt; a sharper photo works better.")
    if outside > OUTSIDE_FRACTION:
        sentences.append(
            f"{outside:.0%} of the crop lies outside the photo and was filled in; leave more room around the head."
        )
    return tuple(sentences)
