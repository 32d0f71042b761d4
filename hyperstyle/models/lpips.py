"""LPIPS: the perceptual distance most papers report. AlexNet's features, weighted per channel."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Statistics of ImageNet for pictures in [-1, 1].
MEAN, STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# Channels, kernels, strides and paddings of AlexNet's convolutions.
CHANNELS = (3, 64, 192, 384, 256, 256)
KERNELS = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
# Convolutions after which the map is halved.
POOLED = (0, 1)
# Place of each convolution in torchvision's list, which published files count by.
PLACES = ("0", "3", "6", "8", "10")
EPSILON = 1e-10


class LPIPS(nn.Module):
    """Learned perceptual distance, AlexNet, version 0.1.

    Source: The Unreasonable Effectiveness of Deep Features (arXiv 1801.03924).
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        convs = {
            place: nn.Conv2d(ins, outs, kernel, stride, padding)
            for place, (ins, outs), (kernel, stride, padding) in zip(PLACES, pairwise(CHANNELS), KERNELS, strict=True)
        }
        self.layers = nn.ModuleDict(convs)
        self.lin = nn.ModuleList([nn.Conv2d(width, 1, 1, bias=False) for width in CHANNELS[1:]])
        self.register_buffer("mean", torch.tensor(MEAN, device="cpu")[None, :, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD, device="cpu")[None, :, None, None], persistent=False)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the five maps, each of unit length over channels; x is (B, 3, H, W) in [-1, 1]."""
        x = (x - self.mean) / self.std
        maps = []
        for index, conv in enumerate(self.layers.values()):
            x = F.relu(conv(x))
            maps.append(x / (x.square().sum(1, keepdim=True).sqrt() + EPSILON))
            if index in POOLED:
                x = F.max_pool2d(x, 3, 2)
        return maps

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Compare pictures.

        Args:
            a: (B, 3, H, W) in [-1, 1]; published numbers are for 256 px.
            b: Of the same shape.

        Returns:
            (B,), 0 for equal pictures.
        """
        total = torch.zeros(len(a), device=a.device)
        for weigh, map_a, map_b in zip(self.lin, self.features(a), self.features(b), strict=True):
            total = total + cast(Tensor, weigh((map_a - map_b).square())).mean((1, 2, 3))
        return total
