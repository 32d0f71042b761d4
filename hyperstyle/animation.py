"""Faces in motion: one edit swept from end to end, or a morph through several states, as pictures or as a movie file.

Sweep or Morph  --at a share of the way-->  State  --render-->  picture  --place-->  frame
"""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args

from PIL import Image

from hyperstyle.errors import Cancelled, UsageError
from hyperstyle.images import Photo, open_photo
from hyperstyle.latents import Inversion
from hyperstyle.look import AnyLook, HasLook, Look, TextEdit, blend_looks, look_of
from hyperstyle.movies import MAX_FPS, check_movie, save_movie
from hyperstyle.provenance import Source, comment, xmp_packet
from hyperstyle.scalars import is_number, plain_scalar

if TYPE_CHECKING:
    from hyperstyle.alignment import AlignedFace
    from hyperstyle.models.fast_synthesis import FastSynthesis
    from hyperstyle.models.stylegan2 import Generator
    from hyperstyle.pipeline import HyperStyle

MAX_SECONDS = 60.0
MOVIE_SIDE = 1280  # of a whole photo in a movie: what screens show and players play without stutter
_SAMPLE = 8  # frames drawn and written to guess the size of a file

Ease = Literal["smooth", "linear"]
Cancel = Callable[[], bool] | threading.Event
"""Asked before every frame is drawn or encoded; once it is true (or set), the work stops with `Cancelled`."""


@dataclass(frozen=True, init=False)
class State(HasLook):
    """One moment of an animation.

    Attributes:
        look: What is done to the face. May be given in parts: `State({"smile": 1.0}, offset_strength=0.5)`.
        inversion: The face; None for the one that the animation is of.
    """

    look: Look
    inversion: Inversion | None

    def __init__(self, look: AnyLook = None, *values: Any, inversion: Inversion | None = None, **parts: Any) -> None:
        object.__setattr__(self, "look", look_of(look, *values, **parts))
        object.__setattr__(self, "inversion", inversion)


class Motion(Protocol):
    """A way through states."""

    @property
    def states(self) -> tuple[State, ...]:
        """Two or more, passed in equal times."""

    @property
    def ease(self) -> Ease:
        """Speed between two states: "linear", or "smooth" with a rest at each of them."""

    @property
    def ping_pong(self) -> bool:
        """Whether it goes back the same way, so that a repeated movie has no jump."""


@dataclass(frozen=True)
class Morph:
    """From state to state, also from one face to another.

    Attributes:
        states: Two or more. An edit or prompt that a state lacks has the strength 0 there.
        ease, ping_pong: As in `Motion`.

    Raises:
        UsageError: There are fewer than two states, or no such ease.
    """

    states: tuple[State, ...]
    ease: Ease = "smooth"
    ping_pong: bool = False

    def __post_init__(self) -> None:
        """Check the states and the ease."""
        if len(self.states) < 2:
            raise UsageError("A morph needs at least two states to go between.")
        check_ease(self.ease)


@dataclass(frozen=True)
class Sweep:
    """One edit from one strength to another, on top of whatever else the face has.

    Attributes:
        edit: Name of an edit, or a prompt (whose own strength does not matter).
        start, stop: Strengths at both ends.
        base: Everything else; what it says about the swept edit is replaced.
        ease, ping_pong: As in `Motion`.

    Raises:
        UsageError: There is no such ease.
    """

    edit: str | TextEdit
    start: float
    stop: float
    base: State = State()
    ease: Ease = "smooth"
    ping_pong: bool = False

    def __post_init__(self) -> None:
        """Check the ease."""
        check_ease(self.ease)

    @property
    def states(self) -> tuple[State, ...]:
        """Both ends."""
        return self._end(self.start), self._end(self.stop)

    def _end(self, strength: float) -> State:
        look = self.base.look.active
        if isinstance(self.edit, str):
            look = replace(look, edits={**look.edits, self.edit: strength})
        else:
            swept = replace(self.edit, strength=strength, on=True)
            others = (edit for edit in look.words if replace(edit, strength=strength) != swept)
            look = replace(look, words=(*others, swept))
        return replace(self.base, look=look)


def check_ease(ease: str) -> Ease:
    """Return an ease by its name, or refuse one that does not exist."""
    if ease not in get_args(Ease):
        raise UsageError(f"The ease must be {' or '.join(get_args(Ease))}, not '{ease}'.")
    return cast(Ease, ease)


def blend_states(a: State, b: State, t: float) -> State:
    """Go part of the way between two states, as `look.blend_looks` does; the face stays that of `a`."""
    return replace(a, look=blend_looks(a.look, b.look, t))


