"""Recipes: a look as a small versioned file, a link or a note in a PNG. Plain data; `render_recipe` draws it.

A recipe says what to do to a face: edits, words and settings. It may hold the small inversion of one face, and then
draws that very picture again, bit for bit on the same kind of machine. It never holds a photo. A link carries neither a
face nor how one goes back into its photo.
"""

from __future__ import annotations

import base64
import json
import struct
import urllib.parse
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from hyperstyle.alignment import PasteOptions, check_regions
from hyperstyle.errors import BadLook, BadRecipe, HyperStyleError, UsageError, WrongDomain
from hyperstyle.files.whole import write_text
from hyperstyle.latents import Inversion
from hyperstyle.look import DEFAULT_NEUTRAL, NAMES, NUMBERS, AnyLook, HasLook, Look, TextEdit, a_name, a_number, look_of
from hyperstyle.scalars import plain_scalar

FORMAT = "hyperstyle.recipe"
VERSION = 1
SUFFIX = ".hyperstyle.json"
PNG_KEYWORD = FORMAT
"""Keyword of the iTXt chunk that holds a recipe's JSON."""

MAX_FACE_BYTES = 512 * 2**10  # a hundred portraits' inversions, ten of 1024 px; tuned weights are beyond it
MAX_BYTES = 2**20
MAX_LINK = 2000  # characters; longer addresses are cut off by some programs
MAX_PNG_BYTES = 256 * 2**20

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LINK_VERSION = "recipe"
_LOOK = {field.name: field.name for field in fields(Look)} | {field: name for name, field in NAMES.items()}
"""Names in a recipe, by the look's fields."""


