"""From published files to a domain that can be loaded: converted once, kept in the cache, used from then on.

    hyperstyle_ffhq.pt, faces_w_encoder.pt, age.pt, ...  --convert-->  generator, w_encoder, ... .safetensors + edits

The files may lie in a folder of the user's own, or come from `weights.download`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from hyperstyle.domains import DIRECTIONS_FOLDER, Domain
from hyperstyle.editing.base import EditRow
from hyperstyle.editing.directions import Direction, write_directions
from hyperstyle.editing.pretrained_text import default_templates, save_pretrained_text
from hyperstyle.errors import ForeignWeights, UsageError, WeightsMissing
from hyperstyle.files.whole import make_folder, write_text
from hyperstyle.models.config import build_config
from hyperstyle.models.embedding import EmbeddingConfig
from hyperstyle.models.hypernetwork import HypernetworkConfig
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.style_encoders import StyleEncoderConfig
from hyperstyle.models.w_encoder import WEncoderConfig
from hyperstyle.weights.convert.directions_file import convert_ganspace, convert_interfacegan
from hyperstyle.weights.convert.encoder_files import convert_style_encoder, convert_w_encoder
from hyperstyle.weights.convert.hyperstyle_file import convert_hyperstyle
from hyperstyle.weights.convert.kinds import refuse
from hyperstyle.weights.convert.reading import read_checkpoint, tensors_in
from hyperstyle.weights.convert.recognition_file import convert_lpips, convert_recognition
from hyperstyle.weights.convert.styleclip_file import convert_relevance, convert_statistics, edited_layers
from hyperstyle.weights.download import LOCAL_FOLDER_VARIABLE, default_folder, locate
from hyperstyle.weights.files import save_weights
from hyperstyle.weights.registry import EXTRAS, WeightsFile, find_set

# Written last; says which files the folder was made from.
SOURCES = "sources.json"
# Raise when the converted files would differ.
VERSION = 1

# Prompts that HyperStyle and StyleCLIP show in their papers.
PROMPTS = (
    "a face with long hair",
    "a face with bangs",
    "a smiling face",
    "a face with a beard",
    "a face with curly hair",
    "a surprised face",
)

# Part of a published file -> the name in `Domain.baselines`, which is also that of the inversion method.
BASELINES = {"psp": "psp", "e4e": "e4e", "restyle": "restyle-e4e"}

_Files = Mapping[str, tuple[str, Path]]
"""File name -> what it supplies, and where it lies."""

OnPart = Callable[[str], None]
"""Called with a few words before each part is converted."""


@dataclass(frozen=True)
class PublishedEdit:
    """An edit whose direction lies in a published file.

    Attributes:
        row: What the page shows. Ranges are those the published demos use.
        file: Name of the file.
        component: GANSpace only: (component, first row of W+, row after the last).
    """

    row: EditRow
    file: str
    component: tuple[int, int, int] | None = None


def _interfacegan(name: str, label: str, group: str, description: str) -> PublishedEdit:
    row = EditRow(
        name,
        label,
        group,
        "steps of the published direction",
        -5.0,
        5.0,
        description=description,
        source="InterFaceGAN (arXiv 2005.09635), directions of the HyperStyle repository",
    )
    return PublishedEdit(row, f"{name}.pt")


def _ganspace(
    name: str, label: str, group: str, low: float, high: float, description: str, file: str, at: tuple[int, int, int]
) -> PublishedEdit:
    row = EditRow(
        name,
        label,
        group,
        "standard deviations of the component",
        low,
        high,
        description=description,
        space="w+",
        source="GANSpace (arXiv 2004.02546), components of encoder4editing, PTI and HyperStyle",
    )
    return PublishedEdit(row, file, at)


EDITS: Mapping[str, tuple[PublishedEdit, ...]] = {
    "ffhq": (
        _interfacegan("smile", "Smile", "expression", "More or less of a smile."),
        _interfacegan("age", "Age", "identity", "Older or younger."),
        _interfacegan("pose", "Pose", "pose", "Turns the head to one side or the other."),
        _ganspace("eyes_open", "Eyes open", "expression", -8, 8, "Opens or shuts the eyes.", "ffhq_pca.pt", (54, 7, 8)),
        _ganspace("beard", "Beard", "hair", -8, 8, "More or less of a beard.", "ffhq_pca.pt", (58, 7, 9)),
    ),
    "cars": (
        _ganspace("pose", "Pose", "pose", -4, 4, "Turns the car.", "cars_pca.pt", (0, 0, 5)),
        _ganspace("cube", "Cube", "shape", -25, 25, "Makes the car boxier.", "cars_pca.pt", (16, 3, 6)),
        _ganspace("colour", "Colour", "scene", -18, 18, "Changes the paint.", "cars_pca.pt", (22, 9, 11)),
        _ganspace("grass", "Grass", "scene", -18, 18, "Changes what the car stands on.", "cars_pca.pt", (41, 9, 11)),
    ),
}


def prepare(domain: Domain, weights: str | Path | None = None, on_part: OnPart | None = None) -> Domain:
    """Point a domain at weights that can be loaded, converting published files where that has not been done.

    Args:
        domain: The row.
        weights: A folder with published or converted files; default: the one the variable HYPERSTYLE_WEIGHTS names,
            else what was downloaded.
        on_part: Told what is being converted.

    Returns:
        The row, with the folder that holds its weights. Where nothing was downloaded yet it is returned as it is, and
        loading it says what to do.

    Raises:
        UsageError: The domain brings its own weights, or there is no such folder.
        WeightsMissing: The folder lacks a file.
        ForeignWeights: A file is something else (also `WeightsCorrupt`).
        CannotWrite: The converted files cannot be written.
    """
    if not domain.published:
        if weights is not None:
            raise UsageError(f"The domain '{domain.name}' brings its own weights; leave --weights out.")
        return domain
    named = weights or os.environ.get(LOCAL_FOLDER_VARIABLE)
    if not named:
        if _required_found(domain, None):
            _convert_new(domain, _found(domain, None), domain.weights, on_part)
        return domain
    folder = Path(os.path.expanduser(named))
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {folder}; name the one that holds the weights of '{domain.name}'.")
    if (folder / domain.files["generator"]).exists():
        return _at(domain, folder)
    files = _found(domain, folder)
    lacking = [row.name for row in find_set(domain.name).required if _essential(row) and row.name not in files]
    if lacking:
        raise WeightsMissing(
            f"The folder {folder} lacks {' and '.join(lacking)}; copy {'it' if len(lacking) == 1 else 'them'} there, "
            f"or run `python -m hyperstyle download {domain.name}`."
        )
    target = domain.weights.with_name(f"{domain.name}-{_fingerprint(domain, files)}")
    _convert_new(domain, files, target, on_part)
    return _at(domain, target)


def install(domain: Domain, files: Mapping[str, Path], on_part: OnPart | None = None) -> Domain:
    """Convert published files into the place where a domain's weights are looked for; raises as `prepare` does.

    Args:
        domain: The row.
        files: By published name.
        on_part: Told what is being converted.
    """
    _convert_new(domain, files, domain.weights, on_part)
    return domain


def is_ready(domain: Domain) -> bool:
    """Whether a domain could be loaded now, as far as file names tell."""
    return all(domain.path(part).exists() for part in ("generator", "w_encoder", "hypernetwork"))


def _essential(row: WeightsFile) -> bool:
    """Whether a face can be rebuilt only with this file; directions are welcome but can be missing."""
    return row.part in ("hyperstyle", "w_encoder")


def _required_found(domain: Domain, folder: Path | None) -> bool:
    found = _found(domain, folder)
    return all(row.name in found for row in find_set(domain.name).required if _essential(row))


def _found(domain: Domain, folder: Path | None) -> dict[str, Path]:
    """Published files that are there, by name: in the user's folder (at any depth), or downloaded."""
    found = {}
    for row in find_set(domain.name).files(EXTRAS):
        places = [locate(row, default_folder())] if folder is None else sorted(folder.rglob(row.name))
        path = places[0] if places else None
        if path is not None:
            found[row.name] = path
    return found


