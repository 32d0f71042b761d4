"""Put edited faces back into their photo: the crop's inverse map and a soft mask.

What the mask leaves out is copied, never resampled: those pixels of the photo stay exactly as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from hyperstyle.alignment import crop, outlines
from hyperstyle.alignment.blending import membrane
from hyperstyle.alignment.faces import AlignedFace
from hyperstyle.alignment.regions import check_regions, kept_mask
from hyperstyle.errors import UsageError, did_you_mean
from hyperstyle.images import OWN_PIXELS
from hyperstyle.scalars import is_number, plain_scalar

Points = NDArray[np.float64]
Plane = NDArray[np.float32]
Box = tuple[int, int, int, int]  # left, top, right, bottom in whole pixels of the photo
Shape = Literal["crop", "face", "head"]
Blend = Literal["alpha", "poisson"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
BLENDS: tuple[Blend, ...] = get_args(Blend)
DEFAULT_SHAPE: Shape = "crop"

FEATHER = 0.12  # of the crop; wide enough that skin, hair and background fade without a line
MAX_FEATHER = 0.5  # the mask is then soft from its rim to its middle

_MASK_POWER = 2.5  # between an ellipse (2), which cuts hair at the corners, and the square itself, whose corners show
_RIM = 4  # pixels repeated around the crop
_MASK_SIDE = 512
_OUTLINE_SIDE = 192  # pixels a side at which distances from outlines are worked out; they are smooth
_FACE_GROWN = 0.05  # of the crop; the mesh ends at the jaw's edge and before the hairline, the fade is around that
_OWN_FEATHER = 0.05  # of the crop; how softly a face's own ground ends towards its neighbours
_COLOUR_SIDE = 256
_SAME_THING = 24.0  # grey levels; a larger difference is another thing there, not another light on the same
_COLOUR_RADIUS = 0.08  # of the crop: colour matching moves light and tint, features of this size and below stay


@dataclass(frozen=True)
class PasteOptions:
    """How one edited face is put back.

    Attributes:
        shape: What is put back: "crop", a rounded square nearly as large as the crop; "face", the face as the mesh
            outlines it; "head", the face extended over hair and ears. Nothing outside the crop's own rounded square is
            ever touched.
        feather: Width of the soft edge as a fraction of the crop, 0 (hard) to 0.5.
        colour_match: 0 takes the picture's colours as they are, 1 gives it the photo's light and tint (everything
            coarser than about a twelfth of the crop). Useful when a reconstruction is slightly off in colour; it also
            undoes edits that are nothing but a change of colour.
        blend: "alpha" mixes picture and photo in the soft edge; "poisson" also shifts the picture's colours smoothly so
            that they meet the photo's all around the mask.
        keep: Names of `regions.REGIONS` whose pixels stay the photo's own.
    """

    shape: Shape = DEFAULT_SHAPE
    feather: float = FEATHER
    colour_match: float = 0.0
    blend: Blend = "alpha"
    keep: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Settle the numbers' types."""
        for name in ("feather", "colour_match"):
            object.__setattr__(self, name, plain_scalar(getattr(self, name)))

    def check(self) -> None:
        """Refuse what cannot be done, before any work.

        Raises:
            UsageError: An unknown name, or a number out of range.
        """
        if self.shape not in SHAPES:
            raise UsageError(f"There is no mask '{self.shape}'; {did_you_mean(self.shape, SHAPES)}")
        if self.blend not in BLENDS:
            raise UsageError(f"There is no blending '{self.blend}'; {did_you_mean(self.blend, BLENDS)}")
        if not is_number(self.feather) or not 0 <= self.feather <= MAX_FEATHER:
            raise UsageError(f"The feather must lie between 0 and {MAX_FEATHER:g} of the crop, not {self.feather}.")
        if not is_number(self.colour_match) or not 0 <= self.colour_match <= 1:
            raise UsageError(f"The colour match must lie between 0 and 1, not {self.colour_match}.")
        check_regions(self.keep)


@dataclass(frozen=True, eq=False)
class Pasted:
    """A photo with edited faces in it.

    Attributes:
        picture: RGB, of the photo's size.
        mask: Mode "L" and of the photo's size: how much of each pixel is edited. Where it is 0, the photo's pixels are
            unchanged, bit for bit.
        photo: The photo before, RGB.
    """

    picture: Image.Image
    mask: Image.Image
    photo: Image.Image

    @cached_property
    def unchanged_fraction(self) -> float:
        """Share of the photo's pixels, 0 to 1, that are exactly what they were; found by comparing all of them."""
        return 1 - changed_fraction(self.photo, self.picture)


EditedFace = tuple[AlignedFace, Image.Image, PasteOptions]
"""A face, its edited crop (square unless the face is a whole photo, any size) and how to put it back."""


