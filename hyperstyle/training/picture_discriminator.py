"""Tells the renderer's pictures from the generator's, and so asks for the sharpness that a mean of guesses lacks.

It judges patches, and only their fine detail: colours and shapes are what regression gets right, and a discriminator
that sees them too learnt nothing in a thousand steps.

Source: the layout is PatchGAN's (arXiv 1611.07004).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperstyle.models.ops import LEAKY_SLOPE
from hyperstyle.training.adversarial import Game

WIDTHS = (24, 48, 96)
R1 = 1.0
DETAIL_PX = 5  # side of the mean that detail is what is left of
DETAIL_GAIN = 8.0  # brings it to about unit size
CROP_PX = 128  # what is local needs no whole picture, and a quarter of the pixels costs a quarter of the time


class PictureDiscriminator(nn.Module):
    """(B, 3, H, W) to one number per patch, (B, 1, about H / 4, about W / 4), high for the renderer's.

    Args:
        widths: Channels at full, half and quarter size.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        full, half, quarter = widths
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(3, full, 3, 1, 1),
                nn.Conv2d(full, half, 4, 2, 1),
                nn.Conv2d(half, quarter, 4, 2, 1),
                nn.Conv2d(quarter, quarter, 3, 1, 1),
                nn.Conv2d(quarter, 1, 3, 1, 1),
            ]
        )
        for conv in self.convs:
            nn.init.kaiming_normal_(cast(Tensor, conv.weight), a=LEAKY_SLOPE)
            nn.init.zeros_(cast(Tensor, conv.bias))

    def forward(self, picture: Tensor) -> Tensor:
        """Judge pictures."""
        edge = DETAIL_PX // 2
        coarse = F.avg_pool2d(F.pad(picture, (edge, edge, edge, edge), mode="reflect"), DETAIL_PX, 1)
        x = DETAIL_GAIN * (picture - coarse)
        for conv in self.convs[:-1]:
            x = F.leaky_relu(conv(x), LEAKY_SLOPE)
        return cast(Tensor, self.convs[-1](x))


class PictureGame(Game):
    """Judges a random crop of pictures, the same one of a made picture and its model.

    Args:
        device: Where the discriminator is.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__(PictureDiscriminator().to(device), R1)

    def play(self, made: Tensor, real: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
        """Learn from a crop, then judge it.

        Args:
            made, real: (B, 3, H, W).
            generator: Source of the crop's place.

        Returns:
            The maker's loss, a scalar, and the discriminator's.
        """
        height, width = (min(CROP_PX, side) for side in made.shape[2:])
        top = int(torch.randint(made.shape[2] - height + 1, (), generator=generator))
        left = int(torch.randint(made.shape[3] - width + 1, (), generator=generator))
        made = made[:, :, top : top + height, left : left + width]
        real = real[:, :, top : top + height, left : left + width]
        lost = self.practise(made, real)
        return self.verdict(made), lost
