"""What is known of each photograph: from its table, from labels given by eye, from landmarks and from its colours.

Whatever a table does not say stays unknown (NaN) and teaches nothing; landmarks and colours are always there.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperstyle.traits import Trait

TRAITS: tuple[Trait, ...] = (
    Trait("yaw", -40, 40, "degrees", "pose", odd=True),
    Trait("pitch", -25, 25, "degrees", "pose"),
    Trait("smile", 0, 1, "fraction", "expression"),
    Trait("mouth_open", 0, 0.35, "eye distances", "expression"),
    Trait("eyes_open", 0.1, 0.5, "eye widths", "expression"),
    Trait("brow_raise", 0.2, 0.5, "eye-to-mouth heights", "expression"),
    Trait("teeth", 0, 1, "fraction", "expression"),
    Trait("age", 18, 85, "years", "identity"),
    Trait("femininity", 0, 1, "fraction", "identity"),
    Trait("skin_tone", 0, 1, "fraction, light to dark", "identity"),
    Trait("face_width", 0.6, 1.0, "face heights", "identity"),
    Trait("hair_length", 0, 1, "fraction", "hair"),
    Trait("hair_shade", 0, 1, "fraction, black to blond", "hair"),
    Trait("hair_grey", 0, 1, "fraction", "hair"),
    Trait("baldness", 0, 1, "fraction", "hair"),
    Trait("beard", 0, 1, "fraction", "hair"),
    Trait("moustache", 0, 1, "fraction", "hair"),
    Trait("glasses", 0, 1, "fraction", "accessories"),
    Trait("earrings", 0, 1, "fraction", "accessories"),
    Trait("headwear", 0, 1, "fraction", "accessories"),
    Trait("light_x", -1, 1, "fraction, left to right", "scene", odd=True),
)

LEFT_EYE_INNER, LEFT_EYE_OUTER, RIGHT_EYE_INNER, RIGHT_EYE_OUTER = 133, 33, 362, 263
LEFT_LIDS, RIGHT_LIDS = (159, 145), (386, 374)
LEFT_BROW, RIGHT_BROW = (105, 66, 107), (334, 296, 336)
INNER_LIPS, LIP_MIDDLES = (13, 14), (0, 17)
MOUTH_CORNERS = (61, 291)
FOREHEAD, CHIN, LEFT_CHEEKBONE, RIGHT_CHEEKBONE = 10, 152, 234, 454
LEFT_CHEEK, RIGHT_CHEEK = (50, 101, 205), (280, 330, 425)
PLAIN_SMILE, BROAD_SMILE = 0.03, 0.33
"""`smile_shape` of faces at rest and of broad smiles: about the 5th and 90th percentile of official portraits."""
LIGHT_SKIN_ITA, DARK_SKIN_ITA = 75.0, -30.0
"""Individual typology angles, degrees, that count as 0 and 1."""
HAIR_SHADES = {"k": 0.0, "n": 0.4, "r": 0.6, "b": 0.9}
HAIR_GREYS = {"k": 0.0, "n": 0.0, "r": 0.0, "b": 0.0, "g": 0.6, "w": 1.0}


def landmark_traits(points: NDArray[np.float32]) -> dict[str, float]:
    """Measure expression and shape.

    Args:
        points: (478, 2) landmarks in the crop, (0, 0) to (1, 1).

    Returns:
        smile_shape, mouth_open (both in eye distances), eyes_open (lid gap by eye width), brow_raise (brow above eye by
        the height from eyes to mouth), face_width (by face height).
    """

    def middle(*places: int) -> NDArray[np.float32]:
        return points[list(places)].mean(0)

    def length(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        return float(np.hypot(*(a - b)))

    left, right = middle(LEFT_EYE_INNER, LEFT_EYE_OUTER), middle(RIGHT_EYE_INNER, RIGHT_EYE_OUTER)
    eyes, mouth = (left + right) / 2, middle(*MOUTH_CORNERS)
    unit, height = length(left, right), length(eyes, mouth)
    down = (mouth - eyes) / max(height, 1e-6)
    # Corners that lie above the middle of the lips, and further apart than at rest.
    lift = float((middle(*LIP_MIDDLES) - mouth) @ down) / unit
    wide = length(points[MOUTH_CORNERS[0]], points[MOUTH_CORNERS[1]]) / unit
    gaps = [length(points[a], points[b]) for a, b in (LEFT_LIDS, RIGHT_LIDS)]
    widths = (
        length(points[LEFT_EYE_INNER], points[LEFT_EYE_OUTER]),
        length(points[RIGHT_EYE_INNER], points[RIGHT_EYE_OUTER]),
    )
    brows = [float((eye - middle(*brow)) @ down) for eye, brow in ((left, LEFT_BROW), (right, RIGHT_BROW))]
    return {
        "smile_shape": lift + 0.5 * (wide - 0.8),
        "mouth_open": length(points[INNER_LIPS[0]], points[INNER_LIPS[1]]) / unit,
        "eyes_open": sum(g / max(w, 1e-6) for g, w in zip(gaps, widths, strict=True)) / 2,
        "brow_raise": sum(brows) / 2 / max(height, 1e-6),
        "face_width": length(points[LEFT_CHEEKBONE], points[RIGHT_CHEEKBONE])
        / max(length(points[FOREHEAD], points[CHIN]), 1e-6),
    }


def colour_traits(picture: NDArray[np.uint8], points: NDArray[np.float32]) -> dict[str, float]:
    """Measure skin and light on the cheeks.

    Args:
        picture: (3, S, S) sRGB.
        points: (478, 2) landmarks in the crop.

    Returns:
        skin_ita (individual typology angle of both cheeks, degrees), light_x (-1 to 1, positive where the
        right of the picture is brighter), brightness (0 to 1 of both cheeks); NaN if the picture is grey.

    Source: Chardon et al. 1991 for the angle: arctan((L* - 50) / b*).
    """
    left, right = (_cheek(picture, points[list(places)]) for places in (LEFT_CHEEK, RIGHT_CHEEK))
    both = (left + right) / 2
    grey = float(np.abs(picture.astype(np.int16) - picture.mean(0, keepdims=True)).mean()) < 2.0
    ita = math.degrees(math.atan2(both[0] - 50, max(both[2], 1e-3)))
    total = left[0] + right[0]
    return {
        "skin_ita": float("nan") if grey else ita,
        "light_x": float(np.clip(2.5 * (right[0] - left[0]) / max(total, 1e-3), -1, 1)),
        "brightness": float(np.clip(total / 200, 0, 1)),
    }


def _cheek(picture: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Median L*, a*, b* of a square around three points."""
    size = picture.shape[-1]
    x, y = (points.mean(0) * size).astype(int)
    reach = max(2, size // 40)
    x, y = (int(np.clip(value, reach, size - 1 - reach)) for value in (x, y))
    patch = picture[:, y - reach : y + reach + 1, x - reach : x + reach + 1].reshape(3, -1)
    rgb = np.median(patch, axis=1) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(np.maximum(xyz / (0.9505, 1.0, 1.089), 1e-6))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def trait_values(row: dict[str, str]) -> list[float]:
    """One value per trait of `TRAITS`, in its unit; NaN for what the row does not say.

    Args:
        row: Of a prepared table: its own columns, labels, and what was measured.
    """

    def number(name: str) -> float:
        try:
            return float(row.get(name, ""))
        except ValueError:
            return float("nan")

    shape = (number("smile_shape") - PLAIN_SMILE) / (BROAD_SMILE - PLAIN_SMILE)
    smile = min(max(shape, 0.0), 1.0)
    covered = number("headwear") == 1
    colour = row.get("colour", "")
    unknown = float("nan")
    hair = unknown if covered else number("hair")
    tone = (LIGHT_SKIN_ITA - number("skin_ita")) / (LIGHT_SKIN_ITA - DARK_SKIN_ITA)
    values = {
        "yaw": number("measured_yaw"),
        "pitch": number("measured_pitch"),
        "smile": smile if math.isnan(number("happy")) else 0.6 * smile + 0.4 * number("happy"),
        "teeth": number("teeth"),
        "age": number("age"),
        "femininity": number("female"),
        "skin_tone": min(max(tone, 0.0), 1.0) if not math.isnan(tone) else unknown,
        "hair_length": hair / 4,
        "hair_shade": unknown if covered else HAIR_SHADES.get(colour, unknown),
        "hair_grey": unknown if covered else HAIR_GREYS.get(colour, unknown),
        "baldness": unknown if math.isnan(hair) else {0: 1.0, 1: 0.5}.get(int(hair), 0.0),
        "beard": number("beard") / 2,
        "glasses": min(number("glasses"), 1.0) if not math.isnan(number("glasses")) else unknown,
    }
    return [values[trait.name] if trait.name in values else number(trait.name) for trait in TRAITS]


def trait_table(rows: list[dict[str, str]]) -> Tensor:
    """(N, T) values of `TRAITS` in their units; NaN for what is unknown."""
    return torch.tensor([trait_values(row) for row in rows])
