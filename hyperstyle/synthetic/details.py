"""Details that the generator never sees: freckles, moles, a scar, face paint, earrings, a hat, patterns.

Inversion targets carry them on purpose. A generator trained without them cannot draw them from any latent, so how much
of them comes back measures what weight offsets add.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hyperstyle.synthetic import appearance, geometry
from hyperstyle.synthetic.geometry import Column, Point
from hyperstyle.synthetic.surfaces import Surfaces

Details = dict[str, Tensor]
"""Detail name -> tensor with the batch first; see `sample_details`."""

_FRECKLES, _MOLES = 40, 3


def sample_details(n: int, seed: int) -> Details:
    """Draw details for `n` portraits; each portrait gets about two to three of the eight kinds.

    Returns:
        Amounts, (n,) each in [0, 1] (0 = absent): freckles, moles, scar, paint, earrings, hat, cloth_pattern,
        background_pattern. Choices, (n,) in [0, 1): *_kind and *_hue. Places: freckle_at (n, 40, 2), mole_at (n, 3, 2),
        scar_at (n, 4), all in head-frame units.
    """
    g = torch.Generator().manual_seed(seed + 7_919)
    amount = {
        "freckles": 0.35,
        "moles": 0.40,
        "scar": 0.20,
        "paint": 0.35,
        "earrings": 0.35,
        "hat": 0.25,
        "cloth_pattern": 0.40,
        "background_pattern": 0.45,
    }
    d: Details = {}
    for name, share in amount.items():
        present = torch.rand(n, generator=g) < share
        d[name] = present * (0.6 + 0.4 * torch.rand(n, generator=g))
    for name in ("paint", "earrings", "hat", "cloth_pattern", "background_pattern"):
        d[f"{name}_kind"] = torch.rand(n, generator=g)
        d[f"{name}_hue"] = torch.rand(n, generator=g)
    d["freckle_at"] = torch.randn(n, _FRECKLES, 2, generator=g) * torch.tensor([0.40, 0.15]) + torch.tensor([0.0, 0.34])
    d["mole_at"] = torch.stack(
        [torch.rand(n, _MOLES, generator=g) * 1.2 - 0.6, torch.rand(n, _MOLES, generator=g) * 1.3 - 0.3], 2
    )
    side = torch.where(torch.rand(n, generator=g) < 0.5, -1.0, 1.0)
    start = torch.stack([side * (0.35 + 0.2 * torch.rand(n, generator=g)), 0.15 + 0.5 * torch.rand(n, generator=g)], 1)
    step = torch.stack([side * (0.05 + 0.12 * torch.rand(n, generator=g)), 0.15 + 0.2 * torch.rand(n, generator=g)], 1)
    d["scar_at"] = torch.cat([start, start + step], 1)
    return d


def _pattern(kind: Tensor, u: Tensor, v: Tensor, scale: float) -> Tensor:
    """Stripes, bands, dots, checks or waves by `kind` in [0, 1), (B, 1): a (B, N) mask."""
    a, b = torch.sin(scale * u), torch.sin(scale * v)
    choices = (a, b, a * b * 1.6 - 0.35, a * b * 3, torch.sin(scale * v + 1.6 * torch.sin(0.8 * scale * u)))
    index = (kind * len(choices)).long().clamp(0, len(choices) - 1)
    wave = sum(torch.where(index == i, c, torch.zeros_like(c)) for i, c in enumerate(choices))
    return torch.sigmoid(torch.as_tensor(wave) * 5)


def _hue(d: Column, name: str, saturation: float, lightness: float) -> Tensor:
    hue = d[f"{name}_hue"] * 360
    return appearance.hue_colour(hue, torch.full_like(hue, saturation), torch.full_like(hue, lightness))


def paint(
    p: Column, details: Mapping[str, Tensor], light: Tensor, x: Tensor, y: Tensor, z: Tensor, px: Tensor
) -> Tensor:
    """Add details to a drawn portrait.

    Args:
        p: Parameters, (B, 1) each.
        details: As from `sample_details`.
        light: The portrait so far, (B, 3, N) linear light.
        x, y: World coordinates of the pixels; z: depth of the surface there. (B, N) each.
        px: Width of a pixel, (B, 1).

    Returns:
        (B, 3, N) linear light.
    """
    d = {k: v[:, None] for k, v in details.items() if v.ndim == 1}
    s = Surfaces(p, Point(x, y, z))
    q = s.point
    hit = appearance.edge(s.union - 2 * px, px, 2.0)
    hairy = torch.sigmoid((s.body - s.hair) / (0.4 * px)) * hit
    cloth = torch.sigmoid((s.skin - s.torso) / 0.02) * hit * (1 - hairy)
    face = hit * (1 - hairy) * torch.sigmoid((s.torso - s.head) / 0.05) * torch.sigmoid((q.z - 0.1) * 12)
    clear = 1 - torch.exp(-((((q.x.abs() - 0.405) / 0.20) ** 2 + ((q.y - 0.0) / 0.11) ** 2) ** 2))  # eyes stay free
    shade = light.mean(1, keepdim=True)  # how lit a point is: paint keeps the shading beneath it

    spots = torch.zeros_like(x)
    for i in range(_FRECKLES):
        at = details["freckle_at"][:, i]
        r2 = (q.x - at[:, :1]) ** 2 + (q.y - at[:, 1:]) ** 2
        spots = torch.maximum(spots, torch.exp(-r2 / 0.026**2))
    light = appearance.mix(
        light, light * light.new_tensor([0.66, 0.50, 0.40])[None, :, None], spots * face * clear * d["freckles"]
    )
    dark = torch.zeros_like(x)
    for i in range(_MOLES):
        at = details["mole_at"][:, i]
        r = ((q.x - at[:, :1]) ** 2 + (q.y - at[:, 1:]) ** 2 + 1e-9).sqrt()
        dark = torch.maximum(dark, appearance.edge(r - 0.034, px, 1.5))
    light = appearance.mix(light, light * 0.18, dark * face * clear * (d["moles"] > 0))
    at = details["scar_at"]
    ax, ay, bx, by = (at[:, i : i + 1] for i in range(4))
    t = (((q.x - ax) * (bx - ax) + (q.y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)).clamp(0, 1)
    dist = ((q.x - ax - t * (bx - ax)) ** 2 + (q.y - ay - t * (by - ay)) ** 2 + 1e-9).sqrt()
    scar = appearance.bump(dist, 0.026) * face * d["scar"]
    light = appearance.mix(light, light * light.new_tensor([1.15, 0.62, 0.60])[None, :, None], scar)

    # Face paint: two bars on each cheek, a disc on one cheek, a band over the eyes, or half the face.
    bars = appearance.edge((torch.remainder(q.y - 0.26, 0.16) - 0.08).abs() - 0.035, px) * (
        appearance.edge((q.y - 0.42).abs() - 0.16, px) * appearance.edge((q.x.abs() - 0.50).abs() - 0.17, px)
    )
    disc = appearance.edge(((q.x - 0.46) ** 2 + (q.y - 0.42) ** 2 + 1e-9).sqrt() - 0.15, px)
    band = appearance.edge((q.y - 0.02).abs() - 0.13, px) * clear
    half = torch.sigmoid(q.x / px) * clear
    index = (d["paint_kind"] * 4).long()
    shapes = (bars, disc, band, half * 0.8)
    coat = sum(torch.where(index == i, m, torch.zeros_like(m)) for i, m in enumerate(shapes))
    colour = _hue(d, "paint", 0.9, 0.85) * (shade * 1.6)
    light = appearance.mix(light, colour, torch.as_tensor(coat) * face * (d["paint"] > 0) * 0.8)

    light = appearance.mix(
        light,
        _hue(d, "cloth_pattern", 0.7, 0.6) * (shade / (shade + 0.15) * 1.2),
        _pattern(d["cloth_pattern_kind"], x, y, 22.0) * cloth * d["cloth_pattern"],
    )
    wall = _pattern(d["background_pattern_kind"], x + 0.3 * y, y - 0.2 * x, 9.0) * (1 - hit) * d["background_pattern"]
    light = appearance.mix(light, _hue(d, "background_pattern", 0.5, 0.6), wall * 0.85)

    # A woollen hat pulled over hair and forehead, ribbed, with a darker brim.
    brim = -0.60 + 0.06 * (d["hat_kind"] - 0.5) * q.x + 0.10 * (q.z - 0.6)
    wool = appearance.edge(q.y - brim, px, 1.2) * hit * torch.sigmoid((s.torso - torch.minimum(s.head, s.hair)) / 0.05)
    ribs = 0.80 + 0.20 * torch.sin(26 * torch.atan2(q.x, q.z + 1.2))
    rim = 1 - 0.35 * appearance.edge((q.y - brim + 0.10).abs() - 0.10, px, 1.5)
    knit = _hue(d, "hat", 0.8, 0.62) * (ribs * rim)[:, None] * (0.45 + 1.4 * shade)
    light = appearance.mix(light, knit, wool * (d["hat"] > 0))

    for side in (-1.0, 1.0):
        zero = torch.zeros_like(p["yaw"])
        e = geometry.rotate(p, Point(zero + side * 0.93, zero + 0.52, zero - 0.10))
        r = ((x - e.x) ** 2 + (y - e.y) ** 2 + 1e-9).sqrt()
        ring = torch.where(d["earrings_kind"] < 0.5, (r - 0.075).abs() - 0.024, r - 0.055)
        seen = torch.sigmoid((-side * p["yaw"] / 35 + 0.45) * 12)
        shine = (
            appearance.rgb(235, 196, 96, light)
            * (0.7 + 0.5 * appearance.bump(r - 0.06 + 0.03 * (y - e.y), 0.05))[:, None]
        )
        light = appearance.mix(light, shine, appearance.edge(ring, px, 1.3) * seen * (d["earrings"] > 0))
    return light
