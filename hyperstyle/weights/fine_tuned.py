"""Generators that were fine-tuned from a domain's own: toons, sketches, other worlds with the same latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from hyperstyle.domains import STYLES_FOLDER, Domain
from hyperstyle.errors import ForeignWeights, UsageError, did_you_mean
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
        ForeignWeights: It is something else, has other sizes than the domain's generator, or says that it comes from
            another domain's.
        WeightsMissing: There is no such file (also `WeightsCorrupt`).
    """
    own = GeneratorConfig.from_dict(domain.generator)
    if Path(path).suffix == ".safetensors":
        tensors, header = load_weights(path)
        made_for = header.get("domain", domain.name)
        if made_for != domain.name:
            raise ForeignWeights(
                f"The generator in {path} draws latents of '{made_for}', not of '{domain.name}'; "
                "take one that was fine-tuned from it."
            )
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


def load_style(name: str, domain: Domain, device: torch.device | str = "cpu") -> Generator:
    """Read one of the styles that come with a domain.

    Args:
        name: One of `domain.styles`.
        domain: The domain.
        device: Where to put it.

    Raises:
        UsageError: The domain has no such style (also what `load_fine_tuned` raises).
    """
    check_style(name, domain)
    return load_fine_tuned(domain.path(f"{STYLES_FOLDER}/{name}"), domain, device)


def check_style(name: str, domain: Domain) -> None:
    """Refuse a style that does not come with a domain; raises `UsageError`."""
    if name in domain.styles:
        return
    if not domain.styles:
        raise UsageError(f"The domain '{domain.name}' comes without styles; draw with a --generator of your own.")
    raise UsageError(f"The domain '{domain.name}' has no style '{name}'; {did_you_mean(name, domain.styles)}")
