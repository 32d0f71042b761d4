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
from hyperstyle.latents import Inversion


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
        networks, generator = self.networks, self.networks.generator
        size = networks.domain.input_size
        w_plus = encode(networks, target)
        styles = generator.to_styles(w_plus)
        codes: dict[str, Tensor] = {}
        if on_step is not None or self.steps:
            x = pool_to(target.to(w_plus.device), size)
            picture = generator.render(styles)
            if on_step is not None:
                on_step(0, picture)
        for step in range(1, self.steps + 1):
            found = networks.hypernetwork.codes(x, pool_to(picture, size))
            codes = {name: codes[name] + code if codes else code for name, code in found.items()}
            # The last picture is for onlookers only: the inversion is already complete.
            if on_step is not None or step < self.steps:
                picture = generator.render(styles, networks.hypernetwork.deltas(codes, steps=step))
                if on_step is not None:
                    on_step(step, picture)
        return Inversion(w_plus=w_plus, codes=codes, steps=self.steps, domain=networks.domain.name)
