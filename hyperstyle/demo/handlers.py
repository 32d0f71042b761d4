"""What the page does, as plain functions: a page's key and plain values in, a `Change` out. No gradio in here.

Every function answers bad input with one sentence in `Change.status` and leaves the session as it was.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from PIL import Image
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.demo import texts
from hyperstyle.demo.pictures import shrink, to_data_uri
from hyperstyle.demo.sessions import Rebuilt, Session, SessionStore
from hyperstyle.editing import TextEdit
from hyperstyle.errors import HyperStyleError
from hyperstyle.images import open_photo, save_picture, to_photo

if TYPE_CHECKING:
    from hyperstyle.alignment import AlignedFace
    from hyperstyle.editing.styleclip import TextEditor
    from hyperstyle.latents import Inversion
    from hyperstyle.pipeline import HyperStyle

log = logging.getLogger(__name__)

DRAWINGS_AT_ONCE = 1  # two forward passes on the same cores take longer than one after the other
PHOTO_PREVIEW_PX = 640
WHOLE_PREVIEW_PX = 1280
FRAME_PX = 512


@dataclass(frozen=True)
class Status:
    """One sentence under the heading; `kind` chooses its colour."""

    kind: Literal["info", "busy", "done", "problem"]
    text: str


@dataclass(frozen=True)
class Prompt:
    """One row of words."""

    words: str
    strength: float = 1.0
    on: bool = True


@dataclass(frozen=True)
class Controls:
    """Where every control stands.

    Attributes:
        edits: Strength by edit name, in the edit's own unit.
        prompts: Rows of words, used or not.
        offset_strength: 0 is the encoder's face, 1 the refined one.
        steps: Refinement steps.
    """

    edits: Mapping[str, float]
    prompts: tuple[Prompt, ...] = ()
    offset_strength: float = 1.0
    steps: int = 5

    @property
    def edited(self) -> bool:
        """Whether anything is set to change the rebuilt face."""
        words = any(prompt.on and prompt.strength and prompt.words.strip() for prompt in self.prompts)
        return words or any(self.edits.values())


@dataclass(frozen=True)
class FaceBox:
    """Where a face lies in the photo, as fractions of its size, for the picker."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Photo:
    """The photo with its faces, for the picker."""

    source: str
    faces: tuple[FaceBox, ...]
    chosen: int


@dataclass(frozen=True)
class Frame:
    """One picture of the filmstrip."""

    source: str
    label: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """What a handler wants changed on the page; None leaves a part as it is.

    Attributes:
        serial: Grows from answer to answer; the page ignores one older than what it shows.
        status: The status line.
        picture: The face as the controls have it, a data URI.
        edited: Whether that differs from the rebuilt face.
        frames: The whole filmstrip.
        photo: The photo and its faces.
        whole: The whole photo with the edited face, a data URI; empty hides it.
        reset: Put every edit back to where it started.
        ready: A face is there, so it can be downloaded.
    """

    serial: int
    status: Status | None = None
    picture: str | None = None
    edited: bool = False
    frames: tuple[Frame, ...] | None = None
    photo: Photo | None = None
    whole: str | None = None
    reset: bool = False
    ready: bool = False


SLOWEST_PREVIEW_S = 0.15
SMALLEST_PREVIEW_PX = 128


