"""Stages `attributes` and `identity` of photographs: our own small networks learn what a face is and whose it is.

A few thousand pictures are too few to learn seeing from. So both also learn to say what EfficientNet-Lite0 sees
(distillation), which is known for every disturbed picture anew; the pretrained network itself is never shipped.

Source: distillation after Hinton et al. (arXiv 1503.02531), of features as in FitNets (arXiv 1412.6550).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from hyperstyle import metrics
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.resizing import pool_to
from hyperstyle.training.augment import camera, worn
from hyperstyle.training.face_networks import FaceNetworks
from hyperstyle.training.loop import Numbers
from hyperstyle.training.photo_traits import TRAITS
from hyperstyle.training.photographs import Photographs
from hyperstyle.training.pretrained import OUT_WIDTH, PhotographFeatures, channels_last
from hyperstyle.training.sampling import Sampler
from hyperstyle.traits import mirrored, to_z
from hyperstyle.verification import same_shots, verify

LEVELS = {"one_in_ten": 0.1, "one_in_a_thousand": 1e-3}
"""Shares of strangers, and the names of the likeness that they reach."""


class Distillation:
    """A linear layer that says from a trunk's features what the pretrained network sees; trained beside it.

    Args:
        trunk_width: Channels at the trunk's end.
        teacher: With its head.
        device: Where it is.
    """

    def __init__(self, trunk_width: int, teacher: PhotographFeatures, device: torch.device) -> None:
        self.teacher = teacher
        self.reader = nn.Linear(trunk_width, OUT_WIDTH).to(device)

    def loss(self, features: Tensor, x: Tensor) -> Tensor:
        """1 - cosine between what is said and what is seen, after the teacher's mean over the batch; a scalar.

        Args:
            features: (B, C) of the trunk.
            x: (B, 3, H, W), what both looked at.
        """
        with torch.no_grad():
            seen = self.teacher.describe(x)
            seen = seen - seen.mean(0)
        said = self.reader(features)
        return (1 - F.cosine_similarity(said - said.mean(0), seen, dim=1)).mean()


@dataclass(frozen=True)
class PhotoPerception:
    """Settings of both stages.

    Attributes:
        batch: Pictures per step; for identity, people, each shown twice.
        distillation: Weight of saying what the pretrained network sees.
        temperature: Of the softmax over cosines between identities.
        pairs: Share of a batch's people of whom there are two different shots, where the table knows enough of them.
        agreement: For identity: weight of finding two faces as alike as public face networks do, where there are any.
        redrawn: For identity: share of a batch that is also shown as the generator draws it, to agree on.
    """

    batch: int = 32
    distillation: float = 0.5
    temperature: float = 0.07
    pairs: float = 0.4
    agreement: float = 20.0
    redrawn: float = 0.5


class PhotoAttributesTask:
    """Read traits off photographs; what is not known of one teaches nothing.

    Args:
        network: (B, 3, S, S) to one column per trait, as `to_z`.
        teacher: With its head.
        config: Settings.
        train, held_out: Photographs, of different people.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        teacher: PhotographFeatures,
        config: PhotoPerception,
        train: Photographs,
        held_out: Photographs,
    ) -> None:
        self.module: EmbeddingNetwork = channels_last(network)
        self.config, self.train, self.held_out = config, train, held_out
        self.device = next(network.parameters()).device
        self.sampler = Sampler(train, device=self.device)
        self.z = to_z(TRAITS, train.traits)
        self.distillation = Distillation(network.trunk.out_channels, teacher, self.device)
        self.companions = {"reader": self.distillation.reader}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network and the layer that distillation reads it with."""
        return [{"params": [*self.module.parameters(), *self.distillation.reader.parameters()]}]

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, Numbers]:
        """Squared error of what is known, plus distillation."""
        rows = self.sampler.rows(self.config.batch, generator)
        flip = torch.rand(len(rows), generator=generator) < 0.5
        x = self.sampler.pictures(rows, flip, self.module.config.input_size)
        x = worn(camera(x, generator, strength=0.8), generator, share=0.2).to(self.device)
        x = x.contiguous(memory_format=torch.channels_last)
        wanted = torch.where(flip[:, None], mirrored(TRAITS, self.z[rows]), self.z[rows]).to(self.device)
        features = self.module.trunk(x)
        known = ~wanted.isnan()
        error = (self.module.output_layer(features) - wanted.nan_to_num(0.0)).square() * known
        loss = error.sum() / known.sum()
        distilled = self.distillation.loss(features.mean((2, 3)), x)
        numbers: Numbers = {"mse": loss.detach(), "distilled": distilled.detach()}
        return loss + self.config.distillation * distilled, numbers

    @torch.no_grad()
    def validate(self, module: EmbeddingNetwork) -> dict[str, float]:
        """On people who were kept back: share of each trait's variance explained (R2), or AUC where it is yes or no."""
        size = module.config.input_size
        parts = torch.arange(len(self.held_out)).split(64)
        got = torch.cat([module(self.held_out.batch(part, size=size).to(self.device)).cpu() for part in parts])
        wanted = to_z(TRAITS, self.held_out.traits)
        found: dict[str, float] = {}
        for place, trait in enumerate(TRAITS):
            known = ~wanted[:, place].isnan()
            a, b = got[known, place], wanted[known, place]
            if len(b.unique()) < 2:
                continue  # nobody was kept back who differs in it
            found[f"r2_{trait.name}"] = float(1 - (a - b).square().mean() / b.var().clamp(min=1e-6))
            if len(b.unique()) <= 3 and 0 < int((b > b.min()).sum()) < len(b):
                found[f"auc_{trait.name}"] = float(roc_auc_score((b > b.min()).numpy(), a.numpy()))
        r2 = [value for name, value in found.items() if name.startswith("r2_")]
        return (
            {"r2": sum(r2) / max(1, len(r2))}
            | {name: round(value, 4) for name, value in found.items()}
            | {"pictures": float(len(got))}
        )

    def samples(self, module: EmbeddingNetwork) -> Tensor | None:
        """Nothing to look at."""
        return None