def paste_back(
    photo: Image.Image,
    face: AlignedFace,
    picture: Image.Image,
    feather: float = FEATHER,
    colour_match: float = 0.0,
    shape: Shape = DEFAULT_SHAPE,
    blend: Blend = "alpha",
    keep: Sequence[str] = (),
) -> tuple[Image.Image, Image.Image]:
    """Put one edited face back where it was cut out.

    Args:
        photo: The photo `face` was aligned in.
        face: Says where the face is.
        picture: The edited crop, square (unless the face is a whole photo), any size. One with 1 under `OWN_PIXELS`
            in its `info`, as those with all of the photo's detail, changes the photo only where it differs from it.
        feather, colour_match, shape, blend, keep: As in `PasteOptions`.

    Returns:
        The picture and the mask of `Pasted`.

    Raises:
        UsageError: As `paste_back_all`.
    """
    pasted = paste_back_all(photo, [(face, picture, PasteOptions(shape, feather, colour_match, blend, keep))])
    return pasted.picture, pasted.mask


def paste_back_all(photo: Image.Image, edited: Sequence[EditedFace]) -> Pasted:
    """Put any number of edited faces back into their photo.

    Crops of neighbours overlap, and a crop shows its neighbours unedited. So the outline of every edited face belongs
    to that face alone (of two faces that overlap, to the larger, which is nearer); where only soft margins meet, they
    share by weight. The order of the faces does not matter.

    Args:
        photo: The photo the faces were aligned in.
        edited: Each face once.

    Raises:
        UsageError: An option is out of range, a picture is not square, regions of a whole photo are to be kept, or the
            photo has another size than the one a face was found in.
    """
    if len(edited) > 1 and any(face.whole for face, _, _ in edited):
        raise UsageError("A photo that was taken as a whole has one picture to put back, not several.")
    for face, picture, options in edited:
        options.check()
        face.check_photo(photo)
        if not face.whole and picture.width != picture.height:
            raise UsageError(
                f"An aligned face is square, but this picture is {picture.width} x {picture.height} pixels."
            )
    photo = photo.convert("RGB")
    patches = []
    for face, picture, options in sorted(edited, key=lambda one: one[0].report.face_px):
        box = _box_in_photo(face.quad, photo.size)
        if box is not None:
            patches.append(
                _Patch(face, picture.convert("RGB"), options, box, _mask(photo.size, face, picture, options, box))
            )
    _share(patches)

    result, covered = photo.copy(), Image.new("L", photo.size, 0)
    for patch in patches:
        below = photo.crop(patch.box)
        mask = Image.fromarray(np.rint(patch.weight * 255).astype(np.uint8))
        filled = _fill(patch, below, mask)
        # Exact where the mask is 0 or 255.
        result.paste(Image.composite(filled, result.crop(patch.box), mask), patch.box[:2])
        covered.paste(ImageChops.screen(covered.crop(patch.box), mask), patch.box[:2])
    return Pasted(result, covered, photo)


def changed_fraction(before: Image.Image, after: Image.Image) -> float:
    """Share of pixels, 0 to 1, that differ at all between two pictures of the same size.

    Raises:
        ValueError: The sizes differ.
    """
    if before.size != after.size:
        raise ValueError(f"pictures of {before.size} and {after.size} cannot be compared")
    difference = np.asarray(ImageChops.difference(before.convert("RGB"), after.convert("RGB")))
    return float(difference.any(axis=-1).mean())


