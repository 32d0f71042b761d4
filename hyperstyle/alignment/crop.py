"""FFHQ crop geometry: pure functions from eyes and mouth to an upright square, and back.

Coordinates are in pixels of the photo, x to the right and y down, with (0, 0) the CENTRE of the top left pixel, as
landmark detectors for FFHQ count. A quad lists the corners of the crop: top left, bottom left, bottom right, top right.

Source: the FFHQ recipe (Karras et al., arXiv 1812.04948, appendix A), as used for every published FFHQ model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Points = NDArray[np.float64]

RECIPE_SIZE = 1024  # pixels a side that the recipe samples
SMALL_SIZE = 512  # up to here crops are made from a smaller picture, in a fraction of the time

EYE_WIDTHS = 2.0  # the crop's half side is the larger of 2.0 eye distances ...
EYE_TO_MOUTH_HEIGHTS = 1.8  # ... and 1.8 times the way from the eyes to the mouth
CENTRE_BELOW_EYES = 0.1  # as a fraction of the way from the eyes to the mouth

_BORDER = 0.1  # context kept around the quad, in quad sides; keeps filters away from the cut
_PADDING = 0.3  # least reflected border when any is needed
_BLUR = 0.02  # standard deviation of the border's blur, in quad sides
_LAST_FREQUENCY = 5.5  # times 1 / sigma; a Gaussian blur leaves less than 1e-6 of anything beyond


@dataclass(frozen=True, eq=False)
class CropPlan:
    """How the recipe cuts one quad out of one photo; everything that does not need pixels.

    Attributes:
        shrink: Whole number by which the photo is shrunk first, 1 for not at all.
        shrunk_size: (width, height) of the shrunk photo.
        box: (left, top, right, bottom) cut from the shrunk photo.
        padding: Pixels (left, top, right, bottom) added around the box; all zero when nothing is missing.
        quad: (4, 2) corners in the padded box.
        side: Side of the quad in pixels of the shrunk photo.
        samples: Pixels a side that are sampled from the quad, before resizing to the wanted size.
    """

    shrink: int
    shrunk_size: tuple[int, int]
    box: tuple[int, int, int, int]
    padding: tuple[int, int, int, int]
    quad: Points
    side: float
    samples: int


def face_quad(left_eye: Points, right_eye: Points, left_mouth: Points, right_mouth: Points) -> Points:
    """Place the FFHQ crop of a face.

    Args:
        left_eye: (2,) centre of the eye on the left of the picture, as the mean of six points around it.
        right_eye: (2,) the same of the eye on the right.
        left_mouth: (2,) corner of the mouth on the left of the picture.
        right_mouth: (2,) the corner on the right.

    Returns:
        (4, 2) corners of a square, which may reach outside the photo.
    """
    eye_middle = (left_eye + right_eye) / 2
    eye_to_eye = right_eye - left_eye
    eye_to_mouth = (left_mouth + right_mouth) / 2 - eye_middle
    # The crop's x axis is a compromise between the line of the eyes and the normal of the line down to the mouth.
    x = eye_to_eye + np.array([eye_to_mouth[1], -eye_to_mouth[0]])
    x = x / np.hypot(*x)
    x = x * max(EYE_WIDTHS * np.hypot(*eye_to_eye), EYE_TO_MOUTH_HEIGHTS * np.hypot(*eye_to_mouth))
    y = np.array([-x[1], x[0]])
    centre = eye_middle + CENTRE_BELOW_EYES * eye_to_mouth
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def quad_side(quad: Points) -> float:
    """Side of a square quad in pixels."""
    return float(np.hypot(*(quad[3] - quad[0])))


def plan_crop(quad: Points, photo_size: tuple[int, int], size: int = RECIPE_SIZE) -> CropPlan:
    """Work out shrinking, cutting and padding for one quad.

    Args:
        quad: (4, 2) corners in the photo.
        photo_size: (width, height) of the photo.
        size: Side of the wanted crop in pixels.
    """
    side = quad_side(quad)
    samples = max(2 * size, SMALL_SIZE) if size <= SMALL_SIZE else max(size, RECIPE_SIZE)
    # The recipe shrinks only what is more than four times too large, and so aliases a little; a small crop can afford
    # to be exact.
    shrink = max(1, int(np.floor(side / samples if size <= SMALL_SIZE else side / samples * 0.5)))
    shrunk = photo_size
    if shrink > 1:
        shrunk = (round(photo_size[0] / shrink), round(photo_size[1] / shrink))
        quad = quad / shrink
        side /= shrink

    border = max(round(side * _BORDER), 3)
    low = np.floor(quad.min(axis=0)).astype(int)
    high = np.ceil(quad.max(axis=0)).astype(int)
    left, top = (int(value) for value in np.maximum(low - border, 0))
    right, bottom = (int(value) for value in np.minimum(high + border, shrunk))
    # A quad wholly outside the photo still needs one pixel to reflect.
    left, top = min(left, shrunk[0] - 1), min(top, shrunk[1] - 1)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    quad = quad - (left, top)

    low = np.floor(quad.min(axis=0)).astype(int)
    high = np.ceil(quad.max(axis=0)).astype(int)
    missing = np.concatenate([border - low, high - (right - left, bottom - top) + border]).clip(min=0)
    padding = (0, 0, 0, 0)
    if missing.max() > border - 4:
        pads = np.maximum(missing, round(side * _PADDING))
        padding = (int(pads[0]), int(pads[1]), int(pads[2]), int(pads[3]))
        quad = quad + np.array(padding[:2])
    return CropPlan(shrink, shrunk, (left, top, right, bottom), padding, quad, side, samples)


def crop_face(photo: Image.Image, quad: Points, size: int = RECIPE_SIZE) -> Image.Image:
    """Cut a quad out of a photo as an upright square, inventing a soft border where the photo ends.

    Args:
        photo: RGB.
        quad: (4, 2) corners in the photo.
        size: Side of the result in pixels. From 513 to 1024 it is the recipe itself, resized with antialiasing, as the
            published models saw it; smaller ones show the same with less work, larger ones are sampled more finely.

    Returns:
        An RGB square; what lies outside the photo is mirrored, blurred and fades to the median colour.
    """
    plan = plan_crop(quad, photo.size, size)
    picture = photo
    if plan.shrink > 1:
        picture = photo.resize(plan.shrunk_size, Image.Resampling.LANCZOS)
    if plan.box != (0, 0, *picture.size):
        picture = picture.crop(plan.box)
    if any(plan.padding):
        picture = Image.fromarray(_pad(np.asarray(picture), plan.padding, plan.side))
    corners = (plan.quad + 0.5).flatten()  # Pillow counts from the corner of a pixel
    picture = picture.transform(
        (plan.samples, plan.samples), Image.Transform.QUAD, corners.tolist(), Image.Resampling.BILINEAR
    )
    if size != plan.samples:
        picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return picture


def sampled_quad(quad: Points, photo_size: tuple[int, int], size: int = RECIPE_SIZE) -> Points:
    """Where in the photo `crop_face` really reads.

    The recipe divides corner coordinates by the shrink factor as if pixel centres were pixel corners, which moves the
    crop of a very large face by a fraction of a pixel. Putting a face back without a seam needs the true place.

    Args:
        quad: (4, 2) corners as given to `crop_face`.
        photo_size: (width, height) of the photo.
        size: As given to `crop_face`.

    Returns:
        (4, 2) corners in the photo.
    """
    plan = plan_crop(quad, photo_size, size)
    if plan.shrink == 1:
        return quad
    scale = np.array(photo_size) / np.array(plan.shrunk_size)
    return (quad / plan.shrink + 0.5) * scale - 0.5


def quad_to_photo(quad: Points, points: Points) -> Points:
    """Map points of the crop, (N, 2) with (0, 0) its top left and (1, 1) its bottom right corner, into the photo."""
    return quad[0] + points[:, :1] * (quad[3] - quad[0]) + points[:, 1:] * (quad[1] - quad[0])


def photo_to_quad(quad: Points, points: Points) -> Points:
    """Map points of the photo, (N, 2), into the crop, (0, 0) being its top left and (1, 1) its bottom right corner."""
    axes = np.stack([quad[3] - quad[0], quad[1] - quad[0]], axis=1)
    return np.linalg.solve(axes, (points - quad[0]).T).T


def outside_fraction(quad: Points, photo_size: tuple[int, int]) -> float:
    """Share of the crop's area that lies outside the photo, 0 to 1."""
    grid = (np.arange(128) + 0.5) / 128
    points = quad_to_photo(quad, np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2))
    inside = np.all((points >= -0.5) & (points <= np.array(photo_size) - 0.5), axis=1)
    return float(1 - inside.mean())


