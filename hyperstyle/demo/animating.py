"""What the animate tab does: a wish becomes a movie of the page's face, with progress. No gradio in here."""

from __future__ import annotations

import math
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperstyle.animation import MAX_SECONDS, Animation, InPhoto, Morph, Movie, State, Sweep
from hyperstyle.demo import texts
from hyperstyle.demo.handlers import Status
from hyperstyle.demo.state import LONGEST_TEXT
from hyperstyle.demo.trouble import OneSentence
from hyperstyle.errors import Cancelled, HyperStyleError
from hyperstyle.images import open_photo
from hyperstyle.look import TextEdit
from hyperstyle.movies import MAX_FPS, MOVIE_SUFFIXES

if TYPE_CHECKING:
    from PIL import Image

    from hyperstyle.demo.faces import Rebuilt
    from hyperstyle.demo.handlers import Handlers
    from hyperstyle.demo.sessions import Session

TELL_EVERY_S = 0.25
KIB, MIB = 1024, 1024**2


@dataclass(frozen=True)
class Wish:
    """What the form of the tab says.

    Attributes:
        edit: The edit that is swept; empty for words or a morph.
        words: The prompt that is swept; empty for an edit or a morph.
        start, stop: Strengths at both ends.
        first, last: Numbers of the two states of a morph; used when nothing is swept.
        seconds, fps: Length and speed.
        suffix: Of the file, one of `MOVIE_SUFFIXES`.
        ping_pong: There and back again.
        in_photo: In the whole photo instead of the crop.
        number: Of the movie, as the page counts those it asks for, from 1.
    """

    edit: str = ""
    words: str = ""
    start: float = 0.0
    stop: float = 1.0
    first: int = -1
    last: int = -1
    seconds: float = 2.0
    fps: int = 24
    suffix: str = ".mp4"
    ping_pong: bool = False
    in_photo: bool = False
    number: int = 0

    @property
    def morphs(self) -> bool:
        """Whether it goes from state to state."""
        return not self.edit and not self.words


@dataclass(frozen=True)
class News:
    """What the tab is to show; None leaves a part as it is.

    Attributes:
        status: Its status line.
        plan: What would be made, and how large.
        file: The movie, which exists until the iterator goes on.
        busy: Whether one is being made.
    """

    status: Status | None = None
    plan: str | None = None
    file: Path | None = None
    busy: bool = False


def read_wish(value: Any) -> Wish:
    """Understand what the form sent; whatever makes no sense is left out."""
    value = value if isinstance(value, dict) else {}
    words = str(value.get("words") or "").strip()[:LONGEST_TEXT]
    suffix = value.get("suffix")
    return Wish(
        edit="" if words else str(value.get("edit") or ""),
        words=words,
        start=_number(value.get("start"), 0.0),
        stop=_number(value.get("stop"), 1.0),
        first=round(_number(value.get("first"), -1)),
        last=round(_number(value.get("last"), -1)),
        seconds=min(_number(value.get("seconds"), 2.0), MAX_SECONDS),
        fps=min(round(_number(value.get("fps"), 24)), MAX_FPS),
        suffix=suffix if suffix in MOVIE_SUFFIXES else ".mp4",
        ping_pong=value.get("ping_pong") is True,
        in_photo=value.get("in_photo") is True,
        number=max(0, round(_number(value.get("number"), 0))),
    )


