"""How good is it? Measurements on pictures no network has seen, where the renderer knows the truth.

Does a detector find the renderer's faces? How well does the generator draw the renderer's world? How close does every
refinement step come, inside that world and beyond it? Does an edit do on a refined inversion what it does on the
encoder's? How long does it all take?
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.alignment import find_faces
from hyperstyle.device import describe_machine
from hyperstyle.errors import UsageError
from hyperstyle.evaluation.tables import Interval, interval, show, table
from hyperstyle.evaluation.targets import BATCH, FIRST_HELD_OUT_SEED, batches, held_out_targets
from hyperstyle.images import to_photo
from hyperstyle.latents import Inversion
from hyperstyle.models.resizing import pool_to
from hyperstyle.pipeline import HyperStyle
from hyperstyle.synthetic.parameters import BY_NAME, PARAMETERS, sample_parameters, select, to_z
from hyperstyle.synthetic.renderer import render
from hyperstyle.traits import range_shares

EDIT_FACES = 40  # edits x faces x two inversions is most of the work
TIMED_FACES = 15
DETECTED_FACES = 100
DETECTED_PX = 128  # small faces are the harder ones, and drawn sooner
MAX_DETECTED_YAW = 30.0  # degrees; further turned faces are a detector's hard cases, not the renderer's fault
METRICS = ("identity", "perceptual", "l2", "psnr", "ms_ssim")


def evaluate(
    pipeline: HyperStyle,
    n: int = 100,
    seed: int = 0,
    faces: int = DETECTED_FACES,
    on_question: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Answer every question.

    Args:
        pipeline: A domain drawn by this project's renderer.
        n: Pictures per question (edits use at most `EDIT_FACES`).
        seed: Added to the first held-out seed; another one gives other pictures.
        faces: Portraits shown to the face detector; 0 leaves that question out.
        on_question: Called with each question's name when it is answered.

    Returns:
        Plain data, ready for JSON: an entry per question in `QUESTIONS`, and what the numbers depend on.

    Raises:
        UsageError: The domain's generator was not made for the renderer's parameters.
    """
    wanted = len(PARAMETERS)
    judge = pipeline.models.attributes
    if pipeline.models.generator.config.z_dim != wanted or judge is None or judge.config.out_dim != wanted:
        raise UsageError(
            f"The domain '{pipeline.domain.name}' is not drawn by the portraits renderer, so there is no truth to "
            "measure against; evaluate one that is."
        )
    results: dict[str, Any] = {
        "domain": pipeline.domain.name,
        "n": n,
        "seed": seed,
        "device": str(pipeline.device),
        "machine": describe_machine(pipeline.device),
    }
    for name, question in QUESTIONS.items():
        results[name] = question(pipeline, n, FIRST_HELD_OUT_SEED + seed)
        if on_question is not None:
            on_question(name)
    if faces:
        results["detector"] = measure_detector(pipeline, faces, FIRST_HELD_OUT_SEED + seed)
        if on_question is not None:
            on_question("detector")
    return results


def measure_detector(pipeline: HyperStyle, n: int, seed: int) -> dict[str, float]:
    """Count the renderer's random portraits, turned by up to 30 degrees, in which MediaPipe finds one face."""
    size = min(DETECTED_PX, pipeline.domain.resolution)
    shown, found = 0, 0
    batch_seed = seed
    while shown < n:
        parameters = sample_parameters(2 * BATCH, batch_seed)
        batch_seed += 2 * BATCH
        rows = (parameters["yaw"].abs() <= MAX_DETECTED_YAW).nonzero()[:, 0][: n - shown]
        for picture in render(select(parameters, rows), size):
            found += len(find_faces(to_photo(picture))) == 1
        shown += len(rows)
    return {"portraits": shown, "found": found, "share": found / shown, "size": size, "max_yaw": MAX_DETECTED_YAW}


