"""The parameters of a drawn portrait: names, ranges, how they are sampled, and how they become the generator's `z`.

Every portrait is a point in this list. Nothing else enters the picture, so an edit can be measured in true units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperstyle.traits import Z_END, Trait

Parameters = dict[str, Tensor]
"""Parameter name -> (B,) float32 tensor in the parameter's own unit."""

Sampler = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class Parameter:
    """One property of a portrait.

    Attributes:
        name: The key used everywhere (labels, directions, reports).
        low, high: Range in the parameter's own unit; the renderer clamps to it.
        neutral: The value of an unremarkable face.
        unit: Unit of the number, for people.
        group: Where it belongs: pose, expression, identity, hair, accessories or scene.
        odd: True where mirroring the picture flips the sign (yaw, gaze to the side, light from the side, ...).
        sample: Draws (n,) values; dependence between parameters is added by `sample_parameters`.
    """

    name: str
    low: float
    high: float
    neutral: float
    unit: str
    group: str
    sample: Sampler
    odd: bool = False

    def as_trait(self) -> Trait:
        """What an attribute network reads of it."""
        return Trait(self.name, self.low, self.high, self.unit, self.group, self.odd)


def _uniform(low: float, high: float) -> Sampler:
    return lambda n, g: torch.rand(n, generator=g) * (high - low) + low


def _normal(mean: float, std: float, low: float, high: float) -> Sampler:
    return lambda n, g: (torch.randn(n, generator=g) * std + mean).clamp(low, high)


def _often_zero(absent: float, low: float, high: float) -> Sampler:
    """Zero with probability `absent`, else uniform: present-or-absent things must be common to be learnt."""

    def sample(n: int, g: torch.Generator) -> Tensor:
        present = torch.rand(n, generator=g) >= absent
        return torch.where(present, torch.rand(n, generator=g) * (high - low) + low, torch.zeros(n))

    return sample


