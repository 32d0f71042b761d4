"""One recipe for a whole folder of photos: what is finished is skipped, and one bad photo never stops the others."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from hyperstyle import metrics
from hyperstyle.alignment import PasteOptions
from hyperstyle.errors import HyperStyleError, UsageError
from hyperstyle.files.whole import fit_name, write_text, writing
from hyperstyle.formats import HEIF_SUFFIXES, PICTURES, RAW_SUFFIXES
from hyperstyle.images import open_photo, to_tensor
from hyperstyle.pipeline import HyperStyle
from hyperstyle.recipes import Recipe

log = logging.getLogger(__name__)

STATE_FILE = "batch.json"
"""Stands among the results and says what they were made with, so that a later run does not mix two recipes."""
Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Row:
    """What became of one photo; a line of the report.

    Attributes:
        file: Name of the photo.
        status: "done", "skipped" (it was finished by an earlier run) or "failed".
        seconds: What it took, from opening to saving; None unless it was done, now or earlier.
        identity: Cosine similarity of the aligned and the edited face, 1 is the same; None without an identity network.
        message: Why it failed, or what to know about the result; may be empty.
    """

    file: str
    status: Status
    seconds: float | None = None
    identity: float | None = None
    message: str = ""


@dataclass(frozen=True)
class Settings:
    """What every photo of the folder gets.

    Attributes:
        recipe: The edits, and how a face goes back into its photo; a face in it is not used.
        face: Which face of each photo, as in `HyperStyle.align`.
        paste_back: Put the face back into the photo; otherwise the result is the face alone.
        saved_as: How the pictures are saved, in words that only need to differ where that differs.
    """

    recipe: Recipe
    face: int | Literal["largest"] = "largest"
    paste_back: bool = False
    saved_as: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """As kept beside the results."""
        recipe = json.loads(self.recipe.without_face().to_json())
        return {
            "recipe": recipe,
            "face": self.face,
            "paste_back": self.paste_back,
            "saved_as": list(self.saved_as),
        }


def find_photos(folder: Path) -> list[Path]:
    """The pictures directly inside a folder, by their suffix, sorted by name.

    Raises:
        UsageError: There is no such folder, or no picture in it.
    """
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {folder}; name one with photos.")
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in PICTURES}
    suffixes.update(HEIF_SUFFIXES, RAW_SUFFIXES)  # raw files are not read, but who has them should learn what to do
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir()]
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be read: {error.strerror or error}.") from None
    photos = [path for path in inside if path.suffix.lower() in suffixes]
    if not photos:
        raise UsageError(f"There is no picture in the folder {folder}; name one with photos.")
    return sorted(photos)


def other_files(folder: Path, photos: Iterable[Path]) -> list[str]:
    """Names of the files in a folder that are none of these photos, sorted; hidden ones belong to the machine."""
    known = {photo.name for photo in photos}
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in known and not path.name.startswith(".") and not path.is_dir()
    )


def place_results(photos: Iterable[Path], out: Path, suffix: str) -> dict[Path, Path]:
    """Say where the result of each photo goes: under its own name, or its full name where two would be the same.

    A name that would be too long for a disk is cut.
    """
    photos = list(photos)
    stems = [photo.stem.lower() for photo in photos]  # some disks take A and a for the same
    return {
        photo: out / fit_name(photo.stem if stems.count(photo.stem.lower()) == 1 else photo.name, suffix)
        for photo in photos
    }


def prepare(out: Path, settings: Settings, again: bool = False) -> None:
    """Make sure that the results folder is for these settings.

    Args:
        out: An existing folder.
        settings: What its results are to be made with.
        again: Make them all anew, also those of other settings.

    Raises:
        UsageError: It holds results of other settings.
        CannotWrite: It cannot be written to.
    """
    state = out / STATE_FILE
    text = json.dumps(settings.record(), indent=2, ensure_ascii=False) + "\n"
    with writing(state):
        before = None if again or not state.exists() else state.read_text(encoding="utf-8", errors="replace")
    if before == text:
        return
    if before is not None:
        raise UsageError(
            f"The folder {out} holds pictures of another recipe or other options; choose another folder, or make "
            "all of them anew with --again."
        )
    write_text(state, text)


def is_finished(photo: Path, result: Path) -> bool:
    """Whether a result is there, and no older than its photo and than the settings beside it.

    Results appear whole or not at all, so one that is there is complete.
    """
    try:
        made = result.stat().st_mtime_ns
        return made >= photo.stat().st_mtime_ns and made >= (result.parent / STATE_FILE).stat().st_mtime_ns
    except OSError:
        return False


def process(
    pipeline: HyperStyle,
    results: Mapping[Path, Path],
    settings: Settings,
    save: Callable[[Image.Image, Path], object],
    earlier: Mapping[str, Row] | None = None,
) -> Iterator[Row]:
    """Edit every photo that is not finished yet.

    Args:
        pipeline: The recipe's domain; the recipe has passed `check_recipe`.
        results: From `place_results`.
        settings: What every photo gets.
        save: Writes a picture to a path, whole or not at all.
        earlier: Rows of an earlier run by file, whose numbers are kept for what is skipped.

    Yields:
        One row per photo, in order. Whatever goes wrong with one is its message.
    """
    for photo, result in results.items():
        if is_finished(photo, result):
            before = (earlier or {}).get(photo.name, Row(photo.name, "skipped"))
            kept = before.status != "failed"
            yield Row(photo.name, "skipped", before.seconds, before.identity, before.message if kept else "")
            continue
        started_s = time.perf_counter()
        try:
            picture, identity, message = _edit(pipeline, photo, settings)
            save(picture, result)
        except HyperStyleError as error:
            yield Row(photo.name, "failed", message=str(error))
        except Exception as error:
            # Not an error for the log, which without any settings would show the person a traceback.
            log.info("The photo %s could not be edited", photo, exc_info=error)
            what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            yield Row(photo.name, "failed", message=f"Sorry, something unexpected went wrong ({what}).")
        else:
            yield Row(photo.name, "done", round(time.perf_counter() - started_s, 3), identity, message)


def _edit(pipeline: HyperStyle, photo: Path, settings: Settings) -> tuple[Image.Image, float | None, str]:
    """The picture, its identity, and what to know about it."""
    opened = open_photo(photo)
    face = pipeline.align(opened, settings.face)
    inversion = pipeline.invert(face, settings.recipe.steps)
    picture = pipeline.render_recipe(settings.recipe, inversion, face=face)
    identity = None
    if pipeline.models.identity is not None:
        with torch.inference_mode():
            drawn = to_tensor(picture).to(pipeline.device)
            measured = metrics.identity(pipeline.models.identity, pipeline.target(face), drawn)
        identity = round(float(measured.mean()), 4)
    if settings.paste_back:
        options = settings.recipe.paste or PasteOptions()
        picture = pipeline.paste_back_all(opened, [(face, picture, options)]).picture
    return picture, identity, " ".join(face.report.warnings)


def to_csv(rows: Iterable[Row]) -> str:
    """The report: one line per photo under the names of `Row`'s fields; an unknown number is empty."""
    buffer = io.StringIO()
    names = [field.name for field in fields(Row)]
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return buffer.getvalue()


def read_csv(path: Path) -> dict[str, Row]:
    """The rows of an earlier report by file; none where there is no such report, or one that is not from here."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        return {
            line["file"]: Row(
                line["file"],
                _status(line["status"]),
                _read_number(line["seconds"]),
                _read_number(line["identity"]),
                line["message"],
            )
            for line in lines
        }
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


def _cell(value: str | float | None) -> str:
    return "" if value is None else str(value)


def _read_number(text: str) -> float | None:
    return float(text) if text else None


def _status(text: str) -> Status:
    if text not in ("done", "skipped", "failed"):
        raise ValueError(text)
    return text  # type: ignore[return-value]  # the test above narrows it to the literals
