"""The W encoder and the hypernetwork in the type of a machine's fast arithmetic, for looking at faces only.

Batch norms are multiplied into the convolutions beside them, channels lie next to each other in memory, and what one
pass can do in place it does. The plain modules are the twins that tests and `benchmark` hold these against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.backbones import (
    BasicBlock,
    ImprovedResidual,
    IRSETrunk,
    ResNetTrunk,
    SqueezeExcitation,
    Trunk,
)
from hyperstyle.models.hypernetwork import (
    SLOPE,
    Hypernetwork,
    OwnSlot,
    SeparableSlot,
    SharedHead,
    SharedSlot,
)
from hyperstyle.models.ops import EqualLinear
from hyperstyle.models.w_encoder import WEncoder

Step = Callable[[Tensor], Tensor]


class FastWEncoder:
    """Predict latents as a `WEncoder` does, faster.

    Args:
        encoder: The plain twin, in evaluation mode; its weights are copied as they are now.
        dtype: Type of the arithmetic, see `precision.fast_dtype`.
    """

    def __init__(self, encoder: WEncoder, dtype: torch.dtype = torch.float32) -> None:
        self.encoder = encoder
        self.dtype = dtype
        self._trunk = _FastTrunk(encoder.trunk, dtype)
        self._linear = _equal_linear(encoder.linear)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) pictures in [-1, 1] to (B, w_dim) float32; raises as the twin does."""
        return self._linear(_mean(self._trunk(x)))


