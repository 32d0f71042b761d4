"""Inversion methods side by side: how close, how fast, and what is left of the person once the face is edited.

Editability is read at the change an edit achieves, never at its nominal strength: a method whose edits do nothing keeps
every identity. The attribute network says how far an edit got, in the attribute's unit, and what else moved.

Source: the comparison of HyperStyle (arXiv 2111.15666), section 5.1; latent editing consistency is e4e's (2102.02766).
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.device import describe_machine, forget_peak_memory, peak_memory_mb
from hyperstyle.errors import UsageError
from hyperstyle.evaluation.paper import CELEBA_HQ, orderings, reported_table
from hyperstyle.evaluation.tables import Interval, interval, show, table
from hyperstyle.evaluation.targets import FIRST_HELD_OUT_SEED, held_out_targets
from hyperstyle.evaluation.world import Z_RANGE
from hyperstyle.inversion import METHODS, Inverter
from hyperstyle.latents import Inversion
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.pipeline import HyperStyle
from hyperstyle.synthetic.parameters import BY_NAME, PARAMETERS

Split = Literal["in-domain", "beyond"]
SPLITS: tuple[Split, ...] = ("in-domain", "beyond")

SUMMARY = ("method", "split", "n", "identity", "ms_ssim", "lpips", "l2", "psnr", "seconds", "peak_mb")
QUALITY = ("identity", "ms_ssim", "lpips", "l2", "psnr")
_TITLES = ("identity", "MS-SSIM", "LPIPS", "L2", "PSNR (dB)")
_DIGITS = (3, 3, 4, 4, 2)
EDITS = ("yaw", "smile", "age")  # those of the paper's figure, where the domain has them
SHARES = (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0)  # of the slider's range
CYCLE_SHARE = 0.5
LAST_STEP = 10  # of the refinement curve, as in the paper's figure
CYCLED_EDITS, CYCLED_FACES = EDITS[:1], 2  # each is another inversion, which takes some methods a minute


_FLATTERED = (
    "Methods that descend (optimisation, IDInvert, PTI) minimise this very distance, and encoders and hypernetwork "
    "were trained with it: this column flatters the former most."
)
_JUDGE = "a network that was trained from nothing for this comparison, and that no loss has ever asked"
_KNOWN = "the domain's identity network, which encoders and hypernetwork were trained with"


@dataclass
class Curve:
    """One edit on one method's inversions, a row per face and a column per strength.

    Attributes:
        strengths: (S,) nominal.
        change: (N, S) of the edited attribute, in its unit.
        identity: (N, S) likeness of the edited picture to the target; empty without an identity network.
        leak: (N, S) mean movement of all other attributes, as a share of their range.
    """

    strengths: list[float]
    change: Tensor
    identity: Tensor
    leak: Tensor


@dataclass
class MethodResult:
    """What was measured of one method.

    Attributes:
        quality: By metric (N,).
        seconds, peak_mb: (N,) for one face at a time.
        curves: By edit.
        cycle: By edit (M,): L2 between the reconstruction, and what is left after editing it, inverting the edited
            picture again and editing back.
    """

    quality: dict[str, Tensor] = field(default_factory=dict)
    seconds: Tensor = field(default_factory=lambda: torch.zeros(0))
    peak_mb: Tensor = field(default_factory=lambda: torch.zeros(0))
    curves: dict[str, Curve] = field(default_factory=dict)
    cycle: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Comparison:
    """All methods on the same faces.

    Attributes:
        domain, split, n, seed, machine, device, perceptual, identity: What the numbers depend on. `split` is "photos"
            for a folder of the user's; `perceptual` names the network behind `lpips`, `identity` the one that says
            who a face is.
        trained_steps: Refinement steps that the domain's hypernetwork was trained for.
        methods: By name.
        steps: HyperStyle's quality by metric (N,) after the encoder (0) and after every refinement step; empty where
            HyperStyle is not among the methods.
    """

    domain: str
    split: str
    n: int
    seed: int | None
    device: str
    machine: dict[str, Any]
    perceptual: str
    identity: str
    trained_steps: int
    methods: dict[str, MethodResult]
    steps: list[dict[str, Tensor]] = field(default_factory=list)


def compare(
    pipeline: HyperStyle,
    methods: Sequence[str],
    split: Split = "beyond",
    n: int = 20,
    seed: int = 0,
    targets: Iterable[Tensor] | None = None,
    on_face: Callable[[str, int], None] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Comparison:
    """Invert the same faces with several methods, measure, edit, and measure again.

    Args:
        pipeline: The domain.
        methods: Names from `pipeline.methods`.
        split: Which of the renderer's pictures.
        n: How many.
        seed: Added to the first held-out seed.
        targets: Faces of the caller's own instead, each (1, 3, *domain.picture_hw) in [-1, 1].
        on_face: Called with the method's name and how many faces it has done.
        options: Further options by method, as `pipeline.inverter` takes them.

    Raises:
        UsageError: There is no such method; or no face.
    """
    inverters = {name: pipeline.inverter(name, **(options or {}).get(name, {})) for name in methods}
    if targets is None:
        faces = list(held_out_targets(pipeline, n, FIRST_HELD_OUT_SEED + seed, beyond=split == "beyond", batch=1))
    else:
        faces = [face.to(pipeline.device) for face in targets]
    if not faces:
        raise UsageError("There is no face to compare methods on.")
    known = pipeline.judge
    return Comparison(
        domain=pipeline.domain.name,
        split=split if targets is None else "photos",
        n=len(faces),
        seed=seed if targets is None else None,
        device=str(pipeline.device),
        machine=describe_machine(pipeline.device),
        perceptual="LPIPS" if pipeline.models.lpips is not None else "features of the domain's attribute network",
        identity=_KNOWN if known is pipeline.models.identity else _JUDGE,
        trained_steps=pipeline.domain.refinement_steps,
        methods={name: _measure(pipeline, name, one, faces, known, on_face) for name, one in inverters.items()},
        steps=refinement_curve(pipeline, faces, known) if "hyperstyle" in inverters else [],
    )


def refinement_curve(
    pipeline: HyperStyle, faces: Sequence[Tensor], known: EmbeddingNetwork | None, steps: int = LAST_STEP
) -> list[dict[str, Tensor]]:
    """Measure HyperStyle after each of its steps, also beyond those it was trained for.

    Args:
        pipeline: The domain.
        faces: Each (1, 3, *domain.picture_hw) in [-1, 1].
        known: Says who a face is; None leaves identity out.
        steps: The last one.

    Returns:
        By step, from 0 (the encoder): metric -> (N,).
    """
    found: list[dict[str, list[Tensor]]] = [{} for _ in range(steps + 1)]
    inverter = pipeline.inverter("hyperstyle", steps=steps)
    for face in faces:

        def measure(step: int, drawn: Tensor, face: Tensor = face) -> None:
            for metric, values in _quality(pipeline, face, drawn, known).items():
                found[step].setdefault(metric, []).append(values)

        inverter.invert(face, measure)
    return [{metric: torch.cat(values) for metric, values in one.items()} for one in found]


def _quality(pipeline: HyperStyle, face: Tensor, drawn: Tensor, known: EmbeddingNetwork | None) -> dict[str, Tensor]:
    """What `HyperStyle.measure_each` says, with the comparison's own judge of identity, on the CPU."""
    measured = pipeline.measure_each(face, drawn)
    if known is not None:
        measured["identity"] = metrics.identity(known, face, drawn.clamp(-1, 1))
    return {"lpips" if metric == "perceptual" else metric: values.cpu() for metric, values in measured.items()}


