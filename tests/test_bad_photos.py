"""Everything that is not a usable photo is refused in one sentence that says what to do."""

from __future__ import annotations

import io
import os
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hyperstyle.alignment import align_faces
from hyperstyle.errors import HyperStyleError, NoFaceFound, PhotoTooLarge, UnreadableImage
from hyperstyle.images import MAX_FILE_BYTES, MAX_PIXELS, open_photo


def encoded(picture: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=file_format, **options)
    return buffer.getvalue()


def photo(width: int = 200, height: int = 150) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds no pixels to speak of."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif_header(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00\x00\x00" + b"," + bytes(30)


def assert_one_sentence(error: HyperStyleError) -> None:
    text = str(error)
    assert "\n" not in text
    assert "Traceback" not in text
    assert text[0].isupper() or text[0] == "'"
    assert text.endswith(".")
    assert ";" in text  # what happened; what to do


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200)


def raw_tiff(*entries: tuple[int, int, int]) -> bytes:
    """A TIFF with a small preview, as cameras put before their raw data, and more entries: tag, type, value."""
    tiff = encoded(photo(24, 16), "TIFF")
    (start,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, start)
    own = [tiff[start + 2 + 12 * i : start + 14 + 12 * i] for i in range(count)]
    more = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries]
    table = b"".join(sorted([*own, *more], key=lambda entry: struct.unpack("<H", entry[:2])))
    directory = struct.pack("<H", count + len(more)) + table + bytes(4)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + directory


def raw_below() -> bytes:
    """The same with the raw data in a directory below the preview's."""
    place = len(raw_tiff((330, 4, 0)))
    return raw_tiff((330, 4, place)) + struct.pack("<HHHII", 1, 262, 3, 1, 32803) + bytes(4)


