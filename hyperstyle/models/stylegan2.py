"""The StyleGAN2 generator in two steps: `to_styles` turns latents into per-layer styles, `render` draws from styles.

Edits in W+ change what goes into the first step, StyleSpace edits change what goes into the second, and weight
offsets join in the second, so that every kind of edit meets in one path.

Parameter names are those of the published checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.errors import ShapeMismatch
from hyperstyle.latents import Deltas, Styles
from hyperstyle.models.layer_table import GeneratorConfig, LayerSpec, layer_table
from hyperstyle.models.ops import (
    ACTIVATION_GAIN,
    LEAKY_SLOPE,
    EqualLinear,
    fir_kernel,
    scaled_conv,
    upsample_picture,
)

Noise = Literal["const", "random", "none"] | Sequence[Tensor]


class PixelNorm(nn.Module):
    """Scale each vector to unit mean square."""

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, C) to (B, C)."""
        return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)


class ConstantInput(nn.Module):
    """The learnt 4 x 4 map every picture starts from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class NoiseStrength(nn.Module):
    """One learnt number: how strongly a layer's noise map is added."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class ActivationBias(nn.Module):
    """The bias inside a layer's leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class ModulatedConv(nn.Module):
    """Weight of a modulated convolution and the affine map that makes its style."""

    def __init__(self, spec: LayerSpec, w_dim: int) -> None:
        super().__init__()
        shape = (1, spec.out_channels, spec.in_channels, spec.kernel, spec.kernel)
        self.weight = nn.Parameter(torch.randn(shape))
        self.modulation = EqualLinear(w_dim, spec.in_channels, bias_init=1.0)


class StyledConv(nn.Module):
    """3 x 3 layer: modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, spec: LayerSpec, w_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(spec, w_dim)
        self.noise = NoiseStrength()
        self.activate = ActivationBias(spec.out_channels)
        self.up = spec.up

    def forward(self, x: Tensor, style: Tensor, delta: Tensor | None, noise: Tensor | None, kernel: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H, W), or twice the size for an up layer."""
        y, factor = scaled_conv(x, self.conv.weight, style, delta, demodulate=True, up=self.up, kernel=kernel)
        assert factor is not None
        # The gain of sqrt(2) passes through a leaky ReLU, so it is multiplied into the small factors, not the big map.
        offset = self.activate.bias[None, :, None, None] * ACTIVATION_GAIN
        if noise is not None:
            offset = offset + noise * (self.noise.weight * ACTIVATION_GAIN)
        return F.leaky_relu_(torch.addcmul(offset, y, factor * ACTIVATION_GAIN), LEAKY_SLOPE)


class ToRGB(nn.Module):
    """1 x 1 layer that draws a feature map into the picture; its style is not demodulated."""

    def __init__(self, spec: LayerSpec, w_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(spec, w_dim)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor, delta: Tensor | None) -> Tensor:
        """Map (B, in, H, W) to (B, 3, H, W)."""
        weight = self.conv.weight / math.sqrt(x.shape[1])
        if delta is not None:
            weight = weight * (1 + delta)
        # Three rows per sample are cheaper to modulate than the whole feature map.
        weight = (weight[..., 0, 0] * style[:, None, :]).expand(x.shape[0], -1, -1)  # (B, 3, in)
        picture = torch.bmm(weight, x.flatten(2)).reshape(x.shape[0], 3, *x.shape[2:])
        return picture + self.bias


class Generator(nn.Module):
    """StyleGAN2 generator of any size, with optional relative weight offsets.

    Args:
        config: Sizes. The layer table follows from them.

    Attributes:
        config: The sizes.
        layers: One row per layer, in the order they run.
        num_ws: Rows L of `w_plus`.
        w_avg: (w_dim,) mean of the mapping network's output, the origin of truncation and of encoders.

    Source: StyleGAN2 (arXiv 1912.04958); weight offsets from HyperStyle (arXiv 2111.15666).
    """

    w_avg: Tensor
    kernel: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.layers: tuple[LayerSpec, ...] = layer_table(config)
        self.num_ws = config.num_ws
        widths = [config.z_dim] + [config.w_dim] * config.mapping_layers
        # The first entry has no parameters, so that the fully connected layers count from 1 as in published files.
        mapping: list[nn.Module] = [PixelNorm() if config.normalize_z else nn.Identity()]
        for ins, outs in pairwise(widths):
            mapping.append(EqualLinear(ins, outs, lr_mul=config.mapping_lr_mul, activate=True))
        self.style = nn.Sequential(*mapping)
        self.input = ConstantInput(config.channels[4])
        rows = {spec.name: spec for spec in self.layers}
        self.conv1 = StyledConv(rows["conv1"], config.w_dim)
        self.to_rgb1 = ToRGB(rows["to_rgb1"], config.w_dim)
        named_convs = [spec for spec in self.layers if spec.name.startswith("convs.")]
        self.convs = nn.ModuleList([StyledConv(spec, config.w_dim) for spec in named_convs])
        named_rgbs = [spec for spec in self.layers if spec.name.startswith("to_rgbs.")]
        self.to_rgbs = nn.ModuleList([ToRGB(spec, config.w_dim) for spec in named_rgbs])
        self.noises = nn.Module()
        for spec in self.layers:
            if spec.noise_index is not None:
                shape = (1, 1, spec.resolution, spec.resolution)
                self.noises.register_buffer(f"noise_{spec.noise_index}", torch.randn(shape))
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        # On the CPU even where parameters are built without memory: no file brings it.
        self.register_buffer("kernel", fir_kernel(gain=4.0), persistent=False)

    def map(self, z: Tensor, truncation_psi: float = 1.0) -> Tensor:
        """Map inputs to latents.

        Args:
            z: (B, z_dim), standard normal unless the generator was trained on something else.
            truncation_psi: 1 leaves `w` alone; smaller values pull it towards `w_avg`.

        Returns:
            (B, w_dim).

        Raises:
            ShapeMismatch: `z` has another width.
        """
        if z.ndim != 2 or z.shape[1] != self.config.z_dim:
            raise ShapeMismatch(f"The generator maps (B, {self.config.z_dim}) inputs, not {tuple(z.shape)}.")
        w = cast(Tensor, self.style(z))
        return w if truncation_psi == 1.0 else torch.lerp(self.w_avg, w, truncation_psi)

    def to_styles(self, w_plus: Tensor) -> Styles:
        """Turn latents into the styles of all layers.

        Args:
            w_plus: (B, L, w_dim), one row per layer input.

        Returns:
            One (B, in_channels) tensor per row of the layer table, in table order.

        Raises:
            ShapeMismatch: `w_plus` does not have this generator's L or w_dim.
        """
        if w_plus.ndim != 3 or w_plus.shape[1:] != (self.num_ws, self.config.w_dim):
            raise ShapeMismatch(
                f"This generator reads latents of shape (B, {self.num_ws}, {self.config.w_dim}), "
                f"not {tuple(w_plus.shape)}."
            )
        return tuple(self._layer(spec).conv.modulation(w_plus[:, spec.w_index]) for spec in self.layers)

    def render(
        self,
        styles: Styles,
        deltas: Deltas | None = None,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Tensor:
        """Draw images from per-layer styles, optionally through adapted weights.

        Args:
            styles: One (B, in_channels) tensor per row of the layer table, in table order.
            deltas: Relative weight offsets by layer name, each broadcastable to (B, out, in, k, k); effective weight
                is weight x (1 + delta). A missing layer leaves that weight unchanged.
            noise: "const" uses the stored maps and repeats exactly; "random" draws anew on every call; "none"
                disables it; a sequence gives one (1 or B, 1, H, W) map per 3 x 3 layer.
            resolution: Stop after this resolution's block and return its picture; None draws the full size.

        Returns:
            (B, 3, H, W) float RGB, nominally in [-1, 1]; values may overshoot.

        Raises:
            ShapeMismatch: A style's width differs from its layer, a delta names an unknown layer or does not fit its
                weight, or the resolution is not one of this generator's.

        Source: HyperStyle (arXiv 2111.15666), weight-offset equation; modulation from StyleGAN2 (arXiv 1912.04958).
        """
        deltas = {} if deltas is None else deltas
        self.check(styles, deltas, resolution)
        last = self.config.resolution if resolution is None else resolution
        batch = styles[0].shape[0]
        x = self.input.input.expand(batch, -1, -1, -1)
        picture: Tensor | None = None
        for spec, style in zip(self.layers, styles, strict=True):
            if spec.resolution > last:
                break
            layer, delta = self._layer(spec), deltas.get(spec.name)
            if isinstance(layer, ToRGB):
                drawn = layer(x, style, delta)
                picture = drawn if picture is None else drawn + upsample_picture(picture)
            else:
                x = layer(x, style, delta, self._noise(spec, noise, batch, x), self.kernel)
        assert picture is not None
        return picture

    def _layer(self, spec: LayerSpec) -> StyledConv | ToRGB:
        """Return the module of a table row."""
        return cast("StyledConv | ToRGB", self.get_submodule(spec.name))

    def _noise(self, spec: LayerSpec, noise: Noise, batch: int, like: Tensor) -> Tensor | None:
        """Return a layer's noise map, or None."""
        if spec.noise_index is None or noise == "none":
            return None
        if noise == "const":
            return cast(Tensor, getattr(self.noises, f"noise_{spec.noise_index}"))
        if noise == "random":
            size = spec.resolution
            return torch.randn((batch, 1, size, size), device=like.device, dtype=like.dtype)
        return noise[spec.noise_index]

    def check(self, styles: Styles, deltas: Deltas, resolution: int | None) -> None:
        """Refuse styles, deltas and resolutions that do not fit the layer table."""
        if len(styles) != len(self.layers):
            raise ShapeMismatch(f"The generator has {len(self.layers)} layers but was given {len(styles)} styles.")
        for spec, style in zip(self.layers, styles, strict=True):
            if style.ndim != 2 or style.shape[1] != spec.in_channels:
                raise ShapeMismatch(
                    f"The style of layer {spec.name} must have shape (B, {spec.in_channels}), not {tuple(style.shape)}."
                )
        if resolution is not None and resolution not in self.config.channels:
            known = ", ".join(str(size) for size in self.config.channels)
            raise ShapeMismatch(f"The generator draws at {known} px, not at {resolution} px.")
        by_name = {spec.name: spec for spec in self.layers}
        for name, delta in deltas.items():
            if name not in by_name:
                raise ShapeMismatch(f"The generator has no layer named {name}, so its weight offset cannot be applied.")
            check_delta(by_name[name], delta, styles[0].shape[0])


def check_delta(spec: LayerSpec, delta: Tensor, batch: int) -> None:
    """Refuse a delta that does not broadcast to (B, out, in, k, k)."""
    full = (batch, spec.out_channels, spec.in_channels, spec.kernel, spec.kernel)
    shape = (1,) * (5 - delta.ndim) + tuple(delta.shape)
    if len(shape) != 5 or any(have not in (1, want) for have, want in zip(shape, full, strict=True)):
        raise ShapeMismatch(
            f"The weight offset of layer {spec.name} has shape {tuple(delta.shape)}, which does not fit {full}."
        )


def repeat_w(w: Tensor, num_ws: int) -> Tensor:
    """Give every layer the same latent.

    Args:
        w: (B, w_dim).
        num_ws: Rows L of the result.

    Returns:
        (B, L, w_dim), a view.
    """
    return w[:, None, :].expand(-1, num_ws, -1)
