"""What an attribute network reads off a face: names, units and ranges. Each domain lists its own in `domain.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from hyperstyle.errors import WeightsCorrupt

if TYPE_CHECKING:
    from torch import Tensor  # reading a domain's row needs no torch

Z_END = 1.7
"""Attribute networks give each trait's range as [-Z_END, Z_END], about what a standard normal fills."""


@dataclass(frozen=True)
class Trait:
    """One property of a face.

    Attributes:
        name: The key used everywhere (labels, directions, reports).
        low, high: Range in the trait's own unit.
        unit: Unit of the number, for people: "degrees", "years", "fraction", ...
        group: pose, expression, identity, hair, accessories or scene.
        odd: True where mirroring the picture flips the sign.
    """

    name: str
    low: float
    high: float
    unit: str
    group: str
    odd: bool = False

    @property
    def per_z(self) -> float:
        """Units of the trait for each unit of an attribute network's column."""
        return (self.high - self.low) / (2 * Z_END)


def to_z(traits: Sequence[Trait], values: Tensor) -> Tensor:
    """Values (..., T) in the traits' units as an attribute network gives them; what is unknown stays NaN."""
    low, high = _ends(traits, values)
    return ((values - low) / (high - low) * 2 - 1) * Z_END


def from_z(traits: Sequence[Trait], z: Tensor) -> Tensor:
    """An attribute network's columns (..., T) in the traits' units."""
    low, high = _ends(traits, z)
    return low + (z / Z_END + 1) / 2 * (high - low)


def range_shares(change: Tensor) -> Tensor:
    """A change of an attribute network's columns as shares of each trait's whole range."""
    return change / (2 * Z_END)


def mirrored(traits: Sequence[Trait], z: Tensor) -> Tensor:
    """What the columns (..., T) become when the picture is mirrored; odd traits range evenly around 0."""
    return z * z.new_tensor([-1 if trait.odd else 1 for trait in traits])


def column(traits: Sequence[Trait], name: str) -> int:
    """Place of a trait among the columns.

    Raises:
        KeyError: There is no such trait.
    """
    for place, trait in enumerate(traits):
        if trait.name == name:
            return place
    raise KeyError(name)


def read_traits(values: Sequence[Mapping[str, Any]]) -> tuple[Trait, ...]:
    """Read the list that `domain.json` holds.

    Raises:
        WeightsCorrupt: An entry is no trait.
    """
    known = {field.name for field in fields(Trait)}
    try:
        if any(set(value) - known for value in values):
            raise TypeError("it has a field that is not known")
        traits = tuple(Trait(**value) for value in values)
        if not all(isinstance(trait.name, str) and trait.low < trait.high for trait in traits):
            raise TypeError("a name is no text, or a range has no width")
    except TypeError as error:
        raise WeightsCorrupt(f"The field 'traits' of domain.json cannot be read: {error}; restore the file.") from error
    return traits


def plain_traits(traits: Sequence[Trait]) -> list[dict[str, Any]]:
    """What `read_traits` reads, for JSON."""
    return [asdict(trait) for trait in traits]


def _ends(traits: Sequence[Trait], like: Tensor) -> tuple[Tensor, Tensor]:
    return like.new_tensor([trait.low for trait in traits]), like.new_tensor([trait.high for trait in traits])
