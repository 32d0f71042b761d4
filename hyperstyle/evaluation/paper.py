"""What the HyperStyle paper reports of the same methods, and whether its orderings hold in another comparison.

Numbers are for CelebA-HQ faces with networks trained on FFHQ; absolute values of another domain, resolution and
identity network cannot be compared with them, orderings can.

Source: HyperStyle (arXiv 2111.15666), table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from hyperstyle.evaluation.tables import interval, table


class Reported(NamedTuple):
    """One row of the paper's table; `identity` and `ms_ssim` are better when high, the rest when low."""

    identity: float
    ms_ssim: float
    lpips: float
    l2: float
    seconds: float


CELEBA_HQ: dict[str, Reported] = {
    "w+": Reported(0.78, 0.90, 0.09, 0.020, 227.55),
    "pti": Reported(0.85, 0.92, 0.09, 0.015, 55.715),
    "psp": Reported(0.56, 0.76, 0.17, 0.034, 0.106),
    "e4e": Reported(0.50, 0.72, 0.20, 0.052, 0.106),
    "restyle-psp": Reported(0.66, 0.79, 0.13, 0.030, 0.366),
    "restyle-e4e": Reported(0.52, 0.74, 0.19, 0.041, 0.366),
    "hyperstyle": Reported(0.76, 0.84, 0.09, 0.019, 1.234),
}
"""By the name of the method. The paper's IDInvert is its encoder alone, so it is left out."""


class Ablated(NamedTuple):
    """One row of the paper's ablation table."""

    identity: float
    lpips: float
    l2: float


ABLATION: dict[str, Ablated] = {
    "ablation-full": Ablated(0.76, 0.09, 0.019),
    "ablation-separable": Ablated(0.71, 0.10, 0.019),
    "ablation-no-shared-head": Ablated(0.68, 0.12, 0.022),
    "ablation-coarse": Ablated(0.74, 0.10, 0.020),
}
"""After ten steps, on CelebA-HQ, as reported in table 2 and rounded there. toRGB was tried with one step only."""
WHY_NOT: dict[str, str] = {
    "w+": (
        "A latent for every layer reaches most of a drawn face, which has 46 parameters beside its details; of a "
        "photograph it does not, and the paper's optimisation ends at an identity of 0.78. Where latents alone come so "
        "close, tuned weights have less to add."
    ),
}
"""Why an ordering of the paper may not hold among drawn faces, by the name of the other method."""
METRICS = ("identity", "ms_ssim", "lpips", "l2")
TITLES = ("identity", "MS-SSIM", "LPIPS", "L2")
HIGHER_IS_BETTER = ("identity", "ms_ssim")


def reported_table(labels: Mapping[str, str]) -> str:
    """Write the paper's rows of some methods, given name -> label, as a Markdown table."""
    rows = [
        [label, *(f"{value:g}" for value in CELEBA_HQ[name][:4]), f"{CELEBA_HQ[name].seconds:.2f}"]
        for name, label in labels.items()
        if name in CELEBA_HQ
    ]
    return table(["method", *TITLES, "seconds"], rows)


def orderings(quality: Mapping[str, Mapping[str, Tensor]], labels: Mapping[str, str], ours: str = "hyperstyle") -> str:
    """Say which of the paper's orderings hold.

    Args:
        quality: By method and metric, (N,) values on the same faces.
        labels: Method -> what people read.
        ours: The method that every other is held against.

    Returns:
        A Markdown table: for every method of the paper and every metric whether ours is better or worse, in the paper
        and here; "overlap" where the intervals of the means do.
    """
    rows = []
    for name in quality:
        if name == ours or name not in CELEBA_HQ:
            continue
        cells = []
        for metric in METRICS:
            if metric not in quality[name]:
                cells.append("")
                continue
            paper, here = _both(quality, name, metric, ours)
            a, b = interval(quality[ours][metric]), interval(quality[name][metric])
            apart = a["high"] < b["low"] or b["high"] < a["low"]
            holds = "holds" if paper == here else "equal in the paper" if paper == "equal" else "does not hold"
            cells.append(f"{here}: {holds}{'' if apart else ' (overlap)'}")
        rows.append([f"{labels[ours]} against {labels[name]}", *cells])
    return table(["", *TITLES], rows)


def reasons(quality: Mapping[str, Mapping[str, Tensor]], ours: str = "hyperstyle") -> list[str]:
    """Say why, of those methods that are not ordered as in the paper and of which a reason is known.

    Args:
        quality, ours: As in `orderings`.
    """
    said = []
    for name, reason in WHY_NOT.items():
        if name not in quality:
            continue
        pairs = [_both(quality, name, metric, ours) for metric in METRICS if metric in quality[name]]
        if any(paper not in (here, "equal") for paper, here in pairs):
            said.append(reason)
    return said


def _both(quality: Mapping[str, Mapping[str, Tensor]], name: str, metric: str, ours: str) -> tuple[str, str]:
    """How ours compares with another method in the paper, and here."""
    paper = _verdict(getattr(CELEBA_HQ[ours], metric), getattr(CELEBA_HQ[name], metric), metric)
    our_mean, other_mean = (float(quality[key][metric].double().mean()) for key in (ours, name))
    return paper, _verdict(our_mean, other_mean, metric)


def _verdict(ours: float, other: float, metric: str) -> str:
    if ours == other:
        return "equal"
    return "better" if (ours > other) == (metric in HIGHER_IS_BETTER) else "worse"
