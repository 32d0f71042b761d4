"""What every inversion method offers, and what it is handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from hyperstyle.domains import Domain
from hyperstyle.errors import ShapeMismatch
from hyperstyle.latents import Inversion
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.models.w_encoder import WEncoder

OnStep = Callable[[int, Tensor], None]
"""Called with the step's number (0 is the encoder) and the picture (B, 3, H, W) at the generator's full size."""


class Networks(Protocol):
    """The ready networks of one domain, in evaluation mode and on one device."""

    @property
    def domain(self) -> Domain:
        """The domain they belong to."""

    @property
    def generator(self) -> Generator:
        """Draws pictures."""

    @property
    def w_encoder(self) -> WEncoder:
        """Finds the first latent."""

    @property
    def hypernetwork(self) -> Hypernetwork:
        """Finds weight offsets."""


class Inverter(Protocol):
    """A way to find out how the generator draws a given face."""

    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces.

        Args:
            target: (B, 3, H, W) aligned faces in [-1, 1], square, no smaller than the domain's `input_size`.
            on_step: Called after the encoder and after each refinement step.

        Raises:
            ShapeMismatch: The target is not a batch of square pictures or is too small.
        """


def pool_to(picture: Tensor, size: int) -> Tensor:
    """Average a picture down to the size the networks read.

    Args:
        picture: (B, 3, H, W), H = W, `size` or larger.
        size: In px.

    Returns:
        (B, 3, size, size).

    Raises:
        ShapeMismatch: The picture is not square, not RGB or smaller.
    """
    if picture.ndim != 4 or picture.shape[1] != 3 or picture.shape[2] != picture.shape[3] or picture.shape[2] < size:
        raise ShapeMismatch(
            f"An inversion needs (B, 3, H, H) pictures of {size} px or more, not {tuple(picture.shape)}."
        )
    return picture if picture.shape[2] == size else F.adaptive_avg_pool2d(picture, size)
