"""Stage `directions`: find the edit directions of a generator and measure what each really does.

Samples of the domain are labelled with the parameters they were drawn from; a linear SVM finds a direction per
property; the attribute network then reads off, on other samples, how much of the property a step along it changes, what
else moves, and how far one can go before faces stop being believable.

Source: InterFaceGAN (arXiv 1907.10786).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.editing.base import EditRow
from hyperstyle.editing.directions import Direction, write_directions
from hyperstyle.editing.interfacegan import (
    SOURCE,
    Boundary,
    choose_conditions,
    extremes,
    fit_boundary,
    project_out,
)
from hyperstyle.metrics import face_part
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.synthetic.parameters import TRAITS, sample_parameters, to_z
from hyperstyle.traits import Trait, column

Network = Callable[[Tensor], Tensor]
"""(B, 3, S, S) pictures in [-1, 1] to (B, D): the attribute network gives `z`-like columns, the identity network a unit
vector."""


@dataclass(frozen=True)
class Slider:
    """An edit on offer: which trait it changes and how the page speaks of it.

    Attributes:
        name: Trait, and name of the edit.
        label: On the page.
        description: One line of help, from the negative to the positive end.
        keep: Traits that naturally move with it and are not projected out.
        limit: Largest strength ever offered.
    """

    name: str
    label: str
    description: str
    keep: tuple[str, ...] = ()
    limit: float = 3.5


SLIDERS: tuple[Slider, ...] = (
    Slider("smile", "Smile", "From a frown to a broad smile."),
    Slider("mouth_open", "Mouth open", "Closes or opens the mouth."),
    Slider("eyes_open", "Eyes open", "Closes or widens the eyes."),
    Slider("brow_raise", "Raise brows", "Lowers or raises the eyebrows."),
    Slider("yaw", "Turn head", "Turns the head to the left or right of the picture."),
    Slider("pitch", "Nod", "Lifts or bows the head."),
    Slider("gaze_x", "Gaze", "Moves the eyes to the left or right of the picture."),
    Slider("age", "Age", "Younger or older.", keep=("hair_grey",)),
    Slider("femininity", "Femininity", "More masculine or more feminine features."),
    Slider("skin_tone", "Skin tone", "Lighter or darker skin."),
    Slider("face_width", "Face width", "A narrower or wider face."),
    Slider("eye_size", "Eye size", "Smaller or larger eyes."),
    Slider("hair_length", "Hair length", "Shorter or longer hair."),
    Slider("hair_shade", "Hair colour", "From black over brown to blond hair."),
    Slider("hair_curl", "Curls", "Straighter or curlier hair."),
    Slider("hair_grey", "Grey hair", "Less or more grey in the hair."),
    Slider("fringe", "Fringe", "Hair away from or over the forehead."),
    Slider("beard", "Beard", "Removes or grows a beard."),
    Slider("moustache", "Moustache", "Removes or grows a moustache."),
    Slider("glasses", "Glasses", "Takes glasses off or puts them on."),
    Slider("lip_colour", "Lip colour", "Natural or painted lips."),
    Slider("light_x", "Light", "Moves the light to the left or right of the picture."),
)


@dataclass(frozen=True)
class DirectionsConfig:
    """Settings of the stage.

    Attributes:
        n_fit: Samples the planes are fitted on.
        n_measure: Other samples on which effects are measured.
        n_range: How many of these the search for the believable range uses.
        share: Fraction of the samples taken from either end of a property.
        regularisation: C of the SVM.
        seed: Decides everything random.
        batch: Pictures rendered at once.
        grid_step: Spacing of the strengths tried when looking for the believable range.
        saturation: The range ends where the effect has fallen to this fraction of its initial slope ...
        identity: ... or where identity similarity to the unedited face falls below this (if there is a network for it);
            changes that are themselves part of who somebody is are not held to it.
        leak_shown: Leaks below this many standard deviations stay out of the manifest.
        condition_above: Leaks above this are projected out.
    """

    n_fit: int = 20_000
    n_measure: int = 96
    n_range: int = 32
    share: float = 0.3
    regularisation: float = 0.01
    seed: int = 0
    batch: int = 32
    grid_step: float = 0.5
    saturation: float = 0.3
    identity: float = 0.4
    leak_shown: float = 0.05
    condition_above: float = 0.12


@dataclass(frozen=True)
class Effect:
    """What a vector does per strength 1.

    Attributes:
        effect: Change of its own trait, in that trait's unit.
        leak: Every other trait's change, in its standard deviations.
        backwards: Share of the faces on which its own trait moves the other way.
    """

    effect: float
    leak: dict[str, float]
    backwards: float = 0.0


class Probe:
    """Renders latents and reads their traits.

    Args:
        generator: In evaluation mode.
        attributes: Attribute network.
        input_size: Side in pixels of the pictures it reads.
        batch: Pictures at once.
        identity: Identity network, if there is one; of these pictures it gets the part that it reads.
        resolution: Side in pixels of the pictures drawn; None for the generator's own.
    """

    def __init__(
        self,
        generator: Generator,
        attributes: Network,
        input_size: int,
        batch: int = 32,
        identity: Network | None = None,
        resolution: int | None = None,
    ) -> None:
        self.generator = generator
        self.attributes = attributes
        self.identity = identity
        self.input_size = input_size
        self.batch = batch
        self.resolution = resolution
        self.device = generator.w_avg.device

    @torch.no_grad()
    def read(self, w: Tensor) -> tuple[Tensor, Tensor | None]:
        """Measure (N, w_dim) latents: (N, T) traits as columns and (N, D) identities, on the CPU."""
        seen, faces = [], []
        for part in w.split(self.batch):
            w_plus = repeat_w(part.to(self.device), self.generator.num_ws)
            styles = self.generator.to_styles(w_plus)
            picture = self.generator.render(styles, resolution=self.resolution).clamp(-1, 1)
            small = F.adaptive_avg_pool2d(picture, self.input_size)
            seen.append(self.attributes(small).float().cpu())
            if self.identity is not None:
                faces.append(_identify(self.identity, small).float().cpu())
        return torch.cat(seen), torch.cat(faces) if faces else None


@dataclass(frozen=True)
class Bench:
    """What every edit of a domain is made from and measured on.

    Attributes:
        probe: Renders and reads.
        traits: The attribute network's columns.
        centred: (N, w_dim) latents of the domain around their mean.
        normals: Unit normal of the plane of every trait that has one.
        held: (M, w_dim) latents to measure on; of other faces.
        start: What the probe reads of the first `config.n_range` of them.
        spread: (T,) standard deviation of each column over the domain.
        config: Settings.
    """

    probe: Probe
    traits: Sequence[Trait]
    centred: Tensor
    normals: Mapping[str, Tensor]
    held: Tensor
    start: tuple[Tensor, Tensor | None]
    spread: Tensor
    config: DirectionsConfig

    def scaled(self, normal: Tensor) -> Tensor:
        """A normal as the vector of strength 1: one standard deviation of the domain's latents along it."""
        return normal * (self.centred @ normal).std()

    def measure(self, name: str, vector: Tensor) -> Effect:
        """Measure what a vector does that should move one trait."""
        return measure(self.probe, self.held, vector, name, self.spread, self.traits)


