"""`align`, `invert` and `edit`: from photos to faces and back."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyperstyle.cli import shared
from hyperstyle.cli.shared import DeviceOption, DomainOption, FaceOption, StepsOption, WeightsOption
from hyperstyle.errors import BadStrength, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from hyperstyle.alignment import AlignedFace
    from hyperstyle.latents import Inversion
    from hyperstyle.models.fast_synthesis import FastSynthesis
    from hyperstyle.models.stylegan2 import Generator
    from hyperstyle.pipeline import HyperStyle

INVERSION_SUFFIX = ".safetensors"
REPORTED = ("identity", "perceptual", "l2", "ms_ssim", "psnr")


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        epilog=shared.examples("align photo.jpg -o faces", "align group.jpg -o faces --face all"),
    )(align)
    app.command(
        epilog=shared.examples(
            "invert photo.jpg -o face.safetensors",
            "invert photo.jpg -o face.safetensors --steps 3 --report report.json",
        )
    )(invert)
    app.command(
        epilog=shared.examples(
            "edit photo.jpg -o smiling.png --set smile=2.0",
            'edit face.safetensors -o bearded.png --text "a face with a beard=1.5" --set age=-1',
            "edit photo.jpg -o whole_photo.png --set smile=1 --paste-back",
            "edit photo.jpg -o drawing.png --style line --set smile=1",
            "edit photo.jpg -o toon.png --domain ffhq --generator stylegan2-toonify.pt",
        )
    )(edit)


def align(
    photo: Annotated[Path, typer.Argument(help="A photo with one or more faces.", metavar="PHOTO")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the crops.", metavar="FOLDER")],
    face: Annotated[
        str, typer.Option("--face", help="largest, all, or a number counted from 0.", metavar="FACE")
    ] = "largest",
    size: Annotated[int, typer.Option("--size", help="Side of a crop in pixels.", min=16, max=4096)] = 256,
    device: DeviceOption = "auto",
) -> None:
    """Find the faces in a photo and save them as square crops, the way the models expect them."""
    from hyperstyle.alignment import align_faces
    from hyperstyle.device import resolve_device
    from hyperstyle.images import open_photo, save_picture
    from hyperstyle.pipeline import choose_face

    wanted = shared.parse_face(face)
    resolve_device(device)  # finding faces runs on the processor; a mistyped name is an error all the same
    with shared.progress("finding faces"):
        found = align_faces(open_photo(photo), size=size)
    chosen = found if wanted == "all" else [choose_face(found, wanted)]
    shared.make_folder(out)
    for one in chosen:
        path = out / f"{photo.stem}_face{one.index}.png"
        save_picture(one.picture, path)
        print(f"{path}  ({one.report.face_px:.0f} px in the photo, turned by {one.report.yaw_deg:.0f} degrees)")
        print_warnings(one)


def invert(
    photo: Annotated[Path, typer.Argument(help="A photo with a face.", metavar="PHOTO")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the face.", metavar="FACE.safetensors")],
    steps: StepsOption = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write what was measured.", metavar="REPORT.json")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="How to invert: hyperstyle, encoder, w, w+, pti, hyperstyle+pti.")
    ] = "hyperstyle",
    face: FaceOption = "largest",
    domain: DomainOption = "portraits",
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Rebuild a face with the generator and save it in a small file that `edit` opens."""
    from hyperstyle.images import open_photo

    if out.suffix.lower() != INVERSION_SUFFIX:
        raise UsageError(f"The face is saved as a {INVERSION_SUFFIX} file; give --out a name that ends so.")
    for path in filter(None, (out, report)):
        shared.check_folder(path)
    wanted = shared.parse_one_face(face)
    watch = shared.Stopwatch()
    opened = open_photo(photo)
    seconds = {"open": watch.lap()}
    pipeline = shared.load_pipeline(domain, device, weights)
    pipeline.inverter(method)
    seconds["load"] = watch.lap()
    with shared.progress("finding the face"):
        aligned = pipeline.align(opened, wanted)
    seconds["align"] = watch.lap()
    print_warnings(aligned)
    inversion, stages = rebuild(pipeline, aligned, steps, method)
    watch.lap()
    inversion.save(out)
    seconds["save"] = watch.lap()
    print(f"{out}  ({out.stat().st_size / 1024:.0f} KB, {inversion.steps} refinement steps)")
    if report is not None:
        numbers = measure_stages(pipeline, aligned, stages)
        content: dict[str, Any] = {
            "photo": photo.name,
            "domain": pipeline.domain.name,
            "method": method,
            "device": str(pipeline.device),
            "face": asdict(aligned.report),
            "encoder": numbers[0],
            "steps": numbers[1:],
            "seconds": seconds,
        }
        shared.write_json(report, content)
        print(report)


