"""The shape of a portrait: signed distances of head, hair, neck and clothes, and where the camera stands.

Lengths are in units of about 78 mm. Head frame: x to the right of the picture, y down, z towards the viewer; the eyes
are at y = 0, the mouth near y = 0.9, the chin near y = 1.42. Points are three (B, N) tensors; a parameter is (B, 1).
The primitives are the usual signed-distance shapes (sphere, ellipsoid, capsule) joined by a polynomial smooth minimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

EYE_Y = 0.0
MOUTH_Y = 0.90
EYE_Z = 0.86
"""Depth of the eye and mouth landmarks used for the crop; near the skin there."""

Column = Mapping[str, Tensor]
"""Parameter name -> (B, 1) tensor."""


class Point(NamedTuple):
    """Three coordinates, each (B, N)."""

    x: Tensor
    y: Tensor
    z: Tensor


def columns(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters (B,) as (B, 1), ready to broadcast over pixels."""
    return {k: v[:, None] for k, v in parameters.items()}


def eye_x(p: Column) -> Tensor:
    """Distance of each eye's centre from the middle of the face."""
    return 0.405 * (1 + 0.09 * p["eye_spacing"])


def mouth_half_width(p: Column) -> Tensor:
    """Half the distance between the mouth's corners."""
    return 0.33 + 0.09 * p["smile"] - 0.05 * p["mouth_open"]


def mouth_y(p: Column, x: Tensor) -> Tensor:
    """Height of the line between the lips at `x`: the corners rise with a smile and fall with a frown."""
    s = (x / mouth_half_width(p)).clamp(-1.6, 1.6)
    return MOUTH_Y + 0.03 * p["mouth_open"] - 0.115 * p["smile"] * (s * s - 0.25)


def mouth_gap(p: Column, x: Tensor) -> Tensor:
    """Half the opening between the lips at `x`; a broad smile shows some teeth with the jaw closed."""
    s = (x / mouth_half_width(p)).clamp(-1, 1)
    height = torch.maximum(0.17 * p["mouth_open"], 0.085 * (p["smile"] - 0.45).clamp(min=0) / 0.55)
    return height * (1 - s * s).clamp(min=0)


def rotate(p: Column, q: Point, inverse: bool = False) -> Point:
    """Turn points from the head frame into the world (or back): yaw about y, then pitch about x, around the neck."""
    rad = torch.pi / 180
    cy, sy = torch.cos(p["yaw"] * rad), torch.sin(p["yaw"] * rad)
    cp, sp = torch.cos(p["pitch"] * rad), torch.sin(p["pitch"] * rad)
    px, py, pz = q.x, q.y - 0.7, q.z + 0.2
    if inverse:
        py, pz = cp * py - sp * pz, sp * py + cp * pz
        px, pz = cy * px - sy * pz, sy * px + cy * pz
    else:
        px, pz = cy * px + sy * pz, -sy * px + cy * pz
        py, pz = cp * py + sp * pz, -sp * py + cp * pz
    return Point(px, py + 0.7, pz - 0.2)


def landmarks(p: Column) -> tuple[Tensor, Tensor, Tensor]:
    """World positions of both eyes and of the point between the mouth's corners.

    Returns:
        Three (B, 2) tensors (x, y): left eye (in the picture), right eye, mouth.
    """
    ex = eye_x(p)
    zero = torch.zeros_like(ex)
    w = mouth_half_width(p)
    corner_y = mouth_y(p, w)
    out = []
    for x, y, z in (
        (-ex, zero + EYE_Y, zero + EYE_Z),
        (ex, zero + EYE_Y, zero + EYE_Z),
        (zero, corner_y, zero + EYE_Z),
    ):
        q = rotate(p, Point(x, y, z))
        out.append(torch.cat([q.x, q.y], 1))
    return out[0], out[1], out[2]


def camera(p: Column) -> tuple[Tensor, Tensor, Tensor]:
    """Where the aligned crop lies, by the rule that aligns photographs (FFHQ: Karras et al., arXiv 1812.04948).

    Returns:
        Centre (B, 2), x axis (B, 2) and y axis (B, 2): the picture's right edge is at centre + x axis.
    """
    left, right, mouth = landmarks(p)
    eyes = (left + right) / 2
    e2e, e2m = right - left, mouth - eyes
    x = e2e + torch.stack([e2m[:, 1], -e2m[:, 0]], 1)
    size = torch.maximum(2.0 * e2e.norm(dim=1), 1.8 * e2m.norm(dim=1))
    x = x / x.norm(dim=1, keepdim=True) * size[:, None]
    y = torch.stack([-x[:, 1], x[:, 0]], 1)
    return eyes + 0.1 * e2m, x, y


# ------------------------------------------------------------------------------------------------ primitives


def smooth_min(a: Tensor, b: Tensor, k: float) -> Tensor:
    """Minimum with a rounded seam of width `k`."""
    h = (k - (a - b).abs()).clamp(min=0) / k
    return torch.minimum(a, b) - h * h * (k / 4)


