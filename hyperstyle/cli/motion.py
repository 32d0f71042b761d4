"""`animate`, `mix` and `random`: faces in motion, two faces in one, and faces that nobody has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hyperstyle.cli import shared
from hyperstyle.cli.faces import (
    INVERSION_SUFFIX,
    parse_look,
    parse_number,
    print_warnings,
    rebuild,
)
from hyperstyle.cli.shared import DeviceOption, DomainOption, FaceOption, NoteOption, StepsOption, WeightsOption
from hyperstyle.domains import DEFAULT_DOMAIN
from hyperstyle.errors import UsageError
from hyperstyle.files.whole import check_writable

if TYPE_CHECKING:
    from hyperstyle.animation import Morph, State
    from hyperstyle.latents import Inversion
    from hyperstyle.pipeline import HyperStyle

StyleOption = Annotated[
    str | None, typer.Option("--style", help="Draw in one of the domain's styles: line, clay.", metavar="NAME")
]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        epilog=shared.examples(
            "animate photo.jpg -o smile.mp4 --sweep smile=-2:2 --ping-pong",
            "animate photo.jpg -o older.mp4 --sweep age=0:2 --seconds 4 --paste-back",
            "animate face.safetensors -o other.gif --into other.safetensors --fps 12 --set smile=1",
        )
    )(animate)
    app.command(
        epilog=shared.examples(
            "mix anna.safetensors ben.safetensors -o child.safetensors --t 0.5",
            "mix anna.safetensors ben.safetensors -o painted.png --fine",
        )
    )(mix)
    app.command(
        epilog=shared.examples("random -o face.safetensors --seed 7", "random -o face.png --seed 7 --truncation 0.7")
    )(random)


def animate(
    source: Annotated[
        Path, typer.Argument(help="A photo, or a face saved by invert.", metavar="PHOTO|FACE.safetensors")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The movie: .mp4, .gif or .webp.", metavar="OUT.mp4")],
    sweep: Annotated[
        list[str] | None,
        typer.Option("--sweep", help="An edit and its strengths at both ends; repeatable.", metavar="NAME=FROM:TO"),
    ] = None,
    sweep_text: Annotated[
        list[str] | None,
        typer.Option("--sweep-text", help="A prompt and its strengths at both ends.", metavar="PROMPT=FROM:TO"),
    ] = None,
    into: Annotated[
        list[Path] | None,
        typer.Option("--into", help="Become this saved face; repeatable.", metavar="FACE.safetensors"),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of the movie.")] = 2.0,
    fps: Annotated[int, typer.Option("--fps", help="Frames per second, 1 to 60.")] = 24,
    ping_pong: Annotated[bool, typer.Option("--ping-pong", help="There and back again.")] = False,
    ease: Annotated[str, typer.Option("--ease", help="smooth (rests at the ends) or linear.")] = "smooth",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An edit that stays, and its strength; repeatable.", metavar="NAME=VALUE"),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", help="A prompt that stays, and its strength; repeatable.", metavar="PROMPT=VALUE"),
    ] = None,
    paste_back: Annotated[
        bool, typer.Option("--paste-back", help="Show the face in its whole photo, at most 1280 px wide or high.")
    ] = False,
    offset_strength: Annotated[
        float, typer.Option("--offset-strength", help="How much of the refinement to use: 0 none, 1 all of it.")
    ] = 1.0,
    detail: Annotated[
        float, typer.Option("--detail", help="Of a photo: how much of its own detail stays, 1 all of it, 0 none.")
    ] = 1.0,
    style: StyleOption = None,
    note: NoteOption = True,
    steps: StepsOption = None,
    face: FaceOption = "largest",
    domain: DomainOption = DEFAULT_DOMAIN,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Make a movie of a face while an edit goes from one strength to another, or while it becomes another face."""
    from hyperstyle.animation import Animation, InPhoto, State, check_ease, frame_count
    from hyperstyle.images import open_photo
    from hyperstyle.latents import Inversion
    from hyperstyle.movies import check_movie

    fixed = State(parse_look(settings, text, offset_strength=offset_strength, detail=detail, style=style))
    saved = source.suffix.lower() == INVERSION_SUFFIX
    if saved and paste_back:
        raise UsageError("--paste-back needs the whole photo; give the photo instead of the saved face.")
    wanted = shared.parse_one_face(face)
    check_movie(out, fps, frame_count(seconds, fps), (2, 2))
    check_writable(out, source, *into or [])
    motion = _motion(fixed, sweep or [], sweep_text or [], [Inversion.load(path) for path in into or []])
    motion = replace(motion, ease=check_ease(ease), ping_pong=ping_pong)

    inversion = Inversion.load(source) if saved else None
    photo = None if saved else open_photo(source)
    pipeline = shared.load_pipeline(domain, device, weights)
    for state in motion.states:
        pipeline.check_look(state.look)
    place = aligned = None
    if inversion is None:
        assert photo is not None
        with shared.progress("finding the face"):
            aligned = pipeline.align(photo, wanted)
        print_warnings(aligned)
        inversion, _ = rebuild(pipeline, aligned, steps)
        place = InPhoto(photo, aligned) if paste_back else None
    animation = Animation(pipeline, inversion, motion, seconds, fps, place=place, face=aligned)
    with shared.progress("drawing", len(animation)) as bar:
        movie = animation.export(out, lambda done, total: bar.advance(), note=note)
    size = f"{movie.size[0]} x {movie.size[1]} px"
    print(f"{movie.path}  ({movie.frames} frames, {movie.seconds:g} s, {size}, {movie.n_bytes / 1024:.0f} KB)")


