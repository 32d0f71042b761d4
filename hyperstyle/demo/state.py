"""Where the controls of a page stand: a small value that the browser sends, the server keeps, and both understand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hyperstyle.editing import TextEdit
from hyperstyle.editing.base import DEFAULT_NEUTRAL

MAX_STEPS = 5
MAX_PROMPTS = 8
MAX_NAMES = 512  # edits of one domain; a longer list did not come from the page
LONGEST_TEXT = 20_000  # characters of a prompt that are read; far more than any model takes


@dataclass(frozen=True)
class Prompt:
    """One row of words.

    Attributes:
        words: What the face should become; empty while nothing was typed.
        strength: Multiple of the prompt's direction.
        on: Whether it counts.
        neutral: What it is compared with; empty for the usual "a face".
        disentanglement: Higher changes fewer things at once; None for the value that suits the prompt best.
    """

    words: str
    strength: float = 1.0
    on: bool = True
    neutral: str = ""
    disentanglement: float | None = None

    @property
    def asks(self) -> bool:
        """Whether it is meant to change the picture."""
        return self.on and self.strength != 0 and bool(self.words.strip())

    def as_edit(self) -> TextEdit:
        """The same for the pipeline."""
        return TextEdit(self.words, self.strength, self.disentanglement, self.neutral.strip() or DEFAULT_NEUTRAL)


@dataclass(frozen=True)
class Controls:
    """Where every control stands.

    Attributes:
        edits: Strength by edit name, in the edit's own unit; a missing one is 0.
        prompts: Rows of words, used or not.
        offset_strength: 0 is the encoder's face, 1 the refined one.
        steps: Refinement steps.
        off: Edits that keep their strength but are switched off.
        style: Name of the style it is drawn in; empty for the domain's own generator.
        plain: Edits that follow their direction as found instead of leaving other traits alone.
    """

    edits: Mapping[str, float] = field(default_factory=dict)
    prompts: tuple[Prompt, ...] = ()
    offset_strength: float = 1.0
    steps: int = 5
    off: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    style: str = ""

    @property
    def active(self) -> dict[str, float]:
        """Strength of the edits that count."""
        return {name: value for name, value in self.edits.items() if value and name not in self.off}

    @property
    def asking(self) -> tuple[Prompt, ...]:
        """The prompts that count."""
        return tuple(prompt for prompt in self.prompts if prompt.asks)

    @property
    def edited(self) -> bool:
        """Whether anything is set to change the rebuilt face."""
        return bool(self.active or self.asking or self.style)

    @property
    def changes(self) -> bool:
        """Whether the face is drawn other than it was rebuilt, be it only with less of its refinement."""
        return self.edited or self.offset_strength != 1

    def settled(self) -> Controls:
        """The same without what changes nothing: edits at 0, rows without words."""
        edits = {name: value for name, value in self.edits.items() if value}
        return replace(
            self,
            edits=edits,
            prompts=tuple(prompt for prompt in self.prompts if prompt.words.strip()),
            off=self.off & edits.keys(),
            plain=self.plain & edits.keys(),
        )


def read_controls(value: Any, steps: int) -> Controls:
    """Understand what a page sent; whatever makes no sense is left out.

    Args:
        value: As `write_controls` writes it.
        steps: Refinement steps where the page does not say.
    """
    value = value if isinstance(value, dict) else {}
    edits = value.get("edits")
    listed = list(edits.items())[:MAX_NAMES] if isinstance(edits, dict) else []
    prompts = value.get("prompts")
    wanted = value.get("steps")
    return Controls(
        edits={str(name): number for name, raw in listed if (number := _number(raw)) != 0},
        prompts=tuple(
            _read_prompt(row)
            for row in (prompts if isinstance(prompts, list) else [])[:MAX_PROMPTS]
            if isinstance(row, dict)
        ),
        offset_strength=_number(value.get("offset_strength"), 1.0),
        steps=wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else steps,
        off=_names(value.get("off")),
        plain=_names(value.get("plain")),
        style=str(value.get("style") or "")[:LONGEST_TEXT],
    )


def write_controls(controls: Controls) -> dict[str, Any]:
    """Controls as plain data for the page."""
    return {
        "edits": dict(controls.edits),
        "prompts": [
            {
                "words": prompt.words,
                "strength": prompt.strength,
                "on": prompt.on,
                "neutral": prompt.neutral,
                "disentanglement": prompt.disentanglement,
            }
            for prompt in controls.prompts
        ],
        "offset_strength": controls.offset_strength,
        "steps": controls.steps,
        "off": sorted(controls.off),
        "plain": sorted(controls.plain),
        "style": controls.style,
    }


def _read_prompt(row: Mapping[str, Any]) -> Prompt:
    disentanglement = row.get("disentanglement")
    return Prompt(
        words=str(row.get("words") or "")[:LONGEST_TEXT],
        strength=_number(row.get("strength")),
        on=bool(row.get("on", True)),
        neutral=str(row.get("neutral") or "")[:LONGEST_TEXT],
        disentanglement=None if disentanglement is None else _number(disentanglement),
    )


def _number(value: Any, otherwise: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return otherwise
    return float(value)


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(str, value[:MAX_NAMES])) if isinstance(value, list) else frozenset()
