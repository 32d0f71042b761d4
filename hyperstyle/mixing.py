"""Two faces become one, or a face comes from nowhere: interpolation, style mixing and random faces.

Everything here makes an `Inversion` from inversions, so the result can be rendered, edited, saved and mixed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from hyperstyle.domains import Domain
from hyperstyle.errors import ShapeMismatch, UsageError, WrongDomain, did_you_mean
from hyperstyle.latents import Deltas, Inversion
from hyperstyle.models.layer_table import LayerSpec
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.scalars import is_number, plain_scalar
from hyperstyle.synthetic.parameters import Z_DIM, sample_parameters, to_z

OffsetsOf = Callable[[Inversion], Deltas]
"""Turns an inversion into everything it changes in the generator's weights; see `inversion.base.inversion_deltas`."""

MADE_UP_TRUNCATION = 0.7
"""How near the average made-up faces lie unless somebody asks, where inputs are noise: far ones are seldom faces."""

GROUPS = ("coarse", "medium", "fine")
_COARSE_PX, _MEDIUM_PX = 8, 32


def style_groups(layers: Sequence[LayerSpec]) -> dict[str, tuple[int, ...]]:
    """Which rows of `w_plus` say what about a face.

    Args:
        layers: The generator's layer table.

    Returns:
        Rows by name of the group: coarse (pose, shape of face and hair), medium (features, expression) and fine
        (colours, light, texture). A row belongs where the first 3 x 3 layer that reads it works; the last row, read by
        a toRGB layer alone, is fine.

    Source: StyleGAN (arXiv 1812.04948), section 3.1: up to 8 px, up to 32 px, and the rest.
    """
    first: dict[int, int] = {}
    for layer in layers:
        if not layer.is_to_rgb:
            first.setdefault(layer.w_index, layer.resolution)
    groups: dict[str, list[int]] = {name: [] for name in GROUPS}
    for row in range(max(layer.w_index for layer in layers) + 1):
        px = first.get(row)
        fine = px is None or px > _MEDIUM_PX
        groups["fine" if fine else "coarse" if px is not None and px <= _COARSE_PX else "medium"].append(row)
    return {name: tuple(rows) for name, rows in groups.items()}


def interpolate(a: Inversion, b: Inversion, t: float, offsets_of: OffsetsOf | None = None) -> Inversion:
    """Go part of the way from one face to another: latents and weight offsets change in proportion.

    Offsets are affine in the codes, so codes of equally many steps interpolate exactly as their offsets do, and the
    result stays small. Otherwise (another number of steps, none at all, or separable heads) the offsets themselves are
    interpolated and kept in the result, which makes it as large as the tuned weights.

    Args:
        a, b: Of one domain and with equally many faces.
        t: 0 is `a`, 1 is `b`.
        offsets_of: For that second case.

    Raises:
        WrongDomain: They come from two domains.
        ShapeMismatch: They do not hold the same number of faces, or their latents differ in shape.
        UsageError: `t` is outside 0 to 1, or `offsets_of` is needed and missing.
    """
    _check_pair(a, b)
    t = plain_scalar(t)
    if not is_number(t) or not 0 <= t <= 1:
        raise UsageError(f"The share of the second face must lie between 0 and 1, not {t}.")
    if t in (0, 1):
        return b if t else a
    w_plus = torch.lerp(a.w_plus, b.w_plus, t)
    affine = all(code.ndim == 2 for code in (*a.codes.values(), *b.codes.values()))
    if affine and a.steps == b.steps and a.codes.keys() == b.codes.keys():
        codes = {name: torch.lerp(code, b.codes[name], t) for name, code in a.codes.items()}
        return Inversion(w_plus, codes, a.steps, a.domain, _blend(a.offsets, b.offsets, t))
    one, other = _offsets(a, offsets_of), _offsets(b, offsets_of)
    return Inversion(w_plus, {}, 0, a.domain, _blend(one, other, t))


