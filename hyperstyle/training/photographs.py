"""Photographs as training data: a folder and a table become aligned crops, with every measurement beside them.

    folder + table (+ labels) --align--> photographs.npy, landmarks.npy, photographs.csv, refused.csv
    photographs.csv --people--> training people | held-out people

A table names each picture's file and the person in it; more columns are kept as they are. People are split, never
pictures, so that no one is both trained on and measured.
"""

from __future__ import annotations

import csv
import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.errors import HyperStyleError, UsageError, WeightsMissing
from hyperstyle.files.whole import make_folder, whole
from hyperstyle.images import open_photo
from hyperstyle.training.photo_traits import TRAITS, colour_traits, landmark_traits, trait_table
from hyperstyle.traits import column

log = logging.getLogger(__name__)

PICTURES, LANDMARKS, TABLE, REFUSED = "photographs.npy", "landmarks.npy", "photographs.csv", "refused.csv"
MEASURED = ("measured_yaw", "measured_pitch", "measured_roll", "crop_px", "measured_sharpness", "outside")
"""What alignment adds to each row: degrees, degrees, degrees, side of the crop in the photo in px, a ratio, a share.
`photo_traits` adds what landmarks and colours say."""
LEAST_CROP_PX = 80.0
"""A crop of fewer pixels of the photo teaches a generator blur."""
LARGEST_TURN_DEG = 50.0
LEAST_LEAD = 1.5
"""With several faces in a photo, the largest one counts if it is this many times as large as the next."""


@dataclass(frozen=True)
class PhotographConfig:
    """How photographs are turned into training data.

    Attributes:
        size: Side of the crops in px.
        held_out: People that are measured and never trained on, as `people_range` reads it.
    """

    size: int = 256
    held_out: str = "p2900:"


def people_range(text: str) -> Callable[[str], bool]:
    """Read a range of people: "p2900:" for p2900 and above, ":p0100" for below p0100, "a:b", or one name.

    Names are compared as text, so numbers in them need leading zeros.

    Raises:
        UsageError: The text names nobody, or has more than one colon.
    """
    first, colon, last = text.partition(":")
    if not (first or last) or ":" in last:
        raise UsageError(f"'{text}' is no range of people; write FIRST: or FIRST:END or one name, such as p2900:.")
    if not colon:
        return lambda person: person == first
    return lambda person: first <= person and (not last or person < last)


def read_table(path: str | Path, needs: Sequence[str] = ("file",)) -> list[dict[str, str]]:
    """Read a CSV file with a header line.

    Args:
        path: UTF-8, separated by commas.
        needs: Columns that must be there.

    Raises:
        UsageError: There is no such file, it is not such a table, or a column is missing.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"The table {path} cannot be read ({error}); give a CSV file with a header line.") from error
    if not rows:
        raise UsageError(f"The table {path} has no rows; it needs a header line and a line for each picture.")
    for name in needs:
        if name not in rows[0]:
            raise UsageError(f"The table {path} has no column '{name}'; it has {', '.join(map(str, rows[0]))}.")
    return [{str(key): value or "" for key, value in row.items() if key is not None} for row in rows]


def join_labels(rows: list[dict[str, str]], labels: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Add the columns of a second table to the rows with the same file; rows it does not name keep empty ones."""
    by_file = {row["file"]: row for row in labels}
    names = [name for row in by_file.values() for name in row if name != "file"]
    blank = dict.fromkeys(names, "")
    return [row | blank | {k: v for k, v in by_file.get(row["file"], {}).items() if k != "file"} for row in rows]


def prepare(
    config: PhotographConfig,
    photos: Path,
    rows: list[dict[str, str]],
    folder: Path,
    report: Callable[[float, str], None],
) -> tuple[int, int]:
    """Align every photograph of a table and write training data.

    Args:
        config: Settings.
        photos: Folder that the table's `file` column is relative to.
        rows: From `read_table`, with `file` and `person`.
        folder: Where the files go; complete ones appear at the end, all together.
        report: Called with the share that is done and a line of text.

    Returns:
        How many pictures can be used, and how many were refused (they are in refused.csv, with reasons).

    Raises:
        UsageError: No picture can be used.
    """
    make_folder(folder)
    kept: list[dict[str, str]] = []
    refused: list[dict[str, str]] = []
    points: list[NDArray[np.float32]] = []
    shape = (len(rows), 3, config.size, config.size)
    # As many as there are rows fit in; which of them can be used is known at the end.
    with tempfile.TemporaryDirectory(prefix=".aligning-", dir=folder) as scratch:
        aligned = Path(scratch) / PICTURES
        pictures = np.lib.format.open_memmap(aligned, mode="w+", dtype=np.uint8, shape=shape)
        for done, row in enumerate(rows):
            try:
                picture, landmarks, measured = align_photograph(photos / row["file"], config.size)
            except HyperStyleError as error:
                refused.append({"file": row["file"], "person": row["person"], "reason": str(error)})
            else:
                pictures[len(kept)] = picture
                points.append(landmarks)
                kept.append(row | measured)
            if done % 20 == 0:
                report(done / len(rows), f"{len(kept)} of {len(rows)} photographs aligned, {len(refused)} refused")
        _write_csv(folder / REFUSED, refused, ("file", "person", "reason"))
        if not kept:
            raise UsageError(f"None of the {len(rows)} photographs can be used; {folder / REFUSED} says why.")
        with whole(folder / PICTURES) as part, part.open("wb") as file:
            np.lib.format.write_array(file, pictures[: len(kept)])
        del pictures
    with whole(folder / LANDMARKS) as part, part.open("wb") as file:
        np.save(file, np.stack(points))
    _write_csv(folder / TABLE, kept, tuple(kept[0]))
    report(1.0, f"{len(kept)} photographs ready, {len(refused)} refused")
    return len(kept), len(refused)


