"""The colours of a portrait: skin, eyes, lips, hair, clothes, glasses, light and background. All in linear light.

Masks are (B, N) in [0, 1] with edges one pixel wide, so that pictures are smooth at any resolution. A colour is
(B, 3, 1) or (B, 3, N). Head-frame coordinates are those of `geometry`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hyperstyle.synthetic import geometry
from hyperstyle.synthetic.geometry import Column, Point
from hyperstyle.synthetic.surfaces import Surfaces

# sRGB 0..255 from light to dark, chosen by eye so that every tone is a plausible skin under white light.
_SKIN = ((251, 224, 206), (241, 199, 172), (222, 170, 134), (186, 130, 93), (140, 93, 65), (98, 64, 49))
_HAIR = ((26, 22, 22), (58, 40, 32), (104, 72, 50), (158, 116, 76), (222, 186, 126))
_EYES = ((70, 42, 26), (112, 78, 40), (104, 116, 66), (92, 140, 168), (110, 160, 205))


def _linear(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    r, g, b = ((c / 255) ** 2.2 for c in rgb)
    return r, g, b


def ramp(stops: tuple[tuple[int, int, int], ...], t: Tensor) -> Tensor:
    """Piecewise linear colour ramp at t in [0, 1], (B, 1): (B, 3, 1) in linear light."""
    at = t.clamp(0, 1) * (len(stops) - 1)
    colour = torch.zeros(t.shape[0], 3, 1, device=t.device)
    for i, stop in enumerate(stops):
        weight = (1 - (at - i).abs()).clamp(min=0)
        colour = colour + weight[:, :, None] * t.new_tensor(_linear(stop))[None, :, None]
    return colour


def rgb(r: float, g: float, b: float, like: Tensor) -> Tensor:
    """An sRGB colour (0..255) as (1, 3, 1) in linear light."""
    return like.new_tensor([(c / 255) ** 2.2 for c in (r, g, b)])[None, :, None]


def hue_colour(hue: Tensor, saturation: Tensor, lightness: Tensor) -> Tensor:
    """A colour from hue in degrees, saturation and lightness in [0, 1], each (B, 1): (B, 3, 1) in linear light."""
    a = hue[:, :, None] * (torch.pi / 180)
    phase = hue.new_tensor([0.0, 2 * torch.pi / 3, 4 * torch.pi / 3])[None, :, None]
    wave = torch.cos(a - phase)
    light, sat = lightness[:, :, None], saturation[:, :, None]
    return (light * (1 + 0.6 * sat * wave)).clamp(0.01, 0.97).pow(2.2)


def mix(base: Tensor, over: Tensor, mask: Tensor) -> Tensor:
    """Lay `over` on `base` where the (B, N) mask says so."""
    m = mask[:, None]
    return base * (1 - m) + over * m


def edge(distance: Tensor, px: Tensor, soft: float = 1.0) -> Tensor:
    """Coverage of the region where `distance` < 0, antialiased over `soft` pixels."""
    return (0.5 - distance / (px * soft)).clamp(0, 1)


def bump(x: Tensor, width: float | Tensor) -> Tensor:
    """A Gaussian bump of the given standard deviation times sqrt 2."""
    return torch.exp(-((x / width) ** 2))


def skin_colour(p: Column) -> Tensor:
    """Base skin colour, (B, 3, 1)."""
    base = ramp(_SKIN, p["skin_tone"])
    warm = p["skin_warmth"][:, :, None]
    tint = torch.cat([1 + 0.06 * warm, 1 - 0.01 * warm, 1 - 0.11 * warm], 1)
    return base * tint


def hair_colour(p: Column) -> Tensor:
    """Base hair colour, (B, 3, 1)."""
    base = ramp(_HAIR, p["hair_shade"])
    red = base * 0.35 + rgb(176, 72, 30, base) * (0.35 + 0.65 * p["hair_shade"][:, :, None])
    base = base + (red - base) * p["hair_red"][:, :, None]
    grey = rgb(186, 186, 190, base)
    return base + (grey - base) * (0.92 * p["hair_grey"])[:, :, None]


def background(p: Column, x: Tensor, y: Tensor) -> Tensor:
    """A softly lit studio wall, (B, 3, N)."""
    base = hue_colour(p["background_hue"], p["background_saturation"], p["background_light"])
    glow = 0.90 + 0.20 * torch.exp(-((x + 0.5 * p["light_x"]) ** 2 + (y + 0.4) ** 2) / 2.2) - 0.07 * y
    return base * glow[:, None]


def _lips(p: Column, q: Point, px: Tensor, skin: Tensor, albedo: Tensor, front: Tensor) -> tuple[Tensor, Tensor]:
    """Lips, teeth and the inside of the mouth. Returns the albedo and a mask of what lies inside the mouth."""
    w = geometry.mouth_half_width(p)
    s = (q.x / w).clamp(-1, 1)
    body = (1 - s * s).clamp(min=0)
    full = 1 + 0.38 * p["lip_fullness"]
    gap = geometry.mouth_gap(p, q.x)
    dy = q.y - geometry.mouth_y(p, q.x)
    bow = 1 - 0.28 * bump(q.x, 0.055)
    upper = gap + (0.075 * full) * body.clamp(min=1e-4).pow(0.75) * bow
    lower = gap + (0.100 * full) * body.clamp(min=1e-4).pow(0.6)
    inside_x = edge(q.x.abs() - w, px, 1.5)
    lips = edge(-dy - upper, px, 1.6) * edge(dy - lower, px, 1.6) * inside_x * front
    paint = p["lip_colour"][:, :, None]
    natural = skin * torch.cat([0.86 + 0 * paint, 0.58 + 0 * paint, 0.60 + 0 * paint], 1)
    red = rgb(176, 36, 52, skin) * (0.55 + 0.45 * skin.mean(1, keepdim=True) / 0.5).clamp(max=1)
    colour = natural + (red - natural) * (paint * 0.85)
    albedo = mix(albedo, colour, lips * 0.85)
    hollow = edge(dy.abs() - gap, px, 1.2) * inside_x * front * edge(0.012 - gap, px, 1.0)
    albedo = mix(albedo, rgb(92, 26, 30, skin), hollow)
    tongue = hollow * bump(dy - gap * 0.75, 0.055) * bump(q.x, 0.16)
    albedo = mix(albedo, rgb(190, 88, 92, skin), tongue * 0.8)
    depth = (0.105 - 0.03 * s * s) * 1.0
    teeth = hollow * edge(dy + gap - depth, px, 1.2) * edge(q.x.abs() - 0.86 * w, px, 2.5)
    albedo = mix(albedo, rgb(244, 240, 230, skin) * (1 - 0.30 * s[:, None] ** 2), teeth)
    seam = bump(dy, 0.016) * inside_x * front * edge(gap - 0.014, px, 1.0)
    return mix(albedo, colour * 0.25, seam * 0.8), hollow


def _eyes(p: Column, q: Point, px: Tensor, skin: Tensor, albedo: Tensor, front: Tensor) -> tuple[Tensor, Tensor]:
    """Eyelids, whites, irises and lashes. Returns the albedo and a mask of the open eye."""
    side = torch.where(q.x < 0, -1.0, 1.0)
    ex = q.x.abs() - geometry.eye_x(p)  # negative towards the nose
    size = 1 + 0.13 * p["eye_size"]
    a = 0.178 * size
    s = (ex / a).clamp(-1, 1)
    body = (1 - s * s).clamp(min=1e-4)
    tilt = -0.022 * s
    opened = p["eyes_open"] - 0.18 * p["smile"].clamp(min=0)
    upper = 0.098 * size * opened.clamp(min=0) * body.pow(0.62)
    lower = 0.058 * size * (0.75 + 0.25 * opened) * body.pow(0.8) - 0.018 * p["smile"].clamp(min=0) * body
    ey = q.y - tilt - 0.012
    inside = edge(ex.abs() - a, px, 1.2)
    slit = -lower.clamp(min=0.004) * (1 - (opened / 0.25).clamp(0, 1))  # a shut lid rests on the lower one
    top = torch.maximum(upper, slit)
    hole = edge(-ey - top, px, 1.1) * edge(ey - lower, px, 1.1) * inside * front
    white = rgb(238, 234, 230, skin) * (1 - 0.45 * bump(ey + upper, 0.05))[:, None]
    albedo = mix(albedo, white, hole)
    ix = ex - 0.062 * p["gaze_x"] * side
    iy = ey + 0.008 - 0.040 * p["gaze_y"]
    r = (ix * ix + iy * iy + 1e-9).sqrt()
    iris = edge(r - 0.090 * size, px, 1.2) * hole
    colour = ramp(_EYES, p["eye_colour"])
    spokes = (0.75 + 0.7 * (r / 0.09) ** 2 * (iy > 0)).clamp(0.6, 1.5) * (1 - 0.5 * bump(r - 0.090 * size, 0.014))
    albedo = mix(albedo, colour * spokes[:, None], iris)
    albedo = mix(albedo, rgb(10, 8, 8, skin), edge(r - 0.040, px, 1.2) * hole)
    lx = ix - 0.028 * (0.6 + p["light_x"]) * side
    glint = edge(((lx) ** 2 + (iy + 0.032) ** 2 + 1e-9).sqrt() - 0.020, px, 1.4) * hole
    albedo = mix(albedo, rgb(255, 255, 255, skin), glint * 0.95)
    lash = rgb(22, 15, 13, skin)
    span = edge(ex.abs() - a * 1.08, px, 2.0) * front
    thick = 0.015 + 0.010 * p["femininity"]
    line = bump(ey + top, thick) * span * (0.62 + 0.3 * p["femininity"])
    albedo = mix(albedo, lash, line)
    low = bump(ey - lower, 0.012) * span * 0.30
    albedo = mix(albedo, skin * 0.35, low)
    crease = bump(ey + top + 0.052 + 0.02 * opened, 0.018) * span * bump(s, 0.95)
    albedo = mix(albedo, skin * 0.55, crease * 0.40)
    return albedo, hole


def _brows(p: Column, q: Point, px: Tensor, albedo: Tensor, hair: Tensor, front: Tensor) -> Tensor:
    ex = q.x.abs() - geometry.eye_x(p) - 0.01
    arch = -0.045 * (1 - ((ex - 0.06) / 0.24) ** 2)
    y = -0.235 - 0.065 * p["brow_raise"] + arch + 0.16 * p["brow_angle"] * -ex
    thick = (0.020 + 0.026 * p["brow_thickness"]) * (1 - 0.55 * ((ex + 0.05) / 0.28).clamp(0, 1))
    across = q.y - y
    hairs = 0.93 + 0.07 * torch.sin(95 * ex - 60 * across)
    mask = edge(across.abs() - thick, px, 1.8) * edge(ex.abs() - 0.23, px, 3.0) * hairs * front
    colour = hair * 0.55 + rgb(40, 28, 22, hair) * 0.30
    return mix(albedo, colour, mask * (0.72 + 0.2 * p["brow_thickness"]))


def _segment(x: Tensor, y: Tensor, ax: float, ay: float, bx: float, by: float) -> Tensor:
    """Distance to the segment a-b."""
    dx, dy = bx - ax, by - ay
    t = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
    return ((x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2 + 1e-9).sqrt()


def _age_lines(p: Column, q: Point, front: Tensor) -> Tensor:
    """How dark wrinkles make the skin, (B, N) in [0, 1]."""
    old = ((p["age"] - 38) / 42).clamp(0, 1)
    ax = q.x.abs()
    wave = 0.025 * torch.cos(3.4 * q.x) + 0.012 * torch.sin(7 * q.x + 0.6)
    forehead = torch.zeros_like(ax)
    for row, (height, strength) in enumerate(((-0.47, 0.8), (-0.57, 1.0), (-0.67, 0.7))):
        forehead = forehead + strength * bump(q.y - height - wave * (1 + 0.2 * row), 0.014)
    forehead = forehead * bump(q.x, 0.46) * (old * 0.62 + 0.25 * p["brow_raise"].clamp(min=0) * (0.3 + old))
    grin = p["smile"].clamp(min=0)
    fold = _segment(ax, q.y, 0.17, 0.56, 0.36 + 0.0, 0.84)
    folds = bump(fold, 0.026) * (old * 0.55 + 0.26 * grin) * bump((q.y - 0.70) / 0.2, 1.0)
    bag = bump(q.y - (0.165 - 0.35 * (ax - 0.40) ** 2), 0.020) * bump(ax - 0.38, 0.15) * (0.10 + 0.50 * old)
    out = ax - geometry.eye_x(p) - 0.205
    crow = torch.zeros_like(ax)
    for slope in (-0.55, 0.0, 0.5):
        crow = crow + bump(q.y - 0.02 - slope * out, 0.012) * bump(out - 0.07, 0.065)
    crow = crow * (old * 0.55 + 0.12 * grin)
    mouth = bump(_segment(ax, q.y, 0.40, 0.96, 0.43, 1.12), 0.022) * old * 0.35
    return ((forehead + folds + bag + crow + mouth) * front).clamp(0, 1)


def hair_flow(p: Column, q: Point) -> tuple[Tensor, Tensor]:
    """How hair falls: angle around the crown, equal along a strand, and how far curls push it aside; (B, N) each."""
    part = 0.35 * p["hair_parting"]
    around = torch.atan2(q.x - part * (1 - ((q.y + 0.4) / 1.2).clamp(0, 1)), q.z + 1.1 + 0.25 * (q.y + 1.0).abs())
    curl = p["hair_curl"]
    return around, curl * (0.16 * torch.sin(7.5 * q.y + 2.0 * q.x) + 0.05 * torch.sin(17 * q.y))


def strands(p: Column, q: Point) -> Tensor:
    """Light and dark along the hair, about 1 +- 0.2."""
    around, wobble = hair_flow(p, q)
    fine = torch.sin((around + wobble) * 46) * 0.5 + torch.sin((around + wobble) * 27 + 1.7) * 0.5
    broad = torch.sin((around + 0.6 * wobble) * 11 + 0.5)
    return 1 + 0.13 * fine + 0.10 * broad


class Paint(NamedTuple):
    """What surface points look like before any light falls on them.

    Attributes:
        albedo: (B, 3, N) in linear light.
        wet: (B, N), 1 inside the open eyes and the mouth.
        on_hair: (B, N), 1 on the hair.
        fabric: (B, N), 1 on the clothes (also where hair hangs over them).
    """

    albedo: Tensor
    wet: Tensor
    on_hair: Tensor
    fabric: Tensor


def surface_colour(
    p: Column, q: Point, world: Point, normal: Point, surfaces: Surfaces, occlusion: Tensor, px: Tensor
) -> Tensor:
    """Lit colour of surface points.

    Args:
        p, q, world, normal, surfaces, px: As for `surface_paint`.
        occlusion: 0 in deep folds to 1 in the open, (B, N).

    Returns:
        (B, 3, N) in linear light.
    """
    paint = surface_paint(p, q, world, normal, surfaces, px)
    return paint.albedo * _light(p, normal, occlusion, paint.wet, paint.on_hair, skin_colour(p))


def surface_paint(p: Column, q: Point, world: Point, normal: Point, surfaces: Surfaces, px: Tensor) -> Paint:
    """Colour of surface points under even white light, and what they are made of.

    Args:
        p: Parameters, (B, 1) each.
        q: The points in the head frame, (B, N) each.
        world: The points in the world frame.
        normal: Unit normals in the world frame.
        surfaces: Distances at the points, which decide what they are made of.
        px: Width of a pixel, (B, 1).
    """
    skin, hair = skin_colour(p), hair_colour(p)
    front = torch.sigmoid((q.z - 0.12) * 14)
    albedo = skin * torch.ones_like(q.x)[:, None]

    ax = q.x.abs()
    blush = bump(ax - 0.47, 0.20) * bump(q.y - 0.40, 0.17) + 0.8 * bump(q.x, 0.14) * bump(q.y - 0.50, 0.11)
    tint = torch.cat([1.02 + 0 * p["age"], 0.88 + 0 * p["age"], 0.87 + 0 * p["age"]], 1)[:, :, None]
    albedo = mix(albedo, albedo * tint, (blush * front).clamp(0, 1) * 0.8)
    shadow = bump(ax - 0.40, 0.19) * bump(q.y + 0.10, 0.10) * front
    albedo = mix(albedo, albedo * 0.80, shadow * (0.45 + 0.35 * p["lip_colour"]))
    nose_y = 0.50 + 0.07 * p["nose_length"]
    nostril = bump(ax - 0.075 * (1 + 0.28 * p["nose_width"]), 0.038) * bump(q.y - nose_y - 0.115, 0.026) * front
    albedo = mix(albedo, skin * 0.22, nostril * 0.75)
    albedo = mix(albedo, skin * 0.42, _age_lines(p, q, front))

    grain = 0.90 + 0.10 * torch.sin(70 * q.x + 9 * torch.sin(23 * q.y)) * torch.sin(58 * q.y + 4 * q.x)
    whisker = hair * 0.60
    stubble = (1.35 * p["beard"]).clamp(max=0.96) * geometry.beard_amount(p, q)
    albedo = mix(albedo, whisker * grain[:, None], stubble)
    albedo, mouth = _lips(p, q, px, skin, albedo, front)
    tache = (1.35 * p["moustache"]).clamp(max=0.96) * geometry.moustache_amount(p, q)
    albedo = mix(albedo, whisker * grain[:, None], tache)
    albedo = _brows(p, q, px, albedo, hair, front)
    albedo, eye = _eyes(p, q, px, skin, albedo, front)
    wet = (mouth + eye).clamp(0, 1)

    # Clothes: everything on the shoulders outside the neckline.
    cloth = hue_colour(p["clothes_hue"], p["clothes_saturation"], p["clothes_light"])
    round_neck = 0.60 - ((world.x / 0.95) ** 2 + ((world.y - 1.18) / 0.80) ** 2 + 1e-9).sqrt()
    vee = 1.36 + (0.20 + 0.65 * p["collar"]) * (1 - world.x.abs() / 0.62) - world.y
    neckline = torch.where(p["collar"] > 0.0, torch.maximum(round_neck, vee), round_neck)
    fabric = edge(neckline, px, 1.5) * torch.sigmoid((surfaces.head - surfaces.torso) / 0.05)
    seam = bump(neckline + 0.05, 0.018) * 0.25
    weave = 1 + 0.035 * torch.sin(14 * world.x + 3 * torch.sin(4 * world.y)) * torch.sin(3 * world.y)
    albedo = mix(albedo, cloth * weave[:, None] * (1 - seam)[:, None], fabric)

    on_hair = torch.sigmoid((surfaces.body - surfaces.hair) / (0.35 * px)) * (1 - 0 * fabric)
    shades = strands(p, q)
    sheen = bump(normal.y + 0.55, 0.20) * (1 - 0.5 * p["hair_curl"])
    shine = (0.035 + 0.22 * hair.mean(1, keepdim=True)) * sheen[:, None] * shades[:, None]
    albedo = mix(albedo, hair * shades[:, None] ** 1.5 + shine, on_hair)
    return Paint(albedo, wet, on_hair, fabric)


def light_direction(p: Column) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vector towards the key light in the world frame; (B, 1) each."""
    lx, ly, lz = 0.85 * p["light_x"], -0.15 - 0.55 * p["light_y"], torch.full_like(p["light_x"], 0.85)
    inv = (lx * lx + ly * ly + lz * lz).rsqrt()
    return lx * inv, ly * inv, lz * inv


