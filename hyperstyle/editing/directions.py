"""Directions in `w` on disk: a manifest and one tensor file per direction. A new direction is a file and a row.

The format is described in `editing_directions/README.md`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyperstyle.editing.base import ABSURD_FACTOR, EditRow, check_strength
from hyperstyle.errors import ForeignWeights, UnknownEdit, WeightsCorrupt, WeightsMissing, did_you_mean
from hyperstyle.files.whole import make_folder, write_text
from hyperstyle.tensor_file import read_tensors, write_tensors

MANIFEST = "manifest.json"
FORMAT = "hyperstyle.directions"
VERSION = 1
PLAIN, CONDITIONED = "plain", "conditioned"
SPACES = ("w", "w+")


@dataclass(frozen=True)
class Direction:
    """The vectors of one edit.

    Attributes:
        plain: (w_dim,) in space "w" or (L, w_dim) in "w+", scaled so that strength 1 adds it once.
        conditioned: The same with other properties projected out, or None.
    """

    plain: Tensor
    conditioned: Tensor | None = None


class DirectionEdits:
    """The directions of one domain, read when first needed and never changed.

    Args:
        folder: Folder with `manifest.json`.

    Attributes:
        rows: The manifest's rows, in its order.

    Raises:
        WeightsMissing: There is no manifest.
        WeightsCorrupt: The manifest cannot be understood.
        ForeignWeights: It is of another format or a later version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.rows: list[EditRow] = read_manifest(self.folder)
        self._by_name = {row.name: row for row in self.rows}
        self._loaded: dict[str, Direction] = {}

    def row(self, name: str) -> EditRow:
        """Return the row of an edit.

        Raises:
            UnknownEdit: There is none of that name; suggests the nearest.
        """
        if name not in self._by_name:
            raise UnknownEdit(f"There is no edit called '{name}'; {did_you_mean(name, self._by_name)}")
        return self._by_name[name]

    def direction(self, name: str) -> Direction:
        """Return the vectors of an edit.

        Raises:
            UnknownEdit: There is none of that name.
            WeightsMissing: Its file is gone.
            WeightsCorrupt: Its file is damaged or not the one the manifest was written for.
        """
        row = self.row(name)
        if name not in self._loaded:
            self._loaded[name] = read_direction(self.folder, row)
        return self._loaded[name]

    def shift(self, name: str, strength: float, conditioned: bool = True) -> Tensor:
        """Compute what an edit adds to `w_plus`.

        Args:
            name: Name of the edit.
            strength: Multiples of the direction; 1 is one standard deviation of `w` along it, 0 changes nothing.
            conditioned: Use the vector that leaves other properties alone, where there is one.

        Returns:
            (1, L, w_dim) float32 on the CPU, with L = 1 (the same for every layer) in space "w".

        Raises:
            UnknownEdit: There is no edit of that name.
            BadStrength: Not a finite number, or absurdly far outside the edit's range.
        """
        row = self.row(name)
        reach = ABSURD_FACTOR * max(abs(row.minimum), abs(row.maximum))
        strength = check_strength(f"The strength of '{name}'", strength, -reach, reach)
        direction = self.direction(name)
        vector = direction.conditioned if conditioned and direction.conditioned is not None else direction.plain
        return (strength * vector).reshape(1, -1, vector.shape[-1])


def read_manifest(folder: Path) -> list[EditRow]:
    """Read a folder's rows; raises as `DirectionEdits` does."""
    path = folder / MANIFEST
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsMissing(f"The folder {folder} holds no edits: its {MANIFEST} is missing.") from None
    except OSError as error:
        raise WeightsMissing(f"Could not read {path}: {error.strerror or error}.") from None
    except ValueError:  # covers both bad JSON and bad UTF-8
        raise WeightsCorrupt(f"{path} is not valid JSON; restore it or train the directions again.") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ForeignWeights(f"{path} is not a manifest of edit directions.")
    if record.get("version") != VERSION:
        raise ForeignWeights(f"{path} has version {record.get('version')}, and only version {VERSION} is understood.")
    listed = record.get("directions")
    if not isinstance(listed, list):
        raise WeightsCorrupt(f"{path} lacks its list of directions.")
    rows = [_row(path, entry) for entry in listed]
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise WeightsCorrupt(f"{path} lists an edit twice.")
    return rows


