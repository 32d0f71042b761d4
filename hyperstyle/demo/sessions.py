"""What the server remembers about each open page: a bounded store, emptied when pages close.

Gradio keeps the state of a closed page for an hour and calls no hook when it runs out of room, so faces, which are
personal, are kept here instead: one `Session` per open page, the least recently used one dropped when there are too
many, each purged when its page is closed.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hyperstyle.demo.history import History

if TYPE_CHECKING:
    from torch import Tensor

    from hyperstyle.alignment import AlignedFace
    from hyperstyle.demo.readouts import Baseline
    from hyperstyle.demo.state import Controls
    from hyperstyle.latents import Inversion

MAX_SESSIONS = 48
MAX_ASIDE = 12  # faces of one photo, besides the one on show; each is a few hundred kilobytes, mostly thumbnails


@dataclass(frozen=True)
class Frame:
    """One picture of the filmstrip."""

    source: str
    label: str
    captions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A face that can be edited, with the photo it came from, if any.

    Attributes:
        photo: The uploaded file, still encoded: a decoded 12-megapixel photo is 36 MB. None for a face without one,
            made up or brought by a recipe.
        face: The face, cut out; None likewise.
        inversion: The face, rebuilt.
        frames: How it was rebuilt, stage by stage.
        baseline: What edited pictures of it are compared with.
    """

    photo: bytes | None
    face: AlignedFace | None
    inversion: Inversion
    frames: tuple[Frame, ...] = ()
    baseline: Baseline | None = None


@dataclass(frozen=True)
class Mixed:
    """Two faces that were mixed, to mix them anew in other shares.

    Attributes:
        one: The face that was on the page.
        other: The one that was added.
        result: What came of it; None before that.
    """

    one: Inversion
    other: Inversion
    result: Rebuilt | None = None


@dataclass(frozen=True)
class Compared:
    """A face as one method of the compare tab found it.

    Attributes:
        inversion: The face, rebuilt.
        seconds: How long that took.
    """

    inversion: Inversion
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """What the compare tab shows.

    Attributes:
        target: (1, 3, H, W), what likeness is measured against.
        photo: The same as a data URI.
        methods: By name.
    """

    target: Tensor
    photo: str
    methods: dict[str, Compared]


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
        comparing: Number of the newest comparison; an older one gives up.
        animating: Number of the newest movie; an older one gives up.
        animating_now: Whether it is being made.
        unwanted: Of the movies as the page counts them, the newest that was stopped; it may still wait for its turn.
        opening: Number of the newest job (new photo, other face, other steps); older ones give up.
        drawing: Held by whoever draws for this page.
        wanted: Number of the newest live request; older ones that still wait are dropped.
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
    comparing: int = 0
    animating: int = 0
    animating_now: bool = False
    unwanted: int = 0
    opening: int = 0
    wanted: int = 0
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

    def start_opening(self) -> int:
        """Number a new job; the one before it gives up."""
        with self.lock:
            self.opening += 1
            return self.opening

    def start_comparing(self) -> int:
        """Number a new comparison; the one before it gives up."""
        with self.lock:
            self.comparing += 1
            return self.comparing

    def start_animating(self, asked: int = 0) -> int | None:
        """Number a new movie; the one before it gives up.

        Args:
            asked: Its number as the page counts; 0 for who does not.

        Returns:
            None where it was stopped before its turn came.
        """
        with self.lock:
            if 0 < asked <= self.unwanted:
                return None
            self.animating, self.animating_now = self.animating + 1, True
            return self.animating

    def stop_animating(self, asked: int = 0) -> None:
        """Make the movie that is being made give up, and all up to `asked` that still wait for their turn."""
        with self.lock:
            self.animating, self.animating_now = self.animating + 1, False
            self.unwanted = max(self.unwanted, asked)

    def end_animating(self, job: int) -> bool:
        """Note that a movie is finished; gives whether it is still wanted, neither stopped nor overtaken."""
        with self.lock:
            wanted = self.animating_now and self.animating == job
            self.animating_now = self.animating_now and not wanted
            return wanted

    def want(self) -> int:
        """Number a live request."""
        with self.lock:
            self.wanted += 1
            return self.wanted

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
            self.opening += 1
            self.comparing += 1
            self.animating, self.animating_now = self.animating + 1, False


class SessionStore:
    """Sessions by the page's key, at most `capacity` of them; safe to share between threads."""

    def __init__(self, capacity: int = MAX_SESSIONS) -> None:
        self._capacity = capacity
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Session:
        """The page's session, made on first use; the least recently used one makes room."""
        dropped = []
        with self._lock:
            session = self._sessions.setdefault(key, Session())
            self._sessions.move_to_end(key)
            while len(self._sessions) > self._capacity:
                dropped.append(self._sessions.popitem(last=False)[1])
        for old in dropped:
            old.close()
        return session

    def close(self, key: str) -> None:
        """Forget one page; an unknown key is no error."""
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            session.close()

    def close_all(self) -> None:
        """Forget every page."""
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.close()

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, key: str) -> bool:
        return key in self._sessions
