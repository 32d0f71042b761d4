"""Build a domain's networks from its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, overload

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


class Networks(Protocol):
    """Gives a domain's network by the name of its part."""

    @overload
    def __call__(self, part: Literal["generator"]) -> Generator: ...
    @overload
    def __call__(self, part: Literal["w_encoder"]) -> WEncoder: ...
    @overload
    def __call__(self, part: Literal["hypernetwork"]) -> Hypernetwork: ...
    @overload
    def __call__(self, part: Literal["identity", "attributes", "judge"]) -> EmbeddingNetwork: ...
    @overload
    def __call__(self, part: Literal["lpips"]) -> LPIPS: ...


def builder(domain: Domain) -> Networks:
    """What builds a domain's networks with random weights.

    It raises `ShapeMismatch` where the sizes in the domain's row do not fit together.
    """
    return lambda part: _BUILD[part](domain)


def loader(domain: Domain, device: torch.device) -> Networks:
    """What loads a domain's networks: in evaluation mode, without gradients.

    It raises what `load_network` and `builder` raise.
    """
    return lambda part: load_network(lambda: _BUILD[part](domain), domain.path(part), device)


def build_baseline(domain: Domain, name: str) -> StyleEncoder:
    """Build one of the domain's encoders into W+ with random weights."""
    return StyleEncoder(build_config(StyleEncoderConfig, domain.baselines[name], f"encoder '{name}'"))


def build_ablation(domain: Domain, name: str) -> Hypernetwork:
    """Build one of the domain's hypernetworks of the ablation with random weights."""
    return _hypernetwork(domain, domain.ablations[name], f"hypernetwork '{name}'")


def _hypernetwork(domain: Domain, sizes: Mapping[str, Any], name: str) -> Hypernetwork:
    return Hypernetwork(build_config(HypernetworkConfig, sizes, name), GeneratorConfig.from_dict(domain.generator))


def _embedding(sizes: Mapping[str, Any], name: str) -> EmbeddingNetwork:
    return EmbeddingNetwork(build_config(EmbeddingConfig, sizes, name))


_BUILD: Mapping[str, Callable[[Domain], Any]] = {
    "generator": lambda domain: Generator(GeneratorConfig.from_dict(domain.generator)),
    "w_encoder": lambda domain: WEncoder(build_config(WEncoderConfig, domain.w_encoder, "W encoder")),
    "hypernetwork": lambda domain: _hypernetwork(domain, domain.hypernetwork, "hypernetwork"),
    "identity": lambda domain: _embedding(domain.identity, "identity network"),
    "attributes": lambda domain: _embedding(domain.attributes, "attribute network"),
    "judge": lambda domain: _embedding(domain.judge, "judge"),
    "lpips": lambda _: LPIPS(),
}


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

    def if_there(part: Literal["identity", "attributes"], sizes: Mapping[str, Any]) -> EmbeddingNetwork | None:
        return load(part) if sizes and is_there(part) else None

    def is_there(part: str) -> bool:
        return part not in domain.optional or domain.path(part).exists()

    load = loader(domain, device)
    return DomainModels(
        domain=domain,
        generator=load("generator"),
        w_encoder=load("w_encoder"),
        hypernetwork=load("hypernetwork"),
        identity=if_there("identity", domain.identity),
        attributes=if_there("attributes", domain.attributes),
        lpips=load("lpips") if "lpips" in domain.optional and is_there("lpips") else None,
    )
