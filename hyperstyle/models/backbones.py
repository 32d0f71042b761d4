"""The two residual trunks the other networks stand on. Widths, depths and strides are data.

Both are flat lists of units called `body`, with the parameter names of the published checkpoints.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.errors import ShapeMismatch


@dataclass(frozen=True)
class TrunkConfig:
    """Sizes of a trunk.

    Attributes:
        kind: "irse", the improved residual units of ArcFace with squeeze-excitation, or "resnet", basic blocks.
        stem_width: Channels after the first convolution.
        widths: Channels of each stage.
        units: Number of units in each stage.
        strides: Stride of each stage's first unit.
        in_channels: 3 for one picture, 6 for two stacked ones.
        stem_stride: Stride of the first convolution.
        se_reduction: Squeeze-excitation narrows channels by this factor; 0 leaves it out ("irse" only).
    """

    kind: Literal["irse", "resnet"]
    stem_width: int
    widths: tuple[int, ...]
    units: tuple[int, ...]
    strides: tuple[int, ...]
    in_channels: int = 3
    stem_stride: int = 1
    se_reduction: int = 16

    def __post_init__(self) -> None:
        """Check that the stages agree."""
        if self.kind not in ("irse", "resnet"):
            raise ShapeMismatch(f"A trunk is of kind 'irse' or 'resnet', not '{self.kind}'.")
        if not self.widths or not len(self.widths) == len(self.units) == len(self.strides):
            raise ShapeMismatch("A trunk needs as many widths as units and strides, and at least one of each.")

    def map_size(self, input_size: int) -> int:
        """Return the side of the final map for a square input of `input_size` px."""
        size = -(-input_size // self.stem_stride)
        for stride in self.strides:
            size = -(-size // stride)
        return size


PUBLISHED_IRSE50 = TrunkConfig("irse", 64, (64, 128, 256, 512), (3, 4, 14, 3), (2, 2, 2, 2))
PUBLISHED_IR101 = TrunkConfig("irse", 64, (64, 128, 256, 512), (3, 13, 30, 3), (2, 2, 2, 2), se_reduction=0)
PUBLISHED_RESNET34 = TrunkConfig(
    "resnet", 64, (64, 128, 256, 512), (3, 4, 6, 3), (1, 2, 2, 2), in_channels=6, stem_stride=2
)


class SqueezeExcitation(nn.Module):
    """Scale each channel by a factor computed from all channels' means.

    Source: Squeeze-and-Excitation Networks (arXiv 1709.01507).
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        factor = self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * factor.sigmoid()


class Subsample(nn.Module):
    """Keep every `stride`-th pixel."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, ceil(H / stride), ceil(W / stride))."""
        return x if self.stride == 1 else x[..., :: self.stride, :: self.stride]


class ImprovedResidual(nn.Module):
    """Unit of the "irse" trunk: norm, conv, PReLU, strided conv, norm, squeeze-excitation; no activation after the sum.

    Source: ArcFace (arXiv 1801.07698), section 3.2.
    """

    def __init__(self, ins: int, depth: int, stride: int, se_reduction: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module
        if ins == depth:
            self.shortcut_layer = Subsample(stride)
        else:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(ins, depth, 1, stride, bias=False), nn.BatchNorm2d(depth))
        layers: list[nn.Module] = [
            nn.BatchNorm2d(ins),
            nn.Conv2d(ins, depth, 3, 1, 1, bias=False),
            nn.PReLU(depth),
            nn.Conv2d(depth, depth, 3, stride, 1, bias=False),
            nn.BatchNorm2d(depth),
        ]
        if se_reduction:
            layers.append(SqueezeExcitation(depth, se_reduction))
        self.res_layer = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, depth, ceil(H / stride), ceil(W / stride))."""
        return cast(Tensor, self.res_layer(x) + self.shortcut_layer(x))


class BasicBlock(nn.Module):
    """Unit of the "resnet" trunk: two 3 x 3 convolutions with batch norm and a ReLU after the sum.

    Source: Deep Residual Learning (arXiv 1512.03385).
    """

    def __init__(self, ins: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample: nn.Module | None = None
        if stride != 1 or ins != width:
            self.downsample = nn.Sequential(nn.Conv2d(ins, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, width, ceil(H / stride), ceil(W / stride))."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Trunk(nn.Module):
    """A stem and stages of residual units.

    Args:
        config: Sizes.

    Attributes:
        config: The sizes.
        out_channels: Channels of the final map.
    """

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.config = config
        self.out_channels = config.widths[-1]
        units: list[nn.Module] = []
        ins = config.stem_width
        for width, count, first_stride in zip(config.widths, config.units, config.strides, strict=True):
            for unit in range(count):
                stride = first_stride if unit == 0 else 1
                if config.kind == "irse":
                    units.append(ImprovedResidual(ins, width, stride, config.se_reduction))
                else:
                    units.append(BasicBlock(ins, width, stride))
                ins = width
        self.body = nn.ModuleList(units)

    def stem(self, x: Tensor) -> Tensor:
        """Map the picture (B, in_channels, H, W) to (B, stem_width, H / stem_stride, W / stem_stride)."""
        raise NotImplementedError

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the map at the end of every stage, coarsest last.

        Args:
            x: (B, in_channels, H, W), pictures in [-1, 1].

        Raises:
            ShapeMismatch: The number of channels is another.
        """
        if x.ndim != 4 or x.shape[1] != self.config.in_channels:
            raise ShapeMismatch(f"This network reads (B, {self.config.in_channels}, H, W), not {tuple(x.shape)}.")
        ends = set(itertools.accumulate(self.config.units))
        maps = []
        x = self.stem(x)
        for index, unit in enumerate(self.body):
            x = unit(x)
            if index + 1 in ends:
                maps.append(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return the final map (B, out_channels, h, w)."""
        return self.features(x)[-1]


class IRSETrunk(Trunk):
    """Trunk of the W encoder and of the face recognition networks; its stem is a 3 x 3 convolution with PReLU."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__(config)
        self.input_layer = nn.Sequential(
            nn.Conv2d(config.in_channels, config.stem_width, 3, config.stem_stride, 1, bias=False),
            nn.BatchNorm2d(config.stem_width),
            nn.PReLU(config.stem_width),
        )

    def stem(self, x: Tensor) -> Tensor:
        """Map the picture (B, in_channels, H, W) to (B, stem_width, H / stem_stride, W / stem_stride)."""
        return cast(Tensor, self.input_layer(x))


class ResNetTrunk(Trunk):
    """Trunk of the hypernetwork; its stem is a 7 x 7 convolution with PReLU, and there is no pooling after it."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__(config)
        self.conv1 = nn.Conv2d(config.in_channels, config.stem_width, 7, config.stem_stride, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(config.stem_width)
        self.relu = nn.PReLU(config.stem_width)

    def stem(self, x: Tensor) -> Tensor:
        """Map the picture (B, in_channels, H, W) to (B, stem_width, H / stem_stride, W / stem_stride)."""
        return cast(Tensor, self.relu(self.bn1(self.conv1(x))))


def build_trunk(config: TrunkConfig) -> Trunk:
    """Build the trunk a config describes."""
    return IRSETrunk(config) if config.kind == "irse" else ResNetTrunk(config)
