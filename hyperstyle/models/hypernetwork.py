"""The hypernetwork: looks at a face beside its reconstruction and says how to adapt the generator's weights.

    target, reconstruction -> trunk -> one code per tuned layer -> (affine head) -> relative weight offsets

Most heads are affine in their codes, and refinement adds offsets up, so the sum of several steps' offsets is the head
applied to the sum of the codes, with its bias counted once per step. `codes` and `deltas` are therefore separate, and
an inversion stores summed codes and the number of steps instead of the offsets. The separable head multiplies two
images of its code, so its layers keep the code of every step instead; `add_codes` knows which do.

Source: HyperStyle (arXiv 2111.15666), section 4.2 and appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.backbones import PUBLISHED_RESNET34, TrunkConfig, build_trunk
from hyperstyle.models.layer_table import GeneratorConfig, LayerSpec, layer_table, published_generator
from hyperstyle.models.ops import EqualLinear

# Plain leaky ReLUs outside the generator have PyTorch's default slope.
SLOPE = 0.01
# Size of the very first offsets: small beside 1, yet large enough for gradients to reach every part of a head.
INITIAL_OFFSET = 0.01


@dataclass(frozen=True)
class HypernetworkConfig:
    """Sizes of a hypernetwork and the choice of layers it tunes.

    Attributes:
        trunk: Sizes of the trunk, which reads two stacked pictures (6 channels).
        input_size: Side of both pictures in px.
        layers: Names of the tuned layers.
        shared: Those of them whose offsets come from the one shared head: full k x k offsets. They must have equal
            sizes. The others have a head each, with one number per (out, in) pair.
        code_dim: Width of each layer's code.
        shared_width: Hidden channels of a shared layer's convolutions.
        own_width: Hidden channels of the other layers' convolutions.
        shared_inner: Inner width of the shared head's two-matrix product.
        own: What heads of their own make for 3 x 3 layers: "channel", one number per (out, in) pair, or "separable",
            full 3 x 3 offsets as products of an input and an output factor. toRGB layers always have the first kind.
    """

    trunk: TrunkConfig
    input_size: int
    layers: tuple[str, ...]
    shared: tuple[str, ...]
    code_dim: int
    shared_width: int
    own_width: int
    shared_inner: int
    own: Literal["channel", "separable"] = "channel"

    def __post_init__(self) -> None:
        """Check that the shared layers are tuned ones and that the trunk reads two pictures."""
        strangers = [name for name in self.shared if name not in self.layers]
        if strangers:
            raise ShapeMismatch(f"The hypernetwork shares a head for {strangers[0]}, which is not a tuned layer.")
        if self.trunk.in_channels != 6:
            raise ShapeMismatch("The hypernetwork's trunk reads two pictures: its in_channels must be 6.")


def published_hypernetwork(
    resolution: int, layers: Sequence[int] | None = None, separable: bool = False
) -> HypernetworkConfig:
    """Return the sizes of the published hypernetworks.

    Args:
        resolution: Of the generator: 1024, 512 or 256.
        layers: Indices of the tuned layers, those beyond the generator being ignored; an empty list means all layers,
            toRGB included; None every 3 x 3 layer, as in the published files.
        separable: The variant with separable heads.
    """
    rows = layer_table(published_generator(resolution))
    if layers is None:
        rows = tuple(row for row in rows if not row.is_to_rgb)
    elif layers:
        rows = tuple(row for row in rows if row.index in layers)
    return HypernetworkConfig(
        trunk=PUBLISHED_RESNET34,
        input_size=256,
        layers=tuple(row.name for row in rows),
        shared=tuple(row.name for row in rows if row.in_channels == row.out_channels == 512),
        code_dim=512,
        shared_width=128,
        own_width=256,
        shared_inner=512,
        own="separable" if separable else "channel",
    )


def _strided_convs(widths: list[int], first_stride: int) -> nn.Sequential:
    """3 x 3 convolutions with leaky ReLUs, stride 2 but for the first, which has its own."""
    layers: list[nn.Module] = []
    for index, (ins, outs) in enumerate(pairwise(widths)):
        conv = nn.Conv2d(ins, outs, 3, first_stride if index == 0 else 2, 1)
        # Keeps codes at unit scale whatever the depth, so that INITIAL_OFFSET is what it says.
        nn.init.kaiming_normal_(conv.weight, a=SLOPE)
        nn.init.zeros_(cast(Tensor, conv.bias))
        layers += [conv, nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def _own_convs(ins: int, map_size: int, config: HypernetworkConfig, spared: int) -> nn.Sequential:
    """Convolutions of a layer with a head of its own, halving the map until `spared` halvings from one pixel."""
    halvings = math.ceil(math.log2(map_size)) - spared
    hidden = [config.own_width] * (max(1, halvings) - 1)
    return _strided_convs([ins, *hidden, config.code_dim], first_stride=2)


class SharedSlot(nn.Module):
    """From the feature map to the code of a layer whose offsets the shared head makes."""

    def __init__(self, ins: int, map_size: int, config: HypernetworkConfig) -> None:
        super().__init__()
        halvings = max(1, math.ceil(math.log2(map_size)))
        hidden = [config.shared_width] * halvings
        self.convs = _strided_convs([ins, *hidden, config.code_dim], first_stride=1)
        self.linear = EqualLinear(config.code_dim, config.code_dim)

    def forward(self, feature: Tensor) -> Tensor:
        """Map (B, C, h, w) to a code (B, code_dim)."""
        return cast(Tensor, self.linear(self.convs(feature).mean((2, 3))))


class OwnSlot(nn.Module):
    """From the feature map to a layer's code, and the layer's own affine head with one number per (out, in) pair."""

    def __init__(self, ins: int, map_size: int, config: HypernetworkConfig, layer: LayerSpec) -> None:
        super().__init__()
        # A toRGB layer's map goes down to one pixel, a 3 x 3 layer's to two by two, which are then averaged.
        self.convs = _own_convs(ins, map_size, config, spared=0 if layer.is_to_rgb else 1)
        self.output = nn.Conv2d(config.code_dim, layer.out_channels * layer.in_channels, 1)
        nn.init.normal_(self.output.weight, std=INITIAL_OFFSET / math.sqrt(config.code_dim))
        nn.init.zeros_(cast(Tensor, self.output.bias))
        self.shape = (layer.out_channels, layer.in_channels)

    def forward(self, feature: Tensor) -> Tensor:
        """Map (B, C, h, w) to a code (B, code_dim)."""
        return cast(Tensor, self.convs(feature).mean((2, 3)))

    def deltas(self, code: Tensor, steps: int) -> Tensor:
        """Map a summed code (B, code_dim) to offsets (B, out, in, 1, 1)."""
        bias = cast(Tensor, self.output.bias)
        flat = torch.addmm(bias, code, self.output.weight[:, :, 0, 0].t(), beta=steps)
        return flat.reshape(-1, *self.shape, 1, 1)


class SeparableHead(nn.Module):
    """From a code to full offsets, each tap a product of an input and an output factor, mixed by two linear maps.

    Args:
        code_dim: Width of the code.
        layer: The layer it serves.
    """

    def __init__(self, code_dim: int, layer: LayerSpec) -> None:
        super().__init__()
        ins, outs, taps = layer.in_channels, layer.out_channels, layer.kernel**2
        self.make_kernel_in = nn.Linear(code_dim, taps * ins)
        self.make_kernel_out = nn.Linear(code_dim, taps * outs)
        self.kernel_linear_in = nn.Linear(ins, ins)
        self.kernel_linear_out = nn.Linear(outs, outs)
        nn.init.normal_(self.kernel_linear_out.weight, std=INITIAL_OFFSET / math.sqrt(outs))
        nn.init.zeros_(self.kernel_linear_out.bias)
        self.kernel = layer.kernel

    def forward(self, codes: Tensor) -> Tensor:
        """Map the codes of all steps (B, S, code_dim) to their summed offsets (B, out, in, k, k)."""
        batch, steps, _ = codes.shape
        taps = self.kernel**2
        ins = self.kernel_linear_in(self.make_kernel_in(codes).view(batch, steps, taps, -1))
        outs = self.make_kernel_out(codes).view(batch, steps, taps, -1)
        # Written out, (out x in) W_in + b_in, then W_out along the other axis: the product stays a product, and the
        # input bias meets the row sums of W_out. So nothing of the size of the offsets is multiplied by a matrix.
        weight, bias = self.kernel_linear_out.weight, self.kernel_linear_out.bias
        free = ins - self.kernel_linear_in.bias
        product = torch.einsum("bsto,bsti->btoi", outs @ weight.t(), free)
        constant = torch.outer(weight.sum(1), self.kernel_linear_in.bias) + bias[:, None]
        flat = product + steps * constant
        return flat.movedim(1, 3).reshape(batch, *constant.shape, self.kernel, self.kernel)


class SeparableSlot(nn.Module):
    """From the feature map to a layer's code, and the layer's own separable head."""

    def __init__(self, ins: int, map_size: int, config: HypernetworkConfig, layer: LayerSpec) -> None:
        super().__init__()
        self.convs = _own_convs(ins, map_size, config, spared=0)
        self.output = SeparableHead(config.code_dim, layer)

    def forward(self, feature: Tensor) -> Tensor:
        """Map (B, C, h, w) to a code (B, code_dim)."""
        return cast(Tensor, self.convs(feature).mean((2, 3)))


class SharedHead(nn.Module):
    """Two matrix products that turn a code into the full offsets of any layer of one size.

    Args:
        code_dim: Width of the code.
        inner: Width between the two products.
        layer: Any of the layers it serves.
    """

    def __init__(self, code_dim: int, inner: int, layer: LayerSpec) -> None:
        super().__init__()
        outs, taps = layer.out_channels, layer.in_channels * layer.kernel**2
        self.w1 = nn.Parameter(torch.randn(inner, taps) / math.sqrt(inner))
        self.b1 = nn.Parameter(torch.zeros(taps))
        self.w2 = nn.Parameter(torch.randn(code_dim, outs * inner) * (INITIAL_OFFSET / math.sqrt(code_dim)))
        self.b2 = nn.Parameter(torch.zeros(outs * inner))
        self.shape = (outs, layer.in_channels, layer.kernel, layer.kernel)

    def forward(self, code: Tensor, steps: int) -> Tensor:
        """Map a summed code (B, code_dim) to offsets (B, out, in, k, k)."""
        rows = torch.addmm(self.b2, code, self.w2, beta=steps).reshape(-1, self.w1.shape[0])  # (B out, inner)
        return torch.addmm(self.b1, rows, self.w1, beta=steps).reshape(-1, *self.shape)


class Hypernetwork(nn.Module):
    """Predict relative weight offsets for the tuned layers of a generator.

    Args:
        config: Sizes and tuned layers.
        generator: Sizes of the generator the offsets are for.

    Attributes:
        config: The sizes.
        tuned: Layer table rows of the tuned layers, in table order.

    Raises:
        ShapeMismatch: A tuned layer does not exist, or layers that share a head differ in size.

    Source: HyperStyle (arXiv 2111.15666), section 4.2; shapes from the published checkpoints.
    """

    def __init__(self, config: HypernetworkConfig, generator: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        rows = layer_table(generator)
        strangers = set(config.layers) - {row.name for row in rows}
        if strangers:
            raise ShapeMismatch(f"The hypernetwork tunes {min(strangers)}, which the generator does not have.")
        self.tuned = tuple(row for row in rows if row.name in config.layers)
        shared = [row for row in self.tuned if row.name in config.shared]
        if len({(row.in_channels, row.out_channels, row.kernel) for row in shared}) > 1:
            raise ShapeMismatch("Layers that share the hypernetwork's head must have equal channels and kernels.")
        self.trunk = build_trunk(config.trunk)
        ins, map_size = self.trunk.out_channels, config.trunk.map_size(config.input_size)
        # Keyed by the layer's index, as in published files; names hold dots, which module names may not.
        self.refinement_blocks = nn.ModuleDict()
        for row in self.tuned:
            block: nn.Module
            if row in shared:
                block = SharedSlot(ins, map_size, config)
            elif config.own == "separable" and not row.is_to_rgb:
                block = SeparableSlot(ins, map_size, config, row)
            else:
                block = OwnSlot(ins, map_size, config, row)
            self.refinement_blocks[str(row.index)] = block
        self.shared_weight_hypernet = SharedHead(config.code_dim, config.shared_inner, shared[0]) if shared else None

    def codes(self, target: Tensor, reconstruction: Tensor) -> dict[str, Tensor]:
        """Look at faces beside their reconstructions.

        Args:
            target: (B, 3, H, W) in [-1, 1], H = W = `config.input_size`.
            reconstruction: The same for what the generator draws now.

        Returns:
            One (B, code_dim) code per tuned layer, by layer name.

        Raises:
            ShapeMismatch: The two pictures differ in shape.
        """
        if target.shape != reconstruction.shape:
            raise ShapeMismatch(
                f"Target and reconstruction differ in shape: {tuple(target.shape)} and {tuple(reconstruction.shape)}."
            )
        feature = self.trunk(torch.cat((target, reconstruction), dim=1))
        return {row.name: self.refinement_blocks[str(row.index)](feature) for row in self.tuned}

    def add_codes(self, total: Mapping[str, Tensor], codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Add one refinement step's codes to those of the steps before it.

        Args:
            total: From this function, or empty before the first step.
            codes: From `codes`.

        Returns:
            By layer name: (B, code_dim) sums where the head is affine, (B, S, code_dim) with one row per step where it
            is separable.
        """
        added = {}
        for name, code in codes.items():
            if self._is_separable(name):
                code = code[:, None]
                added[name] = torch.cat((total[name], code), dim=1) if name in total else code
            else:
                added[name] = total[name] + code if name in total else code
        return added

    def deltas(self, codes: Mapping[str, Tensor], steps: int = 1, strength: float = 1.0) -> dict[str, Tensor]:
        """Turn the codes of one step, or of several (from `add_codes`), into offsets.

        Args:
            codes: (B, code_dim) by layer name, or (B, S, code_dim) for separable heads; layers may be left out.
            steps: Number of refinement steps summed in the codes; it multiplies the heads' biases.
            strength: Multiplies the offsets: 0 is the plain generator, 1 the inversion.

        Returns:
            By layer name: (B, out, in, k, k) for layers with the shared or a separable head, (B, out, in, 1, 1) for the
            others.

        Raises:
            ShapeMismatch: A code is for a layer this network does not tune, or has another width.
        """
        self.check_codes(codes, steps)
        indices = {row.name: row.index for row in self.tuned}
        offsets: dict[str, Tensor] = {}
        for name, code in codes.items():
            block = self.refinement_blocks[str(indices[name])]
            if isinstance(block, SeparableSlot):
                offset = block.output(code if code.ndim == 3 else code[:, None])
            elif isinstance(block, OwnSlot):
                offset = block.deltas(code, steps)
            else:
                offset = cast(SharedHead, self.shared_weight_hypernet)(code, steps)
            offsets[name] = offset if strength == 1.0 else offset * strength
        return offsets

    def check_codes(self, codes: Mapping[str, Tensor], steps: int) -> None:
        """Refuse codes that `deltas` cannot use; raises as it does."""
        known = {row.name for row in self.tuned}
        for name, code in codes.items():
            if name not in known:
                raise ShapeMismatch(f"The hypernetwork does not tune a layer named {name}.")
            separable = self._is_separable(name)
            if code.ndim not in ((2, 3) if separable else (2,)) or code.shape[-1] != self.config.code_dim:
                wanted = f"(B, {'S, ' if separable else ''}{self.config.code_dim})"
                raise ShapeMismatch(f"The code of layer {name} must have shape {wanted}, not {tuple(code.shape)}.")
            if separable and steps != (code.shape[1] if code.ndim == 3 else 1):
                raise ShapeMismatch(f"Layer {name} has codes of another number of steps than {steps}.")

    def _is_separable(self, name: str) -> bool:
        """Whether a tuned layer's head multiplies two images of its code."""
        indices = {row.name: row.index for row in self.tuned}
        return isinstance(self.refinement_blocks[str(indices[name])], SeparableSlot)

    def forward(self, target: Tensor, reconstruction: Tensor) -> dict[str, Tensor]:
        """Predict one step's offsets: `deltas(codes(target, reconstruction))`."""
        return self.deltas(self.codes(target, reconstruction))
