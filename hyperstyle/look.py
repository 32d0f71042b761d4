"""What is done to a face, as one value that render, animations, recipes, the page, endpoints and commands pass on.

A new kind of edit is a field of `Look` with its check. One that is a number also gets a row of `NUMBERS`: then it is
blended in animations, kept in recipes and links, and sent to the page and back, like the others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, TypeAlias

from hyperstyle.errors import BadLook
from hyperstyle.scalars import is_number, plain_scalar

DEFAULT_NEUTRAL = "a face"
MAX_EDITS, MAX_WORDS = 200, 50
MAX_NAME = 300  # characters of an edit's name; prompts have a limit of their own where they are read

NUMBERS = {"offset_strength": "offset", "detail": "detail"}
"""Fields that are one number, with their names in links; recipes and the page use the field's own."""
NAMES = {"text": "words", "plain": "unconditioned", "style": "art_style"}
"""Fields that have another name in arguments and recipes, by that name."""


@dataclass(frozen=True)
class TextEdit:
    """A change asked for in words.

    Attributes:
        prompt: What the face should become, for example "a face with a beard".
        strength: Multiple of the prompt's style direction; 0 changes nothing, negative values do the opposite.
        disentanglement: Channels less relevant than this stay put; higher changes fewer things at once. None takes
            the value that was measured to suit the prompt, or the domain, best.
        neutral: What the prompt is compared with.
        on: False for a prompt that is kept but not drawn.

    Source: StyleCLIP (arXiv 2103.17249), global directions.
    """

    prompt: str
    strength: float = 1.0
    disentanglement: float | None = None
    neutral: str = DEFAULT_NEUTRAL
    on: bool = True


