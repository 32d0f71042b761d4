"""Parameters in, portraits out: sphere tracing, soft shading and compositing, batched.

Orthographic rays march through the signed distances of `geometry`; `appearance` says what colour a point has.
Drawn in the FFHQ-aligned frame: eyes and mouth sit where alignment puts them in photographs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.synthetic import appearance, geometry
from hyperstyle.synthetic import details as beyond
from hyperstyle.synthetic.geometry import Column, Point
from hyperstyle.synthetic.surfaces import Surfaces

_NEAR, _FAR = 1.75, -1.9
_STEPS = 22


def _distance(p: Column, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return Surfaces(p, Point(x, y, z)).union


def _march(p: Column, x: Tensor, y: Tensor, step: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """Depth of the first surface along each ray, and how close each ray came to any surface."""
    z = torch.full_like(x, _NEAR)
    nearest = torch.full_like(x, 10.0)
    for _ in range(_STEPS):
        d = step(p, x, y, z)
        nearest = torch.minimum(nearest, d)
        z = (z - 0.95 * d).clamp(_FAR, _NEAR)
    return z, nearest


def _shade_points(p: Column, x: Tensor, y: Tensor, z: Tensor, nearest: Tensor, px: Tensor) -> Tensor:
    """Colour of every ray's hit point over the background, in linear light, and how much of the pixel it covers.

    Returns:
        (B, 4, N): three colours and coverage.
    """
    s = Surfaces(p, Point(x, y, z))
    normal, occlusion = orient(p, s, x, y, z)
    colour = appearance.surface_colour(p, s.point, Point(x, y, z), normal, s, occlusion, px)
    cover = coverage(nearest, px)[:, None]
    return torch.cat([colour * cover + appearance.background(p, x, y) * (1 - cover), cover], 1)


def orient(p: Column, s: Surfaces, x: Tensor, y: Tensor, z: Tensor) -> tuple[Point, Tensor]:
    """Which way the surface faces at points on it, and how open to the air it is there.

    Returns:
        Unit normals in the world frame, and occlusion, 0.22 in deep folds to 1 in the open; (B, N) each.
    """
    h = 0.012
    nx = _distance(p, x + h, y, z) - s.union
    ny = _distance(p, x, y + h, z) - s.union
    nz = _distance(p, x, y, z + h) - s.union
    inv = (nx * nx + ny * ny + nz * nz + 1e-12).rsqrt()
    normal = Point(nx * inv, ny * inv, nz * inv)
    reach = 0.16
    open_air = _distance(p, x + normal.x * reach, y + normal.y * reach, z + normal.z * reach)
    return normal, (open_air / reach).clamp(0.22, 1)


def coverage(nearest: Tensor, px: Tensor) -> Tensor:
    """How much of each pixel a surface covers, (B, N) in [0, 1], from how close its ray came to one."""
    tolerance = px.clamp(min=0.014)  # rays along a surface converge slowly: finer than this they would leave gaps
    return (1.3 - nearest / tolerance).clamp(0, 1)


def _grid(p: Column, size: int, zoom: float, roll_deg: float) -> tuple[Tensor, Tensor, Tensor]:
    """World x and y of every pixel centre, (B, N), and the width of a pixel, (B, 1)."""
    centre, ax, ay = geometry.camera(p)
    if zoom != 1.0 or roll_deg:
        cos, sin = math.cos(math.radians(roll_deg)) * zoom, math.sin(math.radians(roll_deg)) * zoom
        ax, ay = ax * cos + ay * sin, ay * cos - ax * sin
    t = (torch.arange(size, device=centre.device, dtype=torch.float32) + 0.5) / size * 2 - 1
    v, u = torch.meshgrid(t, t, indexing="ij")
    u, v = u.reshape(1, -1), v.reshape(1, -1)
    x = centre[:, :1] + u * ax[:, :1] + v * ay[:, :1]
    y = centre[:, 1:] + u * ax[:, 1:] + v * ay[:, 1:]
    return x, y, ax.norm(dim=1, keepdim=True) * (2 / size)


def render(
    parameters: Mapping[str, Tensor],
    size: int,
    details: Mapping[str, Tensor] | None = None,
    supersample: int = 1,
    compiled: bool = False,
) -> Tensor:
    """Draw portraits.

    Args:
        parameters: Name -> (B,) tensor (see `parameters.PARAMETERS`).
        size: Side of the square picture in pixels; any resolution.
        details: Beyond-domain details by name -> (B, ...) tensors (see `details`); None draws plain portraits.
        supersample: Render at this multiple of `size` and average: smoother edges, proportionally slower.
        compiled: Use `torch.compile` for the marching and shading (worth it for thousands of pictures).

    Returns:
        (B, 3, size, size) float RGB in [-1, 1].
    """
    return _draw(parameters, size, details, supersample, compiled)[:, :3] * 2 - 1


def render_figure(
    parameters: Mapping[str, Tensor], size: int, zoom: float = 1.0, roll_deg: float = 0.0, supersample: int = 2
) -> tuple[Tensor, Tensor]:
    """Draw people without their background, for compositing into photographs.

    Args:
        parameters: Name -> (B,) tensor.
        size: Side of the square picture in pixels.
        zoom: 1 is the aligned crop; larger values show more around it (shoulders, space above the hair).
        roll_deg: Tilts the head and shoulders clockwise.
        supersample: As for `render`.

    Returns:
        (B, 3, size, size) RGB in [-1, 1] and (B, 1, size, size) coverage in [0, 1].
    """
    drawn = _draw(parameters, size, None, supersample, False, zoom, roll_deg)
    return drawn[:, :3] * 2 - 1, drawn[:, 3:]


def _draw(
    parameters: Mapping[str, Tensor],
    size: int,
    details: Mapping[str, Tensor] | None,
    supersample: int,
    compiled: bool,
    zoom: float = 1.0,
    roll_deg: float = 0.0,
) -> Tensor:
    """Display-encoded colour in [0, 1] and coverage, (B, 4, size, size)."""
    p = geometry.columns(parameters)
    side = size * supersample
    x, y, px, z, nearest = trace(p, side, compiled, zoom, roll_deg)
    shade = compile_once(_shade_points) if compiled else _shade_points
    shaded = shade(p, x, y, z, nearest, px)
    light, cover = shaded[:, :3], shaded[:, 3:]
    light = appearance.glasses(p, light, x, y, px)
    if details:
        light = beyond.paint(p, details, light, x, y, z, px)
    picture = torch.cat([light.clamp(0, 1).pow(1 / 2.2), cover], 1).reshape(-1, 4, side, side)
    return F.avg_pool2d(picture, supersample) if supersample > 1 else picture


def trace(
    p: Column, side: int, compiled: bool = False, zoom: float = 1.0, roll_deg: float = 0.0
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Find the surface behind every pixel.

    Args:
        p: Parameters, (B, 1) each.
        side: Of the picture in pixels.
        compiled, zoom, roll_deg: As for `render` and `render_figure`.

    Returns:
        World x and y of every pixel, (B, N); the width of a pixel, (B, 1); depth of the first surface, and how close
        the ray came to any, (B, N).
    """
    x, y, px = _grid(p, side, zoom, roll_deg)
    z, nearest = _march(p, x, y, compile_once(_distance) if compiled else _distance)
    return x, y, px, z, nearest


_compiled: dict[Callable[..., Tensor], Callable[..., Tensor]] = {}


def compile_once(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function through `torch.compile`, which is asked only the first time."""
    if function not in _compiled:
        _compiled[function] = torch.compile(function, dynamic=False)
    return _compiled[function]
