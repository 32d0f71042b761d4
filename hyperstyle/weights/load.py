"""Build a domain's networks from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from hyperstyle.domains import Domain
from hyperstyle.models.config import build_config
from hyperstyle.models.embedding import EmbeddingConfig, EmbeddingNetwork
from hyperstyle.models.hypernetwork import Hypernetwork, HypernetworkConfig
from hyperstyle.models.layer_table import GeneratorConfig
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
        identity: Says who a face is, for measuring.
        attributes: Says what a face looks like, for measuring.
    """

    domain: Domain
    generator: Generator
    w_encoder: WEncoder
    hypernetwork: Hypernetwork
    identity: EmbeddingNetwork
    attributes: EmbeddingNetwork


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

    def ready(network: Network, part: str) -> Network:
        path = domain.path(part)
        tensors, _ = load_weights(path)
        strict_load(network, tensors, path)
        return network.to(device).eval().requires_grad_(False)

    return DomainModels(
        domain=domain,
        generator=ready(build_generator(domain), "generator"),
        w_encoder=ready(build_w_encoder(domain), "w_encoder"),
        hypernetwork=ready(build_hypernetwork(domain), "hypernetwork"),
        identity=ready(build_identity(domain), "identity"),
        attributes=ready(build_attributes(domain), "attributes"),
    )
