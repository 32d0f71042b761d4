"""IDInvert: begin where an encoder points, then descend without leaving what the encoder would say of the result.

    w+ = E(target);  repeat:  w+ -= rate * gradient of (perceptual + L2 + |w+ - E(render(w+))|^2)

The last term is the domain's: latents at which the encoder would not look for the picture draw badly once edited. The
paper's encoder is trained in a game against a discriminator of pictures; any encoder into W+ can take its place here.

Source: In-Domain GAN Inversion (arXiv 2004.00049), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.errors import UsageError
from hyperstyle.inversion.base import ROUNDS, OnStep, network_input, round_at, visible
from hyperstyle.inversion.losses import JudgedNetworks, perceptual_distance
from hyperstyle.inversion.restyle import encode_rows, sees_its_result
from hyperstyle.latents import Inversion
from hyperstyle.models.resizing import check_picture, pool_down, pool_to
from hyperstyle.models.style_encoders import StyleEncoder


@dataclass(frozen=True)
class IDInvertConfig:
    """Settings of the descent; steps, rate and the domain's weight are the paper's.

    Attributes:
        steps: Gradient steps.
        learning_rate: Adam's.
        perceptual, l2: Weights of the two distances.
        domain: Weight of the squared difference between the latent and what the encoder says of its picture.
    """

    steps: int = 100
    learning_rate: float = 0.01
    perceptual: float = 1.0
    l2: float = 1.0
    domain: float = 2.0


class IDInvert:
    """Invert by descending from an encoder's latent, held by the same encoder.

    Args:
        networks: Those of the domain.
        encoder: Into W+, of one picture.
        config: Settings.

    Raises:
        UsageError: No step; or the encoder is ReStyle's, which reads two pictures.
    """

    def __init__(self, networks: JudgedNetworks, encoder: StyleEncoder, config: IDInvertConfig | None = None) -> None:
        self.networks, self.encoder = networks, encoder
        self.config = IDInvertConfig() if config is None else config
        if self.config.steps < 1:
            raise UsageError(f"Optimisation takes 1 step or more, not {self.config.steps}.")
        if sees_its_result(encoder):
            raise UsageError("IDInvert needs an encoder that reads one picture, not one that sees its own result.")

    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces; see `Inverter.invert`. `on_step` is called with 0 (the encoder) to 5, evenly."""
        networks, c = self.networks, self.config
        generator, domain = networks.generator, networks.domain
        check_picture(target, domain.input_hw)
        target = pool_to(target.to(generator.w_avg.device), domain.picture_hw)
        small = network_input(target, domain)
        with torch.no_grad():
            start = encode_rows(generator, self.encoder, small, steps=1)
        w_plus = start.clone().requires_grad_(True)
        optimiser = torch.optim.Adam([w_plus], lr=c.learning_rate)
        for step in range(c.steps):
            picture = visible(generator.render(generator.to_styles(w_plus)), domain)
            number = round_at(step, c.steps)
            if on_step is not None and number is not None:
                on_step(number, picture.detach())
            again = self.encoder.w_avg + self.encoder(pool_down(picture, domain.input_hw))
            distance = c.perceptual * perceptual_distance(networks, target, picture)
            distance = distance + c.l2 * metrics.l2(target, picture)
            loss = (distance + c.domain * (w_plus - again).square().mean((1, 2))).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if on_step is not None:
            with torch.no_grad():
                on_step(ROUNDS, visible(generator.render(generator.to_styles(w_plus)), domain))
        return Inversion(w_plus=w_plus.detach(), codes={}, steps=0, domain=domain.name)
