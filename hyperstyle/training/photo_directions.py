"""Stage `directions` for photographs: what nobody chose must be read off the pictures.

    photographs --encoder--> w --generator--> pictures --attribute network--> traits; then as for drawn portraits

A face is labelled by what its *drawn* picture shows, since that is what an edit must change; where the photograph's own
label is known, only faces on which both agree count as extremes. Every edit is tried on people who were kept back, and
one that does not work is left out.

Source: InterFaceGAN (arXiv 1907.10786).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hyperstyle.editing.base import EditRow
from hyperstyle.editing.directions import Direction, write_directions
from hyperstyle.editing.interfacegan import SOURCE, Boundary, extremes, fit_boundary
from hyperstyle.errors import ShapeMismatch
from hyperstyle.mixing import MADE_UP_TRUNCATION
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.training.directions import (
    SLIDERS,
    Bench,
    DirectionsConfig,
    Effect,
    Network,
    Probe,
    Slider,
    edit_row,
    find_vectors,
)
from hyperstyle.training.photo_latents import made_up_latents, photo_latents, some_rows
from hyperstyle.training.photo_traits import TRAITS
from hyperstyle.training.photographs import Photographs
from hyperstyle.traits import Z_END, Trait, column, mirrored, to_z

log = logging.getLogger(__name__)

_DRAWN = {slider.name: slider for slider in SLIDERS}

PHOTO_SLIDERS: tuple[Slider, ...] = (
    replace(_DRAWN["smile"], keep=("teeth",)),
    replace(_DRAWN["mouth_open"], keep=("teeth",)),
    _DRAWN["eyes_open"],
    _DRAWN["brow_raise"],
    _DRAWN["yaw"],
    _DRAWN["pitch"],
    replace(_DRAWN["age"], keep=("hair_grey", "baldness")),
    replace(_DRAWN["femininity"], keep=("earrings",)),
    replace(_DRAWN["skin_tone"], limit=2.0),  # beyond, skin is chalk or copper and no reader minds
    _DRAWN["face_width"],
    replace(_DRAWN["hair_length"], keep=("baldness",)),
    _DRAWN["hair_shade"],
    replace(_DRAWN["hair_grey"], keep=("hair_shade",)),
    Slider("baldness", "Baldness", "More or less hair on top of the head.", keep=("hair_length",)),
    replace(_DRAWN["beard"], keep=("moustache",)),
    _DRAWN["moustache"],
    _DRAWN["glasses"],
    replace(_DRAWN["light_x"], limit=2.5),
)


@dataclass(frozen=True)
class PhotoDirectionsConfig(DirectionsConfig):
    """Settings of the stage.

    Attributes:
        n_fit: Training photographs the planes are fitted on; each counts mirrored too, and is drawn once.
        n_made_up: Made-up faces they are fitted on besides.
        n_measure: Photographs of people who were kept back, on which effects are measured.
        picture_px: Side of the pictures drawn to be read; at least what the networks read is drawn.
        least_effect: An edit that moves its trait by a smaller share of its range per strength 1 is left out ...
        most_backwards: ... and so is one that moves it the wrong way on a larger share of the faces.
    """

    n_fit: int = 1200
    n_measure: int = 48
    n_range: int = 16
    batch: int = 16
    n_made_up: int = 300
    picture_px: int = 128
    least_effect: float = 0.03
    most_backwards: float = 0.25


def fit_photo_directions(
    generator: Generator,
    encoder: nn.Module,
    attributes: Network,
    photographs_train: Photographs,
    photographs_held_out: Photographs,
    folder: str | Path,
    config: PhotoDirectionsConfig | None = None,
    *,
    domain: str,
    input_size: int,
    encoder_size: int | None = None,
    identity: Network | None = None,
    sliders: Sequence[Slider] = PHOTO_SLIDERS,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> list[EditRow]:
    """Find, measure and write every direction that works.

    Args:
        generator: Trained, in evaluation mode.
        encoder: Trained W encoder, on the same device.
        attributes: Trained attribute network: (B, 3, input_size, input_size) to the columns of
            `photo_traits.TRAITS`.
        photographs_train: The planes are fitted on these.
        photographs_held_out: Effects are measured on these; of other people.
        folder: Where manifest and tensor files go.
        config: Settings.
        domain: Name of the domain.
        input_size: What attribute and identity network read, px.
        encoder_size: What the encoder looks at, px; default: the same.
        identity: Trained identity network, used for the believable range.
        sliders: Which directions are tried.
        on_progress: Called as (done, total, what comes next).

    Returns:
        The rows as written to the manifest.
    """
    config = PhotoDirectionsConfig() if config is None else config
    total = len(TRAITS) + len(sliders) + 2

    def tell(done: int, what: str) -> None:
        if on_progress is not None:
            on_progress(done, total, what)

    drawn_px = min(max(config.picture_px, input_size), generator.config.resolution)
    probe = Probe(generator, attributes, input_size, config.batch, identity, drawn_px)
    size = encoder_size or input_size
    tell(0, "drawing faces to read")
    w, values, spread = labelled_latents(probe, encoder, photographs_train, config, size)
    boundaries: dict[str, Boundary] = {}
    for place, trait in enumerate(TRAITS):
        tell(1 + place, f"separating {trait.name}")
        try:
            found = fit_boundary(w, *clear_extremes(values[:, place], config.share), config.regularisation)
        except ShapeMismatch:
            log.info("no plane for %s: hardly any face has it, or hardly any lacks it", trait.name)
            continue
        boundaries[trait.name] = found
    rows_held = some_rows(photographs_held_out, config.n_measure, config.seed + 1)
    held = photo_latents(generator, encoder, photographs_held_out, rows_held, size, batch=config.batch)
    bench = Bench(
        probe=probe,
        traits=TRAITS,
        centred=w - w.mean(0),
        normals={name: boundary.normal for name, boundary in boundaries.items()},
        held=held,
        start=probe.read(held[: config.n_range]),
        spread=spread,
        config=config,
    )
    rows, vectors = [], {}
    left_out: dict[str, str] = {}
    for place, slider in enumerate(sliders):
        tell(1 + len(TRAITS) + place, f"measuring {slider.name}")
        trait = TRAITS[column(TRAITS, slider.name)]
        if slider.name not in bench.normals:
            left_out[slider.name] = "no plane separates the faces that have it from those that do not"
            continue
        plain, conditioned = find_vectors(bench, slider)
        if conditioned is not None and why_not(conditioned.effect, trait, config):
            conditioned = None
        reason = why_not((plain if conditioned is None else conditioned).effect, trait, config)
        if reason:
            left_out[slider.name] = reason
            continue
        rows.append(edit_row(bench, slider, plain, conditioned))
        vectors[slider.name] = Direction(plain.vector, None if conditioned is None else conditioned.vector)
    for name, reason in left_out.items():
        log.info("left out the edit %s: %s", name, reason)
    tell(total - 1, "writing")
    notes = {
        "method": SOURCE,
        "seed": config.seed,
        "samples": len(w),
        "measured_on": len(held),
        "accuracy": {row.name: round(boundaries[row.name].accuracy, 4) for row in rows},
        "left_out": left_out,
    }
    written = write_directions(folder, rows, vectors, domain, notes)
    tell(total, "done")
    return written


def labelled_latents(
    probe: Probe,
    encoder: nn.Module,
    photographs: Photographs,
    config: PhotoDirectionsConfig,
    input_size: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents to fit planes on, and what is known of the faces they draw.

    Each photograph counts as it is and mirrored. It is drawn and read once only: what its mirror image shows follows.

    Args:
        probe: Renders and reads.
        encoder: W encoder.
        photographs: Where latents come from.
        config: How many.
        input_size: What the encoder looks at, px.

    Returns:
        (N, w_dim) latents; (N, T) columns, halfway between what is read off the drawn picture and the photograph's own
        label where there is one; and (T,) the standard deviation of what is read.
    """
    generator = probe.generator
    rows = some_rows(photographs, config.n_fit, config.seed)
    flip = torch.ones(len(rows), dtype=torch.bool)
    plain = photo_latents(generator, encoder, photographs, rows, input_size, batch=config.batch)
    other = photo_latents(generator, encoder, photographs, rows, input_size, flip, batch=config.batch)
    made_up = made_up_latents(generator, config.n_made_up, config.seed, MADE_UP_TRUNCATION)
    read, _ = probe.read(torch.cat([plain, made_up]))
    known = to_z(TRAITS, photographs.traits[rows]).clamp(-Z_END, Z_END)
    seen = read[: len(rows)]
    both = torch.where(known.isnan(), seen, (seen + known) / 2)
    values = torch.cat([both, mirrored(TRAITS, both), read[len(rows) :]])
    return torch.cat([plain, other, made_up]), values, torch.cat([seen, mirrored(TRAITS, seen)]).std(0)


def clear_extremes(values: Tensor, share: float = 0.3) -> tuple[Tensor, Tensor]:
    """Choose the faces that clearly have a trait and those that clearly lack it.

    Like `interfacegan.extremes`, but what few faces have (glasses, beards) counts as one end only on those few: no
    value beyond the middle between the ends of the distribution belongs to the other end.

    Args:
        values: (N,) the trait.
        share: Largest fraction of the samples taken from either end.

    Returns:
        Two (N,) bool masks, low and high.
    """
    low, high = extremes(values, share)
    ends = torch.quantile(values, torch.tensor([0.01, 0.99], dtype=values.dtype))
    return low & (values < ends.mean()), high & (values > ends.mean())


def why_not(effect: Effect, trait: Trait, config: PhotoDirectionsConfig) -> str:
    """Why an edit is not offered; empty if it works."""
    moved = effect.effect / (trait.high - trait.low)
    if moved < config.least_effect:
        return f"strength 1 moves it by {moved:.1%} of its range, less than {config.least_effect:.0%}"
    if effect.backwards > config.most_backwards:
        return f"it moves the wrong way on {effect.backwards:.0%} of the faces, more than {config.most_backwards:.0%}"
    return ""