def _light(p: Column, n: Point, occlusion: Tensor, wet: Tensor, on_hair: Tensor, skin: Tensor) -> Tensor:
    """Key light with a wide wrap, sky-and-floor fill, and the warm edge that light leaves in skin: (B, 3, N)."""
    lx, ly, lz = light_direction(p)
    facing = n.x * lx + n.y * ly + n.z * lz
    wrap = ((facing + 0.32) / 1.32).clamp(min=0)
    key = wrap * (0.45 + 0.55 * occlusion)
    fill = (0.34 - 0.10 * n.y) * (0.35 + 0.65 * occlusion)
    flat = 0.80 * wet  # eyes and teeth keep their own brightness: they are shaded by hand
    warm = p["light_warmth"][:, :, None]
    colour = torch.cat([1 + 0.07 * warm, 1 + 0 * warm, 1 - 0.13 * warm], 1)
    edge_glow = bump(facing + 0.05, 0.30) * (1 - on_hair) * (1 - wet) * 0.10
    red = torch.cat([1 + 0 * warm, 0.35 + 0 * warm, 0.25 + 0 * warm], 1) * skin.mean(1, keepdim=True).sqrt()
    amount = (0.80 * key + fill) * (1 - flat) + flat * 0.95
    return colour * amount[:, None] + red * edge_glow[:, None]