def _mixture(usual: Sampler, rare: Sampler, rare_share: float) -> Sampler:
    def sample(n: int, g: torch.Generator) -> Tensor:
        a, b = usual(n, g), rare(n, g)
        return torch.where(torch.rand(n, generator=g) < rare_share, b, a)

    return sample


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("yaw", -35, 35, 0, "degrees", "pose", _normal(0, 15, -35, 35), odd=True),
    Parameter("pitch", -15, 15, 0, "degrees", "pose", _normal(0, 6, -15, 15)),
    Parameter("smile", -0.4, 1, 0.2, "fraction", "expression", _uniform(-0.4, 1)),
    Parameter("mouth_open", 0, 1, 0, "fraction", "expression", _often_zero(0.5, 0.1, 1)),
    Parameter(
        "eyes_open",
        0,
        1.2,
        0.9,
        "fraction",
        "expression",
        _mixture(_normal(0.9, 0.13, 0.3, 1.2), _uniform(0, 0.6), 0.15),
    ),
    Parameter("gaze_x", -1, 1, 0, "fraction", "expression", _normal(0, 0.45, -1, 1), odd=True),
    Parameter("gaze_y", -1, 1, 0, "fraction", "expression", _normal(0, 0.3, -1, 1)),
    Parameter("brow_raise", -1, 1, 0, "fraction", "expression", _normal(0, 0.45, -1, 1)),
    Parameter("age", 18, 80, 35, "years", "identity", _uniform(18, 80)),
    Parameter("femininity", 0, 1, 0.5, "fraction", "identity", _uniform(0, 1)),
    Parameter("skin_tone", 0, 1, 0.35, "fraction, light to dark", "identity", _uniform(0, 1)),
    Parameter("skin_warmth", -1, 1, 0, "fraction", "identity", _normal(0, 0.45, -1, 1)),
    Parameter("face_width", -1, 1, 0, "fraction", "identity", _normal(0, 0.5, -1, 1)),
    Parameter("jaw", -1, 1, 0, "fraction, pointed to square", "identity", _normal(0, 0.5, -1, 1)),
    Parameter("brow_thickness", 0, 1, 0.5, "fraction", "identity", _uniform(0, 1)),
    Parameter("brow_angle", -1, 1, 0, "fraction", "identity", _normal(0, 0.45, -1, 1)),
    Parameter("nose_length", -1, 1, 0, "fraction", "identity", _normal(0, 0.5, -1, 1)),
    Parameter("nose_width", -1, 1, 0, "fraction", "identity", _normal(0, 0.5, -1, 1)),
    Parameter("lip_fullness", -1, 1, 0, "fraction", "identity", _normal(0, 0.5, -1, 1)),
    Parameter("eye_size", -1, 1, 0, "fraction", "identity", _normal(0, 0.45, -1, 1)),
    Parameter("eye_spacing", -1, 1, 0, "fraction", "identity", _normal(0, 0.45, -1, 1)),
    Parameter("eye_colour", 0, 1, 0.2, "fraction, brown to blue", "identity", _uniform(0, 1)),
    Parameter("hair_length", 0, 1, 0.4, "fraction", "hair", _uniform(0, 1)),
    Parameter("hair_volume", 0, 1, 0.5, "fraction", "hair", _uniform(0, 1)),
    Parameter("hair_curl", 0, 1, 0.3, "fraction", "hair", _often_zero(0.35, 0.1, 1)),
    Parameter("hair_shade", 0, 1, 0.35, "fraction, black to blond", "hair", _uniform(0, 1)),
    Parameter("hair_red", 0, 1, 0.1, "fraction", "hair", _often_zero(0.6, 0.2, 1)),
    Parameter("hair_grey", 0, 1, 0, "fraction", "hair", _uniform(0, 1)),
    Parameter("hair_parting", -1, 1, 0, "fraction, left to right", "hair", _uniform(-1, 1), odd=True),
    Parameter("fringe", 0, 1, 0.2, "fraction", "hair", _often_zero(0.5, 0.3, 1)),
    Parameter("hairline", 0, 1, 0.1, "fraction, full to receded", "hair", _uniform(0, 0.35)),
    Parameter("beard", 0, 1, 0, "fraction", "hair", _often_zero(0.35, 0.4, 1)),
    Parameter("moustache", 0, 1, 0, "fraction", "hair", _often_zero(0.4, 0.4, 1)),
    Parameter("lip_colour", 0, 1, 0.2, "fraction", "accessories", _uniform(0, 0.35)),
    Parameter("glasses", 0, 1, 0, "present or not", "accessories", _often_zero(0.66, 1, 1)),
    Parameter("glasses_shape", -1, 1, 0, "fraction, round to square", "accessories", _uniform(-1, 1)),
    Parameter("light_x", -1, 1, 0, "fraction, left to right", "scene", _normal(0, 0.55, -1, 1), odd=True),
    Parameter("light_y", -1, 1, 0.3, "fraction, below to above", "scene", _normal(0.3, 0.35, -0.6, 1)),
    Parameter("light_warmth", -1, 1, 0, "fraction", "scene", _normal(0, 0.45, -1, 1)),
    Parameter("background_hue", 0, 360, 210, "degrees", "scene", _uniform(0, 360)),
    Parameter("background_saturation", 0, 0.6, 0.25, "fraction", "scene", _uniform(0, 0.6)),
    Parameter("background_light", 0.2, 0.9, 0.7, "fraction", "scene", _uniform(0.2, 0.9)),
    Parameter("clothes_hue", 0, 360, 210, "degrees", "scene", _uniform(0, 360)),
    Parameter("clothes_saturation", 0, 0.7, 0.35, "fraction", "scene", _uniform(0, 0.7)),
    Parameter("clothes_light", 0.1, 0.9, 0.45, "fraction", "scene", _uniform(0.1, 0.9)),
    Parameter("collar", 0, 1, 0.3, "fraction, round to deep V", "accessories", _uniform(0, 1)),
)

BY_NAME: Mapping[str, Parameter] = {p.name: p for p in PARAMETERS}

TRAITS: tuple[Trait, ...] = tuple(p.as_trait() for p in PARAMETERS)
"""The columns of `to_z`, as every domain that the renderer draws lists them. Of a hue and its saturation, which are one
point of a colour circle, the columns are its Cartesian coordinates, each over a saturation's whole range."""

IDENTITY_NAMES: tuple[str, ...] = tuple(
    p.name for p in PARAMETERS if p.group in {"identity", "hair"} and p.name not in {"hair_parting"}
)
"""Parameters that stay with a person between two pictures; pose, expression, accessories and scene may change."""

_CHROMA = {"background_hue": "background_saturation", "clothes_hue": "clothes_saturation"}