@dataclass(frozen=True, init=False)
class Recipe(HasLook):
    """What to do to a face, and optionally which face.

    Attributes:
        domain: Name of the domain it was made in.
        look: What is done to the face. May be given in parts: `Recipe("portraits", {"smile": 1.5}, style="line")`.
        steps: Refinement steps for rebuilding a photo; None for the domain's own number.
        inversion: The face it was made on, from `HyperStyle.invert`; None for a recipe that suits any face.
        paste: How the face goes back into its photo; None leaves that to who uses the recipe.
        mark: Write into pictures, for everybody to see, that they were edited; None leaves that open likewise.
        text_off: Positions of prompts that are kept but turned off.

    Raises:
        BadRecipe: A value makes no sense. Whether the domain knows the edits is checked when it draws them.
        WrongDomain: The inversion belongs to another domain.
    """

    domain: str
    look: Look
    steps: int | None
    inversion: Inversion | None
    paste: PasteOptions | None
    mark: bool | None
    text_off = property(lambda self: frozenset(row for row, edit in enumerate(self.look.words) if not edit.on))

    def __init__(
        self,
        domain: str,
        look: AnyLook = None,
        *values: Any,
        steps: int | None = None,
        inversion: Inversion | None = None,
        paste: PasteOptions | None = None,
        mark: bool | None = None,
        text_off: Collection[int] = (),
        **parts: Any,
    ) -> None:
        steps = plain_scalar(steps)
        try:
            settled = {
                "domain": a_name(domain, "the domain"),
                "look": _checked_look(look_of(look, *values, **parts), text_off),
                "steps": steps,
                "inversion": inversion,
                "paste": None if paste is None else _checked_paste(paste),
                "mark": mark,
            }
            if steps is not None and not _is_whole(steps):
                raise BadLook(f"its refinement steps must be a whole number, 0 or more, not {str(steps)[:40]}")
            if mark is not None and not isinstance(mark, bool):
                raise BadLook("whether pictures are marked must be true or false")
            if inversion is not None and inversion.domain != domain:
                raise WrongDomain(
                    f"The face in this recipe belongs to the domain '{inversion.domain}', not to '{domain}'."
                )
            if inversion is not None and len(inversion) != 1:
                raise BadLook(f"it holds {len(inversion)} faces; a recipe has one or none")
        except BadLook as error:
            raise _Unfit(error.reason) from None
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    def without_face(self) -> Recipe:
        """The same recipe for any face."""
        return replace(self, inversion=None)

    # file

    def to_json(self) -> str:
        """Write the recipe as text.

        Raises:
            BadRecipe: Its face is too large, as one from a method that tunes weights one by one is.
        """
        return json.dumps(self._record(), indent=2, ensure_ascii=False) + "\n"

    def _record(self) -> dict[str, Any]:
        look = self.look
        record: dict[str, Any] = {"format": FORMAT, "version": VERSION, "domain": self.domain}
        record["edits"] = dict(look.edits)
        record["off"] = [name for name in look.edits if name in look.off]
        record["plain"] = [name for name in look.edits if name in look.unconditioned]
        record["text"] = [_text_record(edit) for edit in look.words]
        record["offset_strength"] = look.offset_strength
        record["steps"] = self.steps
        record["style"] = look.art_style
        # Younger numbers only where they say something, so that older programs read what they can draw.
        record |= {name: getattr(look, name) for name in NUMBERS if getattr(look, name) != getattr(Look, name)}
        if self.paste is not None:
            record["paste"] = {**vars(self.paste), "keep": list(self.paste.keep)}
        if self.mark is not None:
            record["mark"] = self.mark
        if self.inversion is not None:
            content = self.inversion.to_bytes()
            if len(content) > MAX_FACE_BYTES:
                raise BadRecipe(
                    f"This face takes {len(content) / 2**10:.0f} KB, and a recipe holds one of up to "
                    f"{MAX_FACE_BYTES // 2**10} KB; save the recipe without it and the face as a file of its own."
                )
            record["inversion"] = base64.b64encode(content).decode("ascii")
        return record

    @classmethod
    def from_json(cls, text: str | bytes, domain: str | None = None, what: str = "This text") -> Recipe:
        """Read what `to_json` wrote.

        Args:
            text: JSON.
            domain: If given, the domain the recipe must belong to.
            what: Start of the sentence if it cannot be read.

        Raises:
            BadRecipe: It is no recipe, damaged, too large, of a later version, or a value makes no sense.
            WrongDomain: It was made in another domain.
        """
        if len(text) > MAX_BYTES:
            raise BadRecipe(
                f"{what} has {len(text) / 2**20:.1f} MB, and a recipe no more than {MAX_BYTES // 2**20} MB; "
                "it is not one, or damaged."
            )
        try:
            record = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):  # ValueError covers bad UTF-8 too
            raise BadRecipe(f"{what} is not a recipe, or damaged: it is not valid JSON.") from None
        return cls.from_record(record, domain, what)

    @classmethod
    def from_record(cls, record: Any, domain: str | None = None, what: str = "This recipe") -> Recipe:
        """As `from_json`, from JSON that has been read already."""
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise BadRecipe(f"{what} is not a recipe; choose a file that was saved as one.")
        version = record.get("version")
        if not isinstance(version, int) or not _is_whole(version) or version < 1:
            raise BadRecipe(f"{what} is a damaged recipe: its version makes no sense.")
        if version > VERSION:
            raise BadRecipe(
                f"{what} is a recipe of version {version}, and this program reads up to version {VERSION}; update it."
            )
        try:
            return cls._checked(record, domain, what)
        except (BadLook, _Unfit) as error:
            raise BadRecipe(f"{what} is a damaged recipe: {error.reason}.") from None

    @classmethod
    def _checked(cls, record: dict[str, Any], domain: str | None, what: str) -> Recipe:
        """Build the recipe from a record of a version that is understood."""
        known = {"format", "version", "domain", "steps", "paste", "mark", "inversion", *_LOOK.values()}
        for key in record:
            if key not in known:
                raise BadLook(f"there is no field '{key[:40]}' in this version")
        made_in = a_name(record.get("domain"), "the domain")
        if domain is not None and made_in != domain:
            raise WrongDomain(
                f"{what} was made in the domain '{made_in}', but '{domain}' is in use; "
                f"load '{made_in}', or make a new recipe here."
            )
        parts = {field: record[name] for field, name in _LOOK.items() if name in record}
        if not isinstance(parts.get("words", []), list):
            raise BadLook("its prompts must be a list")
        parts["words"] = tuple(map(_read_text, parts.get("words", [])))
        return cls(
            made_in,
            Look(**parts),
            steps=record.get("steps"),
            inversion=_read_face(record.get("inversion")),
            paste=_read_paste(record.get("paste")),
            mark=record.get("mark"),
        )

    def save(self, path: str | Path) -> None:
        """Write the recipe to a file, completely or not at all; by custom its name ends in `SUFFIX`.

        Raises:
            BadRecipe: Its face is too large.
            CannotWrite: The folder is missing, not writable, or the disk is full.
        """
        write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path, domain: str | None = None) -> Recipe:
        """Read a recipe from its file, or out of a PNG that carries one.

        Args:
            path: The file.
            domain: If given, the domain the recipe must belong to.

        Raises:
            BadRecipe: There is no such file (also what `from_json` raises).
            WrongDomain: It was made in another domain.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
                if content.startswith(_PNG_SIGNATURE):
                    content += file.read(MAX_PNG_BYTES)
        except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
            reason = getattr(error, "strerror", None) or error
            raise BadRecipe(f"The recipe {path} cannot be read: {reason}; check its name.") from None
        if content.startswith(_PNG_SIGNATURE):
            return cls.from_png(content, domain, f"The picture {path}")
        return cls.from_json(content, domain, f"The file {path}")

    # PNG

    def embed_in_png(self, content: bytes) -> bytes:
        """Put the recipe into an encoded PNG; its pixels and its other notes stay, an earlier recipe goes.

        Raises:
            BadRecipe: It is no PNG, or the recipe's face is too large.
        """
        note = PNG_KEYWORD.encode("latin-1") + b"\0\0\0\0\0" + self.to_json().encode("utf-8")
        parts = [_PNG_SIGNATURE]
        for kind, data in _png_chunks(content, "This file"):
            if not (kind == b"iTXt" and data.startswith(PNG_KEYWORD.encode("latin-1") + b"\0")):
                parts.append(_png_chunk(kind, data))
            if kind == b"IHDR":
                parts.append(_png_chunk(b"iTXt", note))
        return b"".join(parts)

    @classmethod
    def from_png(cls, content: bytes, domain: str | None = None, what: str = "This picture") -> Recipe:
        """Read a recipe out of an encoded PNG.

        Raises:
            BadRecipe: It is no PNG or carries no recipe (also what `from_json` raises).
            WrongDomain: It was made in another domain.
        """
        keyword = PNG_KEYWORD.encode("latin-1") + b"\0"
        for kind, data in _png_chunks(content, what):
            if kind == b"iTXt" and data.startswith(keyword + b"\0"):  # the second zero: not compressed
                text = data[len(keyword) + 2 :].split(b"\0", 2)[-1]  # after language and translated keyword
                return cls.from_json(text, domain, f"The recipe in {what[0].lower()}{what[1:]}")
        raise BadRecipe(f"{what} carries no recipe; only PNG pictures saved together with one do.")

    # link

    def to_link(self) -> str:
        """Write the recipe as what may follow the ? or # of an address; face, `paste` and `mark` stay out.

        Every `edit` and `text` is followed by what belongs to it, so that the order is kept.

        Raises:
            BadRecipe: It takes more than `MAX_LINK` characters.
        """
        words: list[tuple[str, str]] = [(_LINK_VERSION, str(VERSION)), ("domain", self.domain)]
        look = self.look
        for name, strength in look.edits.items():
            words += [("edit", name), ("by", _plain(strength))]
            words += [("on", "0")] if name in look.off else []
            words += [("plain", "1")] if name in look.unconditioned else []
        for edit in look.words:
            words += [("text", edit.prompt), ("by", _plain(edit.strength))]
            if edit.disentanglement is not None:
                words.append(("disentanglement", _plain(edit.disentanglement)))
            words += [("neutral", edit.neutral)] if edit.neutral != DEFAULT_NEUTRAL else []
            words += [] if edit.on else [("on", "0")]
        for name, short in NUMBERS.items():
            words += [(short, _plain(getattr(look, name)))] if getattr(look, name) != getattr(Look, name) else []
        words += [("steps", str(self.steps))] if self.steps is not None else []
        words += [("style", look.art_style)] if look.art_style else []
        link = urllib.parse.urlencode(words)
        if len(link) > MAX_LINK:
            raise BadRecipe(f"This recipe is too long for a link of {MAX_LINK} characters; save it as a file instead.")
        return link

    @classmethod
    def from_link(cls, link: str, domain: str | None = None) -> Recipe:
        """Read what `to_link` wrote, alone or as part of a whole address; raises as `from_json` does."""
        for mark in ("#", "?"):
            link = link.rpartition(mark)[2] if f"{mark}{_LINK_VERSION}=" in link else link
        if len(link) > MAX_LINK:
            raise BadRecipe(f"This link has more than {MAX_LINK} characters, so it is not a recipe, or damaged.")
        words = urllib.parse.parse_qsl(link, keep_blank_values=True, errors="replace")
        if not words or words[0][0] != _LINK_VERSION:
            raise BadRecipe(f"This link holds no recipe; one begins with `{_LINK_VERSION}=`.")
        return cls.from_record(_link_record(words), domain, "This link")


def _link_record(words: list[tuple[str, str]]) -> dict[str, Any]:
    """Turn a link's words into the record of a file, which is then checked as one."""
    record: dict[str, Any] = {"format": FORMAT, "version": _to_number(words[0][1]), "edits": {}, "off": [], "plain": []}
    record["text"] = []
    last: str | dict[str, Any] | None = None  # the edit or the prompt that the words belong to
    singles = {"domain": "domain", "steps": "steps", "style": "style"}
    singles |= {short: name for name, short in NUMBERS.items()}
    for key, value in words[1:]:
        if key in singles:
            record[singles[key]] = value if key in ("domain", "style") else _to_number(value)
        elif key == "edit":
            last = value
            record["edits"][value] = None
        elif key == "text":
            last = {"prompt": value}
            record["text"].append(last)
        elif key == "by" and isinstance(last, str):
            record["edits"][last] = _to_number(value)
        elif key == "on" and isinstance(last, str):
            record["off"] += [last] if value == "0" else []
        elif key == "plain" and isinstance(last, str):
            record["plain"] += [last] if value == "1" else []
        elif key == "on" and isinstance(last, dict):
            last["on"] = value != "0"
        elif key in ("by", "disentanglement") and isinstance(last, dict):
            last["strength" if key == "by" else key] = _to_number(value)
        elif key == "neutral" and isinstance(last, dict):
            last["neutral"] = value
        else:
            record[key] = value  # a field that no version knows is refused by its name
    return record


