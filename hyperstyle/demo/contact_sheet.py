"""Which strengths and disentanglements a contact sheet of a prompt shows: a grid inside what was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperstyle.editing.styleclip import TextEditor
    from hyperstyle.editing.text_model import Suggestion

SHARES = (0.25, 0.5, 0.75, 1.0)  # of the largest believable strength
UNTRIED_MAXIMUM = 6.0
APART = 0.1  # between rows; the values that suit the tried prompts lie between 0.1 and 0.4


@dataclass(frozen=True)
class Cell:
    """One picture of the sheet.

    Attributes:
        strength: Its column.
        disentanglement: Its row.
        source: The picture, a data URI.
    """

    strength: float
    disentanglement: float
    source: str


@dataclass(frozen=True)
class ContactSheet:
    """One prompt at several strengths and disentanglements.

    Attributes:
        prompt: Which row of words, counted from 0.
        words: What it said when the sheet was drawn.
        strengths: The columns, ascending.
        rows: One row of cells per disentanglement, ascending.
    """

    prompt: int
    words: str
    strengths: tuple[float, ...]
    rows: tuple[tuple[Cell, ...], ...]


def largest_strength(words: str, suggestions: Sequence[Suggestion]) -> float:
    """The largest strength that stayed believable for a prompt; for one never tried, the usual one."""
    tried = {row.prompt: row.maximum for row in suggestions}
    usual = sorted(tried.values())[len(tried) // 2] if tried else UNTRIED_MAXIMUM
    return tried.get(words.strip(), usual)


def grid(words: str, editor: TextEditor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Choose the columns and the rows for a prompt.

    Returns:
        Strengths and disentanglements, both ascending; the middle row is the value that suits the prompt best, unless
        that is close to 0.

    Raises:
        BadPrompt: Empty or asking for nothing (also `UnknownPrompt`).
    """
    end = largest_strength(words, editor.suggestions)
    best = editor.best_disentanglement(editor.understand(words).text)
    middle = max(best, APART)
    return (
        tuple(round(share * end, 1) for share in SHARES),
        tuple(round(middle + step * APART, 2) for step in (-1, 0, 1)),
    )
