"""What a person did to a face: settled states to go back to, and versions kept under a name. Bounded, and no pictures.

A state is a few numbers, a thumbnail and a reference to the rebuilt face, so that a state of another number of
refinement steps comes back as it was. Not safe to share between threads: the session's lock guards it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hyperstyle.demo import texts
from hyperstyle.demo.state import Controls
from hyperstyle.errors import HyperStyleError

if TYPE_CHECKING:
    from hyperstyle.demo.faces import Rebuilt
    from hyperstyle.editing import EditRow

MAX_ENTRIES = 40
MAX_VERSIONS = 12
LONGEST_NAME = 40
_numbers = itertools.count(1)  # one for all histories: a page that goes from face to face never meets a number twice


@dataclass(frozen=True)
class Entry:
    """One settled state.

    Attributes:
        number: Never given twice.
        label: What changed, or the version's name.
        controls: Where every control stood.
        rebuilt: The face they applied to.
        thumbnail: Data URI.
    """

    number: int
    label: str
    controls: Controls
    rebuilt: Rebuilt
    thumbnail: str


@dataclass
class History:
    """The states of one face, oldest first, and where in them the page stands.

    Attributes:
        entries: At most `MAX_ENTRIES`.
        versions: Kept by name, at most `MAX_VERSIONS`.
        at: Index of the state on show.
    """

    entries: list[Entry] = field(default_factory=list)
    versions: list[Entry] = field(default_factory=list)
    at: int = -1

    @property
    def current(self) -> Entry | None:
        """The state on show; None before the first face."""
        return self.entries[self.at] if self.entries else None

    @property
    def can_undo(self) -> bool:
        """Whether there is a state before this one."""
        return self.at > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a state after this one."""
        return self.at < len(self.entries) - 1

    def start(self, controls: Controls, rebuilt: Rebuilt, thumbnail: str, label: str = texts.HISTORY_START) -> None:
        """Begin again with a new face."""
        self.entries, self.versions, self.at = [], [], -1
        self._append(label, controls, rebuilt, thumbnail)

    def push(self, label: str, controls: Controls, rebuilt: Rebuilt, thumbnail: str) -> bool:
        """Note a settled state; what was undone before is forgotten, and the oldest makes room.

        Returns:
            Whether it differs from the one on show; otherwise nothing is noted.
        """
        current = self.current
        if current is not None and current.controls == controls and current.rebuilt is rebuilt:
            return False
        del self.entries[self.at + 1 :]
        self._append(label, controls, rebuilt, thumbnail)
        return True

    def step(self, by: int) -> Entry | None:
        """Go back (-1) or forth (1); None at either end."""
        if not 0 <= self.at + by < len(self.entries):
            return None
        self.at += by
        return self.entries[self.at]

    def find(self, number: int) -> Entry | None:
        """A state or a version by its number."""
        return next((entry for entry in (*self.entries, *self.versions) if entry.number == number), None)

    def go_to(self, entry: Entry) -> None:
        """Stand at a state; a version is noted anew, so that going to it can be undone."""
        if entry in self.entries:
            self.at = self.entries.index(entry)
        else:
            self.push(entry.label, entry.controls, entry.rebuilt, entry.thumbnail)

    def keep(self, name: str) -> Entry:
        """Keep the state on show under a name; one of the same name is replaced.

        Raises:
            HyperStyleError: There is no state, no name, or no room.
        """
        name = " ".join(name.split())[:LONGEST_NAME]
        if self.current is None:
            raise HyperStyleError(texts.NO_FACE_YET)
        if not name:
            raise HyperStyleError(texts.VERSION_NAMELESS)
        others = [version for version in self.versions if version.label != name]
        if len(others) >= MAX_VERSIONS:
            raise HyperStyleError(texts.VERSIONS_FULL.format(count=MAX_VERSIONS))
        kept = replace(self.current, number=next(_numbers), label=name)
        self.versions = [*others, kept]
        return kept

    def drop(self, number: int) -> None:
        """Forget a version; an unknown number is no error."""
        self.versions = [version for version in self.versions if version.number != number]

    def _append(self, label: str, controls: Controls, rebuilt: Rebuilt, thumbnail: str) -> None:
        self.entries.append(Entry(next(_numbers), label, controls, rebuilt, thumbnail))
        del self.entries[:-MAX_ENTRIES]
        self.at = len(self.entries) - 1


def describe(before: Controls, after: Controls, rows: Sequence[EditRow]) -> str:
    """Say in a few words what changed between two states."""
    old, new = before.look.effective, after.look.effective
    if not after.look.settled().edits and not new.words and not new.art_style and before.edited:
        return texts.HISTORY_RESET
    changed = [row for row in rows if old.edits.get(row.name, 0) != new.edits.get(row.name, 0)]
    words = [edit for edit in new.words if edit not in old.words]
    gone = [edit for edit in old.words if edit not in new.words]
    count = len(changed) + len(words or gone)
    if count > 1:
        return texts.HISTORY_SEVERAL.format(count=count)
    if changed:
        return texts.HISTORY_EDIT.format(label=changed[0].label, value=new.edits.get(changed[0].name, 0))
    if words:
        return words[0].prompt.strip()[:LONGEST_NAME]
    if gone:
        return texts.HISTORY_WITHOUT.format(words=gone[0].prompt.strip()[:LONGEST_NAME])
    if old.art_style != new.art_style:
        return texts.STYLES.get(new.art_style, new.art_style.capitalize())
    if old.offset_strength != new.offset_strength:
        return texts.HISTORY_OFFSET.format(value=new.offset_strength)
    if old.detail != new.detail:
        return texts.HISTORY_DETAIL.format(value=new.detail)
    if before.steps != after.steps:
        return texts.HISTORY_STEPS.format(count=after.steps)
    return texts.HISTORY_OTHER
