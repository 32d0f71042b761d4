"""A random combination of edits that still looks like a person: few at once, each well inside its tested range."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperstyle.editing import EditRow

FEWEST, MOST = 2, 4
REACH = (0.35, 0.7)  # of the range in which an edit stays believable; together they stay believable too
LEFT_ALONE = ("femininity", "skin_tone")
"""Edits that change who somebody is rather than how they look; chance should not choose them."""


def surprise(rows: Sequence[EditRow], seed: int) -> dict[str, float]:
    """Choose some edits, at most one of each group.

    Args:
        rows: The domain's edits.
        seed: The same seed gives the same edits.

    Returns:
        Strength by name, on the edits' own steps; empty only without any row.
    """
    chance = random.Random(seed)
    groups: dict[str, list[EditRow]] = {}
    for row in rows:
        if row.name not in LEFT_ALONE:
            groups.setdefault(row.group, []).append(row)
    chosen = [chance.choice(members) for members in groups.values()]
    chance.shuffle(chosen)
    return {row.name: _strength(row, chance) for row in chosen[: chance.randint(FEWEST, MOST)]}


def _strength(row: EditRow, chance: random.Random) -> float:
    ends = [end for end in (row.minimum, row.maximum) if end]
    aimed = chance.choice(ends) * chance.uniform(*REACH)
    steps = round(aimed / row.step) or (1 if aimed > 0 else -1)
    return round(min(max(steps * row.step, row.minimum), row.maximum), 6)
