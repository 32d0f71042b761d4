"""What the server remembers about each open page: a bounded store, emptied when pages close.

Gradio keeps the state of a closed page for an hour and calls no hook when it runs out of room, so faces, which are
personal, are kept here instead: one `Session` per open page, the least recently used one dropped when there are too
many, each purged when its page is closed.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hyperstyle.bounded import Bounded
from hyperstyle.demo.history import History
from hyperstyle.demo.newest import Newest

if TYPE_CHECKING:
    from hyperstyle.alignment import AlignedFace
    from hyperstyle.demo.faces import Comparison, Mixed, Rebuilt
    from hyperstyle.demo.state import Controls

MAX_SESSIONS = 48
MAX_ASIDE = 12  # faces of one photo, besides the one on show; each is a few hundred kilobytes, mostly thumbnails


@dataclass
class Session:
    """One open page. Guard changes with `lock`; hold `drawing` while drawing for it.

    Attributes:
        taken: An upload that waits to be opened.
        photo: The file uploaded last, still encoded; None before the first one.
        faces: Every face found in it, the largest first.
        rebuilt: The face being edited; stays while another photo or face is on its way.
        mixed: The pair behind it, if it is a mix.
        noted: What the status line now says about the prompts; empty when there is nothing to say.
        history: What was done to that face.
        aside: Histories of the other faces of the photo that were worked on, by index; the one used last at the end.
        look: Edits that wait for the next face, as from a link.
        surprises: How many random combinations were drawn.
        comparison: What the compare tab shows; stays while another photo is on its way.
        unwanted: Of the movies as the page counts them, the newest that was stopped; it may still wait for its turn.
        comparing: Comparisons.
        animating: Movies.
        opening: Jobs that bring a face: new photo, other face, other steps.
        wanted: Live requests; older ones that still wait are dropped.
        drawing: Held by whoever draws for this page.
    """

    taken: Path | None = None
    photo: bytes | None = None
    faces: list[AlignedFace] = field(default_factory=list)
    rebuilt: Rebuilt | None = None
    mixed: Mixed | None = None
    noted: str = ""
    history: History = field(default_factory=History)
    aside: dict[int, History] = field(default_factory=dict)
    look: Controls | None = None
    surprises: int = 0
    comparison: Comparison | None = None
    unwanted: int = 0
    comparing: Newest = field(default_factory=Newest)
    animating: Newest = field(default_factory=Newest)
    opening: Newest = field(default_factory=Newest)
    wanted: Newest = field(default_factory=Newest)
    lock: threading.Lock = field(default_factory=threading.Lock)
    drawing: threading.Lock = field(default_factory=threading.Lock)
    _serial: int = 0

    def next_serial(self) -> int:
        """Number the next answer; the page ignores any answer older than the one it shows.

        Follows the clock, so that a page that outlives a restart of the server still accepts its answers.
        """
        with self.lock:
            self._serial = max(self._serial + 1, time.time_ns() // 1000)
            return self._serial

    @property
    def index(self) -> int:
        """Which face of the photo is on show; -1 for one that is not of it. Hold the lock, as for all that follow."""
        rebuilt = self.rebuilt
        if rebuilt is None or rebuilt.face is None or rebuilt.photo is not self.photo:
            return -1
        return rebuilt.face.index

    def put_aside(self) -> None:
        """Make room for another face: what was done to this one is kept if it is of the photo on the page."""
        if self.index >= 0 and self.history.current is not None:
            self.aside.pop(self.index, None)
            self.aside[self.index] = self.history
            while len(self.aside) > MAX_ASIDE:
                del self.aside[next(iter(self.aside))]
        self.history = History()

    def take_up(self, index: int) -> bool:
        """Go on with a face that was worked on before; gives whether there is one."""
        if index == self.index:
            return True
        if index not in self.aside:
            return False
        self.put_aside()
        self.history = self.aside.pop(index)
        entry = self.history.current
        self.rebuilt, self.noted = None if entry is None else entry.rebuilt, ""
        return True

    @property
    def edited_faces(self) -> tuple[int, ...]:
        """Which faces of the photo differ from their rebuilt selves."""
        histories = {**self.aside, self.index: self.history}
        states = {index: history.current for index, history in histories.items() if index >= 0}
        return tuple(sorted(index for index, entry in states.items() if entry is not None and entry.controls.changes))

    def close(self) -> None:
        """Forget everything."""
        with self.lock:
            self.photo, self.faces, self.rebuilt = None, [], None
            self.aside, self.look = {}, None
            self.comparison = self.mixed = None
            self.history = History()
            for requests in (self.opening, self.comparing, self.animating):
                requests.cancel()


class SessionStore:
    """Sessions by the page's key, at most `capacity` of them; safe to share between threads."""

    def __init__(self, capacity: int = MAX_SESSIONS) -> None:
        self._sessions: Bounded[str, Session] = Bounded(capacity, on_drop=Session.close)

    def get(self, key: str) -> Session:
        """The page's session, made on first use; the least recently used one makes room."""
        return self._sessions.get(key, Session)

    def close(self, key: str) -> None:
        """Forget one page; an unknown key is no error."""
        session = self._sessions.pop(key)
        if session is not None:
            session.close()

    def close_all(self) -> None:
        """Forget every page."""
        for session in self._sessions.pop_all():
            session.close()

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, key: str) -> bool:
        return key in self._sessions