def smooth_max(a: Tensor, b: Tensor, k: float) -> Tensor:
    """Maximum with a rounded seam of width `k`."""
    return -smooth_min(-a, -b, k)


def ellipsoid(x: Tensor, y: Tensor, z: Tensor, rx: Tensor | float, ry: Tensor | float, rz: Tensor | float) -> Tensor:
    """Approximate distance to an ellipsoid around the origin."""
    ax, ay, az = x / rx, y / ry, z / rz
    k0 = (ax * ax + ay * ay + az * az + 1e-9).sqrt()
    bx, by, bz = ax / rx, ay / ry, az / rz
    k1 = (bx * bx + by * by + bz * bz + 1e-9).sqrt()
    return k0 * (k0 - 1) / k1


def sphere(x: Tensor, y: Tensor, z: Tensor, r: Tensor | float) -> Tensor:
    """Distance to a sphere around the origin."""
    return (x * x + y * y + z * z + 1e-9).sqrt() - r


# ------------------------------------------------------------------------------------------------ the portrait


def head(p: Column, q: Point) -> Tensor:
    """Distance to the skin of the head, in the head frame."""
    x, y, z = q.x, q.y, q.z
    ax = (x * x + 1e-4).sqrt()  # mirrored half, rounded at the middle so that no crease appears
    male = 1 - p["femininity"]
    old = ((p["age"] - 18) / 62).clamp(0, 1)
    fw = 1 + 0.075 * p["face_width"]
    drop = 0.13 * p["mouth_open"]
    grin = p["smile"].clamp(min=0)

    cranium = ellipsoid(x, y + 0.36, z + 0.28, 0.94 * fw, 1.06, 1.13)
    middle = ellipsoid(x, y - 0.28, z - 0.08, 0.80 * fw, 0.98, 0.80)
    d = smooth_min(cranium, middle, 0.30)
    jaw_w = 0.47 + 0.06 * male + 0.07 * p["jaw"] + 0.03 * p["face_width"]
    chin = ellipsoid(x, y - 0.93 - drop * 0.8, z - 0.20, jaw_w, 0.46 + 0.02 * male, 0.58)
    d = smooth_min(d, chin, 0.34)
    corner = sphere(
        ax - (0.47 + 0.05 * p["jaw"]) * fw, y - 0.70 - drop * 0.5, z + 0.06, 0.25 + 0.04 * male + 0.03 * p["jaw"]
    )
    d = smooth_min(d, corner, 0.30)
    cheek = ellipsoid(ax - 0.46 * fw, y - 0.40 + 0.07 * grin - 0.05 * old, z - 0.56, 0.25, 0.23, 0.22 + 0.05 * grin)
    d = smooth_min(d, cheek, 0.22)
    brow = ellipsoid(ax - 0.36, y + 0.27 + 0.05 * p["brow_raise"], z - 0.72, 0.32, 0.10, 0.14 + 0.06 * male)
    d = smooth_min(d, brow, 0.16)
    socket = ellipsoid(ax - eye_x(p), y - 0.01, z - 1.06, 0.24, 0.15, 0.20)
    d = smooth_max(d, -socket, 0.14)
    ball = ellipsoid(ax - eye_x(p), y, z - 0.70, 0.19, 0.17, 0.19)
    d = smooth_min(d, ball, 0.05)

    length = 0.50 + 0.07 * p["nose_length"]
    t = ((y + 0.10) / (length + 0.10)).clamp(0, 1)
    ridge_z = 0.84 + 0.24 * t * t + 0.03 * male
    ridge = sphere(x, y - (t * (length + 0.10) - 0.10), z - ridge_z, 0.065 + 0.065 * t + 0.012 * p["nose_width"])
    d = smooth_min(d, ridge, 0.14)
    wing = sphere(
        ax - 0.115 * (1 + 0.28 * p["nose_width"]), y - length - 0.04, z - 0.97, 0.075 + 0.018 * p["nose_width"]
    )
    d = smooth_min(d, wing, 0.09)

    my, gap = mouth_y(p, x), mouth_gap(p, x)
    full = 1 + 0.35 * p["lip_fullness"]
    taper = (1 - (x / (mouth_half_width(p) + 0.04)) ** 2).clamp(min=0)
    upper = ellipsoid(x, y - (my - gap - 0.045), z - 0.80, mouth_half_width(p) + 0.02, 0.07 * full, 0.19)
    lower = ellipsoid(x, y - (my + gap + 0.055), z - 0.80, mouth_half_width(p) * 0.85, 0.08 * full, 0.19)
    d = smooth_min(d, torch.minimum(upper, lower) + 0.02 * (1 - taper), 0.07)

    tucked = 1 - 0.7 * ((p["hair_length"] - 0.22) / 0.15).clamp(0, 1)  # long hair covers the ears
    ear = ellipsoid(ax - 0.86 * fw - 0.09 * tucked, y - 0.17, z + 0.20, 0.03 + 0.06 * tucked, 0.25, 0.16)
    return smooth_min(d, ear, 0.08)


