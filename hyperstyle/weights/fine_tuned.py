"""Generators that were fine-tuned from a domain's own: toons, sketches, other worlds with the same latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from hyperstyle.domains import Domain
from hyperstyle.errors import ForeignWeights
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.weights.convert.stylegan2_file import convert_generator
from hyperstyle.weights.files import load_weights, strict_load


def load_fine_tuned(path: str | Path, domain: Domain, device: torch.device | str = "cpu") -> Generator:
    """Read a fine-tuned generator.

    Args:
        path: A rosinality checkpoint (`g_ema`), NVIDIA's StyleGAN2-ADA pickle, or this project's safetensors.
        domain: The domain it was fine-tuned from.
        device: Where to put it.

    Returns:
        In evaluation mode, without gradients.

    Raises:
        ForeignWeights: It is something else, or has other sizes than the domain's generator.
        WeightsMissing: There is no such file (also `WeightsCorrupt`).
    """
    own = GeneratorConfig.from_dict(domain.generator)
    if Path(path).suffix == ".safetensors":
        tensors, _ = load_weights(path)
    else:
        config, tensors = convert_generator(path)
        # The two settings that files do not hold are taken from the domain.
        if replace(config, mapping_lr_mul=own.mapping_lr_mul, normalize_z=own.normalize_z) != own:
            raise ForeignWeights(
                f"The generator in {path} ({config.resolution} px) has other sizes than that of '{domain.name}' "
                f"({own.resolution} px); take one that was fine-tuned from it."
            )
    generator = Generator(own)
    strict_load(generator, tensors, path)
    return generator.to(device).eval().requires_grad_(False)
