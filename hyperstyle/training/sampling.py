"""Which photographs a batch shows: rare kinds of people more often than they come."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperstyle.training.photographs import Photographs

LARGEST_WEIGHT = 4.0
"""The rarest picture is shown at most this many times as often as the commonest."""
CACHED_PX = 128
"""Pictures up to this size are kept in memory once they were pooled."""


def rarity(photographs: Photographs) -> Tensor:
    """Weights (N,) that even out sex, age and skin tone as far as `LARGEST_WEIGHT` allows; mean 1.

    Each picture counts with the inverse root of its group's share; what is not known evens out nothing.
    """
    n = len(photographs)
    groups = torch.zeros(n, dtype=torch.long)
    for name, edges in (("femininity", (0.5,)), ("age", (35.0, 50.0, 62.0)), ("skin_tone", (0.15, 0.27, 0.45))):
        column = photographs.trait(name)
        known = ~torch.isnan(column)
        places = torch.bucketize(column.nan_to_num(0.0), torch.tensor(edges)) + 1
        groups = groups * 8 + places * known
    _, place, count = torch.unique(groups, return_inverse=True, return_counts=True)
    weight = (count.float() / n).rsqrt()[place]
    weight = weight.clamp(max=LARGEST_WEIGHT * float(weight.min()))
    return weight / weight.mean()


class Sampler:
    """Random batches of photographs, mirrored half of the time.

    Args:
        photographs: Where they come from.
        weights: (N,) how often each is shown; None for `rarity`.
        device: Where batches are wanted; an accelerator keeps all pictures in its own memory.
    """

    def __init__(
        self, photographs: Photographs, weights: Tensor | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.photographs = photographs
        self.device = torch.device(device)
        self.weights = rarity(photographs) if weights is None else weights
        self._small: dict[int, Tensor] = {}

    def rows(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) row numbers."""
        return torch.multinomial(self.weights, n, replacement=True, generator=generator)

    def batch(self, n: int, generator: torch.Generator, size: int) -> Tensor:
        """Pictures (n, 3, size, size) in [-1, 1], on `device`."""
        rows = self.rows(n, generator)
        return self.pictures(rows, torch.rand(n, generator=generator) < 0.5, size)

    def pictures(self, rows: Tensor, flip: Tensor, size: int) -> Tensor:
        """Chosen pictures (B, 3, size, size) in [-1, 1], mirrored where `flip` says so."""
        if size > CACHED_PX and self.device.type == "cpu":
            return self.photographs.batch(rows, flip, size)
        if size not in self._small:
            parts = torch.arange(len(self.photographs)).split(64)
            pooled = [((self.photographs.batch(part, size=size) + 1) * 127.5).round().to(torch.uint8) for part in parts]
            self._small[size] = torch.cat(pooled).to(self.device)
        x = self._small[size][rows.to(self.device)].float() / 127.5 - 1
        return torch.where(flip.to(self.device)[:, None, None, None], x.flip(-1), x)
