"""Put an edited face back into its photo: the crop's inverse map and a soft mask.

What the mask leaves out is copied, never resampled: those pixels of the photo stay exactly as they were.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from hyperstyle.alignment import crop
from hyperstyle.alignment.faces import AlignedFace
from hyperstyle.errors import UsageError

Points = NDArray[np.float64]

FEATHER = 0.12  # of the crop; wide enough that skin, hair and background fade without a line
MAX_FEATHER = 0.5  # the mask is then soft from its rim to its middle

_MASK_POWER = 2.5  # between an ellipse (2), which cuts hair at the corners, and the square itself, whose corners show
_RIM = 4  # pixels repeated around the crop
_MASK_SIDE = 512
_COLOUR_SIDE = 256
_COLOUR_RADIUS = 0.08  # of the crop: colour matching moves light and tint, features of this size and below stay


def paste_back(
    photo: Image.Image,
    face: AlignedFace,
    picture: Image.Image,
    feather: float = FEATHER,
    colour_match: float = 0.0,
) -> tuple[Image.Image, Image.Image]:
    """Put an edited face back where it was cut out.

    Args:
        photo: The photo `face` was aligned in.
        face: Says where the face is.
        picture: The edited crop, square (unless the face is a whole photo), any size.
        feather: Width of the soft edge as a fraction of the crop, 0 (hard) to 0.5.
        colour_match: 0 takes the picture's colours as they are, 1 gives it the photo's light and tint (everything
            coarser than about a twelfth of the crop). Useful when a reconstruction is slightly off in colour; it also
            undoes edits that are nothing but a change of colour.

    Returns:
        The photo with the face in it, RGB, and the mask that was used, mode "L" and of the photo's size. Where the mask
        is 0, the photo's pixels are unchanged, bit for bit.

    Raises:
        UsageError: `feather` or `colour_match` is out of range, or the picture is not square.
    """
    if not 0 <= feather <= MAX_FEATHER:
        raise UsageError(f"The feather must lie between 0 and {MAX_FEATHER:g} of the crop, not {feather:g}.")
    if not 0 <= colour_match <= 1:
        raise UsageError(f"The colour match must lie between 0 and 1, not {colour_match:g}.")
    if face.whole:
        filled = picture.convert("RGB").resize(photo.size, Image.Resampling.LANCZOS)
        return filled, Image.new("L", photo.size, 255)
    if picture.width != picture.height:
        raise UsageError(f"An aligned face is square, but this picture is {picture.width} x {picture.height} pixels.")
    photo = photo.convert("RGB")
    result, whole_mask = photo.copy(), Image.new("L", photo.size, 0)
    box = _box_in_photo(face.quad, photo.size)
    if box is None:
        return result, whole_mask

    mask = _mask(face.quad, photo.size, face.picture.width, box, feather)
    below = photo.crop(box)
    warped = _warp(picture.convert("RGB"), face.quad, box)
    if colour_match > 0:
        warped = _match_colours(warped, below, mask, crop.quad_side(face.quad), colour_match)
    result.paste(Image.composite(warped, below, mask), box[:2])  # exact where the mask is 0 or 255
    whole_mask.paste(mask, box[:2])
    return result, whole_mask


def changed_fraction(before: Image.Image, after: Image.Image) -> float:
    """Share of pixels, 0 to 1, that differ at all between two pictures of the same size.

    Raises:
        ValueError: The sizes differ.
    """
    if before.size != after.size:
        raise ValueError(f"pictures of {before.size} and {after.size} cannot be compared")
    difference = np.asarray(ImageChops.difference(before.convert("RGB"), after.convert("RGB")))
    return float(difference.any(axis=-1).mean())


def _box_in_photo(quad: Points, photo_size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Whole pixels around the part of a quad that lies in the photo, or None."""
    left, top = np.maximum(np.floor(quad.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(quad.max(axis=0)) + 1, photo_size).astype(int)
    return (int(left), int(top), int(right), int(bottom)) if left < right and top < bottom else None


def _mask(
    quad: Points, photo_size: tuple[int, int], crop_size: int, box: tuple[int, int, int, int], feather: float
) -> Image.Image:
    """Weight of the pasted face over the box, mode "L": a rounded square, soft inwards from the crop's rim."""
    width, height = box[2] - box[0], box[3] - box[1]
    # Nothing in it is finer than a five-hundredth of the crop: a very large one is drawn smaller and enlarged.
    cell = max(1, int(crop.quad_side(quad) / _MASK_SIDE))
    columns, rows = -(-width // cell), -(-height // cell)
    xs = box[0] - 0.5 + (np.arange(columns) + 0.5) * width / columns
    ys = box[1] - 0.5 + (np.arange(rows) + 0.5) * height / rows
    to_crop = _photo_to_crop(quad)
    radius = np.zeros((len(ys), len(xs)), dtype=np.float32)
    for row in to_crop:  # from the middle of the crop, -1 to 1, first across and then down
        across, down = row[0] * (xs - quad[0, 0]), row[1] * (ys - quad[0, 1])
        from_middle = np.abs((2 * across - 1).astype(np.float32)[None, :] + (2 * down).astype(np.float32)[:, None])
        radius += from_middle**_MASK_POWER
    radius **= np.float32(1 / _MASK_POWER)
    depth = np.clip((1 - radius) / max(2 * feather, 1e-9), 0, 1)  # 0 at the rim, 1 where fully inside
    weight = depth * depth * (3 - 2 * depth)  # no visible start or end of the fade
    # Near the photo's edge the crop shows a softened picture, which must not replace the sharp one.
    plan = crop.plan_crop(quad, photo_size, crop_size)
    weight *= 1 - crop.border_blend(plan, xs, ys)
    mask = Image.fromarray(np.rint(weight * 255).astype(np.uint8))
    return mask if mask.size == (width, height) else mask.resize((width, height), Image.Resampling.BILINEAR)


def _photo_to_crop(quad: Points) -> Points:
    """(2, 2) matrix from steps in the photo to steps in the crop, whose side is 1."""
    return np.linalg.inv(np.stack([quad[3] - quad[0], quad[1] - quad[0]], axis=1))


def _warp(picture: Image.Image, quad: Points, box: tuple[int, int, int, int]) -> Image.Image:
    """Draw a crop at its place in the photo, over the pixels of a box."""
    side = crop.quad_side(quad)
    if picture.width > side:  # shrinking needs averaging, which the affine transform below does not do
        target = max(1, round(side))
        picture = picture.resize((target, target), Image.Resampling.LANCZOS)
    to_crop = _photo_to_crop(quad) * picture.width
    # Pillow measures from the corners of pixels on both sides: photo pixel i has its centre at i + 0.5.
    origin = to_crop @ (np.array(box[:2]) - (quad[0] + 0.5)) + _RIM
    matrix = tuple(map(float, (*to_crop[0], origin[0], *to_crop[1], origin[1])))
    out = (box[2] - box[0], box[3] - box[1])
    # Repeat the rim, or the transform mixes black into it.
    padded = np.pad(np.asarray(picture, dtype=np.float32), ((_RIM, _RIM), (_RIM, _RIM), (0, 0)), "edge")
    planes = []
    for channel in range(3):  # as floats: 8-bit transforms truncate, which would darken the face by half a level
        plane = Image.fromarray(padded[:, :, channel])
        planes.append(_to_bytes(plane.transform(out, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)))
    return Image.merge("RGB", planes)


def _match_colours(
    warped: Image.Image, below: Image.Image, mask: Image.Image, side: float, strength: float
) -> Image.Image:
    """Give a warped face the light and tint of what it covers; all three pictures are of one size."""
    scale = min(1.0, _COLOUR_SIDE / side)  # only what is coarse is wanted
    size = (max(1, round(below.width * scale)), max(1, round(below.height * scale)))
    there, here, weight = (
        np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float32) for picture in (below, warped, mask)
    )
    weight = weight[:, :, None] / 255
    planes = np.concatenate([(there - here) * weight, weight], axis=-1).transpose(2, 0, 1)
    *differences, total = crop.blur(np.ascontiguousarray(planes), side * scale * _COLOUR_RADIUS)
    matched = []
    for plane, difference in zip(warped.split(), differences, strict=True):
        correction = Image.fromarray(strength * difference / np.maximum(total, 1e-3))
        correction = correction.resize(below.size, Image.Resampling.BILINEAR)
        matched.append(_to_bytes(np.asarray(plane, dtype=np.float32) + np.asarray(correction)))
    return Image.merge("RGB", matched)


def _to_bytes(plane: Image.Image | NDArray[np.float32]) -> Image.Image:
    """Round one channel to 8 bits."""
    return Image.fromarray(np.clip(np.rint(np.asarray(plane)), 0, 255).astype(np.uint8))
