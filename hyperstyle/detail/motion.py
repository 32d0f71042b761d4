"""How a face moved between two of the generator's pictures: dense optical flow that does not mind new colours.

Source: DIS optical flow (arXiv 1603.03590), as OpenCV has it.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

WORKING_SIDE = 256
"""Motion and weights are found at this side in px at most: they are smooth. Lengths in px are meant at this side."""

_LOCAL = 10.0  # px; mean and contrast are evened out over about this radius
_CONTRAST = 30.0  # grey levels that one standard deviation becomes
_LEAST_CONTRAST = 6.0  # grey levels; smoother places are not made to look busier than they are
_STILL = (0.1, 0.4)  # px; shorter motion is what the flow is unsure about, longer one is believed


def smooth(plane: Plane, px: float) -> Plane:
    """Blur (H, H) or (H, H, C) by about a Gaussian of this standard deviation, much faster than one."""
    side = 2 * round(1.2 * px * plane.shape[0] / WORKING_SIDE) + 1
    return np.asarray(cv2.blur(cv2.blur(plane, (side, side)), (side, side)))


def texture(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is left of (H, W, 3) RGB when light, tint and contrast are evened out: (H, W).

    Flow takes a change of brightness for motion; a darker skin or another light is none.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - smooth(grey, _LOCAL)
    spread = np.sqrt(smooth(fine * fine, _LOCAL)) + _LEAST_CONTRAST
    return np.clip(128 + fine * (_CONTRAST / spread), 0, 255).astype(np.uint8)


def motion(after: NDArray[np.uint8], before: NDArray[np.uint8]) -> Plane:
    """Find where each pixel came from.

    Args:
        after, before: (H, W) from `texture`.

    Returns:
        (H, W, 2) in px, across and down: what is at (x, y) after was at (x, y) + motion before.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # holds buffers: one per call is thread-safe
    found = np.asarray(flow.calc(after, before, cast(Any, None)), dtype=np.float32)  # None: no first guess
    length = np.hypot(found[..., 0], found[..., 1])
    believed = np.clip((length - _STILL[0]) / (_STILL[1] - _STILL[0]), 0, 1)
    return found * believed[..., None]


def warp(plane: Plane, moved: Plane, cubic: bool = False) -> Plane:
    """Draw (H, W) or (H, W, C), C up to 4, where `motion` says that it went."""
    height, width = plane.shape[:2]
    across = moved[..., 0] + np.arange(width, dtype=np.float32)[None, :]
    down = moved[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    how = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return np.asarray(cv2.remap(plane, across, down, how, borderMode=cv2.BORDER_REFLECT))


def enlarged(plane: Plane, side: int) -> Plane:
    """Resize (H, H) or (H, H, C) to this side in px."""
    return plane if plane.shape[0] == side else np.asarray(cv2.resize(plane, (side, side), None, 0, 0, cv2.INTER_CUBIC))