def border_blend(plan: CropPlan, xs: Points, ys: Points) -> Points:
    """How strongly the recipe softens the photo's own pixels near its edge.

    Args:
        plan: From `plan_crop`.
        xs: (W,) x in the photo.
        ys: (H,) y in the photo.

    Returns:
        (H, W) from 0 (untouched) to 1 (blurred).
    """
    if not any(plan.padding):
        return np.zeros((len(ys), len(xs)))
    left, top, right, bottom = plan.box
    x = xs / plan.shrink - left + plan.padding[0]
    y = ys / plan.shrink - top + plan.padding[1]
    width = right - left + plan.padding[0] + plan.padding[2]
    height = bottom - top + plan.padding[1] + plan.padding[3]
    return np.clip(_fade(x, y, width, height, plan.padding) * 3 + 1, 0, 1)


def _fade(x: Points, y: Points, width: int, height: int, padding: tuple[int, int, int, int]) -> Points:
    """The recipe's mask, (H, W): 1 at the outermost pixel, 0 where the photo begins, negative inside."""
    left, top, right, bottom = (max(pad, 1e-9) for pad in padding)
    across = 1 - np.minimum(x / left, (width - 1 - x) / right)
    down = 1 - np.minimum(y / top, (height - 1 - y) / bottom)
    return np.maximum(across[None, :], down[:, None])


