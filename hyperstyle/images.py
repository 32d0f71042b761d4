"""Photos in, pictures out: the only file that knows both [-1, 1] and uint8.

Everything a person may upload passes through `open_photo`, which answers with a plain upright RGB picture or with one
clear sentence.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from torch import Tensor

from hyperstyle.colours import profile_of_heif, profile_of_png, to_srgb
from hyperstyle.errors import HyperStyleError, PhotoTooLarge, UnreadableImage, UsageError
from hyperstyle.files.whole import whole
from hyperstyle.formats import MAX_PIXELS, mended_jpeg, open_picture

Photo = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | NDArray[np.uint8]
"""A photo in any form that `open_photo` takes."""

MAX_FILE_BYTES = 64 * 2**20  # the largest JPEGs phones and cameras write stay under 40 MB; more is not a snapshot
BACKGROUND = (255, 255, 255)  # behind transparent parts: what a browser shows
JPEG_QUALITY = 95  # no visible loss; higher only makes files larger
XMP_FORMATS = ("PNG", "JPEG", "WEBP")
OWN_PIXELS = "hyperstyle.own_pixels"
"""Key in a picture's `info`: how much of it is its photo's own, 0 to 1. Of 1 only the changes are put back into it."""

_ORIENTATION_TAG = 0x0112
_PNG_XMP = "XML:com.adobe.xmp"  # keyword of the iTXt chunk with the packet (XMP specification, part 3, 1.1.5)
_XMP_KEYS = ("xmp", _PNG_XMP)
_UPRIGHT = {  # EXIF orientation -> what makes the picture upright (EXIF 2.3, section 4.6.4)
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_photo(source: Photo) -> Image.Image:
    """Read a photo of any common format as an upright RGB picture.

    EXIF orientation is applied, transparency is laid over white, colours with an embedded profile (CMYK, Display P3,
    ...) or another statement about them (PNG) become sRGB, 16-bit values are scaled to 8 bits, and of an animation the
    first picture is taken. What the file said besides its pixels (place, camera, date) is dropped.

    Args:
        source: A path, the bytes of a file, a binary file (read from its start where that is possible), an RGB array
            (H, W, 3) uint8, or a PIL picture (which is left as it is).

    Returns:
        A new picture of mode "RGB" without metadata.

    Raises:
        UnreadableImage: There is no such file, or it is empty, truncated, not a picture (a document, a camera's
            raw file), or fully transparent.
        PhotoTooLarge: More than `MAX_FILE_BYTES` or `MAX_PIXELS`; the pixels are counted before decoding.
    """
    if isinstance(source, np.ndarray):
        source = _from_array(source)
    if isinstance(source, Image.Image):
        return _decode(source, "The picture")
    if hasattr(source, "read"):
        source = _read_open_file(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return _open(bytes(source), "The file")
    if not isinstance(source, str | os.PathLike):
        raise UnreadableImage("No photo was given; choose a JPEG or PNG file first.")
    path = Path(os.fsdecode(source))
    what = f"'{path.name or path}'"
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UnreadableImage(f"{what} is a folder, not a photo; choose a picture inside it.")
        if not path.is_file():
            raise UnreadableImage(f"{what} is not a file; choose a JPEG or PNG picture.")
        _check_bytes(size, what)
        data = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableImage(f"There is no file '{path}'; check its name and folder.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "its name is not valid"
        raise UnreadableImage(f"'{path}' cannot be read ({reason}); check the file and its permissions.") from None
    return _open(data, what, path.name)


def _from_array(values: NDArray[Any]) -> Image.Image:
    """The picture that an array holds."""
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] != 3 or not values.size:
        raise UnreadableImage(
            f"A photo as an array needs the shape (H, W, 3) and the type uint8, not {values.shape} and {values.dtype}; "
            "bring it to RGB values from 0 to 255 first."
        )
    return Image.fromarray(np.ascontiguousarray(values))


def _read_open_file(file: Any) -> bytes:
    """The bytes of an open file, from its start unless it flows past only once."""
    try:
        if file.seekable():
            file.seek(0)  # so that the same file can be given twice, as to `align` and to `paste_back`
        data = file.read()
    except (AttributeError, OSError, ValueError):  # ValueError: it was closed, or holds text in another encoding
        data = None
    if not isinstance(data, bytes):
        raise UnreadableImage('The open file cannot be read as bytes; open it with open(name, "rb") and keep it open.')
    return data


def to_tensor(picture: Image.Image, size: int | tuple[int, int] | None = None) -> Tensor:
    """Turn a picture into what the networks read.

    Args:
        picture: Any mode; converted to RGB.
        size: Resize to this square, or height and width, first (bilinear, antialiased when shrinking); None keeps it.

    Returns:
        (1, 3, H, W) float32 in [-1, 1].
    """
    rgb = picture.convert("RGB")
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        if rgb.size != (width, height):
            rgb = rgb.resize((width, height), Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(rgb, dtype=np.uint8))
    return values.permute(2, 0, 1).unsqueeze(0).to(torch.float32).div_(127.5).sub_(1.0).contiguous()


def to_photo(tensor: Tensor) -> Image.Image:
    """Turn a generated picture into an 8-bit one.

    Values are clamped and truncated, not rounded, as the published code does, so results compare exactly.

    Args:
        tensor: (1, 3, H, W) or (3, H, W), nominally in [-1, 1]; any float type, any device.

    Raises:
        ValueError: Another shape; several pictures must be converted one by one.
    """
    values = tensor.detach()
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 3 or values.shape[0] != 3:
        raise ValueError(f"expected a tensor of shape (1, 3, H, W) or (3, H, W), not {tuple(tensor.shape)}")
    values = torch.nan_to_num(values.to("cpu", torch.float32)).clamp(-1, 1)
    pixels = values.add(1).div(2).mul(255).to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def save_picture(
    picture: Image.Image,
    path: str | Path,
    xmp: str = "",
    texts: Mapping[str, str] | None = None,
    finish: Callable[[bytes], bytes] | None = None,
) -> None:
    """Save a picture so that the file is either complete or not there at all.

    Args:
        picture: What to save; transparency is laid over white where the format has none.
        path: Where to; the suffix chooses the format (.png, .jpg, .webp, ...). An existing file is replaced.
        xmp: An XMP packet to put into the file; formats other than those of `XMP_FORMATS` cannot hold one.
        texts: Named texts to put into the file; only PNG can hold them.
        finish: Turns the encoded file into the one that is written, as signing does.

    Raises:
        UsageError: The suffix names no format that can be written, or it cannot hold the `xmp` or the `texts`.
        CannotWrite: Disk full, no permission, no such folder.
    """
    path = Path(path)
    file_format = picture_format(path)
    options: dict[str, Any] = {}
    if file_format == "JPEG":
        options = {"quality": JPEG_QUALITY, "subsampling": 0}
        picture = picture if picture.mode in ("RGB", "L", "CMYK") else _over_background(picture)
    elif file_format == "WEBP":
        options = {"quality": JPEG_QUALITY}
    options |= _metadata(file_format, path, xmp, texts or {})
    with whole(path) as part, part.open("wb") as file:
        if finish is None:
            picture.save(file, format=file_format, **options)
        else:
            encoded = io.BytesIO()
            picture.save(encoded, format=file_format, **options)
            file.write(finish(encoded.getvalue()))


def picture_format(path: Path) -> str:
    """Name, as Pillow spells it, of the format in which a picture of this name is saved.

    Raises:
        UsageError: The suffix names no format that can be written.
    """
    file_format = Image.registered_extensions().get(path.suffix.lower())
    if file_format is None or file_format not in Image.SAVE:
        named = f"as '{path.suffix}'" if path.suffix else "without a suffix"
        raise UsageError(f"Pictures cannot be saved {named}; end the file name in .png, .jpg or .webp.")
    return file_format


def _metadata(file_format: str, path: Path, xmp: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Options with which Pillow writes metadata."""
    if (xmp and file_format not in XMP_FORMATS) or (texts and file_format != "PNG"):
        formats = ".png" if texts else ".png, .jpg or .webp"
        raise UsageError(f"'{path.suffix}' files cannot hold this metadata; end the file name in {formats}.")
    if file_format == "PNG" and (xmp or texts):
        info = PngImagePlugin.PngInfo()
        for name, text in {**({_PNG_XMP: xmp} if xmp else {}), **texts}.items():
            info.add_itxt(name, text)
        return {"pnginfo": info}
    return {"xmp": xmp.encode("utf-8")} if xmp else {}


