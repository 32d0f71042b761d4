"""Recipes: a look as a small versioned file, a link or a note in a PNG. Plain data; `render_recipe` draws it.

A recipe says what to do to a face: edits, words and settings. It may hold the small inversion of one face, and then
draws that very picture again, bit for bit on the same kind of machine. It never holds a photo. A link carries neither a
face nor how one goes back into its photo.
"""

from __future__ import annotations

import base64
import json
import math
import struct
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from hyperstyle.alignment import PasteOptions, check_regions
from hyperstyle.editing.base import DEFAULT_NEUTRAL, TextEdit
from hyperstyle.errors import BadRecipe, HyperStyleError, UsageError, WrongDomain
from hyperstyle.files.whole import write_text
from hyperstyle.latents import Inversion

FORMAT = "hyperstyle.recipe"
VERSION = 1
SUFFIX = ".hyperstyle.json"
PNG_KEYWORD = FORMAT
"""Keyword of the iTXt chunk that holds a recipe's JSON."""

MAX_EDITS, MAX_TEXT = 200, 50
MAX_NAME = 300  # characters of an edit's name; prompts have a limit of their own where they are read
MAX_FACE_BYTES = 512 * 2**10  # a hundred portraits' inversions, ten of 1024 px; tuned weights are beyond it
MAX_BYTES = 2**20
MAX_LINK = 2000  # characters; longer addresses are cut off by some programs
MAX_PNG_BYTES = 256 * 2**20

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LINK_VERSION = "recipe"