def _at(domain: Domain, folder: Path) -> Domain:
    return replace(domain, weights=folder, directions=folder / DIRECTIONS_FOLDER)


def _fingerprint(domain: Domain, files: Mapping[str, Path]) -> str:
    """Short name for files of the user's own, by where the essential ones are; the others may come later."""
    essential = [row.name for row in find_set(domain.name).required if _essential(row)]
    places = [str(files[name].resolve()) for name in essential]
    return hashlib.sha256("\n".join(places).encode()).hexdigest()[:12]


def _stamp(path: Path) -> list[int]:
    """What tells that a file has changed, without reading it."""
    facts = path.stat()
    return [VERSION, facts.st_size, facts.st_mtime_ns]


def _convert_new(domain: Domain, files: Mapping[str, Path], target: Path, on_part: OnPart | None) -> None:
    """Convert what has not been converted from these very files, one process at a time."""
    make_folder(target)
    stamps = {name: _stamp(path) for name, path in files.items()}
    if _recorded(target) == stamps:
        return
    with FileLock(target / ".lock"):
        done = _recorded(target)
        rows = {row.name: row for row in find_set(domain.name).files(EXTRAS)}
        for group, convert in _GROUPS.items():
            chosen = {name: path for name, path in files.items() if rows[name].part in group}
            if chosen and any(done.get(name) != stamps[name] for name in chosen):
                if on_part is not None:
                    on_part(", ".join(chosen))
                convert(domain, {name: (rows[name].part, path) for name, path in chosen.items()}, target)
                done |= {name: stamps[name] for name in chosen}
                _record(target, done)
        _record(target, done | stamps)


