"""How fast is it, beside the plain float32 networks, and beside what the machine could do at best?

Every stage is timed twice in one run, taking turns: through the fast paths that people use, and through their plain
twins. What a stage computes is counted on the twin (convolutions and matrix products), so `gflops` says how many useful
operations a second the fast path makes; `share_of_peak` compares that with a large matrix product in the same type of
number on the same machine.
"""

from __future__ import annotations

import gc
import io
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hyperstyle.device import describe_machine, forget_peak_memory, peak_memory_mb, resolve_device, set_threads
from hyperstyle.domains import DEFAULT_DOMAIN, Domain, get_domain
from hyperstyle.images import to_photo
from hyperstyle.inversion import METHODS
from hyperstyle.inversion.base import network_input, visible
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.weights import load as loading

BATCHES = (1, 4, 16)
# Stages and batches, in the order of `benchmark`'s list.
STAGES = (
    ("encoder", 1),
    ("refinement_step", 1),
    ("inversion", 1),
    *(("render", batch) for batch in BATCHES),
    ("preview", 1),
    ("edit_to_jpeg", 1),
)
JPEG_QUALITY = 90  # what the page sends while a slider moves
PATIENCE_S = 25.0  # per stage and path; a slow stage is repeated less often, but at least twice
WARM_UPS = 1
TWIN_PIXELS = 4 * 1024**2  # the twin draws larger batches in parts
# Random networks draw pictures of any contrast; errors are given for the contrast of real ones.
PICTURE_STD = 0.5


_STAGE_NOTES = (
    "Twin: the plain float32 networks, timed in turns with the fast paths; PSNR compares their pictures. Memory: the "
    "highest while the fast path worked, of the whole process with all networks, the twin's too (on CUDA, of the "
    "GPU). A preview is what is drawn while a slider moves, its twin the whole picture; `edit_to_jpeg` is the whole "
    "picture, edited and compressed. Times on another machine differ; ratios travel better."
)


@dataclass(frozen=True)
class Stage:
    """One piece of work, twice.

    Attributes:
        fast: Through the fast paths.
        twin: Through the plain networks; what it returns is compared with what `fast` returns if both are pictures.
        flops: Multiplications and additions, counted once with the twin of batch 1.
        batch: Pictures.
    """

    fast: Callable[[], Any]
    twin: Callable[[], Any]
    flops: Callable[[], Any]
    batch: int = 1


def benchmark(
    domain: str | Path = DEFAULT_DOMAIN,
    device: str = "auto",
    random_weights: bool = False,
    repeats: int = 15,
    weights: str | Path | None = None,
    on_stage: Callable[[str], None] | None = None,
    float32: bool = False,
) -> dict[str, Any]:
    """Time every stage.

    Args:
        domain: Name or folder.
        device: As in `device.resolve_device`.
        random_weights: Use untrained networks of the same sizes, so that no weights file is needed.
        repeats: Timed runs per stage at most, after one that does not count.
        weights: For published domains: folder with their files.
        on_stage: Called with each stage's name when it is done.
        float32: Let the fast paths calculate in float32 even where bfloat16 is faster.

    Returns:
        `domain`, `device`, `machine`, `dtype` of the fast paths, `peak_gflops` (a matrix product of this machine in
        that type) and the list `stages` with `name`, `batch`, `median_s`, `p95_s`, `runs`, `twin_median_s`,
        `ratio_to_twin` (how many times faster), `gflops`, `share_of_peak`, `psnr_db` (against the twin's picture, None
        where there is none) and `peak_mb` (highest memory while the fast path worked: of the GPU on CUDA, elsewhere
        of the whole process with all its networks).
    """
    set_threads()
    wanted = torch.float32 if float32 else None
    if random_weights:
        pipeline = random_pipeline(get_domain(domain), device, dtype=wanted)
    else:
        pipeline = load(domain, device, weights, dtype=wanted)
    dtype = pipeline.fast.generator.dtype
    peak = matrix_peak(pipeline.device, dtype)
    rows = []
    with torch.inference_mode():
        for (name, batch), stage in zip(STAGES, _stages(pipeline), strict=True):
            rows.append({"name": name, "batch": batch, **_measure(stage, repeats, pipeline.device, peak)})
            gc.collect()
            if on_stage is not None:
                on_stage(name)
    return {
        "domain": pipeline.domain.name,
        "random_weights": random_weights,
        "device": str(pipeline.device),
        "machine": describe_machine(pipeline.device),
        "dtype": str(dtype).removeprefix("torch."),
        "preview_px": pipeline.preview_px,
        "refinement_steps": pipeline.domain.refinement_steps,
        "peak_gflops": round(peak, 1),
        "stages": rows,
    }


