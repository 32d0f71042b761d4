"""Encoders into W+: e4e and pSp in one pass, ReStyle in several, each correcting the latent of the pass before it.

    w = w_avg;  y = render(w)
    repeat:  w += E(target, y);  y = render(w)

The generator stays as it is, so these are quick, and less faithful than weight offsets.

Source: pSp (arXiv 2008.00951), e4e (arXiv 2102.02766), ReStyle (arXiv 2104.02699).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hyperstyle.errors import UsageError
from hyperstyle.inversion.base import OnStep, PlainNetworks, network_input, visible
from hyperstyle.latents import Inversion
from hyperstyle.models.fast_synthesis import FastSynthesis
from hyperstyle.models.resizing import pool_down
from hyperstyle.models.style_encoders import StyleEncoder
from hyperstyle.models.stylegan2 import Generator


class ReStyle:
    """Invert with an encoder into W+.

    Args:
        networks: Those of the domain.
        encoder: Trained for its generator; with 6 input channels it is ReStyle's.
        steps: Passes; None for one (an encoder of one picture, which can do no more) or the domain's own number.

    Raises:
        UsageError: `steps` is below 1, or above 1 for an encoder that does not see its own result.
    """

    def __init__(self, networks: PlainNetworks, encoder: StyleEncoder, steps: int | None = None) -> None:
        self.networks, self.encoder = networks, encoder
        iterative = sees_its_result(encoder)
        self.steps = (networks.domain.refinement_steps if iterative else 1) if steps is None else steps
        if self.steps < 1 or (self.steps > 1 and not iterative):
            allowed = "1 or more" if iterative else "1, as this encoder does not look at its own result"
            raise UsageError(f"The number of passes must be {allowed}, not {self.steps}.")

    @torch.no_grad()
    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces; see `Inverter.invert`. `on_step` is called with 0 (the average face) to `steps`."""
        generator, domain = self.networks.generator, self.networks.domain
        x = network_input(target.to(generator.w_avg.device), domain)
        w_plus = encode_rows(generator, self.encoder, x, self.steps, on_step, lambda picture: visible(picture, domain))
        return Inversion(w_plus=w_plus, codes={}, steps=0, domain=domain.name)


def sees_its_result(encoder: StyleEncoder) -> bool:
    """Whether an encoder reads a picture beside its reconstruction."""
    return encoder.config.trunk.in_channels == 6


def encode_rows(
    generator: Generator | FastSynthesis,
    encoder: StyleEncoder,
    x: Tensor,
    steps: int,
    on_step: OnStep | None = None,
    cut: Callable[[Tensor], Tensor] = lambda picture: picture,
) -> Tensor:
    """Predict one latent per layer input.

    Args:
        generator, encoder: On one device.
        x: (B, 3, h, w) in [-1, 1], of the encoder's input size.
        steps: Passes, 1 or more.
        on_step: Called with 0 (the average face) to `steps` and the picture (B, 3, H, W) at full size.
        cut: Cuts the domain's picture out of the generator's square.

    Returns:
        (B, L, w_dim).
    """
    iterative = sees_its_result(encoder)
    w_plus = encoder.w_avg.expand(len(x), generator.num_ws, -1)
    for step in range(steps + 1):
        wanted = on_step is not None or (iterative and step < steps)
        picture = cut(generator.render(generator.to_styles(w_plus))) if wanted else None
        if on_step is not None and picture is not None:
            on_step(step, picture)
        if step < steps:
            seen = x
            if iterative and picture is not None:
                seen = torch.cat((x, pool_down(picture, (x.shape[2], x.shape[3]))), dim=1)
            w_plus = w_plus + encoder(seen)
    return w_plus
