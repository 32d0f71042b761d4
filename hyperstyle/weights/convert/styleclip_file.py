"""StyleCLIP's measurements of a generator: what each style channel means to CLIP, and how far it varies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyperstyle.errors import ForeignWeights
from hyperstyle.models.layer_table import GeneratorConfig, LayerSpec, layer_table
from hyperstyle.weights.convert.reading import read_array
from hyperstyle.weights.convert.unpickling import unpickle

# The published edits move the first eleven 3 x 3 layers; finer ones change colours and noise.
EDITED_LAYERS = 11


def edited_layers(generator: GeneratorConfig) -> tuple[LayerSpec, ...]:
    """List the layers that the published edits move."""
    return tuple(row for row in layer_table(generator) if not row.is_to_rgb)[:EDITED_LAYERS]


def convert_statistics(path: str | Path, generator: GeneratorConfig) -> tuple[list[Tensor], list[Tensor]]:
    """Read `S_mean_std`: mean and standard deviation of every style channel.

    Returns:
        Two lists with one (in_channels,) tensor per layer of the table.

    Raises:
        ForeignWeights: It is something else, or of another generator.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    content = unpickle(path)
    widths = [row.in_channels for row in layer_table(generator)]
    lists = content if isinstance(content, Sequence) and len(content) == 2 else [[], []]
    if not all(_fits(vectors, widths) for vectors in lists):
        raise ForeignWeights(
            f"The file {path} does not hold the style statistics of this generator ({len(widths)} layers)."
        )
    means, stds = ([torch.from_numpy(np.array(v, dtype=np.float32)).reshape(-1) for v in vectors] for vectors in lists)
    return means, stds


def convert_relevance(path: str | Path, generator: GeneratorConfig) -> Tensor:
    """Read `fs3.npy`: (N, 512) unit rows, one per style channel of the 3 x 3 layers, in order.

    Raises:
        ForeignWeights: It has too few rows for the layers that edits move.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    relevance = read_array(path)
    needed = sum(row.in_channels for row in edited_layers(generator))
    if relevance.ndim != 2 or len(relevance) < needed:
        raise ForeignWeights(f"The file {path} does not hold the relevance of this generator's {needed} channels.")
    return relevance


def _fits(vectors: Any, widths: Sequence[int]) -> bool:
    if not isinstance(vectors, Sequence) or len(vectors) != len(widths):
        return False
    return all(np.asarray(vector).size == width for vector, width in zip(vectors, widths, strict=True))
