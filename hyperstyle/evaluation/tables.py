"""Numbers with their uncertainty, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BOOTSTRAP_SAMPLES = 2000

Interval = dict[str, float]
"""`mean`, and `low` and `high` of its 95% bootstrap interval."""


def interval(values: Tensor, samples: int = BOOTSTRAP_SAMPLES) -> Interval:
    """Mean and its 95% bootstrap interval (percentiles of the means of resamples, fixed seed).

    Args:
        values: (N,) one number per picture.
        samples: Number of resamples.
    """
    values = values.detach().cpu().double()
    picks = torch.randint(len(values), (samples, len(values)), generator=torch.Generator().manual_seed(0))
    means = values[picks].mean(1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=means.dtype)).tolist()
    return {"mean": float(values.mean()), "low": low, "high": high}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(value: Interval, digits: int) -> str:
    """Write a mean and, in square brackets, its interval."""
    return f"{value['mean']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"
