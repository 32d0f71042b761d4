"""What an edited picture says about itself: that it was edited by AI, in its metadata and, on request, in a corner.

The metadata is an XMP packet with IPTC's digital source type, which photo managers, search engines and social networks
read. It can be removed by anyone; it is there for people who want to know, not against people who want to deceive.

Source: IPTC Photo Metadata Standard 2023.2, "Digital Source Type", and its list of codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from hyperstyle.errors import UsageError
from hyperstyle.images import OWN_PIXELS, XMP_FORMATS, picture_format, save_picture
from hyperstyle.version import VERSION

Source = Literal["composite", "generated"]
"""Whether generated parts lie in a photo, or the whole picture was drawn by the generator."""

SOURCE_TYPES: dict[Source, str] = {
    "composite": "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
    "generated": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
}
MARK = "AI-edited"
_COMMENT = "AI-edited with HyperStyle {version}. Digital source type: {source_type}"
MARK_SHARE, MARK_MIN_PX = 1 / 32, 8  # height of its letters, of the picture's shorter side; at least
_MARK_MARGIN = 0.4  # around the letters, of their height
_MARK_PLATE, _MARK_INK = (0, 0, 0, 150), (255, 255, 255, 255)

# The first attribute holds U+FEFF, by which readers find the packet's encoding (XMP specification, part 1, 7.3.2).
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
    "<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>"
    "<xmp:CreatorTool>{tool}</xmp:CreatorTool>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)


def save_edited(
    picture: Image.Image,
    path: str | Path,
    source: Source,
    note: bool = True,
    mark: bool = False,
    sign: bool = False,
    texts: Mapping[str, str] | None = None,
) -> bool:
    """Save a picture that the program changed or drew, whole or not at all, and let it say so.

    Every picture that a person takes away goes through here.

    Args:
        picture: What to save.
        path: Where to; the suffix chooses the format.
        source: How much of it was generated; a "generated" picture with pixels of its photo is a "composite".
        note: Put the note into the metadata.
        mark: Also write `MARK` into the lower right corner, for everybody to see.
        sign: Also add a signed C2PA manifest; see `signature`, which says what that is worth.
        texts: Named texts to put into a PNG, such as a recipe.

    Returns:
        Whether the file carries the note: it does not where it should not, or where its format cannot.

    Raises:
        UsageError: The suffix names no format that can be written, or one that cannot hold a signature or the texts.
        ExtraMissing: Signing needs packages that are not installed.
        CannotWrite: Disk full, no permission, no such folder.
    """
    path = Path(path)
    noted = note and can_note(path)
    if source == "generated" and picture.info.get(OWN_PIXELS):
        source = "composite"
    finish = _signer(path, source) if sign else None
    save_picture(add_mark(picture) if mark else picture, path, xmp_packet(source) if noted else "", texts, finish)
    return noted


def can_note(path: str | Path) -> bool:
    """Whether a picture of this name can carry the note.

    Raises:
        UsageError: The suffix names no format that can be written.
    """
    return picture_format(Path(path)) in XMP_FORMATS


def check_signable(path: str | Path) -> None:
    """Refuse to sign before any long work starts; raises as `save_edited` does."""
    _signer(Path(path), "generated")


def xmp_packet(source: Source) -> str:
    """The metadata itself: IPTC's digital source type and the program's name."""
    return _PACKET.format(source_type=SOURCE_TYPES[source], tool=f"HyperStyle {VERSION}")


def comment(source: Source) -> str:
    """The same in a sentence, for formats whose metadata hold text only, such as MP4 and GIF."""
    return _COMMENT.format(version=VERSION, source_type=SOURCE_TYPES[source])


def add_mark(picture: Image.Image) -> Image.Image:
    """Write `MARK` on a dark plate in the lower right corner of a copy, RGB."""
    letters_px = max(MARK_MIN_PX, round(min(picture.size) * MARK_SHARE))
    margin_px = max(1, round(letters_px * _MARK_MARGIN))
    font = ImageFont.load_default(letters_px)
    left, top, right, bottom = font.getbbox(MARK)
    width, height = round(right - left) + 2 * margin_px, round(bottom - top) + 2 * margin_px
    plate = Image.new("RGBA", (width, height), _MARK_PLATE)
    ImageDraw.Draw(plate).text((margin_px - left, margin_px - top), MARK, _MARK_INK, font)
    marked = picture.convert("RGB")
    marked.paste(plate.convert("RGB"), (picture.width - width, picture.height - height), plate)
    return marked


def _signer(path: Path, source: Source) -> Callable[[bytes], bytes]:
    """What signs an encoded picture of this name."""
    from hyperstyle.provenance.signature import sign, signing_credentials

    file_format = picture_format(path)
    if file_format not in XMP_FORMATS:
        raise UsageError(f"'{path.suffix}' files cannot be signed; end the file name in .png, .jpg or .webp.")
    credentials = signing_credentials()
    return lambda content: sign(content, Image.MIME[file_format], SOURCE_TYPES[source], credentials)