class Handlers:
    """The page's behaviour over one pipeline and one store of sessions; safe to share between threads.

    Args:
        pipeline: The loaded domain.
        store: Where the open pages are remembered.
    """

    def __init__(self, pipeline: HyperStyle, store: SessionStore | None = None) -> None:
        self.pipeline = pipeline
        self.store = store if store is not None else SessionStore()
        self._drawings = threading.Semaphore(DRAWINGS_AT_ONCE)

    @property
    def words(self) -> TextEditor | None:
        """The editor behind words; None when the domain cannot be edited with them."""
        if not self.pipeline.domain.path("text").is_file():
            return None
        try:
            return self.pipeline.text_editor
        except HyperStyleError as error:
            log.warning("Editing with words is switched off: %s", error)
            return None

    @property
    def has_previews(self) -> bool:
        """Whether pictures are large enough that something quicker is shown while a slider moves."""
        return self.pipeline.preview_px < self.pipeline.domain.resolution

    def warm_up(self) -> None:
        """Do once what is slow the first time, so that the first visitor does not wait for it."""
        blank = Image.new("RGB", (256, 256), (128, 128, 128))
        with contextlib.suppress(HyperStyleError):
            self.pipeline.align_all(blank)  # starts MediaPipe, then finds nobody
        with contextlib.suppress(HyperStyleError):
            inversion = self.pipeline.invert(blank, 1)
            self.pipeline.render(inversion)
            self._choose_preview(inversion)

    def _choose_preview(self, inversion: Inversion) -> None:
        """Take the largest preview that this machine draws while somebody drags."""
        sizes = self.pipeline.models.generator.config.channels
        while self.pipeline.preview_px < self.pipeline.domain.resolution and self.pipeline.preview_px // 2 in sizes:
            self.pipeline.preview(inversion)
            started_s = time.perf_counter()
            self.pipeline.preview(inversion)
            if time.perf_counter() - started_s < SLOWEST_PREVIEW_S or self.pipeline.preview_px <= SMALLEST_PREVIEW_PX:
                return
            self.pipeline.preview_px //= 2

    # photo -> face -> inversion

    def take(self, key: str, source: str | Path | None) -> None:
        """Note an uploaded file; `open_taken` opens it. A later one takes its place."""
        session = self.store.get(key)
        with session.lock:
            before, session.taken = session.taken, None if source is None else Path(source)
        _remove(before)

    def open_taken(self, key: str, steps: int) -> Iterator[Change]:
        """Open the noted upload, as `open_photo` does, and remove its file: the session holds what is needed."""
        session = self.store.get(key)
        with session.lock:
            source, session.taken = session.taken, None
        try:
            yield from self.open_photo(key, source, steps)
        finally:
            # Not before: the browser may still be fetching the file to show it in the upload field.
            _remove(source)

    def open_photo(self, key: str, source: str | Path | None, steps: int) -> Iterator[Change]:
        """Find the faces of a new photo and rebuild the largest, telling the page about each stage.

        Args:
            key: The page.
            source: The photo; None (the upload was cleared, or is being opened already) does nothing.
            steps: Refinement steps.
        """
        if source is None:
            return
        session = self.store.get(key)
        yield from self._guard(session, partial(self._open, session, session.start_opening(), Path(source), steps))

    def choose_face(self, key: str, index: int, steps: int) -> Iterator[Change]:
        """Rebuild another face of the same photo."""
        session = self.store.get(key)
        yield from self._guard(session, partial(self._choose, session, session.start_opening(), index, steps))

    def change_steps(self, key: str, controls: Controls) -> Iterator[Change]:
        """Rebuild the same face with another number of refinement steps, keeping the edits."""
        session = self.store.get(key)
        rebuilt = session.rebuilt
        if rebuilt is None:
            return  # before the first photo the number is only remembered by its control
        job = session.start_opening()
        work = partial(self._rebuild, session, job, rebuilt.photo, rebuilt.face, controls.steps, controls)
        yield from self._guard(session, work)

    def _open(self, session: Session, job: int, source: Path, steps: int) -> Iterator[Change]:
        yield self._say(session, "busy", texts.LOOKING)
        photo = open_photo(source)
        encoded = source.read_bytes()
        faces = self.pipeline.align_all(photo)
        with session.lock:
            if session.opening != job:
                return
            session.photo, session.faces = encoded, faces
        view = _photo_view(photo, faces, 0)
        yield Change(session.next_serial(), photo=view)
        yield from self._rebuild(session, job, encoded, faces[0], steps, None)

    def _choose(self, session: Session, job: int, index: int, steps: int) -> Iterator[Change]:
        photo, faces = session.photo, session.faces
        if photo is None or not 0 <= index < len(faces):
            yield self._say(session, "problem", texts.NO_FACE_YET)
            return
        yield Change(session.next_serial(), photo=_photo_view(open_photo(photo), faces, index))
        yield from self._rebuild(session, job, photo, faces[index], steps, None)

    def _rebuild(
        self, session: Session, job: int, photo: bytes, face: AlignedFace, steps: int, controls: Controls | None
    ) -> Iterator[Change]:
        """Rebuild a face, frame by frame; without `controls` it is a new face and every edit starts again."""
        started_s = time.perf_counter()
        target = self.pipeline.target(face)
        # As large as the generator draws, so that the wipe compares like with like.
        frames = [Frame(_frame_source(to_photo(target)), texts.FRAME_TARGET, (texts.FRAME_TARGET_CAPTION,))]
        yield Change(session.next_serial(), status=Status("busy", texts.REBUILDING), frames=tuple(frames), whole="")
        inversion: Inversion | None = None
        for item in steps_of(partial(self.pipeline.invert, face, steps)):
            if session.opening != job:
                return
            if isinstance(item, tuple):
                frames.append(self._frame(target, *item))
                yield Change(session.next_serial(), frames=tuple(frames))
            else:
                inversion = item
        assert inversion is not None  # invert returns or raises
        seconds = time.perf_counter() - started_s
        with session.lock:
            if session.opening != job:
                return
            session.rebuilt = Rebuilt(photo, face, inversion)
        picture, note = self._draw(inversion, controls or Controls({}))
        with session.lock:
            session.noted = note.text if note else ""
        status = note or _rebuilt_status(face, seconds)
        yield Change(
            session.next_serial(),
            status=status,
            picture=to_data_uri(picture),
            edited=controls is not None and controls.edited,
            frames=tuple(frames),
            reset=controls is None,
            ready=True,
        )

    def _frame(self, target: Tensor, step: int, reconstruction: Tensor) -> Frame:
        # Not `pipeline.measure`: perceptual distance and MS-SSIM would take half of the whole rebuild.
        shown = reconstruction.clamp(-1, 1)
        network = self.pipeline.models.identity
        with torch.inference_mode():
            identity = None if network is None else float(metrics.identity(network, target, shown).mean())
            l2 = float(metrics.l2(target, shown).mean())
        label = texts.FRAME_STEP.format(number=step) if step else texts.FRAME_ENCODER
        first = "" if identity is None else texts.FRAME_CAPTION.format(identity=identity)
        captions = (first, texts.FRAME_CAPTION_L2.format(l2=l2))
        return Frame(_frame_source(to_photo(shown)), label, captions)

    # inversion -> picture

    def live(self, key: str, controls: Controls, preview: bool = False) -> Change | None:
        """Draw the face as the controls stand now.

        Args:
            key: The page.
            controls: Its controls.
            preview: Rather quick than large, as while a slider moves.

        Returns:
            The new picture; None when a newer request of the same page makes this one pointless.
        """
        session = self.store.get(key)
        number = session.want()
        try:
            with session.drawing:
                if number != session.wanted:
                    return None
                serial = session.next_serial()
                rebuilt = session.rebuilt
                if rebuilt is None:
                    return Change(serial, status=Status("problem", texts.NO_FACE_YET))
                picture, note = self._draw(rebuilt.inversion, controls, preview)
                return Change(serial, status=_news(session, note), picture=to_data_uri(picture), edited=controls.edited)
        except Exception as error:
            return self._failed(session, error)

    def paste(self, key: str, controls: Controls) -> Change:
        """Put the edited face back into the whole photo and show it."""
        session = self.store.get(key)
        try:
            whole = self._whole(session, controls)
        except Exception as error:
            return self._failed(session, error)
        source = to_data_uri(shrink(whole, WHOLE_PREVIEW_PX))
        return Change(session.next_serial(), status=Status("done", texts.PASTED), whole=source)

    def save_face(self, key: str, controls: Controls) -> Iterator[tuple[Path | None, Change]]:
        """Save the edited face as PNG for download.

        Yields:
            Once: the file, which exists until the iterator goes on, or None when that failed.
        """
        return self._save(key, "hyperstyle-face.png", partial(self._face, controls=controls))

    def save_whole(self, key: str, controls: Controls) -> Iterator[tuple[Path | None, Change]]:
        """Save the whole photo with the edited face as PNG for download; yields as `save_face` does."""
        return self._save(key, "hyperstyle-photo.png", partial(self._whole, controls=controls))

    def close(self, key: str) -> None:
        """Forget a page."""
        self.store.close(key)

    def _save(
        self, key: str, name: str, make: Callable[[Session], Image.Image]
    ) -> Iterator[tuple[Path | None, Change]]:
        session = self.store.get(key)
        with tempfile.TemporaryDirectory(prefix="hyperstyle-") as folder:
            path = Path(folder) / name
            try:
                save_picture(make(session), path)
            except Exception as error:
                yield None, self._failed(session, error)
            else:
                yield path, Change(session.next_serial())

    def _face(self, session: Session, controls: Controls) -> Image.Image:
        rebuilt = _something_in(session)
        return self._draw(rebuilt.inversion, controls)[0]

    def _whole(self, session: Session, controls: Controls) -> Image.Image:
        rebuilt = _something_in(session)
        picture, _ = self._draw(rebuilt.inversion, controls)
        return self.pipeline.paste_back(open_photo(rebuilt.photo), rebuilt.face, picture)

    def _draw(
        self, inversion: Inversion, controls: Controls, preview: bool = False
    ) -> tuple[Image.Image, Status | None]:
        """Draw with every prompt the text model knows; the second value says what is wrong with the others."""
        edits = {name: value for name, value in controls.edits.items() if value}
        asked = [prompt for prompt in controls.prompts if prompt.on and prompt.words.strip()]
        complaints, remarks, known = [], [], []
        with self._drawings:
            for prompt in asked:
                try:
                    ignored = self.pipeline.text_editor.understand(prompt.words).ignored
                except HyperStyleError as error:
                    complaints.append(str(error))
                    continue
                known.append(TextEdit(prompt.words, prompt.strength))
                if ignored:
                    remarks.append(texts.WORDS_IGNORED.format(words=", ".join(f"'{word}'" for word in ignored[:5])))
            draw = self.pipeline.preview if preview else self.pipeline.render
            picture = draw(inversion, edits, known, controls.offset_strength)
        if complaints:
            return picture, Status("problem", " ".join(dict.fromkeys(complaints + remarks)))
        return picture, Status("info", " ".join(dict.fromkeys(remarks))) if remarks else None

    # trouble

    def _guard(self, session: Session, work: Callable[[], Iterator[Change]]) -> Iterator[Change]:
        """Run a job; whatever goes wrong becomes one sentence, and the session keeps its last good face."""
        try:
            yield from work()
        except Exception as error:
            yield self._failed(session, error)

    def _failed(self, session: Session, error: Exception) -> Change:
        if not isinstance(error, HyperStyleError):
            log.error("The page could not do what was asked", exc_info=error)
        return self._say(session, "problem", str(error) if isinstance(error, HyperStyleError) else texts.UNEXPECTED)

    def _say(self, session: Session, kind: Literal["busy", "problem"], text: str) -> Change:
        return Change(session.next_serial(), status=Status(kind, text))


