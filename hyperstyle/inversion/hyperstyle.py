"""HyperStyle's iterative refinement: the latent stays, the generator's weights move until it draws this very face.

    w = E(target) + w_avg                                   the pivot, found once
    y = render(w)
    repeat:  codes += H(target, y);  y = render(w, offsets(codes))

Source: HyperStyle (arXiv 2111.15666), section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hyperstyle.errors import UsageError
from hyperstyle.inversion.base import Networks, OnStep, network_input, visible
from hyperstyle.inversion.encoder_only import encode
from hyperstyle.latents import Inversion, Styles
from hyperstyle.models.fast_networks import FastHypernetwork
from hyperstyle.models.fast_synthesis import FastSynthesis
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.resizing import pool_down
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
        x = network_input(target.to(w_plus.device), networks.domain)

        def cut(picture: Tensor) -> Tensor:
            return visible(picture, networks.domain)

        codes = refine(networks.generator, networks.hypernetwork, styles, x, self.steps, on_step, cut)
        return Inversion(w_plus=w_plus, codes=codes, steps=self.steps, domain=networks.domain.name)


def refine(
    generator: Generator | FastSynthesis,
    hypernetwork: Hypernetwork | FastHypernetwork,
    styles: Styles,
    target: Tensor,
    steps: int,
    on_step: OnStep | None = None,
    cut: Callable[[Tensor], Tensor] = lambda picture: picture,
    resolution: int | None = None,
) -> dict[str, Tensor]:
    """Refine the generator's weights for faces whose latents are known.

    Args:
        generator, hypernetwork: On one device; plain or fast.
        styles: Of the faces' latents.
        target: (B, 3, h, w) in [-1, 1], of the hypernetwork's input size.
        steps: 0 or more.
        on_step: Called with 0 to `steps` and the picture (B, 3, H, W) at full size.
        cut: Cuts the domain's picture out of the generator's square.
        resolution: Stop rendering at this size, in px; None for the generator's own.

    Returns:
        Codes of all steps by layer name, as `Hypernetwork.add_codes` returns them; empty without steps.
    """
    codes: dict[str, Tensor] = {}
    for step in range(steps + 1):
        # The last picture is for onlookers only: the codes are already complete.
        if on_step is None and step == steps:
            break
        deltas = hypernetwork.deltas(codes, steps=step) if codes else None
        picture = cut(generator.render(styles, deltas, resolution=resolution))
        if on_step is not None:
            on_step(step, picture)
        if step < steps:
            found = hypernetwork.codes(target, pool_down(picture, (target.shape[2], target.shape[3])))
            codes = hypernetwork.add_codes(codes, found)
    return codes