@dataclass(frozen=True)
class Recipe:
    """What to do to a face, and optionally which face.

    Edits add up in the order in which they stand, which is kept, because the last bits of a sum depend on it.

    Attributes:
        domain: Name of the domain it was made in.
        edits: Strength by edit name, in each edit's own unit.
        text: Prompts with strengths.
        off: Names of edits that are kept but turned off.
        text_off: Positions in `text` of prompts that are kept but turned off.
        offset_strength: How much of the refinement to use: 0 none, 1 all of it.
        steps: Refinement steps for rebuilding a photo; None for the domain's own number.
        inversion: The face it was made on, from `HyperStyle.invert`; None for a recipe that suits any face.
        plain: Names of edits that follow their direction as it was found, other traits moving along.
        style: Name of the style it is drawn in; empty for the domain's own generator.
        paste: How the face goes back into its photo; None leaves that to who uses the recipe.
        mark: Write into pictures, for everybody to see, that they were edited; None leaves that open likewise.

    Raises:
        BadRecipe: A value makes no sense. Whether the domain knows the edits is checked when it draws them.
        WrongDomain: The inversion belongs to another domain.
    """

    domain: str
    edits: Mapping[str, float] = field(default_factory=dict)
    text: tuple[TextEdit, ...] = ()
    off: frozenset[str] = frozenset()
    text_off: frozenset[int] = frozenset()
    offset_strength: float = 1.0
    steps: int | None = None
    inversion: Inversion | None = None
    plain: tuple[str, ...] = ()
    style: str = ""
    paste: PasteOptions | None = None
    mark: bool | None = None

    def __post_init__(self) -> None:
        """Check every value, and settle their types."""
        object.__setattr__(self, "domain", _name(self.domain, "the domain"))
        if not isinstance(self.edits, Mapping) or len(self.edits) > MAX_EDITS:
            _refuse(f"its edits must be at most {MAX_EDITS} names with strengths")
        edits = {_name(name, "an edit"): _number(value, f"the edit '{name}'") for name, value in self.edits.items()}
        object.__setattr__(self, "edits", edits)
        object.__setattr__(self, "style", _name(self.style, "its style") if self.style else "")
        if len(self.text) > MAX_TEXT or not all(isinstance(edit, TextEdit) for edit in self.text):
            _refuse(f"its prompts must be at most {MAX_TEXT} rows of words and strengths")
        object.__setattr__(self, "text", tuple(_checked_text(edit) for edit in self.text))
        object.__setattr__(self, "off", frozenset(self.off))
        object.__setattr__(self, "text_off", frozenset(self.text_off))
        unknown = sorted(str(name) for name in self.off - edits.keys())
        if unknown:
            _refuse(f"it turns off '{unknown[0]}', which is not among its edits")
        unknown = sorted(str(name) for name in set(self.plain) - edits.keys())
        if unknown:
            _refuse(f"it lets other traits move with '{unknown[0]}', which is not among its edits")
        object.__setattr__(self, "plain", tuple(name for name in edits if name in self.plain))
        if not all(_is_whole(row) and row < len(self.text) for row in self.text_off):
            _refuse("it turns off a prompt that is not among its prompts")
        object.__setattr__(self, "offset_strength", _number(self.offset_strength, "the offset strength"))
        if self.steps is not None and not _is_whole(self.steps):
            _refuse(f"its refinement steps must be a whole number, 0 or more, not {str(self.steps)[:40]}")
        object.__setattr__(self, "paste", None if self.paste is None else _checked_paste(self.paste))
        if self.mark is not None and not isinstance(self.mark, bool):
            _refuse("whether pictures are marked must be true or false")
        if self.inversion is not None:
            if self.inversion.domain != self.domain:
                raise WrongDomain(
                    f"The face in this recipe belongs to the domain '{self.inversion.domain}', not to '{self.domain}'."
                )
            if len(self.inversion) != 1:
                _refuse(f"it holds {len(self.inversion)} faces; a recipe has one or none")

    @property
    def active_edits(self) -> dict[str, float]:
        """The edits that are turned on, in order, as `HyperStyle.render` takes them."""
        return {name: strength for name, strength in self.edits.items() if name not in self.off}

    @property
    def active_text(self) -> tuple[TextEdit, ...]:
        """The prompts that are turned on, in order."""
        return tuple(edit for row, edit in enumerate(self.text) if row not in self.text_off)

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
        record: dict[str, Any] = {"format": FORMAT, "version": VERSION, "domain": self.domain}
        record["edits"] = dict(self.edits)
        record["off"] = [name for name in self.edits if name in self.off]
        record["plain"] = list(self.plain)
        record["text"] = [_text_record(edit, row not in self.text_off) for row, edit in enumerate(self.text)]
        record["offset_strength"] = self.offset_strength
        record["steps"] = self.steps
        record["style"] = self.style
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
        except _Unfit as error:
            raise BadRecipe(f"{what} is a damaged recipe: {error.reason}.") from None

    @classmethod
    def _checked(cls, record: dict[str, Any], domain: str | None, what: str) -> Recipe:
        """Build the recipe from a record of a version that is understood."""
        known = {
            "format",
            "version",
            "domain",
            "edits",
            "off",
            "plain",
            "text",
            "offset_strength",
            "steps",
            "style",
            "paste",
            "mark",
            "inversion",
        }
        for key in record:
            if key not in known:
                _refuse(f"there is no field '{key[:40]}' in this version")
        made_in = _name(record.get("domain"), "the domain")
        if domain is not None and made_in != domain:
            raise WrongDomain(
                f"{what} was made in the domain '{made_in}', but '{domain}' is in use; "
                f"load '{made_in}', or make a new recipe here."
            )
        off, plain, rows = (record.get(name, []) for name in ("off", "plain", "text"))
        if not isinstance(off, list) or not all(isinstance(name, str) for name in off):
            _refuse("what is turned off must be a list of names")
        if not isinstance(plain, list) or not all(isinstance(name, str) for name in plain):
            _refuse("the edits that let other traits move must be a list of names")
        if not isinstance(rows, list):
            _refuse("its prompts must be a list")
        read = [_read_text(row) for row in rows]
        return cls(
            made_in,
            record.get("edits", {}),
            tuple(edit for edit, _ in read),
            frozenset(off),
            frozenset(row for row, (_, on) in enumerate(read) if not on),
            record.get("offset_strength", 1.0),
            record.get("steps"),
            _read_face(record.get("inversion")),
            tuple(plain),
            record.get("style", ""),
            _read_paste(record.get("paste")),
            record.get("mark"),
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
        for name, strength in self.edits.items():
            words += [("edit", name), ("by", _plain(strength))]
            words += [("on", "0")] if name in self.off else []
            words += [("plain", "1")] if name in self.plain else []
        for row, edit in enumerate(self.text):
            words += [("text", edit.prompt), ("by", _plain(edit.strength))]
            if edit.disentanglement is not None:
                words.append(("disentanglement", _plain(edit.disentanglement)))
            words += [("neutral", edit.neutral)] if edit.neutral != DEFAULT_NEUTRAL else []
            words += [("on", "0")] if row in self.text_off else []
        words += [("offset", _plain(self.offset_strength))] if self.offset_strength != 1 else []
        words += [("steps", str(self.steps))] if self.steps is not None else []
        words += [("style", self.style)] if self.style else []
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
    singles = {"domain": "domain", "offset": "offset_strength", "steps": "steps", "style": "style"}
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


def _refuse(reason: str) -> NoReturn:
    raise _Unfit(reason)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME:
        _refuse(f"the name of {what} must be text of up to {MAX_NAME} characters")
    return value


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(f"{what} needs a number, not {str(value)[:40]!r}")
    try:
        number = float(value)
    except OverflowError:  # JSON may hold whole numbers of any length
        number = math.inf
    if not math.isfinite(number):
        _refuse(f"{what} needs an ordinary number, not {str(value)[:40]}")
    return number


def _checked_text(edit: TextEdit) -> TextEdit:
    if not isinstance(edit.prompt, str) or not isinstance(edit.neutral, str):
        _refuse("a prompt must be text")
    what = f"the prompt '{edit.prompt[:40]}'"
    strength = _number(edit.strength, what)
    if edit.disentanglement is None:
        return replace(edit, strength=strength)
    return replace(edit, strength=strength, disentanglement=_number(edit.disentanglement, f"{what}, disentanglement,"))


def _text_record(edit: TextEdit, on: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"prompt": edit.prompt, "strength": edit.strength}
    row |= {"disentanglement": edit.disentanglement, "neutral": edit.neutral}
    return row if on else {**row, "on": False}


def _read_text(row: Any) -> tuple[TextEdit, bool]:
    """A prompt, and whether it is on."""
    known = {"prompt", "strength", "disentanglement", "neutral", "on"}
    if not isinstance(row, dict) or "prompt" not in row or row.keys() - known:
        _refuse('a prompt must look like {"prompt": "a face with a beard", "strength": 1.0}')
    on = row.get("on", True)
    if not isinstance(on, bool):
        _refuse("whether a prompt is on must be true or false")
    neutral, strength = row.get("neutral", DEFAULT_NEUTRAL), row.get("strength", 1.0)
    return _checked_text(TextEdit(row["prompt"], strength, row.get("disentanglement"), neutral)), on


def _checked_paste(options: PasteOptions) -> PasteOptions:
    feather = _number(options.feather, "its feather")
    colour_match = _number(options.colour_match, "its colour match")
    for name in ("shape", "blend"):
        if not isinstance(getattr(options, name), str):
            _refuse(f"its {name} must be a name")
    if isinstance(options.keep, str) or not all(isinstance(name, str) for name in options.keep):
        _refuse("what is kept of the photo must be a list of names")
    checked = replace(options, feather=feather, colour_match=colour_match)
    try:
        checked.check()
        return replace(checked, keep=check_regions(checked.keep))
    except UsageError as error:
        text = str(error)
        _refuse(text[0].lower() + text[1:].rstrip("."))


def _read_paste(record: Any) -> PasteOptions | None:
    """How a face goes back, from a record in which anything may be left out."""
    if record is None:
        return None
    if not isinstance(record, dict) or record.keys() - vars(PasteOptions()).keys():
        _refuse('how it goes back into the photo must look like {"shape": "head", "keep": ["background"]}')
    if not isinstance(record.get("keep", []), list):
        _refuse("what is kept of the photo must be a list of names")
    return _checked_paste(PasteOptions(**record))


def _read_face(text: Any) -> Inversion | None:
    """The inversion out of its base64."""
    if text is None:
        return None
    if not isinstance(text, str):
        _refuse("its face must be text")
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        _refuse("its face is cut short or changed")
    if len(content) > MAX_FACE_BYTES:
        _refuse(f"its face has more than {MAX_FACE_BYTES // 2**10} KB")
    try:
        return Inversion.from_bytes(content, "the face in it")
    except HyperStyleError as error:
        _refuse(str(error).rstrip("."))


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
