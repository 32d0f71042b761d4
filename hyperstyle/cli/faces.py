"""`align`, `invert` and `edit`: from photos to faces and back."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyperstyle.cli import shared
from hyperstyle.cli.shared import (
    DeviceOption,
    DomainOption,
    FaceOption,
    MarkOption,
    NoteOption,
    SignOption,
    StepsOption,
    WeightsOption,
)
from hyperstyle.domains import DEFAULT_DOMAIN
from hyperstyle.errors import BadStrength, UsageError
from hyperstyle.files.whole import check_writable, fit_name, make_folder

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from hyperstyle.alignment import AlignedFace, PasteOptions
    from hyperstyle.latents import Inversion
    from hyperstyle.look import Look
    from hyperstyle.pipeline import HyperStyle
    from hyperstyle.provenance import Source

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
            "edit group.jpg -o smiles.png --set smile=1 --face all --paste-back --mask head --keep background,glasses",
            "edit photo.jpg -o smiling.png --set smile=2.0 --save-recipe look.hyperstyle.json",
            "edit other.jpg -o other_smiling.png --recipe look.hyperstyle.json",
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
    make_folder(out)
    paths = [out / fit_name(photo.stem, f"_face{one.index}.png") for one in chosen]
    for path in paths:
        check_writable(path, photo)
    for one, path in zip(chosen, paths, strict=True):
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
    domain: DomainOption = DEFAULT_DOMAIN,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Rebuild a face with the generator and save it in a small file that `edit` opens."""
    from hyperstyle.images import open_photo

    if out.suffix.lower() != INVERSION_SUFFIX:
        raise UsageError(f"The face is saved as a {INVERSION_SUFFIX} file; give --out a name that ends so.")
    check_writable(out, photo, report)
    if report is not None:
        check_writable(report, photo)
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
        Path,
        typer.Argument(
            help="A photo, a face saved by invert, or a recipe with a face in it.", metavar="PHOTO|FACE|RECIPE"
        ),
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
    mask: Annotated[
        str | None,
        typer.Option("--mask", help="For --paste-back: what is put back: crop, face or head.", metavar="SHAPE"),
    ] = None,
    feather: Annotated[
        float | None,
        typer.Option("--feather", help="For --paste-back: width of the soft edge, 0 to 0.5 of the crop."),
    ] = None,
    colour_match: Annotated[
        float | None,
        typer.Option("--colour-match", help="For --paste-back: 0 the picture's colours, 1 the photo's light and tint."),
    ] = None,
    blend: Annotated[
        str | None,
        typer.Option("--blend", help="For --paste-back: alpha, or poisson to let colours meet.", metavar="HOW"),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            help="Regions to leave as they are: background, hair, face, brows, eyes, glasses, nose, mouth, clothes.",
            metavar="NAME,NAME",
        ),
    ] = None,
    offset_strength: Annotated[
        float | None,
        typer.Option("--offset-strength", help="How much of the refinement to use: 0 none, 1 (the default) all of it."),
    ] = None,
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
    detail: Annotated[
        float | None,
        typer.Option(
            "--detail",
            help="Of a photo: how much of its own detail the edit keeps, 1 (the default) all of it, 0 only what the "
            "generator draws.",
        ),
    ] = None,
    disentanglement: Annotated[
        float | None, typer.Option("--disentanglement", help="For --text: higher changes fewer things at once.")
    ] = None,
    recipe_file: Annotated[
        Path | None,
        typer.Option("--recipe", help="Take edits and settings from this file, or from a PNG.", metavar="FILE"),
    ] = None,
    save_recipe: Annotated[
        Path | None,
        typer.Option("--save-recipe", help="Also save edits and settings.", metavar="NAME.hyperstyle.json"),
    ] = None,
    with_face: Annotated[
        bool,
        typer.Option(
            "--with-face", help="Put the rebuilt face into the saved recipe: it then draws this very picture."
        ),
    ] = False,
    embed_recipe: Annotated[
        bool, typer.Option("--embed-recipe", help="Also put the recipe into the picture itself, a PNG.")
    ] = False,
    note: NoteOption = True,
    mark: MarkOption = False,
    sign: SignOption = False,
    steps: StepsOption = None,
    face: Annotated[
        str,
        typer.Option(
            "--face",
            help="largest, or a number counted from 0 in order of size; with --paste-back also 0,2 or all.",
            metavar="FACE",
        ),
    ] = "largest",
    domain: DomainOption = DEFAULT_DOMAIN,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Change a face with sliders and words, and save the picture."""
    from hyperstyle.alignment import PasteOptions, movement_warning
    from hyperstyle.images import open_photo
    from hyperstyle.latents import Inversion
    from hyperstyle.look import Look
    from hyperstyle.provenance import can_note, check_signable, save_edited
    from hyperstyle.recipes import PNG_KEYWORD, SUFFIX, Recipe
    from hyperstyle.weights.fine_tuned import load_fine_tuned

    look = parse_look(settings, text, disentanglement, offset_strength=offset_strength, detail=detail)
    is_recipe = source.name.lower().endswith(SUFFIX)
    saved = is_recipe or source.suffix.lower() == INVERSION_SUFFIX
    if saved and paste_back:
        raise UsageError("--paste-back needs the whole photo; give the photo instead of the saved face.")
    if saved and keep:
        raise UsageError("--keep needs the photo to keep parts of; give the photo instead of the saved face.")
    pasting = {"shape": mask, "feather": feather, "colour_match": colour_match, "blend": blend}
    given = _paste_options(paste_back, pasting, keep)
    wanted = shared.parse_faces(face) if paste_back else shared.parse_one_face(face)
    if with_face and not isinstance(wanted, int) and wanted != "largest":
        raise UsageError("--with-face saves one face; name one with --face, for example --face 0.")
    if is_recipe and recipe_file is not None:
        raise UsageError("A recipe is given twice; leave out --recipe, or give it a photo.")
    recipe_file = source if is_recipe else recipe_file
    if recipe_file is not None and (look != Look() or {offset_strength, disentanglement, detail} != {None}):
        raise UsageError("A recipe brings its own edits; leave out --set, --text and what belongs to them.")
    if style is not None and generator is not None:
        raise UsageError("--style and --generator both say what draws the face; give one of them.")
    _check_results(out, save_recipe, embed_recipe, with_face, generator, (source, recipe_file))
    if sign:
        check_signable(out)
    if note and not can_note(out):
        print(
            f"Note: {out.suffix} files cannot say that a picture is AI-edited; .png, .jpg and .webp can.",
            file=sys.stderr,
        )

    read = None if recipe_file is None else Recipe.load(recipe_file)
    inversion = None
    if saved:
        inversion = Inversion.load(source) if read is None or not is_recipe else read.inversion
        if inversion is None:
            raise UsageError(f"The recipe {source} holds no face; give a photo, and the recipe with --recipe.")
    photo = None if saved else open_photo(source)
    pipeline = shared.load_pipeline(domain, device, weights)
    recipe = read or Recipe(pipeline.domain.name, look)
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    recipe = recipe if style is None else replace(recipe, look=replace(recipe.look, art_style=style))
    # What is said here counts for more than what the recipe says.
    options = replace((recipe.paste if paste_back else None) or PasteOptions(), **given)
    recipe = replace(recipe, paste=options) if paste_back else recipe
    recipe = replace(recipe, mark=True) if mark else recipe
    pipeline.check_recipe(recipe)
    fine_tuned = None if generator is None else load_fine_tuned(generator, pipeline.domain, pipeline.device)

    def draw(inversion: Inversion, in_photo: AlignedFace | None = None) -> Image.Image:
        with shared.progress("drawing"):
            if fine_tuned is None:
                return pipeline.render_recipe(recipe, inversion, face=in_photo)
            return pipeline.stylise(inversion, fine_tuned, recipe.look)

    percent = ""
    if inversion is not None:
        picture = draw(inversion)
    else:
        assert photo is not None
        several = isinstance(wanted, tuple) or wanted == "all"
        with shared.progress("finding the faces" if several else "finding the face"):
            found = pipeline.align_all(photo)
        edited = []
        for one in _chosen(found, wanted):
            print_warnings(one)
            inversion, _ = rebuild(pipeline, one, recipe.steps)
            edited.append((one, draw(inversion, one), options))
        if paste_back:
            for one, drawn, _ in edited if options.keep else []:
                _print_note(movement_warning(one, drawn))
            with shared.progress("putting it back"):
                pasted = pipeline.paste_back_all(photo, edited)
            picture = pasted.picture
            # Rounded down: 100% is said only of a photo of which not one pixel has changed.
            percent = f"  ({int(pasted.unchanged_fraction * 1000) / 10:.1f}% of the photo's pixels are unchanged)"
        else:
            picture = _keep_regions(*edited[0])
    kept = replace(recipe, inversion=inversion if with_face else None)
    if save_recipe is not None:
        kept.save(save_recipe)
    texts = {PNG_KEYWORD: kept.to_json()} if embed_recipe else {}
    source_type: Source = "composite" if paste_back or options.keep else "generated"
    save_edited(picture, out, source_type, note, bool(recipe.mark), sign, texts)
    print(out, percent, sep="")
    if save_recipe is not None:
        print(save_recipe)


def _paste_options(paste_back: bool, pasting: dict[str, Any], keep: str | None) -> dict[str, Any]:
    """Understand the options of `--paste-back` that were given, before any long work starts."""
    from hyperstyle.alignment import PasteOptions

    given = {name: value for name, value in pasting.items() if value is not None}
    if given and not paste_back:
        flag = "--mask" if "shape" in given else "--" + next(iter(given)).replace("_", "-")
        raise UsageError(f"{flag} says how a face is put back into its photo; add --paste-back.")
    if keep is not None:
        given["keep"] = tuple(word.strip() for word in keep.split(",") if word.strip())
    PasteOptions(**given).check()
    return given


def _chosen(found: list[AlignedFace], wanted: str | int | tuple[int, ...]) -> list[AlignedFace]:
    """The faces that `--face` names."""
    from hyperstyle.pipeline import choose_face

    if wanted == "all":
        return found
    if isinstance(wanted, tuple):
        return [choose_face(found, index) for index in wanted]
    return [choose_face(found, wanted)]  # type: ignore[arg-type]  # of the words only "largest" is left


def _keep_regions(face: AlignedFace, picture: Image.Image, options: PasteOptions) -> Image.Image:
    """Put what `--keep` names back into an edited face that is saved by itself."""
    from hyperstyle.alignment import lock_regions

    if not options.keep:
        return picture
    locked = lock_regions(face, picture, options.keep)
    _print_note(locked.warning)
    return locked.picture


def _check_results(
    out: Path,
    save_recipe: Path | None,
    embed_recipe: bool,
    with_face: bool,
    generator: Path | None,
    read: tuple[Path | None, ...],
) -> None:
    """Refuse results that could not be written, or only over a file that is read, before any long work starts."""
    from hyperstyle.recipes import SUFFIX

    check_writable(out, save_recipe, generator, *read)
    if save_recipe is None and not embed_recipe:
        if with_face:
            raise UsageError("--with-face is for a saved recipe; add --save-recipe, or save the face with `invert`.")
        return
    if embed_recipe and out.suffix.lower() != ".png":
        raise UsageError("Only PNG pictures can hold a recipe; end the name of --out in .png.")
    if save_recipe is not None:
        check_writable(save_recipe, generator, *read)
        if not save_recipe.name.lower().endswith(SUFFIX):
            raise UsageError(f"A recipe is saved as a {SUFFIX} file; give --save-recipe a name that ends so.")
    if generator is not None:
        raise UsageError("A recipe cannot hold another generator; leave it out, or --generator.")


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
        _print_note(warning)


def _print_note(sentence: str | None) -> None:
    if sentence:
        print(f"Note: {sentence}", file=sys.stderr)


def parse_look(
    settings: list[str] | None, text: list[str] | None, disentanglement: float | None = None, **parts: Any
) -> Look:
    """The look that options spell out; `parts` as `look_of` takes them, None where an option was left out."""
    from hyperstyle.look import TextEdit, look_of

    prompts = [TextEdit(*parse_prompt(word), disentanglement) for word in text or []]
    given = {name: value for name, value in parts.items() if value is not None}
    return look_of(dict(parse_setting(word) for word in settings or []), prompts, **given)


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
    """Understand a strength, also with a decimal comma; not 1,500, which may be either of two numbers."""
    comma = re.fullmatch(r"\s*[+-]?\d*,\d+\s*", value) and not re.fullmatch(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*", value)
    try:
        return float(value.replace(",", ".") if comma else value)
    except ValueError:
        raise BadStrength(f"{what} must be a number, not '{value}'.") from None
