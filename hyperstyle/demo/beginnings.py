"""Faces to begin with other than a photo's: made-up ones, and mixes of two faces. No gradio in here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hyperstyle.demo import readouts, texts
from hyperstyle.demo.faces import Frame, Mixed, Rebuilt
from hyperstyle.demo.handlers import Change, Handlers, Status, frame_source, guarded, say
from hyperstyle.demo.state import Controls
from hyperstyle.errors import HyperStyleError
from hyperstyle.images import open_photo, to_photo
from hyperstyle.mixing import GROUPS

if TYPE_CHECKING:
    from hyperstyle.demo.sessions import Session
    from hyperstyle.latents import Inversion

MAX_SEED = 999_999  # what people still read and type
MAX_TRUNCATION = 1.0


@dataclass(frozen=True)
class Settings:
    """What the form beside the photo says.

    Attributes:
        seed: Of the made-up face.
        truncation: 1 for all variety, 0 for the average face.
        share: Of the other face in a mix, 0 to 1; used while no layers are taken.
        layers: Groups of layers to take from the other face, of `mixing.GROUPS`.
    """

    seed: int = 0
    truncation: float = 0.7
    share: float = 0.5
    layers: tuple[str, ...] = ()


def read_settings(value: Any) -> Settings:
    """Understand what the form sent; whatever makes no sense is left out."""
    value = value if isinstance(value, dict) else {}
    layers = value.get("layers")
    known = tuple(name for name in GROUPS if isinstance(layers, list) and name in layers)
    return Settings(
        seed=int(_between(value.get("seed"), 0, MAX_SEED, 0)),
        truncation=_between(value.get("truncation"), 0, MAX_TRUNCATION, 0.7),
        share=_between(value.get("share"), 0, 1, 0.5),
        layers=known,
    )


class Beginnings:
    """Puts a face on the page that no photo shows; its controls and history start anew. Safe to share between threads.

    Args:
        handlers: Draws, and knows the pages.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers
        self.pipeline = handlers.pipeline

    def random(self, key: str, settings: Settings, steps: int) -> Iterator[Change]:
        """Make up a face.

        Args:
            key: The page.
            settings: The seed and the truncation.
            steps: Where the page's number of refinement steps stands.
        """
        label = texts.RANDOM_LABEL.format(seed=settings.seed)
        status = texts.RANDOM_DONE.format(seed=settings.seed)

        def make(session: Session, job: int) -> Iterator[Change]:
            session.mixed = None
            yield from self._begin(session, job, self._made_up(settings), label, status, steps)

        yield from self._job(key, make)

    def mix_with_random(self, key: str, settings: Settings, steps: int) -> Iterator[Change]:
        """Mix the page's face with a made-up one."""

        def make(session: Session, job: int) -> Iterator[Change]:
            one = _first_of(session)
            yield from self._mix(session, job, Mixed(one, self._made_up(settings)), settings, steps)

        yield from self._job(key, make)

    def mix_with_photo(self, key: str, source: str | Path | None, settings: Settings, steps: int) -> Iterator[Change]:
        """Mix the page's face with the largest face of another photo, whose file is removed."""

        def make(session: Session, job: int) -> Iterator[Change]:
            one = _first_of(session)
            yield say(session, "busy", texts.REBUILDING)
            face = self.pipeline.align(open_photo(Path(str(source))))
            other = self.pipeline.invert(face, steps)
            yield from self._mix(session, job, Mixed(one, other), settings, steps)

        try:
            yield from self._job(key, make)
        finally:
            if source is not None:
                with contextlib.suppress(OSError):
                    Path(source).unlink(missing_ok=True)

    def remix(self, key: str, settings: Settings, steps: int) -> Iterator[Change]:
        """Mix the same two faces anew; before a first mix nothing happens."""

        def make(session: Session, job: int) -> Iterator[Change]:
            if session.mixed is not None and session.mixed.result is session.rebuilt:
                yield from self._mix(session, job, session.mixed, settings, steps)

        yield from self._job(key, make)

    def _job(self, key: str, make: Callable[[Session, int], Iterator[Change]]) -> Iterator[Change]:
        session = self.handlers.store.get(key)
        yield from guarded(session, lambda: make(session, session.opening.start()))

    def _made_up(self, settings: Settings) -> Inversion:
        return self.pipeline.random_face(settings.seed, settings.truncation)

    def _mix(self, session: Session, job: int, pair: Mixed, settings: Settings, steps: int) -> Iterator[Change]:
        if settings.layers:
            inversion = self.pipeline.mix_styles(pair.one, pair.other, settings.layers)
        else:
            inversion = self.pipeline.interpolate(pair.one, pair.other, settings.share)
        for change in self._begin(session, job, inversion, texts.MIX_LABEL, texts.MIX_DONE, steps):
            session.mixed = replace(pair, result=session.rebuilt)
            yield change

    def _begin(
        self, session: Session, job: int, inversion: Inversion, label: str, status: str, steps: int
    ) -> Iterator[Change]:
        """Make a face the one that is edited."""
        rest = Controls(steps=steps)
        with self.handlers.turns, torch.inference_mode():
            drawn = self.pipeline.draw(inversion).clamp(-1, 1)
            first = readouts.baseline(self.pipeline, drawn, drawn)
        picture = to_photo(drawn)
        frames = (Frame(frame_source(picture), label, (texts.FRAME_MADE_UP,)),)
        # Without a photo there is nothing to be like.
        rebuilt = Rebuilt(None, None, inversion, frames, replace(first, photo=None))
        session.wanted.start()
        with session.drawing:
            if not session.opening.is_newest(job):
                return
            self.handlers.start(session, rebuilt, rest, picture, label)
            change = self.handlers.settle(session, rebuilt, rest)
        yield replace(
            change,
            status=Status("done", status),
            frames=frames,
            photo=self.handlers.photo_view(session),
            controls=rest,
            whole="",
            ready=True,
            pastes=False,
        )


def _first_of(session: Session) -> Inversion:
    """The face to mix into: the page's, or the first of the pair whose mix is on show."""
    if session.rebuilt is None:
        raise HyperStyleError(texts.MIX_NEEDS_FACE)
    if session.mixed is not None and session.mixed.result is session.rebuilt:
        return session.mixed.one
    return session.rebuilt.inversion


def _between(value: Any, low: float, high: float, otherwise: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return otherwise
    return float(value)
