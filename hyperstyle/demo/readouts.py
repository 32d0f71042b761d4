"""What the page can say about an edited face: how like the photo it is, and what else moved. Hints, no verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.demo import texts
from hyperstyle.models.resizing import pool_to
from hyperstyle.traits import Z_END, Trait, range_shares

if TYPE_CHECKING:
    from hyperstyle.demo.state import Controls
    from hyperstyle.pipeline import HyperStyle

SMALLEST_SHARE = 0.05  # of the range; below it lies what the attribute network itself is unsure about
MOST_MOVES = 4
BESIDES = {"background_hue": "background", "background_saturation": "background"} | {
    "clothes_hue": "clothes",
    "clothes_saturation": "clothes",
}
"""Hue and saturation are one point of a colour circle, so they move together and under one name."""


@dataclass(frozen=True)
class Baseline:
    """What edited faces are compared with, found once per rebuilt face.

    Attributes:
        photo: (1, D) identity embedding of the photo; None without an identity network.
        traits: (1, A) of the rebuilt face, as the attribute network gives them; None where nothing reads them.
        photo_traits: The same of the photo: what edits that keep its detail begin with.
    """

    photo: Tensor | None
    traits: Tensor | None
    photo_traits: Tensor | None = None

    def of(self, photo: bool) -> Baseline:
        """What edits are compared with: the photo, or the rebuilt face."""
        return replace(self, traits=self.photo_traits) if photo else self


@dataclass(frozen=True)
class Move:
    """One property that moved though nobody asked.

    Attributes:
        label: Its name, for people.
        amount: How far and which way, in words.
        share: How far, as a share of its range, 0 to 1.
    """

    label: str
    amount: str
    share: float


@dataclass(frozen=True)
class Readout:
    """What was found about the picture on show.

    Attributes:
        likeness: Cosine similarity to the photo; None without an identity network.
        moves: What else moved, the furthest first; None where nothing reads it.
        levels: Likeness that one stranger in ten and one in a thousand reaches; empty where that was not measured.
    """

    likeness: float | None
    moves: tuple[Move, ...] | None
    levels: Sequence[float] = ()


def baseline(pipeline: HyperStyle, target: Tensor, rebuilt: Tensor) -> Baseline:
    """Look at the photo and at the rebuilt face.

    Args:
        pipeline: The loaded domain.
        target: (1, 3, H, W) in [-1, 1], the photo cut out.
        rebuilt: Of the same shape, the face without edits.
    """
    with torch.inference_mode():
        return Baseline(_embed(pipeline, target), _traits(pipeline, rebuilt.clamp(-1, 1)), _traits(pipeline, target))


def read(pipeline: HyperStyle, before: Baseline, edited: Tensor, controls: Controls) -> Readout:
    """Compare an edited face with the photo and with the rebuilt face; about 12 ms on two cores at 128 px.

    Args:
        pipeline: The loaded domain.
        before: Of the same face.
        edited: (1, 3, H, W), nominally in [-1, 1].
        controls: What was asked for, and is therefore no news.
    """
    with torch.inference_mode():
        picture = edited.clamp(-1, 1)
        seen = None if before.photo is None else _embed(pipeline, picture)
        likeness = None
        if seen is not None and before.photo is not None:
            likeness = float(F.cosine_similarity(before.photo, seen, dim=1))
        traits = None if before.traits is None else _traits(pipeline, picture)
    moves = None
    if traits is not None and before.traits is not None:
        labels = {row.name: row.label for row in pipeline.edits}
        moves = what_else_moved(pipeline.domain.traits, before.traits, traits, asked_for(pipeline, controls), labels)
    return Readout(likeness, moves, pipeline.domain.likeness_levels)


def asked_for(pipeline: HyperStyle, controls: Controls) -> set[str]:
    """Properties that the controls set out to change."""
    look = controls.look.effective
    asked = set(look.edits)
    if look.words:
        tried = {row.prompt: row.parameter for row in pipeline.text_editor.suggestions}
        for edit in look.words:
            words = set(edit.prompt.lower().split())
            asked |= {tried.get(edit.prompt.strip(), "")}
            asked |= {trait.name for trait in pipeline.domain.traits if set(trait.name.split("_")) <= words}
    return asked


def what_else_moved(
    traits: Sequence[Trait], before: Tensor, after: Tensor, asked: Collection[str], labels: Mapping[str, str]
) -> tuple[Move, ...]:
    """Name the largest movements that nobody asked for.

    Args:
        traits: What the columns below mean.
        before: (1, A) of the rebuilt face, in the scale of `traits.to_z`.
        after: The same for the edited face.
        asked: Names of traits to leave out.
        labels: Names for people, by trait; others come from `texts`.
    """
    shares = range_shares((after - before)[0]).tolist()
    # What lies beyond a trait's range cannot be seen.
    inside = (after.clamp(-Z_END, Z_END) - before.clamp(-Z_END, Z_END))[0].tolist()
    found: dict[str, Move] = {}
    for trait, signed, moved in zip(traits, shares, inside, strict=True):
        name, share = BESIDES.get(trait.name, trait.name), abs(signed)
        if name in asked or share < SMALLEST_SHARE or (name in found and found[name].share >= share):
            continue
        amount = ""  # a colour has no more or less
        if name not in BESIDES.values():
            amount = _amount(trait.unit, moved * trait.per_z, signed)
        label = labels.get(name) or texts.TRAITS.get(name) or name.replace("_", " ").capitalize()
        found[name] = Move(label, amount, min(share, 1.0))
    return tuple(sorted(found.values(), key=lambda move: -move.share)[:MOST_MOVES])


def _amount(unit: str, moved: float, share: float) -> str:
    """How far a property moved: in its unit where people know that one, else as a share of its range."""
    if unit == "years":
        text = texts.MOVED_YEARS.format(moved=moved)
    elif unit == "degrees":
        text = texts.MOVED_DEGREES.format(moved=moved)
    else:
        text = texts.MOVED_SHARE.format(moved=100 * share)
    return text.replace("-", "\u2212")


def _embed(pipeline: HyperStyle, picture: Tensor) -> Tensor | None:
    network = pipeline.models.identity
    return None if network is None else network(metrics.face_part(network, picture))


def _traits(pipeline: HyperStyle, picture: Tensor) -> Tensor | None:
    network = pipeline.models.attributes
    if network is None or network.config.out_dim != len(pipeline.domain.traits):
        return None  # nobody knows what it reads
    return network(pool_to(picture, network.config.input_size)).cpu()
