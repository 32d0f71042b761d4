"""Encoder checkpoints: the W encoder of HyperStyle, and e4e, pSp and ReStyle, which go into W+."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hyperstyle.errors import ForeignWeights
from hyperstyle.models.style_encoders import StyleEncoder, StyleEncoderConfig, published_style_encoder
from hyperstyle.models.w_encoder import WEncoder, WEncoderConfig
from hyperstyle.weights.convert import names
from hyperstyle.weights.convert.kinds import describe, refuse
from hyperstyle.weights.convert.reading import read_checkpoint, tensors_in
from hyperstyle.weights.files import strict_load

NEEDED = "HyperStyle's W encoder such as `faces_w_encoder.pt`"


def convert_w_encoder(path: str | Path, config: WEncoderConfig) -> dict[str, Tensor]:
    """Read a W encoder; its own generator and average latent are not used, as in the published loop.

    Raises:
        ForeignWeights: It is something else, or has other sizes.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    content = read_checkpoint(path)
    tensors = names.select(tensors_in(content, "state_dict"), "encoder.")
    if not tensors or describe(content) != "a W encoder":
        raise refuse(path, content, NEEDED)
    renamed = names.from_trunk_network(tensors)
    with torch.device("meta"):
        network = WEncoder(config)
    strict_load(network, renamed, path, assign=True)
    return renamed


def convert_style_encoder(path: str | Path) -> tuple[StyleEncoderConfig, dict[str, Tensor]]:
    """Read an e4e, pSp or ReStyle encoder; its sizes follow from its names and shapes.

    Raises:
        ForeignWeights: It is something else, or lacks its average latent.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    content = read_checkpoint(path)
    tensors = names.select(tensors_in(content, "state_dict"), "encoder.")
    rows = {name.split(".")[1] for name in tensors if name.startswith("styles.")}
    if not rows:
        raise refuse(path, content, "an e4e, pSp or ReStyle encoder")
    average = content.get("latent_avg") if isinstance(content, Mapping) else None
    if not isinstance(average, Tensor):
        raise ForeignWeights(f"The file {path} lacks `latent_avg`, the latent its rows are relative to.")
    stem = tensors.get("input_layer.0.weight", tensors.get("conv1.weight"))
    restyle = stem is not None and stem.shape[1] == 6
    e4e = _is_e4e(content, restyle)
    pyramid = "latlayer1.weight" in tensors
    config = published_style_encoder(
        ("restyle_psp_pyramid" if pyramid else "restyle_e4e" if e4e else "restyle_psp")
        if restyle
        else ("e4e" if e4e else "psp"),
        len(rows),
        "irse50" if "input_layer.0.weight" in tensors else "resnet34",
    )
    renamed = names.from_style_encoder(tensors, average)
    with torch.device("meta"):
        network = StyleEncoder(config)
    strict_load(network, renamed, path, assign=True)
    return config, renamed


def _is_e4e(content: Mapping[str, object], restyle: bool) -> bool:
    """Whether rows are offsets from the first: names and shapes do not tell, options do."""
    opts = content.get("opts")
    options = opts if isinstance(opts, Mapping) else vars(opts) if hasattr(opts, "__dict__") else {}
    kind = str(options.get("encoder_type", ""))
    if restyle:
        return "Progressive" in kind
    return kind == "Encoder4Editing" or "stylegan_size" in options
