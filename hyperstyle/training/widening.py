"""Take the weights of a narrower generator into a wider one: it draws the same pictures at first.

What is new begins without a say: old layers do not listen to new channels yet, and learn to. Latents may be longer; the
first entries are the narrower generator's.

Source: Net2Net (arXiv 1511.05641), with zeros instead of copies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.stylegan2 import Generator

NEW_LATENT_STD = 0.1
"""Of the weights that new latent entries have on styles: small, so that they say little before they have learnt."""


@torch.no_grad()
def widen(generator: Generator, tensors: Mapping[str, Tensor]) -> None:
    """Fill a generator with a narrower one's synthesis; the mapping network stays as it is.

    Args:
        generator: The wider one, of the same resolution, freshly built; changed in place.
        tensors: The narrower one's state dict.

    Raises:
        ShapeMismatch: A weight is missing, or larger than the generator's.
    """
    for name, own in generator.state_dict().items():
        if name.startswith("style."):
            continue
        old = tensors.get(name)
        if old is None or old.ndim != own.ndim or any(a > b for a, b in zip(old.shape, own.shape, strict=True)):
            raise ShapeMismatch(f"The weight {name} of the narrower generator does not fit into the wider one.")
        part = tuple(slice(0, length) for length in old.shape)
        if name.endswith("modulation.weight"):
            # Old styles listen to old entries as before, to new ones a little.
            own[: old.shape[0]] = NEW_LATENT_STD * torch.randn_like(own[: old.shape[0]])
            own[part] = old * math.sqrt(own.shape[1] / old.shape[1])
        elif name.endswith("conv.weight"):
            own[:, : old.shape[1]] = 0.0  # (1, out, in, k, k): old outputs do not listen to new inputs
            own[part] = old * math.sqrt(own.shape[2] / old.shape[2])
        else:
            own[part] = old
