"""What every stage of `train` works with: the run folder, the schedule, earlier stages' networks, cards.

A run folder is a domain folder: `domain.json` and one weights file per part.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hyperstyle.device import describe_machine
from hyperstyle.domains import STYLES_FOLDER, Domain, read_domain
from hyperstyle.errors import WeightsMissing
from hyperstyle.files.whole import make_folder, write_text
from hyperstyle.images import save_picture, to_photo
from hyperstyle.training import stage_names
from hyperstyle.training.config import DomainSizes
from hyperstyle.training.data import HELD_OUT_SEED, Pictures, Split, draw_shard
from hyperstyle.training.growing import grow, train_only
from hyperstyle.training.loop import Network, Report, Task, fit
from hyperstyle.training.photographs import Photographs, people_range
from hyperstyle.training.schedule import LoopConfig, scheduled
from hyperstyle.weights.files import load_weights, save_weights, strict_load
from hyperstyle.weights.load import Networks, builder

STARTED_FROM_WEIGHTS = "started_from_weights.json"
STEM = "input_layer.0.weight"  # a trunk's only weight whose shape depends on the number of pictures it reads
STAGE_OF = {
    "attributes": stage_names.ATTRIBUTES,
    "identity": stage_names.IDENTITY,
    "generator": stage_names.GENERATOR,
    "w_encoder": stage_names.ENCODER,
    "hypernetwork": stage_names.HYPERNETWORK,
    "text": stage_names.CLIP,
}
"""The stage that makes each part."""


@dataclass(frozen=True)
class Start:
    """What a part's training begins with.

    Attributes:
        from_weights: Whether with weights that were there before.
        new: Names of the weights that these lack because they were a smaller network's; only they are trained then.
    """

    from_weights: bool
    new: tuple[str, ...]


@dataclass(frozen=True)
class PhotographSource:
    """Photographs to prepare.

    Attributes:
        photos: Folder with the pictures.
        table: CSV with their `file` and `person`.
        labels: CSV with more columns for each `file`; None for none.
    """

    photos: Path
    table: Path
    labels: Path | None = None


@dataclass(frozen=True)
class Run:
    """Everything a stage needs to know.

    Attributes:
        sizes: Networks and settings of the domain.
        folder: The run folder, which is a domain folder.
        device: Where to train.
        steps, minutes, seed: Overrides from the command line.
        resume: Go on from checkpoints.
        report: Progress callback.
        command: The command line, for the card.
        style: For the stage `style`: which one.
        source: For the stage `data` of photographs: where they are.
        faces: Folder of public face networks for identity losses; None for our own identity network alone.
    """

    sizes: DomainSizes
    folder: Path
    device: torch.device
    steps: int | None
    minutes: float | None
    seed: int
    resume: bool
    report: Report
    command: str
    style: str = ""
    source: PhotographSource | None = None
    faces: Path | None = None

    @property
    def domain(self) -> Domain:
        """The run folder as a domain."""
        return read_domain(self.folder)

    def loop(self, config: LoopConfig) -> LoopConfig:
        """A stage's schedule with the command line's overrides."""
        return scheduled(config, self.steps, self.minutes, self.seed)

    def pictures(self, split: Split) -> Pictures:
        """Training pictures of a split, drawn first if there are none."""
        ready = Pictures(self.folder / "data", split)
        if not len(ready):
            draw_pictures(self)
            ready = Pictures(self.folder / "data", split)
        return ready

    def held_out(self, split: Split) -> Pictures:
        """A few pictures with seeds that training never draws."""
        people = min(64, self.sizes.data.people_per_shard)
        config = replace(self.sizes.data, people_per_shard=people, compiled=False, seed=HELD_OUT_SEED)
        folder = self.folder / "data" / "held_out"
        draw_shard(config, split, 0, folder, lambda n: None)
        return Pictures(folder, split)

    def stylised(self) -> tuple[Pictures, Pictures]:
        """The training people and the held-out ones drawn in the run's style, first drawn where they are not yet."""
        config = replace(self.sizes.data, style=self.style)
        held = replace(config, people_per_shard=min(64, config.people_per_shard), compiled=False, seed=HELD_OUT_SEED)
        shards = min(self.sizes.style_training.shards, config.in_domain_shards)
        folder = self.folder / "data" / STYLES_FOLDER / self.style
        total, done = 2 * (shards * config.people_per_shard + held.people_per_shard), 0

        def count(n: int) -> None:
            nonlocal done
            done += n
            self.report(done / total, f"{done} of {total} pictures drawn")

        draw_shard(held, "in_domain", 0, folder / "held_out", count)
        for index in range(shards):
            draw_shard(config, "in_domain", index, folder, count)
        return Pictures(folder, "in_domain", mirrored=False), Pictures(folder / "held_out", "in_domain", mirrored=False)

    def photographs(self) -> tuple[Photographs, Photographs]:
        """The training people and those who are kept back."""
        assert self.sizes.photographs is not None
        held_out = people_range(self.sizes.photographs.data.held_out)
        folder = self.folder / "data"
        return Photographs.read(folder, lambda person: not held_out(person)), Photographs.read(folder, held_out)

    @property
    def build(self) -> Networks:
        """Builds a network with random weights by the name of its part."""
        return builder(self.domain)

    @property
    def load(self) -> Networks:
        """Gives the network that an earlier stage made by the name of its part, fixed and in evaluation mode."""
        return self._load

    def _load(self, part: str) -> Any:
        build: Any = self.build
        path = self.domain.path(part)
        if not path.exists():
            raise WeightsMissing(
                f"{path.name} is not there yet; run `train {STAGE_OF[part]}` into the same folder first."
            )
        tensors, _ = load_weights(path)
        network = build(part)
        strict_load(network, tensors, path)
        return network.to(self.device).eval().requires_grad_(False)

    def start(self, part: str, network: nn.Module) -> Start:
        """Prepare a network for its stage: from nothing, or from weights that were there before its first checkpoint.

        Those may be a smaller network's (shipped ones, copied here): then only what is new is trained, so that whatever
        was trained with the rest stays valid. May be called twice.
        """
        stage = self.folder / "stages" / part
        note = stage / STARTED_FROM_WEIGHTS
        path = self.domain.path(part)
        if not self.resume:
            return Start(False, ())
        if not (stage / "checkpoint.pt").exists() and path.exists():
            tensors, _ = load_weights(path)
            make_folder(stage)
            write_text(note, json.dumps(grow(network, tensors, path)) + "\n")
        if not note.exists():
            return Start(False, ())
        new = tuple(json.loads(note.read_text()))
        if new:
            train_only(network, new)
        return Start(True, new)

    def train(
        self, task: Task[Network], loop: LoopConfig, part: str, finish: Callable[[Network], None] | None = None
    ) -> None:
        """Run the loop for one part and write its weights and card.

        With `resume`, a part that has weights but no checkpoint is trained further; see `start`.
        """
        stage = self.folder / "stages" / part
        self.start(part, task.module)
        average, facts = fit(task, loop, stage, self.device, self.report, self.resume, show=write_sheet)
        if finish is not None:
            finish(average)
        batch = getattr(getattr(task, "config", None), "batch", loop.batch)  # stages of photographs have their own
        self.write(part, average.state_dict(), {**facts, "seed": loop.seed, "batch": batch})

    def write(self, part: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """Write a part's weights with a card in the header and beside the file."""
        path = self.domain.path(part)
        make_folder(path.parent)
        header = {"card": json.dumps(self.card(part, facts)), "domain": self.domain.name}
        save_weights(path, {k: v.cpu() for k, v in tensors.items()}, header)

    def card(self, part: str, facts: Mapping[str, object]) -> dict[str, object]:
        """Write how a part was made into a file beside its weights, and return it."""
        card = {
            "part": part,
            "command": self.command,
            **facts,
            "machine": describe_machine(self.device),
            "licence": "MIT",
            "made": time.strftime("%Y-%m-%d"),
        }
        write_text(self.domain.path(part).with_suffix(".card.json"), json.dumps(card, indent=1) + "\n")
        return card


def draw_pictures(run: Run) -> None:
    """Draw the training pictures."""
    config = run.sizes.data
    jobs: list[tuple[Split, int]] = [("in_domain", i) for i in range(config.in_domain_shards)]
    jobs += [("beyond", i) for i in range(config.beyond_shards)]
    total, done = len(jobs) * 2 * config.people_per_shard, 0

    def count(n: int) -> None:
        nonlocal done
        done += n
        run.report(done / total, f"{done} of {total} pictures drawn")

    for split, index in jobs:
        draw_shard(config, split, index, run.folder / "data", count)
    run.held_out("in_domain")
    run.held_out("beyond")


def write_sheet(pictures: Tensor, path: Path, columns: int = 8) -> None:
    """Write pictures (B, 3, H, W) as one sheet, row by row."""
    rows = pictures.shape[0] // columns
    height, width = pictures.shape[2:]
    grid = pictures[: rows * columns].reshape(rows, columns, 3, height, width).permute(2, 0, 3, 1, 4)
    make_folder(path.parent)
    save_picture(to_photo(grid.reshape(3, rows * height, columns * width)), path)


def start_from(run: Run, part: str, network: nn.Module) -> None:
    """Copy an earlier part's trunk into a network with the same trunk: most of what it sees is the same.

    Where the new trunk reads a second picture beside the first, it begins by not looking at it.
    """
    path = run.domain.path(part)
    if not path.exists():
        return
    tensors, _ = load_weights(path)
    trunk = {name.removeprefix("trunk."): t for name, t in tensors.items() if name.startswith("trunk.")}
    own = network.get_submodule("trunk").state_dict()
    first = trunk[STEM]
    more = own[STEM].shape[1] - first.shape[1]
    if more > 0:
        trunk[STEM] = torch.cat((first, first.new_zeros(first.shape[0], more, *first.shape[2:])), dim=1)
    if {name: t.shape for name, t in own.items()} == {name: t.shape for name, t in trunk.items()}:
        network.get_submodule("trunk").load_state_dict(trunk)
