"""What every inversion method offers, and what it is handed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.domains import Domain
from hyperstyle.latents import Deltas, Inversion
from hyperstyle.models.fast_networks import FastHypernetwork, FastWEncoder
from hyperstyle.models.fast_synthesis import FastSynthesis
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.resizing import check_picture, pool_down
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.models.w_encoder import WEncoder

OnStep = Callable[[int, Tensor], None]
"""Called with the step's number (0 is the encoder) and the picture (B, 3, H, W) at the generator's full size."""


ROUNDS = 5
"""How often a method that descends tells onlookers where it is, after the start."""


class PlainNetworks(Protocol):
    """What methods are handed whose generator stays as it is, or must let gradients through."""

    @property
    def domain(self) -> Domain:
        """The domain they belong to."""

    @property
    def generator(self) -> Generator:
        """Draws pictures."""


class Networks(Protocol):
    """The ready networks of one domain, in evaluation mode and on one device."""

    @property
    def domain(self) -> Domain:
        """The domain they belong to."""

    @property
    def generator(self) -> Generator | FastSynthesis:
        """Draws pictures."""

    @property
    def w_encoder(self) -> WEncoder | FastWEncoder:
        """Finds the first latent."""

    @property
    def hypernetwork(self) -> Hypernetwork | FastHypernetwork:
        """Finds weight offsets."""


class Inverter(Protocol):
    """A way to find out how the generator draws a given face."""

    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces.

        Args:
            target: (B, 3, H, W) aligned faces in [-1, 1], of the domain's proportions, no smaller than its `input_hw`.
            on_step: Called after the encoder and after each refinement step.

        Raises:
            ShapeMismatch: The target is not a batch of such pictures or is too small.
        """


def round_at(step: int, steps: int) -> int | None:
    """Number, from 0 to `ROUNDS` - 1, under which a step of a descent is shown to onlookers; None for most steps."""
    return step * ROUNDS // steps if step % math.ceil(steps / ROUNDS) == 0 else None


def inversion_deltas(
    hypernetwork: Hypernetwork | FastHypernetwork, inversion: Inversion, device: torch.device
) -> dict[str, Tensor]:
    """Everything an inversion changes in the generator's weights: what its codes stand for, and its own offsets."""
    codes = {name: code.to(device) for name, code in inversion.codes.items()}
    found = dict(hypernetwork.deltas(codes, steps=inversion.steps)) if codes else {}
    return add_deltas(found, {name: offset.to(device) for name, offset in inversion.offsets.items()})


def add_deltas(deltas: Deltas, more: Deltas) -> dict[str, Tensor]:
    """Add weight offsets, layer by layer."""
    return {**deltas, **{name: deltas[name] + part if name in deltas else part for name, part in more.items()}}


def visible(picture: Tensor, domain: Domain) -> Tensor:
    """Cut the domain's picture out of the generator's square, (B, 3, R, R), also when R is a preview's."""
    if not domain.visible_rows:
        return picture
    top, bottom = (row * picture.shape[2] // domain.resolution for row in domain.visible_rows)
    return picture[:, :, top:bottom]


def network_input(target: Tensor, domain: Domain) -> Tensor:
    """Make a target as small as the networks read it: (B, 3, *input_hw).

    Raises:
        ShapeMismatch: It is not a batch of RGB pictures of the domain's proportions, or smaller.
    """
    height, width = domain.input_hw
    if domain.input_filter == "area" or tuple(target.shape[2:]) == (height, width):
        return pool_down(target, (height, width))
    check_picture(target, (height, width))
    return F.interpolate(target, (height, width), mode="bilinear", antialias=True)
