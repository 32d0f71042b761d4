"""Encoder and hypernetwork for inference: norms folded into convolutions, channels last, in a fast type of number.

The plain networks stay as they are: they are the twins these are held against, and everything that did not have to
change (in float32: nearly all of it) is shared with them, not copied.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hyperstyle.models.backbones import BasicBlock, ResNetTrunk
from hyperstyle.models.hypernetwork import Hypernetwork, HypernetworkConfig, SharedHead, SharedSlot
from hyperstyle.models.layer_table import LayerSpec
from hyperstyle.models.w_encoder import WEncoder


class FastWEncoder:
    """A W encoder, faster.

    Args:
        encoder: The plain twin, in evaluation mode.
        dtype: Type of the arithmetic.
    """

    def __init__(self, encoder: WEncoder, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._network = lighten(encoder, dtype)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """As `WEncoder.forward`: (B, 3, H, W) to (B, w_dim) float32."""
        w: Tensor = self._network(_settle(x, self.dtype))
        return w.float()


class FastHypernetwork:
    """A hypernetwork, faster: also because all layers that share a head go through it together.

    Args:
        hypernetwork: The plain twin, in evaluation mode.
        dtype: Type of the arithmetic. Codes are float32, so that their sums are; offsets are of this type.

    Attributes:
        config, tuned: As the twin's.
    """

    def __init__(self, hypernetwork: Hypernetwork, dtype: torch.dtype) -> None:
        self.config: HypernetworkConfig = hypernetwork.config
        self.tuned: tuple[LayerSpec, ...] = hypernetwork.tuned
        self.dtype = dtype
        self._network = lighten(hypernetwork, dtype)
        blocks = self._network.refinement_blocks
        self._shared = {row.name for row in self.tuned if isinstance(blocks[str(row.index)], SharedSlot)}
        head = self._network.shared_weight_hypernet
        self._head = _FastHead(head) if isinstance(head, SharedHead) else None

    @torch.no_grad()
    def codes(self, target: Tensor, reconstruction: Tensor) -> dict[str, Tensor]:
        """As `Hypernetwork.codes`."""
        pair = _settle(target, self.dtype), _settle(reconstruction, self.dtype)
        return {name: code.float() for name, code in self._network.codes(*pair).items()}

    def add_codes(self, total: Mapping[str, Tensor], codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As `Hypernetwork.add_codes`."""
        return self._network.add_codes(total, codes)

    @torch.no_grad()
    def deltas(self, codes: Mapping[str, Tensor], steps: int = 1) -> dict[str, Tensor]:
        """As `Hypernetwork.deltas`, in the type of the arithmetic."""
        self._network.check_codes(codes, steps)
        own = {name: code.to(self.dtype) for name, code in codes.items() if name not in self._shared}
        offsets = self._network.deltas(own, steps)
        together = [name for name in codes if name in self._shared]
        if together and self._head is not None:
            made = self._head([codes[name].to(self.dtype) for name in together], steps)
            offsets |= dict(zip(together, made, strict=True))
        return offsets


class _FastHead:
    """The shared head for several layers at once.

    Its first matrix holds hundreds of megabytes, so walking over it once for all layers is what saves time. Offsets
    come out with the input channels next to each other, as `FastSynthesis.prepare` reads them.
    """

    def __init__(self, head: SharedHead) -> None:
        outs, ins, height, width = head.shape
        self._shape = (outs, height, width, ins)

        def inputs_last(columns: Tensor) -> Tensor:
            return columns.detach().unflatten(-1, (ins, height, width)).movedim(-3, -1).flatten(-3).contiguous()

        if head.w2.dtype != torch.float32:
            # Read faster in this order; the copy takes the place of the one that changing the type has made.
            head.w2 = nn.Parameter(head.w2.detach().t().contiguous().t(), requires_grad=False)
        self._first, self._first_bias = head.w2.detach(), head.b2.detach()
        self._second, self._second_bias = inputs_last(head.w1), inputs_last(head.b1)

    def __call__(self, codes: Sequence[Tensor], steps: int) -> Iterator[Tensor]:
        """Map each layer's summed code (B, code_dim) to its offsets (B, out, in, k, k)."""
        rows = (torch.cat(list(codes)) @ self._first).add_(self._first_bias, alpha=steps)
        for part in rows.chunk(len(codes)):
            flat = (part.reshape(-1, len(self._second)) @ self._second).add_(self._second_bias, alpha=steps)
            yield flat.reshape(-1, *self._shape).permute(0, 1, 4, 2, 3)


Network = TypeVar("Network", bound=nn.Module)


def lighten(network: Network, dtype: torch.dtype) -> Network:
    """Copy a network for inference: batch norms that follow a convolution folded into it, weights in a type.

    Args:
        network: In evaluation mode; not changed. Tensors that stay the same are shared with it.
        dtype: Of convolutions, linear layers and heads; norms that could not be folded stay float32.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    light = copy.deepcopy(network, memo=dict(shared))
    for module in light.modules():
        _fold_norms(module)
    norms = [module for module in light.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = {id(tensor) for norm in norms for tensor in norm.parameters()}
    for module in light.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) in kept:
                continue
            data = parameter.detach().to(dtype)
            if data.ndim == 4:
                data = data.contiguous(memory_format=torch.channels_last)
            setattr(module, name, nn.Parameter(data, requires_grad=False))
    return light.eval()


def _fold_norms(module: nn.Module) -> None:
    """Fold norms into the convolutions before them, in the places where our trunks have such pairs."""
    if isinstance(module, BasicBlock | ResNetTrunk):
        for conv, norm in (("conv1", "bn1"), ("conv2", "bn2")):
            if isinstance(getattr(module, norm, None), nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
    if isinstance(module, nn.Sequential):
        for index in range(len(module) - 1):
            first, second = module[index], module[index + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[index], module[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()


def _settle(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype).contiguous(memory_format=torch.channels_last)
