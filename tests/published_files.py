"""Files in the published formats, filled instead of trained: what a download would bring, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import golden_tools as tools
import numpy as np
import torch
from golden import fill
from golden_tools import SALT, filled, manifest
from torch import Tensor


def complete(name: str, prefix: str) -> dict[str, Tensor]:
    """Every entry of a published state dict, constants too; aliases share their storage as in published files."""
    tensors = filled(name, prefix)
    for key, (shape, _) in manifest(name).items():
        if key not in tensors:
            tensors[key] = torch.full(shape, 0.25)
    return tensors


def prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def latent_avg(num_ws: int) -> Tensor:
    return torch.from_numpy(fill.latent_avg(SALT, num_ws))


def write_hyperstyle(path: Path, resolution: int, **changes: Any) -> Path:
    """A HyperStyle checkpoint."""
    tensors = prefixed(complete(f"hypernet_shared_{resolution}", "hypernet."), "hypernet.")
    tensors |= prefixed(complete(f"generator_{resolution}", "decoder."), "decoder.")
    content = {
        "state_dict": tensors,
        "latent_avg": latent_avg(2 * int(np.log2(resolution)) - 2),
        "opts": {"layers_to_tune": "0,2,3,5,6,8,9,11,12,14,15,17,18,20,21,23,24", "output_size": resolution},
        "global_step": 100,
        **changes,
    }
    torch.save(content, path)
    return path


def write_w_encoder(path: Path) -> Path:
    """A W encoder's checkpoint, with a piece of the generator that nobody reads."""
    tensors = prefixed(complete("w_encoder_irse50", "encoder."), "encoder.")
    tensors["decoder.input.input"] = torch.zeros(1, 512, 4, 4)
    torch.save({"state_dict": tensors, "latent_avg": latent_avg(18), "opts": {"encoder_type": "WEncoder"}}, path)
    return path


def write_direction(path: Path, rows: int | None = None) -> Path:
    """An InterFaceGAN direction: (1, 512), or (1, rows, 512) with equal rows."""
    vector = tools.array(f"direction.{path.stem}", (1, 512))
    vector = vector / vector.norm()
    torch.save(vector if rows is None else vector[:, None].repeat(1, rows, 1), path)
    return path


def write_components(path: Path) -> Path:
    """GANSpace's components."""
    basis = torch.linalg.qr(tools.array("components", (512, 80)))[0].t()
    torch.save({"mean": torch.zeros(1, 512), "comp": basis[:, None], "std": torch.linspace(7, 0.5, 80)}, path)
    return path


def write_ffhq(folder: Path) -> Path:
    """Everything that rebuilding and editing at 1024 px needs, 1.7 GB."""
    folder.mkdir(parents=True, exist_ok=True)
    write_hyperstyle(folder / "hyperstyle_ffhq.pt", 1024)
    write_w_encoder(folder / "faces_w_encoder.pt")
    write_direction(folder / "age.pt")
    write_direction(folder / "smile.pt")
    write_direction(folder / "pose.pt", rows=18)
    write_components(folder / "ffhq_pca.pt")
    return folder
