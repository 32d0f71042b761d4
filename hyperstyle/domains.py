"""A domain is everything needed for one kind of picture: a folder with `domain.json` and weights. Pure data."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from hyperstyle.errors import UnknownDomain, WeightsCorrupt, WeightsMissing, did_you_mean
from hyperstyle.traits import Trait, read_traits

PACKAGE = Path(__file__).resolve().parent
DOMAIN_FILE = "domain.json"
DIRECTIONS_FOLDER = "editing_directions"
COMPARISON_FOLDER = "comparison"
STYLES_FOLDER = "styles"
DEFAULT_FILES = {
    "generator": "generator.safetensors",
    "w_encoder": "w_encoder.safetensors",
    "hypernetwork": "hypernetwork.safetensors",
    "identity": "identity.safetensors",
    "attributes": "attributes.safetensors",
    "lpips": "lpips.safetensors",
    "text": "text.safetensors",
}
CROPS = ("ffhq", "whole")
INPUT_FILTERS = ("area", "bilinear")


@dataclass(frozen=True)
class Domain:
    """One kind of picture, as data. Networks are built from the five config mappings by `weights.load.load_models`.

    Attributes:
        name: Short name, also written into every inversion made in the domain.
        title: What the page calls it.
        folder: Where `domain.json` and the weights lie.
        resolution: Side of the generator's picture in pixels.
        input_size: Side in pixels that the encoder and the hypernetwork look at.
        crop: "ffhq" finds faces and cuts them out; "whole" takes the whole photo, resized.
        visible_rows: First row of the generator's square that pictures show, and the row after the last; empty for all.
        input_filter: How targets are made smaller for the networks: "area" or, as published ones were trained,
            "bilinear" (with antialiasing).
        optional: Parts whose weights may be missing; what they measure is then left out.
        refinement_steps: Passes of the hypernetwork when the caller does not say.
        licence: Licence of the weights.
        description: One or two sentences for a newcomer: what it draws, what it cannot do.
        generator: Fields of `models.layer_table.GeneratorConfig`.
        w_encoder: Configuration of the W encoder.
        hypernetwork: Configuration of the hypernetwork.
        identity: Configuration of the identity network.
        attributes: Configuration of the attribute network.
        traits: What that network's columns mean, in order; empty where nobody knows.
        judge: Configuration of an identity network that only comparisons of methods ask; may be missing.
        baselines: Name -> configuration of encoders that HyperStyle is compared with; any may be missing.
        ablations: Name -> configuration of hypernetworks that are compared with each other; any may be missing.
        text: Configuration of a pretrained text model; empty where the domain has a small one of its own.
        likeness_levels: Cosine of the identity network that one pair of strangers in ten reaches, and that one in a
            thousand reaches; empty where that was not measured.
        seeds_compared: Made-up faces of seeds below it were compared with the people who were trained on; 0 for none.
        seeds_too_close: Seeds among those whose face comes too close to one of these people: they are never offered.
        published: Whether the weights are somebody else's, downloaded and converted instead of shipped.
        files: Part name -> file name inside `weights`.
        weights: Folder with the weights.
        directions: Folder with the edits' `manifest.json`.
    """

    name: str
    title: str
    folder: Path
    resolution: int
    input_size: int
    crop: str = "ffhq"
    visible_rows: Sequence[int] = ()
    input_filter: str = "area"
    optional: Sequence[str] = ()
    refinement_steps: int = 5
    licence: str = ""
    description: str = ""
    generator: Mapping[str, Any] = field(default_factory=dict)
    w_encoder: Mapping[str, Any] = field(default_factory=dict)
    hypernetwork: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    traits: tuple[Trait, ...] = ()
    judge: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ablations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    text: Mapping[str, Any] = field(default_factory=dict)
    likeness_levels: Sequence[float] = ()
    seeds_compared: int = 0
    seeds_too_close: Sequence[int] = ()
    published: bool = False
    files: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_FILES))
    weights: Path = Path()
    directions: Path = Path(DIRECTIONS_FOLDER)

    @property
    def picture_hw(self) -> tuple[int, int]:
        """Height and width of the domain's pictures in pixels."""
        rows = self.visible_rows
        return (rows[1] - rows[0] if rows else self.resolution, self.resolution)

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width that the encoder and the hypernetwork look at."""
        height, width = self.picture_hw
        return (self.input_size * height // width, self.input_size)

    @property
    def styles(self) -> list[str]:
        """Names of the generators fine-tuned to draw in another style that lie beside the weights."""
        return sorted(path.stem for path in (self.weights / STYLES_FOLDER).glob("*.safetensors"))

    def path(self, part: str) -> Path:
        """Where the weights of one part lie, whether or not the file is there.

        Args:
            part: "generator", "text", ...; "styles/NAME" for a generator that was fine-tuned to another style.
        """
        if part.startswith(STYLES_FOLDER + "/"):
            return self.weights / f"{part}.safetensors"
        if part == "judge" or part in self.baselines or part in self.ablations:
            return self.weights / COMPARISON_FOLDER / f"{part}.safetensors"
        return self.weights / self.files[part]


@dataclass(frozen=True)
class BuiltIn:
    """Where a domain that comes with the project lies.

    Attributes:
        folder: Holds `domain.json`, and the weights where they are shipped.
        directions: Holds the edits; None where they are converted together with downloaded weights.
    """

    folder: Path
    directions: Path | None = None


DEFAULT_DOMAIN = "photos"
"""What the page, the commands and `hyperstyle.load()` use when nothing is said."""


def shipped_folder(name: str) -> Path:
    """Find data that a checkout keeps at its root, where people look for it, and an installation inside the package.

    Args:
        name: "editing_directions" or "examples".
    """
    installed = PACKAGE / name
    return installed if installed.is_dir() else PACKAGE.parent / name


BUILT_IN: dict[str, BuiltIn] = {
    "photos": BuiltIn(PACKAGE / "weights" / "photos", shipped_folder(DIRECTIONS_FOLDER) / "photos"),
    "portraits": BuiltIn(PACKAGE / "weights" / "portraits", shipped_folder(DIRECTIONS_FOLDER) / "portraits"),
    "ffhq": BuiltIn(PACKAGE / "weights" / "ffhq"),
    "afhq_wild": BuiltIn(PACKAGE / "weights" / "afhq_wild"),
    "cars": BuiltIn(PACKAGE / "weights" / "cars"),
}


def ships_edits(domain: Domain) -> bool:
    """Whether the domain's edits come with the project, so that an installation without them is broken."""
    return any(domain.directions == row.directions for row in BUILT_IN.values())


