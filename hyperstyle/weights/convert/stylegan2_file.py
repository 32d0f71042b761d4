"""StyleGAN2 generators: rosinality's checkpoints (`g_ema`) and NVIDIA's StyleGAN2-ADA pickles (`G_ema`)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyperstyle.errors import ForeignWeights
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.weights.convert import names
from hyperstyle.weights.convert.kinds import refuse
from hyperstyle.weights.convert.reading import read_checkpoint, tensors_in
from hyperstyle.weights.convert.unpickling import Inert, unpickle
from hyperstyle.weights.files import strict_load

NEEDED = "a StyleGAN2 generator with `g_ema`, such as `stylegan2-ffhq-config-f.pt`"


def convert_generator(path: str | Path) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    """Read a generator; its sizes follow from its names and shapes.

    Args:
        path: A rosinality checkpoint, or NVIDIA's pickle (`.pkl`).

    Returns:
        Sizes, and the state dict. A file without an average latent gets the mean of 10,000 mapped normals.

    Raises:
        ForeignWeights: It is something else, or of an architecture that this generator is not.
        WeightsCorrupt: It is damaged (also `WeightsMissing`).
    """
    average: Tensor | None
    if Path(path).suffix == ".pkl":
        tensors, average = _from_ada(path)
    else:
        content = read_checkpoint(path)
        tensors = tensors_in(content, "g_ema", "state_dict")
        if "conv1.conv.weight" not in tensors:
            raise refuse(path, content, NEEDED)
        found = content.get("latent_avg") if isinstance(content, Mapping) else None
        average = found if isinstance(found, Tensor) else None
    config = _sizes(tensors)
    renamed = names.from_generator(tensors, torch.zeros(config.w_dim) if average is None else average)
    with torch.device("meta"):
        network = Generator(config)
    strict_load(network, renamed, path, assign=True)
    if average is None:
        z = torch.randn(10_000, config.z_dim, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            renamed["w_avg"] = network.map(z).mean(0)
    return config, renamed


def _sizes(tensors: Mapping[str, Tensor]) -> GeneratorConfig:
    """Read a generator's sizes off its tensors."""
    ups = [name for name in tensors if re.fullmatch(r"to_rgbs\.\d+\.conv\.weight", name)]
    channels = {4: tensors["conv1.conv.weight"].shape[1]}
    for block in range(len(ups)):
        channels[2 ** (block + 3)] = tensors[f"convs.{2 * block + 1}.conv.weight"].shape[1]
    layers = [name for name in tensors if re.fullmatch(r"style\.\d+\.weight", name)]
    first = tensors["style.1.weight"]
    return GeneratorConfig(
        resolution=2 ** (len(ups) + 2),
        channels=channels,
        w_dim=first.shape[0],
        z_dim=first.shape[1],
        mapping_layers=len(layers),
    )


def _from_ada(path: str | Path) -> tuple[dict[str, Tensor], Tensor]:
    """Rename NVIDIA's layout; weights mean the same there, but for axes of length one."""
    content = unpickle(path)
    root = content.get("G_ema") if isinstance(content, Mapping) else None
    if not isinstance(root, Inert):
        raise refuse(path, content, "a StyleGAN2-ADA pickle with `G_ema`")
    tensors = dict(_walk(root, ""))
    if any(name.startswith("mapping.embed.") for name in tensors):
        raise ForeignWeights(f"The generator in {path} is conditional (it wants a label), which is not supported.")
    if any(".skip." in name for name in tensors) or "synthesis.b4.torgb.weight" not in tensors:
        raise ForeignWeights(f"The generator in {path} is not of the 'skip' architecture, which is the only one read.")
    sizes = sorted({int(found[1]) for name in tensors if (found := re.match(r"synthesis\.b(\d+)\.", name))})
    renamed: dict[str, Tensor] = {"input.input": tensors["synthesis.b4.const"][None]}
    for name, tensor in tensors.items():
        found = re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", name)
        if found:
            renamed[f"style.{int(found[1]) + 1}.{found[2]}"] = tensor
    for size in sizes:
        block = int(math.log2(size)) - 3
        rows = {"conv1": "conv1", "torgb": "to_rgb1"}
        if size > 4:
            rows = {"conv0": f"convs.{2 * block}", "conv1": f"convs.{2 * block + 1}", "torgb": f"to_rgbs.{block}"}
        for theirs, ours in rows.items():
            source = f"synthesis.b{size}.{theirs}"
            renamed[f"{ours}.conv.weight"] = tensors[f"{source}.weight"][None]
            renamed[f"{ours}.conv.modulation.weight"] = tensors[f"{source}.affine.weight"]
            renamed[f"{ours}.conv.modulation.bias"] = tensors[f"{source}.affine.bias"]
            if theirs == "torgb":
                renamed[f"{ours}.bias"] = tensors[f"{source}.bias"].reshape(1, 3, 1, 1)
                continue
            renamed[f"{ours}.activate.bias"] = tensors[f"{source}.bias"]
            renamed[f"{ours}.noise.weight"] = tensors[f"{source}.noise_strength"].reshape(1)
            index = 0 if size == 4 else 2 * block + (1 if theirs == "conv0" else 2)
            renamed[f"noises.noise_{index}"] = tensors[f"{source}.noise_const"][None, None]
    settled = {name: tensor.detach().float() for name, tensor in renamed.items()}
    return settled, tensors["mapping.w_avg"].detach().float()


def _walk(module: Inert, prefix: str) -> Any:
    """Yield the named tensors of a pickled module and everything in it."""
    for kind in ("_parameters", "_buffers"):
        for name, tensor in (module.state.get(kind) or {}).items():
            if isinstance(tensor, Tensor):
                yield prefix + name, tensor
    for name, child in (module.state.get("_modules") or {}).items():
        if isinstance(child, Inert):
            yield from _walk(child, f"{prefix}{name}.")
