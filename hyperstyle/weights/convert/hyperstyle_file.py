"""HyperStyle checkpoints: `state_dict` with a hypernetwork and a generator, `latent_avg`, `opts`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyperstyle.errors import ForeignWeights
from hyperstyle.models.hypernetwork import Hypernetwork, HypernetworkConfig
from hyperstyle.models.layer_table import GeneratorConfig, layer_table
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.weights.convert import names
from hyperstyle.weights.convert.kinds import refuse
from hyperstyle.weights.convert.reading import read_checkpoint, tensors_in
from hyperstyle.weights.files import strict_load

NEEDED = "a HyperStyle checkpoint such as `hyperstyle_ffhq.pt`"


def convert_hyperstyle(
    path: str | Path, generator: GeneratorConfig, hypernetwork: HypernetworkConfig
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Read a checkpoint into the generator's and the hypernetwork's weights.

    Args:
        path: The file.
        generator, hypernetwork: The sizes it must have.

    Returns:
        Both state dicts, mapped from the file where it allows.

    Raises:
        ForeignWeights: It is something else, or has other sizes; the message names the first name that differs.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    content = read_checkpoint(path)
    tensors = tensors_in(content, "state_dict")
    parts = names.select(tensors, "hypernet."), names.select(tensors, "decoder.")
    if not all(parts):
        raise refuse(path, content, NEEDED)
    average = content.get("latent_avg") if isinstance(content, Mapping) else None
    if not isinstance(average, Tensor):
        raise ForeignWeights(f"The file {path} lacks `latent_avg`, the latent every inversion starts from.")
    listed = tuned_layers(content.get("opts"), generator)
    if listed is not None and set(listed) != set(hypernetwork.layers):
        raise ForeignWeights(
            f"The file {path} was trained for {len(listed)} tuned layers, and this domain has "
            f"{len(hypernetwork.layers)}; change `layers` of the domain's hypernetwork."
        )
    renamed = names.from_hypernetwork(parts[0]), names.from_generator(parts[1], average)
    with torch.device("meta"):
        networks = Hypernetwork(hypernetwork, generator), Generator(generator)
    for network, part in zip(networks, renamed, strict=True):
        strict_load(network, part, path, assign=True)
    return renamed[1], renamed[0]


def tuned_layers(opts: Any, generator: GeneratorConfig) -> tuple[str, ...] | None:
    """Return the layers that a checkpoint's options list, by name; None if they say nothing.

    The list is text, indices separated by commas; an empty one means all layers. Indices beyond the generator count
    for nothing.
    """
    options = opts if isinstance(opts, Mapping) else vars(opts) if hasattr(opts, "__dict__") else {}
    listed = options.get("layers_to_tune")
    if not isinstance(listed, str):
        return None
    wanted = [int(word) for word in listed.split(",") if word.strip().isdecimal()]
    return tuple(row.name for row in layer_table(generator) if not wanted or row.index in wanted)
