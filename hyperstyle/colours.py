"""Colour spaces of pictures, to sRGB: embedded ICC profiles, and what a PNG says without one."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Values = NDArray[np.float64]
Chromaticities = Sequence[float]
"""x and y of white, red, green and blue, in PNG's order."""

_D65, _D50 = (0.3127, 0.3290), (0.3457, 0.3585)
_D50_PCS = (0.9642, 1.0, 0.8249)  # the white that ICC profiles are written for
_BT709 = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_PRIMARIES: dict[int, Chromaticities] = {  # ITU-T H.273, table 2; PNG's cICP and HEIF's nclx count by it
    1: _BT709,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_CURVE_POINTS = 4096
_GAMMA_OF_SRGB = 1 / 2.2  # what PNG files say that hold sRGB values
_SAME_GAMMA = 0.05  # as a part of it; the PNG library takes it for the same too
_SAME_COLOUR = 2  # levels; profiles of sRGB itself differ by their rounding
_OF_PHOTOS = (13, 16, 18)  # sRGB's curve and the two of HDR
_HDR_WHITE = 203.0  # cd/m2 of a white sheet in HDR pictures (ITU-R BT.2408)


def to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Bring a picture into sRGB.

    Args:
        picture: Any mode without transparency.
        profile: The bytes of an ICC profile of colours, grey values or ink. None, or one that is broken or meant for
            another kind of picture, leaves the colours as they stand.

    Returns:
        Mode "RGB".
    """
    if profile:
        try:
            return _through(picture, ImageCms.getOpenProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a broken profile is no reason to refuse a photo
    if picture.mode == "LAB":
        return _converted(picture, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    return picture.convert("RGB")


def profile_of_png(data: bytes, info: Mapping[Any, Any]) -> bytes | None:
    """The ICC profile that says the same as the chunks of a PNG, the first of cICP, iCCP, sRGB and gAMA with cHRM.

    Args:
        data: The file.
        info: What Pillow read from it.

    Returns:
        None for sRGB.
    """
    code = _cicp(data)
    if code is not None:
        coded = coded_profile(code[0], code[1])
        if coded is not None:
            return coded
    if info.get("icc_profile") or "srgb" in info:
        return info.get("icc_profile")
    gamma = float(info.get("gamma") or 0)
    if gamma <= 0:
        return None
    chromaticities = info.get("chromaticity") or _BT709
    plain = abs(gamma / _GAMMA_OF_SRGB - 1) < _SAME_GAMMA
    return _profile(chromaticities, _srgb_to_light if plain else lambda values: values ** (1 / gamma))


def profile_of_heif(info: Mapping[Any, Any]) -> bytes | None:
    """The ICC profile of a HEIF picture, or one that says the same as its numbers for colours; None for sRGB.

    Numbers that speak of video's curve stand in many files of sRGB values, so they are not believed.
    """
    numbers = info.get("nclx_profile") or {}
    transfer = numbers.get("transfer_characteristics")
    if info.get("icc_profile") or transfer not in _OF_PHOTOS:
        return info.get("icc_profile")
    return coded_profile(int(numbers.get("color_primaries", 0)), int(transfer))


def coded_profile(primaries: int, transfer: int) -> bytes | None:
    """The ICC profile for code points of ITU-T H.273; None for those that it does not define or no picture uses."""
    to_light = _TO_LIGHT.get(transfer)
    if primaries not in _PRIMARIES or to_light is None:
        return None
    return _profile(_PRIMARIES[primaries], to_light)


def _through(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """Convert through a profile of the picture's own kind.

    Raises:
        ValueError: The profile is of another kind.
    """
    space = profile.profile.xcolor_space.strip()
    if space == "GRAY" and picture.mode in ("1", "L"):
        return _converted(picture.convert("L"), profile)
    if space == "RGB" and picture.mode != "CMYK":
        rgb = picture.convert("RGB")
        return rgb if _is_srgb(profile) else _converted(rgb, profile)
    if (space, picture.mode) in (("CMYK", "CMYK"), ("Lab", "LAB")):
        return _converted(picture, profile)
    raise ValueError(f"a profile for {space} in a picture of mode {picture.mode}")


def _converted(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return picture.convert("RGB") if converted is None else converted


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile leaves colours where they are; its name may say anything."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(len(steps), -1, 3)
    shown = np.asarray(_converted(Image.fromarray(colours), profile))
    return int(np.abs(shown.astype(int) - colours).max()) <= _SAME_COLOUR


def _cicp(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of a PNG's cICP chunk (RGB of full range), where it has a valid one."""
    place = 8
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"IDAT":
            break
        if name == b"cICP" and length == 4:
            primaries, transfer, matrix, full_range = data[place + 8 : place + 12]
            return (primaries, transfer) if (matrix, full_range) == (0, 1) else None
        place += 12 + length
    return None


# Profiles (ICC.1:2001-04)


def _profile(chromaticities: Chromaticities, to_light: Callable[[Values], Values]) -> bytes | None:
    """An ICC profile of three primaries and one curve from values to light, both 0 to 1.

    Returns:
        None if the chromaticities span no colours.
    """
    white, *primaries = ((float(x), float(y)) for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True))
    try:
        columns = np.stack([_xyz(*primary) for primary in primaries], axis=1)
        columns = columns * np.linalg.solve(columns, _xyz(*white))
        cones = (_BRADFORD @ np.array(_D50_PCS)) / (_BRADFORD @ _xyz(*white))
        columns = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ columns
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    if not np.isfinite(columns).all() or np.abs(columns).max() > 4:
        return None
    light = np.clip(to_light(np.linspace(0, 1, _CURVE_POINTS)), 0, 1)
    curve = b"curv" + struct.pack(">4xI", _CURVE_POINTS) + np.rint(light * 65535).astype(">u2").tobytes()
    tags = {b"desc": b"desc" + struct.pack(">4xI", 1) + bytes(79), b"wtpt": _xyz_tag(np.array(_D50_PCS))}
    tags |= {name + b"XYZ": _xyz_tag(columns[:, i]) for i, name in enumerate((b"r", b"g", b"b"))}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _packed(tags)


