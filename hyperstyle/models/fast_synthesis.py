"""Drawing pictures quickly: the arithmetic of `stylegan2.Generator`, arranged for a machine's memory.

    deltas --prepare, once per face--> weights x (1 + delta) --render, once per picture--> picture

What takes time in the plain generator, beside its convolutions, is walking over large feature maps: to multiply them by
styles, to add noise and bias, to activate, to blur, and to have the memory for each result handed out anew. So here

- offsets and the constant scale are multiplied into the weights once per face, in the type of the arithmetic;
- where a map is larger than its layer's weights, style, demodulation and the activation's gain go into the weights too;
- large blocks are drawn in strips of rows that stay in the processor's cache, and whose memory is used again;
- channels lie next to each other, every pass is in place, and only the picture itself stays in float32.

`Generator.render` is the twin that tests and `benchmark` hold this against.

Source: StyleGAN2 (arXiv 1912.04958); the equations are those of `ops.modulated_conv_reference`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.errors import ShapeMismatch
from hyperstyle.latents import Deltas, Styles
from hyperstyle.models.layer_table import GeneratorConfig, LayerSpec
from hyperstyle.models.ops import ACTIVATION_GAIN, DEMODULATION_EPSILON, LEAKY_SLOPE, fir_kernel
from hyperstyle.models.stylegan2 import Generator, Noise, check_delta

# A strip's feature map: small enough for a second-level cache and for memory that the allocator keeps, large enough
# that the rows two strips share cost little.
STRIP_BYTES = 4 * 2**20
MIN_STRIP_ROWS = 16


@dataclass(frozen=True, eq=False)
class PreparedWeights:
    """A generator's weights adapted to one or several faces, ready to draw with.

    Attributes:
        weights: By tuned layer (F, out, in, k, k), scaled and with the offset in them; F is 1 where all faces share it.
        energies: By tuned layer that is demodulated (F, out, in) float32, sums of the squared weight over its taps.
        faces: The largest F, 1 if nothing is tuned.
    """

    weights: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))
    energies: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def faces(self) -> int:
        """Number of faces it holds, 1 if none of its layers tells faces apart."""
        return max((weight.shape[0] for weight in self.weights.values()), default=1)

    @property
    def nbytes(self) -> int:
        """Memory it holds; layers without an offset are the generator's own and count nothing."""
        held = (*self.weights.values(), *self.energies.values())
        return sum(tensor.untyped_storage().nbytes() for tensor in held)


