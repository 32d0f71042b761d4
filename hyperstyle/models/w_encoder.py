"""The W encoder: from an aligned face to the one `w` that draws it best, the pivot of every later edit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from hyperstyle.models.backbones import PUBLISHED_IRSE50, TrunkConfig, build_trunk
from hyperstyle.models.ops import EqualLinear


@dataclass(frozen=True)
class WEncoderConfig:
    """Sizes of a W encoder.

    Attributes:
        trunk: Sizes of the trunk.
        w_dim: Width of `w`.
    """

    trunk: TrunkConfig
    w_dim: int


PUBLISHED_W_ENCODER = WEncoderConfig(trunk=PUBLISHED_IRSE50, w_dim=512)


class WEncoder(nn.Module):
    """Predict one latent per picture, relative to the generator's average latent.

    Args:
        config: Sizes.

    Source: the encoder of HyperStyle (arXiv 2111.15666), after e4e (arXiv 2102.02766); it predicts a single `w`.
    """

    def __init__(self, config: WEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = build_trunk(config.trunk)
        self.linear = EqualLinear(self.trunk.out_channels, config.w_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Predict latents.

        Args:
            x: (B, 3, H, W) pictures in [-1, 1].

        Returns:
            (B, w_dim), to which the caller adds the generator's `w_avg`.
        """
        return cast(Tensor, self.linear(self.trunk(x).mean((2, 3))))
