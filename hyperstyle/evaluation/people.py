"""Who is measured: a table's people, their photographs, and how the networks that recognise people describe them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from hyperstyle import metrics, verification
from hyperstyle.errors import HyperStyleError, UsageError
from hyperstyle.evaluation.face_judge import SAME_PERSON, FaceJudge, distance
from hyperstyle.pipeline import HyperStyle
from hyperstyle.training.photographs import align_photograph

LEAST_ALIGNED_PX = 256
BATCH = 16

Values = dict[str, Tensor]
"""Metric -> (n,), one number per person."""


@dataclass(eq=False)
class Chosen:
    """The photographs that are measured: people in order of name, each one's pictures in order of file name.

    Attributes:
        rows: The table's, with what alignment measured; one per usable picture, as in the following.
        pictures: (3, size, size) uint8 each.
        landmarks: (478, 2) each, (0, 0) being the crop's top left and (1, 1) its bottom right corner.
        refused: File and reason of every picture that cannot be used.
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    landmarks: list[NDArray[np.float64]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def people(self) -> list[str]:
        """Who is in each picture."""
        return [row["person"] for row in self.rows]

    @property
    def shots(self) -> list[str]:
        """A name for the shot in each picture: some files hold the same one."""
        return verification.same_shots(
            [row["file"] for row in self.rows], [row.get("same_shot_as", "") for row in self.rows]
        )

    @property
    def first(self) -> list[int]:
        """Place of every person's first picture: the one that is inverted."""
        places: dict[str, int] = {}
        for place, person in enumerate(self.people):
            places.setdefault(person, place)
        return list(places.values())


def of_people(rows: Iterable[dict[str, str]], chosen: Callable[[str], bool]) -> dict[str, list[dict[str, str]]]:
    """Sort a table's rows by person, and each person's by file.

    Raises:
        UsageError: Nobody in the table is chosen.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for row in sorted(rows, key=lambda row: (row["person"], row["file"])):
        if chosen(row["person"]):
            found.setdefault(row["person"], []).append(row)
    if not found:
        raise UsageError("Nobody in the table is within --people; choose a range of names in its column 'person'.")
    return found


def choose(
    people: dict[str, list[dict[str, str]]],
    n: int,
    folder: Path,
    size: int,
    on_picture: Callable[[], None] | None = None,
) -> Chosen:
    """Align the photographs of the first people that have any usable one.

    Args:
        people: From `of_people`.
        n: How many people.
        folder: Where the files are.
        size: Side of the crops in px.
        on_picture: Called after each file.

    Raises:
        UsageError: None of the pictures can be used.
    """
    found = Chosen()
    for rows in people.values():
        if len(found.first) == n:
            break
        for row in rows:
            try:
                picture, landmarks, measured = align_photograph(folder / row["file"], size)
            except HyperStyleError as error:
                found.refused.append((row["file"], str(error)))
            else:
                found.rows.append(row | measured)
                found.pictures.append(picture)
                found.landmarks.append(landmarks.astype(np.float64))
            if on_picture is not None:
                on_picture()
    if not found.rows:
        file, reason = found.refused[0]
        raise UsageError(f"None of the {len(found.refused)} pictures can be used; the first, {file}: {reason}")
    return found


def aligned_px(pipeline: HyperStyle) -> int:
    """Side of the crops that a domain is measured on.

    Raises:
        UsageError: Its pictures are not of faces.
    """
    if pipeline.domain.crop != "ffhq":
        raise UsageError(f"The domain '{pipeline.domain.name}' does not look for faces, so people cannot be compared.")
    return max(LEAST_ALIGNED_PX, pipeline.domain.resolution)


class Known:
    """All photographs as the networks that recognise people describe them.

    Args:
        pipeline: The domain; its identity network, where it has one.
        judge: The network that nobody here trained; None leaves its columns out.
        chosen: The photographs.
    """

    def __init__(self, pipeline: HyperStyle, judge: FaceJudge | None, chosen: Chosen) -> None:
        self._pipeline, self._judge, self._chosen = pipeline, judge, chosen
        self._identity = pipeline.models.identity
        self.people = chosen.people
        batches = [range(len(self.people))[start : start + BATCH] for start in range(0, len(self.people), BATCH)]
        parts = [self.describe(torch.cat([self.target(place) for place in batch])) for batch in batches]
        self.seen = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def target(self, place: int) -> Tensor:
        """One photograph as the domain compares with it: (1, 3, *domain.picture_hw) in [-1, 1]."""
        return self._pipeline.target(self.crop(place))

    def crop(self, place: int) -> Image.Image:
        """One photograph's aligned crop, RGB, of the size that was chosen."""
        return Image.fromarray(self._chosen.pictures[place].transpose(1, 2, 0))

    def landmarks(self, place: int) -> NDArray[np.float64]:
        """(478, 2) landmarks in that crop, as `Chosen` has them."""
        return self._chosen.landmarks[place]

    @torch.inference_mode()
    def describe(self, faces: Tensor) -> dict[str, Tensor]:
        """What the judge and the identity network say about faces (B, 3, H, W): (B, C) by name, on the CPU."""
        found = {}
        if self._judge is not None:
            found["judge"] = self._judge.describe(faces).cpu()
        if self._identity is not None:
            embedding = self._identity(metrics.face_part(self._identity, faces))
            found["identity"] = F.normalize(embedding, dim=1).cpu()
        return found

    def closeness(self, place: int, faces: Tensor) -> Values:
        """How much like the person in one photograph others look.

        Args:
            place: The photograph's.
            faces: (B, 3, H, W) in [-1, 1].

        Returns:
            (B,) each: `judge` (distance), `within` and `nearest` (1 or 0: the distance is one person's; the nearest of
            all photographs shows this person), `identity` (cosine); those whose network is there.
        """
        found, values = self.describe(faces), {}
        if "judge" in found:
            apart = distance(found["judge"], self.seen["judge"])
            nearest = [self.people[one] == self.people[place] for one in apart.argmin(1).tolist()]
            values["judge"] = apart[:, place]
            values["within"] = (apart[:, place] <= SAME_PERSON).float()
            values["nearest"] = torch.tensor(nearest).float()
        if "identity" in found:
            values["identity"] = found["identity"] @ self.seen["identity"][place]
        return values

    def similarities(self) -> dict[str, Tensor]:
        """(N, N) between all photographs, larger for more alike: cosines, and the judge's distances with a minus."""
        found = {}
        if "identity" in self.seen:
            found["identity"] = self.seen["identity"] @ self.seen["identity"].t()
        if "judge" in self.seen:
            found["judge"] = -distance(self.seen["judge"], self.seen["judge"])
        return found
