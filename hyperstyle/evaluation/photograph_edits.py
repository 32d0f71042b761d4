"""What edits make of people's photographs: whether the right thing moves, what else does, and who it still is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.alignment.landmarks import find_faces
from hyperstyle.alignment.report import Points, head_pose
from hyperstyle.editing import EditRow
from hyperstyle.evaluation.people import Known, Values
from hyperstyle.evaluation.tables import Interval, interval
from hyperstyle.images import to_photo
from hyperstyle.pipeline import HyperStyle
from hyperstyle.synthetic.parameters import PARAMETERS
from hyperstyle.training import photo_traits
from hyperstyle.traits import Trait, column, range_shares

BY_LANDMARKS = ("yaw", "pitch", "smile", "mouth_open", "eyes_open", "brow_raise")
"""Traits that landmarks on a picture can tell, in the units of `photo_traits.TRAITS`."""


def network_traits(pipeline: HyperStyle) -> tuple[Trait, ...]:
    """What the domain's attribute network tells, by column; nothing where that is not known."""
    reader = pipeline.models.attributes
    listed: tuple[Trait, ...] = tuple(getattr(pipeline.domain, "traits", ()))
    if not listed:  # drawn people have their renderer's parameters
        listed = tuple(Trait(one.name, one.low, one.high, one.unit, one.group, one.odd) for one in PARAMETERS)
    return listed if reader is not None and reader.config.out_dim == len(listed) else ()


def landmark_reading(picture: Image.Image) -> dict[str, float] | None:
    """Measure `BY_LANDMARKS` on an aligned face, in the units of `photo_traits.TRAITS`; None if no face is found."""
    faces = find_faces(picture)
    return read_landmarks(faces[0].points, picture.width) if faces else None


def read_landmarks(points: Points, side: int) -> dict[str, float]:
    """Read `BY_LANDMARKS` from the (478, 3) landmarks of a crop of this side, both in px."""
    yaw, pitch, _ = head_pose(points)
    seen = photo_traits.landmark_traits((points[:, :2] / side).astype(np.float32))
    broad = photo_traits.BROAD_SMILE - photo_traits.PLAIN_SMILE
    # Not cut off at 0 and 1 as the trait is: an edit may go beyond, and that still is its way.
    read = {"yaw": yaw, "pitch": pitch, "smile": (seen["smile_shape"] - photo_traits.PLAIN_SMILE) / broad}
    return read | {name: seen[name] for name in BY_LANDMARKS if name not in read}


@dataclass(frozen=True, eq=False)
class _Reading:
    """What is read from a face before or after an edit.

    Attributes:
        closeness: To the photograph, as `Known.closeness` gives it.
        traits: (T,) by the attribute network, as shares of each trait's range; empty where it is not known what.
        landmarks: From `landmark_reading`; None without a face, or where landmarks cannot tell what was edited.
    """

    closeness: Values
    traits: Tensor
    landmarks: dict[str, float] | None


def measure_edits(
    pipeline: HyperStyle, known: Known, places: Sequence[int], traits: Sequence[Trait], told: Callable[[], None]
) -> list[dict[str, Any]]:
    """Move every slider to both ends on HyperStyle's inversions, and read what became of the faces.

    Args:
        pipeline: The domain.
        known: All photographs.
        places: Those that are inverted and edited.
        traits: From `network_traits`.
        told: Called after each photograph.

    Returns:
        A row without an edit, then one for each end of each slider; nothing in a domain without sliders.
    """
    ends = [(edit, strength) for edit in pipeline.edits for strength in (edit.minimum, edit.maximum) if strength]
    if not ends or not places:
        return []
    before: list[_Reading] = []
    after: list[list[_Reading]] = [[] for _ in ends]
    for place in places:
        inversion = pipeline.invert(known.target(place))
        before.append(_read(pipeline, known, place, pipeline.draw(inversion), traits))
        for (edit, strength), readings in zip(ends, after, strict=True):
            drawn = pipeline.draw(inversion, {edit.name: strength})
            readings.append(_read(pipeline, known, place, drawn, traits, edit.name in BY_LANDMARKS))
        told()
    plain: dict[str, Any] = {"name": "", "strength": 0.0, "n": len(before), **_closeness(before)}
    return [plain, *(_row(*end, before, readings, traits) for end, readings in zip(ends, after, strict=True))]


@torch.inference_mode()
def _read(
    pipeline: HyperStyle,
    known: Known,
    place: int,
    drawn: Tensor,
    traits: Sequence[Trait],
    by_landmarks: bool = True,
) -> _Reading:
    """Read one face, (1, 3, H, W)."""
    drawn = drawn.clamp(-1, 1)
    shares, reader = torch.zeros(0), pipeline.models.attributes
    if reader is not None and traits:
        shares = range_shares(reader(metrics.face_part(reader, drawn))[0].cpu())
    landmarks = landmark_reading(to_photo(drawn)) if by_landmarks else None
    return _Reading(known.closeness(place, drawn), shares, landmarks)


def _row(
    edit: EditRow, strength: float, before: Sequence[_Reading], after: Sequence[_Reading], traits: Sequence[Trait]
) -> dict[str, Any]:
    """Sum up one edit at one end."""
    row: dict[str, Any] = {"name": edit.name, "strength": strength, "n": len(after), **_closeness(after)}
    moved = torch.stack([b.traits - a.traits for a, b in zip(before, after, strict=True)])
    places = {trait.name: place for place, trait in enumerate(traits)}
    if edit.name in places:
        trait = traits[places.pop(edit.name)]
        change = moved[:, column(traits, edit.name)] * (trait.high - trait.low)
        row["network"] = _change(change, strength, trait.unit)
    if edit.name in BY_LANDMARKS:
        both = [(a.landmarks, b.landmarks) for a, b in zip(before, after, strict=True)]
        changes = [b[edit.name] - a[edit.name] for a, b in both if a is not None and b is not None]
        unit = photo_traits.TRAITS[column(photo_traits.TRAITS, edit.name)].unit
        row["landmarks"] = _change(torch.tensor(changes), strength, unit)
    row["leak"] = {name: float(moved[:, place].abs().mean()) for name, place in places.items()}
    row["drift"] = {name: float(moved[:, place].mean()) for name, place in places.items()}
    return row


def _change(change: Tensor, strength: float, unit: str) -> dict[str, Any]:
    """Whether a trait went the way of the slider, and how far."""
    if not len(change):
        return {"n": 0, "unit": unit}
    right = (change * math.copysign(1, strength) > 0).float()
    return {"n": len(change), "unit": unit, "right": interval(right), "change": interval(change)}


def _closeness(readings: Sequence[_Reading]) -> dict[str, Interval]:
    """Mean likeness of faces to their photographs, by metric."""
    wanted = [metric for metric in ("judge", "within", "identity") if metric in readings[0].closeness]
    return {metric: interval(torch.cat([one.closeness[metric] for one in readings])) for metric in wanted}
