"""`download`: get the published weights of a domain, or check those that are there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from hyperstyle.cli import shared
from hyperstyle.errors import ChecksumMismatch, DownloadFailed, UsageError, WeightsMissing
from hyperstyle.weights.registry import SETS, Extra, WeightsFile, WeightsSet, find_set

if TYPE_CHECKING:
    from hyperstyle.weights.download import DownloadProgress


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command(
        epilog=shared.examples(
            "download ffhq",
            "download ffhq --text --metrics --yes",
            "download ffhq --weights ~/checkpoints --offline",
            "download ffhq --text --verify",
        )
    )(download)


def download(
    name: Annotated[
        str,
        typer.Argument(help=f"One of: {', '.join(each.name for each in SETS)}.", metavar="NAME", show_default=False),
    ],
    text: Annotated[bool, typer.Option("--text", help="Also what edits by text need.")] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="Also what measuring identity and LPIPS needs.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Also what other inversion methods need.")] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            help="A folder that has files already; they are used where they are. Default: HYPERSTYLE_WEIGHTS.",
            metavar="FOLDER",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", help="Where downloads go. Default: originals in HYPERSTYLE_CACHE or ~/.cache.", metavar="FOLDER"
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only use what is on this machine.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Only check what is there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licences without being asked.")] = False,
) -> None:
    """Download the published weights of a domain and check them."""
    from hyperstyle.weights.download import default_folder, download_set

    weights_set = find_set(name)
    extras: list[Extra] = [*_chosen(text, metrics, compare)]
    if weights is not None and not os.path.isdir(weights):
        raise UsageError(f"There is no folder {weights}; give --weights the folder that has the files.")
    folder = to or default_folder()
    if verify:
        return _verify(weights_set, extras, folder, weights)
    if not offline:
        _ask_consent(weights_set, extras, folder, weights, yes)
    with _bars() as on_progress, shared.log_to_stderr():
        paths = download_set(weights_set, extras, folder, weights, offline, on_progress)
    _print_summary(weights_set.files(extras), paths)
    _convert(name, paths)
    return None


def _convert(name: str, paths: Mapping[str, Path]) -> None:
    """Make the files ready to load, so that the first start does not have to."""
    from hyperstyle.domains import BUILT_IN, get_domain
    from hyperstyle.published import install

    if name not in BUILT_IN:  # a set of files that belongs to no domain
        return
    with shared.progress("converting") as bar:
        domain = install(get_domain(name), paths, lambda files: bar.advance(f"converting {files}"))
    print(f"Ready: python app.py --domain {domain.name}")


def _chosen(text: bool, metrics: bool, compare: bool) -> Iterator[Extra]:
    if text:
        yield "text"
    if metrics:
        yield "metrics"
    if compare:
        yield "compare"


def _ask_consent(
    weights_set: WeightsSet, extras: Collection[Extra], folder: Path, local_folder: Path | None, yes: bool
) -> None:
    """Before anything is downloaded, show what it asks of people and how large it is, and let them decide."""
    from hyperstyle.weights.download import missing_files

    missing = missing_files(weights_set, extras, folder, local_folder)
    if not missing:
        return
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            f"Downloading {weights_set.name} means accepting its licences, and there is no terminal to ask; "
            f"read them in docs/weights.md, then add --yes."
        )
    console = Console(stderr=True)
    for licence in weights_set.licences(extras):
        console.print(Panel(f"{licence.summary}\n{licence.url}", title=escape(licence.title), title_align="left"))
    console.print(f"{weights_set.title}: {_total(missing)} will be downloaded into {folder}.", highlight=False)
    if not yes and not typer.confirm("Do you accept these licences?", err=True):
        raise DownloadFailed("Nothing was downloaded, because the licences were not accepted.")


def _verify(weights_set: WeightsSet, extras: Collection[Extra], folder: Path, local_folder: Path | None) -> None:
    """Print what is there and whether it is right."""
    from hyperstyle.weights.download import locate, verify

    table = _table("file", "state", "where")
    bad = 0
    files = weights_set.files(extras)
    for row in files:
        path = locate(row, folder, local_folder)
        try:
            state = "missing" if path is None else _STATES[verify(path, row)]
        except ChecksumMismatch:
            state = "wrong: another file, or damaged"
        bad += path is None or state.startswith("wrong")
        table.add_row(row.name, state, str(path or ""))
    Console().print(table)
    if bad:
        command = " ".join([weights_set.name, *(f"--{extra}" for extra in extras)])
        raise WeightsMissing(
            f"{bad} of {len(files)} files are missing or wrong; get them with: python -m hyperstyle download {command}"
        )


_STATES: Mapping[str, str] = {
    "sha256": "right (SHA-256)",
    "git blob": "right (Git object name)",
    "size": "right length; no checksum is known",
    "nothing": "there; no checksum is known",
}


@contextmanager
def _bars() -> Iterator[Callable[[DownloadProgress], None]]:
    """Show a bar for each download on stderr; nothing when stderr is no terminal."""
    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as display:
        tasks = {}

        def show(progress: DownloadProgress) -> None:
            name = progress.file.name
            if name not in tasks:
                # What an earlier run got would count as speed, were it not there from the start.
                tasks[name] = display.add_task(name, total=progress.total, completed=progress.done)
            display.update(tasks[name], completed=progress.done, total=progress.total)

        yield show


def _print_summary(files: Collection[WeightsFile], paths: Mapping[str, Path]) -> None:
    from hyperstyle.weights.download import size_text

    table = _table("file", "size", "checked", "where")
    for row in files:
        path = paths[row.name]
        checked = "yes" if row.checkable else "no checksum is known"
        table.add_row(row.name, size_text(path.stat().st_size), checked, str(path))
    Console().print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        # A folded path can still be copied; one cut short cannot.
        table.add_column(heading, overflow="fold", no_wrap=heading in ("file", "size"))
    return table


def _total(files: Collection[WeightsFile]) -> str:
    """Say how large some files are together, as far as is known."""
    from hyperstyle.weights.download import size_text

    known = size_text(sum(row.bytes or row.rough_bytes or 0 for row in files))
    unknown = sum(row.bytes is None and row.rough_bytes is None for row in files)
    if not unknown:
        return known
    more = f"{unknown} file{'s' if unknown > 1 else ''} of unknown size"
    return more if unknown == len(files) else f"{known} and {more}"