def steps_of(invert: Callable[..., Inversion]) -> Iterator[tuple[int, Tensor] | Inversion]:
    """Turn `invert`'s callbacks into an iterator: (step, picture) for each stage, then the inversion itself."""
    items: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            items.put(invert(on_step=lambda step, picture: items.put((step, picture))))
        except Exception as error:
            items.put(error)

    thread = threading.Thread(target=work, name="invert", daemon=True)
    thread.start()
    while True:
        item = items.get()
        if isinstance(item, Exception):
            raise item
        yield item
        if not isinstance(item, tuple):
            return


def _remove(path: Path | None) -> None:
    """Remove an upload; that it is gone already is fine."""
    if path is not None:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _something_in(session: Session) -> Rebuilt:
    if session.rebuilt is None:
        raise HyperStyleError(texts.NO_FACE_YET)
    return session.rebuilt


def _frame_source(picture: Image.Image) -> str:
    return to_data_uri(shrink(picture.convert("RGB"), FRAME_PX))


def _photo_view(photo: Image.Image, faces: list[AlignedFace], chosen: int) -> Photo:
    width, height = photo.size
    boxes = []
    for face in faces:
        left, right = (min(max(x / width, 0.0), 1.0) for x in (face.box[0], face.box[2]))
        top, bottom = (min(max(y / height, 0.0), 1.0) for y in (face.box[1], face.box[3]))
        boxes.append(FaceBox(left, top, right - left, bottom - top))
    return Photo(to_data_uri(shrink(photo, PHOTO_PREVIEW_PX)), tuple(boxes), chosen)


def _rebuilt_status(face: AlignedFace, seconds: float) -> Status:
    text = texts.REBUILT.format(seconds=seconds)
    for warning in face.report.warnings:
        text += " " + texts.FACE_WARNING.format(warning=warning)
    return Status("done", text)


def _news(session: Session, note: Status | None) -> Status | None:
    """Say something about the prompts once, take it away once it is settled, else leave the status line alone."""
    text = note.text if note else ""
    with session.lock:
        before, session.noted = session.noted, text
    if text == before:
        return None
    return note or Status("done", texts.SETTLED)
