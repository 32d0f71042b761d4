"""Outlines on a face: rings of mesh points around its parts, and how far each place of the crop is from a ring.

Everything is in units of the crop: (0, 0) is its top left and (1, 1) its bottom right corner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Plane = NDArray[np.float32]

# Numbers of MediaPipe's mesh, in order around each part; left and right are those of the picture.
FACE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
LEFT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
RIGHT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
NOSE = (168, 351, 399, 420, 279, 278, 294, 327, 326, 2, 97, 98, 64, 48, 49, 198, 174, 122)
GLASSES = (127, 70, 63, 105, 66, 107, 9, 336, 296, 334, 293, 300, 356, 454, 345, 280, 330, 195, 101, 50, 116, 234)
CHIN, FOREHEAD, NOSE_TIP = 152, 10, 4

# How far hair reaches beyond the mesh's face, as factors from its middle: what covers the heads of the examples and of
# ordinary photos; long hair reaches further down, where it lies over the shoulders and need not move.
_HEAD_UP, _HEAD_SIDEWAYS, _HEAD_DOWN = 1.7, 1.5, 1.08
_BACK_OF_HEAD = 0.8  # a turned head's hair is behind the face: shift by this times the nose's way from the middle


def head_ring(landmarks: Points) -> Points:
    """Extend the face's outline over hair and ears, as (N, 2) points in the crop, which may lie outside it.

    Args:
        landmarks: (478, 2) in the crop.
    """
    ring = landmarks[list(FACE)]
    middle = (ring.min(axis=0) + ring.max(axis=0)) / 2
    from_middle = ring - middle
    height = np.abs(from_middle[:, 1]).max()
    upward = np.clip(0.5 - 0.5 * from_middle[:, 1] / height, 0, 1)  # 0 at the chin, 1 at the forehead
    sideways = _HEAD_DOWN + (_HEAD_SIDEWAYS - _HEAD_DOWN) * np.clip(2 * upward, 0, 1)
    vertical = np.where(from_middle[:, 1] < 0, _HEAD_UP, _HEAD_DOWN)
    back = _BACK_OF_HEAD * (middle[0] - landmarks[NOSE_TIP, 0]) * np.clip(2 * upward, 0, 1)
    return middle + np.stack([from_middle[:, 0] * sideways + back, from_middle[:, 1] * vertical], axis=1)


def outside_distance(ring: Points, size: int) -> Plane:
    """How far each pixel of the crop is from a closed outline.

    Args:
        ring: (N, 2) corners in order, in the crop.
        size: Pixels a side.

    Returns:
        (size, size) in units of the crop: positive outside the outline, negative inside.
    """
    places = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x, y = places[None, :], places[:, None]
    nearest = np.full((size, size), np.inf, dtype=np.float32)
    inside = np.zeros((size, size), dtype=bool)
    for (ax, ay), (bx, by) in zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True):
        step_x, step_y = bx - ax, by - ay
        length = max(step_x**2 + step_y**2, 1e-12)
        along = np.clip(((x - ax) * step_x + (y - ay) * step_y) / length, 0, 1)
        nearest = np.minimum(nearest, (x - ax - along * step_x) ** 2 + (y - ay - along * step_y) ** 2)
        if ay != by:  # a ray to the right crosses an odd number of sides from inside
            inside ^= ((y < ay) != (y < by)) & (x < ax + (y - ay) * (step_x / step_y))
    distance: Plane = np.sqrt(nearest)
    return np.where(inside, -distance, distance)


def fade(distance: Plane, edge: float, width: float) -> Plane:
    """Turn a distance into a weight: 1 within, 0 beyond, one half at `edge`, without a visible start or end.

    Args:
        distance: As from `outside_distance`.
        edge: Where the middle of the fade lies.
        width: Of the fade; 0 for a hard edge.
    """
    depth = np.clip((edge - distance) / max(width, 1e-9) + 0.5, 0, 1)
    return depth * depth * (3 - 2 * depth)