def _row(path: Path, entry: Any) -> EditRow:
    """Build one row, or say what is wrong with it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise WeightsCorrupt(f"{path} has a direction without a name.")
    name = entry["name"]
    known = {field.name: field for field in fields(EditRow)}
    for key in entry:
        if key not in known:
            raise WeightsCorrupt(f"{path}: the direction '{name}' has an unknown field '{key}'.")
    values: dict[str, Any] = {}
    for key, field in known.items():
        if key not in entry:
            if field.default is MISSING and field.default_factory is MISSING:
                raise WeightsCorrupt(f"{path}: the direction '{name}' lacks '{key}'.")
            continue
        values[key] = _value(str(field.type), entry[key])
        if values[key] is None:
            raise WeightsCorrupt(f"{path}: the field '{key}' of the direction '{name}' is of the wrong type.")
    row = EditRow(**values)
    if row.space not in SPACES:
        raise WeightsCorrupt(f"{path}: the direction '{name}' is in an unknown space '{row.space}'.")
    if not row.minimum < row.maximum or not row.step > 0:
        raise WeightsCorrupt(f"{path}: the range of the direction '{name}' makes no sense.")
    if not row.file or Path(row.file).name != row.file:
        raise WeightsCorrupt(f"{path}: the direction '{name}' must name a file in the same folder.")
    return row


def _value(kind: str, value: Any) -> Any:
    """Convert a JSON value to a field's type, or None if it cannot be."""
    if kind == "str":
        return value if isinstance(value, str) else None
    if kind == "float":
        return float(value) if _is_number(value) else None
    if kind.startswith("tuple"):
        return tuple(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else None
    if isinstance(value, dict) and all(_is_number(v) for v in value.values()):
        return {key: float(number) for key, number in value.items()}
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def read_direction(folder: Path, row: EditRow) -> Direction:
    """Read the tensor file of one row; raises as `DirectionEdits.direction` does."""
    path = folder / row.file
    tensors, _ = read_tensors(path)
    if row.sha256 and checksum(path) != row.sha256:
        raise WeightsCorrupt(f"{path} is not the file its manifest was written for; restore both from the same source.")
    rank = 1 if row.space == "w" else 2
    vectors = {name: tensor.float() for name, tensor in tensors.items()}
    for name, vector in vectors.items():
        if name not in (PLAIN, CONDITIONED) or vector.ndim != rank or not bool(torch.isfinite(vector).all()):
            raise WeightsCorrupt(f"{path} does not hold a direction in the space '{row.space}'.")
    if PLAIN not in vectors:
        raise WeightsCorrupt(f"{path} lacks its vector '{PLAIN}'.")
    return Direction(vectors[PLAIN], vectors.get(CONDITIONED))


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_directions(
    folder: str | Path,
    rows: Sequence[EditRow],
    vectors: Mapping[str, Direction],
    domain: str,
    notes: Mapping[str, Any] | None = None,
) -> list[EditRow]:
    """Write a folder of directions: every tensor file first, then the manifest that vouches for them.

    Args:
        folder: Made if missing; files of directions not in `rows` are left alone.
        rows: One per direction; `file`, `sha256`, `norm` and `domain` are filled in here.
        vectors: By name of the edit.
        domain: Domain they were made for.
        notes: How they were made (command, seed, ...), kept in the manifest for people.

    Returns:
        The rows as written.

    Raises:
        CannotWrite: No permission, no such place, or the disk is full.
    """
    folder = Path(folder)
    make_folder(folder)
    written = []
    for row in rows:
        direction = vectors[row.name]
        tensors = {PLAIN: direction.plain}
        if direction.conditioned is not None:
            tensors[CONDITIONED] = direction.conditioned
        default = tensors.get(CONDITIONED, direction.plain)
        path = folder / f"{row.name}.safetensors"
        header = {"name": row.name, "domain": domain, "space": row.space}
        write_tensors(path, {key: tensor.float() for key, tensor in tensors.items()}, header)
        norm = round(float(default.norm()), 4)
        written.append(replace(row, file=path.name, sha256=checksum(path), norm=norm, domain=domain))
    record = {
        "format": FORMAT,
        "version": VERSION,
        "domain": domain,
        "notes": dict(notes or {}),
        "directions": [asdict(row) for row in written],
    }
    write_text(folder / MANIFEST, json.dumps(record, indent=2) + "\n")
    return written
