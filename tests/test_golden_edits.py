"""Published edits against recorded numbers. They need small files of the official repository, which are not kept here.

Name a folder that holds them with HYPERSTYLE_WEIGHTS, or download them; otherwise these tests are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from golden import fill
from golden_tools import SALT, array, case
from torch import Tensor

from hyperstyle.editing.styleclip import global_direction
from hyperstyle.models.layer_table import layer_table, published_generator
from hyperstyle.weights.convert.directions_file import Components, convert_ganspace, convert_interfacegan
from hyperstyle.weights.convert.styleclip_file import convert_statistics, edited_layers
from hyperstyle.weights.download import default_folder

SIZES = published_generator(1024)


def official(name: str) -> Path:
    """A file of the official repository, or skip."""
    for folder in (os.environ.get("HYPERSTYLE_WEIGHTS"), default_folder()):
        found = sorted(Path(folder).rglob(name)) if folder else []
        if found:
            return found[0]
    pytest.skip(f"{name} is not here; see the top of this file")


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Rows of unit length; the length in float64, as recorded."""
    return (rows.double() / rows.double().norm(dim=-1, keepdim=True)).float()


def shift_to(components: Components, w_plus: Tensor, index: int, start: int, end: int, strength: float) -> Tensor:
    """What the published edits add: they do not go a way along a component, they go to a place on it."""
    at = (w_plus[:, 0] - components.mean) @ components.comp[index] / components.std[index]
    vector = components.direction(index, start, end, w_plus.shape[1])
    return (strength - at)[:, None, None] * vector


def test_ganspace():
    data, meta = case("ganspace")
    components = convert_ganspace(official("cars_pca.pt"))
    latent = array("ganspace.latent", (16, 512))[None]
    for number, (index, start, end, strength) in enumerate(meta["directions"]):
        shift = shift_to(components, latent, index, start, end, strength)
        fill.compare(data, f"delta.{number}", shift[0, start : start + 1].numpy())
        assert not bool(shift[0, end:].any())


def test_interfacegan_directions_are_those_of_the_recorded_latents():
    data, meta = case("interfacegan")
    base, _ = case("pipeline_1024")
    w = torch.from_numpy(base["codes_first_style"])
    for name, factor in meta["edits"]:
        edited = w + factor * convert_interfacegan(official(f"{name}.pt"))
        fill.compare(data, f"latent.{name}_{factor}", edited[:, None].expand(1, 4, 512).numpy())


def test_styleclip_directions():
    data, meta = case("styleclip")
    stds = convert_statistics(official("S_mean_std"), SIZES)[1]
    rows = edited_layers(SIZES)
    std = torch.cat([stds[row.index] for row in rows])
    relevance, delta = unit(array("fs3", (5376, 512))), unit(array("delta_i", (512,)))
    for _, beta in meta["edits"]:
        moved = global_direction(relevance, delta, beta) * std
        assert int((moved != 0).sum()) == int(data[f"kept.{beta}"])
        for row, part in zip(rows, moved.split([row.in_channels for row in rows]), strict=True):
            index = part.nonzero()[:, 0]
            assert index.tolist() == data[f"direction.{beta}.{row.index}.index"].tolist()
            fill.compare(data, f"direction.{beta}.{row.index}.value", part[index].numpy())


def test_rows_of_other_layers_take_part_in_choosing_channels():
    data, meta = case("styleclip")
    long = meta["long"]
    stds = convert_statistics(official("S_mean_std"), SIZES)[1]
    rows = edited_layers(SIZES)
    std = torch.cat([stds[row.index] for row in rows])
    delta = unit(array("delta_i", (512,)))
    relevance = unit(torch.from_numpy(fill.array(SALT, long["fs3"]["name"], tuple(long["fs3"]["shape"]))))
    relevance[6000] = 0.5 * delta
    moved = global_direction(relevance, delta, long["beta"])[: len(std)] * std
    by_layer = dict(zip((row.index for row in rows), moved.split([row.in_channels for row in rows]), strict=True))
    parts = [by_layer.get(row.index, torch.zeros(row.in_channels)) for row in layer_table(SIZES)]
    whole = torch.cat(parts)
    index = whole.nonzero()[:, 0]
    assert index.tolist() == data["long_direction.index"].tolist()
    fill.compare(data, "long_direction.value", whole[index].numpy())
