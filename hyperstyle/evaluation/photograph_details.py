"""Edits drawn on the photograph, beside the generator's own pictures of them: what its detail brings, what it costs.

inversion --render--> plain edit --DetailCarrier--> the edit on the photograph
                          |                             |
                          +------- the same readings ---+   each against its start: reconstruction, photograph
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from hyperstyle import metrics
from hyperstyle.alignment.faces import AlignedFace, whole_photo
from hyperstyle.alignment.landmarks import find_faces, person_mask
from hyperstyle.alignment.report import Points, sharpness
from hyperstyle.detail import DetailCarrier
from hyperstyle.errors import ExtraMissing
from hyperstyle.evaluation.people import BATCH, Known
from hyperstyle.evaluation.photograph_edits import BY_LANDMARKS, read_landmarks
from hyperstyle.evaluation.tables import Interval, interval, share
from hyperstyle.images import to_tensor
from hyperstyle.look import Look
from hyperstyle.pipeline import HyperStyle
from hyperstyle.training import photo_traits
from hyperstyle.training.pretrained import PhotographFeatures
from hyperstyle.traits import Z_END, Trait, column

THIRDS = (1, 2, 3)
"""Edits are drawn at so many thirds of their range."""
GOAL_THIRDS = 2
LANDMARKS_PX = 256
"""Landmarks' distances are in px of a crop of this side."""
HEAD_MARGIN = 12 / 256
"""Share of the crop's side around the person that does not count as outside the head yet."""

_LEAST_OUTSIDE = 0.01  # share of the crop; with less of it there is no outside to speak of


@dataclass(frozen=True)
class Goal:
    """What a number has to reach at `GOAL_THIRDS`, at both ends of a slider.

    Attributes:
        name: "judge", "network", "landmarks", "apart_px", "sharpness" or "outside", as in a row of `measure_details`.
        least, most: Values that are still fine; None for any.
        below: `most` itself is too much.
    """

    name: str
    least: float | None = None
    most: float | None = None
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value is fine."""
        low_enough = self.most is None or (value < self.most if self.below else value <= self.most)
        return low_enough and (self.least is None or value >= self.least)


_FOR_ALL = (
    Goal("network", least=0.9),
    Goal("landmarks", least=0.9),
    Goal("apart_px", most=1.5),
    Goal("sharpness", least=0.9, most=1.1),
    Goal("outside", most=1.0, below=True),
)
_FARTHEST = {
    **dict.fromkeys(("smile", "mouth_open", "eyes_open", "brow_raise"), 0.20),
    **dict.fromkeys(("yaw", "pitch"), 0.30),
    **dict.fromkeys(("age", "glasses", "beard", "hair"), 0.25),
}
"""Edit -> the judge's distance to the photograph that is still fine; "hair" is any whose name begins so."""


def goals_of(edit: str) -> list[Goal]:
    """What an edit on the photograph has to reach."""
    farthest = _FARTHEST.get("hair" if edit.startswith("hair") else edit)
    return [*([] if farthest is None else [Goal("judge", most=farthest)]), *_FOR_ALL]


@dataclass(frozen=True, eq=False)
class Reading:
    """What is read from one picture of a person.

    Attributes:
        likeness: To the photograph, by the metric in use; None without any.
        traits: (T,) by the attribute network, as shares of each trait's range; empty where it is not known what.
        points: (478, 2) landmarks in px at `LANDMARKS_PX`; None without a face.
        landmarks: From `read_landmarks`; None without a face.
        sharpness: Of the face, as `alignment.report.sharpness` gives it; None without a face.
        outside: Mean absolute difference to the photograph outside the head, in grey levels; None where the head
            fills the crop.
        features: (C,) of `PhotographFeatures`; None without it.
    """

    likeness: float | None
    traits: Tensor
    points: Points | None
    landmarks: Mapping[str, float] | None
    sharpness: float | None
    outside: float | None
    features: Tensor | None


class Pair(NamedTuple):
    """The generator's picture and the one with the photograph's detail; without edits that is the photograph."""

    plain: Reading
    detail: Reading


