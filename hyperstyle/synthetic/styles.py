"""The same portraits by other hands: a drawing in ink and red chalk, and a sculpture in clay.

Every picture is drawn from the surfaces that the plain renderer finds, pixel by pixel the same, so that a generator can
be fine-tuned from one to the other. Widths of lines are fractions of the picture: it looks the same at any resolution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.errors import UsageError, did_you_mean
from hyperstyle.synthetic import appearance, geometry, renderer
from hyperstyle.synthetic.geometry import Column, Point
from hyperstyle.synthetic.surfaces import Surfaces

_UNIT = 256
"""Lengths below are in pixels of a picture of this size."""


@dataclass(frozen=True)
class Sight:
    """What is seen through every pixel, before any material or light: (B, C, S, S) tensors.

    Attributes:
        normal: C = 3, unit normals in the world frame (x right, y down, z towards the viewer).
        depth: C = 1, in the renderer's units, larger is nearer.
        occlusion: C = 1, 0.22 in deep folds to 1 in the open.
        tone: C = 1, how light everything is under even light, 0 to 1 as displayed, with skin, hair and clothes of one
            lightness each: what is left are features and texture.
        wet, hair, fabric, cover, frame: C = 1, masks of eyes and mouth, hair, clothes, the person, and spectacles.
        strands: C = 1, light and dark along the hair, about 1 +- 0.2.
        flow: C = 1, an angle in radians that is equal along a strand of hair.
        redness: C = 1, how much redder than skin something is, 0 to about 0.3: lips and cheeks.
        darkness: C = 1, how dark the person's own colours are, 0 to 1.
        key: C = 1, how much the key light faces the surface, -1 to 1.
        u, v: C = 1, place in the picture, 0 to 1 from the left and from the top.
    """

    normal: Tensor
    depth: Tensor
    occlusion: Tensor
    tone: Tensor
    wet: Tensor
    hair: Tensor
    fabric: Tensor
    cover: Tensor
    frame: Tensor
    strands: Tensor
    flow: Tensor
    redness: Tensor
    darkness: Tensor
    key: Tensor
    u: Tensor
    v: Tensor

    @property
    def pixel(self) -> float:
        """How many pixels make a unit of length."""
        return self.depth.shape[-1] / _UNIT


def _even(p: Column) -> dict[str, Tensor]:
    """Parameters with the colours of a plaster cast: geometry, lips, brows and wrinkles stay."""
    fixed = {
        "skin_tone": 0.0,
        "skin_warmth": 0.0,
        "hair_shade": 0.55,
        "hair_red": 0.0,
        "hair_grey": 0.0,
        "eye_colour": 0.55,
        "light_x": 0.0,  # where the glint in the eyes is
        "clothes_saturation": 0.0,
        "clothes_light": 0.85,
    }
    like = p["yaw"]
    return {**p, **{name: torch.full_like(like, value) for name, value in fixed.items()}}


def _luminance(light: Tensor) -> Tensor:
    """Displayed lightness, 0 to 1, of (B, 3, N) linear light: (B, N)."""
    weights = light.new_tensor([0.30, 0.59, 0.11])[None, :, None]
    return (light * weights).sum(1).clamp(0, 1).pow(1 / 2.2)


def look(parameters: Mapping[str, Tensor], size: int, compiled: bool = False) -> Sight:
    """Find what is seen through every pixel.

    Args:
        parameters: Name -> (B,) tensor (see `parameters.PARAMETERS`).
        size: Side of the picture in pixels.
        compiled: As for `renderer.render`.
    """
    p = geometry.columns(parameters)
    x, y, px, z, nearest = renderer.trace(p, size, compiled)
    observe = renderer.compile_once(_observe) if compiled else _observe
    flat = observe(p, x, y, z, nearest, px)
    maps = flat.reshape(flat.shape[0], -1, size, size)
    t = (torch.arange(size, device=maps.device, dtype=torch.float32) + 0.5) / size
    v, u = torch.meshgrid(t, t, indexing="ij")
    parts = [maps[:, :3], *(m[:, None] for m in maps[:, 3:].unbind(1)), u[None, None], v[None, None]]
    return Sight(**{field.name: part for field, part in zip(fields(Sight), parts, strict=True)})


def _observe(p: Column, x: Tensor, y: Tensor, z: Tensor, nearest: Tensor, px: Tensor) -> Tensor:
    """The maps of a `Sight` from `normal` to `key`, in order: (B, 16, N)."""
    world = Point(x, y, z)
    s = Surfaces(p, world)
    normal, occlusion = renderer.orient(p, s, x, y, z)
    paint = appearance.surface_paint(_even(p), s.point, world, normal, s, px)
    own = appearance.surface_paint(p, s.point, world, normal, s, px)
    cover = renderer.coverage(nearest, px)
    lx, ly, lz = appearance.light_direction(p)
    frame = appearance.spectacles(p, x, y, px)[0]
    around, wobble = appearance.hair_flow(p, s.point)
    hue = paint.albedo.clamp(0, 1).pow(1 / 2.2)
    skin = appearance.skin_colour(_even(p)).pow(1 / 2.2)
    redness = (hue[:, 0] - hue[:, 1]) - (skin[:, 0] - skin[:, 1])
    return torch.stack(
        [
            *normal,
            z,
            occlusion,
            _luminance(paint.albedo),
            paint.wet,
            paint.on_hair,
            paint.fabric,
            cover,
            frame,
            appearance.strands(p, s.point),
            around + wobble,
            redness.clamp(min=0),
            1 - _luminance(own.albedo),
            normal.x * lx + normal.y * ly + normal.z * lz,
        ],
        1,
    )


def blur(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (B, C, S, S) maps; `sigma` in pixels."""
    radius = max(1, math.ceil(2.5 * sigma))
    t = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    weights = torch.exp(-(t * t) / (2 * sigma * sigma))
    weights = weights / weights.sum()
    b, c, height, width = maps.shape
    flat = F.pad(maps.reshape(b * c, 1, height, width), (radius,) * 4, "replicate")
    flat = F.conv2d(F.conv2d(flat, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return flat.reshape(b, c, height, width)


def slope(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Change per pixel across and down, of (B, C, S, S) maps."""
    wide = F.pad(maps, (1, 1, 1, 1), "replicate")
    return (wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]) / 2, (wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]) / 2


def ramp(x: Tensor, start: float, end: float) -> Tensor:
    """Smooth step from 0 at `start` to 1 at `end`, which may be the smaller."""
    t = ((x - start) / (end - start)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _closed(cover: Tensor, width: float) -> Tensor:
    """A mask without its cracks: grazing rays leave some between hair and face."""
    side = 2 * max(1, round(width)) + 1
    grown = F.max_pool2d(cover, side, 1, side // 2)
    return -F.max_pool2d(-grown, side, 1, side // 2)


def _border(mask: Tensor, width: float) -> Tensor:
    """A pen stroke of about `width` pixels along a mask's edge."""
    dx, dy = slope(blur(mask, 0.7 * width))
    return ramp((dx * dx + dy * dy).sqrt() * (1.75 * width), 0.30, 0.80)


def _dark_lines(tone: Tensor, width: float) -> Tensor:
    """How much darker each pixel is than its surroundings."""
    return (blur(tone, 1.8 * width) - blur(tone, 0.6 * width)).clamp(min=0)


def _colour(r: int, g: int, b: int, like: Tensor) -> Tensor:
    """A displayed colour (0..255) as (1, 3, 1, 1)."""
    return like.new_tensor([r / 255, g / 255, b / 255])[None, :, None, None]


def _hatch(s: Sight, degrees: float, period: float, darkness: Tensor, lean: float = 0.6) -> Tensor:
    """Parallel strokes that grow wider and stronger with `darkness`, 0 to 1.

    Args:
        s: The sight.
        degrees: Direction across the strokes, clockwise from the right.
        period: Between two strokes, in units of length.
        darkness: (B, 1, S, S).
        lean: By how many periods strokes move where the surface turns to the side.
    """
    a = math.radians(degrees)
    across = (s.u * math.cos(a) + s.v * math.sin(a)) * _UNIT / period
    wave = 0.5 + 0.5 * torch.cos(2 * torch.pi * (across + lean * blur(s.normal[:, :1], 4 * s.pixel)))
    strokes = ramp(wave + 0.55 * darkness, 0.75, 1.25)
    if period * s.pixel < 3:  # in a picture this small they are an even grey
        strokes = 0.27 + 0.33 * darkness
    return strokes * ramp(darkness, 0.0, 0.45)


def _local(values: Tensor, mask: Tensor, width: float) -> Tensor:
    """Mean of `values` inside a mask around every pixel."""
    return blur(values * mask, width) / blur(mask, width).clamp(min=0.05)


def _strokes_along_hair(s: Sight, count: float, amount: Tensor) -> Tensor:
    """Lines that follow the strands: `count` of them around the head, wider with `amount`, 0 to 1."""
    dx, dy = slope(s.flow)
    crowding = (dx * dx + dy * dy).sqrt() * count / (2 * torch.pi)  # strokes per pixel
    # Where the hair turns away, strokes would stand closer than pixels: there they become an even grey.
    distinct = ramp(crowding, 0.42, 0.22)
    wave = 0.5 + 0.5 * torch.cos(s.flow * count)
    return torch.lerp(0.5 * amount, ramp(wave + 0.6 * amount, 0.70, 1.20), distinct)


def draw_line(s: Sight) -> Tensor:
    """Ink lines, hair drawn strand by strand, red chalk for skin, lips and shadows; on warm paper.

    Returns:
        (B, 3, S, S) as displayed, 0 to 1.
    """
    px = s.pixel
    paper, ink, chalk = (_colour(*c, s.tone) for c in ((249, 243, 231), (41, 36, 44), (182, 88, 62)))
    cover = _closed(s.cover, 2.5 * px)
    skin = cover * (1 - s.hair) * (1 - s.fabric)

    # Light and shadow, in two layers of red chalk; darker skin and lips are washed in.
    lit = blur((0.5 + 0.5 * s.key) * (0.35 + 0.65 * s.occlusion), 2.0 * px)
    shade = ramp(lit, 0.74, 0.26)
    strokes = torch.maximum(
        _hatch(s, 38, 5.2, ramp(shade, 0.15, 1.0)), 0.8 * _hatch(s, -22, 5.2, ramp(shade, 0.6, 1.2))
    )
    tan = ramp(_local(s.darkness, skin * (1 - s.wet), 9 * px), 0.18, 0.75)
    lips = ramp(s.redness, 0.03, 0.12) * (1 - s.wet)
    warm = skin * (0.46 * strokes * (1 - 0.8 * s.wet) + 0.14 * shade + (0.34 * tan + 0.04) * (1 - s.wet) + 0.34 * lips)

    # Beards are dark over more than a line's width: short strokes of the pen, where features are lines and spots.
    broad = _local(s.tone, skin, 5 * px)
    bristle = ramp(broad, 0.78, 0.42) * ramp(s.tone, 0.80, 0.60) * skin * (1 - s.wet) * (1 - lips)
    beard = 0.78 * _hatch(s, 6, 3.6, bristle, lean=5.0) + 0.16 * bristle

    # Hair: the darker, the closer and the stronger its strokes.
    dark = ramp(_local(s.darkness, s.hair * cover, 5 * px), 0.15, 0.92)
    groove = ramp(s.strands, 1.06, 0.80)
    pen = _strokes_along_hair(s, 76, (0.10 + 0.45 * dark + 0.45 * groove + 0.25 * shade).clamp(0, 1))
    mass = cover * s.hair * (0.40 * dark + pen * (0.34 + 0.30 * dark) + 0.20 * groove * dark)

    # Lines: where things end, where surfaces turn away, and what is painted on them.
    outline = torch.maximum(_border(cover, 1.7 * px), 0.8 * _border(s.hair * cover, 1.2 * px))
    outline = torch.maximum(outline, 0.85 * _border(s.fabric * (1 - s.hair) * cover, 1.2 * px))
    turn = ramp(blur(s.normal[:, 2:], 0.7 * px), 0.30, 0.12) * cover * (1 - s.hair)
    painted = torch.where(cover > 0.5, s.tone, torch.ones_like(s.tone))
    bearded = ramp(broad, 0.75, 0.55) * (1 - s.wet)
    feature = ramp(_dark_lines(painted, 1.1 * px), 0.012, 0.085) * skin * (1 - 0.9 * bearded)
    spot = ramp(s.tone, 0.50, 0.22) * skin * (1 - 0.7 * bearded)
    fold = ramp(s.occlusion, 0.62, 0.30) * 0.25 * skin
    lines = torch.stack([0.95 * outline, 0.65 * turn, 0.9 * feature, 0.9 * spot, fold]).amax(0)

    clothed = cover * s.fabric * (1 - s.hair)
    fill = ramp(_local(s.darkness, clothed, 6 * px), 0.15, 0.9)
    cloth = clothed * (
        0.05 + 0.30 * fill + 0.55 * _hatch(s, 62, 6.0, (0.5 * fill + 0.6 * ramp(shade, 0.1, 1.0)).clamp(0, 1))
    )

    picture = paper.expand(len(s.tone), 3, *s.tone.shape[2:])
    picture = picture * (1 - warm) + (paper * 0.08 + chalk * 0.92) * warm
    for amount in (0.75 * cloth, beard, mass.clamp(0, 0.97), lines, s.frame):
        picture = picture * (1 - amount) + ink * amount
    return picture


def draw_clay(s: Sight) -> Tensor:
    """One fired clay for everything, shaded softly; features are carved, hair is a mass with grooves.

    Returns:
        (B, 3, S, S) as displayed, 0 to 1.
    """
    px = s.pixel
    cover = _closed(s.cover, 2.5 * px)
    skin = cover * (1 - s.hair)
    # What is dark in the flesh is a hollow in clay. Beards are combed with a toothed tool, hair with a wide one.
    broad = _local(s.tone, skin, 5 * px)
    bristle = ramp(broad, 0.80, 0.50) * skin * (1 - s.wet)
    comb = _hatch(s, 8, 5.0, 0.5 * torch.ones_like(broad), lean=5.0)
    flesh = torch.lerp(s.tone, 0.88 - 0.16 * comb, bristle)
    hair = 0.90 + 1.5 * (s.strands - 1) + 0.03 * torch.cos(s.flow * 60)
    relief = blur(torch.lerp(flesh, hair, s.hair), 0.8 * px)
    relief = relief + 0.8 * blur(s.frame, 0.8 * px)
    dx, dy = slope(relief * cover)
    depth = 6.0 * px
    form, occlusion = blur(s.normal, 0.8 * px), blur(s.occlusion, 0.8 * px)  # soft clay has no sharp seams
    n = torch.cat([form[:, :1] - dx * depth, form[:, 1:2] - dy * depth, form[:, 2:]], 1)
    n = n / n.square().sum(1, keepdim=True).sqrt()

    key, rim, half = (
        n.new_tensor(d)[None, :, None, None] for d in ((-0.42, -0.48, 0.77), (0.93, -0.15, 0.33), (-0.22, -0.26, 0.94))
    )
    facing, back = (n * key).sum(1, keepdim=True), (n * rim).sum(1, keepdim=True)
    hollow = (blur(relief, 6 * px) - relief).clamp(min=0) * cover
    open_air = (0.30 + 0.70 * occlusion) * (1 - 1.2 * hollow).clamp(min=0.25)
    diffuse = ((facing + 0.28) / 1.28).clamp(min=0).pow(1.25)
    sky = 0.5 - 0.5 * n[:, 1:2]
    gloss = (n * half).sum(1, keepdim=True).clamp(min=0).pow(20)
    base = _colour(216, 148, 114, s.tone).pow(2.2)
    warm, cool = _colour(255, 241, 224, s.tone).pow(2.2), _colour(176, 186, 210, s.tone).pow(2.2)
    light = warm * (1.12 * diffuse * open_air) + cool * (0.30 * sky * open_air) + 0.14 * warm * back.clamp(min=0)
    clay = base * (light + 0.04 * warm) + 0.06 * gloss * open_air
    wall = _colour(222, 216, 208, s.tone).pow(2.2)
    wall = wall * (1.05 - 0.6 * ((s.u - 0.35) ** 2 + (s.v - 0.30) ** 2))
    picture = wall * (1 - cover) + clay * cover
    wire = base * 0.16 * (0.4 + 0.9 * light)
    picture = picture * (1 - s.frame) + wire * s.frame
    return picture.clamp(0, 1).pow(1 / 2.2)


STYLES: Mapping[str, Callable[[Sight], Tensor]] = {"line": draw_line, "clay": draw_clay}
"""By name: how a portrait is drawn from what is seen."""


def render_style(name: str, parameters: Mapping[str, Tensor], size: int, compiled: bool = False) -> Tensor:
    """Draw portraits in a style.

    Args:
        name: A key of `STYLES`.
        parameters: Name -> (B,) tensor (see `parameters.PARAMETERS`).
        size: Side of the square picture in pixels; any resolution.
        compiled: As for `renderer.render`.

    Returns:
        (B, 3, size, size) float RGB in [-1, 1], the same portraits as `renderer.render` draws, pixel by pixel.

    Raises:
        UsageError: There is no such style.
    """
    if name not in STYLES:
        raise UsageError(f"There is no style called '{name}'; {did_you_mean(name, STYLES)}")
    return STYLES[name](look(parameters, size, compiled)) * 2 - 1
