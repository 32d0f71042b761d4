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
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.synthetic.parameters import BY_NAME, PARAMETERS, sample_parameters, to_z

Network = Callable[[Tensor], Tensor]
"""(B, 3, S, S) pictures in [-1, 1] to (B, D): the attribute network gives `z`-like columns, the identity network a unit
vector."""

Z_SCALE = 1.7
"""`to_z` maps each parameter's range to [-1.7, 1.7]."""


@dataclass(frozen=True)
class Slider:
    """An edit on offer: which parameter it changes and how the page speaks of it.

    Attributes:
        name: Parameter, and name of the edit.
        label: On the page.
        description: One line of help, from the negative to the positive end.
        keep: Parameters that naturally move with it and are not projected out.
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
        effect: Change of its own parameter, in that parameter's unit.
        leak: Every other parameter's change, in its standard deviations.
    """

    effect: float
    leak: dict[str, float]


class Probe:
    """Renders latents and reads their parameters.

    Args:
        generator: In evaluation mode.
        attributes: Attribute network, with columns as `to_z`.
        input_size: Side in pixels of the pictures it reads.
        batch: Pictures at once.
        identity: Identity network, if there is one; reads pictures of the same size.
    """

    def __init__(
        self,
        generator: Generator,
        attributes: Network,
        input_size: int,
        batch: int = 32,
        identity: Network | None = None,
    ) -> None:
        self.generator = generator
        self.attributes = attributes
        self.identity = identity
        self.input_size = input_size
        self.batch = batch
        self.device = generator.w_avg.device

    @torch.no_grad()
    def read(self, w: Tensor) -> tuple[Tensor, Tensor | None]:
        """Measure (N, w_dim) latents: (N, Z_DIM) attributes and (N, D) identities, on the CPU."""
        seen, faces = [], []
        for part in w.split(self.batch):
            w_plus = repeat_w(part.to(self.device), self.generator.num_ws)
            picture = self.generator.render(self.generator.to_styles(w_plus)).clamp(-1, 1)
            small = F.adaptive_avg_pool2d(picture, self.input_size)
            seen.append(self.attributes(small).float().cpu())
            if self.identity is not None:
                faces.append(self.identity(small).float().cpu())
        return torch.cat(seen), torch.cat(faces) if faces else None


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
        attributes: Trained attribute network: (B, 3, input_size, input_size) to (B, Z_DIM).
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
    total = len(PARAMETERS) + len(sliders) + 1

    def tell(done: int, what: str) -> None:
        if on_progress is not None:
            on_progress(done, total, what)

    tell(0, "sampling")
    z = to_z(sample_parameters(config.n_fit, config.seed))
    w = map_all(generator, z)
    boundaries: dict[str, Boundary] = {}
    # A plane for every parameter, not for the sliders only: an edit should leave the rest alone too.
    for place, parameter in enumerate(PARAMETERS):
        tell(place, f"separating {parameter.name}")
        boundaries[parameter.name] = fit_boundary(w, *extremes(z[:, place], config.share), config.regularisation)
    normals = {name: boundary.normal for name, boundary in boundaries.items()}
    centred = w - w.mean(0)
    probe = Probe(generator, attributes, input_size, config.batch, identity)
    held = map_all(generator, to_z(sample_parameters(config.n_measure, config.seed + 10**6)))
    n_range = config.n_range
    start_of_range = probe.read(held[:n_range])
    spread = z.std(0)
    rows, vectors = [], {}
    for place, slider in enumerate(sliders):
        tell(len(PARAMETERS) + place, f"measuring {slider.name}")
        plain = normals[slider.name] * (centred @ normals[slider.name]).std()
        before = measure(probe, held, plain, slider.name, spread)
        chosen = choose_conditions(
            slider.name, normals, before.leak, keep=slider.keep, threshold=config.condition_above
        )
        conditioned, after = None, before
        if chosen:
            normal = project_out(normals[slider.name], [normals[key] for key in chosen])
            conditioned = normal * (centred @ normal).std()
            after = measure(probe, held, conditioned, slider.name, spread)
            if leak_per_effect(after, slider.keep) >= leak_per_effect(before, slider.keep):
                # What seemed to leak was the attribute network's own confusion, or nothing that a plane can hold.
                conditioned, after, chosen = None, before, ()
        used = plain if conditioned is None else conditioned
        minimum, maximum = believable_range(probe, held[:n_range], start_of_range, used, slider, config)
        parameter = BY_NAME[slider.name]
        rows.append(
            EditRow(
                name=slider.name,
                label=slider.label,
                group=parameter.group,
                unit=parameter.unit,
                minimum=minimum,
                maximum=maximum,
                step=0.1,
                description=slider.description,
                effect_per_unit=round(after.effect, 4),
                leak=_large(after.leak, config.leak_shown),
                space="w",
                conditioned_on=chosen,
                plain_effect_per_unit=round(before.effect, 4),
                plain_leak=_large(before.leak, config.leak_shown),
                source=SOURCE,
            )
        )
        vectors[slider.name] = Direction(plain, conditioned)
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


