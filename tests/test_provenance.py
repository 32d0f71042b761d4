"""Saved pictures say that they are AI-edited: XMP where the format can hold it, a mark and a signature on request."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperstyle.errors import ExtraMissing, UsageError
from hyperstyle.images import open_photo, save_picture
from hyperstyle.provenance import MARK, SOURCE_TYPES, add_mark, can_note, save_edited

SOURCE_TAG = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


def picture(width: int = 90, height: int = 60) -> Image.Image:
    return Image.effect_noise((width, height), 60).convert("RGB")


def source_type(path: Path) -> str | None:
    """What the file's XMP packet gives as digital source type, read the way any XML reader would."""
    with Image.open(path) as saved:
        packet = saved.info.get("xmp")
    if packet is None:
        return None
    found = ET.fromstring(packet.decode("utf-8")).find(f".//{SOURCE_TAG}")
    return None if found is None else found.text


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG", "a.webp"])
@pytest.mark.parametrize("source", SOURCE_TYPES)
def test_pictures_say_what_they_are(tmp_path, name, source):
    path = tmp_path / name
    assert save_edited(picture(), path, source)
    assert source_type(path) == SOURCE_TYPES[source]
    assert SOURCE_TYPES[source].startswith("http://cv.iptc.org/newscodes/digitalsourcetype/")
    assert SOURCE_TYPES[source].lower().endswith("trainedalgorithmicmedia")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_the_note_changes_no_pixel_and_can_be_left_out(tmp_path, name):
    drawn = picture()
    save_edited(drawn, tmp_path / name, "generated")
    assert not save_edited(drawn, tmp_path / f"bare_{name}", "generated", note=False)
    save_picture(drawn, tmp_path / f"old_{name}")
    noted, bare, old = (open_photo(tmp_path / f"{prefix}{name}") for prefix in ("", "bare_", "old_"))
    assert noted.tobytes() == bare.tobytes() == old.tobytes()
    assert source_type(tmp_path / f"bare_{name}") is None
    assert (tmp_path / f"bare_{name}").read_bytes() == (tmp_path / f"old_{name}").read_bytes()


def test_formats_that_cannot_hold_it_are_saved_and_say_so(tmp_path):
    assert not save_edited(picture(), tmp_path / "a.bmp", "composite")
    assert (tmp_path / "a.bmp").is_file()
    assert can_note("a.png")
    assert not can_note("a.tiff")
    with pytest.raises(UsageError, match=r"end the file name in \.png\."):
        save_edited(picture(), tmp_path / "a.jpg", "composite", texts={"x": "y"})
    with pytest.raises(UsageError, match=r"\.bmp"):
        save_edited(picture(), tmp_path / "b.bmp", "composite", sign=True)
    with pytest.raises(UsageError, match=r"\.bmp"):
        save_picture(picture(), tmp_path / "b.bmp", "<x/>")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bmp"]


@pytest.mark.parametrize("size", [(32, 32), (90, 60), (1000, 700), (6, 6)])
def test_the_mark_lies_in_the_lower_right_corner(size):
    before = picture(*size)
    kept = before.tobytes()
    after = add_mark(before)
    assert (after.size, before.tobytes()) == (size, kept)
    changed = (np.asarray(before) != np.asarray(after)).any(-1)
    assert changed[-1].any()
    assert changed[:, -1].any()
    if min(size) >= 60:
        assert not changed[: size[1] // 2].any()
        assert np.asarray(after)[changed].max() > 200  # letters
        assert changed.sum() < 0.35 * changed.size


def test_the_mark_is_off_unless_asked_for(tmp_path):
    drawn = picture()
    save_edited(drawn, tmp_path / "a.png", "composite")
    save_edited(drawn, tmp_path / "b.png", "composite", mark=True)
    assert open_photo(tmp_path / "a.png").tobytes() == drawn.tobytes()
    assert open_photo(tmp_path / "b.png").tobytes() == add_mark(drawn).tobytes()
    assert MARK == "AI-edited"


@pytest.mark.parametrize(("name", "mime"), [("a.png", "image/png"), ("a.jpg", "image/jpeg"), ("a.webp", "image/webp")])
def test_a_signature_is_valid_and_says_that_it_is_self_signed(tmp_path, name, mime):
    c2pa = pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    path, plain = tmp_path / name, tmp_path / f"plain_{name}"
    drawn = picture()
    save_edited(drawn, path, "composite", sign=True)
    save_edited(drawn, plain, "composite")
    with path.open("rb") as file, c2pa.Reader(mime, file) as reader:
        report = json.loads(reader.json())
    assert report["validation_state"] == "Valid"
    assert [row["code"] for row in report["validation_status"]] == ["signingCredential.untrusted"]
    manifest = report["manifests"][report["active_manifest"]]
    assert manifest["signature_info"]["issuer"] == "HyperStyle (self-signed)"
    assert "thumbnail" not in manifest
    (action,) = manifest["assertions"][0]["data"]["actions"]
    assert action["digitalSourceType"] == SOURCE_TYPES["composite"]
    assert source_type(path) == SOURCE_TYPES["composite"]
    assert open_photo(path).tobytes() == open_photo(plain).tobytes()


def test_a_changed_file_does_not_keep_its_signature(tmp_path):
    c2pa = pytest.importorskip("c2pa")
    path = tmp_path / "a.png"
    save_edited(picture(), path, "generated", sign=True)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1  # in the last chunk of pixels
    path.write_bytes(content)
    with path.open("rb") as file, c2pa.Reader("image/png", file) as reader:
        report = json.loads(reader.json())
    assert report["validation_state"] == "Invalid"


def test_without_the_packages_signing_says_what_to_install(tmp_path, monkeypatch):
    from hyperstyle.provenance import signature

    signature._make_credentials.cache_clear()
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(ExtraMissing, match=r"pip install c2pa-python cryptography.*or leave signing out\.") as error:
        save_edited(picture(), tmp_path / "a.png", "generated", sign=True)
    assert str(error.value).endswith(".")
    assert list(tmp_path.iterdir()) == []