def _motion(fixed: State, sweeps: list[str], text_sweeps: list[str], others: list[Inversion]) -> Morph:
    """What the options say moves, on top of what stays."""
    from hyperstyle.animation import Morph, Sweep, blend_states
    from hyperstyle.look import TextEdit

    start = stop = fixed
    for option, words in (("--sweep", sweeps), ("--sweep-text", text_sweeps)):
        for word in words:
            name, low, high = _parse_sweep(option, word)
            edit = name if option == "--sweep" else TextEdit(name)
            start = Sweep(edit, low, high, start).states[0]
            stop = Sweep(edit, low, high, stop).states[1]
    if others:
        # The edits go all the way while the face goes from one to the next.
        between = [blend_states(start, stop, index / len(others)) for index in range(1, len(others) + 1)]
        states = [replace(state, inversion=other) for state, other in zip(between, others, strict=True)]
        return Morph((start, *states))
    if not sweeps and not text_sweeps:
        raise UsageError("Nothing would move; add --sweep smile=-2:2, --sweep-text or --into.")
    return Morph((start, stop))


def _parse_sweep(option: str, word: str) -> tuple[str, float, float]:
    """Split `smile=-2:2`."""
    name, equals, ends = word.rpartition("=")
    low, colon, high = ends.partition(":")
    if not equals or not colon or not name.strip():
        raise UsageError(f"{option} takes a name and two numbers, as in --sweep smile=-2:2, not '{word}'.")
    what = f"The strength of {name.strip()}"
    return name.strip(), parse_number(low, what), parse_number(high, what)


def mix(
    a: Annotated[Path, typer.Argument(help="A face saved by invert or random.", metavar="A.safetensors")],
    b: Annotated[Path, typer.Argument(help="Another one of the same domain.", metavar="B.safetensors")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="A face, or a picture of it.", metavar="OUT.safetensors|OUT.png")
    ],
    t: Annotated[
        float | None, typer.Option("--t", help="How far to go from A to B, 0 to 1. Default: 0.5.", metavar="SHARE")
    ] = None,
    coarse: Annotated[bool, typer.Option("--coarse", help="Take pose and shape from B.")] = False,
    medium: Annotated[bool, typer.Option("--medium", help="Take features and expression from B.")] = False,
    fine: Annotated[bool, typer.Option("--fine", help="Take colours, light and texture from B.")] = False,
    style: StyleOption = None,
    domain: DomainOption = DEFAULT_DOMAIN,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Make one face out of two: something in between, or A with some layers of B."""
    from hyperstyle.latents import Inversion

    groups = [name for name, wanted in (("coarse", coarse), ("medium", medium), ("fine", fine)) if wanted]
    if groups and t is not None:
        raise UsageError("--t goes part of the way with everything; leave it out, or --coarse, --medium and --fine.")
    check_writable(out, a, b)
    one, other = Inversion.load(a), Inversion.load(b)
    pipeline = shared.load_pipeline(domain, device, weights)
    if groups:
        mixed = pipeline.mix_styles(one, other, groups)
    else:
        mixed = pipeline.interpolate(one, other, 0.5 if t is None else t)
    _save_face(pipeline, mixed, out, style)


def random(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="A face, or a picture of it.", metavar="OUT.safetensors|OUT.png")
    ],
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same face.")] = 0,
    truncation: Annotated[
        float | None,
        typer.Option(
            "--truncation",
            help="1 for all variety; smaller for faces nearer to the average. Left out: what suits the domain.",
            show_default=False,
        ),
    ] = None,
    style: StyleOption = None,
    domain: DomainOption = DEFAULT_DOMAIN,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Make up a face that nobody has, as a start for edits, mixes and animations."""
    check_writable(out)
    pipeline = shared.load_pipeline(domain, device, weights)
    _save_face(pipeline, pipeline.random_face(seed, truncation), out, style)


def _save_face(pipeline: HyperStyle, inversion: Inversion, out: Path, style: str | None) -> None:
    """Save a face as a file for `edit`, or as a picture, as its name says."""
    from hyperstyle.provenance import save_edited

    if out.suffix.lower() == INVERSION_SUFFIX:
        if style is not None:
            raise UsageError("A saved face has no style; give --style where it is drawn.")
        inversion.save(out)
        print(f"{out}  ({out.stat().st_size / 1024:.0f} KB)")
        return
    with shared.progress("drawing"):
        picture = pipeline.render(inversion, style=style or "")
    save_edited(picture, out, "generated")
    print(out)