def _packed(tags: Mapping[bytes, bytes]) -> bytes:
    """Header, table of tags and the tags, equal ones stored once."""
    start = 128 + 4 + 12 * len(tags)
    body, places = b"", dict[bytes, int]()
    for tag in tags.values():
        if tag not in places:
            places[tag] = start + len(body)
            body += tag + bytes(-len(tag) % 4)
    table = b"".join(struct.pack(">4sII", name, places[tag], len(tag)) for name, tag in tags.items())
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header = header.ljust(68, b"\0") + _s15fixed16(np.array(_D50_PCS))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(x: float, y: float) -> Values:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _xyz_tag(xyz: Values) -> bytes:
    return b"XYZ " + bytes(4) + _s15fixed16(xyz)


def _s15fixed16(values: Values) -> bytes:
    return np.rint(values * 65536).astype(">i4").tobytes()


# Curves from values to light (ITU-T H.273, table 3)


def _srgb_to_light(values: Values) -> Values:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _video_to_light(values: Values) -> Values:
    return np.where(values < 0.081, values / 4.5, ((values + 0.099) / 1.099) ** (1 / 0.45))


def _pq_to_light(values: Values) -> Values:
    """Absolute brightness up to 10000 cd/m2; what is brighter than white paper is white."""
    power = values ** (1 / 78.84375)
    base = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return 10000 / _HDR_WHITE * base ** (1 / 0.1593017578125)


def _hlg_to_light(values: Values) -> Values:
    """Brightness relative to white paper, which HLG puts at three quarters."""
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    return scene**1.2 * 1000 / _HDR_WHITE


_TO_LIGHT: dict[int, Callable[[Values], Values]] = {
    1: _video_to_light,
    4: lambda values: values**2.2,
    5: lambda values: values**2.8,
    6: _video_to_light,
    8: lambda values: values,
    13: _srgb_to_light,
    14: _video_to_light,
    15: _video_to_light,
    16: _pq_to_light,
    18: _hlg_to_light,
}
