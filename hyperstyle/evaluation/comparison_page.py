"""Tables and text of a comparison: CSV for programs, Markdown for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hyperstyle.evaluation.comparison import EDITED_FACES, Comparison, identity_at, matched_change
from hyperstyle.evaluation.paper import CELEBA_HQ, orderings, reasons, reported_table
from hyperstyle.evaluation.tables import Interval, interval, show, table
from hyperstyle.evaluation.targets import FIRST_HELD_OUT_SEED

SUMMARY = ("method", "split", "n", "identity", "ms_ssim", "lpips", "l2", "psnr", "seconds", "peak_mb")
QUALITY = ("identity", "ms_ssim", "lpips", "l2", "psnr")
_TITLES = ("identity", "MS-SSIM", "LPIPS", "L2", "PSNR (dB)")
_DIGITS = (3, 3, 4, 4, 2)
_FLATTERED = (
    "Methods that descend (optimisation, IDInvert, PTI) minimise this very distance, and encoders and hypernetwork "
    "were trained with it: this column flatters the former most."
)


def summary_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per method: means, in the columns of `SUMMARY` and after them each interval's ends."""
    rows = []
    for name, result in comparison.methods.items():
        spans = {metric: interval(result.quality[metric]) for metric in QUALITY if metric in result.quality}
        row: dict[str, Any] = {"method": name, "split": comparison.split, "n": comparison.n}
        row |= {metric: _mean(spans.get(metric)) for metric in QUALITY}
        row |= {
            "seconds": round(float(result.seconds.median()), 4),
            "peak_mb": round(float(result.peak_mb.max()), 1),
        }
        distance = comparison.frechet(name)
        row["frechet"] = "" if distance is None else round(distance, 5)
        for metric, span in spans.items():
            row |= {f"{metric}_low": round(span["low"], 5), f"{metric}_high": round(span["high"], 5)}
        rows.append(row)
    return rows


def editability_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per method, edit and strength."""
    rows = []
    for name, result in comparison.methods.items():
        for edit, curve in result.curves.items():
            for column, strength in enumerate(curve.strengths):
                likeness = round(float(curve.identity[:, column].mean()), 5) if curve.identity.numel() else ""
                rows.append(
                    {
                        "method": name,
                        "edit": edit,
                        "unit": comparison.units[edit],
                        "strength": strength,
                        "change": round(float(curve.change[:, column].mean()), 5),
                        "identity": likeness,
                        "leak": round(float(curve.leak[:, column].mean()), 5),
                    }
                )
    return rows


def to_csv(rows: Sequence[Mapping[str, Any]], command: str) -> str:
    """Write rows as CSV.

    Args:
        rows: All with the same columns as the first.
        command: What made them; the last column.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*rows[0], "command"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "command": command} for row in rows)
    return buffer.getvalue()


def to_markdown(comparison: Comparison, command: str, figures: Sequence[str] = ()) -> str:
    """Write the comparison as a page of its own.

    Args:
        comparison: From `compare`.
        command: What made it, shown at the top.
        figures: File names of figures beside the page.
    """
    machine = comparison.machine
    parts = [
        f"# Inversion methods compared: `{comparison.domain}`",
        f"```\n{command}\n```",
        f"{pictures(comparison)} Square brackets are 95% bootstrap intervals of the mean. Device: {comparison.device}, "
        f"{machine['threads']} threads, PyTorch {machine['torch']}. Numbers for programs: the CSV files beside this "
        "page.",
        "## How close, how fast",
        *closeness(comparison),
    ]
    edited = editability(comparison)
    if edited:
        parts += ["## What is left of the person after an edit", *edited]
    if comparison.steps:
        parts += ["## HyperStyle, step by step", *step_by_step(comparison)]
    beside = beside_the_paper(comparison)
    if beside:
        parts += ["## Beside the paper", *beside]
    parts += [f"![{name}]({name})" for name in figures]
    return "\n\n".join(parts) + "\n"


def pictures(comparison: Comparison) -> str:
    """One sentence: which faces were inverted."""
    if comparison.seed is None:
        return f"{comparison.n} photos."
    kind = "with details the generator cannot draw" if comparison.split == "beyond" else "of its own world"
    return f"Held-out pictures: seeds from {FIRST_HELD_OUT_SEED + comparison.seed:,}, {comparison.n} of them, {kind}."