class InPhoto:
    """Puts pictures of one face into its whole photo, which is scaled for a movie once and for all frames.

    What is left for every frame is to warp its picture into place, nine tenths of `paste_back`'s time.

    Args:
        photo: The photo `face` was cut from.
        face: From `HyperStyle.align`.
        max_side: The photo is made smaller until no side is longer, px.
        options: For `alignment.paste_back`, such as `feather`.

    Attributes:
        size: Width and height of a frame; even, as MP4 needs it.
    """

    def __init__(self, photo: Photo, face: AlignedFace, max_side: int = MOVIE_SIDE, **options: Any) -> None:
        opened = open_photo(photo)
        face.check_photo(opened)
        scale = min(1.0, max_side / max(opened.size))
        if scale < 1:
            width, height = (max(2, round(side * scale)) for side in opened.size)
            opened = opened.resize((width, height), Image.Resampling.LANCZOS)
        self.size = (opened.width - opened.width % 2, opened.height - opened.height % 2)
        self._photo = opened.crop((0, 0, *self.size))
        # Coordinates count from the centre of the first pixel.
        left, top, right, bottom = ((edge + 0.5) * scale - 0.5 for edge in face.box)
        self._face = replace(
            face,
            quad=(face.quad + 0.5) * scale - 0.5,
            box=(left, top, right, bottom),
            landmarks=(face.landmarks + 0.5) * scale - 0.5,
            photo_size=self.size,
        )
        self._options = options

    def __call__(self, picture: Image.Image) -> Image.Image:
        """Put one picture of the face into the photo."""
        from hyperstyle.alignment import paste_back

        return paste_back(self._photo, self._face, picture, **self._options)[0]


@dataclass(frozen=True)
class Movie:
    """An animation that was written.

    Attributes:
        path: The file.
        frames: How many pictures it shows.
        seconds: How long.
        size: Width and height in pixels.
        n_bytes: Of the file.
    """

    path: Path
    frames: int
    seconds: float
    size: tuple[int, int]
    n_bytes: int