def measure_details(
    pipeline: HyperStyle, known: Known, places: Sequence[int], traits: Sequence[Trait], told: Callable[[], None]
) -> dict[str, Any]:
    """Draw every edit at some strengths plainly and on the photograph, and read both.

    Everything is measured at the domain's resolution, whatever the photograph's.

    Args:
        pipeline: The domain.
        known: All photographs.
        places: Those that are inverted and edited.
        traits: From `network_traits`.
        told: Called after each photograph.

    Returns:
        `metric` (of likeness: "judge", "identity" or ""), `features` (whether the network of naturalness is there),
        `same` (share of people whose crop comes back bit for bit without edits), `rows` (one without an edit, then one
        for each strength of each edit, as `compare` makes them) and `goals` (from `check_goals`); nothing in a domain
        without sliders or without places.
    """
    looks = [
        (edit.name, thirds, end * thirds / THIRDS[-1])
        for edit in pipeline.edits
        for end in (edit.minimum, edit.maximum)
        for thirds in THIRDS
        if end
    ]
    if not looks or not places:
        return {}
    reader = _Reader(pipeline, known, traits)
    same: list[float] = []
    before: list[Pair] = []
    after: list[list[Pair]] = [[] for _ in looks]
    for place in places:
        inversion = pipeline.invert(known.target(place))
        crop, landmarks = known.crop(place), known.landmarks(place)
        kept = pipeline.edit(_as_face(crop, landmarks), inversion)
        same.append(float(np.array_equal(np.asarray(kept), np.asarray(crop))))
        photo, rebuilt = _resized(crop, pipeline.domain.resolution), pipeline.render(inversion)
        carrier, outside = DetailCarrier(photo, rebuilt, landmarks), outside_head(photo)
        before.append(reader.read(place, photo, outside, rebuilt, photo))
        for (name, _, strength), pairs in zip(looks, after, strict=True):
            plain = pipeline.render(inversion, {name: strength})
            on_photo = pipeline.render(inversion, pipeline.look_on_photo(Look({name: strength})))
            pairs.append(reader.read(place, photo, outside, plain, carrier.carry(on_photo)))
        told()
    real = reader.describe_others(places)
    rows = [{"name": "", "thirds": 0, "strength": 0.0, **compare("", before, before, traits, reader.metric, real)}]
    for (name, thirds, strength), pairs in zip(looks, after, strict=True):
        found = compare(name, before, pairs, traits, reader.metric, real)
        rows.append({"name": name, "thirds": thirds, "strength": strength, **found})
    return {
        "metric": reader.metric,
        "features": reader.has_features,
        "same": _counted(same),
        "rows": rows,
        "goals": check_goals(rows, reader.metric),
    }


def compare(
    edit: str,
    before: Sequence[Pair],
    after: Sequence[Pair],
    traits: Sequence[Trait],
    metric: str,
    real: Tensor | None = None,
) -> dict[str, Any]:
    """Sum up one edit at one strength.

    Args:
        edit: Its name; "" for none.
        before: One of each person without edits.
        after: The same people's, edited.
        traits: What the columns of `Reading.traits` are.
        metric: "judge" (likeness is a distance), "identity" (a cosine) or "" for none.
        real: (M, C) features of other people's photographs.

    Returns:
        `n` people and, as far as they were read, with `plain` and `detail` each: `likeness` (and `farther`: how many
        people are less like their photograph with its detail than without), `network` and `landmarks` (changes since
        `before` in the trait's unit, and `share`: what detail leaves of the plain one), `sharpness` (ratio to the
        photograph's), `outside` (grey levels) and `frechet` (numbers without an interval); and `apart_px`, by how much
        landmarks move differently in the two. Means have intervals and an `n` of their own.
    """
    row: dict[str, Any] = {"n": len(after)}
    if metric:
        sign = 1 if metric == "judge" else -1
        pairs = [(a.plain.likeness, a.detail.likeness) for a in after]
        farther = sum(p is not None and d is not None and sign * (d - p) > 0 for p, d in pairs)
        row["likeness"] = {**_both(pairs), "farther": farther}
    if edit in [trait.name for trait in traits]:
        place = column(traits, edit)
        trait = traits[place]
        changes = [
            tuple(float(b[place] - a[place]) * (trait.high - trait.low) for a, b in _moves(old, new, "traits"))
            for old, new in zip(before, after, strict=True)
        ]
        row["network"] = _changes(changes, trait.unit)
    if edit in BY_LANDMARKS:
        changes = []
        for old, new in zip(before, after, strict=True):
            moves = _moves(old, new, "landmarks")
            if all(a is not None and b is not None for a, b in moves):
                changes.append(tuple(b[edit] - a[edit] for a, b in moves))
        row["landmarks"] = _changes(changes, photo_traits.TRAITS[column(photo_traits.TRAITS, edit)].unit)
    row["apart_px"] = _counted(_apart(old, new) for old, new in zip(before, after, strict=True))
    photos = [old.detail.sharpness for old in before]
    row["sharpness"] = _both(
        (_ratio(new.plain.sharpness, photo), _ratio(new.detail.sharpness, photo))
        for new, photo in zip(after, photos, strict=True)
    )
    row["outside"] = _both((new.plain.outside, new.detail.outside) for new in after)
    if real is not None and len(after) > 1:
        row["frechet"] = {
            which: metrics.frechet_distance(torch.stack([getattr(new, which).features for new in after]), real)
            for which in Pair._fields
        }
    return row