def closeness(comparison: Comparison, explain: bool = True) -> list[str]:
    """The table of likeness and time and, unless a page has said so already, what its columns mean."""
    distances = {name: comparison.frechet(name) for name in comparison.methods}
    known = all(value is not None for value in distances.values())
    rows = [
        [
            result.label,
            *_cells(result.quality),
            *([f"{distances[name]:.2f}"] if known else []),
            _seconds(float(result.seconds.median())),
        ]
        for name, result in comparison.methods.items()
    ]
    shown = table(["method", *_TITLES, *(["Fréchet"] if known else []), "seconds"], rows)
    if not explain:
        return [shown]
    parts = [
        shown,
        f"Identity: cosine similarity by {comparison.identity}. Perceptual distance, in the LPIPS column: "
        f"{comparison.perceptual}. Seconds: median for one aligned face."
        + " Fréchet: distance between targets and reconstructions as distributions of the attribute network's "
        "features; the FID has another network's." * known,
    ]
    return parts if comparison.perceptual == "LPIPS" else [*parts, _FLATTERED]


def _edited(comparison: Comparison) -> str:
    """How many of the faces were edited, in words."""
    count = min(comparison.n, EDITED_FACES)
    return f"all {count}" if count == comparison.n else f"the first {count}"


def editability(comparison: Comparison, explain: bool = True) -> list[str]:
    """The table of edits at matched change and what its columns mean; nothing where no edit could be read."""
    edits = list(next(iter(comparison.methods.values())).curves)
    if not edits:
        return []
    if not explain:
        return [_matched_table(comparison, edits)]
    parts = [
        _matched_table(comparison, edits),
        "Likeness to the target at the same achieved change, the largest that every method achieves on average; "
        f"between strengths it is interpolated; {_edited(comparison)} faces. Leak: how "
        "far all other attributes move at the end of the slider, as a share of their range. Cycle: L2 between the "
        "reconstruction, and what comes out after editing it, inverting the result and editing back. Consistency: how "
        "far the latent is from where it began after the same round, as a share of the edit's length (latent editing "
        "consistency; 0 is perfect).",
    ]
    if comparison.reader_error:
        errors = ", ".join(
            f"{name} {value:.2g} {comparison.units[name]}" for name, value in comparison.reader_error.items()
        )
        parts.append(
            f"Changes are read by the attribute network, whose own mean error on held-out pictures is: {errors}."
        )
    return parts


def step_by_step(comparison: Comparison) -> list[str]:
    """The table of HyperStyle's steps."""
    rows = [[str(step), *_cells(one)] for step, one in enumerate(comparison.steps)]
    return [
        table(["steps", *_TITLES], rows),
        f"Trained for {comparison.trained_steps}; later steps go on from there. Measured on "
        f"{len(comparison.steps[0]['l2'])} faces.",
    ]


def _cells(quality: Mapping[str, Tensor]) -> list[str]:
    """Mean and interval of every metric, as `_TITLES` names them."""
    return [
        show(interval(quality[metric]), digits) if metric in quality else ""
        for metric, digits in zip(QUALITY, _DIGITS, strict=True)
    ]


def beside_the_paper(comparison: Comparison) -> list[str]:
    """The paper's rows and whether its orderings hold; nothing where there is nothing to compare."""
    qualities = {name: result.quality for name, result in comparison.methods.items() if name in CELEBA_HQ}
    if "hyperstyle" not in qualities or len(qualities) < 2:
        return []
    labels = {name: comparison.methods[name].label for name in qualities}
    return [
        "What HyperStyle's authors report for CelebA-HQ faces at 1024 px, with their identity network and a GPU:",
        reported_table(labels),
        "Other faces, another size and other judges: values cannot be compared with those above, orderings can. The "
        "table says whether HyperStyle is better or worse than each method here, and whether that is the paper's "
        "ordering; (overlap) where the intervals of the two means do.",
        orderings(qualities, labels),
        *reasons(qualities),
    ]


def _matched_table(comparison: Comparison, edits: Sequence[str]) -> str:
    rows = []
    for edit in edits:
        change = matched_change(comparison.methods, edit)
        for result in comparison.methods.values():
            curve = result.curves[edit]
            likeness = show(interval(identity_at(curve, change)), 3) if curve.identity.numel() else ""
            rows.append(
                [
                    f"{edit} by {change:.3g} {comparison.units[edit]}",
                    result.label,
                    likeness,
                    f"{float(curve.leak[:, -1].mean()):.1%}",
                    f"{float(result.cycle[edit].mean()):.4f}" if edit in result.cycle else "",
                    f"{float(result.consistency[edit].mean()):.2f}" if edit in result.consistency else "",
                ]
            )
    return table(["edit", "method", "identity", "leak", "cycle", "consistency"], rows)


def _mean(span: Interval | None) -> float | str:
    return "" if span is None else round(span["mean"], 5)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"
