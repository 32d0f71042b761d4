"""Every kind of picture in, the same RGB picture out; pictures and tensors; atomic saving."""

from __future__ import annotations

import errno
import io
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from hyperstyle.colours import coded_profile
from hyperstyle.errors import CannotWrite, UnreadableImage, UsageError
from hyperstyle.images import open_photo, save_picture, to_photo, to_tensor


def gradient(width: int = 48, height: int = 32) -> Image.Image:
    """A smooth colour picture without any symmetry."""
    x, y = np.meshgrid(np.linspace(20, 235, width), np.linspace(20, 235, height))
    return Image.fromarray(np.stack([x, y, (x + 255 - y) / 2], axis=-1).astype(np.uint8))


def encoded(picture: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=file_format, **options)
    return buffer.getvalue()


def mean_error(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)).mean())


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "WEBP", "PPM", "TGA"])
def test_lossless_formats_are_read_exactly(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}
    assert open_photo(encoded(gradient(), file_format, **options)).tobytes() == gradient().tobytes()


@pytest.mark.parametrize("file_format", ["JPEG", "JPEG2000", "AVIF"])
def test_lossy_formats_are_read(file_format: str) -> None:
    assert mean_error(open_photo(encoded(gradient(), file_format, quality=90)), gradient()) < 3


def test_path_text_bytes_and_picture_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "photo with spaces.png"
    gradient().save(path)
    for source in (path, str(path), path.read_bytes(), gradient()):
        photo = open_photo(source)
        assert photo.mode == "RGB"
        assert photo.tobytes() == gradient().tobytes()


