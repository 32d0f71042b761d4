"""Networks and inputs of the golden cases: filled from published names and shapes, loaded through our converters."""

from __future__ import annotations

import json
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden import fill
from torch import Tensor, nn

from hyperstyle.weights.convert import names
from hyperstyle.weights.files import strict_load

FOLDER = Path(__file__).parent / "golden"
CACHE_NUMBERS = 400_000_000  # one large hypernetwork; the next case often needs the same

SALT = "golden-1"
_cache: OrderedDict[str, Tensor] = OrderedDict()


class Case(dict[str, np.ndarray]):
    """The arrays of a case, as `fill.compare` reads them."""

    @property
    def files(self) -> list[str]:
        return list(self)


def case(name: str) -> tuple[Case, dict[str, Any]]:
    """A case and its description."""
    with np.load(FOLDER / "cases" / f"{name}.npz") as opened:
        data = Case({key: opened[key] for key in opened.files})
    return data, json.loads(str(data["meta"]))


@lru_cache
def manifest(name: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """Published parameter names with shapes and types."""
    record = json.loads((FOLDER / "manifests" / f"{name}.json").read_text())
    return {key: (tuple(shape), kind) for key, (shape, kind) in record["tensors"].items()}


def filled(manifest_name: str, prefix: str) -> dict[str, Tensor]:
    """Every tensor of a published state dict; constants (blur kernels, statistics) are left out."""
    tensors = {}
    for key, (shape, _) in manifest(manifest_name).items():
        key_once = fill.canonical(key)
        kind = fill.rule(key_once, shape)[0]
        if kind == "keep":
            continue
        tag = prefix + key_once
        if tag not in _cache or _cache[tag].shape != shape:
            value = fill.weight(SALT, prefix, key_once, shape)
            _cache[tag] = torch.from_numpy(np.asarray(value)).reshape(shape)
        _cache.move_to_end(tag)
        tensors[key] = _cache[tag]
    while sum(tensor.numel() for tensor in _cache.values()) > CACHE_NUMBERS:
        _cache.popitem(last=False)
    return tensors


def ready(network: nn.Module, tensors: dict[str, Tensor]) -> Any:
    """Load strictly, without a second copy of the weights."""
    strict_load(network, tensors, "golden", assign=True)
    return network.eval().requires_grad_(False)


def generator(manifest_name: str, network: nn.Module, latent_avg: Tensor | None = None) -> Any:
    """A filled generator."""
    average = torch.zeros(512) if latent_avg is None else latent_avg
    return ready(network, names.from_generator(filled(manifest_name, "decoder."), average))


def image(name: str, batch: int, height: int, width: int) -> Tensor:
    """A filled picture in [-1, 1]."""
    return torch.from_numpy(fill.image(SALT, name, batch, height, width))


def array(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """A filled array."""
    return torch.from_numpy(fill.array(SALT, name, shape, scale))
