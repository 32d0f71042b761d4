"""Whole "photographs" with one or several drawn people: tilted, off-centre, small. Test material and examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter

from hyperstyle.images import to_photo
from hyperstyle.synthetic.parameters import Parameters
from hyperstyle.synthetic.renderer import render_figure

_ZOOM = 1.75
"""How much more than the aligned crop a figure shows: shoulders below, air above."""


@dataclass(frozen=True)
class Person:
    """One person in a photo.

    Attributes:
        parameters: Of one portrait, (1,) tensors.
        centre: Middle of the face as fractions of width and height.
        face: Height of the aligned crop as a fraction of the photo's height.
        roll_deg: Tilt, clockwise.
    """

    parameters: Parameters
    centre: tuple[float, float]
    face: float
    roll_deg: float = 0.0


def backdrop(size: tuple[int, int], seed: int) -> Image.Image:
    """A room or garden out of focus: two walls of colour with soft lights; (width, height) in pixels."""
    rng = np.random.default_rng(seed)
    width, height = size
    top, bottom = rng.uniform(90, 215, 3), rng.uniform(60, 170, 3)
    t = np.linspace(0, 1, height)[:, None, None]
    picture = Image.fromarray(np.broadcast_to(top * (1 - t) + bottom * t, (height, width, 3)).astype(np.uint8))
    lights = Image.new("RGB", size)
    mask = Image.new("L", size)
    paint, shape = ImageDraw.Draw(lights), ImageDraw.Draw(mask)
    for _ in range(14):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height * 0.8), rng.uniform(0.03, 0.10) * height
        colour = tuple(int(c) for c in rng.uniform(130, 255, 3))
        paint.ellipse((x - r * 1.2, y - r * 1.2, x + r * 1.2, y + r * 1.2), fill=colour)
        shape.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.uniform(40, 110)))
    picture.paste(lights, (0, 0), mask.filter(ImageFilter.GaussianBlur(height / 180)))
    return picture.filter(ImageFilter.GaussianBlur(height / 300))


def photograph(people: Sequence[Person], size: tuple[int, int] = (1280, 853), seed: int = 0) -> Image.Image:
    """Put people, first at the back, before a backdrop.

    Args:
        people: Who, where and how large.
        size: Width and height of the photo in pixels.
        seed: Of the backdrop.
    """
    photo = backdrop(size, seed)
    for person in people:
        side = max(16, math.ceil(person.face * size[1] * _ZOOM))
        with torch.inference_mode():
            # Large figures have smooth edges as they are; small ones gain from averaging.
            smooth = 1 if side > 400 else 2
            colour, cover = render_figure(person.parameters, side, _ZOOM, person.roll_deg, smooth)
        figure = to_photo(colour)
        mask = Image.fromarray((cover[0, 0] * 255).round().to(torch.uint8).numpy())
        corner = (round(person.centre[0] * size[0] - side / 2), round(person.centre[1] * size[1] - side / 2))
        photo.paste(figure, corner, mask)
    return photo
