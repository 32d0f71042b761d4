"""From the parameter names of published networks to ours. Pure functions on dictionaries of tensors.

Published trunks are flat (`input_layer`, `body`, ...), ours sit in a `trunk`; constants and duplicates are left out.
What is not recognised keeps its name, so that strict loading names it.

Source: the state dicts of HyperStyle, encoder4editing, pixel2style2pixel, ReStyle and rosinality's StyleGAN2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

Tensors = Mapping[str, Tensor]

_TRUNK = re.compile(r"(input_layer|body|conv1|bn1|relu)\.")
_CONSTANT = re.compile(r"(^|\.)(kernel|num_batches_tracked)$")
_ALIAS = re.compile(r"refinement_blocks\.\d+\.hypernet\.(w1|b1|w2|b2)$")
_OUTPUT = re.compile(r"(refinement_blocks\.\d+\.output)\.[01]\.")


def select(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def from_generator(tensors: Tensors, latent_avg: Tensor | None) -> dict[str, Tensor]:
    """Rename a StyleGAN2 generator.

    Args:
        tensors: Of the generator alone.
        latent_avg: (512,) or (L, 512) with equal rows; None if the file has none: the average is then missing.
    """
    named = {name: tensor for name, tensor in tensors.items() if not _CONSTANT.search(name)}
    if latent_avg is not None:
        named["w_avg"] = latent_avg.reshape(-1, latent_avg.shape[-1])[0]
    return named


def from_trunk_network(tensors: Tensors) -> dict[str, Tensor]:
    """Rename a network that stands on a trunk: W encoder, face recognition."""
    return {_in_trunk(name): tensor for name, tensor in tensors.items() if not _CONSTANT.search(name)}


def from_style_encoder(tensors: Tensors, latent_avg: Tensor) -> dict[str, Tensor]:
    """Rename an encoder into W+; `latent_avg` as in `from_generator`."""
    return {**from_trunk_network(tensors), "w_avg": latent_avg.reshape(-1, latent_avg.shape[-1])[0]}


def from_hypernetwork(tensors: Tensors) -> dict[str, Tensor]:
    """Rename a hypernetwork, shared or separable.

    The shared head is stored under ten names; one is kept.
    """
    return {
        _OUTPUT.sub(r"\1.", _in_trunk(name)): tensor
        for name, tensor in tensors.items()
        if not _CONSTANT.search(name) and not _ALIAS.search(name)
    }


def from_lpips(tensors: Tensors) -> dict[str, Tensor]:
    """Rename LPIPS (AlexNet features and linear weights in one file); its input statistics are constants."""
    named = {}
    for name, tensor in tensors.items():
        if name not in ("net.mean", "net.std"):
            named[re.sub(r"^lin\.(\d)\.1\.", r"lin.\1.", name.removeprefix("net."))] = tensor
    return named


def _in_trunk(name: str) -> str:
    return f"trunk.{name}" if _TRUNK.match(name) else name