class Animator:
    """The animate tab's behaviour; safe to share between threads.

    Args:
        handlers: Draws, and knows the pages.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers
        self.pipeline = handlers.pipeline

    def plan(self, key: str, wish: Wish) -> News:
        """Say what would be made and guess its size, without making it; says nothing before there is a face."""
        session = self.handlers.store.get(key)
        if session.history.current is None or session.animating.is_running:
            return News(busy=session.animating.is_running)
        with OneSentence() as trouble:
            animation = self._animation(session, wish)
            width, height = animation.size
            size = tell_bytes(animation.estimate_bytes(wish.suffix))
            return News(plan=texts.MOVIE_PLAN.format(frames=len(animation), width=width, height=height, size=size))
        if isinstance(trouble.error, HyperStyleError):
            return News(plan=trouble.sentence)
        return News(Status("problem", trouble.sentence))

    def make(self, key: str, wish: Wish) -> Iterator[News]:
        """Make the movie, telling about progress; the last news brings the file, or says why there is none."""
        session = self.handlers.store.get(key)
        with session.lock:
            stopped = 0 < wish.number <= session.unwanted  # before its turn came
            job = 0 if stopped else session.animating.start()
        if stopped:
            yield News(Status("info", texts.MOVIE_STOPPED))
            return
        try:
            with (
                OneSentence() as trouble,
                tempfile.TemporaryDirectory(prefix="hyperstyle-", ignore_cleanup_errors=True) as folder,
            ):
                yield News(Status("busy", texts.MOVIE_STARTING), busy=True)
                animation = self._animation(session, wish)
                path = Path(folder) / f"hyperstyle-movie{wish.suffix}"
                for item in self._export(session, job, animation, path):
                    if isinstance(item, Movie):
                        if not session.animating.finish(job):
                            raise Cancelled(texts.MOVIE_STOPPED)
                        width, height = item.size
                        text = texts.MOVIE_DONE.format(
                            frames=item.frames,
                            seconds=f"{item.seconds:g}",
                            width=width,
                            height=height,
                            size=tell_bytes(item.n_bytes),
                        )
                        yield News(Status("done", text), file=item.path)
                    else:
                        text = texts.MOVIE_FRAME.format(number=item, frames=len(animation))
                        yield News(Status("busy", text), busy=True)
            if isinstance(trouble.error, Cancelled):
                yield News(Status("info", texts.MOVIE_STOPPED))
            elif trouble.error:
                yield News(Status("problem", trouble.sentence))
        finally:
            session.animating.finish(job)

    def stop(self, key: str, number: int = 0) -> None:
        """Stop the movie that is being made, and those up to `number` that wait for their turn."""
        session = self.handlers.store.get(key)
        with session.lock:
            session.unwanted = max(session.unwanted, number)
            session.animating.cancel()

    def _export(self, session: Session, job: int, animation: Animation, path: Path) -> Iterator[int | Movie]:
        """Number of frames drawn, now and then, and at last the movie."""
        items: queue.SimpleQueue[int | Movie | Exception] = queue.SimpleQueue()
        stopped = threading.Event()

        def work() -> None:
            try:
                items.put(
                    animation.export(
                        path,
                        on_frame=lambda done, _: items.put(done),
                        cancel=lambda: stopped.is_set() or not session.animating.is_newest(job),
                    )
                )
            except Exception as error:
                items.put(error)

        thread = threading.Thread(target=work, name="animate", daemon=True)
        thread.start()
        told_s = -math.inf
        try:
            while True:
                item = items.get()
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, Movie):
                    yield item
                    return
                if time.monotonic() - told_s >= TELL_EVERY_S:
                    told_s = time.monotonic()
                    yield item
        finally:  # also when nobody asks for more, as after the page was closed
            stopped.set()
            thread.join()

    def _animation(self, session: Session, wish: Wish) -> Animation:
        with session.lock:
            rebuilt, current = session.rebuilt, session.history.current
            ends = session.history.find(wish.first), session.history.find(wish.last)
        if rebuilt is None or current is None:
            raise HyperStyleError(texts.NO_FACE_TO_ANIMATE)
        place = _in_photo(rebuilt) if wish.in_photo else None
        look = self.handlers.wanted_look(current.controls)
        motion: Morph | Sweep
        if wish.morphs:
            states = []
            for entry in ends:
                if entry is None:
                    raise HyperStyleError(texts.MOVIE_NEEDS_STATES)
                end = replace(entry.controls.look.effective, art_style=look.art_style)
                states.append(State(end, inversion=entry.rebuilt.inversion))
            motion = Morph(tuple(states), ping_pong=wish.ping_pong)
        else:
            edit = TextEdit(wish.words) if wish.words else wish.edit
            motion = Sweep(edit, wish.start, wish.stop, State(look), ping_pong=wish.ping_pong)
        made = PatientAnimation(
            self.pipeline, rebuilt.inversion, motion, wish.seconds, wish.fps, place=place, face=rebuilt.face
        )
        made.turns = self.handlers.turns
        return made


class PatientAnimation(Animation):
    """Takes turns with everything else that draws, frame by frame, so that sliders stay as quick as they can be."""

    turns: threading.Semaphore | None = None

    def frame(self, index: int) -> Image.Image:
        """Draw one frame when it is its turn."""
        if self.turns is None:
            return super().frame(index)
        with self.turns:
            return super().frame(index)


def tell_bytes(count: int) -> str:
    """A size for people: "120 KB", "1.4 MB"."""
    if count >= MIB:
        return f"{count / MIB:.1f} MB"
    return f"{max(1, round(count / KIB))} KB"


def _in_photo(rebuilt: Rebuilt) -> InPhoto:
    if rebuilt.photo is None or rebuilt.face is None:
        raise HyperStyleError(texts.FACE_WITHOUT_PHOTO)
    return InPhoto(open_photo(rebuilt.photo), rebuilt.face)


def _number(value: Any, otherwise: float) -> float:
    with suppress(TypeError, ValueError, OverflowError):
        number = float(value)
        if math.isfinite(number) and abs(number) < 1e9:
            return number
    return otherwise
