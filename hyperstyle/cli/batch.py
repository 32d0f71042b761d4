"""`batch`: one recipe for a whole folder of photos."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hyperstyle.cli import shared
from hyperstyle.cli.shared import (
    DeviceOption,
    DomainOption,
    FaceOption,
    MarkOption,
    NoteOption,
    SignOption,
    WeightsOption,
)
from hyperstyle.domains import DEFAULT_DOMAIN
from hyperstyle.errors import UsageError
from hyperstyle.files.whole import check_writable, make_folder, same_file, write_text

if TYPE_CHECKING:
    from PIL import Image

    from hyperstyle.batch import Row

SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp"}
NAMED_AT_MOST = 20  # files that are no pictures
WRITE_EVERY_S = 1.0  # the report is written whole each time, so not after every photo of thousands


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command(
        epilog=shared.examples(
            "batch photos --recipe look.hyperstyle.json -o edited",
            "batch photos --recipe look.hyperstyle.json -o edited --report edited.csv --paste-back --format jpg",
        )
        + "\n\nExit codes: 0 every photo is done, now or earlier; 1 at least one failed; 2 wrong usage."
    )(batch)


def batch(
    folder: Annotated[Path, typer.Argument(help="A folder with photos; folders inside it are left alone.")],
    recipe: Annotated[
        Path,
        typer.Option("--recipe", help="What to do to every photo; `edit --save-recipe` makes one.", metavar="FILE"),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the edited pictures.", metavar="FOLDER")],
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write what became of each photo.", metavar="REPORT.csv")
    ] = None,
    paste_back: Annotated[
        bool, typer.Option("--paste-back", help="Put each edited face back into its whole photo.")
    ] = False,
    picture_format: Annotated[str, typer.Option("--format", help="png, jpg or webp.", metavar="FORMAT")] = "png",
    again: Annotated[
        bool, typer.Option("--again", help="Make every picture anew, also finished ones and those of another recipe.")
    ] = False,
    note: NoteOption = True,
    mark: MarkOption = False,
    sign: SignOption = False,
    face: FaceOption = "largest",
    domain: DomainOption = DEFAULT_DOMAIN,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> int | None:
    """Edit every photo of a folder. A later run goes on where this one stopped, and one bad photo stops nothing."""
    from hyperstyle import batch as work
    from hyperstyle.provenance import check_signable, save_edited
    from hyperstyle.recipes import Recipe

    wanted = shared.parse_one_face(face)
    if picture_format not in SUFFIXES:
        raise UsageError(f"--format is {', '.join(SUFFIXES)}, not '{picture_format}'.")
    photos = work.find_photos(folder)
    if same_file(out, folder):
        raise UsageError("The edited pictures need a folder of their own; give --out another one than the photos'.")
    state = out / work.STATE_FILE
    if report is not None:
        check_writable(report, recipe, state, *photos)
    results = work.place_results(photos, out, SUFFIXES[picture_format])
    if os.path.isdir(out):
        check_writable(state, recipe)
        for photo, result in results.items():
            check_writable(result, photo, recipe)
    if sign:
        check_signable(f"picture{SUFFIXES[picture_format]}")
    look = Recipe.load(recipe).without_face()
    mark = mark or bool(look.mark)
    chosen = {"no-provenance": not note, "mark": mark, "sign": sign}
    saved_as = tuple(name for name, on in chosen.items() if on)
    settings = work.Settings(look, wanted, paste_back, saved_as)
    pipeline = shared.load_pipeline(domain, device, weights)
    pipeline.check_recipe(settings.recipe)
    make_folder(out)
    work.prepare(out, settings, again)
    others = work.other_files(folder, photos)
    if others:
        listed = ", ".join(others[:NAMED_AT_MOST]) + (", ..." if len(others) > NAMED_AT_MOST else "")
        print(
            f"Note: {len(others)} left alone, because their names do not end as pictures' do: {listed}.",
            file=sys.stderr,
        )

    source: Literal["composite", "generated"] = "composite" if paste_back else "generated"

    def save(picture: Image.Image, path: Path) -> None:
        save_edited(picture, path, source, note, mark, sign)

    earlier = {} if report is None or again else work.read_csv(report)
    rows: dict[str, Row] = {}
    written_s = 0.0
    try:
        with shared.progress("editing", len(photos)) as bar:
            for row in work.process(pipeline, results, settings, save, earlier):
                rows[row.file] = row
                if row.status == "failed":
                    print(f"{row.file}: {row.message}", file=sys.stderr)
                if report is not None and time.monotonic() - written_s > WRITE_EVERY_S:
                    _write(report, photos, rows, earlier)
                    written_s = time.monotonic()
                bar.advance()
    finally:
        if report is not None:
            _write(report, photos, rows, earlier)
    count = Counter(row.status for row in rows.values())
    print(f"{out}  ({count['done']} done, {count['skipped']} finished earlier, {count['failed']} failed)")
    return 1 if count["failed"] else None


def _write(report: Path, photos: list[Path], rows: dict[str, Row], earlier: dict[str, Row]) -> None:
    """Write the report as it stands: photos whose turn has not come keep the row of an earlier run."""
    from hyperstyle.batch import to_csv

    known = {**earlier, **rows}
    write_text(report, to_csv(known[photo.name] for photo in photos if photo.name in known))
