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


def difference_to_all(values: Tensor, chosen: Tensor, samples: int = BOOTSTRAP_SAMPLES) -> Interval:
    """Mean of some pictures less the mean of all, and its 95% bootstrap interval, as `interval` makes it.

    Args:
        values: (N,) one number per picture.
        chosen: (N,) bool, at least one of them true.
        samples: Number of resamples; all pictures are drawn again, those of the group among them.
    """
    values, chosen = values.detach().cpu().double(), chosen.cpu()
    picks = torch.randint(len(values), (samples, len(values)), generator=torch.Generator().manual_seed(0))
    drawn, inside = values[picks], chosen[picks].double()
    count = inside.sum(1)
    differences = ((drawn * inside).sum(1) / count - drawn.mean(1))[count > 0]
    low, high = torch.quantile(differences, torch.tensor([0.025, 0.975], dtype=values.dtype)).tolist()
    return {"mean": float(values[chosen].mean() - values.mean()), "low": low, "high": high}


def share(values: Tensor, of: Tensor, samples: int = BOOTSTRAP_SAMPLES) -> Interval | None:
    """Sum of some numbers as a share of others' sum, and its 95% bootstrap interval, as `interval` makes it.

    Args:
        values: (N,) one number per picture.
        of: (N,) what they are a share of; the pairs are drawn again together.
        samples: Number of resamples.

    Returns:
        None where the sum of `of` is 0.
    """
    values, of = values.detach().cpu().double(), of.detach().cpu().double()
    if not of.sum():
        return None
    picks = torch.randint(len(values), (samples, len(values)), generator=torch.Generator().manual_seed(0))
    totals = of[picks].sum(1)
    shares = values[picks].sum(1)[totals != 0] / totals[totals != 0]
    low, high = torch.quantile(shares, torch.tensor([0.025, 0.975], dtype=values.dtype)).tolist()
    return {"mean": float(values.sum() / of.sum()), "low": low, "high": high}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(value: Interval, digits: int) -> str:
    """Write a mean and, in square brackets, its interval."""
    return f"{value['mean']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"
