"""What every command shares: common options, the progress bar, small conversions of arguments."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hyperstyle.errors import UsageError
from hyperstyle.files.whole import write_text

if TYPE_CHECKING:
    from hyperstyle.pipeline import HyperStyle

DomainOption = Annotated[
    str, typer.Option("--domain", help="Name of a built-in domain, or a folder with a domain.json.", metavar="NAME")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        help="For published domains: folder with their files. Default: HYPERSTYLE_WEIGHTS.",
        metavar="FOLDER",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.", metavar="DEVICE")]
FaceOption = Annotated[
    str, typer.Option("--face", help="largest, or a number counted from 0 in order of size.", metavar="FACE")
]
StepsOption = Annotated[
    int | None,
    typer.Option("--steps", help="Refinement steps; 0 is the encoder alone, default is the domain's own.", metavar="N"),
]
NoteOption = Annotated[
    bool,
    typer.Option(
        "--provenance/--no-provenance", help="Say in the file's metadata that the picture is AI-edited (IPTC, XMP)."
    ),
]
MarkOption = Annotated[
    bool, typer.Option("--mark", help="Also write 'AI-edited' into a corner of the picture, for everybody to see.")
]
SignOption = Annotated[
    bool,
    typer.Option(
        "--sign", help="Also add a C2PA manifest, signed with a certificate made here: nobody vouches for it."
    ),
]


def examples(*lines: str) -> str:
    """Format example command lines for the end of a help page."""
    return "\n\n".join(["Examples:", *(f"python -m hyperstyle {line}".replace("[", r"\[") for line in lines)])


def load_pipeline(domain: str, device: str, weights: Path | None = None) -> HyperStyle:
    """Load a domain behind a spinner."""
    with progress("loading the models") as bar:
        from hyperstyle.pipeline import load

        return load(domain, device, weights, on_part=lambda files: bar.advance(f"converting {files}, once"))


class Bar:
    """Handle on the progress bar of a running command."""

    def __init__(self, display: Progress, description: str, total: int | None) -> None:
        self._display = display
        self._task = display.add_task(description, total=total)

    def advance(self, description: str | None = None) -> None:
        """Count one piece of work as done, optionally naming the next."""
        self._display.update(self._task, advance=1, description=description)


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Bar]:
    """Show a bar (a spinner without a total) on stderr while the block runs; nothing when stderr is no terminal."""
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
    columns += [MofNCompleteColumn(), TimeElapsedColumn()] if total is not None else [TimeElapsedColumn()]
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        yield Bar(display, description, total)


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Show what the library logs, from information upwards, while the block runs."""
    logger, handler = logging.getLogger("hyperstyle"), logging.StreamHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def parse_face(value: str) -> int | Literal["largest", "all"]:
    """Understand `--face`."""
    if value in ("largest", "all"):
        return value  # type: ignore[return-value]  # the test above narrows it to the literals
    try:
        return int(value)
    except ValueError:
        raise UsageError(f"--face takes largest, all or a number, not '{value}'.") from None


def parse_one_face(value: str) -> int | Literal["largest"]:
    """Understand `--face` where one face is meant."""
    face = parse_face(value)
    if face == "all":
        raise UsageError("--face all is for align, and for edit with --paste-back; here, choose largest or a number.")
    return face


def parse_faces(value: str) -> Literal["largest", "all"] | tuple[int, ...]:
    """Understand `--face` where several may be meant: also numbers with commas between them."""
    if value in ("largest", "all"):
        return value  # type: ignore[return-value]  # the test above narrows it to the literals
    try:
        numbers = tuple(int(word) for word in value.split(","))
    except ValueError:
        raise UsageError(f"--face takes largest, all or numbers such as 0,2, not '{value}'.") from None
    return tuple(dict.fromkeys(numbers))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all; raises as `whole` does."""
    write_text(path, json.dumps(content, indent=2) + "\n")


class Stopwatch:
    """Seconds between laps, for reports."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap (or the start), rounded to a tenth of a millisecond."""
        now = time.perf_counter()
        elapsed_s, self._last = now - self._last, now
        return round(elapsed_s, 4)
