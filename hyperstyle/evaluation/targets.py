"""Pictures no network has seen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from torch import Tensor

from hyperstyle.pipeline import HyperStyle
from hyperstyle.synthetic.details import sample_details
from hyperstyle.synthetic.parameters import sample_parameters
from hyperstyle.synthetic.renderer import render

FIRST_HELD_OUT_SEED = 1_000_000  # training stays below
BATCH = 8


def held_out_targets(pipeline: HyperStyle, n: int, seed: int, beyond: bool, batch: int = BATCH) -> Iterator[Tensor]:
    """Held-out pictures in batches, on the pipeline's device."""
    size = pipeline.domain.resolution
    for count, batch_seed in batches(n, seed, batch):
        parameters = sample_parameters(count, batch_seed)
        details = sample_details(count, batch_seed) if beyond else None
        yield render(parameters, size, details).to(pipeline.device)


@lru_cache(maxsize=512)
def held_out_face(size: int, seed: int, beyond: bool) -> Tensor:
    """One held-out picture (1, 3, size, size) in [-1, 1]; drawn once, because several comparisons look at the same."""
    return render(sample_parameters(1, seed), size, sample_details(1, seed) if beyond else None)


def batches(n: int, seed: int, batch: int = BATCH) -> Iterator[tuple[int, int]]:
    """Sizes and seeds of the batches that make up `n` pictures."""
    for start in range(0, n, batch):
        yield min(batch, n - start), seed + start
