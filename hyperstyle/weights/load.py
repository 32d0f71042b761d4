"""Build a domain's networks from its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from hyperstyle.domains import Domain
from hyperstyle.errors import WeightsMissing
from hyperstyle.models.config import build_config
from hyperstyle.models.embedding import EmbeddingConfig, EmbeddingNetwork
from hyperstyle.models.hypernetwork import Hypernetwork, HypernetworkConfig
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.lpips import LPIPS
from hyperstyle.models.style_encoders import StyleEncoder, StyleEncoderConfig
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.models.w_encoder import WEncoder, WEncoderConfig
from hyperstyle.weights.files import load_weights, strict_load

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class DomainModels:
    """The networks of one domain: in evaluation mode, without gradients, on one device. Shared, never changed.

    Attributes:
        domain: The row they were built from.
        generator: Draws faces.
        w_encoder: Finds the latent of a face.
        hypernetwork: Finds weight offsets.
        identity: Says who a face is, for measuring; None in a domain without such a network or its weights.
        attributes: Says what a face looks like, for measuring; None likewise.
        lpips: Perceptual distance as papers report it; None likewise. Where it is missing, `attributes` stands in.
    """

    domain: Domain
    generator: Generator
    w_encoder: WEncoder
    hypernetwork: Hypernetwork
    identity: EmbeddingNetwork | None = None
    attributes: EmbeddingNetwork | None = None
    lpips: LPIPS | None = None


def build_generator(domain: Domain) -> Generator:
    """Build the domain's generator with random weights."""
    return Generator(GeneratorConfig.from_dict(domain.generator))


def build_w_encoder(domain: Domain) -> WEncoder:
    """Build the domain's W encoder with random weights."""
    return WEncoder(build_config(WEncoderConfig, domain.w_encoder, "W encoder"))


def build_hypernetwork(domain: Domain) -> Hypernetwork:
    """Build the domain's hypernetwork with random weights."""
    config = build_config(HypernetworkConfig, domain.hypernetwork, "hypernetwork")
    return Hypernetwork(config, GeneratorConfig.from_dict(domain.generator))


def build_identity(domain: Domain) -> EmbeddingNetwork:
    """Build the domain's identity network with random weights."""
    return EmbeddingNetwork(build_config(EmbeddingConfig, domain.identity, "identity network"))


def build_attributes(domain: Domain) -> EmbeddingNetwork:
    """Build the domain's attribute network with random weights."""
    return EmbeddingNetwork(build_config(EmbeddingConfig, domain.attributes, "attribute network"))


def build_judge(domain: Domain) -> EmbeddingNetwork:
    """Build the domain's second identity network with random weights."""
    return EmbeddingNetwork(build_config(EmbeddingConfig, domain.judge, "judge"))


def build_baseline(domain: Domain, name: str) -> StyleEncoder:
    """Build one of the domain's encoders into W+ with random weights."""
    return StyleEncoder(build_config(StyleEncoderConfig, domain.baselines[name], f"encoder '{name}'"))


def build_ablation(domain: Domain, name: str) -> Hypernetwork:
    """Build one of the domain's hypernetworks of the ablation with random weights."""
    config = build_config(HypernetworkConfig, domain.ablations[name], f"hypernetwork '{name}'")
    return Hypernetwork(config, GeneratorConfig.from_dict(domain.generator))


def load_network(build: Callable[[], Network], path: Path, device: torch.device) -> Network:
    """Build a network and load its weights: in evaluation mode, without gradients.

    Args:
        build: Makes it.
        path: Its weights.
        device: Where it goes.

    Raises:
        WeightsMissing: The file does not exist (also `WeightsCorrupt`, `ForeignWeights`).
    """
    tensors, _ = load_weights(path)
    # No memory and no random numbers for parameters that the file is about to bring.
    with torch.device("meta"):
        network = build()
    strict_load(network, tensors, path, assign=True)
    return network.to(device).eval().requires_grad_(False)


def load_models(domain: Domain, device: torch.device) -> DomainModels:
    """Build all networks of a domain and load their weights.

    Args:
        domain: The row.
        device: Where they go.

    Raises:
        WeightsMissing: A weights file does not exist.
        WeightsCorrupt: A weights file is damaged.
        ForeignWeights: A weights file belongs to something else.
        ShapeMismatch: The sizes in the domain's row do not fit together.
    """
    missing = [part for part in ("generator", "w_encoder", "hypernetwork") if not domain.path(part).exists()]
    if domain.published and missing:
        raise WeightsMissing(
            f"The weights of '{domain.name}' are not on this machine; run `python -m hyperstyle download "
            f"{domain.name}`, or name a folder that holds the published files with --weights FOLDER."
        )

    def ready(build: Callable[[Domain], Network], part: str) -> Network:
        return load_network(lambda: build(domain), domain.path(part), device)

    def if_there(build: Callable[[Domain], Network], part: str, wanted: bool) -> Network | None:
        if not wanted or (part in domain.optional and not domain.path(part).exists()):
            return None
        return ready(build, part)

    return DomainModels(
        domain=domain,
        generator=ready(build_generator, "generator"),
        w_encoder=ready(build_w_encoder, "w_encoder"),
        hypernetwork=ready(build_hypernetwork, "hypernetwork"),
        identity=if_there(build_identity, "identity", bool(domain.identity)),
        attributes=if_there(build_attributes, "attributes", bool(domain.attributes)),
        lpips=if_there(lambda _: LPIPS(), "lpips", "lpips" in domain.optional),
    )