def _box_in_photo(quad: Points, photo_size: tuple[int, int]) -> Box | None:
    """Whole pixels around the part of a quad that lies in the photo, or None."""
    left, top = np.maximum(np.floor(quad.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(quad.max(axis=0)) + 1, photo_size).astype(int)
    return (int(left), int(top), int(right), int(bottom)) if left < right and top < bottom else None


@dataclass(eq=False)
class _Patch:
    """One face on its way back: `weight` (H, W) from 0 to 1 over the pixels of `box`."""

    face: AlignedFace
    picture: Image.Image
    options: PasteOptions
    box: Box
    weight: Plane


def _mask(
    photo_size: tuple[int, int], face: AlignedFace, picture: Image.Image, options: PasteOptions, box: Box
) -> Plane:
    """Weight of the pasted face over the box, (H, W) from 0 to 1."""
    width, height = box[2] - box[0], box[3] - box[1]
    if face.whole:
        if options.keep:
            kept_mask(face, picture, options.keep)  # says why it cannot be
        return np.ones((height, width), dtype=np.float32)
    weight = _rounded_square(face.quad, photo_size, face.picture.width, box, options.feather)
    if options.shape != "crop":
        weight = np.minimum(weight, _warp_plane(_outline(face, options.shape, options.feather), face.quad, box))
    if options.keep:
        weight *= 1 - _warp_plane(kept_mask(face, picture, options.keep), face.quad, box)
    return weight


def _outline(face: AlignedFace, shape: Shape, feather: float) -> Plane:
    """Weight over the crop, (H, W) from 0 to 1, of what a shape other than the crop itself covers."""
    marks = face.crop_landmarks
    weight = outlines.fade(outlines.outside_distance(marks[list(outlines.FACE)], _OUTLINE_SIDE), _FACE_GROWN, feather)
    if shape == "head":
        head = outlines.outside_distance(outlines.head_ring(marks), _OUTLINE_SIDE)
        weight = np.maximum(weight, outlines.fade(head, 0.0, feather))
    return weight


def _share(patches: list[_Patch]) -> None:
    """Change the weights of overlapping patches, smallest face first, so that none undoes another's edit.

    The patches are laid over each other in this order. Each ends with its own share of every pixel, whatever comes on
    top of it: `weight` becomes the opacity that leads to this share.
    """
    neighbours = [
        [j for j, other in enumerate(patches) if i != j and _overlap(patch.box, other.box)]
        for i, patch in enumerate(patches)
    ]
    own = {
        j: _warp_plane(_outline(patches[j].face, "face", _OWN_FEATHER), patches[j].face.quad, patches[j].box)
        for j in sorted({j for near in neighbours for j in near})
    }
    claims = []
    for i, patch in enumerate(patches):
        claim = patch.weight
        for j in neighbours[i]:
            taken = _onto(own[j], patches[j].box, patch.box)
            claim = claim * (1 - (taken * (1 - own[i]) if i > j else taken))
        claims.append(claim)
    shares = []
    for i, patch in enumerate(patches):
        near = [claims[i], *(_onto(claims[j], patches[j].box, patch.box) for j in neighbours[i])]
        squares = sum(claim * claim for claim in near)
        shares.append(claims[i] ** 2 / np.maximum(squares, 1e-12) * np.maximum.reduce(near))
    for i, patch in enumerate(patches):
        if neighbours[i]:
            above = sum(_onto(shares[j], patches[j].box, patch.box) for j in neighbours[i] if j > i)
            patch.weight = np.clip(shares[i] / np.maximum(1 - above, 1e-6), 0, 1)


def _overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share pixels."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _onto(plane: Plane, box: Box, wanted: Box) -> Plane:
    """Move a plane from the pixels of one box to those of another; 0 where it says nothing."""
    moved = np.zeros((wanted[3] - wanted[1], wanted[2] - wanted[0]), dtype=np.float32)
    left, top = max(box[0], wanted[0]), max(box[1], wanted[1])
    right, bottom = min(box[2], wanted[2]), min(box[3], wanted[3])
    if left < right and top < bottom:
        part = plane[top - box[1] : bottom - box[1], left - box[0] : right - box[0]]
        moved[top - wanted[1] : bottom - wanted[1], left - wanted[0] : right - wanted[0]] = part
    return moved


def _rounded_square(quad: Points, photo_size: tuple[int, int], crop_size: int, box: Box, feather: float) -> Plane:
    """Weight of the crop as a whole over the box, (H, W): a rounded square, soft inwards from the crop's rim."""
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
    mask = Image.fromarray(weight.astype(np.float32))
    return np.array(mask.resize((width, height), Image.Resampling.BILINEAR) if cell > 1 else mask)


def _fill(patch: _Patch, below: Image.Image, mask: Image.Image) -> Image.Image:
    """The picture to put over the pixels of a patch's box, its colours adapted to the photo's."""
    if patch.face.whole:
        return patch.picture.resize(below.size, Image.Resampling.LANCZOS)
    if patch.picture.info.get(OWN_PIXELS) == 1:
        return _add_changes(patch, below)
    side, options = crop.quad_side(patch.face.quad), patch.options
    warped = _warp(patch.picture, patch.face.quad, patch.box)
    if options.colour_match > 0:
        warped = _match_colours(warped, below, mask, side, options.colour_match)
    if options.blend == "poisson":
        warped = _meet_colours(warped, below, mask, side)
    return warped


def _add_changes(patch: _Patch, below: Image.Image) -> Image.Image:
    """Put what was changed in the photo's own crop onto the photo: where nothing was, not a bit of it changes."""
    picture, quad = patch.picture, patch.face.quad
    before = np.asarray(patch.face.own_crop(picture.width), dtype=np.float32)
    changes = np.asarray(picture, dtype=np.float32) - before
    photo = np.asarray(below, dtype=np.float32)
    moved = [_warp_plane(np.ascontiguousarray(changes[:, :, channel]), quad, patch.box) for channel in range(3)]
    return Image.merge("RGB", [_to_bytes(photo[:, :, channel] + plane) for channel, plane in enumerate(moved)])


def _photo_to_crop(quad: Points) -> Points:
    """(2, 2) matrix from steps in the photo to steps in the crop, whose side is 1."""
    return np.linalg.inv(np.stack([quad[3] - quad[0], quad[1] - quad[0]], axis=1))


def _warp(picture: Image.Image, quad: Points, box: Box) -> Image.Image:
    """Draw a crop at its place in the photo, over the pixels of a box."""
    side = crop.quad_side(quad)
    if picture.width > side:  # shrinking needs averaging, which the affine transform below does not do
        target = max(1, round(side))
        picture = picture.resize((target, target), Image.Resampling.LANCZOS)
    # As floats: 8-bit transforms truncate, which would darken the face by half a level.
    pixels = np.asarray(picture, dtype=np.float32)
    planes = [_transform(pixels[:, :, channel], quad, box, Image.Resampling.BICUBIC) for channel in range(3)]
    return Image.merge("RGB", [_to_bytes(plane) for plane in planes])


def _warp_plane(plane: Plane, quad: Points, box: Box) -> Plane:
    """Draw one value per pixel of a crop, (N, N), at its place in the photo, over the pixels of a box."""
    target = max(1, round(crop.quad_side(quad)))
    if plane.shape[0] > target:
        plane = np.asarray(Image.fromarray(plane).resize((target, target), Image.Resampling.BOX))
    return np.asarray(_transform(plane, quad, box, Image.Resampling.BILINEAR))


def _transform(plane: Plane, quad: Points, box: Box, resample: Image.Resampling) -> Image.Image:
    """Map one channel of a crop, (N, N), to the pixels of a box in the photo."""
    to_crop = _photo_to_crop(quad) * plane.shape[0]
    # Pillow measures from the corners of pixels on both sides: photo pixel i has its centre at i + 0.5.
    origin = to_crop @ (np.array(box[:2]) - (quad[0] + 0.5)) + _RIM
    matrix = tuple(map(float, (*to_crop[0], origin[0], *to_crop[1], origin[1])))
    # Repeat the rim, or the transform mixes black into it.
    padded = Image.fromarray(np.pad(plane, _RIM, "edge"))
    return padded.transform((box[2] - box[0], box[3] - box[1]), Image.Transform.AFFINE, matrix, resample)


def _match_colours(
    warped: Image.Image, below: Image.Image, mask: Image.Image, side: float, strength: float
) -> Image.Image:
    """Give a warped face the light and tint of what it covers; all three pictures are of one size."""
    scale = min(1.0, _COLOUR_SIDE / side)  # only what is coarse is wanted
    difference, weight = _coarse_difference(warped, below, mask, scale)
    planes = np.concatenate([difference * weight, weight])
    *corrections, total = crop.blur(np.ascontiguousarray(planes), side * scale * _COLOUR_RADIUS)
    return _shifted(warped, [strength * correction / np.maximum(total, 1e-3) for correction in corrections])


def _meet_colours(warped: Image.Image, below: Image.Image, mask: Image.Image, side: float) -> Image.Image:
    """Shift a warped face's colours smoothly so that they are the photo's all around the mask; sizes as above.

    Where the photo shows something else than the picture (hair that is gone, a head that turned), meeting its colour
    would stain the face; such places are left to the soft edge.
    """
    difference, weight = _coarse_difference(warped, below, mask, min(1.0, _COLOUR_SIDE / side))
    around = (weight[0] == 0) & (np.abs(difference).max(axis=0) <= _SAME_THING)
    return _shifted(warped, list(membrane(difference, around)))


def _coarse_difference(warped: Image.Image, below: Image.Image, mask: Image.Image, scale: float) -> tuple[Plane, Plane]:
    """What a warped face lacks of the photo's colours, (3, h, w), and the mask, (1, h, w) from 0 to 1, both shrunk."""
    size = (max(1, round(below.width * scale)), max(1, round(below.height * scale)))
    there, here, weight = (
        np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float32) for picture in (below, warped, mask)
    )
    return (there - here).transpose(2, 0, 1), weight[None] / 255


def _shifted(warped: Image.Image, corrections: Sequence[Plane]) -> Image.Image:
    """Add one coarse plane to each channel."""
    moved = []
    for plane, correction in zip(warped.split(), corrections, strict=True):
        enlarged = Image.fromarray(correction).resize(warped.size, Image.Resampling.BILINEAR)
        moved.append(_to_bytes(np.asarray(plane, dtype=np.float32) + np.asarray(enlarged)))
    return Image.merge("RGB", moved)


def _to_bytes(plane: Image.Image | NDArray[np.float32]) -> Image.Image:
    """Round one channel to 8 bits."""
    return Image.fromarray(np.clip(np.rint(np.asarray(plane)), 0, 255).astype(np.uint8))