def random_pipeline(
    domain: Domain, device: str = "auto", seed: int = 0, dtype: torch.dtype | None = None
) -> HyperStyle:
    """Build a domain's pipeline with untrained networks; the pictures are noise, sizes and speed are real."""
    torch.manual_seed(seed)
    place = resolve_device(device)
    build = loading.builder(domain)
    networks: dict[str, Any] = {
        "generator": build("generator"),
        "w_encoder": build("w_encoder"),
        "hypernetwork": build("hypernetwork"),
    }
    if domain.identity and "identity" not in domain.optional:
        networks["identity"] = build("identity")
    if domain.attributes:
        networks["attributes"] = build("attributes")
    for network in networks.values():
        network.to(place).eval().requires_grad_(False)
    return HyperStyle(domain, loading.DomainModels(domain=domain, **networks), dtype=dtype)


def matrix_peak(device: torch.device, dtype: torch.dtype, size: int = 2048, runs: int = 5) -> float:
    """Measure GFLOP/s of a square matrix product, the best of a few runs."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = math.inf
    for _ in range(runs + 1):
        start = time.perf_counter()
        _ = a @ b
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def to_markdown(results: dict[str, Any], command: str) -> str:
    """Write the stages as a table, and the page's timings under it where there are any.

    Args:
        results: From `benchmark`, with `page` from `demo.timing.time_page` where the page was timed too.
        command: The command that made them, shown at the top.
    """
    machine = results["machine"]
    head = ["stage", "batch", "median", "p95", "twin", "faster", "GFLOP/s", "of peak", "PSNR", "memory"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in results["stages"]:
        lines.append(
            [
                row["name"],
                str(row["batch"]),
                _seconds(row["median_s"]),
                _seconds(row["p95_s"]),
                _seconds(row["twin_median_s"]),
                f"{row['ratio_to_twin']:.2f} x",
                f"{row['gflops']:.0f}",
                f"{row['share_of_peak']:.0%}",
                "" if row["psnr_db"] is None else f"{row['psnr_db']:.1f} dB",
                f"{row['peak_mb']:.0f} MB",
            ]
        )
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    about = (
        f"`{results['domain']}`{' with random weights' if results['random_weights'] else ''} on {machine['processor']} "
        f"({results['device']}), {machine['threads']} thread(s), PyTorch {machine['torch']}; fast paths in "
        f"{results['dtype']}, {results['refinement_steps']} refinement steps, previews of {results['preview_px']} px. "
        f"A matrix product reaches {results['peak_gflops']:.0f} GFLOP/s here."
    )
    title = f"# Benchmarks: `{results['domain']}`"
    parts = [title, f"```\n{command}\n```", about, table, _STAGE_NOTES]
    if "page" in results:
        parts.append(_page_markdown(results["page"]))
    return "\n\n".join(parts) + "\n"


def _page_markdown(page: dict[str, Any]) -> str:
    """What `demo.timing.time_page` measured."""
    rows = "\n".join(
        f"| {row['people']} | {row['median_ms']:.0f} ms | {row['p95_ms']:.0f} ms | {row['ratio_to_bare']:.1f} x |"
        for row in page["drag"]
    )
    upload = page["upload_to_rebuilt"]
    return (
        "## The page, in Chromium\n\n"
        "From the slider's event to the new picture on screen. A bare Gradio slider, whose value only goes to the "
        f"server and back, takes {page['bare_slider']['median_ms']:.0f} ms here.\n\n"
        "| people dragging at once | median | p95 | ratio to the bare slider |\n| ---: | ---: | ---: | ---: |\n"
        f"{rows}\n\nFrom handing over a photo to the rebuilt face on screen, once warm: {upload['median_s']:.2f} s "
        f"(slowest of {upload['uploads']}: {upload['slowest_s']:.2f} s)."
    )


def _stages(pipeline: HyperStyle) -> list[Stage]:
    """The work of every stage, ready to be repeated."""
    models, fast, domain, device = pipeline.models, pipeline.fast, pipeline.domain, pipeline.device
    height, width = domain.picture_hw
    target = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)).mul(2).sub(1).to(device)
    small = network_input(target, domain)
    inversion = pipeline.invert(target)
    codes = {name: code.to(device) for name, code in inversion.codes.items()}
    steps = inversion.steps
    deltas = models.hypernetwork.deltas(codes, steps)
    prepared = fast.generator.prepare(fast.hypernetwork.deltas(codes, steps))
    edits = {row.name: row.maximum / 2 for row in pipeline.edits[:1]}

    def w_plus(batch: int) -> Tensor:
        # As when a slider moves: the face's offsets are there, only its latent changes.
        return inversion.w_plus.to(device).repeat(batch, 1, 1)

    def plain_draw(batch: int = 1, **options: Any) -> Tensor:
        # The plain network keeps whole batches of large activations; more than a few would not fit into memory.
        at_once = max(1, min(batch, TWIN_PIXELS // domain.resolution**2))
        parts = [
            models.generator.render(models.generator.to_styles(w_plus(size)), deltas, **options)
            for size in [at_once] * (batch // at_once) + [batch % at_once] * bool(batch % at_once)
        ]
        return torch.cat(parts)

    def fast_draw(batch: int = 1, **options: Any) -> Tensor:
        return fast.generator.render(fast.generator.to_styles(w_plus(batch)), prepared, **options)

    def plain_step() -> Tensor:
        models.hypernetwork.codes(small, small)
        found = models.hypernetwork.deltas(codes, steps)
        return models.generator.render(models.generator.to_styles(w_plus(1)), found)

    def fast_step() -> Tensor:
        fast.hypernetwork.codes(small, small)
        found = fast.hypernetwork.deltas(codes, steps)
        return fast.generator.render(fast.generator.to_styles(w_plus(1)), found)

    def plain_jpeg() -> None:
        to_photo(visible(plain_draw(), domain)).save(io.BytesIO(), "JPEG", quality=JPEG_QUALITY)

    def fast_jpeg() -> None:
        to_photo(pipeline.draw(inversion, edits)).save(io.BytesIO(), "JPEG", quality=JPEG_QUALITY)

    def plain_invert() -> Any:
        return METHODS["hyperstyle"](models).invert(target)

    preview = min(pipeline.preview_px, domain.resolution)
    return [
        Stage(lambda: fast.w_encoder(small), lambda: models.w_encoder(small), lambda: models.w_encoder(small)),
        Stage(fast_step, plain_step, plain_step),
        Stage(lambda: pipeline.invert(target), plain_invert, plain_invert),
        *(
            Stage(lambda batch=batch: fast_draw(batch), lambda batch=batch: plain_draw(batch), plain_draw, batch)  # type: ignore[misc]
            for batch in BATCHES
        ),
        Stage(lambda: pipeline.preview(inversion, edits), lambda: plain_draw(), lambda: plain_draw(resolution=preview)),
        Stage(fast_jpeg, plain_jpeg, plain_draw),
    ]


def _measure(stage: Stage, repeats: int, device: torch.device, peak: float) -> dict[str, Any]:
    """Time both paths of a stage in turns, and compare their pictures."""
    with FlopCounterMode(display=False) as counter:
        stage.flops()
    flops = counter.get_total_flops() * stage.batch
    forget_peak_memory(device)
    drawn = stage.fast()
    peak_mb = peak_memory_mb(device)
    psnr = _psnr(drawn, stage.twin())
    fast_s: list[float] = []
    twin_s: list[float] = []
    for run in range(WARM_UPS + repeats):
        for work, laps in ((stage.fast, fast_s), (stage.twin, twin_s)):
            if run > WARM_UPS + 1 and sum(laps) > PATIENCE_S:
                continue
            start = time.perf_counter()
            work()
            _wait(device)
            if run >= WARM_UPS:
                laps.append(time.perf_counter() - start)
    median = statistics.median(fast_s)
    return {
        "median_s": round(median, 5),
        "p95_s": round(_percentile(fast_s, 0.95), 5),
        "runs": len(fast_s),
        "twin_median_s": round(statistics.median(twin_s), 5),
        "ratio_to_twin": round(statistics.median(twin_s) / median, 3),
        "gflops": round(flops / median / 1e9, 1),
        "share_of_peak": round(flops / median / 1e9 / peak, 4),
        "psnr_db": psnr,
        "peak_mb": round(peak_mb, 1),
    }


def _psnr(got: Any, want: Any) -> float | None:
    """PSNR of two pictures scaled to the contrast of real ones; None if they are no such pair."""
    both = isinstance(got, Tensor) and isinstance(want, Tensor)
    if not both or got.ndim != 4 or got.shape != want.shape:
        return None
    scale = PICTURE_STD / float(want.std())
    error = float(((got - want) * scale).square().mean())
    return round(10 * math.log10(4 / max(error, 1e-12)), 1)


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def _wait(device: torch.device) -> None:
    """Let kernels finish that run on after the call has returned."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
