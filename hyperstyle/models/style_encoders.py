"""Encoders into W+: one latent per layer input.

They are what HyperStyle is compared with, and what stylised generators are driven by. One class covers e4e, pSp and
ReStyle; they differ in what their heads read, in how rows are put together, and in whether they look at one picture or
at a picture beside its reconstruction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.backbones import PUBLISHED_IRSE50, PUBLISHED_RESNET34, TrunkConfig, build_trunk
from hyperstyle.models.ops import EqualLinear

# Rows of W+ by the level of the feature pyramid they read: 0 to 2 the coarse map, 3 to 6 the middle one, 7 on the fine.
COARSE_ROWS, MIDDLE_ROWS = 3, 7
# Plain leaky ReLUs outside the generator have PyTorch's default slope.
SLOPE = 0.01
# Side of the map that the whole-map encoder pools to before its linear layers.
POOLED_SIDE = 7


@dataclass(frozen=True)
class StyleEncoderConfig:
    """Sizes of an encoder into W+.

    Attributes:
        trunk: Sizes of the trunk; 6 input channels for ReStyle, which also sees the current reconstruction.
        num_ws: Rows L of `w_plus`.
        w_dim: Width of `w`.
        reads: What the heads look at: "pyramid", three maps with lateral connections (pSp, e4e); "last", the trunk's
            last map (ReStyle); "whole", one linear layer over the last map for all rows together.
        combine: "rows", every head gives a row; "offsets", the first gives `w` and every other an offset from it (e4e).
        input_size: Side in px of the pictures it was trained on.
        head_width: Hidden channels of the heads' convolutions; 0 for `w_dim`, as published.
    """

    trunk: TrunkConfig
    num_ws: int
    w_dim: int = 512
    reads: Literal["pyramid", "last", "whole"] = "pyramid"
    combine: Literal["rows", "offsets"] = "rows"
    input_size: int = 256
    head_width: int = 0


PublishedEncoder = Literal["e4e", "psp", "restyle_e4e", "restyle_psp", "restyle_psp_pyramid", "psp_whole"]


def published_style_encoder(
    kind: PublishedEncoder, num_ws: int, backbone: Literal["irse50", "resnet34"] = "irse50"
) -> StyleEncoderConfig:
    """Return the sizes of a published encoder.

    Args:
        kind: "e4e" (`Encoder4Editing`), "psp" (`GradualStyleEncoder`), "restyle_e4e" (`ProgressiveBackboneEncoder`),
            "restyle_psp" (`BackboneEncoder`), "restyle_psp_pyramid" (`GradualStyleEncoder` with two pictures) or
            "psp_whole" (`BackboneEncoderUsingLastLayerIntoWPlus`).
        num_ws: 18 for 1024 px, 16 for 512 px, 14 for 256 px.
        backbone: Trunk.
    """
    restyle = kind.startswith("restyle")
    trunk = replace(PUBLISHED_IRSE50 if backbone == "irse50" else PUBLISHED_RESNET34, in_channels=6 if restyle else 3)
    reads: Literal["pyramid", "last", "whole"] = "pyramid"
    if kind in ("restyle_e4e", "restyle_psp"):
        reads = "last"
    elif kind == "psp_whole":
        reads = "whole"
    combine: Literal["rows", "offsets"] = "offsets" if kind.endswith("e4e") else "rows"
    return StyleEncoderConfig(trunk, num_ws, reads=reads, combine=combine)


class StyleHead(nn.Module):
    """From a feature map to one row: strided convolutions down to one pixel, then a linear layer.

    Args:
        ins: Channels of the map.
        w_dim: Width of the row.
        side: Side of the map for the encoder's own input size.
        width: Hidden channels.

    Source: pSp (arXiv 2008.00951), "map2style".
    """

    def __init__(self, ins: int, w_dim: int, side: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(math.ceil(math.log2(side))):
            layers += [nn.Conv2d(ins, width, 3, 2, 1), nn.LeakyReLU(SLOPE)]
            ins = width
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(width, w_dim)

    def forward(self, feature: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, w_dim)."""
        return cast(Tensor, self.linear(self.convs(feature).flatten(1)))


class StyleEncoder(nn.Module):
    """Predict one latent per layer input, relative to an average latent, `w_avg`, that the caller adds.

    Args:
        config: Sizes.

    Attributes:
        w_avg: (w_dim,) the average latent it was trained with.

    Source: pSp (arXiv 2008.00951), e4e (arXiv 2102.02766), ReStyle (arXiv 2104.02699).
    """

    w_avg: Tensor

    def __init__(self, config: StyleEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        self.trunk = build_trunk(config.trunk)
        widths, side = config.trunk.widths, config.trunk.map_size(config.input_size)
        if config.reads == "whole":
            # Drop-out does not occur here; place 1 is the pooling, as in published files.
            self.output_layer_2 = nn.Sequential(
                nn.BatchNorm2d(widths[-1]),
                nn.AdaptiveAvgPool2d(POOLED_SIDE),
                nn.Flatten(),
                nn.Linear(widths[-1] * POOLED_SIDE**2, config.w_dim),
            )
            self.linear = EqualLinear(config.w_dim, config.w_dim * config.num_ws)
            return
        sides = [side] * config.num_ws
        if config.reads == "pyramid":
            if len(widths) < 3:
                raise ShapeMismatch("An encoder with a feature pyramid needs a trunk of three stages or more.")
            sides = [side * (1 if row < COARSE_ROWS else 2 if row < MIDDLE_ROWS else 4) for row in range(config.num_ws)]
            self.latlayer1 = nn.Conv2d(widths[-2], widths[-1], 1)
            self.latlayer2 = nn.Conv2d(widths[-3], widths[-1], 1)
        width = config.head_width or config.w_dim
        self.styles = nn.ModuleList([StyleHead(widths[-1], config.w_dim, s, width) for s in sides])

    def forward(self, x: Tensor) -> Tensor:
        """Predict latents.

        Args:
            x: (B, 3, H, W) pictures in [-1, 1], or (B, 6, H, W): pictures and what is drawn for them now.

        Returns:
            (B, L, w_dim), to which the caller adds an average latent or, in ReStyle's later steps, the last one.

        Raises:
            ShapeMismatch: The number of channels is another.
        """
        maps = self.trunk.features(x)
        if self.config.reads == "whole":
            flat = self.linear(self.output_layer_2(maps[-1]))
            return cast(Tensor, flat.view(len(x), self.config.num_ws, self.config.w_dim))
        if self.config.reads == "pyramid":
            coarse = maps[-1]
            middle = _enlarge(coarse, maps[-2]) + self.latlayer1(maps[-2])
            fine = _enlarge(middle, maps[-3]) + self.latlayer2(maps[-3])
            read = [coarse] * COARSE_ROWS + [middle] * (MIDDLE_ROWS - COARSE_ROWS) + [fine] * len(self.styles)
        else:
            read = [maps[-1]] * len(self.styles)
        # The list of maps may be longer than the encoder has rows.
        rows = torch.stack([head(feature) for head, feature in zip(self.styles, read, strict=False)], dim=1)
        if self.config.combine == "offsets":
            rows = torch.cat((rows[:, :1], rows[:, :1] + rows[:, 1:]), dim=1)
        return rows


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    """Interpolate a map to another's size, corners on corners as in the published encoders."""
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)
