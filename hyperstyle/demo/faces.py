"""Faces as a page has them: rebuilt from a photo, mixed, or compared. No gradio in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from hyperstyle.alignment import AlignedFace
    from hyperstyle.demo.readouts import Baseline
    from hyperstyle.latents import Inversion


@dataclass(frozen=True)
class Frame:
    """One picture of the filmstrip."""

    source: str
    label: str
    captions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A face that can be edited, with the photo it came from, if any.

    Attributes:
        photo: The uploaded file, still encoded: a decoded 12-megapixel photo is 36 MB. None for a face without one,
            made up or brought by a recipe.
        face: The face, cut out; None likewise.
        inversion: The face, rebuilt.
        frames: How it was rebuilt, stage by stage.
        baseline: What edited pictures of it are compared with.
    """

    photo: bytes | None
    face: AlignedFace | None
    inversion: Inversion
    frames: tuple[Frame, ...] = ()
    baseline: Baseline | None = None


@dataclass(frozen=True)
class Mixed:
    """Two faces that were mixed, to mix them anew in other shares.

    Attributes:
        one: The face that was on the page.
        other: The one that was added.
        result: What came of it; None before that.
    """

    one: Inversion
    other: Inversion
    result: Rebuilt | None = None


@dataclass(frozen=True)
class Compared:
    """A face as one method of the compare tab found it.

    Attributes:
        inversion: The face, rebuilt.
        seconds: How long that took.
    """

    inversion: Inversion
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """What the compare tab shows.

    Attributes:
        target: (1, 3, H, W), what likeness is measured against.
        photo: The same as a data URI.
        methods: By name.
    """

    target: Tensor
    photo: str
    methods: dict[str, Compared]