def _to_number(word: str) -> float | int | str:
    """A number, a whole one where it is written so; anything else stays a word, which no field takes for a number."""
    try:
        return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else float(word)
    except ValueError:
        return word


def _plain(number: float) -> str:
    """A number that reads back exactly, without a needless `.0`."""
    return repr(number).removesuffix(".0")


class _Unfit(BadRecipe):
    """A value that makes no sense; `reason` is the end of the sentence, for who knows where the value came from."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This recipe makes no sense: {reason}.")
        self.reason = reason


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _checked_look(look: Look, text_off: Collection[int]) -> Look:
    """A look that speaks of its own edits and prompts only, with some of these turned off."""
    if not all(_is_whole(row) and row < len(look.words) for row in text_off):
        raise BadLook("it turns off a prompt that is not among its prompts")
    for names, does in ((look.off, "turns off"), (look.unconditioned, "lets other traits move with")):
        for unknown in sorted(names - look.edits.keys()):
            raise BadLook(f"it {does} '{unknown}', which is not among its edits")
    words = (replace(edit, on=edit.on and row not in text_off) for row, edit in enumerate(look.words))
    return replace(look, words=tuple(words))


def _text_record(edit: TextEdit) -> dict[str, Any]:
    row = vars(edit).copy()
    return row if row.pop("on") else {**row, "on": False}


def _read_text(row: Any) -> TextEdit:
    known = {field.name for field in fields(TextEdit)}
    if not isinstance(row, dict) or "prompt" not in row or row.keys() - known:
        raise BadLook('a prompt must look like {"prompt": "a face with a beard", "strength": 1.0}')
    return TextEdit(**row)


def _checked_paste(options: PasteOptions) -> PasteOptions:
    feather = a_number(options.feather, "its feather")
    colour_match = a_number(options.colour_match, "its colour match")
    for name in ("shape", "blend"):
        if not isinstance(getattr(options, name), str):
            raise BadLook(f"its {name} must be a name")
    if isinstance(options.keep, str) or not all(isinstance(name, str) for name in options.keep):
        raise BadLook("what is kept of the photo must be a list of names")
    checked = replace(options, feather=feather, colour_match=colour_match)
    try:
        checked.check()
        return replace(checked, keep=check_regions(checked.keep))
    except UsageError as error:
        text = str(error)
        raise BadLook(text[0].lower() + text[1:].rstrip(".")) from None


def _read_paste(record: Any) -> PasteOptions | None:
    """How a face goes back, from a record in which anything may be left out."""
    if record is None:
        return None
    if not isinstance(record, dict) or record.keys() - vars(PasteOptions()).keys():
        raise BadLook('how it goes back into the photo must look like {"shape": "head", "keep": ["background"]}')
    if not isinstance(record.get("keep", []), list):
        raise BadLook("what is kept of the photo must be a list of names")
    return _checked_paste(PasteOptions(**record))


def _read_face(text: Any) -> Inversion | None:
    """The inversion out of its base64."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise BadLook("its face must be text")
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        raise BadLook("its face is cut short or changed") from None
    if len(content) > MAX_FACE_BYTES:
        raise BadLook(f"its face has more than {MAX_FACE_BYTES // 2**10} KB")
    try:
        return Inversion.from_bytes(content, "the face in it")
    except HyperStyleError as error:
        raise BadLook(str(error).rstrip(".")) from None


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_chunks(content: bytes, what: str) -> Iterator[tuple[bytes, bytes]]:
    """Walk over a PNG's chunks without decoding the picture (PNG specification, section 5.3)."""
    if not content.startswith(_PNG_SIGNATURE):
        raise BadRecipe(f"{what} is not a PNG picture; only those can carry a recipe.")
    place = len(_PNG_SIGNATURE)
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        data = content[place + 8 : place + 8 + length]
        if len(data) < length:
            break
        yield content[place + 4 : place + 8], data
        place += 12 + length
