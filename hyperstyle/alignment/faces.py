"""Photo -> aligned faces: landmarks, crop and report put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hyperstyle.alignment import crop, landmarks
from hyperstyle.alignment.report import AlignmentReport, make_report, sharpness
from hyperstyle.errors import NoFaceFound, UsageError

Points = NDArray[np.float64]

LARGEST_SIDE = 2048
"""Of crops at the photo's own resolution, px: a face that fills a photo of 12 megapixels."""


@dataclass(frozen=True, eq=False)
class AlignedFace:
    """One face, cut out upright, with everything needed to put it back.

    Coordinates are pixels of the photo, (0, 0) being the centre of its top left pixel.

    Attributes:
        picture: RGB square, the FFHQ crop.
        quad: (4, 2) corners of that square in the photo: top left, bottom left, bottom right, top right. They may lie
            outside the photo.
        box: Left, top, right, bottom of the face itself.
        landmarks: (478, 2) points of MediaPipe's face mesh; none for a whole photo.
        report: Pose, size, sharpness and warnings.
        index: Number among the faces of the photo, 0 being the largest.
        whole: The picture is the whole photo, resized; nothing was searched for or cut out.
        own: The crop at the photo's own resolution, up to `LARGEST_SIDE`; None where `picture` is no smaller.
        photo_size: Width and height of the photo it was found in; None where nobody knows.
    """

    picture: Image.Image
    quad: Points
    box: tuple[float, float, float, float]
    landmarks: Points
    report: AlignmentReport
    index: int
    whole: bool = False
    own: Image.Image | None = None
    photo_size: tuple[int, int] | None = None

    @property
    def crop_landmarks(self) -> Points:
        """(478, 2) landmarks in the crop, (0, 0) being its top left and (1, 1) its bottom right corner."""
        return crop.photo_to_quad(self.quad, self.landmarks)

    def own_side(self, least: int) -> int:
        """Side in px, `least` or more, at which the crop loses nothing of its photo (up to `LARGEST_SIDE`)."""
        return max(least, (self.own or self.picture).width)

    def own_crop(self, side: int) -> Image.Image:
        """The crop as an RGB square of this side in px, from the finest one there is; that itself at its own side."""
        finest = self.picture if self.own is None or side == self.picture.width else self.own
        return finest.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)

    def check_photo(self, photo: Image.Image) -> None:
        """Refuse a photo that cannot be the one this face was found in.

        Raises:
            UsageError: It has another size.
        """
        if self.photo_size not in (None, photo.size):
            width, height = self.photo_size
            raise UsageError(
                f"This face was found in a photo of {width} x {height} pixels, and this one has {photo.width} x "
                f"{photo.height}; give that photo, or find the face in this one with `align`."
            )


def whole_photo(photo: Image.Image, size_hw: tuple[int, int]) -> AlignedFace:
    """Take a photo as it is, for domains whose pictures are not aligned: cars, animals.

    Args:
        photo: From `images.open_photo`: RGB and upright.
        size_hw: Height and width the domain's pictures have; proportions are not kept, as in the published recipe.
    """
    photo = photo.convert("RGB")
    width, height = photo.size
    corners = np.array([[0, 0], [0, height], [width, height], [width, 0]], dtype=np.float64) - 0.5
    box = (0.0, 0.0, float(width), float(height))
    report = AlignmentReport(0.0, 0.0, 0.0, float(height), sharpness(photo, box), 0.0, ())
    picture = photo.resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    return AlignedFace(picture, corners, box, np.zeros((0, 2)), report, index=0, whole=True, photo_size=photo.size)


def align_faces(photo: Image.Image, size: int = 256) -> list[AlignedFace]:
    """Find every face in a photo and cut each out, the largest first.

    Args:
        photo: From `images.open_photo`: RGB and upright.
        size: Side of the crops in pixels.

    Raises:
        NoFaceFound: There is no face, or only ones of less than about 18 px.
    """
    photo = photo.convert("RGB")
    found = landmarks.find_faces(photo)
    if not found:
        raise NoFaceFound(
            "No face was found in this photo; use one in which the face is uncovered, well lit and at least "
            f"{landmarks.MIN_FACE_PX} pixels tall."
        )
    return [_align(photo, face, index, size) for index, face in enumerate(found)]


def _align(photo: Image.Image, face: landmarks.FoundFace, index: int, size: int) -> AlignedFace:
    quad = crop.face_quad(*landmarks.eyes_and_mouth(face.landmarks))
    outside = crop.outside_fraction(quad, photo.size)
    sampled = crop.sampled_quad(quad, photo.size, size)
    side = min(LARGEST_SIDE, 2 * round(crop.quad_side(sampled) / 2))  # even, as movies need it
    return AlignedFace(
        picture=crop.crop_face(photo, quad, size),
        quad=sampled,
        box=face.box,
        landmarks=face.landmarks,
        report=make_report(photo, face.points, face.size_px, outside, face.box),
        index=index,
        own=crop.crop_face(photo, sampled, side) if side > size else None,
        photo_size=photo.size,
    )
