"""Networks that describe a picture by one vector: who it is (identity) and what it looks like (attributes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.backbones import PUBLISHED_IR101, PUBLISHED_IRSE50, TrunkConfig, build_trunk


@dataclass(frozen=True)
class EmbeddingConfig:
    """Sizes of an embedding network.

    Attributes:
        trunk: Sizes of the trunk.
        out_dim: Width of the vector.
        normalise: Scale the vector to unit length.
        head: "mean" averages the final map before the last layer; "flatten" keeps every position, as ArcFace does,
            and ties the network to one input size.
        input_size: Side in px of the pictures it was trained on, to which callers resize; "flatten" takes no other.
        crop: Part of an aligned 256 px face that it looks at, as (top, bottom, left, right) in px; empty for all of it.
        norm_affine: Whether the batch norm after a "flatten" head has weights of its own.
    """

    trunk: TrunkConfig
    out_dim: int
    normalise: bool
    head: Literal["mean", "flatten"] = "mean"
    input_size: int = 112
    crop: tuple[int, ...] = ()
    norm_affine: bool = True

    def __post_init__(self) -> None:
        """Check the head's name and the crop."""
        if self.crop and not (
            len(self.crop) == 4 and 0 <= self.crop[0] < self.crop[1] <= 256 and 0 <= self.crop[2] < self.crop[3] <= 256
        ):
            raise ShapeMismatch("An embedding network's crop is (top, bottom, left, right) within 256 px.")
        if self.head not in ("mean", "flatten"):
            raise ShapeMismatch(f"An embedding network's head is 'mean' or 'flatten', not '{self.head}'.")


PUBLISHED_ARCFACE = EmbeddingConfig(
    trunk=PUBLISHED_IRSE50, out_dim=512, normalise=True, head="flatten", input_size=112, crop=(35, 223, 32, 220)
)
PUBLISHED_CURRICULARFACE = EmbeddingConfig(
    trunk=PUBLISHED_IR101,
    out_dim=512,
    normalise=True,
    head="flatten",
    input_size=112,
    crop=(35, 223, 32, 220),
    norm_affine=False,
)


class EmbeddingNetwork(nn.Module):
    """Trunk and a linear head.

    Args:
        config: Sizes.

    Source: the "flatten" head is that of ArcFace (arXiv 1801.07698).
    """

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = build_trunk(config.trunk)
        width = self.trunk.out_channels
        if config.head == "mean":
            self.output_layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, config.out_dim))
        else:
            positions = config.trunk.map_size(config.input_size) ** 2
            # Drop-out holds place 1, as in published files; it matters in training only.
            self.output_layer = nn.Sequential(
                nn.BatchNorm2d(width),
                nn.Dropout(0.6),
                nn.Flatten(),
                nn.Linear(width * positions, config.out_dim),
                nn.BatchNorm1d(config.out_dim, affine=config.norm_affine),
            )

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the map at the end of every stage of the trunk, coarsest last; x is (B, 3, H, W) in [-1, 1]."""
        return self.trunk.features(x)

    def forward(self, x: Tensor) -> Tensor:
        """Describe pictures.

        Args:
            x: (B, 3, H, W) in [-1, 1].

        Returns:
            (B, out_dim), of unit length if the config says so.

        Raises:
            ShapeMismatch: A network with a "flatten" head got another input size than its own.
        """
        size = self.config.input_size
        if self.config.head == "flatten" and tuple(x.shape[2:]) != (size, size):
            raise ShapeMismatch(f"This network reads {size} x {size} px, not {tuple(x.shape[2:])}.")
        y = cast(Tensor, self.output_layer(self.trunk(x)))
        return F.normalize(y, dim=1) if self.config.normalise else y