def beard_amount(p: Column, q: Point) -> Tensor:
    """How much beard covers a point of the face, 0 to 1, before its density is applied."""
    ax = q.x.abs()
    edge = 0.62 - 0.40 * (ax - 0.18).clamp(min=0)  # cheek line: falls from the ears towards the mouth
    low = torch.sigmoid((q.y - (edge + 0.18)) * 16)
    side = torch.sigmoid((ax - 0.52) * 14) * torch.sigmoid((q.y - 0.22) * 12) * torch.sigmoid((q.z + 0.25) * 10)
    mouth = torch.exp(-(((q.x / (mouth_half_width(p) + 0.05)) ** 2 + ((q.y - 0.93) / 0.17) ** 2) ** 2))
    front = torch.sigmoid((q.z + 0.15) * 10)
    return (torch.maximum(low, side) * (1 - mouth) * front).clamp(0, 1)


def moustache_amount(p: Column, q: Point) -> Tensor:
    """How much moustache covers a point of the face, 0 to 1, before its density is applied."""
    s = q.x / (mouth_half_width(p) + 0.04)
    line = mouth_y(p, q.x) - mouth_gap(p, q.x) - 0.115 + 0.06 * s * s
    return (
        torch.exp(-(((q.y - line) / 0.060) ** 2))
        * torch.exp(-((s.abs() / 0.95) ** 6))
        * torch.sigmoid((q.z - 0.3) * 10)
    )


def hair(p: Column, q: Point) -> Tensor:
    """Distance to the hair, in the head frame."""
    x, y, z = q.x, q.y, q.z
    length, volume, curl = p["hair_length"], p["hair_volume"], p["hair_curl"]
    fw = 1 + 0.075 * p["face_width"]
    puff = 0.05 + 0.13 * volume + 0.10 * curl * (0.3 + volume)

    cap = ellipsoid(x, y + 0.38 + 0.25 * puff, z + 0.30, 0.94 * fw + 0.8 * puff, 1.06 + puff, 1.12 + puff)
    below = y - (0.02 + 0.50 * length - 0.45 * z.clamp(max=0.4))
    cap = smooth_max(cap, below, 0.10)

    bottom = 0.25 + 2.1 * length
    half = (bottom + 1.1) / 2
    width = 0.90 * fw + 0.6 * puff + 0.22 * length
    body = ellipsoid(x, y - (bottom - 1.1) / 2, z + 0.50, width, half, 0.62 + 0.6 * puff + 0.12 * length)
    d = smooth_min(cap, body, 0.22)

    # Opening for the face. The top edge is the hairline; a fringe lowers it beside the parting.
    part = 0.55 * p["hair_parting"]
    swing = (x - part) / 0.5
    recede = p["hairline"] * (0.10 + 0.55 * torch.exp(-(((x.abs() - 0.50) / 0.25) ** 2)))
    lowered = p["fringe"] * (
        0.50 - 0.22 * torch.exp(-(swing * swing)) - 0.10 * (x * x) + 0.06 * swing.tanh() * p["hair_parting"]
    )
    sweep = (
        0.10
        * (1 - p["fringe"])
        * (torch.exp(-(((x - part) / 0.14) ** 2)) - 0.6 * torch.exp(-(((x + 0.5 * part) / 0.5) ** 2)))
    )
    top = (0.98 + recede + sweep - lowered).clamp(min=0.36)
    wide = (0.82 - 0.10 * length - 0.05 * volume * length) * fw
    cy = 0.30
    ry = torch.where(y < cy, top + cy, 1.9 + 0 * y)
    e = ((x / wide) ** 2 + ((y - cy) / ry) ** 2 + 1e-9).sqrt()
    opening = torch.maximum((e - 1) * 0.55, -(z - 0.05) * 0.8)
    d = smooth_max(d, -opening, 0.09)

    wave = 0.055 * curl * (0.4 + 0.6 * volume)
    lumps = torch.sin(8.5 * x + 3.0 * torch.sin(2.3 * y)) * torch.sin(8.0 * y + 1.3) * torch.sin(7.0 * z + 0.7)
    return d - wave * lumps


def neck(p: Column, q: Point) -> Tensor:
    """Distance to the neck, in the world frame."""
    thick = 0.45 + 0.10 * (1 - p["femininity"])
    t = ((q.y - 0.9) / 1.6).clamp(0, 1)
    tube = ((q.x * q.x) + (q.z + 0.38 + 0.10 * t) ** 2 + 1e-9).sqrt() - thick - 0.10 * t * t
    return torch.maximum(tube, 0.5 - q.y)


def torso(p: Column, q: Point) -> Tensor:
    """Distance to the shoulders, in the world frame; the neckline is painted on them."""
    broad = 1.75 + 0.30 * (1 - p["femininity"])
    return ellipsoid(q.x, q.y - 2.45, q.z + 0.45, broad, 0.98, 0.82)
