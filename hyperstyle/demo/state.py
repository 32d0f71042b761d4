"""Where the controls of a page stand: a small value that the browser sends, the server keeps, and both understand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hyperstyle.errors import BadLook
from hyperstyle.look import DEFAULT_NEUTRAL, MAX_EDITS, NUMBERS, AnyLook, HasLook, Look, TextEdit, look_of

MAX_STEPS = 5
MAX_PROMPTS = 8
LONGEST_TEXT = 20_000  # characters of a prompt that are read; far more than any model takes


@dataclass(frozen=True, init=False)
class Controls(HasLook):
    """Where every control stands.

    Attributes:
        look: What is done to the face; its words are the rows of prompts, used or not. May be given in parts.
        steps: Refinement steps.
    """

    look: Look
    steps: int

    def __init__(self, look: AnyLook = None, *values: Any, steps: int = MAX_STEPS, **parts: Any) -> None:
        object.__setattr__(self, "look", look_of(look, *values, **parts))
        object.__setattr__(self, "steps", steps)

    @property
    def edited(self) -> bool:
        """Whether anything is set to change the rebuilt face, be it refined or not."""
        return not replace(self.look, offset_strength=1.0).is_plain

    @property
    def changes(self) -> bool:
        """Whether the face is drawn other than it was rebuilt, be it only with less of its refinement."""
        return not self.look.is_plain

    def settled(self) -> Controls:
        """The same without what changes nothing: edits at 0, rows without words."""
        return replace(self, look=self.look.settled())


def read_controls(value: Any, steps: int) -> Controls:
    """Understand what a page sent; whatever makes no sense is left out.

    Args:
        value: As `write_controls` writes it.
        steps: Refinement steps where the page does not say.
    """
    value = value if isinstance(value, dict) else {}
    edits, rows, wanted = value.get("edits"), value.get("prompts"), value.get("steps")
    listed = list(edits.items())[:MAX_EDITS] if isinstance(edits, dict) else []
    rows = rows[:MAX_PROMPTS] if isinstance(rows, list) else []
    try:
        look = Look(
            {str(name): number for name, raw in listed if (number := _number(raw)) != 0},
            tuple(_read_prompt(row) for row in rows if isinstance(row, dict)),
            unconditioned=_names(value.get("plain")),
            art_style=str(value.get("style") or ""),
            off=_names(value.get("off")),
            **{name: _number(value.get(name), getattr(Look, name)) for name in NUMBERS},
        )
    except BadLook:  # no page sends that
        look = Look()
    return Controls(look, steps=wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else steps)


def write_controls(controls: Controls) -> dict[str, Any]:
    """Controls as plain data for the page."""
    look = controls.look
    return {
        "edits": dict(look.edits),
        "prompts": [
            {
                "words": edit.prompt,
                "strength": edit.strength,
                "on": edit.on,
                "neutral": "" if edit.neutral == DEFAULT_NEUTRAL else edit.neutral,
                "disentanglement": edit.disentanglement,
            }
            for edit in look.words
        ],
        "steps": controls.steps,
        "off": sorted(look.off),
        "plain": sorted(look.unconditioned),
        "style": look.art_style,
        **{name: getattr(look, name) for name in NUMBERS},
    }


def _read_prompt(row: Mapping[str, Any]) -> TextEdit:
    disentanglement = row.get("disentanglement")
    return TextEdit(
        str(row.get("words") or "")[:LONGEST_TEXT],
        _number(row.get("strength")),
        None if disentanglement is None else _number(disentanglement),
        str(row.get("neutral") or "").strip()[:LONGEST_TEXT] or DEFAULT_NEUTRAL,
        bool(row.get("on", True)),
    )


def _number(value: Any, otherwise: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return otherwise
    return float(value)


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(str, value[:MAX_EDITS])) if isinstance(value, list) else frozenset()