class Animation:
    """A face in motion; pictures are drawn when they are asked for.

    Args:
        pipeline: Draws them.
        inversion: The face, for states that name none.
        motion: A `Sweep` or a `Morph`.
        seconds: Length, above 0 and up to `MAX_SECONDS`.
        fps: Frames per second, 1 to 60.
        generator: As for `HyperStyle.stylise`: draw every state with this one.
        place: What is done with every picture, such as an `InPhoto`; None leaves the crop.
        face: The face in its photo, to draw on that as `HyperStyle.edit` does; not on the way from one face to another.

    Raises:
        UsageError: The length or the number of frames makes no sense, or there is no face.
        UnknownEdit: A state names an edit that does not exist (also what `render` raises about edits and prompts).
    """

    def __init__(
        self,
        pipeline: HyperStyle,
        inversion: Inversion | None,
        motion: Motion,
        seconds: float = 2.0,
        fps: int = 24,
        generator: Generator | FastSynthesis | str | None = None,
        place: Callable[[Image.Image], Image.Image] | None = None,
        face: AlignedFace | None = None,
    ) -> None:
        self.pipeline, self.motion, self.fps = pipeline, motion, plain_scalar(fps)
        self.count = frame_count(seconds, fps)
        states = motion.states
        if isinstance(generator, str):
            states = tuple(replace(state, look=replace(state.look, art_style=generator)) for state in states)
        for state in states:
            if (state.inversion or inversion) is None:
                raise UsageError("This animation has no face; give one to it or to each of its states.")
            pipeline.check_look(state.look)
        self._states = [replace(state, inversion=state.inversion or inversion) for state in states]
        self._place = place
        # The photo's detail belongs to one face: on the way to another there is no photo to keep.
        one = len({id(state.inversion) for state in self._states}) == 1
        self._face = face if one and any(state.look.detail for state in self._states) else None
        self._generator = None if isinstance(generator, str) else generator
        # Weights of passing moments are not worth keeping: they would push other people's faces out of the cache.
        self._still = all(
            state.inversion is self._states[0].inversion
            and state.look.offset_strength == self._states[0].look.offset_strength
            for state in self._states
        )

    def __len__(self) -> int:
        """Number of frames."""
        return self.count

    @property
    def seconds(self) -> float:
        """Length, as a whole number of frames makes it."""
        return self.count / self.fps

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame in pixels; draws the first one."""
        return self.frame(0).size

    def state(self, index: int) -> State:
        """What a frame shows.

        Args:
            index: From 0 to `len` - 1.
        """
        legs = len(self._states) - 1
        # There and back, the frame after the last would be the first again.
        way = 1 - abs(1 - 2 * index / self.count) if self.motion.ping_pong else index / (self.count - 1)
        leg = min(int(way * legs), legs - 1)
        t = way * legs - leg
        if self.motion.ease == "smooth":
            t = 0.5 - 0.5 * math.cos(math.pi * t)
        a, b = self._states[leg], self._states[leg + 1]
        blended = blend_states(a, b, t)
        if a.inversion is b.inversion:
            return blended
        assert a.inversion is not None
        assert b.inversion is not None
        return replace(blended, inversion=self.pipeline.interpolate(a.inversion, b.inversion, t))

    def frame(self, index: int) -> Image.Image:
        """Draw one frame; indices as for `state`, raises as `HyperStyle.render` does."""
        state = self.state(index)
        assert state.inversion is not None
        if self._face is not None and self._generator is None:
            picture = self.pipeline.edit(self._face, state.inversion, state.look, quick=True)
        elif self._generator is None:
            picture = self.pipeline.render(state.inversion, state.look, remember=self._still)
        else:
            picture = self.pipeline.stylise(state.inversion, self._generator, state.look)
        return picture if self._place is None else self._place(picture)

    def frames(
        self, on_frame: Callable[[int, int], None] | None = None, cancel: Cancel | None = None
    ) -> Iterator[Image.Image]:
        """Draw the frames, one whenever it is asked for.

        Args:
            on_frame: Called with (frames drawn, frames in all) after each.
            cancel: See `Cancel`.

        Raises:
            Cancelled: `cancel` said so.
        """
        ask = asking(cancel)
        for index in range(self.count):
            ask()
            yield self.frame(index)
            if on_frame is not None:
                on_frame(index + 1, self.count)

    def export(
        self,
        path: str | Path,
        on_frame: Callable[[int, int], None] | None = None,
        cancel: Cancel | None = None,
        note: bool = True,
    ) -> Movie:
        """Write a movie file, completely or not at all.

        Args:
            path: Where to; .mp4, .gif or .webp. An existing file is replaced once the new one is complete.
            on_frame, cancel: As for `frames`.
            note: Let the file's metadata say that it is AI-edited: WebP in an XMP packet, MP4 and GIF in a comment.

        Raises:
            UsageError: The suffix names no format, or the movie is too large for it.
            CannotWrite: Disk full, no permission, no such folder.
            Cancelled: `cancel` said so.
        """
        path = Path(path)
        check_movie(path, self.fps, self.count, self.size)
        source: Source = "generated" if self._place is None and self._face is None else "composite"
        words, packet = (comment(source), xmp_packet(source)) if note else ("", "")
        frames = self.frames(on_frame, cancel)
        count, n_bytes = save_movie(frames, path, self.fps, self._palette(path.suffix), words, packet, asking(cancel))
        return Movie(path, count, self.seconds, self.size, n_bytes)

    def estimate_bytes(self, suffix: str) -> int:
        """Guess how large a file will be, from a few frames in the middle; much quicker than writing it.

        Args:
            suffix: .mp4, .gif or .webp.
        """
        sample = min(_SAMPLE, self.count)
        first = (self.count - sample) // 2
        drawn = [self.frame(first + index) for index in range(sample)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"sample{suffix.lower()}"
            check_movie(path, self.fps, self.count, drawn[0].size)
            palette = drawn[0]
            one, some = (save_movie(part, path, self.fps, palette)[1] for part in (drawn[:1], drawn))
        # The first frame is written whole, the others mostly as what changes.
        return round(one + (some - one) / max(1, sample - 1) * (self.count - 1))

    def _palette(self, suffix: str) -> Image.Image | None:
        """A picture with the colours of the whole animation, for the format that has to choose 256 of them."""
        if suffix.lower() != ".gif":
            return None
        shown = [self.frame(index) for index in {0, self.count // 3, self.count // 2, self.count - 1}]
        sheet = Image.new("RGB", (shown[0].width, shown[0].height * len(shown)))
        for row, picture in enumerate(shown):
            sheet.paste(picture, (0, row * picture.height))
        return sheet


def asking(cancel: Cancel | None) -> Callable[[], None]:
    """What to call between two pieces of work: it raises `Cancelled` once `cancel` says so."""
    stopped = cancel.is_set if isinstance(cancel, threading.Event) else cancel

    def ask() -> None:
        if stopped is not None and stopped():
            raise Cancelled("The animation was stopped; no file was written.")

    return ask


def frame_count(seconds: float, fps: int) -> int:
    """Number of frames of an animation.

    Raises:
        UsageError: The length or the speed makes no sense, or there would be fewer than two frames.
    """
    fps, seconds = plain_scalar(fps), plain_scalar(seconds)
    if not isinstance(fps, int) or not 1 <= fps <= MAX_FPS:
        raise UsageError(f"An animation shows 1 to {MAX_FPS} frames per second, not {fps}.")
    if not is_number(seconds) or not 0 < seconds <= MAX_SECONDS:
        raise UsageError(f"An animation may last up to {MAX_SECONDS:g} seconds, not {seconds}.")
    count = round(seconds * fps)
    if count < 2:
        raise UsageError(f"{seconds:g} seconds at {fps} frames per second are less than two frames; make it longer.")
    return count
