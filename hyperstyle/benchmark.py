"""How fast is it? Median times from an aligned face to an edited JPEG, through the pipeline people use."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hyperstyle.device import describe_machine, resolve_device, set_threads
from hyperstyle.domains import Domain, get_domain
from hyperstyle.images import to_photo
from hyperstyle.inversion import METHODS
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.weights import load as weights

# Stages in the order of `benchmark`'s list.
STAGES = (
    "encoder",
    "refinement_step",
    "inversion",
    "slider_render_batch_1",
    "slider_render_batch_4",
    "slider_render_batch_16",
    "edit_to_jpeg",
)
JPEG_QUALITY = 90  # what the page sends while a slider moves


def benchmark(
    domain: str | Path = "portraits",
    device: str = "auto",
    random_weights: bool = False,
    repeats: int = 15,
    weights: str | Path | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Time every stage.

    Args:
        domain: Name or folder.
        device: As in `device.resolve_device`.
        random_weights: Use untrained networks of the same sizes, so that no weights file is needed.
        weights: For published domains: folder with their files.
        repeats: Timed runs per stage, after two that do not count.
        on_stage: Called with each stage's name when it is done.

    Returns:
        `domain`, `device`, `machine`, and the list `stages` with `name`, `median_ms`, `spread_ms` (half of the runs lie
        within this many milliseconds of each other) and `runs`.
    """
    set_threads()
    pipeline = random_pipeline(get_domain(domain), device) if random_weights else load(domain, device, weights)
    rows = []
    for name, work in _stages(pipeline).items():
        rows.append({"name": name, **_time(work, repeats, pipeline.device)})
        if on_stage is not None:
            on_stage(name)
    return {
        "domain": pipeline.domain.name,
        "random_weights": random_weights,
        "device": str(pipeline.device),
        "machine": describe_machine(pipeline.device),
        "stages": rows,
    }


def random_pipeline(domain: Domain, device: str = "auto", seed: int = 0) -> HyperStyle:
    """Build a domain's pipeline with untrained networks; the pictures are noise, sizes and speed are real."""
    torch.manual_seed(seed)
    networks = {
        "generator": weights.build_generator(domain),
        "w_encoder": weights.build_w_encoder(domain),
        "hypernetwork": weights.build_hypernetwork(domain),
        "identity": weights.build_identity(domain),
        "attributes": weights.build_attributes(domain),
    }
    place = resolve_device(device)
    for network in networks.values():
        network.to(place).eval().requires_grad_(False)
    return HyperStyle(domain, weights.DomainModels(domain=domain, **networks))  # type: ignore[arg-type]


def _stages(pipeline: HyperStyle) -> dict[str, Callable[[], Any]]:
    """One piece of work per stage, ready to be repeated."""
    models, size = pipeline.models, pipeline.domain.resolution
    generator = models.generator
    target = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)).mul(2).sub(1).to(pipeline.device)
    small = torch.nn.functional.adaptive_avg_pool2d(target, pipeline.domain.input_size)
    encoder, refiner = METHODS["encoder"](models), METHODS["hyperstyle"](models, steps=pipeline.domain.refinement_steps)
    inversion = pipeline.invert(target)
    styles = generator.to_styles(inversion.w_plus.to(pipeline.device))
    codes = {name: code.to(pipeline.device) for name, code in inversion.codes.items()}
    deltas = models.hypernetwork.deltas(codes, steps=inversion.steps)
    edits = {row.name: row.maximum / 2 for row in pipeline.edits[:1]}

    def refinement_step() -> None:
        models.hypernetwork.codes(small, small)
        generator.render(styles, models.hypernetwork.deltas(codes, steps=inversion.steps))

    def slider(batch: int) -> Callable[[], Any]:
        # As when a slider moves: the face's offsets are there, only its latent changes.
        w_plus = inversion.w_plus.to(pipeline.device).repeat(batch, 1, 1)
        return lambda: generator.render(generator.to_styles(w_plus), deltas)

    def edit_to_jpeg() -> None:
        to_photo(pipeline.draw(inversion, edits)).save(io.BytesIO(), "JPEG", quality=JPEG_QUALITY)

    work: list[Callable[[], Any]] = [
        lambda: encoder.invert(target),
        refinement_step,
        lambda: refiner.invert(target),
        *(slider(batch) for batch in (1, 4, 16)),
        edit_to_jpeg,
    ]
    return dict(zip(STAGES, work, strict=True))


def _time(work: Callable[[], Any], repeats: int, device: torch.device) -> dict[str, float]:
    """Median and spread of repeated runs, in milliseconds."""
    times_ms = []
    with torch.inference_mode():
        for run in range(repeats + 2):
            start = time.perf_counter()
            work()
            if device.type == "cuda":  # kernels run on after the call has returned
                torch.cuda.synchronize(device)
            elif device.type == "mps":
                torch.mps.synchronize()
            if run >= 2:
                times_ms.append((time.perf_counter() - start) * 1000)
    low, middle, high = statistics.quantiles(times_ms, n=4) if len(times_ms) > 1 else times_ms * 3
    return {"median_ms": round(middle, 3), "spread_ms": round(high - low, 3), "runs": repeats}