class FastSynthesis:
    """Draw what a generator draws, faster.

    Holds a copy of the weights as they are now: a generator that is trained further needs a new one. Like the
    generator it is never changed by drawing, and safe to share between threads.

    Args:
        generator: In evaluation mode, on the device where pictures are to be drawn.
        dtype: Type of the arithmetic, see `precision.fast_dtype`; pictures and the skip path stay float32.

    Attributes:
        generator: The plain twin.
        config, layers, num_ws, w_avg: As the generator's.
        dtype: Type of the arithmetic.
    """

    def __init__(self, generator: Generator, dtype: torch.dtype = torch.float32) -> None:
        self.generator = generator
        self.config: GeneratorConfig = generator.config
        self.layers: tuple[LayerSpec, ...] = generator.layers
        self.num_ws: int = generator.num_ws
        self.w_avg: Tensor = generator.w_avg
        self.dtype = dtype
        state = {name: tensor.detach() for name, tensor in generator.named_parameters()}
        self._on_cpu = generator.w_avg.device.type == "cpu"
        self._input = _settle(state["input.input"], dtype)
        self._base: dict[str, Tensor] = {}  # (1, out, in, k, k), scaled
        self._plain: dict[str, Tensor] = {}  # the same as `_lay_out` returns it
        self._energies: dict[str, Tensor] = {}
        self._biases: dict[str, Tensor] = {}
        self._strengths: dict[str, float] = {}
        self._noises: dict[str, Tensor] = {}
        for spec in self.layers:
            scale = 1 / math.sqrt(spec.in_channels * spec.kernel**2)
            # The three rows of a toRGB layer are rounded only once a style is in them.
            base = _taps_first(state[f"{spec.name}.conv.weight"] * scale, torch.float32 if spec.is_to_rgb else dtype)
            self._base[spec.name] = base
            self._plain[spec.name] = _lay_out(base, spec)
            if spec.is_to_rgb:
                self._biases[spec.name] = state[f"{spec.name}.bias"].float()
                continue
            self._energies[spec.name] = _energy(base)
            self._biases[spec.name] = (state[f"{spec.name}.activate.bias"] * ACTIVATION_GAIN).to(dtype)
            strength = float(state[f"{spec.name}.noise.weight"]) * ACTIVATION_GAIN
            self._strengths[spec.name] = strength
            if strength:
                stored = cast(Tensor, getattr(generator.noises, f"noise_{spec.noise_index}"))
                self._noises[spec.name] = (stored * strength).to(dtype)
        self._fir = fir_kernel(gain=4.0).to(self._input)  # its sixteenths are exact in every type

    def to_styles(self, w_plus: Tensor) -> Styles:
        """Turn latents into styles; as `Generator.to_styles`."""
        return self.generator.to_styles(w_plus)

    @torch.no_grad()
    def prepare(self, deltas: Deltas | None = None, strength: float = 1.0) -> PreparedWeights:
        """Put offsets into the weights, once for all pictures drawn with them.

        Args:
            deltas: As in `Generator.render`; in the type of the arithmetic no conversion is needed.
            strength: Multiplies the offsets.

        Raises:
            ShapeMismatch: A delta names an unknown layer or does not fit its weight.
        """
        weights: dict[str, Tensor] = {}
        energies: dict[str, Tensor] = {}
        rows = {spec.name: spec for spec in self.layers}
        for name, delta in (deltas or {}).items():
            if name not in rows:
                raise ShapeMismatch(f"The generator has no layer named {name}, so its weight offset cannot be applied.")
            delta = delta.reshape((1,) * (5 - delta.ndim) + tuple(delta.shape))
            check_delta(rows[name], delta, len(delta))
            base = self._base[name]
            # One rounding: the sum is formed before it is stored.
            weight = torch.addcmul(base, base, delta.to(base), value=strength)
            weights[name] = _lay_out(weight, rows[name])
            if name in self._energies:
                energies[name] = _energy(weight)
        return PreparedWeights(weights, energies)

    @torch.no_grad()
    def blend(self, prepared: PreparedWeights, strength: float) -> PreparedWeights:
        """Weaken prepared offsets without knowing them.

        Args:
            prepared: From `prepare`, of strength 1.
            strength: 0 gives the plain generator, 1 `prepared`. Beyond 1 the rounding of bfloat16 grows with it.
        """
        weights = {name: torch.lerp(self._plain[name], full, strength) for name, full in prepared.weights.items()}
        return PreparedWeights(weights, {name: _energy(weights[name]) for name in prepared.energies})

    @torch.no_grad()
    def render(
        self,
        styles: Styles,
        deltas: PreparedWeights | Deltas | None = None,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Tensor:
        """Draw images from per-layer styles; the same pictures as `Generator.render`, to rounding.

        Args:
            styles: As there.
            deltas: From `prepare`, or offsets to prepare for this one picture.
            noise: As there; "random" draws the same maps under the same seed.
            resolution: As there.

        Returns:
            (B, 3, H, W) float32 RGB, nominally in [-1, 1].

        Raises:
            ShapeMismatch: As there, or the prepared weights are of another number of faces.
        """
        self.generator.check(styles, {}, resolution)
        batch = styles[0].shape[0]
        prepared = deltas if isinstance(deltas, PreparedWeights) else self.prepare(deltas)
        if prepared.faces not in (1, batch):
            raise ShapeMismatch(f"The prepared weights are of {prepared.faces} faces, the styles of {batch}.")
        last = self.config.resolution if resolution is None else resolution
        maps = self._noise_maps(noise, batch, last)
        shared = self._shared_until(batch, last)
        x = self._input.expand(batch, -1, -1, -1)
        picture: Tensor | None = None
        faces = _Drawing(self, prepared, styles, maps)
        for size in self.config.channels:
            if size <= shared:
                x, picture = faces.block(size, x, picture)
        if shared == last:
            return cast(Tensor, picture)
        # From here on one face after the other: its maps are larger than its weights.
        pictures = []
        for face in range(batch):
            one = faces.one(face)
            y, drawn = x[face : face + 1], None if picture is None else picture[face : face + 1]
            for size in self.config.channels:
                if shared < size <= last:
                    y, drawn = one.folded_block(size, y, drawn, is_last=size == last)
            pictures.append(cast(Tensor, drawn))
        return torch.cat(pictures) if batch > 1 else pictures[0]

    def _shared_until(self, batch: int, last: int) -> int:
        """Last resolution at which scaling the maps of the whole batch is cheaper than scaling its weights."""
        chosen = 0
        for size, width in self.config.channels.items():
            specs = [spec for spec in self.layers if spec.resolution == size and not spec.is_to_rgb]
            maps = sum(
                spec.in_channels * (size // 2 if spec.up else size) ** 2 + 2 * width * size * size for spec in specs
            )
            weights = sum(2 * spec.in_channels * spec.out_channels * spec.kernel**2 for spec in specs)
            # A GPU has the bandwidth for whole batches; a processor does not, whatever the batch.
            if size > last or (maps > weights and (self._on_cpu or batch == 1)):
                break
            chosen = size
        return chosen

    def _noise_maps(self, noise: Noise, batch: int, last: int) -> dict[str, Tensor]:
        """Noise to add by layer, with strength and gain in it; layers that add none are left out."""
        if noise == "none":
            return {}
        if noise == "const":
            return self._noises
        maps = {}
        for spec in self.layers:
            if spec.noise_index is None or spec.resolution > last:
                continue
            if noise == "random":  # drawn even where the strength is zero, so that a seed means the same as in the twin
                drawn = torch.randn((batch, 1, spec.resolution, spec.resolution), device=self.w_avg.device)
            else:
                drawn = noise[spec.noise_index]
            if self._strengths[spec.name]:
                maps[spec.name] = (drawn * self._strengths[spec.name]).to(self.dtype)
        return maps


class _Drawing:
    """One call of `FastSynthesis.render`: the weights, styles and noise of its faces."""

    def __init__(
        self, owner: FastSynthesis, prepared: PreparedWeights, styles: Styles, maps: Mapping[str, Tensor]
    ) -> None:
        self.owner = owner
        self.prepared = prepared
        self.styles = dict(zip((spec.name for spec in owner.layers), styles, strict=True))
        self.maps = maps
        self.batch = styles[0].shape[0]

    def one(self, face: int) -> _Drawing:
        """The same for one face alone."""

        def pick(tensor: Tensor) -> Tensor:
            return tensor if tensor.shape[0] == 1 else tensor[face : face + 1]

        prepared = PreparedWeights(
            {name: pick(weight) for name, weight in self.prepared.weights.items()},
            {name: pick(energy) for name, energy in self.prepared.energies.items()},
        )
        styles = tuple(style[face : face + 1] for style in self.styles.values())
        return _Drawing(self.owner, prepared, styles, {name: pick(noise) for name, noise in self.maps.items()})

    # small maps: the whole batch, styles on the maps

    def block(self, size: int, x: Tensor, picture: Tensor | None) -> tuple[Tensor, Tensor]:
        """Draw one resolution for the whole batch."""
        for spec in self.owner.layers:
            if spec.resolution != size:
                continue
            weight, style = self._weight(spec), self.styles[spec.name]
            if spec.is_to_rgb:
                drawn = _to_rgb(x, weight[..., 0, 0].float() * style[:, None, :].float())
                drawn += self.owner._biases[spec.name]
                picture = drawn if picture is None else drawn.add_(_double(picture))
                continue
            x = x * style.to(x.dtype)[:, :, None, None]
            y = _grouped(x, weight, spec.up)
            if spec.up:
                y = self._blur(y, None)
            factor = (self._demodulation(spec, style) * ACTIVATION_GAIN).to(y.dtype)[:, :, None, None]
            offset = self.owner._biases[spec.name][:, None, None]
            if spec.name in self.maps:
                offset = offset + self.maps[spec.name]
            x = F.leaky_relu_(y.mul_(factor).add_(offset), LEAKY_SLOPE)
        return x, cast(Tensor, picture)

    # large maps: one face, styles in the weights, in strips

    def folded_block(self, size: int, x: Tensor, picture: Tensor | None, is_last: bool) -> tuple[Tensor, Tensor]:
        """Draw one resolution for one face."""
        owner = self.owner
        specs = [spec for spec in owner.layers if spec.resolution == size]
        convs, rgb = [spec for spec in specs if not spec.is_to_rgb], specs[-1]
        weights = [self._folded(spec) for spec in convs]
        rgb_weight = (self._weight(rgb)[..., 0, 0].float() * self.styles[rgb.name][:, None, :].float()).to(x.dtype)
        drawn = owner._biases[rgb.name].expand(1, -1, size, size)
        drawn = drawn.clone() if picture is None else _double(picture).add_(owner._biases[rgb.name])
        height = self._strip_rows(size, rgb.in_channels)
        if height >= size:
            for spec, weight in zip(convs, weights, strict=True):
                x = self._layer_rows(spec, weight, x, 0, size)
            drawn += _to_rgb(x, rgb_weight)
            return x, drawn
        features: Tensor | None = None  # nothing reads the last block's
        if not is_last:
            shape = (1, rgb.in_channels, size, size)
            features = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        for top in range(0, size, height):
            bottom = min(size, top + height)
            # The second convolution reads one row more on each side; an up-layer draws rows in pairs.
            first, end = max(0, top - 2), min(size, bottom + 2)
            y = self._layer_rows(convs[0], weights[0], x, first, end)
            y = self._layer_rows(convs[1], weights[1], y, top, bottom, offset=first)
            drawn[:, :, top:bottom] += _to_rgb(y, rgb_weight)
            if features is not None:
                features[:, :, top:bottom] = y
        return x if features is None else features, drawn

    def _strip_rows(self, size: int, width: int) -> int:
        """Rows of a strip, an even number."""
        if not self.owner._on_cpu:
            return size
        row = size * width * self.owner.dtype.itemsize
        return max(MIN_STRIP_ROWS, STRIP_BYTES // row // 2 * 2)

    def _layer_rows(self, spec: LayerSpec, weight: Tensor, x: Tensor, top: int, bottom: int, offset: int = 0) -> Tensor:
        """Rows `top` to `bottom` of a layer's output, from a map whose first row is number `offset`."""
        owner = self.owner
        bias = owner._biases[spec.name]
        if spec.up:
            y = self._up_rows(x, weight, bias, top, bottom, spec.resolution)
        else:
            y = _plain_rows(x, weight, bias, top - offset, bottom - offset, spec)
        if spec.name in self.maps:
            y += self.maps[spec.name][:, :, top:bottom]
        return F.leaky_relu_(y, LEAKY_SLOPE)

    def _up_rows(self, x: Tensor, weight: Tensor, bias: Tensor, top: int, bottom: int, size: int) -> Tensor:
        """Rows `top` to `bottom` (even) of an up-convolution of a whole map with its blur."""
        first, end = max(0, top // 2 - 1), min(size // 2, bottom // 2 + 1)
        y = _grouped(x[:, :, first:end], weight, up=True)  # row r of it is row 2 first + r of the whole
        at_top, at_bottom = top == 0, bottom == size
        if at_top or at_bottom:
            # Zeros beyond the border on both sides; on a side that is no border they spoil one row, which is dropped.
            y = self._blur(y[:, :, 0 if at_top else 1 : None if at_bottom else -1], bias)
            return y[:, :, 0 if at_top else 1 : None if at_bottom else -1]
        return self._blur(y[:, :, 1:-1], bias, rows_padded=0)

    def _blur(self, x: Tensor, bias: Tensor | None, rows_padded: int = 1) -> Tensor:
        """StyleGAN2's filter after an up-convolution."""
        channels = x.shape[1]
        kernel = self.owner._fir.expand(channels, 1, 4, 4)
        return F.conv2d(x, kernel, bias, padding=(rows_padded, 1), groups=channels)

    def _weight(self, spec: LayerSpec) -> Tensor:
        prepared = self.prepared.weights.get(spec.name)
        return self.owner._plain[spec.name] if prepared is None else prepared

    def _demodulation(self, spec: LayerSpec, style: Tensor) -> Tensor:
        """Factor (B, out) that gives each sample's output channels unit variance."""
        energy = self.prepared.energies.get(spec.name)
        energy = self.owner._energies[spec.name] if energy is None else energy
        power = style.float().square()
        total = power @ energy[0].t() if len(energy) == 1 else torch.bmm(energy, power[:, :, None])[:, :, 0]
        return torch.rsqrt(total + DEMODULATION_EPSILON)

    def _folded(self, spec: LayerSpec) -> Tensor:
        """One face's weight (1, out, in, k, k) with style, demodulation and gain in it."""
        style = self.styles[spec.name].float()
        factor = self._demodulation(spec, style) * ACTIVATION_GAIN
        # In the memory order of the weight, or the product would jump about in one of the two.
        both = style[:, :, None] * factor[:, None, :] if spec.up else style[:, None, :] * factor[:, :, None]
        both = both.to(self.owner.dtype)
        return self._weight(spec) * (both.transpose(1, 2) if spec.up else both)[..., None, None]


def _double(picture: Tensor) -> Tensor:
    """Double the size of a picture; equal to `ops.upsample_picture`, in four passes of interpolation.

    Args:
        picture: (B, 3, H, W).

    Returns:
        (B, 3, 2H, 2W), new memory.
    """
    batch, channels, height, width = picture.shape
    x = F.pad(picture, (1, 1, 1, 1))
    rows = picture.new_empty((batch, channels, height, 2, width + 2))
    middle = x[:, :, 1:-1]
    torch.lerp(middle, x[:, :, :-2], 0.25, out=rows[:, :, :, 0])
    torch.lerp(middle, x[:, :, 2:], 0.25, out=rows[:, :, :, 1])
    x = rows.view(batch, channels, 2 * height, width + 2)
    doubled = picture.new_empty((batch, channels, 2 * height, width, 2))
    middle = x[..., 1:-1]
    torch.lerp(middle, x[..., :-2], 0.25, out=doubled[..., 0])
    torch.lerp(middle, x[..., 2:], 0.25, out=doubled[..., 1])
    return doubled.view(batch, channels, 2 * height, 2 * width)


def _plain_rows(x: Tensor, weight: Tensor, bias: Tensor, top: int, bottom: int, spec: LayerSpec) -> Tensor:
    """Rows `top` to `bottom` of a 3 x 3 convolution; where `x` has no further rows the picture ends."""
    at_top, at_bottom = top == 0, bottom == x.shape[2]
    taken = x[:, :, 0 if at_top else top - 1 : None if at_bottom else bottom + 1]
    if not (at_top or at_bottom):
        return F.conv2d(taken, weight[0], bias, padding=(0, 1))
    y = F.conv2d(taken, weight[0], bias, padding=1)
    return y[:, :, 0 if at_top else 1 : None if at_bottom else -1]


def _grouped(x: Tensor, weight: Tensor, up: bool) -> Tensor:
    """Convolve each sample with its weight (F, out, in, k, k), or all with the same one."""
    if len(weight) > 1:
        # One after the other: a grouped convolution of few large groups was measured slower on processors.
        return torch.cat([_grouped(x[i : i + 1], weight[i : i + 1], up) for i in range(len(weight))])
    if up:
        return F.conv_transpose2d(x, weight[0].transpose(0, 1), stride=2)
    return F.conv2d(x, weight[0], padding=weight.shape[-1] // 2)


def _to_rgb(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply (B, C, H, W), channels last, with (B, 3, C): (B, 3, H, W) float32."""
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
    return torch.bmm(weight.to(x.dtype), pixels.transpose(1, 2)).float().reshape(batch, 3, height, width)


def _taps_first(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """The same values (F, out, in, k, k) with the input channels next to each other in memory."""
    moved = weight.to(dtype).permute(0, 1, 3, 4, 2).contiguous()
    return moved.permute(0, 1, 4, 2, 3)


def _lay_out(weight: Tensor, spec: LayerSpec) -> Tensor:
    """The same values in the memory order in which the layer's convolution reads them without a copy."""
    if not spec.up:
        return weight
    return weight.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3)


def _settle(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def _energy(weight: Tensor) -> Tensor:
    """Sum of squares over the taps, (F, out, in) float32."""
    return (weight * weight).sum((3, 4), dtype=torch.float32)