def shots_by_person(photographs: Photographs) -> dict[str, list[int]]:
    """Rows of each person, without the same shot twice."""
    found: dict[str, list[int]] = defaultdict(list)
    for row, values in enumerate(photographs.rows):
        if not values.get("same_shot_as"):
            found[values["person"]].append(row)
    return dict(found)


class PhotoIdentityTask:
    """Tell people apart whatever their pose, light, age in the picture and the camera (InfoNCE, arXiv 1807.03748).

    Few people are shown in two shots; of the others, two differently disturbed copies of one picture stand in. Where
    there are public face networks, every two faces of a batch should also be as alike as those find them, redrawn
    faces among them: what the page asks about is how like its photograph a redrawn face is.

    Args:
        network: Its output is normalised.
        teacher: With its head.
        config: Settings.
        train, held_out: Photographs, of different people.
        faces: Public face networks.
        redraw: Pictures (B, 3, H, H) as encoder and generator draw them again.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        teacher: PhotographFeatures,
        config: PhotoPerception,
        train: Photographs,
        held_out: Photographs,
        faces: FaceNetworks | None = None,
        redraw: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.module: EmbeddingNetwork = channels_last(network)
        self.config, self.train, self.held_out = config, train, held_out
        self.faces, self.redraw = faces, redraw
        self.device = next(network.parameters()).device
        self.sampler = Sampler(train, device=self.device)
        shots = shots_by_person(train)
        self.people = list(shots.values())
        # How often a person is shown: as often as the rarest kind of picture there is of them.
        self.weight = torch.tensor([float(self.sampler.weights[rows].max()) for rows in self.people])
        self.several = torch.tensor([len(rows) > 1 for rows in self.people])
        self.distillation = Distillation(network.trunk.out_channels, teacher, self.device)
        self.companions = {"reader": self.distillation.reader}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network and the layer that distillation reads it with."""
        return [{"params": [*self.module.parameters(), *self.distillation.reader.parameters()]}]

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, Numbers]:
        """InfoNCE, every other picture of the batch being somebody else's, plus distillation."""
        a, b = self._pairs(generator)
        # Public face networks see more in whole pictures; our own reads a part of one that is small enough to keep.
        whole_size = self.sampler.photographs.size // (1 if self.faces is not None else 2)
        size = whole_size if self.module.config.crop else self.module.config.input_size
        flip = torch.rand(2 * len(a), generator=generator) < 0.5
        x = self.sampler.pictures(torch.cat((a, b)), flip, max(size, self.module.config.input_size))
        whole = worn(camera(x, generator), generator, share=0.3).to(self.device)
        x = metrics.face_part(self.module, whole).contiguous(memory_format=torch.channels_last)
        features = self.module.trunk(x)
        v = F.normalize(self.module.output_layer(features), dim=1)
        n = len(a)
        logits = v @ v.t() / self.config.temperature - 1e4 * torch.eye(2 * n, device=v.device)
        label = torch.arange(2 * n, device=v.device).roll(n)
        loss = F.cross_entropy(logits, label)
        distilled = self.distillation.loss(features.mean((2, 3)), x)
        hit = (logits.argmax(1) == label).float().mean()
        numbers: Numbers = {"nce": loss.detach(), "top1": hit, "distilled": distilled.detach()}
        loss = loss + self.config.distillation * distilled
        if self.faces is not None:
            disagreement = self._disagreement(self.faces, whole, v)
            loss = loss + self.config.agreement * disagreement
            numbers["disagreement"] = disagreement.detach()
        return loss, numbers

    def _disagreement(self, faces: FaceNetworks, whole: Tensor, v: Tensor) -> Tensor:
        """Squared difference of cosines between every two faces from those of public networks; a scalar.

        Args:
            faces: The networks.
            whole: (B, 3, H, H) photographs.
            v: (B, C) what the network says of them.
        """
        with torch.no_grad():
            if self.redraw is not None:
                again = self.redraw(whole[: round(len(whole) * self.config.redrawn)])
                whole = torch.cat((whole, pool_to(again, whole.shape[-1]).clamp(-1, 1)))
            known = [a @ a.t() for a in faces.describe(whole)]
        more = whole[len(v) :]
        if len(more):
            v = torch.cat((v, self.module(metrics.face_part(self.module, more))))
        apart = (v @ v.t() - torch.stack(known).mean(0)).square()
        return apart.sum() / (len(v) * (len(v) - 1))

    def _pairs(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows of two pictures of each of a batch's people, of different shots where there are such."""
        known = min(round(self.config.batch * self.config.pairs), int(self.several.sum()))
        people = []
        if known:
            people.append(torch.multinomial(self.weight * self.several, known, generator=generator))
        rest = self.weight.clone()
        rest[self.several] = 0
        if self.config.batch > known and bool((rest > 0).any()):
            count = min(self.config.batch - known, int((rest > 0).sum()))
            people.append(torch.multinomial(rest, count, generator=generator))
        first, second = [], []
        for person in torch.cat(people).tolist():
            rows = self.people[person]
            order = torch.randperm(len(rows), generator=generator).tolist()
            first.append(rows[order[0]])
            second.append(rows[order[-1]])
        return torch.tensor(first), torch.tensor(second)

    @torch.no_grad()
    def validate(self, module: EmbeddingNetwork) -> dict[str, float]:
        """On people who were kept back: how well different shots of one person are told from two people (AUC)."""
        vectors = []
        for part in torch.arange(len(self.held_out)).split(64):
            x = self.held_out.batch(part).to(self.device)
            vectors.append(module(metrics.face_part(module, x)).cpu())
        rows = self.held_out.rows
        shots = same_shots([row["file"] for row in rows], [row.get("same_shot_as", "") for row in rows])
        found = {"people": float(len(set(self.held_out.people)))}
        for name, rate in LEVELS.items():
            result = verify(torch.cat(vectors), self.held_out.people, shots, rate)
            if result.threshold is not None:
                found |= {name: result.threshold, "others": result.stranger_mean or 0.0}
            if result.auc is not None:
                found |= {"auc": result.auc, "same": result.same_mean or 0.0, "pairs": float(result.same_pairs)}
                found |= {f"recognised_at_{name}": result.accepted or 0.0}
        return found

    def samples(self, module: EmbeddingNetwork) -> Tensor | None:
        """Nothing to look at."""
        return None