def _measure(
    pipeline: HyperStyle,
    name: str,
    inverter: Inverter,
    faces: Sequence[Tensor],
    known: EmbeddingNetwork | None,
    on_face: Callable[[str, int], None] | None,
) -> MethodResult:
    if not METHODS[name].descends:
        inverter.invert(faces[0])  # the first call allocates, which a page pays only once
    quality: dict[str, list[Tensor]] = {}
    seconds, peaks, inversions = [], [], []
    for number, face in enumerate(faces):
        forget_peak_memory(pipeline.device)
        started_s = time.perf_counter()
        inversion = inverter.invert(face)
        if pipeline.device.type == "cuda":
            torch.cuda.synchronize(pipeline.device)
        seconds.append(time.perf_counter() - started_s)
        peaks.append(peak_memory_mb(pipeline.device))
        inversions.append(inversion)
        for metric, values in _quality(pipeline, face, pipeline.draw(inversion), known).items():
            quality.setdefault(metric, []).append(values)
        if on_face is not None:
            on_face(name, number + 1)
    result = MethodResult(
        {metric: torch.cat(values) for metric, values in quality.items()}, torch.tensor(seconds), torch.tensor(peaks)
    )
    for edit in pipeline.edits:
        if edit.name in EDITS and edit.name in BY_NAME and pipeline.models.attributes is not None:
            result.curves[edit.name] = _curve(pipeline, edit.name, edit.minimum, edit.maximum, faces, inversions, known)
        if edit.name in result.curves and edit.name in CYCLED_EDITS:
            strength = CYCLE_SHARE * edit.maximum
            result.cycle[edit.name] = torch.cat(
                [_cycle(pipeline, inverter.invert, one, edit.name, strength) for one in inversions[:CYCLED_FACES]]
            )
    return result


