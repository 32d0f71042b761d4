"""Pictures in the size a network reads."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hyperstyle.errors import ShapeMismatch


def pool_to(x: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Bring pictures to a size whatever theirs is: average them down or, where they are smaller, interpolate them up.

    Args:
        x: (B, 3, H, W).
        size: Height and width in px, or one number for both.
    """
    wanted = (size, size) if isinstance(size, int) else size
    height, width = x.shape[-2:]
    if (height, width) == wanted:
        return x
    if height >= wanted[0] and width >= wanted[1]:
        return F.adaptive_avg_pool2d(x, wanted)
    return F.interpolate(x, wanted, mode="bilinear", align_corners=False)


def pool_down(picture: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Average a picture down to the size the networks read.

    Args:
        picture: (B, 3, H, W), of the same proportions, that size or larger.
        size_hw: In px.

    Returns:
        (B, 3, *size_hw).

    Raises:
        ShapeMismatch: The picture has other proportions, is not RGB or smaller.
    """
    check_picture(picture, size_hw)
    return picture if tuple(picture.shape[2:]) == size_hw else F.adaptive_avg_pool2d(picture, size_hw)


def check_picture(picture: Tensor, size_hw: tuple[int, int]) -> None:
    """Refuse what is not a batch of RGB pictures of given proportions and at least that size; raises as `pool_down`."""
    height, width = size_hw
    wrong = picture.ndim != 4 or picture.shape[1] != 3
    if wrong or picture.shape[2] * width != picture.shape[3] * height or picture.shape[2] < height:
        shape = "square" if height == width else f"{width}:{height}"
        raise ShapeMismatch(
            f"An inversion needs {shape} RGB pictures (B, 3, H, W) of {width} x {height} px or more, "
            f"not {tuple(picture.shape)}."
        )
