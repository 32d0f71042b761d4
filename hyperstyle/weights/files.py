"""Weights files: half-precision safetensors with a small text header, loaded strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hyperstyle.errors import ForeignWeights
from hyperstyle.tensor_file import read_tensors, write_tensors

FORMAT = "hyperstyle.weights"
COUNTER = ".num_batches_tracked"


def save_weights(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write weights, completely or not at all.

    Matrices and kernels are stored in `dtype`. Vectors (biases, norms, averages) stay in float32: they are small, and
    variances can lie outside the range of half precision; so does any tensor too large for `dtype`. Other kinds of
    numbers are kept as they are.

    Args:
        path: The file; an existing one is replaced.
        tensors: A state dict.
        metadata: Text entries for the header, for example how the weights were made.
        dtype: Storage type of floating-point tensors.

    Raises:
        CannotWrite: The folder is missing, not writable, or the disk is full.
    """
    stored = {name: _pack(tensor.detach(), dtype) for name, tensor in tensors.items()}
    write_tensors(path, stored, {"format": FORMAT, **metadata})


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read weights.

    Args:
        path: The file.

    Returns:
        The tensors by name on the CPU, floating-point ones as float32; and the header's text entries.

    Raises:
        WeightsMissing: There is no such file.
        WeightsCorrupt: The file is empty, cut short or damaged.
        ForeignWeights: The file is not a safetensors file.
    """
    tensors, metadata = read_tensors(path)
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, metadata


def strict_load(module: nn.Module, tensors: Mapping[str, Tensor], path: str | Path, assign: bool = False) -> None:
    """Put weights into a network, all of them and no others.

    Counters of batch norms matter to training with another averaging only, and may be missing.

    Args:
        module: The network.
        tensors: Its weights by name.
        path: Where they came from, for the message.
        assign: Use the tensors themselves instead of copying them, so that large networks are not held twice.

    Raises:
        ForeignWeights: A weight is missing, left over or of another shape; the message names the first of each.
    """
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in tensors and not name.endswith(COUNTER)]
    unexpected = [name for name in tensors if name not in wanted]
    reshaped = [name for name in wanted if name in tensors and wanted[name].shape != tensors[name].shape]
    problems = []
    if missing:
        problems.append(f"{_count(missing, 'weight is', 'weights are')} missing, first {missing[0]}")
    if unexpected:
        problems.append(f"{_count(unexpected, 'is', 'are')} unexpected, first {unexpected[0]}")
    if reshaped:
        name = reshaped[0]
        problems.append(
            f"{_count(reshaped, 'has', 'have')} another shape, first {name} with {tuple(tensors[name].shape)} "
            f"instead of {tuple(wanted[name].shape)}"
        )
    if problems:
        raise ForeignWeights(
            f"The weights in {path} do not fit this network: {'; '.join(problems)}; "
            f"use the file that belongs to this domain."
        )
    counters = {name: torch.zeros_like(wanted[name], device="cpu") for name in wanted if name.endswith(COUNTER)}
    module.load_state_dict({**counters, **tensors}, strict=True, assign=assign)


def _pack(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the tensor in the type it is stored in."""
    if not tensor.is_floating_point():
        return tensor
    tensor = tensor.float()
    if tensor.ndim < 2 or tensor.numel() == 0 or float(tensor.abs().max()) > torch.finfo(dtype).max:
        return tensor
    return tensor.to(dtype)


def _count(items: list[str], one: str, many: str) -> str:
    """Say how many, with the verb that goes with it."""
    return f"{len(items)} {one if len(items) == 1 else many}"