def _curve(
    pipeline: HyperStyle,
    name: str,
    low: float,
    high: float,
    faces: Sequence[Tensor],
    inversions: Sequence[Inversion],
    known: EmbeddingNetwork | None,
) -> Curve:
    """Achieved change, likeness and leak over the slider's range."""
    reader = pipeline.models.attributes
    assert reader is not None  # the caller has looked
    truth = BY_NAME[name]
    column = PARAMETERS.index(truth)
    strengths = [share * (high if share > 0 else -low) for share in SHARES]
    changes, likeness, leaks = [], [], []
    with torch.inference_mode():
        for face, inversion in zip(faces, inversions, strict=True):
            pictures = [pipeline.draw(inversion, {name: strength}) for strength in (0.0, *strengths)]
            drawn = torch.cat(pictures).clamp(-1, 1)
            read = reader(metrics.pool_to(drawn, reader.config.input_size)).cpu()
            moved = read[1:] - read[:1]
            changes.append(moved[:, column] * (truth.high - truth.low) / Z_RANGE)
            others = moved.abs() / Z_RANGE
            others[:, column] = 0
            leaks.append(others.sum(1) / (others.shape[1] - 1))
            if known is not None:
                likeness.append(metrics.identity(known, face.expand_as(drawn[1:]), drawn[1:]).cpu())
    identity = torch.stack(likeness) if likeness else torch.zeros(0)
    return Curve(strengths, torch.stack(changes), identity, torch.stack(leaks))


def _cycle(
    pipeline: HyperStyle, invert: Callable[[Tensor], Inversion], inversion: Inversion, name: str, strength: float
) -> Tensor:
    """Edit, invert what came out, edit back: how far from the reconstruction (1,)."""
    plain = pipeline.draw(inversion)
    again = invert(pipeline.draw(inversion, {name: strength}).clamp(-1, 1).clone())
    return metrics.l2(plain, pipeline.draw(again, {name: -strength})).cpu()


def matched_change(results: Mapping[str, MethodResult], edit: str) -> float:
    """The largest change, upwards, that every method achieves on average: where they are compared."""
    reached = [result.curves[edit].change.mean(0).max() for result in results.values()]
    return float(torch.stack(reached).min())


