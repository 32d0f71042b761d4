"""Face recognition networks (IR-SE50, CurricularFace) and LPIPS: bare state dicts."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from hyperstyle.models.embedding import EmbeddingConfig, EmbeddingNetwork
from hyperstyle.models.lpips import LPIPS
from hyperstyle.weights.convert import names
from hyperstyle.weights.convert.kinds import describe, refuse
from hyperstyle.weights.convert.reading import read_checkpoint, tensors_in
from hyperstyle.weights.files import strict_load


def convert_recognition(path: str | Path, config: EmbeddingConfig) -> dict[str, Tensor]:
    """Read a face recognition network.

    Args:
        path: `model_ir_se50.pth` or `CurricularFace_Backbone.pth`.
        config: `embedding.PUBLISHED_ARCFACE` or `PUBLISHED_CURRICULARFACE`.

    Raises:
        ForeignWeights: It is something else, or has other sizes.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    content = read_checkpoint(path)
    tensors = tensors_in(content)
    curricular = config.trunk.se_reduction == 0
    wanted = "the CurricularFace network" if curricular else "the face recognition network IR-SE50"
    if describe(content) != wanted:
        raise refuse(path, content, wanted)
    renamed = names.from_trunk_network(tensors)
    with torch.device("meta"):
        network = EmbeddingNetwork(config)
    strict_load(network, renamed, path, assign=True)
    return renamed


def convert_lpips(features: str | Path, weights: str | Path) -> dict[str, Tensor]:
    """Read LPIPS from its two published files.

    Args:
        features: torchvision's AlexNet; its classifier is left out.
        weights: The linear weights of LPIPS 0.1 for AlexNet.

    Raises:
        ForeignWeights: One is something else.
        WeightsCorrupt: One is damaged (also `WeightsMissing`).
    """
    alexnet = names.select(tensors_in(read_checkpoint(features)), "features.")
    linear = tensors_in(read_checkpoint(weights))
    renamed = {f"layers.{name}": tensor for name, tensor in alexnet.items()}
    for index in range(5):
        tensor = linear.get(f"lin{index}.model.1.weight")
        if tensor is not None:
            renamed[f"lin.{index}.weight"] = tensor
    strict_load(LPIPS(), renamed, weights)
    return renamed