UNREADABLE = {
    "dng": (raw_tiff((50706, 4, 0x0401)), "camera raw"),
    "nef": (raw_below(), "camera raw"),
    "cr3": (b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom" + bytes(200), "camera raw"),
    "raf": (b"FUJIFILMCCD-RAW 0201FF" + bytes(200), "camera raw"),
    "eps": (encoded(photo(), "EPS"), "is a document"),
    "postscript": (b"%!PS-Adobe-3.0\n%%BoundingBox: 0 0 40 40\nshowpage\n", "is a document"),
    "pdf after a few bytes": (b"\xef\xbb\xbf\n%PDF-1.4\n", "is a document"),
    "word": (b"PK\x03\x04" + bytes(300), "is a document"),
    "text": (b"Dear photo, please be a face.\n" * 40, "not a picture"),
    "noise": (np.random.default_rng(1).bytes(5000), "not a picture"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n", "is a document"),
    "one byte": (b"\xff", "not a picture"),
    "empty": (b"", "empty"),
    "heic": (HEIC, "damaged"),
    "transparent": (encoded(Image.new("RGBA", (64, 64), (255, 0, 0, 0)), "PNG"), "completely transparent"),
    "transparent grey": (encoded(Image.new("LA", (64, 64), (9, 0)), "PNG"), "completely transparent"),
    "jpeg header only": (encoded(photo(), "JPEG")[:300], "damaged"),
    "png header only": (encoded(photo(), "PNG")[:60], "damaged"),
    "broken png": (encoded(photo(), "PNG")[:4000] + bytes(2000), "damaged"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_bytes_and_files(tmp_path: Path, case: str) -> None:
    content, words = UNREADABLE[case]
    with pytest.raises(UnreadableImage, match=words) as caught:
        open_photo(content)
    assert_one_sentence(caught.value)
    path = tmp_path / "upload.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=words) as caught:
        open_photo(path)
    assert "upload.jpg" in str(caught.value)
    assert_one_sentence(caught.value)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("kept", [0.3, 0.8, 0.95])
def test_truncated_files(file_format: str, kept: float) -> None:
    content = encoded(photo(), file_format)
    with pytest.raises(UnreadableImage, match=r"truncated|damaged") as caught:
        open_photo(content[: int(len(content) * kept)])
    assert_one_sentence(caught.value)


def test_damaged_files_never_raise_anything_else() -> None:
    rng = np.random.default_rng(2)
    for file_format in ("JPEG", "PNG", "WEBP", "TIFF", "GIF"):
        whole = np.frombuffer(encoded(photo(40, 30), file_format), dtype=np.uint8)
        for _ in range(40):
            content = whole.copy()
            content[rng.integers(0, len(content), 12)] = rng.integers(0, 256, 12)
            try:
                opened = open_photo(content.tobytes())
            except HyperStyleError as error:
                assert_one_sentence(error)
            else:
                assert opened.mode == "RGB"


@pytest.mark.parametrize("content", [png_header(60_000, 60_000), gif_header(60_000, 60_000), png_header(9_500, 9_500)])
def test_giant_headers_are_refused_before_decoding(content: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(PhotoTooLarge, match=f"more than {MAX_PIXELS // 10**6} million pixels") as caught:
        open_photo(content)
    assert time.monotonic() - started < 1
    assert_one_sentence(caught.value)


def test_giant_picture_object_is_refused() -> None:
    with pytest.raises(PhotoTooLarge, match="9500 x 9500 pixels"):
        open_photo(Image.new("1", (9_500, 9_500)))


def test_an_upload_of_40_mb_works() -> None:
    content = encoded(Image.new("RGB", (3_740, 3_740), (90, 120, 60)), "BMP")
    assert 39.9e6 < len(content) < 44e6
    assert open_photo(content).size == (3_740, 3_740)


def test_files_over_the_limit_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # sparse: takes no disk
    for source in (path, bytes(MAX_FILE_BYTES + 1)):
        with pytest.raises(PhotoTooLarge, match="64 MB") as caught:
            open_photo(source)
        assert_one_sentence(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"There is no file '.*nobody\.jpg'") as caught:
        open_photo(tmp_path / "nobody.jpg")
    assert_one_sentence(caught.value)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="is a folder") as caught:
        open_photo(tmp_path)
    assert_one_sentence(caught.value)


@pytest.mark.parametrize("name", ["nul\0character.jpg", "x" * 5000 + ".jpg", "https://example.com/face.jpg"])
def test_impossible_names(name: str) -> None:
    with pytest.raises(UnreadableImage) as caught:
        open_photo(name)
    assert_one_sentence(caught.value)


def test_special_files_are_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)  # reading it would wait for ever
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(UnreadableImage, match="is not a file") as caught:
            open_photo(path)
        assert_one_sentence(caught.value)


@pytest.mark.parametrize("source", [None, 7, [], object()])
def test_no_photo_at_all(source: object) -> None:
    with pytest.raises(UnreadableImage, match="No photo was given") as caught:
        open_photo(source)  # type: ignore[arg-type]
    assert_one_sentence(caught.value)


def astronaut_of_height(face_px: float, canvas: tuple[int, int]) -> Image.Image:
    """A plain photo with one face of that many pixels."""
    whole = Image.fromarray(data.astronaut())
    size = round(512 * face_px / 107)
    result = Image.new("RGB", canvas, (96, 110, 124))
    result.paste(whole.resize((size, size), Image.Resampling.LANCZOS), (canvas[0] // 3, canvas[1] // 4))
    return result


def test_photo_without_a_face() -> None:
    with pytest.raises(NoFaceFound, match="No face was found") as caught:
        align_faces(open_photo(encoded(photo(), "JPEG")))
    assert_one_sentence(caught.value)


def test_face_of_20_px_is_found_with_a_warning() -> None:
    (face,) = align_faces(astronaut_of_height(20, (400, 300)))
    assert face.report.face_px == pytest.approx(20, abs=2)
    assert "pixels tall, so most detail is missing" in face.report.warnings[0]


def test_face_of_10_px_is_refused() -> None:
    with pytest.raises(NoFaceFound, match="at least 18 pixels tall") as caught:
        align_faces(astronaut_of_height(10, (400, 300)))
    assert_one_sentence(caught.value)


def test_no_decoder_of_documents_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    asked = []
    for name in ("EPS", "WMF", "PDF"):
        if name in Image.OPEN:
            monkeypatch.setitem(Image.OPEN, name, (lambda *_, name=name: asked.append(name), None))
    for content, _ in UNREADABLE.values():
        with pytest.raises(UnreadableImage):
            open_photo(content)
    assert asked == []


def test_a_tiff_called_raw_is_refused_and_an_ordinary_one_is_read(tmp_path: Path) -> None:
    ordinary = encoded(photo(), "TIFF")
    assert open_photo(ordinary).tobytes() == photo().tobytes()
    path = tmp_path / "DSC_0001.NEF"
    for content in (ordinary, b"a kind that nobody knows" * 40):
        path.write_bytes(content)
        with pytest.raises(UnreadableImage, match="camera raw"):
            open_photo(path)


def test_heic_without_its_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableImage, match="is a HEIC photo, which cannot be read here") as caught:
        open_photo(HEIC)
    assert_one_sentence(caught.value)
