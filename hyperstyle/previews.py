"""Colours of previews: a generator stopped early lacks what its finer layers add, most of it a change of colour.

The skip architecture adds every resolution's RGB up, so stopping early leaves a picture of the right face whose colours
are a little off. An affine map of colours, fitted once per face between the stopped picture and the full one, takes
most of that away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.bounded import Bounded
from hyperstyle.latents import Inversion

KEPT = 256
"""Faces whose correction is remembered; each is twelve numbers."""


@dataclass(frozen=True, eq=False)
class Correction:
    """An affine map of colours.

    Attributes:
        matrix: (3, 3), from the stopped picture's colours to the full one's.
        offset: (3,).
    """

    matrix: Tensor
    offset: Tensor

    def __call__(self, picture: Tensor) -> Tensor:
        """Correct (B, 3, H, W)."""
        return torch.einsum("oc,bchw->bohw", self.matrix, picture) + self.offset[:, None, None]


def fit_correction(small: Tensor, full: Tensor) -> Correction:
    """Fit the map that brings a stopped picture nearest to a full one, in least squares.

    Args:
        small: (B, 3, h, w), the stopped picture.
        full: (B, 3, H, W), the full one; pooled down to the same size here.
    """
    small = small.float()
    wanted = F.adaptive_avg_pool2d(full.float(), (small.shape[2], small.shape[3])).clamp(-1, 1)
    pixels = small.permute(0, 2, 3, 1).reshape(-1, 3)
    ones = torch.cat((pixels, pixels.new_ones(len(pixels), 1)), dim=1)
    # Normal equations with a pinch of ridge: a picture of one colour says nothing about the others.
    gram = ones.t() @ ones + 1e-4 * len(ones) * torch.eye(4, device=small.device)
    start = torch.eye(4, 3, device=small.device)
    residual = wanted.permute(0, 2, 3, 1).reshape(-1, 3) - ones @ start
    solved = start + torch.linalg.solve(gram, ones.t() @ residual)
    return Correction(solved[:3].t().contiguous(), solved[3].contiguous())


class Corrections:
    """The corrections of the faces seen last; thread-safe."""

    def __init__(self) -> None:
        self._entries: Bounded[bytes, Correction] = Bounded(KEPT)

    def fit(self, inversion: Inversion, px: int, small: Callable[[], Tensor], full: Callable[[], Tensor]) -> Correction:
        """Return a face's correction, fitted on first use.

        Args:
            inversion: The face.
            px: Side of its previews.
            small: Draws it stopped early.
            full: Draws it in full.
        """
        key = inversion.digest(latent=True) + str(px).encode()
        return self._entries.get(key, lambda: fit_correction(small(), full()))