def align_photograph(path: Path, size: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], dict[str, str]]:
    """Cut the face out of one photograph.

    Returns:
        (3, size, size) picture; (478, 2) landmarks, (0, 0) being the crop's top left and (1, 1) its bottom right
        corner; and the columns of `MEASURED` and of `photo_traits`.

    Raises:
        HyperStyleError: The file is no picture, shows no face or several, or the face is too small or turned away.
    """
    from hyperstyle.alignment import align_faces
    from hyperstyle.alignment.crop import quad_side

    faces = align_faces(open_photo(path), size)
    face = faces[0]
    if len(faces) > 1 and face.report.face_px < LEAST_LEAD * faces[1].report.face_px:
        raise UsageError(f"It shows {len(faces)} faces of about the same size, so it is not clear who is meant.")
    side, report = quad_side(face.quad), face.report
    if side < LEAST_CROP_PX:
        raise UsageError(
            f"The face is too small: its crop has {side:.0f} px of the photo, fewer than {LEAST_CROP_PX:.0f}."
        )
    if abs(report.yaw_deg) > LARGEST_TURN_DEG:
        raise UsageError(f"The face is turned {abs(report.yaw_deg):.0f} degrees to the side.")
    values = (report.yaw_deg, report.pitch_deg, report.roll_deg, side, report.sharpness, report.outside_fraction)
    picture = np.asarray(face.picture, dtype=np.uint8).transpose(2, 0, 1)
    landmarks = face.crop_landmarks.astype(np.float32)
    seen = dict(zip(MEASURED, values, strict=True)) | landmark_traits(landmarks) | colour_traits(picture, landmarks)
    return picture, landmarks, {name: f"{value:.4g}" for name, value in seen.items()}


def _write_csv(path: Path, rows: Iterable[Mapping[str, str]], names: Sequence[str]) -> None:
    with whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


@dataclass(eq=False)
class Photographs:
    """Aligned photographs of some people, read from disk as they are asked for.

    Attributes:
        pictures: (N_all, 3, size, size) uint8, as a memory map.
        rows: The table's rows of these people.
        index: (N,) where each row's picture is in `pictures`.
        landmarks: (N, 478, 2) in crop units, as `align_photograph` gives them.
    """

    pictures: NDArray[np.uint8]
    rows: list[dict[str, str]]
    index: NDArray[np.int64]
    landmarks: Tensor
    _traits: list[Tensor] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path, chosen: Callable[[str], bool]) -> Photographs:
        """Read the data of `prepare`.

        Args:
            folder: Where it is.
            chosen: Which people, by name.

        Raises:
            WeightsMissing: There is no such data yet.
            UsageError: It has none of these people.
        """
        if not (folder / TABLE).exists():
            raise WeightsMissing(
                "There are no training pictures yet; run `train data --photos FOLDER --table CSV` first."
            )
        rows = read_table(folder / TABLE, ("file", "person"))
        index = np.array([i for i, row in enumerate(rows) if chosen(row["person"])], dtype=np.int64)
        if not len(index):
            people = sorted({row["person"] for row in rows})
            raise UsageError(
                f"None of the people in {folder / TABLE} are chosen; they go from {people[0]} to {people[-1]}."
            )
        landmarks = torch.from_numpy(np.load(folder / LANDMARKS)[index])
        return cls(np.load(folder / PICTURES, mmap_mode="r"), [rows[i] for i in index], index, landmarks)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return int(self.pictures.shape[-1])

    @property
    def people(self) -> list[str]:
        """The person of each row."""
        return [row["person"] for row in self.rows]

    @property
    def traits(self) -> Tensor:
        """(N, T) values of `photo_traits.TRAITS` in their units; NaN for what is unknown."""
        if not self._traits:
            self._traits.append(trait_table(self.rows))
        return self._traits[0]

    def trait(self, name: str) -> Tensor:
        """(N,) values of one trait."""
        return self.traits[:, column(TRAITS, name)]

    def batch(self, rows: Tensor, flip: Tensor | None = None, size: int | None = None) -> Tensor:
        """Pictures (B, 3, size, size) in [-1, 1].

        Args:
            rows: (B,) numbers from 0 to N - 1.
            flip: (B,) bool, which ones are mirrored; None for none.
            size: Pooled to this side; None keeps the full size.
        """
        x = torch.from_numpy(self.pictures[self.index[rows.numpy()]]).float() / 127.5 - 1
        if size is not None and size != x.shape[-1]:
            x = F.adaptive_avg_pool2d(x, size)
        return x if flip is None else torch.where(flip[:, None, None, None], x.flip(-1), x)