def _pad(pixels: NDArray[np.uint8], padding: tuple[int, int, int, int], side: float) -> NDArray[np.uint8]:
    """Mirror (H, W, 3) pixels outwards, blur the mirrored part and fade it to the median colour."""
    left, top, right, bottom = padding
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
    planes = np.pad(planes, ((0, 0), (top, bottom), (left, right)), "reflect")
    height, width = planes.shape[1:]
    fade = _fade(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64), width, height, padding)
    soften = np.clip(fade * 3 + 1, 0, 1).astype(np.float32)
    fade = np.clip(fade, 0, 1).astype(np.float32)
    for plane, blurred in zip(planes, blur(planes, side * _BLUR), strict=True):
        plane += (blurred - plane) * soften
        plane += (np.median(plane) - plane) * fade
    return np.clip(np.rint(planes, out=planes), 0, 255, out=planes).astype(np.uint8).transpose(1, 2, 0)


def blur(planes: NDArray[np.float32], sigma: float) -> Iterator[NDArray[np.float32]]:
    """Blur each plane of (C, H, W) by a Gaussian with mirrored edges.

    With mirrored edges the cosine transform turns a convolution into a product, and a wide blur leaves only a few low
    frequencies of it, so thin matrix products replace a filter that takes half a minute on a large photo.
    """
    down, down_gain = _low_cosines(planes.shape[1], sigma)
    across, across_gain = _low_cosines(planes.shape[2], sigma)
    gain = down_gain[:, None] * across_gain
    for plane in planes:
        yield down.T @ (((down @ plane) @ across.T * gain) @ across)


def _low_cosines(length: int, sigma: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The orthonormal cosines (K, length) that survive a Gaussian blur, and the (K,) share that is left of each."""
    count = min(length, int(np.ceil(length * _LAST_FREQUENCY / (np.pi * sigma))) + 1)
    angles = np.arange(count)[:, None] * (np.pi / length)
    cosines = np.cos(angles * (np.arange(length) + 0.5)) * np.sqrt(2 / length)
    cosines[0] = np.sqrt(1 / length)
    offsets = np.arange(1, int(4 * sigma + 0.5) + 1)  # the recipe's filter ends at four standard deviations
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    share = (1 + 2 * np.cos(angles * offsets) @ weights) / (1 + 2 * weights.sum())
    return cosines.astype(np.float32), share.astype(np.float32)