@torch.no_grad()
def map_all(generator: Generator, z: Tensor, truncation_psi: float = 1.0, batch: int = 4096) -> Tensor:
    """Map (N, z_dim) to (N, w_dim) on the CPU."""
    device = generator.w_avg.device
    return torch.cat([generator.map(part.to(device), truncation_psi).float().cpu() for part in z.split(batch)])


def measure(probe: Probe, w: Tensor, vector: Tensor, name: str, spread: Tensor) -> Effect:
    """Measure a vector's effect from strength -1 to 1.

    Args:
        probe: Renders and reads.
        w: (N, w_dim) latents to start from.
        vector: (w_dim,) of strength 1.
        name: Parameter the vector is meant to change.
        spread: (Z_DIM,) standard deviation of each column of `to_z` over the domain.
    """
    up, _ = probe.read(w + vector)
    down, _ = probe.read(w - vector)
    change = ((up - down) / 2).mean(0)
    in_deviations = change / spread.clamp(min=1e-6)
    names = [parameter.name for parameter in PARAMETERS]
    leak = {key: float(value) for key, value in zip(names, in_deviations, strict=True) if key != name}
    return Effect(float(change[column_of(name)]) * unit_per_z(name), leak)


def leak_per_effect(effect: Effect, keep: Sequence[str] = ()) -> float:
    """How much else moves for the same change of the property itself; lower is cleaner."""
    others = sum(value**2 for key, value in effect.leak.items() if key not in keep)
    return math.sqrt(others) / max(abs(effect.effect), 1e-9)


def unit_per_z(name: str) -> float:
    """Units of a parameter per unit of its `z` column."""
    parameter = BY_NAME[name]
    return (parameter.high - parameter.low) / (2 * Z_SCALE)


def believable_range(
    probe: Probe,
    w: Tensor,
    start: tuple[Tensor, Tensor | None],
    vector: Tensor,
    slider: Slider,
    config: DirectionsConfig,
) -> tuple[float, float]:
    """Find how far an edit can go in either direction.

    A range ends where another step no longer changes the property (it is saturated, for every face at once), or where
    an edit that should keep the person no longer does. At least one step is always offered.

    Args:
        probe: Renders and reads.
        w: (N, w_dim) latents to start from.
        start: What the probe reads there.
        vector: (w_dim,) of strength 1.
        slider: The edit.
        config: Settings.

    Returns:
        Smallest (negative) and largest strength, multiples of `config.grid_step`.
    """
    column = column_of(slider.name)
    keeps_person = BY_NAME[slider.name].group not in ("identity", "hair")

    def read(strength: float) -> tuple[float, float]:
        values, faces = probe.read(w + strength * vector)
        similar = 1.0
        if keeps_person and faces is not None and start[1] is not None:
            similar = float(F.cosine_similarity(faces, start[1], dim=1).mean())
        return float(values[:, column].mean()), similar

    at_zero = float(start[0][:, column].mean())
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


def column_of(name: str) -> int:
    """Column of a parameter in `to_z`."""
    return next(place for place, parameter in enumerate(PARAMETERS) if parameter.name == name)


def _large(leak: Mapping[str, float], at_least: float) -> dict[str, float]:
    """The leaks worth writing down, largest first."""
    shown = {key: round(value, 3) for key, value in leak.items() if abs(value) >= at_least}
    return dict(sorted(shown.items(), key=lambda item: -abs(item[1])))
