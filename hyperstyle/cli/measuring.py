"""`evaluate` and `benchmark`: how good, how fast."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from hyperstyle.cli import shared
from hyperstyle.cli.shared import DeviceOption, DomainOption, WeightsOption
from hyperstyle.errors import UsageError

PHOTO_SEED, PHOTO_PX = 1_000_000, 512  # whose portrait the page is timed with


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        epilog=shared.examples(
            "evaluate --domain portraits", "evaluate --domain portraits --n 20 --faces 0 --out quick.md"
        )
    )(evaluate)
    app.command(
        epilog=shared.examples(
            "benchmark --browser", "benchmark --domain portraits --random-weights --out timings.json"
        )
    )(benchmark)


def evaluate(
    domain: DomainOption = "portraits",
    weights: WeightsOption = None,
    n: Annotated[int, typer.Option("--n", help="Held-out pictures per question.", min=2)] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Added to the first held-out seed.", min=0)] = 0,
    faces: Annotated[
        int, typer.Option("--faces", help="Random portraits shown to the face detector; 0 for none.", min=0)
    ] = 500,
    out: Annotated[
        Path, typer.Option("--out", help="Markdown file; the numbers go into a JSON file beside it.", metavar="FILE.md")
    ] = Path("docs/results.md"),
    device: DeviceOption = "auto",
) -> None:
    """Measure a domain on held-out pictures and write a page of results."""
    shared.make_folder(out.parent)
    shared.check_folder(out)
    pipeline = shared.load_pipeline(domain, device, weights)
    from hyperstyle import evaluation

    with shared.progress("measuring", len(evaluation.QUESTIONS) + bool(faces)) as bar:
        results = evaluation.evaluate(pipeline, n=n, seed=seed, faces=faces, on_question=lambda _: bar.advance())
    command = f"python -m hyperstyle evaluate --domain {domain} --n {n} --seed {seed} --faces {faces} --out {out}"
    shared.write_text(out, evaluation.to_markdown(results, command))
    shared.write_json(out.with_suffix(".json"), results)
    print(out)


def benchmark(
    domain: DomainOption = "portraits",
    weights: WeightsOption = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Time untrained networks of the same sizes.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Also write the numbers to a file, and a table beside it.", metavar="FILE.json"),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="Also measure the page in Chromium: upload, and dragging a slider.")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Time every stage from face to edited picture; prints JSON."""
    if out is not None:
        shared.check_folder(out)
    from hyperstyle import benchmark as timing

    with shared.progress("timing", len(timing.STAGES)) as bar:
        results = timing.benchmark(domain, device, random_weights, weights=weights, on_stage=lambda _: bar.advance())
    if browser:
        results["page"] = _time_page(domain, device, weights)
    if out is not None:
        shared.write_json(out, results)
        command = f"python -m hyperstyle benchmark --domain {domain}" + " --random-weights" * random_weights
        shared.write_text(out.with_suffix(".md"), timing.to_markdown(results, command + " --browser" * browser))
    print(json.dumps(results, indent=2))


def _time_page(domain: str, device: str, weights: Path | None) -> dict[str, Any]:
    from hyperstyle.synthetic.parameters import sample_parameters
    from hyperstyle.synthetic.renderer import render

    pipeline = shared.load_pipeline(domain, device, weights)
    from hyperstyle.demo.timing import time_page
    from hyperstyle.images import save_picture, to_photo

    if not pipeline.edits:
        raise UsageError(f"The domain '{pipeline.domain.name}' has no edits, so there is no slider to drag.")
    with tempfile.TemporaryDirectory(prefix="hyperstyle-") as folder, shared.progress("timing the page"):
        photo = Path(folder) / "portrait.png"
        save_picture(to_photo(render(sample_parameters(1, PHOTO_SEED), PHOTO_PX)), photo)
        return time_page(pipeline, photo)