@dataclass(frozen=True)
class Look:
    """What is done to a face; without any argument, nothing.

    Attributes:
        edits: Strength by edit name, in each edit's own unit; 0 changes nothing. They add up in the order in which
            they stand, which is kept, because the last bits of a sum depend on it. At most `MAX_EDITS`.
        words: Prompts with strengths, added on top; at most `MAX_WORDS`.
        offset_strength: 0 draws the encoder's face, 1 the refined one; in between and beyond, up to 4, is allowed.
        unconditioned: Names of edits that use the direction as it was found, so that correlated traits move too.
        art_style: Name of the style it is drawn in, one of `HyperStyle.styles`; empty for the domain's own generator.
        off: Names of edits that are kept but not drawn.
        detail: How much of the photo's own detail an edit keeps where the photo is there: 1 all of it, 0 none.

    Raises:
        BadLook: A value is of the wrong kind or not finite. What the domain has to say is checked when it is drawn.
    """

    edits: Mapping[str, float] = field(default_factory=dict)
    words: tuple[TextEdit, ...] = ()
    offset_strength: float = 1.0
    unconditioned: frozenset[str] = frozenset()
    art_style: str = ""
    off: frozenset[str] = frozenset()
    detail: float = 1.0

    def __post_init__(self) -> None:
        """Check every value, and settle their types."""
        if not isinstance(self.edits, Mapping) or len(self.edits) > MAX_EDITS:
            raise BadLook(f"its edits must be at most {MAX_EDITS} names with strengths")
        words = tuple(self.words)
        if len(words) > MAX_WORDS or not all(isinstance(edit, TextEdit) for edit in words):
            raise BadLook(f"its prompts must be at most {MAX_WORDS} rows of words and strengths")
        settled = {
            "edits": {
                a_name(name, "an edit"): a_number(value, f"the edit '{name}'") for name, value in self.edits.items()
            },
            "words": tuple(map(_checked_words, words)),
            "unconditioned": _names(self.unconditioned, "the edits that let other traits move"),
            "art_style": a_name(self.art_style, "its style") if self.art_style else "",
            "off": _names(self.off, "what is turned off"),
            **{name: a_number(getattr(self, name), f"the {name.replace('_', ' ')}") for name in NUMBERS},
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    @property
    def active(self) -> Look:
        """The same without what is turned off: what `HyperStyle.render` draws."""
        edits = {name: strength for name, strength in self.edits.items() if name not in self.off}
        return replace(self, edits=edits, words=tuple(edit for edit in self.words if edit.on), off=frozenset())

    @property
    def effective(self) -> Look:
        """The same without what changes no picture: what is turned off, or 0, or has no words."""
        look = self.settled().active
        return replace(look, words=tuple(edit for edit in look.words if edit.strength))

    @property
    def is_plain(self) -> bool:
        """Whether it draws a face as it was rebuilt."""
        return replace(self.effective, unconditioned=frozenset()) == Look()

    def settled(self) -> Look:
        """The same without what changes nothing even when it is turned on: edits at 0, prompts without words."""
        edits = {name: strength for name, strength in self.edits.items() if strength}
        return replace(
            self,
            edits=edits,
            words=tuple(edit for edit in self.words if edit.prompt.strip()),
            unconditioned=self.unconditioned & edits.keys(),
            off=self.off & edits.keys(),
        )


AnyLook: TypeAlias = Look | Mapping[str, float] | None
"""A look, strengths by edit name, or nothing."""


class HasLook:
    """A value that holds a look, whose parts can be read one by one under the names that arguments have."""

    look: Look
    edits = property(attrgetter("look.edits"))
    text = property(attrgetter("look.words"))
    offset_strength = property(attrgetter("look.offset_strength"))
    plain = property(attrgetter("look.unconditioned"))
    style = property(attrgetter("look.art_style"))
    off = property(attrgetter("look.off"))
    active_edits = property(attrgetter("look.active.edits"))
    active_text = property(attrgetter("look.active.words"))


def look_of(look: AnyLook = None, *values: Any, **parts: Any) -> Look:
    """Build a look out of arguments: a whole one, its parts, or a whole one with some parts replaced.

    Args:
        look: A look, or the strengths of edits by name.
        values: `text` and `offset_strength`, in this order.
        parts: Fields of `Look`; `text`, `plain` and `style` stand for `words`, `unconditioned` and `art_style`.

    Raises:
        BadLook: A value is of the wrong kind or not finite.
        TypeError: There is no such part, or it is given twice.
    """
    placed = dict(zip(("text", "offset_strength"), values, strict=False))
    given = {NAMES.get(name, name): value for name, value in (placed | parts).items()}
    if len(values) > len(placed) or len(given) < len(placed) + len(parts):
        raise TypeError("a part of a look is given twice, or without its name")
    if given.get("edits", {}) is None:
        del given["edits"]
    if isinstance(look, Look):
        return replace(look, **given) if given else look
    return Look(**given) if look is None else Look(look, **given)


def blend_looks(a: Look, b: Look, t: float) -> Look:
    """Go part of the way between two looks, 0 being `a` and 1 `b`.

    An edit or prompt that one of them lacks has the strength 0 there. The style stays that of `a`, and an edit that is
    unconditioned in one of them is so in between.
    """
    a, b = a.active, b.active
    edits = {name: (1 - t) * a.edits.get(name, 0.0) + t * b.edits.get(name, 0.0) for name in (*a.edits, *b.edits)}
    strengths: dict[TextEdit, float] = {}
    for share, look in ((1 - t, a), (t, b)):
        for edit in look.words:
            same = replace(edit, strength=1.0)
            strengths[same] = strengths.get(same, 0.0) + share * edit.strength
    return Look(
        {name: strength for name, strength in edits.items() if strength},
        tuple(replace(edit, strength=strength) for edit, strength in strengths.items() if strength),
        unconditioned=a.unconditioned | b.unconditioned,
        art_style=a.art_style,
        **{name: (1 - t) * getattr(a, name) + t * getattr(b, name) for name in NUMBERS},
    )


def a_name(value: Any, what: str) -> str:
    """Return a name, or refuse what is none."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME:
        raise BadLook(f"the name of {what} must be text of up to {MAX_NAME} characters")
    return value


def a_number(value: Any, what: str) -> float:
    """Return a finite number as a float, or refuse what is none."""
    value = plain_scalar(value)
    if not is_number(value):
        raise BadLook(f"{what} needs a number, not {str(value)[:40]!r}")
    try:
        number = float(value)
    except OverflowError:  # JSON may hold whole numbers of any length
        number = math.inf
    if not math.isfinite(number):
        raise BadLook(f"{what} needs an ordinary number, not {str(value)[:40]}")
    return number


def _names(value: Collection[str], what: str) -> frozenset[str]:
    listed = isinstance(value, Collection) and not isinstance(value, str | Mapping)
    if not listed or not all(isinstance(name, str) for name in value):
        raise BadLook(f"{what} must be a list of names")
    return frozenset(value)


def _checked_words(edit: TextEdit) -> TextEdit:
    if not isinstance(edit.prompt, str) or not isinstance(edit.neutral, str):
        raise BadLook("a prompt must be text")
    if not isinstance(edit.on, bool):
        raise BadLook("whether a prompt is on must be true or false")
    what = f"the prompt '{edit.prompt[:40]}'"
    strength, disentanglement = a_number(edit.strength, what), edit.disentanglement
    if disentanglement is not None:
        disentanglement = a_number(disentanglement, f"{what}, disentanglement,")
    return replace(edit, strength=strength, disentanglement=disentanglement)