def _open(data: bytes, what: str, name: str = "") -> Image.Image:
    """Decode the bytes of a file."""
    _check_bytes(len(data), what)
    picture = open_picture(data, what, name)
    for key in _XMP_KEYS:
        picture.info.pop(key, None)  # Pillow would take the orientation from it
    if picture.format == "PNG":
        picture.info["icc_profile"] = profile_of_png(data, picture.info)
    elif picture.format == "HEIF":
        picture.info["icc_profile"] = profile_of_heif(picture.info)
    return _decode(picture, what, data)


def _decode(picture: Image.Image, what: str, data: bytes = b"") -> Image.Image:
    """Decode the pixels of an opened picture and bring them to upright 8-bit sRGB."""
    _check_pixels(picture, what)
    try:
        picture = _loaded(picture, data)
        rgb = _upright(_to_rgb(picture, what), _orientation(picture))
    except HyperStyleError:
        raise
    except MemoryError:
        raise PhotoTooLarge(f"{what} does not fit into memory; make it smaller and try again.") from None
    except Exception:  # the decoders raise every kind of error on damaged pixel data
        raise UnreadableImage(f"{what} is truncated or damaged; export or download it again.") from None
    plain = Image.new("RGB", rgb.size)
    plain.paste(rgb)  # a fresh picture carries no metadata
    return plain


