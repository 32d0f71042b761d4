"""HyperStyle's iterative refinement: the latent stays, the generator's weights move until it draws this very face.

    w = E(target) + w_avg                                   the pivot, found once
    y = render(w)
    repeat:  codes += H(target, y);  y = render(w, offsets(codes))

Source: HyperStyle (arXiv 2111.15666), section 4.3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hyperstyle.errors import UsageError
from hyperstyle.inversion.base import Networks, OnStep, pool_to
from hyperstyle.inversion.encoder_only import encode
from hyperstyle.latents import Inversion, Styles
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.stylegan2 import Generator


class HyperStyleInverter:
    """Invert with the W encoder, then refine with the hypernetwork.

    Args:
        networks: Those of the domain.
        steps: Refinement steps; None for the domain's own number, 0 for the encoder alone.

    Raises:
        UsageError: `steps` is negative.
    """

    def __init__(self, networks: Networks, steps: int | None = None) -> None:
        self.networks = networks
        self.steps = networks.domain.refinement_steps if steps is None else steps
        if self.steps < 0:
            raise UsageError(f"The number of refinement steps must be 0 or more, not {self.steps}.")

    @torch.no_grad()
    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces; see `Inverter.invert`. `on_step` is called with 0 to `steps`."""
        networks = self.networks
        w_plus = encode(networks, target)
        styles = networks.generator.to_styles(w_plus)
        x = pool_to(target.to(w_plus.device), networks.domain.input_size)
        codes = refine(networks.generator, networks.hypernetwork, styles, x, self.steps, on_step)
        return Inversion(w_plus=w_plus, codes=codes, steps=self.steps, domain=networks.domain.name)


def refine(
    generator: Generator,
    hypernetwork: Hypernetwork,
    styles: Styles,
    target: Tensor,
    steps: int,
    on_step: OnStep | None = None,
) -> dict[str, Tensor]:
    """Refine the generator's weights for faces whose latents are known.

    Args:
        generator, hypernetwork: On one device.
        styles: Of the faces' latents.
        target: (B, 3, H, H) in [-1, 1], pooled to the hypernetwork's input size.
        steps: 0 or more.
        on_step: Called with 0 to `steps` and the picture (B, 3, R, R) at the generator's full size.

    Returns:
        Codes summed over the steps, (B, code_dim) by layer name; empty without steps.
    """
    codes: dict[str, Tensor] = {}
    for step in range(steps + 1):
        # The last picture is for onlookers only: the codes are already complete.
        if on_step is None and step == steps:
            break
        deltas = hypernetwork.deltas(codes, steps=step) if codes else None
        picture = generator.render(styles, deltas)
        if on_step is not None:
            on_step(step, picture)
        if step < steps:
            found = hypernetwork.codes(target, pool_to(picture, hypernetwork.config.input_size))
            codes = {name: codes[name] + code if codes else code for name, code in found.items()}
    return codes