class FastHypernetwork:
    """Find weight offsets as a `Hypernetwork` does, faster.

    Args:
        hypernetwork: The plain twin, in evaluation mode; its weights are copied as they are now.
        dtype: Type of the arithmetic, and of the offsets.

    Attributes:
        hypernetwork: The plain twin.
    """

    def __init__(self, hypernetwork: Hypernetwork, dtype: torch.dtype = torch.float32) -> None:
        self.hypernetwork = hypernetwork
        self.dtype = dtype
        self._trunk = _FastTrunk(hypernetwork.trunk, dtype)
        self._slots: dict[str, Step] = {}
        self._blocks: dict[str, nn.Module] = {}
        self._heads: dict[str, tuple[Tensor, Tensor]] = {}
        for row in hypernetwork.tuned:
            block = hypernetwork.refinement_blocks[str(row.index)]
            self._blocks[row.name] = block
            self._slots[row.name] = self._slot(block)
            if isinstance(block, OwnSlot):
                bias = cast(Tensor, block.output.bias)
                weight = block.output.weight[:, :, 0, 0]
                self._heads[row.name] = (weight.detach().to(dtype), bias.detach().to(dtype))
        self._shared: tuple[Tensor, ...] = ()
        head = hypernetwork.shared_weight_hypernet
        if head is not None:
            _, ins, height, width = head.shape

            def inputs_last(columns: Tensor) -> Tensor:
                # The generator keeps the input channels of a weight together, so offsets are made in that order.
                parts = columns.detach().to(dtype).unflatten(-1, (ins, height, width))
                return parts.movedim(-3, -1).flatten(-3).contiguous()

            w2, b2 = (tensor.detach().to(dtype) for tensor in (head.w2, head.b2))
            self._shared = (w2, b2, inputs_last(head.w1), inputs_last(head.b1))

    @torch.no_grad()
    def codes(self, target: Tensor, reconstruction: Tensor) -> dict[str, Tensor]:
        """Look at faces beside their reconstructions; as `Hypernetwork.codes`, and in float32."""
        if target.shape != reconstruction.shape:
            raise ShapeMismatch(
                f"Target and reconstruction differ in shape: {tuple(target.shape)} and {tuple(reconstruction.shape)}."
            )
        # Convolving the target's half of the first layer only once would save less than one more sum costs.
        feature = self._trunk(torch.cat((target, reconstruction), dim=1))
        return {name: slot(feature) for name, slot in self._slots.items()}

    def add_codes(self, total: Mapping[str, Tensor], codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Add one step's codes to those before it; as `Hypernetwork.add_codes`."""
        return self.hypernetwork.add_codes(total, codes)

    @torch.no_grad()
    def deltas(self, codes: Mapping[str, Tensor], steps: int = 1, strength: float = 1.0) -> dict[str, Tensor]:
        """Turn codes into offsets; as `Hypernetwork.deltas`, in the type of the arithmetic.

        All layers of the shared head are done at once: its matrices are far larger than what they are multiplied with,
        so reading them takes the time.
        """
        offsets: dict[str, Tensor] = {}
        shared: list[str] = []
        for name, code in codes.items():
            block = self._block(name, code, steps)
            if isinstance(block, OwnSlot):
                weight, bias = self._heads[name]
                flat = torch.addmm(bias, code.to(self.dtype), weight.t(), beta=steps)
                offsets[name] = flat.reshape(-1, *block.shape, 1, 1)
            elif isinstance(block, SeparableSlot):
                code = code[:, None] if code.ndim == 2 else code
                offsets[name] = block.output(code).to(self.dtype)
            else:
                shared.append(name)
        if shared:
            together = self._shared_deltas(torch.cat([codes[name] for name in shared]), steps)
            offsets.update(zip(shared, together.chunk(len(shared)), strict=True))
        if strength != 1.0:
            offsets = {name: offset * strength for name, offset in offsets.items()}
        return {name: offsets[name] for name in codes}

    def _block(self, name: str, code: Tensor, steps: int) -> nn.Module:
        """The part that serves a layer; refuses a code that it cannot read."""
        if name not in self._blocks:
            raise ShapeMismatch(f"The hypernetwork does not tune a layer named {name}.")
        block = self._blocks[name]
        separable = isinstance(block, SeparableSlot)
        width = self.hypernetwork.config.code_dim
        if code.shape[-1] != width or code.ndim not in ((2, 3) if separable else (2,)):
            wanted = f"(B, {'S, ' if separable else ''}{width})"
            raise ShapeMismatch(f"The code of layer {name} must have shape {wanted}, not {tuple(code.shape)}.")
        if separable and steps != (1 if code.ndim == 2 else code.shape[1]):
            raise ShapeMismatch(f"Layer {name} has codes of another number of steps than {steps}.")
        return block

    def _shared_deltas(self, codes: Tensor, steps: int) -> Tensor:
        """Offsets (N, out, in, k, k) of N codes of layers with the shared head."""
        w2, b2, w1, b1 = self._shared
        outs, ins, height, width = cast(SharedHead, self.hypernetwork.shared_weight_hypernet).shape
        rows = torch.addmm(b2, codes.to(self.dtype), w2, beta=steps).reshape(-1, len(w1))
        flat = torch.addmm(b1, rows, w1, beta=steps)
        return flat.reshape(-1, outs, height, width, ins).permute(0, 1, 4, 2, 3)

    def _slot(self, block: nn.Module) -> Step:
        """From the feature map to one layer's code."""
        assert isinstance(block, SharedSlot | OwnSlot | SeparableSlot)
        convs = [_Conv(conv, None, self.dtype) for conv in block.convs if isinstance(conv, nn.Conv2d)]
        linear = _equal_linear(block.linear) if isinstance(block, SharedSlot) else None

        def run(x: Tensor) -> Tensor:
            for conv in convs:
                x = F.leaky_relu_(conv(x), SLOPE)
            code = _mean(x)
            return code if linear is None else linear(code)

        return run


class _FastTrunk:
    """A trunk whose batch norms are in its convolutions."""

    def __init__(self, trunk: Trunk, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.channels = trunk.config.in_channels
        if isinstance(trunk, IRSETrunk):
            conv, norm, act = trunk.input_layer
        else:
            assert isinstance(trunk, ResNetTrunk)
            conv, norm, act = trunk.conv1, trunk.bn1, trunk.relu
        self._stem = _Conv(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm), dtype)
        self._slopes = cast(nn.PReLU, act).weight.detach().to(dtype)
        self._units = [_unit(unit, dtype) for unit in trunk.body]

    def __call__(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to the final map (B, out_channels, h, w)."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ShapeMismatch(f"This network reads (B, {self.channels}, H, W), not {tuple(x.shape)}.")
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        x = F.prelu(self._stem(x), self._slopes)
        for unit in self._units:
            x = unit(x)
        return x


class _Conv:
    """A convolution with the batch norm after it multiplied in."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, dtype: torch.dtype) -> None:
        weight = conv.weight.detach()
        bias = None if conv.bias is None else conv.bias.detach()
        if norm is not None:
            scale, shift = _scale_and_shift(norm)
            weight = weight * scale[:, None, None, None]
            bias = shift if bias is None else bias * scale + shift
        self.weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias = None if bias is None else bias.to(dtype)
        self.stride = cast("tuple[int, int]", conv.stride)
        self.padding = cast("tuple[int, int]", conv.padding)

    def __call__(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class _NormThenConv:
    """A 3 x 3 convolution of stride 1 with the batch norm before it multiplied in.

    The norm's shift reaches fewer taps at the border, where the convolution pads its input with zeros.
    """

    def __init__(self, norm: nn.BatchNorm2d, conv: nn.Conv2d, dtype: torch.dtype) -> None:
        scale, shift = _scale_and_shift(norm)
        weight = conv.weight.detach()
        self.weight = (weight * scale[:, None, None]).to(dtype).contiguous(memory_format=torch.channels_last)
        self._taps = (weight * shift[:, None, None]).sum(1)[:, None]  # (out, 1, 3, 3)
        self.bias = self._taps.sum((1, 2, 3)).to(dtype)
        # What is missing at the nine places a pixel can have: top, inside or bottom, left, inside or right.
        corner = F.conv2d(self._taps.new_ones((1, 1, 3, 3)), self._taps, padding=1)
        self._missing = (corner - corner[:, :, 1:2, 1:2]).to(dtype)  # (1, out, 3, 3)

    def __call__(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, padding=1)
        height, width = y.shape[2:]
        if min(height, width) < 2:  # a pixel at two opposite borders at once
            whole = F.conv2d(self._taps.new_ones((1, 1, height, width)), self._taps, padding=1)
            return y + (whole.to(y.dtype) - self.bias[:, None, None])
        missing = self._missing
        for row, place in ((0, 0), (-1, 2)):
            y[:, :, row, 1:-1] += missing[:, :, place, 1, None]
            y[:, :, 1:-1, row] += missing[:, :, 1, place, None]
            for column, other in ((0, 0), (-1, 2)):
                y[:, :, row, column] += missing[:, :, place, other]
        return y


def _unit(unit: nn.Module, dtype: torch.dtype) -> Step:
    """A residual unit of either trunk."""
    if isinstance(unit, BasicBlock):
        return _basic_block(unit, dtype)
    assert isinstance(unit, ImprovedResidual)
    layers = list(unit.res_layer)
    first = _NormThenConv(cast(nn.BatchNorm2d, layers[0]), cast(nn.Conv2d, layers[1]), dtype)
    slopes = cast(nn.PReLU, layers[2]).weight.detach().to(dtype)
    second = _Conv(cast(nn.Conv2d, layers[3]), cast(nn.BatchNorm2d, layers[4]), dtype)
    excite = _excitation(cast(SqueezeExcitation, layers[5])) if len(layers) > 5 else None
    shortcut: Step = unit.shortcut_layer
    if isinstance(unit.shortcut_layer, nn.Sequential):
        conv, norm = unit.shortcut_layer
        shortcut = _Conv(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm), dtype)

    def run(x: Tensor) -> Tensor:
        y = second(F.prelu(first(x), slopes))
        return torch.addcmul(shortcut(x), y, excite(y)) if excite is not None else y.add_(shortcut(x))

    return run


def _basic_block(block: BasicBlock, dtype: torch.dtype) -> Step:
    first, second = _Conv(block.conv1, block.bn1, dtype), _Conv(block.conv2, block.bn2, dtype)
    shortcut: Step | None = None
    if block.downsample is not None:
        conv, norm = cast(nn.Sequential, block.downsample)
        shortcut = _Conv(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm), dtype)

    def run(x: Tensor) -> Tensor:
        y = second(F.relu_(first(x)))
        return F.relu_(y.add_(x if shortcut is None else shortcut(x)))

    return run


def _excitation(block: SqueezeExcitation) -> Step:
    """Factors (B, C, 1, 1) of a squeeze-excitation; its two small products stay in float32."""
    narrow, widen = (layer.weight.detach()[:, :, 0, 0].float() for layer in (block.fc1, block.fc2))

    def run(x: Tensor) -> Tensor:
        factor = F.linear(F.relu(F.linear(_mean(x), narrow)), widen).sigmoid()
        return factor.to(x.dtype)[:, :, None, None]

    return run


def _equal_linear(layer: EqualLinear) -> Step:
    """An equalised layer without activation, its scale multiplied in."""
    weight, bias = layer.weight.detach() * layer.scale, layer.bias.detach() * layer.lr_mul
    return lambda x: F.linear(x, weight, bias)


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a batch norm in evaluation mode multiplies with and adds."""
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = norm.weight.detach() * torch.rsqrt(variance + norm.eps)
    return scale, norm.bias.detach() - mean * scale


def _mean(x: Tensor) -> Tensor:
    """Mean over pixels, (B, C) float32."""
    return x.mean((2, 3), dtype=torch.float32)
