"""Encoders into W+: e4e and pSp in one pass, ReStyle in several, each correcting the latent of the pass before it.

    w = w_avg;  y = render(w)
    repeat:  w += E(target, y);  y = render(w)

The generator stays as it is, so these are quick, and less faithful than weight offsets.

Source: pSp (arXiv 2008.00951), e4e (arXiv 2102.02766), ReStyle (arXiv 2104.02699).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from hyperstyle.errors import UsageError
from hyperstyle.inversion.base import OnStep, PlainNetworks, network_input, pool_to, visible
from hyperstyle.latents import Inversion
from hyperstyle.models.style_encoders import StyleEncoder

RESTYLE_STEPS = 5


class StyleEncoderNetworks(PlainNetworks, Protocol):
    """What these methods are handed: a generator and an encoder trained for it."""

    @property
    def style_encoder(self) -> StyleEncoder:
        """Finds latents in W+; with 6 input channels it is ReStyle's."""


class ReStyle:
    """Invert with an encoder into W+.

    Args:
        networks: The generator and its encoder.
        steps: Passes; None for one (an encoder of one picture, which can do no more) or ReStyle's five.

    Raises:
        UsageError: `steps` is below 1, or above 1 for an encoder that does not see its own result.
    """

    def __init__(self, networks: StyleEncoderNetworks, steps: int | None = None) -> None:
        self.networks = networks
        self.iterative = networks.style_encoder.config.trunk.in_channels == 6
        self.steps = (RESTYLE_STEPS if self.iterative else 1) if steps is None else steps
        if self.steps < 1 or (self.steps > 1 and not self.iterative):
            allowed = "1 or more" if self.iterative else "1, as this encoder does not look at its own result"
            raise UsageError(f"The number of passes must be {allowed}, not {self.steps}.")

    @torch.no_grad()
    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces; see `Inverter.invert`. `on_step` is called with 0 (the average face) to `steps`."""
        networks = self.networks
        generator, encoder = networks.generator, networks.style_encoder
        x = network_input(target.to(generator.w_avg.device), networks.domain)
        w_plus = encoder.w_avg.expand(len(x), generator.num_ws, -1)
        for step in range(self.steps + 1):
            wanted = on_step is not None or (self.iterative and step < self.steps)
            picture = visible(generator.render(generator.to_styles(w_plus)), networks.domain) if wanted else None
            if on_step is not None and picture is not None:
                on_step(step, picture)
            if step < self.steps:
                seen = x
                if self.iterative and picture is not None:
                    seen = torch.cat((x, pool_to(picture, (x.shape[2], x.shape[3]))), dim=1)
                w_plus = w_plus + encoder(seen)
        return Inversion(w_plus=w_plus, codes={}, steps=0, domain=networks.domain.name)
