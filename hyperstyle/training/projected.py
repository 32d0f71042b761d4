"""Tells photographs from drawings by what a fixed network sees in both: small heads over mixed features.

Source: Projected GAN (arXiv 2111.01007): fixed features, random mixing of channels, a hinge game at several scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperstyle.training.pretrained import WIDTHS

MAPS = (1, 2, 3)
"""Which of the feature maps have a head: 1/4, 1/8 and 1/16 of the side. The finest one made pictures grainy."""
HEAD_WIDTH = 64
LEARNING_RATE = 4e-4


class Head(nn.Module):
    """(B, C, H, W) features to one verdict per place; the first layer is random and stays so.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, HEAD_WIDTH, 1, bias=False).requires_grad_(False)
        nn.init.kaiming_normal_(self.mix.weight)
        self.judge = nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, 1, 1)),
            nn.LeakyReLU(0.2),
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, 2, 1)),
            nn.LeakyReLU(0.2),
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(HEAD_WIDTH, 1, 3, 1, 1)),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Judge feature maps, scaled to unit spread first."""
        scale = features.detach().square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-6)
        return cast(Tensor, self.judge(self.mix(features / scale)))


class ProjectedGame:
    """Heads with their optimiser.

    Args:
        device: Where they are.
    """

    def __init__(self, device: torch.device) -> None:
        self.heads = nn.ModuleList([Head(WIDTHS[place]) for place in MAPS]).to(device)
        learning = [p for p in self.heads.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(learning, lr=LEARNING_RATE, betas=(0.0, 0.99))
        self._learning = learning

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint must hold to go on."""
        return {"heads": self.heads.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from `state_dict`."""
        self.heads.load_state_dict(cast("dict[str, Tensor]", state["heads"]))
        self.optimiser.load_state_dict(cast("dict[str, object]", state["optimiser"]))

    def practise(self, made: Sequence[Tensor], real: Sequence[Tensor]) -> float:
        """Take one step at telling made feature maps from real ones; returns the loss."""
        for parameter in self._learning:
            parameter.requires_grad_(True)
        loss = torch.zeros((), device=made[0].device)
        for head, place in zip(self.heads, MAPS, strict=True):
            loss = loss + F.relu(1 + head(made[place])).mean() + F.relu(1 - head(real[place])).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    def verdict(self, made: Sequence[Tensor]) -> Tensor:
        """The maker's loss, a scalar: low where its feature maps pass for real ones. Ask after `practise`."""
        for parameter in self._learning:
            parameter.requires_grad_(False)
        total = made[0].new_zeros(())
        for head, place in zip(self.heads, MAPS, strict=True):
            total = total - head(made[place]).mean()
        return total