def check_goals(rows: Sequence[Mapping[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Hold every edit against its goals.

    Args:
        rows: From `compare`, with `name`, `thirds` and `strength`.
        metric: Of likeness; only the judge's distances have a goal.

    Returns:
        For every edit and goal that can be checked: `edit`, `goal`, `least`, `most` and `below` as in `Goal`, `values`
        (the mean at each end) and whether it `holds` at both.
    """
    found = []
    for edit in dict.fromkeys(row["name"] for row in rows if row["thirds"] == GOAL_THIRDS):
        ends = [row for row in rows if row["name"] == edit and row["thirds"] == GOAL_THIRDS]
        for goal in goals_of(edit):
            values = [value for value in (_value(row, goal.name, metric) for row in ends) if value is not None]
            if values:
                holds = all(goal.holds(value) for value in values)
                limits = {"least": goal.least, "most": goal.most, "below": goal.below}
                found.append({"edit": edit, "goal": goal.name, **limits, "values": values, "holds": holds})
    return found


def outside_head(photo: Image.Image) -> NDArray[np.bool_] | None:
    """Where a crop shows what is behind the person, (H, W); None where that is next to nothing."""
    person = torch.from_numpy(person_mask(photo) > 0.5).float()
    reach = round(HEAD_MARGIN * photo.width)
    grown = F.max_pool2d(person[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]
    outside: NDArray[np.bool_] = (grown == 0).numpy()
    return outside if outside.mean() >= _LEAST_OUTSIDE else None


class _Reader:
    """What reads pictures.

    Args:
        pipeline: The domain.
        known: All photographs.
        traits: From `network_traits`.

    Attributes:
        metric: "judge", "identity" or "".
    """

    def __init__(self, pipeline: HyperStyle, known: Known, traits: Sequence[Trait]) -> None:
        self.metric = next((name for name in ("judge", "identity") if name in known.seen), "")
        self._known, self._device = known, pipeline.device
        self._attributes = pipeline.models.attributes if traits else None
        self._features: PhotographFeatures | None = None
        with contextlib.suppress(ExtraMissing):  # everything else can be measured without it
            self._features = PhotographFeatures(head=True).to(pipeline.device).eval()

    @property
    def has_features(self) -> bool:
        """Whether the network of naturalness is there."""
        return self._features is not None

    @torch.inference_mode()
    def read(
        self,
        place: int,
        photo: Image.Image,
        outside: NDArray[np.bool_] | None,
        plain: Image.Image,
        detail: Image.Image,
    ) -> Pair:
        """Read two pictures of the person in a photograph, all RGB and of one size."""
        pictures = (plain, detail)
        faces = torch.cat([to_tensor(picture) for picture in pictures]).to(self._device)
        likeness = self._known.closeness(place, faces).get(self.metric)
        traits = torch.zeros(2, 0)
        if self._attributes is not None:
            traits = self._attributes(metrics.face_part(self._attributes, faces)).cpu() / (2 * Z_END)
        features = None if self._features is None else self._features.describe(faces).cpu()
        levels = [np.asarray(picture, dtype=np.float32) for picture in (photo, *pictures)]
        readings = []
        for which, picture in enumerate(pictures):
            face = next(iter(find_faces(picture)), None)
            readings.append(
                Reading(
                    likeness=None if likeness is None else float(likeness[which]),
                    traits=traits[which],
                    points=None if face is None else face.landmarks * (LANDMARKS_PX / picture.width),
                    landmarks=None if face is None else read_landmarks(face.points, picture.width),
                    sharpness=None if face is None else sharpness(picture, face.box),
                    outside=None if outside is None else float(np.abs(levels[which + 1] - levels[0])[outside].mean()),
                    features=None if features is None else features[which],
                )
            )
        return Pair(*readings)

    @torch.inference_mode()
    def describe_others(self, places: Sequence[int]) -> Tensor | None:
        """(M, C) features of the photographs of everybody else; None without the network, or two such photographs."""
        people = {self._known.people[place] for place in places}
        others = [place for place, person in enumerate(self._known.people) if person not in people]
        if self._features is None or len(others) < 2:
            return None
        batches = [others[start : start + BATCH] for start in range(0, len(others), BATCH)]
        found = [self._features.describe(torch.cat([self._known.target(place) for place in one])) for one in batches]
        return torch.cat(found).cpu()


def _as_face(crop: Image.Image, landmarks: Points) -> AlignedFace:
    """A crop as a face that fills its photo."""
    return replace(whole_photo(crop, (crop.height, crop.width)), landmarks=landmarks * crop.width - 0.5, whole=False)


def _resized(crop: Image.Image, side: int) -> Image.Image:
    """A crop as the domain compares with it."""
    return crop.resize((side, side), Image.Resampling.BILINEAR)


def _moves(old: Pair, new: Pair, what: str) -> list[tuple[Any, Any]]:
    """One part of the readings before and after: of the plain pictures, then of those with detail."""
    return [(getattr(a, what), getattr(b, what)) for a, b in zip(old, new, strict=True)]


def _apart(old: Pair, new: Pair) -> float | None:
    """Mean distance of where landmarks go in the two pictures, px; None where a face is missing."""
    moves = _moves(old, new, "points")
    if any(a is None or b is None for a, b in moves):
        return None
    plain, detail = (b - a for a, b in moves)
    return float(np.hypot(*(detail - plain).T).mean())


def _ratio(value: float | None, of: float | None) -> float | None:
    return value / of if value is not None and of else None


def _both(pairs: Iterable[tuple[float | None, float | None]]) -> dict[str, Any]:
    """Means of plain pictures and of those with detail."""
    plain, detail = zip(*pairs, strict=True)
    return {"plain": _counted(plain), "detail": _counted(detail)}


def _changes(changes: Sequence[tuple[float, ...]], unit: str) -> dict[str, Any]:
    """How far a trait moved in plain pictures and in those with detail, and the second as a share of the first."""
    if not changes:
        return {"n": 0, "unit": unit}
    plain, detail = torch.tensor(changes, dtype=torch.float64).t()
    means = {"plain": interval(plain), "detail": interval(detail)}
    return {"n": len(changes), "unit": unit, **means, "share": share(detail, plain)}


def _counted(values: Iterable[float | None]) -> Interval:
    """Mean of what could be measured, and of how many that is."""
    known = [value for value in values if value is not None]
    return {"n": len(known), **(interval(torch.tensor(known, dtype=torch.float64)) if known else {})}


def _value(row: Mapping[str, Any], goal: str, metric: str) -> float | None:
    """The number that a goal is about."""
    if goal == "judge":
        return row["likeness"]["detail"].get("mean") if metric == "judge" else None
    if goal in ("network", "landmarks"):
        kept = row.get(goal, {}).get("share")
        return None if kept is None else kept["mean"]
    return (row[goal] if goal == "apart_px" else row[goal]["detail"]).get("mean")
