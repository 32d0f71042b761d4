"""Latents of photographs, as the W encoder finds them, and of faces that nobody has."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hyperstyle.models.stylegan2 import Generator
from hyperstyle.training.directions import map_all
from hyperstyle.training.photographs import Photographs


@torch.no_grad()
def photo_latents(
    generator: Generator,
    encoder: nn.Module,
    photographs: Photographs,
    rows: Tensor,
    input_size: int,
    flip: Tensor | None = None,
    batch: int = 64,
) -> Tensor:
    """Encode photographs.

    Args:
        generator: Its `w_avg` is what the encoder's answers are relative to.
        encoder: W encoder in evaluation mode, on the generator's device.
        photographs: Where they come from.
        rows: (N,) which ones.
        input_size: What the encoder looks at, px.
        flip: (N,) bool, which ones are mirrored; None for none.
        batch: Pictures at once.

    Returns:
        (N, w_dim) on the CPU.
    """
    device, found = generator.w_avg.device, []
    for part in torch.arange(len(rows)).split(batch):
        x = photographs.batch(rows[part], None if flip is None else flip[part], input_size).to(device)
        found.append((encoder(x) + generator.w_avg).float().cpu())
    return torch.cat(found)


def made_up_latents(generator: Generator, n: int, seed: int, truncation_psi: float = 1.0) -> Tensor:
    """Latents (N, w_dim) of standard normal inputs, on the CPU; see `Generator.map` for the truncation."""
    z = torch.randn(n, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    return map_all(generator, z, truncation_psi)


def some_rows(photographs: Photographs, n: int, seed: int) -> Tensor:
    """Numbers of `n` photographs in random order, or of all if there are fewer; never one twice."""
    return torch.randperm(len(photographs), generator=torch.Generator().manual_seed(seed))[:n]
