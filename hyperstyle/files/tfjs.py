"""Weights in the sharded format of TensorFlow.js."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CODES = {"uint8": np.uint8, "uint16": np.uint16}
_KINDS = {"float32": "<f4", "int32": "<i4"}


def read_groups(groups: Iterable[Mapping[str, Any]], folder: Path) -> dict[str, Tensor]:
    """Read the tensors of a weights manifest.

    Args:
        groups: Each with the `paths` of its shards and its `weights` in order: name, shape, and how they were
            quantised, if they were: value = code x scale + min, or float16.
        folder: What the paths are relative to.

    Returns:
        float32 tensors by name.

    Raises:
        OSError: A file is missing or cannot be read.
        KeyError: An entry lacks a field (also TypeError).
        ValueError: It holds numbers of a kind that is not known, or shards are longer or shorter than it says.
    """
    found: dict[str, Tensor] = {}
    for group in groups:
        held = b"".join((folder / path).read_bytes() for path in group["paths"])
        start = 0
        for entry in group["weights"]:
            values, start = _values(held, start, entry)
            found[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]))
        if start != len(held):
            raise ValueError(f"{', '.join(group['paths'])} should have {start} bytes, not {len(held)}")
    return found


def _values(held: bytes, start: int, entry: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
    """The numbers of one entry, which begin at a byte of its group, and where the next entry begins."""
    count, packed = int(np.prod(entry["shape"])), entry.get("quantization")
    kind = entry["dtype"] if packed is None else packed["dtype"]
    if packed is None and kind in _KINDS:
        plain = np.dtype(_KINDS[kind])
        return np.frombuffer(held, plain, count, start).astype(np.float32), start + plain.itemsize * count
    if packed is not None and kind == "float16":
        return np.frombuffer(held, "<f2", count, start).astype(np.float32), start + 2 * count
    if packed is None or kind not in _CODES:
        raise ValueError(f"{entry['name']} holds numbers of an unknown kind")
    code = np.dtype(_CODES[kind]).newbyteorder("<")
    codes = np.frombuffer(held, code, count, start).astype(np.float32)
    return codes * np.float32(packed["scale"]) + np.float32(packed["min"]), start + code.itemsize * count