def test_arrays_and_open_files_are_photos_too(tmp_path: Path) -> None:
    picture = Image.effect_noise((8, 6), 60).convert("RGB")
    picture.save(tmp_path / "photo.png")
    data = (tmp_path / "photo.png").read_bytes()

    class Place:
        def __fspath__(self) -> str:
            return str(tmp_path / "photo.png")

    written = io.BytesIO()
    picture.save(written, "PNG")  # leaves it at its end, as a file is after the first use
    values = np.asarray(picture)
    for source in (values, values[:, ::-1][:, ::-1], written, written, Place(), bytearray(data)):
        assert open_photo(source).tobytes() == picture.tobytes()
    with (tmp_path / "photo.png").open("rb") as file:
        assert [open_photo(file).tobytes() for _ in range(2)] == [picture.tobytes()] * 2
    with pytest.raises(UnreadableImage, match="open it with open"):
        open_photo(file)  # closed by now
    with pytest.raises(UnreadableImage, match="open it with open"), (tmp_path / "photo.png").open() as text:
        open_photo(text)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8, 3)),
        np.zeros((0, 8, 3), np.uint8),
        np.array(None),
    ],
)
def test_other_arrays_say_what_is_needed(values: np.ndarray) -> None:
    with pytest.raises(UnreadableImage, match=r"\(H, W, 3\) and the type uint8"):
        open_photo(values)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    stored = {  # how a camera stores the upright picture under each orientation
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    picture = gradient()
    for step in stored:
        picture = picture.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for file_format in ("PNG", "TIFF"):
        assert open_photo(encoded(picture, file_format, exif=exif)).tobytes() == gradient().tobytes()
    opened = Image.open(io.BytesIO(encoded(picture, "JPEG", exif=exif, quality=95)))
    assert mean_error(open_photo(opened), gradient()) < 3


def test_broken_exif_is_ignored() -> None:
    data = encoded(gradient(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\xff\xff broken", quality=95)
    assert mean_error(open_photo(data), gradient()) < 3


def test_metadata_is_dropped() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera maker"
    photo = open_photo(encoded(gradient(), "JPEG", exif=exif, comment=b"at home"))
    assert photo.info == {}
    assert len(photo.getexif()) == 0


def test_transparency_lies_over_white() -> None:
    picture = gradient().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    values = np.asarray(picture, dtype=float)
    alpha = values[:, :, 3:] / 255
    expected = values[:, :, :3] * alpha + 255 * (1 - alpha)
    assert np.abs(np.asarray(open_photo(encoded(picture, "PNG"))) - expected).max() <= 1


def test_transparent_colour_of_a_palette_is_white() -> None:
    picture = gradient().quantize(16)
    transparent = picture.getpixel((0, 0))
    photo = open_photo(encoded(picture, "PNG", transparency=transparent))
    assert photo.getpixel((0, 0)) == (255, 255, 255)
    assert mean_error(photo.crop((24, 16, 48, 32)), gradient().crop((24, 16, 48, 32))) < 20


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1"])
def test_grey_and_palette_become_rgb(mode: str) -> None:
    picture = gradient().convert("L").convert(mode)
    assert open_photo(encoded(picture, "PNG")).tobytes() == picture.convert("RGB").tobytes()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(file_format: str) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(8, axis=0)
    values = np.asarray(open_photo(encoded(Image.fromarray(ramp), file_format)))[0, :, 0]
    assert np.abs(values - ramp[0] / 257).max() <= 0.51


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_float_tiff_is_scaled(top: float) -> None:
    ramp = np.linspace(0, top, 64, dtype=np.float32)[None].repeat(8, axis=0)
    values = np.asarray(open_photo(encoded(Image.fromarray(ramp), "TIFF")))[0, :, 0]
    assert np.abs(values - np.linspace(0, 255, 64)).max() <= 0.51


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk(file_format: str) -> None:
    photo = open_photo(encoded(gradient().convert("CMYK"), file_format))
    assert mean_error(photo, gradient()) < 3


def test_embedded_colour_profile_is_applied() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A profile whose red primary is sRGB's green and the reverse, under a name that is not sRGB's.
    swapped = srgb.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be")).replace(b"sRGB", b"test")
    for mode in ("RGB", "RGBA"):
        red = Image.new(mode, (8, 8), (255, 0, 0))
        assert open_photo(encoded(red, "PNG", icc_profile=swapped)).getpixel((4, 4)) == pytest.approx(
            (0, 255, 0), abs=2
        )


@pytest.mark.parametrize("profile", [b"", b"not a profile"])
def test_colours_without_a_usable_profile_are_taken_as_they_are(profile: bytes) -> None:
    assert open_photo(encoded(gradient(), "PNG", icc_profile=profile)).tobytes() == gradient().tobytes()


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(file_format: str) -> None:
    first, second = Image.new("RGB", (16, 16), (200, 30, 40)), Image.new("RGB", (16, 16), (10, 30, 200))
    data = encoded(first, file_format, save_all=True, append_images=[second], duration=100)
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert np.abs(np.array(open_photo(data).getpixel((8, 8))) - (200, 30, 40)).max() <= 4


def test_tensor_and_back() -> None:
    tensor = to_tensor(gradient())
    assert tensor.shape == (1, 3, 32, 48)
    assert tensor.dtype == torch.float32
    assert tensor[0, :, 0, 0].tolist() == pytest.approx([v / 127.5 - 1 for v in gradient().getpixel((0, 0))])
    difference = np.asarray(to_photo(tensor), dtype=int) - np.asarray(gradient(), dtype=int)
    assert abs(difference).max() <= 1  # truncation may lose one level


def test_resizing_is_antialiased() -> None:
    stripes = Image.fromarray(np.tile(np.array([[0], [255]], dtype=np.uint8), (128, 256)))
    assert to_tensor(stripes, 32).abs().max() < 0.05


def test_generated_values_are_clamped_and_truncated() -> None:
    tensor = torch.tensor([-9.0, -1.0, 0.0, 0.999, 1.0, 9.0, float("nan")]).expand(3, 1, 7)
    assert np.asarray(to_photo(tensor))[0, :, 0].tolist() == [0, 0, 127, 254, 255, 255, 127]
    with pytest.raises(ValueError, match="expected a tensor of shape"):
        to_photo(torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize("name", ["face.png", "face.jpg", "face.JPEG", "face.webp", "face.bmp", "face.tiff"])
def test_saved_pictures_can_be_opened(tmp_path: Path, name: str) -> None:
    save_picture(gradient(), tmp_path / name)
    assert mean_error(open_photo(tmp_path / name), gradient()) < 3
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_transparent_picture_saves_as_jpeg_over_white(tmp_path: Path) -> None:
    save_picture(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), tmp_path / "clear.jpg")
    assert open_photo(tmp_path / "clear.jpg").getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("name", ["face.xyz", "face", "face.mp4"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"end the file name in \.png"):
        save_picture(gradient(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="is not a folder"):
        save_picture(gradient(), tmp_path / "missing" / "face.png")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite, match="is not a folder"):
        save_picture(gradient(), tmp_path / "file" / "face.png")


def test_full_disk_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "face.png"
    save_picture(gradient(), target)
    before = target.read_bytes()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # the kernel now refuses longer files
    try:
        with pytest.raises(CannotWrite, match="disk is full"):
            save_picture(noise, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.EIO, "choose another folder or name"),
    ],
)
def test_write_failures_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, "Some Reason")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(CannotWrite, match=words):
        save_picture(gradient(), tmp_path / "face.png")
    assert list(tmp_path.iterdir()) == []


# Colours: what a browser shows


def to_light(values: np.ndarray) -> np.ndarray:
    """SRGB values, 0 to 1, as light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_values(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def muted() -> Image.Image:
    """Colours that every colour space holds, none so dark that eight bits of light lose it."""
    return gradient(64, 64).point(lambda value: 90 + value // 3)


def as_picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))


def in_display_p3() -> Image.Image:
    to_p3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])  # from linear sRGB
    return as_picture(to_values(to_light(np.asarray(muted()) / 255.0) @ to_p3.T))


def in_light(picture: Image.Image) -> Image.Image:
    return as_picture(to_light(np.asarray(picture) / 255.0))


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey values that are light to the power of 1 / gamma."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv" + struct.pack(">4xIH2x", 1, round(gamma * 256))
    start = 128 + 4 + 2 * 12
    table = struct.pack(">I4sII4sII", 2, b"wtpt", start, len(white), b"kTRC", start + len(white), len(curve))
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(white + curve), 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    return header.ljust(68, b"\0").ljust(68) + white[8:].ljust(60, b"\0") + table + white + curve


def with_chunks(picture: Image.Image, *chunks: tuple[bytes, bytes], **options: object) -> bytes:
    """A PNG with these chunks right after its header."""
    data = encoded(picture, "PNG", **options)
    more = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return data[:33] + more + data[33:]


P3 = (b"cICP", bytes([12, 13, 0, 1]))
LINEAR = (b"gAMA", struct.pack(">I", 100_000))


@pytest.mark.parametrize("name", ["sRGB but linear", "Any"])
def test_a_profile_counts_whatever_its_name_says(name: str) -> None:
    linear = coded_profile(1, 8)
    assert linear is not None
    named = linear.replace(b"desc" + struct.pack(">4xI", 1), b"desc" + struct.pack(">4xI", len(name) + 1), 1)
    named = named.replace(bytes(79), (name.encode() + bytes(79))[:79], 1)
    for file_format in ("PNG", "JPEG"):
        data = encoded(in_light(muted()), file_format, icc_profile=named, **JPEG_OPTIONS[file_format])
        assert mean_error(open_photo(data), muted()) < 2


JPEG_OPTIONS = {"PNG": {}, "JPEG": {"quality": 98, "subsampling": 0}}


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_profiles_are_applied(gamma: float, mode: str) -> None:
    grey = muted().convert("L")
    values = to_light(np.asarray(grey) / 255.0) ** (1 / gamma)
    picture = as_picture(values).convert("LA") if mode == "LA" else as_picture(values)
    if mode == "I;16":
        picture = Image.fromarray(np.rint(values * 65535).astype(np.uint16))
    assert mean_error(open_photo(encoded(picture, "PNG", icc_profile=grey_profile(gamma))), grey.convert("RGB")) < 2


def test_profiles_of_palettes_and_of_colours_in_grey_pictures_are_applied() -> None:
    p3, linear = coded_profile(12, 13), coded_profile(1, 8)
    palette = in_display_p3().quantize(256)
    shown = open_photo(encoded(palette, "PNG", icc_profile=p3))
    assert mean_error(shown, open_photo(encoded(palette.convert("RGB"), "PNG", icc_profile=p3))) < 0.01
    assert mean_error(shown, palette.convert("RGB")) > 2
    grey = muted().convert("L")
    assert mean_error(open_photo(encoded(in_light(grey), "PNG", icc_profile=linear)), grey.convert("RGB")) < 2


def test_a_profile_of_another_kind_of_picture_is_ignored() -> None:
    data = encoded(gradient(), "PNG", icc_profile=grey_profile(1.0))
    assert open_photo(data).tobytes() == gradient().tobytes()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_srgb_with_its_own_profile_stays_as_it_is(file_format: str) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert open_photo(encoded(gradient(), file_format, icc_profile=srgb)).tobytes() == gradient().tobytes()


def test_what_a_png_says_of_its_colours() -> None:
    assert mean_error(open_photo(with_chunks(in_display_p3(), P3)), muted()) < 1
    assert mean_error(open_photo(with_chunks(in_light(muted()), LINEAR)), muted()) < 2
    white_to_blue = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    usual, wide = (b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", white_to_blue)
    assert mean_error(open_photo(with_chunks(in_display_p3(), usual, wide)), muted()) < 1
    assert open_photo(with_chunks(gradient(), usual)).tobytes() == gradient().tobytes()


def test_which_statement_of_a_png_counts() -> None:
    """The first of cICP, a profile, sRGB and gAMA; a cICP of video counts for nothing."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert mean_error(open_photo(with_chunks(in_display_p3(), P3, icc_profile=srgb)), muted()) < 1
    assert open_photo(with_chunks(gradient(), LINEAR, icc_profile=srgb)).tobytes() == gradient().tobytes()
    assert open_photo(with_chunks(gradient(), (b"sRGB", b"\0"), LINEAR)).tobytes() == gradient().tobytes()
    assert open_photo(with_chunks(gradient(), (b"cICP", bytes([12, 13, 1, 0])))).tobytes() == gradient().tobytes()


def test_orientation_in_xmp_alone_is_not_applied() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[700] = xmp
    for data in (
        encoded(gradient(), "JPEG", quality=95, xmp=xmp),
        encoded(gradient(), "PNG", pnginfo=info),
        encoded(gradient(), "TIFF", tiffinfo=tags),
        encoded(gradient(), "WEBP", quality=95, xmp=xmp),
    ):
        assert mean_error(open_photo(data), gradient()) < 4
        assert open_photo(Image.open(io.BytesIO(data))).size[::-1] in (gradient().size, gradient().size[::-1])


# Files of phones


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_read_upright_whatever_its_name(tmp_path: Path, orientation: int) -> None:
    stored = gradient(128, 64)
    turned = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoder = pillow_heif.from_pillow(stored)
    encoder.info["exif"] = exif.tobytes()
    p3 = coded_profile(12, 13)
    encoder.info["icc_profile"] = p3
    for name in ("IMG_1.HEIC", "IMG_1.jpg"):
        encoder.save(tmp_path / name, quality=95)
        expected = open_photo(encoded(stored, "PNG", icc_profile=p3))
        turn = turned[orientation]
        expected = expected if turn is None else expected.transpose(turn)
        shown = open_photo(tmp_path / name)
        assert shown.size == expected.size
        assert mean_error(shown, expected) < 4


def test_colours_of_heic_without_a_profile() -> None:
    for picture, primaries in ((in_display_p3(), 12), (muted(), 1)):
        held = io.BytesIO()
        numbers = {"color_primaries": primaries, "transfer_characteristics": 13}
        pillow_heif.from_pillow(picture).save(held, quality=98, save_nclx_profile=True, **numbers)
        assert mean_error(open_photo(held.getvalue()), muted()) < 2


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [1, 2, 6])
def test_jpeg_without_its_last_bytes_is_read(progressive: bool, lost: int) -> None:
    photo = gradient(320, 240)
    data = encoded(photo, "JPEG", quality=90, progressive=progressive)
    assert mean_error(open_photo(data[:-lost]), Image.open(io.BytesIO(data))) < 1


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_jpeg_that_misses_a_part_is_not(progressive: bool, kept: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8))
    data = encoded(noise, "JPEG", progressive=progressive)
    with pytest.raises(UnreadableImage, match="truncated"):
        open_photo(data[: int(len(data) * kept)])
