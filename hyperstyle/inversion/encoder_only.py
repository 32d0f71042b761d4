"""One pass of the W encoder: fast and easy to edit, but only as close as the generator's own faces come."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperstyle.inversion.base import Networks, OnStep, network_input, visible
from hyperstyle.latents import Inversion
from hyperstyle.models.stylegan2 import repeat_w


class EncoderOnly:
    """Invert with the W encoder alone.

    Args:
        networks: Those of the domain.
    """

    def __init__(self, networks: Networks) -> None:
        self.networks = networks

    @torch.no_grad()
    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces; see `Inverter.invert`. `on_step` is called once, with 0."""
        networks = self.networks
        w_plus = encode(networks, target)
        if on_step is not None:
            picture = networks.generator.render(networks.generator.to_styles(w_plus))
            on_step(0, visible(picture, networks.domain))
        return Inversion(w_plus=w_plus, codes={}, steps=0, domain=networks.domain.name)


def encode(networks: Networks, target: Tensor) -> Tensor:
    """Predict the latent of faces.

    Args:
        networks: Those of the domain.
        target: (B, 3, H, W) aligned faces in [-1, 1].

    Returns:
        (B, L, w_dim), L equal rows.

    Raises:
        ShapeMismatch: The target is not a batch of pictures of the domain's proportions, or is too small.
    """
    generator = networks.generator
    x = network_input(target.to(generator.w_avg.device), networks.domain)
    return repeat_w(networks.w_encoder(x) + generator.w_avg, generator.num_ws)