def measure_generator(pipeline: HyperStyle, n: int, seed: int) -> dict[str, Interval]:
    """Compare the generator's drawing of held-out parameters with the renderer's."""
    generator, size = pipeline.models.generator, pipeline.domain.resolution
    rows: dict[str, list[Tensor]] = {"psnr": [], "l2": [], "psnr_half": []}
    for count, batch_seed in batches(n, seed):
        parameters = sample_parameters(count, batch_seed)
        truth = render(parameters, size).to(pipeline.device)
        with torch.inference_mode():
            w = generator.map(to_z(parameters).to(pipeline.device))
            picture = generator.render(generator.to_styles(w[:, None].expand(-1, generator.num_ws, -1))).clamp(-1, 1)
        rows["psnr"].append(metrics.psnr(truth, picture))
        rows["l2"].append(metrics.l2(truth, picture))
        rows["psnr_half"].append(metrics.psnr(pool_to(truth, size // 2), pool_to(picture, size // 2)))
    return {name: interval(torch.cat(values)) for name, values in rows.items()}


def measure_in_domain(pipeline: HyperStyle, n: int, seed: int) -> list[dict[str, Any]]:
    """Invert held-out pictures of the renderer's world."""
    return _measure_steps(pipeline, held_out_targets(pipeline, n, seed, beyond=False))


def measure_beyond_domain(pipeline: HyperStyle, n: int, seed: int) -> list[dict[str, Any]]:
    """Invert pictures with details the generator cannot draw: what weight offsets are for."""
    return _measure_steps(pipeline, held_out_targets(pipeline, n, seed, beyond=True))


def measure_edits(pipeline: HyperStyle, n: int, seed: int) -> list[dict[str, Any]]:
    """Compare each slider's effect on refined inversions with its effect on the encoder's, for the same targets.

    The attribute network reads both pictures; changes are in the attribute's own unit. The leak is what moves besides,
    as a share of each other attribute's range, averaged over them; the worst one is named.
    """
    pairs = []
    for target in held_out_targets(pipeline, min(n, EDIT_FACES), seed, beyond=True):
        pairs.append((pipeline.invert(target, steps=0), pipeline.invert(target)))
    rows = []
    for edit in pipeline.edits:
        if edit.name not in BY_NAME:  # an edit of the user's own, for which the renderer knows no truth
            continue
        strength = (edit.maximum if edit.maximum > 0 else edit.minimum) / 2
        on_encoder = torch.cat([_moved(pipeline, pair[0], edit.name, strength) for pair in pairs])
        on_refined = torch.cat([_moved(pipeline, pair[1], edit.name, strength) for pair in pairs])
        truth = BY_NAME[edit.name]
        column = PARAMETERS.index(truth)
        in_unit = truth.as_trait().per_z
        leak = range_shares(on_refined.mean(0).abs())
        leak[column] = 0
        worst = int(leak.argmax())
        rows.append(
            {
                "name": edit.name,
                "unit": truth.unit,
                "strength": strength,
                "encoder_change": interval(on_encoder[:, column] * in_unit),
                "hyperstyle_change": interval(on_refined[:, column] * in_unit),
                "ratio": float(on_refined[:, column].mean() / on_encoder[:, column].mean()),
                "leak": float(leak.sum() / (len(leak) - 1)),
                "worst_leak": float(leak[worst]),
                "worst_leak_name": PARAMETERS[worst].name,
            }
        )
    return rows


def measure_seconds(pipeline: HyperStyle, n: int, seed: int) -> dict[str, float]:
    """Median seconds of each stage for one face at a time."""
    laps: dict[str, list[float]] = {}
    for target in held_out_targets(pipeline, min(n, TIMED_FACES) + 1, seed, beyond=True, batch=1):
        last = time.perf_counter()

        def lap(name: str) -> None:
            nonlocal last
            now = time.perf_counter()
            laps.setdefault(name, []).append(now - last)
            last = now

        inversion = pipeline.invert(target, on_step=lambda step, _: lap(f"step {step}" if step else "encoder"))
        last = time.perf_counter()
        pipeline.draw(inversion, {row.name: row.maximum / 2 for row in pipeline.edits[:1]}).cpu()
        lap("first edit of a face")
        pipeline.draw(inversion, {row.name: row.maximum / 3 for row in pipeline.edits[:1]}).cpu()
        lap("every further edit")
    # The first face warms caches up and is left out.
    return {name: round(statistics.median(times[1:]), 4) for name, times in laps.items()}


QUESTIONS: dict[str, Callable[[HyperStyle, int, int], Any]] = {
    "generator": measure_generator,
    "in_domain": measure_in_domain,
    "beyond_domain": measure_beyond_domain,
    "edits": measure_edits,
    "seconds": measure_seconds,
}


def to_markdown(results: Mapping[str, Any], command: str) -> str:
    """Write the results as a page.

    Args:
        results: From `evaluate`.
        command: The command that made them, shown at the top.
    """
    machine = results["machine"]
    first, last = results["beyond_domain"][0], results["beyond_domain"][-1]
    parts = [
        f"# Results: `{results['domain']}`",
        f"```\n{command}\n```",
        f"Held-out pictures: seeds from {FIRST_HELD_OUT_SEED + results['seed']:,}, {results['n']} per question. Square "
        f"brackets are 95% bootstrap intervals of the mean. Device: {results['device']}, {machine['threads']} threads, "
        f"PyTorch {machine['torch']}. Numbers for programs: the JSON file beside this page.",
        *_detector_text(results),
        "## Generator against renderer",
        f"The generator's drawing of parameters it has never seen, against the renderer's: PSNR "
        f"{show(results['generator']['psnr'], 2)} dB, and {show(results['generator']['psnr_half'], 2)} dB at half its "
        "size.",
        "## Inversion, pictures of its own world",
        _steps_table(results["in_domain"]),
        "## Inversion, pictures beyond its world",
        "Freckles, moles, face paint, earrings, hats, patterned cloth, textured backgrounds: details the generator "
        "cannot draw.",
        _steps_table(results["beyond_domain"]),
        f"From the encoder to the last step, L2 falls to {last['l2']['mean'] / first['l2']['mean']:.0%} and identity "
        f"rises from {first['identity']['mean']:.3f} to {last['identity']['mean']:.3f}.",
        "Identity is the cosine similarity of an identity network, perceptual the feature distance of the attribute "
        "network, both trained on this world; L2 is the mean squared difference in the [-1, 1] scale; MS-SSIM uses as "
        "many of its five scales as fit the picture.",
        "## Edits",
        "The change each slider makes, read by the attribute network, on the encoder's inversion and on HyperStyle's "
        "of the same beyond-domain targets. The leak is how far all other attributes move, as a share of their range.",
        _edits_table(results["edits"]),
        "## Seconds",
        "One face at a time, already aligned.",
        table(["stage", "median"], [[name, f"{value:.3f} s"] for name, value in results["seconds"].items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _measure_steps(pipeline: HyperStyle, targets: Iterator[Tensor]) -> list[dict[str, Any]]:
    """Every metric after the encoder and after each refinement step."""
    stages: list[dict[str, list[Tensor]]] = []
    for target in targets:
        pictures: list[Tensor] = []
        pipeline.invert(target, on_step=lambda _, picture, seen=pictures: seen.append(picture))  # type: ignore[misc]
        for step, picture in enumerate(pictures):
            if step == len(stages):
                stages.append({name: [] for name in METRICS})
            for name, values in pipeline.measure_each(target, picture).items():
                stages[step][name].append(values)
    return [
        {
            "stage": f"step {step}" if step else "encoder",
            **{name: interval(torch.cat(values)) for name, values in rows.items()},
        }
        for step, rows in enumerate(stages)
    ]


def _moved(pipeline: HyperStyle, inversion: Inversion, name: str, strength: float) -> Tensor:
    """How far an edit moves each attribute, in the scale of `to_z`: (B, attributes)."""
    model = pipeline.models.attributes
    assert model is not None  # `evaluate` has refused domains without one
    size = model.config.input_size
    with torch.inference_mode():
        before, after = pipeline.draw(inversion), pipeline.draw(inversion, {name: strength})
        return (model(pool_to(after.clamp(-1, 1), size)) - model(pool_to(before.clamp(-1, 1), size))).cpu()


def _detector_text(results: Mapping[str, Any]) -> list[str]:
    row = results.get("detector")
    if row is None:
        return []
    return [
        "## Faces a detector finds",
        f"MediaPipe finds exactly one face in {row['found']} of {row['portraits']} random portraits by the renderer "
        f"({row['share']:.1%}), {row['size']} px, turned by up to {row['max_yaw']:.0f} degrees.",
    ]


def _steps_table(rows: Sequence[Mapping[str, Any]]) -> str:
    digits = {"identity": 3, "perceptual": 4, "l2": 4, "psnr": 2, "ms_ssim": 3}
    headings = ["", "identity", "perceptual", "L2", "PSNR (dB)", "MS-SSIM"]
    return table(headings, [[row["stage"], *(show(row[name], digits[name]) for name in METRICS)] for row in rows])


def _edits_table(rows: Sequence[Mapping[str, Any]]) -> str:
    return table(
        ["edit", "strength", "unit", "on the encoder's", "on HyperStyle's", "ratio", "leak", "worst leak"],
        [
            [
                row["name"],
                f"{row['strength']:g}",
                row["unit"],
                show(row["encoder_change"], 3),
                show(row["hyperstyle_change"], 3),
                f"{row['ratio']:.0%}",
                f"{row['leak']:.1%}",
                f"{row['worst_leak_name']} {row['worst_leak']:.1%}",
            ]
            for row in rows
        ],
    )
