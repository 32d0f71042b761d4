"""Tells latents of the mapping network from an encoder's, and so keeps encoders where edits are known to work.

Source: e4e (arXiv 2102.02766), section 4.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from hyperstyle.models.ops import EqualLinear
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.training.adversarial import Game

DEPTH = 4
R1 = 10.0


class LatentDiscriminator(nn.Module):
    """A small fully connected network: (..., w_dim) in standard deviations to (...,), high for the mapping network's.

    Args:
        w_dim: Width of the latents.
    """

    def __init__(self, w_dim: int) -> None:
        super().__init__()
        hidden = [EqualLinear(w_dim, w_dim, activate=True) for _ in range(DEPTH)]
        self.layers = nn.Sequential(*hidden, EqualLinear(w_dim, 1))

    def forward(self, latent: Tensor) -> Tensor:
        """Judge latents."""
        return cast(Tensor, self.layers(latent)[..., 0])


class LatentGame(Game):
    """Judges rows of W+, and learns from what it has judged.

    Args:
        generator: Its mapping network makes the real latents.
        spread: (w_dim,) their standard deviation.
    """

    def __init__(self, generator: Generator, spread: Tensor) -> None:
        super().__init__(LatentDiscriminator(generator.config.w_dim).to(spread.device), R1)
        self.generator, self.spread = generator, spread

    def judge(self, w_plus: Tensor) -> Tensor:
        """Return the encoder's loss for its latents (B, L, w_dim), a scalar: low where they pass for real ones."""
        return self.verdict(self._scaled(w_plus))

    def learn(self, w_plus: Tensor, z: Tensor) -> float:
        """Take one step at telling latents apart; returns the loss.

        Args:
            w_plus: (B, L, w_dim) the encoder's.
            z: (B, z_dim) inputs of the mapping network, drawn as the domain draws them.
        """
        return self.practise(self._scaled(w_plus), self._scaled(self.generator.map(z)))

    def _scaled(self, latent: Tensor) -> Tensor:
        return ((latent - self.generator.w_avg) / self.spread).float()
