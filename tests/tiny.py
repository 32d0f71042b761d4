"""A complete domain with random weights at 32 px: every network is real, only small, and the chain runs in seconds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from hyperstyle.domains import Domain, get_domain
from hyperstyle.models.backbones import TrunkConfig
from hyperstyle.models.config import plain_config
from hyperstyle.models.embedding import EmbeddingConfig
from hyperstyle.models.hypernetwork import HypernetworkConfig
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.style_encoders import StyleEncoderConfig
from hyperstyle.models.w_encoder import WEncoderConfig
from hyperstyle.traits import Trait, plain_traits
from hyperstyle.weights.files import save_weights
from hyperstyle.weights.load import (
    DomainModels,
    build_ablation,
    build_baseline,
    builder,
    load_models,
)

RESOLUTION = 32
INPUT_SIZE = 16
ATTRIBUTES = 6
GENERATOR = GeneratorConfig(
    resolution=RESOLUTION,
    channels={4: 12, 8: 12, 16: 12, 32: 8},
    w_dim=16,
    z_dim=10,
    mapping_layers=2,
    mapping_lr_mul=0.5,
    normalize_z=False,
)
TRUNK = TrunkConfig(kind="irse", stem_width=6, widths=(6, 8), units=(2, 1), strides=(2, 2), se_reduction=4)
PAIR_TRUNK = TrunkConfig(
    kind="resnet", stem_width=6, widths=(6, 8), units=(1, 1), strides=(1, 2), in_channels=6, stem_stride=2
)
W_ENCODER = WEncoderConfig(trunk=TRUNK, w_dim=16)
HYPERNETWORK = HypernetworkConfig(
    trunk=PAIR_TRUNK,
    input_size=INPUT_SIZE,
    layers=("convs.2", "convs.3", "convs.4", "convs.5"),
    shared=("convs.2", "convs.3"),
    code_dim=8,
    shared_width=6,
    own_width=6,
    shared_inner=4,
)
IDENTITY = EmbeddingConfig(trunk=TRUNK, out_dim=8, normalise=True, input_size=INPUT_SIZE)
TRAITS: tuple[Trait, ...] = ()
"""What the attribute network reads; nobody knows."""
ATTRIBUTE_NETWORK = EmbeddingConfig(trunk=TRUNK, out_dim=ATTRIBUTES, normalise=False, input_size=INPUT_SIZE)

JUDGE = EmbeddingConfig(trunk=replace(PAIR_TRUNK, in_channels=3), out_dim=8, normalise=True, input_size=INPUT_SIZE)
_BASELINE = StyleEncoderConfig(
    replace(TRUNK, widths=(6, 8, 10), units=(1, 1, 1), strides=(2, 2, 2)),
    num_ws=GENERATOR.num_ws,
    w_dim=16,
    input_size=INPUT_SIZE,
    head_width=4,
)
_PAIR = replace(_BASELINE, trunk=replace(_BASELINE.trunk, in_channels=6), reads="last")
BASELINES = {
    "psp": _BASELINE,
    "e4e": replace(_BASELINE, combine="offsets"),
    "restyle-psp": _PAIR,
    "restyle-e4e": replace(_PAIR, combine="offsets"),
}
ABLATIONS = {
    "ablation-full": HYPERNETWORK,
    "ablation-separable": replace(HYPERNETWORK, own="separable"),
    "ablation-no-shared-head": replace(HYPERNETWORK, shared=()),
    "ablation-coarse": replace(HYPERNETWORK, layers=("conv1", *HYPERNETWORK.layers)),
    "ablation-to-rgb": replace(HYPERNETWORK, layers=(*HYPERNETWORK.layers, "to_rgbs.2")),
}


def make_tiny_domain(folder: str | Path, seed: int = 0, name: str = "tiny") -> Path:
    """Write a domain folder with random weights.

    Args:
        folder: Where; made if missing.
        seed: The same seed gives the same numbers; the global random state is left alone.
        name: The domain's name.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "name": name,
        "title": "Tiny",
        "description": "Random weights for tests.",
        "licence": "MIT",
        "resolution": RESOLUTION,
        "input_size": INPUT_SIZE,
        "crop": "ffhq",
        "refinement_steps": 3,
        "generator": GENERATOR.to_dict(),
        "w_encoder": plain_config(W_ENCODER),
        "hypernetwork": plain_config(HYPERNETWORK),
        "identity": plain_config(IDENTITY),
        "attributes": plain_config(ATTRIBUTE_NETWORK),
        "traits": plain_traits(TRAITS),
        "judge": plain_config(JUDGE),
        "baselines": {part: plain_config(sizes) for part, sizes in BASELINES.items()},
        "ablations": {part: plain_config(sizes) for part, sizes in ABLATIONS.items()},
    }
    (folder / "domain.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
    domain = get_domain(str(folder))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        build = builder(domain)
        generator = build("generator")
        with torch.no_grad():
            for key, tensor in generator.named_parameters():
                # Zero at the start of training, which would leave parts of the chain untested.
                if key.endswith(("noise.weight", "activate.bias")):
                    tensor.normal_(0.0, 0.2)
            generator.w_avg.copy_(generator.map(torch.randn(64, GENERATOR.z_dim)).mean(0))
        networks = {
            "generator": generator,
            **{part: build(part) for part in ("w_encoder", "hypernetwork", "identity", "attributes")},
        }
        with torch.no_grad():
            for key, tensor in networks["hypernetwork"].named_parameters():
                # Offsets large enough to be seen in a picture, with biases, which count once per step.
                if "output.weight" in key or key.endswith("hypernet.w2"):
                    tensor.mul_(20.0)
                elif "output.bias" in key or key.endswith(("hypernet.b1", "hypernet.b2")):
                    tensor.normal_(0.0, 0.05)
        judged = {"judge": build("judge")}
        encoders = {part: build_baseline(domain, part) for part in BASELINES}
        for encoder in encoders.values():
            encoder.w_avg.copy_(generator.w_avg)
    domain.path("judge").parent.mkdir(exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        ablated = {part: build_ablation(domain, part) for part in ABLATIONS}
    for part, network in {**networks, **judged, **encoders, **ablated}.items():
        save_weights(domain.path(part), network.state_dict(), {"part": part, "domain": name})
    return folder


def tiny_models(folder: str | Path, seed: int = 0) -> tuple[Domain, DomainModels]:
    """Write a tiny domain and load it on the CPU."""
    domain = get_domain(str(make_tiny_domain(folder, seed)))
    return domain, load_models(domain, torch.device("cpu"))


def add_style(tiny_folder: Path, folder: Path) -> Path:
    """Copy a tiny domain into a folder and give it a style, "line": the generator of another tiny domain."""
    copy = folder / "tiny"
    shutil.copytree(tiny_folder, copy)
    (copy / "styles").mkdir()
    other = make_tiny_domain(folder / "other", seed=1)
    shutil.copy(other / "generator.safetensors", copy / "styles" / "line.safetensors")
    return copy
