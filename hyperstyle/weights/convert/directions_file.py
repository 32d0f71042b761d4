"""Editing directions: InterFaceGAN's vectors and GANSpace's components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hyperstyle.weights.convert.kinds import refuse
from hyperstyle.weights.convert.reading import read_array, read_checkpoint


@dataclass(frozen=True, eq=False)
class Components:
    """GANSpace: principal components of a generator's latents.

    Attributes:
        mean: (w_dim,) the average latent.
        comp: (N, w_dim) unit vectors.
        std: (N,) standard deviations along them.
    """

    mean: Tensor
    comp: Tensor
    std: Tensor

    def direction(self, index: int, start: int, end: int, num_ws: int) -> Tensor:
        """Return a slider's vector (num_ws, w_dim): one standard deviation along a component, in some rows of W+."""
        vector = torch.zeros(num_ws, self.comp.shape[1])
        vector[start:end] = self.comp[index] * self.std[index]
        return vector


def convert_interfacegan(path: str | Path) -> Tensor:
    """Read an InterFaceGAN direction (`.pt` or `.npy`).

    Returns:
        (w_dim,) if it is the same for all layers, else (L, w_dim).

    Raises:
        ForeignWeights: It is something else.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    content = read_array(path) if Path(path).suffix == ".npy" else read_checkpoint(path)
    if not isinstance(content, Tensor) or not 1 <= content.ndim <= 3 or content.numel() == 0:
        raise refuse(path, content, "an InterFaceGAN direction such as `age.pt`")
    rows = content.detach().float().reshape(-1, content.shape[-1])
    return rows[0].clone() if torch.equal(rows, rows[:1].expand_as(rows)) else rows.clone()


def convert_ganspace(path: str | Path) -> Components:
    """Read GANSpace's components (`mean`, `comp`, `std`).

    Raises:
        ForeignWeights: It is something else.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    content = read_checkpoint(path)
    fields = ("mean", "comp", "std")
    if not isinstance(content, Mapping) or not all(isinstance(content.get(field), Tensor) for field in fields):
        raise refuse(path, content, "GANSpace components such as `cars_pca.pt`")
    mean, comp, std = (content[field].detach().float() for field in fields)
    width = mean.shape[-1]
    if comp.numel() != std.numel() * width or mean.numel() != width:
        raise refuse(path, content, "GANSpace components whose sizes agree")
    return Components(mean.reshape(width), comp.reshape(-1, width), std.reshape(-1))