def glasses(p: Column, picture: Tensor, x: Tensor, y: Tensor, px: Tensor) -> Tensor:
    """Lay spectacles over a picture.

    Args:
        p: Parameters.
        picture: (B, 3, N) linear light.
        x, y: World coordinates of the pixels, (B, N).
        px: Width of a pixel, (B, 1).
    """
    frame, glare = spectacles(p, x, y, px)
    picture = picture + glare[:, None] * (1 - picture).clamp(min=0)
    return mix(picture, rgb(34, 28, 30, picture), frame)


def spectacles(p: Column, x: Tensor, y: Tensor, px: Tensor) -> tuple[Tensor, Tensor]:
    """Where spectacles are: frames in a plane before the eyes, and their temples.

    Args:
        p, x, y, px: As for `glasses`.

    Returns:
        How much of each pixel the frames cover, and how much light the lenses throw back; (B, N) each.
    """
    near = geometry.rotate(p, Point(x, y, torch.zeros_like(x)), inverse=True)
    far = geometry.rotate(p, Point(x, y, torch.ones_like(x)), inverse=True)
    t = (0.99 - near.z) / (far.z - near.z)
    hx, hy = near.x + t * (far.x - near.x), near.y + t * (far.y - near.y)
    square = 0.5 + 0.5 * p["glasses_shape"]
    w, h = 0.285 + 0.01 * square, 0.245 - 0.035 * square
    corner = 0.235 - 0.13 * square
    ux = (hx.abs() - 0.435).abs() - (w - corner)
    uy = (hy - 0.03).abs() - (h - corner)
    rim = (ux.clamp(min=0) ** 2 + uy.clamp(min=0) ** 2 + 1e-9).sqrt() + torch.maximum(ux, uy).clamp(max=0) - corner
    frame = edge(rim.abs() - 0.021, px, 1.2)
    bridge = edge((hy + 0.035 - 0.25 * hx * hx).abs() - 0.020, px, 1.2) * edge(hx.abs() - 0.155, px, 1.0)
    frame = torch.maximum(frame, bridge)
    turn = p["yaw"] / 35
    for side in (-1.0, 1.0):
        zero = torch.zeros_like(p["yaw"])
        a = geometry.rotate(p, Point(zero + side * 0.72, zero - 0.05, zero + 0.97))
        b = geometry.rotate(p, Point(zero + side * 0.88, zero - 0.03, zero + 0.35))
        dx, dy = b.x - a.x, b.y - a.y
        s = (((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy + 1e-6)).clamp(0, 1)
        d = ((x - a.x - s * dx) ** 2 + (y - a.y - s * dy) ** 2 + 1e-9).sqrt()
        seen = torch.sigmoid((-side * turn - 0.05) * 12)
        frame = torch.maximum(frame, edge(d - 0.020, px, 1.2) * seen)
    worn = p["glasses"]
    lens = edge(rim, px, 1.0) * worn
    glare = 0.10 * bump(hx.abs() - 0.435 + 0.7 * hy + 0.14, 0.07) + 0.03
    return frame * worn, lens * glare