def _recorded(target: Path) -> dict[str, list[int]]:
    try:
        read: dict[str, list[int]] = json.loads((target / SOURCES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read


def _record(target: Path, stamps: Mapping[str, list[int]]) -> None:
    write_text(target / SOURCES, json.dumps(stamps, indent=1) + "\n")


def _convert_checkpoint(domain: Domain, files: _Files, target: Path) -> None:
    """HyperStyle's checkpoint: generator and hypernetwork."""
    for _, path in files.values():
        sizes = GeneratorConfig.from_dict(domain.generator)
        config = build_config(HypernetworkConfig, domain.hypernetwork, "hypernetwork")
        generator, hypernetwork = convert_hyperstyle(path, sizes, config)
        _write(domain, target, "hypernetwork", hypernetwork, path)
        _write(domain, target, "generator", generator, path)


def _convert_w_encoder(domain: Domain, files: _Files, target: Path) -> None:
    for _, path in files.values():
        config = build_config(WEncoderConfig, domain.w_encoder, "W encoder")
        _write(domain, target, "w_encoder", convert_w_encoder(path, config), path)


def _convert_identity(domain: Domain, files: _Files, target: Path) -> None:
    for _, path in files.values():
        config = build_config(EmbeddingConfig, domain.identity, "identity network")
        _write(domain, target, "identity", convert_recognition(path, config), path)


def _convert_lpips(domain: Domain, files: _Files, target: Path) -> None:
    """LPIPS, once both of its files are there."""
    by_part = dict(files.values())
    if {"lpips_features", "lpips_weights"} <= set(by_part):
        weights = by_part["lpips_weights"]
        _write(domain, target, "lpips", convert_lpips(by_part["lpips_features"], weights), weights)


def _convert_baselines(domain: Domain, files: _Files, target: Path) -> None:
    """Encoders that HyperStyle is compared with; those of which the domain's row says nothing are left out."""
    for part, path in files.values():
        name = BASELINES[part]
        if name not in domain.baselines:
            continue
        wanted = build_config(StyleEncoderConfig, domain.baselines[name], f"encoder '{name}'")
        config, tensors = convert_style_encoder(path)
        if config != wanted:
            raise ForeignWeights(
                f"The file {path} is another encoder than '{name}' of '{domain.name}': it has {config.num_ws} rows and "
                f"is built differently; get the right one with: python -m hyperstyle download {domain.name} --compare"
            )
        _write(domain, target, name, tensors, path)


def _convert_edits(domain: Domain, files: _Files, target: Path) -> None:
    """Directions and components: one manifest row per edit whose file is there."""
    num_ws = GeneratorConfig.from_dict(domain.generator).num_ws
    rows, vectors = [], {}
    for edit in EDITS.get(domain.name, ()):
        if edit.file not in files:
            continue
        path = files[edit.file][1]
        if edit.component is None:
            vector = convert_interfacegan(path)
            row = replace(edit.row, space="w" if vector.ndim == 1 else "w+")
        else:
            vector, row = convert_ganspace(path).direction(*edit.component, num_ws), edit.row
        rows.append(row)
        vectors[row.name] = Direction(vector)
    if rows:
        notes = {"converted from": ", ".join(sorted(files)), "ranges": "those of the published demos"}
        write_directions(target / DIRECTIONS_FOLDER, rows, vectors, domain.name, notes)


def _convert_text(domain: Domain, files: _Files, target: Path) -> None:
    """CLIP, and what each style channel means to it where that was measured."""
    by_part = dict(files.values())
    if "text_model" not in by_part or not domain.text:
        return
    sizes = GeneratorConfig.from_dict(domain.generator)
    relevance = std = None
    layers: tuple[tuple[str, int], ...] = ()
    if {"style_relevance", "style_statistics"} <= set(by_part):
        edited = edited_layers(sizes)
        relevance = convert_relevance(by_part["style_relevance"], sizes)
        stds = convert_statistics(by_part["style_statistics"], sizes)[1]
        std = torch.cat([stds[row.index] for row in edited])
        layers = tuple((row.name, row.in_channels) for row in edited)
    content = read_checkpoint(by_part["text_model"])
    clip = tensors_in(content, "state_dict")
    if "logit_scale" not in clip:
        raise refuse(by_part["text_model"], content, "CLIP's weights as open_clip keeps them")
    templates = default_templates()
    if "prompt_templates" in by_part:
        lines = by_part["prompt_templates"].read_text(encoding="utf-8").splitlines()
        templates = tuple(line for line in lines if "{}" in line) or templates
    save_pretrained_text(
        target / domain.files["text"],
        domain.text["model"],
        clip,
        templates,
        domain.name,
        relevance,
        std,
        layers,
        PROMPTS,
        {"converted from": ", ".join(sorted(files))},
    )


def _write(domain: Domain, target: Path, part: str, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Write one part in half precision, with what is known about where it comes from."""
    record = {"part": part, "source": source.name, "licence": domain.licence, "converter": str(VERSION)}
    path = replace(domain, weights=target).path(part)
    make_folder(path.parent)
    save_weights(path, tensors, record)


_GROUPS: Mapping[tuple[str, ...], Callable[[Domain, _Files, Path], None]] = {
    ("hyperstyle",): _convert_checkpoint,
    ("w_encoder",): _convert_w_encoder,
    ("identity_metric",): _convert_identity,
    ("lpips_features", "lpips_weights"): _convert_lpips,
    tuple(BASELINES): _convert_baselines,
    ("direction", "ganspace"): _convert_edits,
    ("text_model", "style_relevance", "style_statistics", "prompt_templates"): _convert_text,
}