@dataclass(frozen=True)
class MeasuredVector:
    """A vector that may become an edit, and what it does.

    Attributes:
        vector: (w_dim,) of strength 1.
        effect: What it does.
        conditions: Traits projected out of it.
    """

    vector: Tensor
    effect: Effect
    conditions: tuple[str, ...] = ()


def fit_directions(
    generator: Generator,
    attributes: Network,
    folder: str | Path,
    config: DirectionsConfig | None = None,
    *,
    domain: str,
    input_size: int = 64,
    identity: Network | None = None,
    sliders: Sequence[Slider] = SLIDERS,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> list[EditRow]:
    """Find, measure and write every direction of a domain.

    Args:
        generator: Trained, in evaluation mode; its `z` is `to_z` of the parameters.
        attributes: Trained attribute network: (B, 3, input_size, input_size) to the columns of `to_z`.
        folder: Where manifest and tensor files go.
        config: Settings.
        domain: Name of the domain.
        input_size: What the networks read, in pixels.
        identity: Trained identity network, used for the believable range.
        sliders: Which directions.
        on_progress: Called as (done, total, what comes next).

    Returns:
        The rows as written to the manifest.
    """
    config = DirectionsConfig() if config is None else config
    total = len(TRAITS) + len(sliders) + 1

    def tell(done: int, what: str) -> None:
        if on_progress is not None:
            on_progress(done, total, what)

    tell(0, "sampling")
    z = to_z(sample_parameters(config.n_fit, config.seed))
    w = map_all(generator, z)
    boundaries: dict[str, Boundary] = {}
    # A plane for every trait, not for the sliders only: an edit should leave the rest alone too.
    for place, trait in enumerate(TRAITS):
        tell(place, f"separating {trait.name}")
        boundaries[trait.name] = fit_boundary(w, *extremes(z[:, place], config.share), config.regularisation)
    probe = Probe(generator, attributes, input_size, config.batch, identity)
    held = map_all(generator, to_z(sample_parameters(config.n_measure, config.seed + 10**6)))
    bench = Bench(
        probe=probe,
        traits=TRAITS,
        centred=w - w.mean(0),
        normals={name: boundary.normal for name, boundary in boundaries.items()},
        held=held,
        start=probe.read(held[: config.n_range]),
        spread=z.std(0),
        config=config,
    )
    rows, vectors = [], {}
    for place, slider in enumerate(sliders):
        tell(len(TRAITS) + place, f"measuring {slider.name}")
        plain, conditioned = find_vectors(bench, slider)
        rows.append(edit_row(bench, slider, plain, conditioned))
        vectors[slider.name] = Direction(plain.vector, None if conditioned is None else conditioned.vector)
    tell(total - 1, "writing")
    notes = {
        "method": SOURCE,
        "seed": config.seed,
        "samples": config.n_fit,
        "measured_on": config.n_measure,
        "accuracy": {slider.name: round(boundaries[slider.name].accuracy, 4) for slider in sliders},
    }
    written = write_directions(folder, rows, vectors, domain, notes)
    tell(total, "done")
    return written


def find_vectors(bench: Bench, slider: Slider) -> tuple[MeasuredVector, MeasuredVector | None]:
    """Find the vector of one edit as the plane gives it, and one that leaves more alone, where there is one."""
    config, normal = bench.config, bench.normals[slider.name]
    vector = bench.scaled(normal)
    plain = MeasuredVector(vector, bench.measure(slider.name, vector))
    chosen = choose_conditions(
        slider.name, bench.normals, plain.effect.leak, keep=slider.keep, threshold=config.condition_above
    )
    if not chosen:
        return plain, None
    vector = bench.scaled(project_out(normal, [bench.normals[key] for key in chosen]))
    conditioned = MeasuredVector(vector, bench.measure(slider.name, vector), chosen)
    if leak_per_effect(conditioned.effect, slider.keep) >= leak_per_effect(plain.effect, slider.keep):
        # What seemed to leak was the attribute network's own confusion, or nothing that a plane can hold.
        return plain, None
    return plain, conditioned


def edit_row(bench: Bench, slider: Slider, plain: MeasuredVector, conditioned: MeasuredVector | None) -> EditRow:
    """Measure the believable range of an edit, and write its row of the manifest."""
    used = plain if conditioned is None else conditioned
    config, trait = bench.config, bench.traits[column(bench.traits, slider.name)]
    minimum, maximum = believable_range(bench, used.vector, slider)
    return EditRow(
        name=slider.name,
        label=slider.label,
        group=trait.group,
        unit=trait.unit,
        minimum=minimum,
        maximum=maximum,
        step=0.1,
        description=slider.description,
        effect_per_unit=round(used.effect.effect, 4),
        leak=_large(used.effect.leak, config.leak_shown),
        space="w",
        conditioned_on=used.conditions,
        plain_effect_per_unit=round(plain.effect.effect, 4),
        plain_leak=_large(plain.effect.leak, config.leak_shown),
        source=SOURCE,
    )


@torch.no_grad()
def map_all(generator: Generator, z: Tensor, truncation_psi: float = 1.0, batch: int = 4096) -> Tensor:
    """Map (N, z_dim) to (N, w_dim) on the CPU."""
    device = generator.w_avg.device
    return torch.cat([generator.map(part.to(device), truncation_psi).float().cpu() for part in z.split(batch)])


def measure(
    probe: Probe, w: Tensor, vector: Tensor, name: str, spread: Tensor, traits: Sequence[Trait] = TRAITS
) -> Effect:
    """Measure a vector's effect from strength -1 to 1.

    Args:
        probe: Renders and reads.
        w: (N, w_dim) latents to start from.
        vector: (w_dim,) of strength 1.
        name: Trait the vector is meant to change.
        spread: (T,) standard deviation of each column over the domain.
        traits: The columns; default: the renderer's parameters.
    """
    up, _ = probe.read(w + vector)
    down, _ = probe.read(w - vector)
    changes = (up - down) / 2
    change, place = changes.mean(0), column(traits, name)
    in_deviations = change / spread.clamp(min=1e-6)
    leak = {trait.name: float(value) for trait, value in zip(traits, in_deviations, strict=True) if trait.name != name}
    backwards = float((changes[:, place] < 0).float().mean())
    return Effect(float(change[place]) * traits[place].per_z, leak, backwards)


def leak_per_effect(effect: Effect, keep: Sequence[str] = ()) -> float:
    """How much else moves for the same change of the property itself; lower is cleaner."""
    others = sum(value**2 for key, value in effect.leak.items() if key not in keep)
    return math.sqrt(others) / max(abs(effect.effect), 1e-9)


def believable_range(bench: Bench, vector: Tensor, slider: Slider) -> tuple[float, float]:
    """Find how far an edit can go in either direction.

    A range ends where another step no longer changes the property (it is saturated, for every face at once), or where
    an edit that should keep the person no longer does. At least one step is always offered.

    Args:
        bench: What it is measured on.
        vector: (w_dim,) of strength 1.
        slider: The edit.

    Returns:
        Smallest (negative) and largest strength, multiples of `config.grid_step`.
    """
    config, place = bench.config, column(bench.traits, slider.name)
    keeps_person = bench.traits[place].group not in ("identity", "hair")
    w, start = bench.held[: config.n_range], bench.start

    def read(strength: float) -> tuple[float, float]:
        values, faces = bench.probe.read(w + strength * vector)
        similar = 1.0
        if keeps_person and faces is not None and start[1] is not None:
            similar = float(F.cosine_similarity(faces, start[1], dim=1).mean())
        return float(values[:, place].mean()), similar

    at_zero = float(start[0][:, place].mean())
    low, high = (
        find_end(read, at_zero, sign * config.grid_step, slider.limit, config.saturation, config.identity)
        for sign in (-1.0, 1.0)
    )
    return low, high


def find_end(
    read: Callable[[float], tuple[float, float]],
    at_zero: float,
    step: float,
    limit: float,
    saturation: float,
    identity: float,
) -> float:
    """Walk away from strength 0 until an edit stops being worth it.

    Args:
        read: Strength -> mean of the property, and identity similarity to the unedited faces.
        at_zero: The property at strength 0.
        step: Signed spacing of the strengths tried.
        limit: Largest magnitude tried.
        saturation: Stop where a step brings less than this fraction of what the first one brought.
        identity: Stop where similarity falls below this.

    Returns:
        The last strength that was still good; at least one step.
    """
    last, previous, first = step, at_zero, 0.0
    for count in range(1, int(limit / abs(step) + 1e-9) + 1):
        value, similar = read(count * step)
        gain = value - previous
        if count == 1:
            first = gain
        elif gain * first <= 0 or abs(gain) < saturation * abs(first):
            break
        if similar < identity:
            break
        last, previous = count * step, value
    return last


def _identify(network: Network, pictures: Tensor) -> Tensor:
    return network(face_part(network, pictures) if isinstance(network, EmbeddingNetwork) else pictures)


def _large(leak: Mapping[str, float], at_least: float) -> dict[str, float]:
    """The leaks worth writing down, largest first."""
    shown = {key: round(value, 3) for key, value in leak.items() if abs(value) >= at_least}
    return dict(sorted(shown.items(), key=lambda item: -abs(item[1])))
