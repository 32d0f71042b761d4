"""The pictures that training sees: drawn once, kept as shards on disk, read as one array.

A shard holds pictures of people drawn twice: rows 2i and 2i + 1 are the same person in two photographs, which gives the
identity network its labels. Shards can be added while training runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.files.whole import make_folder, whole
from hyperstyle.synthetic.details import Details, sample_details
from hyperstyle.synthetic.parameters import PARAMETERS, Parameters, mirror, resample, sample_parameters, select
from hyperstyle.synthetic.renderer import render
from hyperstyle.synthetic.styles import render_style

log = logging.getLogger(__name__)

Split = Literal["in_domain", "beyond"]
HELD_OUT_SEED = 1_000_000
"""Seeds from here on are never drawn for training."""


@dataclass(frozen=True)
class DataConfig:
    """How the training pictures are drawn.

    Attributes:
        size: Side in pixels.
        people_per_shard: Each person is drawn twice.
        in_domain_shards, beyond_shards: How many of each.
        batch: Pictures drawn at once.
        compiled: Compile the renderer (needs a C compiler; pays off after some hundred pictures).
        seed: First seed; every shard has its own.
        style: Draw in this style (a key of `synthetic.styles.STYLES`), the same people; empty for plain portraits.
    """

    size: int = 128
    people_per_shard: int = 512
    in_domain_shards: int = 16
    beyond_shards: int = 10
    batch: int = 16
    compiled: bool = True
    seed: int = 0
    style: str = ""


def shard_parameters(config: DataConfig, split: Split, index: int) -> tuple[Parameters, Details | None]:
    """What a shard shows: parameters (and details) of its 2 * people_per_shard pictures."""
    seed = config.seed + 10 * index + (500_000 if split == "beyond" else 0)
    n = config.people_per_shard
    first = sample_parameters(n, seed)
    second = resample(first, seed + 1)
    p = {k: torch.stack([first[k], second[k]], 1).reshape(-1) for k in first}
    if split == "in_domain":
        return p, None
    return p, {k: v.repeat_interleave(2, 0) for k, v in sample_details(n, seed).items()}


def draw_shard(config: DataConfig, split: Split, index: int, folder: Path, on_progress: Callable[[int], None]) -> Path:
    """Draw one shard unless it is there already; a shard appears under its name only when complete."""
    path = folder / f"{split}_{index:04d}.npz"
    if path.exists():
        return path
    p, details = shard_parameters(config, split, index)
    total = 2 * config.people_per_shard
    pictures = np.empty((total, 3, config.size, config.size), np.uint8)
    with torch.inference_mode():
        for i in range(0, total, config.batch):
            rows = slice(i, min(i + config.batch, total))
            extra = None if details is None else select(details, rows)
            if config.style:
                drawn = render_style(config.style, select(p, rows), config.size, config.compiled)
            else:
                drawn = render(select(p, rows), config.size, details=extra, compiled=config.compiled)
            pictures[rows] = to_bytes(drawn).numpy()
            on_progress(rows.stop - rows.start)
    make_folder(folder)
    table = torch.stack([p[q.name] for q in PARAMETERS], 1).numpy()
    with whole(path) as part, part.open("wb") as file:
        np.savez(file, pictures=pictures, parameters=table)
    return path


def to_bytes(pictures: Tensor) -> Tensor:
    """[-1, 1] float pictures as uint8."""
    return ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_float(pictures: Tensor) -> Tensor:
    """uint8 pictures as float in [-1, 1]."""
    return pictures.float() / 127.5 - 1


class Pictures:
    """All shards of a split in memory as uint8, with random batches, mirrored half of the time.

    Args:
        folder: Where the shards are.
        split: Which of them.
        mirrored: False where a mirrored picture is not what the mirrored person looks like: strokes of a pen have a
            direction.

    Attributes:
        pictures: (N, 3, size, size) uint8; rows 2i and 2i + 1 are the same person.
        parameters: Name -> (N,).
    """

    def __init__(self, folder: Path, split: Split, mirrored: bool = True) -> None:
        self.folder, self.split, self.mirrored = folder, split, mirrored
        self._seen: set[Path] = set()
        self._parts: list[Tensor] = []
        self._tables: list[Tensor] = []
        self.refresh()

    def refresh(self) -> bool:
        """Read shards that have appeared since; returns whether there were any."""
        new = [f for f in sorted(self.folder.glob(f"{self.split}_????.npz")) if f not in self._seen]
        for file in new:
            with np.load(file) as shard:
                self._parts.append(torch.from_numpy(shard["pictures"]))
                self._tables.append(torch.from_numpy(shard["parameters"]))
            self._seen.add(file)
        if new:
            self.pictures = torch.cat(self._parts)
            table = torch.cat(self._tables)
            self.parameters: Parameters = {q.name: table[:, i] for i, q in enumerate(PARAMETERS)}
        return bool(new)

    def __len__(self) -> int:
        return int(self.pictures.shape[0]) if self._parts else 0

    def batch(self, index: Tensor, flip: Tensor, size: int | None = None) -> tuple[Tensor, Parameters]:
        """Rows as float pictures and parameters, mirrored where `flip` says so.

        Args:
            index: (B,) rows.
            flip: (B,) bool.
            size: Pooled to this side; None keeps the full size.
        """
        x = to_float(self.pictures[index])
        if size is not None and size != x.shape[-1]:
            x = F.adaptive_avg_pool2d(x, size)
        x = torch.where(flip[:, None, None, None], x.flip(-1), x)
        p = select(self.parameters, index)
        flipped = mirror(p)
        return x, {k: torch.where(flip, flipped[k], v) for k, v in p.items()}

    def random(self, n: int, generator: torch.Generator, size: int | None = None) -> tuple[Tensor, Parameters]:
        """A random batch."""
        index = torch.randint(len(self), (n,), generator=generator)
        flip = torch.rand(n, generator=generator) < 0.5
        return self.batch(index, flip & self.mirrored, size)