def _loaded(picture: Image.Image, data: bytes) -> Image.Image:
    """Decode the pixels, those of a JPEG also when its last bytes are missing."""
    try:
        picture.load()
    except OSError:
        mended = mended_jpeg(data) if data and picture.format in ("JPEG", "MPO") else None
        if mended is None:
            raise
        return mended
    return picture


def _to_rgb(picture: Image.Image, what: str) -> Image.Image:
    """Convert any mode to 8-bit RGB, with transparency laid over white."""
    profile = picture.info.get("icc_profile")
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return to_srgb(Image.fromarray(_to_8_bit(picture)), profile)
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        if rgba.getchannel("A").getextrema()[1] == 0:
            raise UnreadableImage(f"{what} is completely transparent, so it shows nothing; choose another picture.")
        return _over_background(rgba, profile, grey=picture.mode in ("L", "LA", "La"))
    return to_srgb(picture, profile)


def _to_8_bit(picture: Image.Image) -> np.ndarray:
    """Scale grey values of more than 8 bits to (H, W) uint8: the format's white stays white."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float32), posinf=0.0, neginf=0.0)
    top = float(values.max(initial=0.0))
    white = 65535.0
    if picture.mode == "F":  # no format says what white is: 0..1 and 0..255 are both in use
        white = 1.0 if top <= 1.0 else 255.0
    return np.clip(np.rint(values * (255.0 / max(white, top))), 0, 255).astype(np.uint8)


def _over_background(picture: Image.Image, profile: bytes | None = None, grey: bool = False) -> Image.Image:
    """Lay a picture that may be transparent over the background colour."""
    rgba = picture.convert("RGBA")
    below = Image.new("RGB", rgba.size, BACKGROUND)
    below.paste(to_srgb(rgba.getchannel("R") if grey else rgba.convert("RGB"), profile), mask=rgba.getchannel("A"))
    return below


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation, 1 (upright) where there is none or it cannot be read.

    Pillow's `getexif` would answer with the orientation of XMP where EXIF has none; browsers do not.
    """
    try:
        exif = Image.Exif()
        if "exif" in picture.info:
            exif.load(picture.info["exif"])
        elif "Raw profile type exif" in picture.info:  # as ImageMagick writes it into PNG
            exif.load(bytes.fromhex("".join(picture.info["Raw profile type exif"].split("\n")[3:])))
        return int(exif.get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF raises anything; the pixels are still fine
        return 1


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def _check_bytes(size: int, what: str) -> None:
    if size == 0:
        raise UnreadableImage(f"{what} is empty (0 bytes); choose another photo.")
    if size > MAX_FILE_BYTES:
        raise PhotoTooLarge(
            f"{what} has {size / 2**20:.0f} MB, more than the {MAX_FILE_BYTES // 2**20} MB that are read; "
            "save it as JPEG or make it smaller."
        )


def _check_pixels(picture: Image.Image, what: str) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise PhotoTooLarge(
            f"{what} is {picture.width} x {picture.height} pixels, more than {MAX_PIXELS // 1_000_000} million pixels; "
            "make it smaller and try again."
        )
