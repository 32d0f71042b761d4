"""A game against a discriminator: non-saturating loss, R1 on real samples every few steps.

Source: GAN (arXiv 1406.2661); R1 from Mescheder et al. (arXiv 1801.04406), applied lazily as in StyleGAN2
(arXiv 1912.04958).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEARNING_RATE = 1e-3
R1_EVERY = 16


class Game:
    """A discriminator with its optimiser: judges samples, and learns from what it is shown.

    Args:
        discriminator: (B, ...) to one number per sample, or one per part of a sample, (B, ...), high for real ones;
            already on its device.
        r1: Weight of the squared slope at real samples.
    """

    def __init__(self, discriminator: nn.Module, r1: float) -> None:
        self.discriminator, self.r1 = discriminator, r1
        self.optimiser = torch.optim.Adam(discriminator.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.99))
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

    def verdict(self, made: Tensor) -> Tensor:
        """Return the maker's loss, a scalar: low where its samples pass for real ones.

        Ask after `practise` in the same step: the discriminator must not move between this and the backward pass.
        """
        self.discriminator.requires_grad_(False)
        return F.softplus(-self.discriminator(made)).mean()

    def practise(self, made: Tensor, real: Tensor) -> float:
        """Take one step at telling made samples from real ones; returns the loss."""
        self.discriminator.requires_grad_(True)
        real = real.detach().requires_grad_(True)
        known = self.discriminator(real)
        loss = F.softplus(self.discriminator(made.detach())).mean() + F.softplus(-known).mean()
        if self.calls % R1_EVERY == 0:
            # Of a sample's mean verdict: otherwise the term would grow with the number of parts, squared.
            mean = known.reshape(len(known), -1).mean(1)
            (slope,) = torch.autograd.grad(mean.sum(), real, create_graph=True)
            loss = loss + self.r1 / 2 * R1_EVERY * slope.square().flatten(1).sum(1).mean()
        self.calls += 1
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())