def cache_folder() -> Path:
    """Folder for downloaded and converted files: `$HYPERSTYLE_CACHE`, else `hyperstyle` in the user's cache folder."""
    named = os.environ.get("HYPERSTYLE_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hyperstyle"


def list_domains() -> list[Domain]:
    """Read every built-in domain.

    Raises:
        WeightsMissing: A built-in folder is incomplete.
        WeightsCorrupt: Its `domain.json` cannot be understood.
    """
    return [get_domain(name) for name in BUILT_IN]


def get_domain(name_or_folder: str | Path) -> Domain:
    """Find a domain by its name, or by the folder that holds it.

    Args:
        name_or_folder: A built-in name such as "portraits", or a folder with a `domain.json`. The folder's own
            `editing_directions/` is used when `domain.json` does not name another.

    Raises:
        UnknownDomain: Neither a name nor a folder; suggests the nearest name.
        WeightsMissing: The folder has no `domain.json`.
        WeightsCorrupt: Its `domain.json` cannot be understood.
    """
    name = str(name_or_folder)
    if name in BUILT_IN:
        row = BUILT_IN[name]
        return read_domain(row.folder, row.directions)
    folder = Path(os.path.expanduser(name))
    if name and os.path.isdir(folder):  # unlike the methods of a path, this takes names that no disk does
        return read_domain(folder)
    raise UnknownDomain(
        f"There is no domain and no folder called '{name}'; {did_you_mean(name, BUILT_IN)}"
        if name
        else f"The name of the domain is empty; {did_you_mean(name, BUILT_IN)}"
    )


def read_domain(folder: Path, directions: Path | None = None, weights: Path | None = None) -> Domain:
    """Read a folder's `domain.json`.

    Args:
        folder: The domain's folder.
        weights: Folder with its weights; default: the same one, or the cache for published weights.
        directions: Folder of its edits; default: the one `domain.json` names, else `folder/editing_directions`.

    Raises:
        WeightsMissing: There is no `domain.json`.
        WeightsCorrupt: It is not JSON, lacks a field, has an unknown one, or one of the wrong type.
    """
    path = folder / DOMAIN_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsMissing(f"The folder {folder} holds no domain: its {DOMAIN_FILE} is missing.") from None
    except OSError as error:
        raise WeightsMissing(f"Could not read {path}: {error.strerror or error}.") from None
    except ValueError:  # covers both bad JSON and bad UTF-8
        raise WeightsCorrupt(f"{path} is not valid JSON; restore or rewrite it.") from None
    if not isinstance(record, dict):
        raise WeightsCorrupt(f"{path} must hold one JSON object with the domain's fields.")
    _check_record(path, record)
    named = record.pop("directions", None)
    if weights is None:
        weights = cache_folder() / "domains" / record["name"] if record.get("published") else folder
    if directions is None:
        directions = (weights if record.get("published") else folder) / (named or DIRECTIONS_FOLDER)
    files = {**DEFAULT_FILES, **record.pop("files", {})}
    record["traits"] = read_traits(record.get("traits", []))
    return Domain(**record, folder=folder, directions=directions, files=files, weights=weights)


_KINDS: dict[str, tuple[type, str]] = {
    "str": (str, "text"),
    "bool": (bool, "true or false"),
    "int": (int, "a whole number"),
    "Path": (str, "text"),
    "Sequence[int]": (list, "a list of whole numbers"),
    "Sequence[float]": (list, "a list of numbers"),
    "Sequence[str]": (list, "a list of texts"),
    "tuple[Trait, ...]": (list, "a list of objects"),
    "Mapping[str, Any]": (dict, "an object"),
    "Mapping[str, Mapping[str, Any]]": (dict, "an object"),
    "Mapping[str, str]": (dict, "an object"),
}


def _check_record(path: Path, record: dict[str, Any]) -> None:
    """Raise `WeightsCorrupt` when the record is not what `Domain` is made from."""
    known = {row.name: row for row in fields(Domain) if row.name not in ("folder", "weights")}
    for name in record:
        if name not in known:
            raise WeightsCorrupt(f"{path} has an unknown field '{name}'; {did_you_mean(name, known)}")
    for name, row in known.items():
        if name not in record:
            if row.default is MISSING and row.default_factory is MISSING:
                raise WeightsCorrupt(f"{path} lacks the field '{name}'.")
            continue
        kind, words = _KINDS[str(row.type)]
        value = record[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise WeightsCorrupt(f"{path}: the field '{name}' must be {words}.")
        if kind is int and isinstance(value, int) and not 1 <= value <= 4096:
            raise WeightsCorrupt(f"{path}: the field '{name}' must lie between 1 and 4096.")
    for name, choices in (("crop", CROPS), ("input_filter", INPUT_FILTERS)):
        if record.get(name, choices[0]) not in choices:
            raise WeightsCorrupt(f"{path}: the field '{name}' must be {' or '.join(choices)}.")
    rows: list[Any] = record.get("visible_rows", [])
    whole = all(type(row) is int for row in rows)
    if rows and not (whole and len(rows) == 2 and 0 <= rows[0] < rows[1] <= record["resolution"]):
        raise WeightsCorrupt(
            f"{path}: the field 'visible_rows' must hold two rows of the generator's picture, in order."
        )
    if not set(record.get("optional", [])) <= set(DEFAULT_FILES):
        raise WeightsCorrupt(f"{path}: the field 'optional' may name {', '.join(DEFAULT_FILES)}.")
