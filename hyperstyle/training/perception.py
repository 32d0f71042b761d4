"""Stages `attributes` and `identity`: networks that look at pictures, used in losses and metrics."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.synthetic.parameters import PARAMETERS, to_z
from hyperstyle.training.augment import photographic
from hyperstyle.training.config import AttributesConfig, IdentityConfig
from hyperstyle.training.data import Pictures


class AttributesTask:
    """Predict the renderer's normalised parameters from a picture.

    Args:
        network: To be trained.
        config: Settings.
        plain, beyond: Training pictures.
        held_out: Pictures with seeds never drawn for training.
    """

    def __init__(
        self, network: EmbeddingNetwork, config: AttributesConfig, plain: Pictures, beyond: Pictures, held_out: Pictures
    ) -> None:
        self.module: EmbeddingNetwork = network
        self.config, self.plain, self.beyond, self.held_out = config, plain, beyond, held_out
        self.device = next(network.parameters()).device

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Mean squared error of the normalised parameters."""
        x, z = mixed_batch(
            self.plain,
            self.beyond,
            self.config.loop.batch,
            self.config.beyond_share,
            generator,
            self.module.config.input_size,
        )
        x = photographic(x, generator, strength=0.5).to(self.device)
        loss = F.mse_loss(self.module(x), z.to(self.device))
        return loss, {"mse": float(loss.detach())}

    @torch.no_grad()
    def validate(self, module: EmbeddingNetwork) -> dict[str, float]:
        """Share of each parameter's variance explained on held-out pictures (R2), and their mean."""
        size = module.config.input_size
        rows = torch.arange(len(self.held_out))
        got, want = [], []
        for part in rows.split(64):
            x, p = self.held_out.batch(part, torch.zeros(len(part), dtype=torch.bool), size)
            got.append(module(x.to(self.device)).cpu())
            want.append(to_z(p))
        a, b = torch.cat(got), torch.cat(want)
        r2 = 1 - (a - b).square().mean(0) / b.var(0).clamp(min=1e-6)
        metrics = {"r2": float(r2.mean())}
        metrics |= {f"r2_{q.name}": round(float(v), 4) for q, v in zip(PARAMETERS, r2, strict=True)}
        return metrics

    def samples(self, module: EmbeddingNetwork) -> Tensor | None:
        """Nothing to look at."""
        return None


class IdentityTask:
    """Tell people apart whatever their pose, expression, light and accessories.

    Args:
        network: To be trained; its output is normalised.
        config: Settings.
        plain, beyond: Training pictures, rows 2i and 2i + 1 showing the same person.
        held_out: Pictures of people never drawn for training.
    """

    def __init__(
        self, network: EmbeddingNetwork, config: IdentityConfig, plain: Pictures, beyond: Pictures, held_out: Pictures
    ) -> None:
        self.module: EmbeddingNetwork = network
        self.config, self.plain, self.beyond, self.held_out = config, plain, beyond, held_out
        self.device = next(network.parameters()).device

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """InfoNCE in both directions over the people of a batch."""
        source = self.beyond if torch.rand((), generator=generator) < 0.4 else self.plain
        people = torch.randint(len(source) // 2, (self.config.loop.batch,), generator=generator)
        index = torch.cat([2 * people, 2 * people + 1])
        flip = torch.rand(len(people), generator=generator).repeat(2) < 0.5
        x, _ = source.batch(index, flip, self.module.config.input_size)
        x = photographic(x, generator, strength=0.5).to(self.device)
        a, b = self.module(x).chunk(2)
        logits = a @ b.t() / self.config.temperature
        label = torch.arange(len(people), device=logits.device)
        loss = (F.cross_entropy(logits, label) + F.cross_entropy(logits.t(), label)) / 2
        return loss, {"nce": float(loss.detach()), "top1": float((logits.argmax(1) == label).float().mean())}

    @torch.no_grad()
    def validate(self, module: EmbeddingNetwork) -> dict[str, float]:
        """Mean cosine between two pictures of one person and of two people, and how often the nearest is right."""
        rows = torch.arange(len(self.held_out))
        vectors = []
        for part in rows.split(64):
            x, _ = self.held_out.batch(part, torch.zeros(len(part), dtype=torch.bool), module.config.input_size)
            vectors.append(module(x.to(self.device)).cpu())
        v = torch.cat(vectors)
        a, b = v[0::2], v[1::2]
        cosine = a @ b.t()
        same = cosine.diagonal()
        others = cosine[~torch.eye(len(a), dtype=torch.bool)]
        hit = (cosine.argmax(1) == torch.arange(len(a))).float().mean()
        return {"same": float(same.mean()), "others": float(others.mean()), "top1": float(hit), "people": float(len(a))}

    def samples(self, module: EmbeddingNetwork) -> Tensor | None:
        """Nothing to look at."""
        return None


def mixed_batch(
    plain: Pictures, beyond: Pictures, n: int, beyond_share: float, generator: torch.Generator, size: int | None
) -> tuple[Tensor, Tensor]:
    """A batch of which a share carries beyond-domain details.

    Returns:
        Pictures (n, 3, size, size) in [-1, 1] and their normalised parameters (n, Z_DIM).
    """
    extra = round(n * beyond_share)
    a, p = plain.random(n - extra, generator, size)
    if not extra:
        return a, to_z(p)
    b, q = beyond.random(extra, generator, size)
    return torch.cat([a, b]), torch.cat([to_z(p), to_z(q)])
