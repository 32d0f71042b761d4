"""The surfaces of a portrait: how far every point is from skin, clothes and hair."""

from __future__ import annotations

import torch

from hyperstyle.synthetic import geometry
from hyperstyle.synthetic.geometry import Column, Point


class Surfaces:
    """Distances of all surfaces at one set of points, and their union."""

    def __init__(self, p: Column, world: Point) -> None:
        head_frame = geometry.rotate(p, world, inverse=True)
        skin = geometry.head(p, head_frame)
        self.point = head_frame
        bristle = (0.07 * p["beard"] * geometry.beard_amount(p, head_frame)) + (
            0.045 * p["moustache"] * geometry.moustache_amount(p, head_frame)
        )
        self.head = skin - bristle
        self.neck = geometry.neck(p, world)
        self.torso = geometry.torso(p, world)
        self.hair = geometry.hair(p, head_frame)
        self.skin = geometry.smooth_min(self.head, self.neck, 0.12)
        self.body = geometry.smooth_min(self.skin, self.torso, 0.10)
        self.union = torch.minimum(self.body, self.hair)