def identity_at(curve: Curve, change: float) -> Tensor:
    """Likeness of each face where its edit achieves a change, between the strengths that were drawn: (N,).

    A face whose edit never gets so far counts with its strongest edit.
    """
    zero = len([strength for strength in curve.strengths if strength < 0])
    values = []
    for changes, likeness in zip(curve.change[:, zero:], curve.identity[:, zero:], strict=True):
        reached = (changes >= change).nonzero()
        if len(reached) == 0:
            values.append(likeness[-1])
            continue
        after = int(reached[0])
        if after == 0:
            values.append(likeness[0])
            continue
        share = (change - changes[after - 1]) / (changes[after] - changes[after - 1]).clamp_min(1e-9)
        values.append(torch.lerp(likeness[after - 1], likeness[after], share))
    return torch.stack(values)


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
                        "unit": BY_NAME[edit].unit,
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
    """Write the comparison as a page.

    Args:
        comparison: From `compare`.
        command: What made it, shown at the top.
        figures: File names of figures beside the page.
    """
    machine = comparison.machine
    pictures = (
        f"Held-out pictures: seeds from {FIRST_HELD_OUT_SEED + (comparison.seed or 0):,}, {comparison.n} of them, "
        f"{'with details the generator cannot draw' if comparison.split == 'beyond' else 'of its own world'}."
        if comparison.seed is not None
        else f"{comparison.n} photos."
    )
    rows = [
        [METHODS[name].label, *_cells(result.quality), _seconds(float(result.seconds.median()))]
        for name, result in comparison.methods.items()
    ]
    parts = [
        f"# Inversion methods compared: `{comparison.domain}`",
        f"```\n{command}\n```",
        f"{pictures} Square brackets are 95% bootstrap intervals of the mean. Device: {comparison.device}, "
        f"{machine['threads']} threads, PyTorch {machine['torch']}. Numbers for programs: the CSV files beside this "
        "page.",
        "## How close, how fast",
        table(["method", *_TITLES, "seconds"], rows),
        f"Identity: cosine similarity by {comparison.identity}. Perceptual distance, in the LPIPS column: "
        f"{comparison.perceptual}. Seconds: median for one aligned face.",
        *([] if comparison.perceptual == "LPIPS" else [_FLATTERED]),
    ]
    edits = next(iter(comparison.methods.values())).curves
    if edits:
        parts += ["## What is left of the person after an edit", _matched_table(comparison, list(edits))]
        parts.append(
            "Likeness to the target at the same achieved change, the largest that every method achieves on average; "
            "between strengths it is interpolated. Leak: how far all other attributes move at the end of the slider, "
            "as a share of their range. Cycle: L2 between the reconstruction, and what comes out after editing it, "
            "inverting the result and editing back."
        )
    if comparison.steps:
        parts += [
            "## HyperStyle, step by step",
            table(["steps", *_TITLES], [[str(step), *_cells(one)] for step, one in enumerate(comparison.steps)]),
            f"Trained for {comparison.trained_steps}; later steps go on from there.",
        ]
    parts += _beside_the_paper(comparison)
    parts += [f"![{name}]({name})" for name in figures]
    return "\n\n".join(parts) + "\n"


def _cells(quality: Mapping[str, Tensor]) -> list[str]:
    """Mean and interval of every metric, as `_TITLES` names them."""
    return [
        show(interval(quality[metric]), digits) if metric in quality else ""
        for metric, digits in zip(QUALITY, _DIGITS, strict=True)
    ]


def _beside_the_paper(comparison: Comparison) -> list[str]:
    """The paper's rows and whether its orderings hold; nothing where there is nothing to compare."""
    qualities = {name: result.quality for name, result in comparison.methods.items() if name in CELEBA_HQ}
    if "hyperstyle" not in qualities or len(qualities) < 2:
        return []
    labels = {name: METHODS[name].label for name in qualities}
    return [
        "## Beside the paper",
        "What HyperStyle's authors report for CelebA-HQ faces at 1024 px, with their identity network and a GPU:",
        reported_table(labels),
        "Other faces, another size and other judges: values cannot be compared with those above, orderings can. The "
        "table says whether HyperStyle is better or worse than each method here, and whether that is the paper's "
        "ordering; (overlap) where the intervals of the two means do.",
        orderings(qualities, labels),
    ]


def _matched_table(comparison: Comparison, edits: Sequence[str]) -> str:
    rows = []
    for edit in edits:
        change = matched_change(comparison.methods, edit)
        for name, result in comparison.methods.items():
            curve = result.curves[edit]
            likeness = show(interval(identity_at(curve, change)), 3) if curve.identity.numel() else ""
            rows.append(
                [
                    f"{edit} by {change:.3g} {BY_NAME[edit].unit}",
                    METHODS[name].label,
                    likeness,
                    f"{float(curve.leak[:, -1].mean()):.1%}",
                    f"{float(result.cycle[edit].mean()):.4f}" if edit in result.cycle else "",
                ]
            )
    return table(["edit", "method", "identity", "leak", "cycle"], rows)


def _mean(span: Interval | None) -> float | str:
    return "" if span is None else round(span["mean"], 5)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"
