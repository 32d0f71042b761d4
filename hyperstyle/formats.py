"""Which files are photos: by what they hold, whatever they are called."""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image

from hyperstyle.errors import PhotoTooLarge, UnreadableImage

PICTURES = (
    "JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "JPEG2000", "AVIF", "PPM", "PSD", "QOI", "DDS", "ICO",
    "ICNS", "CUR", "PCX", "DCX", "SGI", "SUN", "IM", "MSP", "XBM", "XPM", "FLI", "FTEX", "BLP", "PIXAR", "SPIDER",
    "TGA",
)  # fmt: skip
"""What Pillow is asked for: pictures made of pixels, nothing that needs a program or another file to be drawn. TGA has
no mark of its own and comes last."""
MAX_PIXELS = 80_000_000  # 240 MB once decoded, above any ordinary camera; below Pillow's own alarm at 89 million
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RAW_STARTS = (
    b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILM", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR",
)  # fmt: skip
_DOCUMENTS = (b"%!PS", b"%!Adobe", b"\x04%!PS", b"\xc5\xd0\xd3\xc6", b"%PDF-", b"{\\rtf", b"\xd0\xcf\x11\xe0")
_ZIP = b"PK\x03\x04"
_SEARCHED = 1024  # bytes in which readers of PDF look for its mark

# TIFF 6.0, TIFF/EP and DNG 1.7: numbers of tags, and values that only sensors need
_COMPRESSION, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION, _CFA_PATTERN = 259, 262, 330, 50706, 33422
_SENSOR_COMPRESSIONS = {32767, 32769, 32770, 34713, 65000, 65535}  # Sony, packed, Samsung, Nikon, Kodak, Pentax
_SENSOR_PHOTOMETRICS = {32803, 34892}  # colour filter array, linear raw
_TYPE_SIZES = {1: 1, 3: 2, 4: 4, 13: 4}  # of the integers among the types of values
_MAX_IFDS, _MAX_ENTRIES = 32, 1000  # more is damage

_open_lock = threading.Lock()  # warnings.catch_warnings changes the whole process


def open_picture(data: bytes, what: str, name: str = "") -> Image.Image:
    """Find out what a file is and read its header.

    Args:
        data: The bytes of the file.
        what: How sentences name it.
        name: Of the file; only tells camera raw files from other TIFF files and from files of no known kind.

    Returns:
        A picture whose pixels are not decoded yet.

    Raises:
        UnreadableImage: It is a document, a camera raw file, a kind that cannot be read here, or not a picture at all.
        PhotoTooLarge: It declares more pixels than Pillow opens.
    """
    raw = f"{what} is a camera raw file, which has to be developed first; export it as JPEG and choose that."
    if _is_raw(data, name):
        raise UnreadableImage(raw)
    if _is_document(data):
        raise UnreadableImage(_document(what))
    try:
        with _open_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd headers; size is judged after opening
            if _is_heif(data):
                return _open_heif(data)
            Image.init()  # fills the list of decoders, which some builds of Pillow lack a part of
            return Image.open(io.BytesIO(data), formats=[name for name in PICTURES if name in Image.OPEN])
    except ImportError:
        raise UnreadableImage(
            f"{what} is a HEIC photo, which cannot be read here; convert it to JPEG or PNG and try again."
        ) from None
    except Image.DecompressionBombError:
        raise PhotoTooLarge(
            f"{what} has more than {MAX_PIXELS // 1_000_000} million pixels; make it smaller and try again."
        ) from None
    except Exception:  # the decoders raise every kind of error on damaged headers
        if name.lower().endswith(RAW_SUFFIXES):
            raise UnreadableImage(raw) from None
        if b"%PDF-" in data[:_SEARCHED] or data.startswith(_ZIP):
            raise UnreadableImage(_document(what)) from None
        if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
            raise UnreadableImage(
                f"{what} is a JPEG XL photo, which cannot be read here; convert it to JPEG or PNG and try again."
            ) from None
        raise UnreadableImage(f"{what} is not a picture or is damaged; choose a JPEG or PNG file.") from None


def _is_raw(data: bytes, name: str = "") -> bool:
    """Whether a file holds what a camera's sensor saw. Its preview, often all that Pillow reads, is not the photo."""
    if data.startswith(_RAW_STARTS) or data[4:12] == b"ftypcrx ":
        return True
    if not data.startswith(_TIFF_STARTS):
        return False
    if data[8:10] == b"CR" or name.lower().endswith(RAW_SUFFIXES):
        return True
    for tags in _directories(data):
        if (
            _DNG_VERSION in tags
            or _CFA_PATTERN in tags
            or _SENSOR_PHOTOMETRICS.intersection(tags.get(_PHOTOMETRIC, ()))
            or _SENSOR_COMPRESSIONS.intersection(tags.get(_COMPRESSION, ()))
        ):
            return True
    return False


def _is_heif(data: bytes) -> bool:
    """Whether this is a HEIF file for which Pillow has no decoder: any but AVIF."""
    if data[4:8] != b"ftyp":
        return False
    end = min(max(int.from_bytes(data[:4], "big"), 16), 256)
    brands = {data[8:12], *(data[place : place + 4] for place in range(16, end, 4))}
    return bool(brands & _HEIF_BRANDS) and not brands & _AVIF_BRANDS


def _open_heif(data: bytes) -> Image.Image:
    """Read HEIC; the file's own turns are applied by its decoder, which resets the EXIF orientation.

    Raises:
        ImportError: There is no decoder.
    """
    # Not registered with Pillow, so that nothing else in the process changes what it opens and saves.
    from pillow_heif import HeifImageFile

    return HeifImageFile(io.BytesIO(data))