def edit(
    source: Annotated[
        Path, typer.Argument(help="A photo, or a face saved by invert.", metavar="PHOTO|FACE.safetensors")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The edited picture.", metavar="OUT.png")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="An edit and its strength; repeatable.", metavar="NAME=VALUE")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", help="A prompt and its strength (1 if left out); repeatable.", metavar="PROMPT=VALUE"),
    ] = None,
    paste_back: Annotated[
        bool, typer.Option("--paste-back", help="Put the edited face back into the whole photo.")
    ] = False,
    offset_strength: Annotated[
        float, typer.Option("--offset-strength", help="How much of the refinement to use: 0 none, 1 all of it.")
    ] = 1.0,
    generator: Annotated[
        Path | None,
        typer.Option(
            "--generator",
            help="Draw with this one, fine-tuned from the domain's: a toon, a sketch.",
            metavar="FILE",
        ),
    ] = None,
    style: Annotated[
        str | None, typer.Option("--style", help="Draw in one of the domain's styles: line, clay.", metavar="NAME")
    ] = None,
    disentanglement: Annotated[
        float | None, typer.Option("--disentanglement", help="For --text: higher changes fewer things at once.")
    ] = None,
    steps: StepsOption = None,
    face: FaceOption = "largest",
    domain: DomainOption = "portraits",
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Change a face with sliders and words, and save the picture."""
    from hyperstyle.images import open_photo, save_picture
    from hyperstyle.latents import Inversion
    from hyperstyle.pipeline import TextEdit

    edits = dict(parse_setting(word) for word in settings or [])
    prompts = [TextEdit(*parse_prompt(word)) for word in text or []]
    if disentanglement is not None:
        prompts = [replace(prompt, disentanglement=disentanglement) for prompt in prompts]
    wanted = shared.parse_one_face(face)
    saved = source.suffix.lower() == INVERSION_SUFFIX
    if saved and paste_back:
        raise UsageError("--paste-back needs the whole photo; give the photo instead of the saved face.")
    if style is not None and generator is not None:
        raise UsageError("--style and --generator both say what draws the face; give one of them.")
    shared.check_folder(out)

    inversion = Inversion.load(source) if saved else None
    photo = None if saved else open_photo(source)
    pipeline = shared.load_pipeline(domain, device, weights)
    pipeline.check_edits(edits, prompts, offset_strength)
    fine_tuned = style_generator(pipeline, style, generator)
    if inversion is None:
        assert photo is not None
        with shared.progress("finding the face"):
            aligned = pipeline.align(photo, wanted)
        print_warnings(aligned)
        inversion, _ = rebuild(pipeline, aligned, steps)
    with shared.progress("drawing"):
        if fine_tuned is None:
            picture = pipeline.render(inversion, edits, prompts, offset_strength)
        else:
            picture = pipeline.stylise(inversion, fine_tuned, edits, prompts, offset_strength)
        if paste_back:
            assert photo is not None
            picture = pipeline.paste_back(photo, aligned, picture)
    save_picture(picture, out)
    print(out)


def style_generator(
    pipeline: HyperStyle, style: str | None, generator: Path | None
) -> Generator | FastSynthesis | None:
    """The generator that `--style` or `--generator` asks for, or None for the domain's own."""
    if style is not None:
        return pipeline.style(style)
    if generator is None:
        return None
    from hyperstyle.weights.fine_tuned import load_fine_tuned

    return load_fine_tuned(generator, pipeline.domain, pipeline.device)


def rebuild(
    pipeline: HyperStyle, face: AlignedFace, steps: int | None, method: str = "hyperstyle"
) -> tuple[Inversion, list[tuple[Tensor, float]]]:
    """Invert a face behind a progress bar.

    Returns:
        The inversion, and for the encoder and each refinement step its picture and the seconds it took.
    """
    stages: list[tuple[Tensor, float]] = []
    passes = pipeline.domain.refinement_steps if steps is None else steps
    total = 1 + passes if method == "hyperstyle" else None
    with shared.progress("rebuilding the face", total) as bar:
        watch = shared.Stopwatch()

        def on_step(_: int, picture: Tensor) -> None:
            stages.append((picture, watch.lap()))
            bar.advance()

        return pipeline.invert(face, steps, on_step, method), stages


def measure_stages(
    pipeline: HyperStyle, face: AlignedFace, stages: list[tuple[Tensor, float]]
) -> list[dict[str, float | None]]:
    """Compare every stage's picture with the aligned face: rounded numbers and seconds, one row per stage."""
    target = pipeline.target(face)
    rows = []
    for picture, elapsed_s in stages:
        measured = pipeline.measure(target, picture)
        # What the domain has no network for is null, so that a report has the same fields everywhere.
        values = {name: None if name not in measured else round(measured[name], 5) for name in REPORTED}
        rows.append({**values, "seconds": elapsed_s})
    return rows


def print_warnings(face: AlignedFace) -> None:
    """Tell on stderr what may go wrong with a face."""
    for warning in face.report.warnings:
        print(f"Note: {warning}", file=sys.stderr)


def parse_setting(word: str) -> tuple[str, float]:
    """Split `smile=2.0`."""
    name, equals, value = word.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set takes a name and a number, as in --set smile=2.0, not '{word}'.")
    return name.strip(), parse_number(value, f"The strength of {name.strip()}")


def parse_prompt(word: str) -> tuple[str, float]:
    """Split `a face with a beard=1.5`; without `=` the strength is 1."""
    prompt, equals, value = word.rpartition("=")
    if not equals:
        return word, 1.0
    return prompt, parse_number(value, "The strength of a prompt")


def parse_number(value: str, what: str) -> float:
    """Understand a strength."""
    try:
        return float(value)
    except ValueError:
        raise BadStrength(f"{what} must be a number, not '{value}'.") from None