def mix_styles(
    a: Inversion,
    b: Inversion,
    take: str | Iterable[str | int],
    layers: Sequence[LayerSpec],
    offsets_of: OffsetsOf | None = None,
) -> Inversion:
    """Give a face some layers of another one: its latent rows, and the weight offsets of the layers that read them.

    Args:
        a: The face that is changed.
        b: The one it takes from; of the same domain and with equally many faces.
        take: A name from `GROUPS`, or several of them, or numbers of rows.
        layers: The generator's layer table.
        offsets_of: Needed where the two were refined in another number of steps and both contribute offsets.

    Raises:
        UsageError: There is no such group or row, or nothing is taken; or `offsets_of` is needed and missing.
        WrongDomain, ShapeMismatch: As for `interpolate`.

    Source: StyleGAN (arXiv 1812.04948), section 3.1, here with weight offsets.
    """
    _check_pair(a, b)
    rows = _rows(take, layers)
    w_plus = a.w_plus.clone()
    w_plus[:, rows] = b.w_plus[:, rows]
    taken = {layer.name for layer in layers if layer.w_index in rows}

    def mixed(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
        kept = {name: part for name, part in one.items() if name not in taken}
        return kept | {name: part for name, part in other.items() if name in taken}

    codes = mixed(a.codes, b.codes)
    steps = {face.steps for face in (a, b) if any(face.codes.get(name) is code for name, code in codes.items())}
    if len(steps) < 2:
        return Inversion(w_plus, codes, max(steps, default=0), a.domain, mixed(a.offsets, b.offsets))
    offsets = mixed(_offsets(a, offsets_of), _offsets(b, offsets_of))
    return Inversion(w_plus, {}, 0, a.domain, offsets)


def random_face(domain: Domain, generator: Generator, seed: int, truncation_psi: float | None = None) -> Inversion:
    """Make up a face that nobody has: a random latent of the domain, without weight offsets.

    Args:
        domain: Its row.
        generator: Its generator. One that reads the portrait renderer's parameters gets a person of that world, others
            a standard normal `z`.
        seed: Same seed, same face.
        truncation_psi: 1 for the whole variety, smaller for faces closer to the average one; None for what suits the
            domain: 1 in the renderer's world, where every input is somebody, else `MADE_UP_TRUNCATION`.

    Raises:
        UsageError: The seed is negative or beyond 63 bits, or `truncation_psi` is outside 0 to 2.
    """
    seed, truncation_psi = plain_scalar(seed), plain_scalar(truncation_psi)
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise UsageError(f"The seed must be a whole number from 0 up, not {seed}.")
    drawn = draws_portraits(generator)
    if truncation_psi is None:
        truncation_psi = 1.0 if drawn else MADE_UP_TRUNCATION
    if not is_number(truncation_psi) or not 0 <= truncation_psi <= 2:
        raise UsageError(f"The truncation must lie between 0 (the average face) and 2, not {truncation_psi}.")
    if drawn:
        z = to_z(sample_parameters(1, seed))
    else:
        z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        w = generator.map(z.to(generator.w_avg.device), truncation_psi)
    return Inversion(repeat_w(w, generator.num_ws), {}, 0, domain.name)


def draws_portraits(generator: Generator) -> bool:
    """Whether a generator's `z` are the portrait renderer's parameters, scaled but not normalised."""
    return generator.config.z_dim == Z_DIM and not generator.config.normalize_z


def _check_pair(a: Inversion, b: Inversion) -> None:
    if a.domain != b.domain:
        raise WrongDomain(
            f"The two faces come from two domains, '{a.domain}' and '{b.domain}'; rebuild one of them in the other's."
        )
    if a.w_plus.shape != b.w_plus.shape:
        raise ShapeMismatch(
            f"The two faces do not fit together: their latents are {tuple(a.w_plus.shape)} and "
            f"{tuple(b.w_plus.shape)}; mix faces of one generator, and as many of one as of the other."
        )


def _rows(take: str | Iterable[str | int], layers: Sequence[LayerSpec]) -> list[int]:
    """Row numbers, in order, of named groups and numbers."""
    groups, count = style_groups(layers), max(layer.w_index for layer in layers) + 1
    rows: set[int] = set()
    for item in [take] if isinstance(take, str) else map(plain_scalar, take):
        if isinstance(item, str):
            if item not in groups:
                raise UsageError(f"There is no group of layers called '{item}'; {did_you_mean(item, groups)}")
            rows.update(groups[item])
        elif not isinstance(item, int) or not 0 <= item < count:
            raise UsageError(f"The latent has the rows 0 to {count - 1}, and no row {item}.")
        else:
            rows.add(item)
    if not rows:
        raise UsageError(f"Nothing would be taken from the second face; choose from: {', '.join(GROUPS)}.")
    return sorted(rows)


def _offsets(inversion: Inversion, offsets_of: OffsetsOf | None) -> Deltas:
    """The offsets of an inversion in full."""
    if not inversion.codes:
        return inversion.offsets
    if offsets_of is None:
        raise UsageError("These two faces were refined in different ways, so mixing them needs the domain's networks.")
    return offsets_of(inversion)


def _blend(one: Deltas, other: Deltas, t: float) -> dict[str, Tensor]:
    """Interpolate offsets; a layer that only one of them tunes is unchanged in the other."""
    mixed = {}
    for name in (*one, *(name for name in other if name not in one)):
        parts = [share * offsets[name] for share, offsets in ((1 - t, one), (t, other)) if name in offsets]
        mixed[name] = torch.stack(torch.broadcast_tensors(*parts)).sum(0)
    return mixed