def _is_document(data: bytes) -> bool:
    return data[:_SEARCHED].lstrip(b"\xef\xbb\xbf\0 \t\r\n").startswith(_DOCUMENTS)


def _document(what: str) -> str:
    return f"{what} is a document, not a photo; choose a JPEG or PNG file, or save a picture of the page as one."


def _directories(data: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """The directories of a TIFF and those below them, as tag -> integers. Ends quietly where the file is damaged."""
    order = "<" if data.startswith(b"II") else ">"
    if data[2:4] in (b"+\0", b"\0+"):  # BigTIFF
        head, count_format, entry_format, offset_format = 16, "Q", "HHQ8s", "Q"
    else:
        head, count_format, entry_format, offset_format = 8, "H", "HHI4s", "I"
    entry_size, offset_size = struct.calcsize(order + entry_format), struct.calcsize(order + offset_format)
    try:
        waiting = [*struct.unpack_from(order + offset_format, data, head - offset_size)]
        seen: set[int] = set()
        while waiting and len(seen) < _MAX_IFDS:
            place = waiting.pop(0)
            if place == 0 or place in seen:
                continue
            seen.add(place)
            (count,) = struct.unpack_from(order + count_format, data, place)
            if count > _MAX_ENTRIES:
                continue
            place += struct.calcsize(order + count_format)
            tags = {}
            for i in range(count):
                tag, kind, amount, value = struct.unpack_from(order + entry_format, data, place + i * entry_size)
                tags[tag] = _integers(data, order, kind, amount, value, offset_format)
            yield tags
            waiting += struct.unpack_from(order + offset_format, data, place + count * entry_size)
            waiting += tags.get(_SUB_IFDS, ())
    except struct.error:
        return


def _integers(data: bytes, order: str, kind: int, amount: int, value: bytes, offset_format: str) -> tuple[int, ...]:
    """The first values of an entry, none if they are no integers."""
    size = _TYPE_SIZES.get(kind, 0)
    if size == 0:
        return ()
    if size * amount > len(value):
        (start,) = struct.unpack(order + offset_format, value)
        value = data[start : start + size * min(amount, _MAX_IFDS)]
    amount = min(amount, len(value) // size)
    return struct.unpack(f"{order}{amount}{'BHxI'[size - 1]}", value[: size * amount])


# JPEG (ITU-T T.81)

_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd7\xff])")  # not the ones that stand inside a scan
_FRAMES, _SCAN, _END = b"\xc0\xc1\xc2", 0xDA, b"\xff\xd9"
_COEFFICIENTS = 64  # of a block
_FILLER = np.random.default_rng(0).integers(0, 255, 256, dtype=np.uint8).tobytes()  # without 0xFF, which starts markers
_MISSING = 0.02  # of a photo, so little that nobody misses it; it comes out grey


def mended_jpeg(data: bytes) -> Image.Image | None:
    """Decode a JPEG that lost its last bytes.

    Args:
        data: The bytes of a file that Pillow calls truncated.

    Returns:
        The decoded picture; None where more than `_MISSING` of it, or a whole scan, is not there.
    """
    data = data.rstrip(b"\xff")
    scan = _last_scan(data)
    if scan is None:
        return None
    # What is missing is decoded from whatever follows: it is where two ways to go on come out differently.
    picture, other = (Image.open(io.BytesIO(data + more + _END), formats=["JPEG"]) for more in (b"", _FILLER))
    picture.load()
    other.load()
    differs = np.asarray(picture) != np.asarray(other)
    differs = differs.reshape(*differs.shape[:2], -1).any(axis=2)
    _, across, down, _ = np.max(picture.layer, axis=0)  # type: ignore[attr-defined]
    wide, high = 8 * int(across), 8 * int(down)  # px of the units that a file stores row by row
    columns, rows = -(-picture.width // wide), -(-picture.height // high)
    padded = np.zeros((rows * high, columns * wide), dtype=bool)
    padded[: picture.height, : picture.width] = differs
    units = padded.reshape(rows, high, columns, wide)[:, 1:-1, :, 1:-1]  # colours reach one pixel into the neighbours
    first = int(np.flatnonzero([*units.any(axis=(1, 3)).ravel(), True])[0])
    share = 1 - first / (rows * columns)
    if share <= max(_MISSING, 1 / (rows * columns)):
        return picture
    if "progressive" in picture.info and first:  # all of the picture is there, a part of it less fine
        lost = (len(data) - scan) * share / (1 - share)
        return picture if lost <= _MISSING * len(data) else None
    return None


def _last_scan(data: bytes) -> int | None:
    """Where the last scan starts; None if all scans together leave out or shorten a coefficient of a component."""
    scan = 0
    finest: dict[tuple[int, int], int] = {}
    components: set[int] = set()
    place = 2
    while match := _MARKER.search(data, place):
        marker, place = match[1], match.end()
        segment = data[place + 2 : place + int.from_bytes(data[place : place + 2], "big")]
        if marker in _FRAMES and len(segment) >= 6:
            components = set(segment[6 : 6 + 3 * segment[5] : 3])
        elif marker[0] == _SCAN and segment and len(segment) >= 4 + 2 * segment[0]:
            first, last, approximation = segment[1 + 2 * segment[0] : 4 + 2 * segment[0]]
            for component in segment[1 : 1 + 2 * segment[0] : 2]:
                finest |= dict.fromkeys(((component, i) for i in range(first, last + 1)), approximation & 15)
            scan = match.end()
        place += 2 + len(segment)
    wanted = {(component, i) for component in components for i in range(_COEFFICIENTS)}
    return scan if wanted and all(finest.get(one) == 0 for one in wanted) else None
