"""Tells latents of the mapping network from an encoder's, and so keeps encoders where edits are known to work.

Source: e4e (arXiv 2102.02766), section 4; R1 from Mescheder et al. (arXiv 1801.04406).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperstyle.models.ops import EqualLinear
from hyperstyle.models.stylegan2 import Generator

DEPTH = 4
LEARNING_RATE = 1e-3
R1 = 10.0
R1_EVERY = 16


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


class LatentGame:
    """The discriminator with its optimiser: judges rows of W+, and learns from what it has judged.

    Args:
        generator: Its mapping network makes the real latents.
        spread: (w_dim,) their standard deviation.
    """

    def __init__(self, generator: Generator, spread: Tensor) -> None:
        self.generator, self.spread = generator, spread
        self.discriminator = LatentDiscriminator(generator.config.w_dim).to(spread.device)
        self.optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=LEARNING_RATE, betas=(0.0, 0.99))
        self.calls = 0

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint must hold to go on."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "calls": self.calls,
        }

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from `state_dict`."""
        self.discriminator.load_state_dict(cast(dict[str, Tensor], state["discriminator"]))
        self.optimiser.load_state_dict(cast(dict[str, object], state["optimiser"]))
        self.calls = cast(int, state["calls"])

    def judge(self, w_plus: Tensor) -> Tensor:
        """Return the encoder's loss for its latents (B, L, w_dim), a scalar: low where they pass for real ones."""
        for parameter in self.discriminator.parameters():
            parameter.requires_grad_(False)
        return F.softplus(-self.discriminator(self._scaled(w_plus))).mean()

    def learn(self, w_plus: Tensor, z: Tensor) -> float:
        """Take one step at telling latents apart; returns the loss.

        Args:
            w_plus: (B, L, w_dim) the encoder's.
            z: (B, z_dim) inputs of the mapping network, drawn as the domain draws them.
        """
        for parameter in self.discriminator.parameters():
            parameter.requires_grad_(True)
        real = self._scaled(self.generator.map(z)).detach().requires_grad_(True)
        verdict = self.discriminator(real)
        loss = F.softplus(self.discriminator(self._scaled(w_plus.detach()))).mean() + F.softplus(-verdict).mean()
        if self.calls % R1_EVERY == 0:
            (slope,) = torch.autograd.grad(verdict.sum(), real, create_graph=True)
            loss = loss + R1 / 2 * R1_EVERY * slope.square().sum(-1).mean()
        self.calls += 1
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    def _scaled(self, latent: Tensor) -> Tensor:
        return ((latent - self.generator.w_avg) / self.spread).float()