Z_DIM = len(PARAMETERS)
"""Width of `z`. A hue is an angle, so (hue, saturation) enters as two Cartesian numbers; the count stays the same."""


def sample_parameters(n: int, seed: int) -> Parameters:
    """Draw `n` portraits from the domain's own distribution.

    Args:
        n: How many.
        seed: Same seed, same portraits, on every machine.

    Returns:
        Name -> (n,) float32 tensor.
    """
    g = torch.Generator().manual_seed(seed)
    p = {q.name: q.sample(n, g).float() for q in PARAMETERS}
    # A few dependences that people expect; mild on purpose, so that edits stay separable.
    masculine = p["femininity"] < 0.5
    for name in ("beard", "moustache"):
        p[name] = torch.where(masculine, p[name], torch.zeros(n))
    recede = torch.rand(n, generator=g) ** 2 * ((p["age"] - 30) / 40).clamp(0, 1)
    p["hairline"] = torch.where(masculine, (p["hairline"] + 0.65 * recede).clamp(0, 1), 0.4 * p["hairline"])
    p["hair_length"] = (p["hair_length"] * (0.35 + 0.65 * p["femininity"])).clamp(0, 1) ** 0.9
    grey = torch.rand(n, generator=g)
    p["hair_grey"] = (((p["age"] - 45) / 35).clamp(0, 1) * (0.2 + 1.0 * grey)).clamp(0, 1)
    painted = torch.rand(n, generator=g) * ((p["femininity"] - 0.4) / 0.6).clamp(0, 1)
    p["lip_colour"] = (p["lip_colour"] + 0.65 * painted).clamp(0, 1)
    return p


def neutral_parameters(n: int = 1) -> Parameters:
    """The unremarkable face, repeated `n` times."""
    return {q.name: torch.full((n,), float(q.neutral)) for q in PARAMETERS}


def resample(p: Parameters, seed: int, keep: tuple[str, ...] = IDENTITY_NAMES) -> Parameters:
    """Draw the same people again: parameters in `keep` stay, all others are new (another photo of the same person)."""
    n = next(iter(p.values())).shape[0]
    fresh = sample_parameters(n, seed)
    return {name: (p[name] if name in keep else value) for name, value in fresh.items()}


def mirror(p: Parameters) -> Parameters:
    """Parameters of the mirrored picture: render(mirror(p)) equals render(p) flipped left to right."""
    return {q.name: (-p[q.name] if q.odd else p[q.name]) for q in PARAMETERS}


def to_z(p: Parameters) -> Tensor:
    """Parameters as the generator's input.

    Returns:
        (B, Z_DIM) float32, each column scaled to about [-Z_END, Z_END], so that a uniform parameter has unit variance.
    """
    columns = []
    for q in PARAMETERS:
        if q.name in _CHROMA:
            chroma = p[_CHROMA[q.name]] / BY_NAME[_CHROMA[q.name]].high
            columns.append(chroma * torch.cos(p[q.name] * (math.pi / 180)) * Z_END)
        elif q.name in _CHROMA.values():
            hue = next(h for h, s in _CHROMA.items() if s == q.name)
            columns.append(p[q.name] / q.high * torch.sin(p[hue] * (math.pi / 180)) * Z_END)
        else:
            columns.append((p[q.name] - (q.low + q.high) / 2) / ((q.high - q.low) / 2) * Z_END)
    return torch.stack(columns, 1).float()


def from_z(z: Tensor) -> Parameters:
    """Invert `to_z` (values are clamped to each parameter's range).

    Args:
        z: (B, Z_DIM).
    """
    column = {q.name: z[:, i] / Z_END for i, q in enumerate(PARAMETERS)}
    p: Parameters = {}
    for q in PARAMETERS:
        if q.name in _CHROMA:
            p[q.name] = torch.rad2deg(torch.atan2(column[_CHROMA[q.name]], column[q.name])) % 360
        elif q.name in _CHROMA.values():
            hue = next(h for h, s in _CHROMA.items() if s == q.name)
            p[q.name] = torch.hypot(column[hue], column[q.name]).clamp(0, 1) * q.high
        else:
            p[q.name] = (column[q.name] * (q.high - q.low) / 2 + (q.low + q.high) / 2).clamp(q.low, q.high)
    return p


def select(p: Parameters, index: slice | Tensor) -> Parameters:
    """The chosen rows of every parameter."""
    return {name: value[index] for name, value in p.items()}
