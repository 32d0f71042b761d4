"""How far a picture is from its target, for methods that descend: differentiable, one value per face."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from hyperstyle import metrics
from hyperstyle.errors import WeightsMissing
from hyperstyle.inversion.base import PlainNetworks
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.lpips import LPIPS
from hyperstyle.models.resizing import pool_down


class JudgedNetworks(PlainNetworks, Protocol):
    """What methods that descend are handed: a generator, and a network that sees as people do."""

    @property
    def attributes(self) -> EmbeddingNetwork | None:
        """Stands in for LPIPS where there is none."""

    @property
    def lpips(self) -> LPIPS | None:
        """Perceptual distance as papers use it."""


def perceptual_distance(networks: JudgedNetworks, target: Tensor, picture: Tensor) -> Tensor:
    """Compare pictures with the domain's LPIPS, or with its attribute network where it has none.

    Args:
        networks: Those of the domain.
        target, picture: (B, 3, H, W) in [-1, 1], of the same size.

    Returns:
        (B,).

    Raises:
        WeightsMissing: The domain has neither network.
    """
    if networks.lpips is not None:
        size = networks.domain.input_hw
        values: Tensor = networks.lpips(pool_down(target, size), pool_down(picture, size))
        return values
    if networks.attributes is None:
        name = networks.domain.name
        raise WeightsMissing(
            f"Optimisation compares pictures with LPIPS, which is not there for '{name}'; "
            f"put lpips.safetensors beside its weights, for published ones with `download {name} --compare`."
        )
    return metrics.perceptual(networks.attributes, target, picture)
