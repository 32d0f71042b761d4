"""The paper's ablation: hypernetworks that differ in one thing each, trained alike, on the same faces.

They are trained far shorter than the shipped hypernetwork (see their cards), so only their order means something.

Source: HyperStyle (arXiv 2111.15666), section 5.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hyperstyle.domains import Domain
from hyperstyle.evaluation.comparison import Comparison, Contender, Split, compare_contenders
from hyperstyle.evaluation.comparison_page import closeness, editability
from hyperstyle.evaluation.paper import ABLATION
from hyperstyle.evaluation.tables import interval, table
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.pipeline import HyperStyle
from hyperstyle.weights.load import build_ablation, load_network

LABELS = {
    "ablation-full": "HyperStyle",
    "ablation-separable": "separable offsets",
    "ablation-no-shared-head": "no shared head",
    "ablation-coarse": "with coarse layers",
    "ablation-to-rgb": "with toRGB",
}
REFERENCE = "ablation-full"


def contenders(pipeline: HyperStyle) -> dict[str, Contender]:
    """Make every ablated hypernetwork of a domain ready whose weights are there: name -> contender."""
    found = {}
    for name, sizes in pipeline.domain.ablations.items():
        if not pipeline.domain.path(name).exists():
            continue
        sibling = _with_hypernetwork(pipeline, name, replace(pipeline.domain, hypernetwork=sizes))
        found[name] = Contender(LABELS.get(name, name), sibling, sibling.inverter("hyperstyle"))
    return found


def compare_ablations(
    pipeline: HyperStyle,
    split: Split = "beyond",
    n: int = 20,
    seed: int = 0,
    reader_error: Mapping[str, float] | None = None,
) -> Comparison | None:
    """Compare the ablated hypernetworks; None where the domain has none. Arguments as in `compare_contenders`."""
    ready = contenders(pipeline)
    return compare_contenders(pipeline, ready, split, n, seed, reader_error=reader_error) if ready else None


def sections(comparison: Comparison) -> list[str]:
    """The tables, what they mean, and whether each change is for better or worse as in the paper."""
    reference = comparison.methods[REFERENCE]
    rows = []
    for name, result in comparison.methods.items():
        if name == REFERENCE:
            continue
        reported, cells = ABLATION.get(name), [result.label]
        for metric, sign in (("identity", 1), ("lpips", -1), ("l2", -1)):
            if metric not in result.quality:
                cells.append("")
                continue
            gain = interval(sign * (result.quality[metric] - reference.quality[metric]))
            here = "equal" if gain["low"] <= 0 <= gain["high"] else "better" if gain["mean"] > 0 else "worse"
            if reported is None:
                cells.append(here)
                continue
            before, after = getattr(ABLATION[REFERENCE], metric), getattr(reported, metric)
            there = "equal" if before == after else "better" if sign * (after - before) > 0 else "worse"
            cells.append(f"{here} (paper: {there})")
        rows.append(cells)
    return [
        *closeness(comparison, explain=False),
        *editability(comparison, explain=False),
        "All trained alike and far shorter than the shipped hypernetwork, which is why all are behind it: their order "
        "says how fast each variant learns, the paper's how far each gets.",
        "Against the first row, face by face; equal where the 95% interval of the mean difference holds 0. In brackets "
        "what the paper's table says of CelebA-HQ.",
        table(["", "identity", "LPIPS", "L2"], rows),
    ]


def _with_hypernetwork(pipeline: HyperStyle, name: str, domain: Domain) -> HyperStyle:
    """A pipeline like another, but for its hypernetwork."""

    def build() -> Hypernetwork:
        return build_ablation(domain, name)

    network = load_network(build, domain.path(name), pipeline.device)
    models = replace(pipeline.models, domain=domain, hypernetwork=network)
    return HyperStyle(domain, models, dtype=pipeline.fast.generator.dtype)
