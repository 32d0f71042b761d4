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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from PIL import Image
from torch import Tensor

from hyperstyle import metrics, provenance
from hyperstyle.demo import readouts, texts
from hyperstyle.demo.contact_sheet import ContactSheet
from hyperstyle.demo.faces import Frame, Rebuilt
from hyperstyle.demo.history import Entry, History, describe
from hyperstyle.demo.looks import to_recipe
from hyperstyle.demo.pictures import shrink, to_data_uri
from hyperstyle.demo.readouts import Readout
from hyperstyle.demo.sessions import Session, SessionStore
from hyperstyle.demo.state import Controls
from hyperstyle.demo.trouble import OneSentence
from hyperstyle.demo.whole_photo import TakeHome, faces_to_paste, lines_about, warnings_about
from hyperstyle.errors import BadRecipe, HyperStyleError
from hyperstyle.images import open_photo, to_photo
from hyperstyle.recipes import PNG_KEYWORD

if TYPE_CHECKING:
    from hyperstyle.alignment import AlignedFace
    from hyperstyle.alignment.paste import Pasted
    from hyperstyle.editing.styleclip import TextEditor
    from hyperstyle.latents import Inversion
    from hyperstyle.look import Look, TextEdit
    from hyperstyle.pipeline import HyperStyle

log = logging.getLogger(__name__)

DRAWINGS_AT_ONCE = 1  # two forward passes on the same cores take longer than one after the other
PHOTO_PREVIEW_PX = 640
WHOLE_PREVIEW_PX = 1280
FRAME_PX = 512
THUMBNAIL_PX, THUMBNAIL_QUALITY = 112, 80


@dataclass(frozen=True)
class Status:
    """One sentence under the heading; `kind` chooses its colour."""

    kind: Literal["info", "busy", "done", "problem"]
    text: str


@dataclass(frozen=True)
class FaceBox:
    """Where a face lies in the photo, as fractions of its size, for the picker."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Photo:
    """The photo with its faces, for the picker, which are edited, and what may spoil the result for the chosen one.

    `chosen` is -1 where the face on show is none of them.
    """

    source: str
    faces: tuple[FaceBox, ...]
    chosen: int
    warnings: tuple[str, ...] = ()
    edited: tuple[int, ...] = ()


@dataclass(frozen=True)
class Past:
    """The history, for the page.

    Attributes:
        entries: Settled states, oldest first.
        versions: States kept under a name.
        at: Number of the state on show.
        undo, redo: Whether there is a state to go to.
        edited_faces: Which faces of the photo are edited, for the picker; None leaves its marks as they are.
        whole: Every entry comes with its thumbnail, as the page has not seen this history yet.
    """

    entries: tuple[Entry, ...]
    versions: tuple[Entry, ...]
    at: int
    undo: bool
    redo: bool
    edited_faces: tuple[int, ...] | None = None
    whole: bool = False


@dataclass(frozen=True)
class Pair:
    """Two states side by side in the wipe: data URIs and names."""

    before: str
    before_label: str
    after: str
    after_label: str


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
        readout: What was found about the picture.
        past: The history.
        controls: Where every control is to go; None leaves them to the person.
        take: Where controls of how results are taken away are to go, as in `whole_photo.take_of`.
        sheet: A prompt at several strengths.
        pair: Two states to compare.
        whole: The whole photo with the edited faces, a data URI; empty hides it.
        whole_lines: What is true of it.
        whole_warnings: What may look wrong in it.
        link: The edits as what follows the # of an address.
        ready: A face is there, so it can be downloaded.
        pastes: It came from a photo, so it can be put back; counts where `ready`, and for what the picture is called.
    """

    serial: int
    status: Status | None = None
    picture: str | None = None
    edited: bool = False
    frames: tuple[Frame, ...] | None = None
    photo: Photo | None = None
    readout: Readout | None = None
    past: Past | None = None
    controls: Controls | None = None
    take: Mapping[str, Any] | None = None
    sheet: ContactSheet | None = None
    pair: Pair | None = None
    whole: str | None = None
    whole_lines: tuple[str, ...] = ()
    whole_warnings: tuple[str, ...] = ()
    link: str | None = None
    ready: bool = False
    pastes: bool = True


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
    def turns(self) -> threading.Semaphore:
        """To be held by whoever draws, for as short as possible."""
        return self._drawings

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
        yield from guarded(session, partial(self._open, session, session.opening.start(), Path(source), steps))

    def choose_face(self, key: str, index: int, steps: int, controls: Controls | None = None) -> Iterator[Change]:
        """Go to another face of the same photo: on with what was done to it before, or else rebuild it.

        Args:
            key: The page.
            index: Of the face, the largest being 0.
            steps: Refinement steps for a face not rebuilt yet.
            controls: Where the controls stand, so that a move that has not settled yet is not lost.
        """
        session = self.store.get(key)
        yield from guarded(session, partial(self._choose, session, session.opening.start(), index, steps, controls))

    def change_steps(self, key: str, controls: Controls) -> Iterator[Change]:
        """Rebuild the same face with another number of refinement steps, keeping the edits."""
        session = self.store.get(key)
        rebuilt = session.rebuilt
        if rebuilt is None:
            return  # before the first photo the number is only remembered by its control
        if rebuilt.photo is None or rebuilt.face is None:
            yield say(session, "problem", texts.NO_PHOTO_TO_REFINE)
            return
        job = session.opening.start()
        work = partial(self._rebuild, session, job, rebuilt.photo, rebuilt.face, controls.steps, controls)
        yield from guarded(session, work)

    def _open(self, session: Session, job: int, source: Path, steps: int) -> Iterator[Change]:
        yield say(session, "busy", texts.LOOKING)
        photo = open_photo(source)
        encoded = source.read_bytes()
        faces = self.pipeline.align_all(photo)
        with session.lock:
            if not session.opening.is_newest(job):
                return
            session.photo, session.faces, session.aside = encoded, faces, {}
        view = _photo_view(photo, faces, 0)
        yield Change(session.next_serial(), photo=view)
        yield from self._rebuild(session, job, encoded, faces[0], steps, None)

    def _choose(
        self, session: Session, job: int, index: int, steps: int, controls: Controls | None
    ) -> Iterator[Change]:
        photo, faces = session.photo, session.faces
        if photo is None or not 0 <= index < len(faces):
            yield say(session, "problem", texts.NO_FACE_YET)
            return
        rebuilt, current = session.rebuilt, session.history.current
        moved = controls is not None and current is not None and current.controls != controls.settled()
        if controls is not None and rebuilt is not None and moved:
            session.wanted.start()
            with session.drawing:
                self.settle(session, rebuilt, controls)
        with session.drawing:
            with session.lock:
                known, entry = session.take_up(index), session.history.current
            if known and entry is not None:
                yield self.show(session, entry, texts.FACE_AGAIN.format(number=index + 1))
                return
        view = _photo_view(open_photo(photo), faces, index, session.edited_faces)
        yield Change(session.next_serial(), photo=view)
        yield from self._rebuild(session, job, photo, faces[index], steps, None)

    def show(self, session: Session, entry: Entry, said: str) -> Change:
        """Bring back the state that a face was left in, with everything around it; hold `session.drawing`."""
        serial = session.next_serial()
        picture = self.draw(entry.rebuilt, entry.controls)
        readout = self.read_out(entry.rebuilt, picture, entry.controls)
        with session.lock:
            past = past_in(session)
        return Change(
            serial,
            status=Status("done", said),
            picture=to_data_uri(picture),
            edited=entry.controls.edited,
            frames=entry.rebuilt.frames,
            photo=self.photo_view(session),
            readout=readout,
            past=replace(past, whole=True),
            controls=entry.controls,
            ready=True,
        )

    def photo_view(self, session: Session) -> Photo | None:
        """The photo on the page with its faces as they stand; None before the first one."""
        with session.lock:
            photo, faces, chosen, edited = session.photo, session.faces, session.index, session.edited_faces
        return None if photo is None else _photo_view(open_photo(photo), faces, chosen, edited)

    def start(
        self, session: Session, rebuilt: Rebuilt, rest: Controls, picture: Image.Image, label: str = texts.HISTORY_START
    ) -> None:
        """Let a face take the place of the one on show, whose history is kept if both are of one photo."""
        with session.lock:
            session.put_aside()
            session.rebuilt, session.noted = rebuilt, ""
            session.history.start(rest, rebuilt, _thumbnail(picture), label)

    def _rebuild(
        self, session: Session, job: int, photo: bytes, face: AlignedFace, steps: int, controls: Controls | None
    ) -> Iterator[Change]:
        """Rebuild a face, frame by frame; without `controls` it is a new face and every edit starts again."""
        started_s = time.perf_counter()
        target = self.pipeline.target(face)
        # As large as the generator draws, so that the wipe compares like with like.
        frames = [Frame(frame_source(to_photo(target)), texts.FRAME_TARGET, (texts.FRAME_TARGET_CAPTION,))]
        yield Change(session.next_serial(), status=Status("busy", texts.REBUILDING), frames=tuple(frames), whole="")
        inversion: Inversion | None = None
        reconstruction = target
        for item in steps_of(partial(self.pipeline.invert, face, steps)):
            if not session.opening.is_newest(job):
                return
            if isinstance(item, tuple):
                _, reconstruction = item
                frames.append(self._frame(target, *item))
                yield Change(session.next_serial(), frames=tuple(frames))
            else:
                inversion = item
        assert inversion is not None  # invert returns or raises
        seconds = time.perf_counter() - started_s
        first = readouts.baseline(self.pipeline, target, reconstruction)
        rebuilt = Rebuilt(photo, face, inversion, tuple(frames), first)
        rest = Controls(steps=steps)
        with session.drawing:
            with session.lock:
                if not session.opening.is_newest(job):
                    return
                look, session.look = (session.look, None) if controls is None else (None, session.look)
                if controls is not None:
                    session.rebuilt, session.noted = rebuilt, ""
            if controls is None:
                self.start(session, rebuilt, rest, to_photo(reconstruction.clamp(-1, 1)))
            wanted = controls or (rest if look is None else replace(look, steps=steps))
            change = self.settle(session, rebuilt, wanted, "" if look is None else texts.HISTORY_LINK)
        yield replace(
            change,
            status=change.status if session.noted else _rebuilt_status(seconds),
            frames=tuple(frames),
            controls=wanted if controls is None else None,
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
        return Frame(frame_source(to_photo(shown)), label, captions)

    # inversion -> picture

    def live(self, key: str, controls: Controls, preview: bool = False) -> Change | None:
        """Draw the face as the controls stand now.

        Args:
            key: The page.
            controls: Its controls.
            preview: Rather quick than large, as while a slider moves: nothing is noted or measured then.

        Returns:
            The new picture; None when a newer request of the same page makes this one pointless.
        """
        session = self.store.get(key)
        number = session.wanted.start()
        with OneSentence() as trouble, session.drawing:
            if not session.wanted.is_newest(number):
                return None
            rebuilt = session.rebuilt
            if rebuilt is None:
                return Change(session.next_serial(), status=Status("problem", texts.NO_FACE_YET))
            if not preview:
                return self.settle(session, rebuilt, controls)
            serial = session.next_serial()
            picture, note = self._draw(rebuilt, controls, preview)
            return Change(
                serial,
                status=_news(session, note),
                picture=to_data_uri(picture),
                edited=controls.edited,
                pastes=rebuilt.photo is not None,
            )
        return say(session, "problem", trouble.sentence)

    def settle(self, session: Session, rebuilt: Rebuilt, controls: Controls, label: str = "") -> Change:
        """Draw the face in full, say what is to be said about it, and note the state; hold `session.drawing`.

        Args:
            session: The page.
            rebuilt: Its face.
            controls: Where its controls stand.
            label: What to call the state; empty for what changed.
        """
        serial = session.next_serial()
        settled = controls.settled()
        picture, note = self._draw(rebuilt, settled)
        readout = self.read_out(rebuilt, picture, settled)
        with session.lock:
            history = session.history
            current = history.current
            if current is not None:
                label = label or describe(current.controls, settled, self.pipeline.edits)
                history.push(label, settled, rebuilt, _thumbnail(picture))
            past = past_in(session)
        status = _news(session, note)
        return Change(
            serial,
            status=status,
            picture=to_data_uri(picture),
            edited=settled.edited,
            readout=readout,
            past=past,
            pastes=rebuilt.photo is not None,
        )

    def read_out(self, rebuilt: Rebuilt, picture: Image.Image, controls: Controls) -> Readout:
        """What can be said about a picture of a face; empty when nothing measures it."""
        if rebuilt.baseline is None:
            return Readout(None, None)  # without the photo there is nothing to compare with
        if self.wanted_look(controls).art_style:
            return Readout(None, None)  # the networks that look at pictures know the plain world only
        with self._drawings:
            before = rebuilt.baseline.of(rebuilt.face is not None and controls.look.detail >= 0.5)
            return readouts.read(self.pipeline, before, self.pipeline.target(picture), controls)

    def draw(self, rebuilt: Rebuilt, controls: Controls) -> Image.Image:
        """Draw a face in full, without noting anything."""
        return self._draw(rebuilt, controls)[0]

    def draw_small(self, rebuilt: Rebuilt, controls: Controls, longest_px: int) -> Image.Image:
        """Draw a face at the smallest size of the generator that is no smaller than `longest_px`, or in full."""
        sizes = [px for px in self.pipeline.models.generator.config.channels if px >= longest_px]
        px = min(sizes, default=self.pipeline.domain.resolution)
        look = self.wanted_look(controls)
        if rebuilt.face is not None:
            return shrink(self._draw(rebuilt, controls, preview=True)[0], longest_px)
        if px >= self.pipeline.domain.resolution or look.art_style:
            return shrink(self.draw(rebuilt, controls), longest_px)
        with self._drawings:
            picture = self.pipeline.render(rebuilt.inversion, look, resolution=px)
        return shrink(picture, longest_px)

    def paste(self, key: str, controls: Controls, take: TakeHome | None = None) -> Change:
        """Put every edited face back into the whole photo and show it."""
        session = self.store.get(key)
        take = take or TakeHome()
        with OneSentence() as trouble:
            pasted, faces = self._pasted(session, controls, take)
            warnings = warnings_about(faces, take.paste)
        if trouble.error:
            return say(session, "problem", trouble.sentence)
        return Change(
            session.next_serial(),
            status=Status("done", texts.PASTED if len(faces) == 1 else texts.PASTED_ALL.format(count=len(faces))),
            whole=to_data_uri(shrink(pasted.picture, WHOLE_PREVIEW_PX)),
            whole_lines=lines_about(pasted, len(faces)),
            whole_warnings=warnings,
        )

    def save_face(
        self, key: str, controls: Controls, take: TakeHome | None = None
    ) -> Iterator[tuple[Path | None, Change]]:
        """Save the edited face as PNG for download; it says that it was drawn by a generator, and how.

        Yields:
            Once: the file, which exists until the iterator goes on, or None when that failed.
        """
        make = partial(self._face, controls=controls)
        return self._save(key, "hyperstyle-face.png", "generated", make, controls, take or TakeHome())

    def save_whole(
        self, key: str, controls: Controls, take: TakeHome | None = None
    ) -> Iterator[tuple[Path | None, Change]]:
        """Save the whole photo with the edited faces as PNG for download; yields as `save_face` does."""
        take = take or TakeHome()
        make = partial(self._whole, controls=controls, take=take)
        return self._save(key, "hyperstyle-photo.png", "composite", make, controls, take)

    def close(self, key: str) -> None:
        """Forget a page."""
        self.store.close(key)

    def _save(
        self,
        key: str,
        name: str,
        source: provenance.Source,
        make: Callable[[Session], Image.Image],
        controls: Controls,
        take: TakeHome,
    ) -> Iterator[tuple[Path | None, Change]]:
        session = self.store.get(key)
        with tempfile.TemporaryDirectory(prefix="hyperstyle-") as folder:
            path = Path(folder) / name
            with OneSentence() as trouble:
                picture = make(session)
                notes = {PNG_KEYWORD: self._recipe_json(_something_in(session), controls, take)}
                provenance.save_edited(picture, path, source, mark=take.mark, texts=notes)
            if trouble.error:
                yield None, say(session, "problem", trouble.sentence)
            else:
                yield path, Change(session.next_serial())

    def _recipe_json(self, rebuilt: Rebuilt, controls: Controls, take: TakeHome) -> str:
        recipe = to_recipe(controls, self.pipeline.domain.name, rebuilt.inversion if take.face else None, take)
        try:
            return recipe.to_json()
        except BadRecipe:  # the face is too large for one; the picture is what was asked for
            return recipe.without_face().to_json()

    def _face(self, session: Session, controls: Controls) -> Image.Image:
        rebuilt = _something_in(session)
        return self._draw(rebuilt, controls)[0]

    def _whole(self, session: Session, controls: Controls, take: TakeHome) -> Image.Image:
        return self._pasted(session, controls, take)[0].picture

    def _pasted(
        self, session: Session, controls: Controls, take: TakeHome
    ) -> tuple[Pasted, list[tuple[AlignedFace, Image.Image]]]:
        """The photo with its edited faces in it, and these faces with their edited pictures."""
        listed = faces_to_paste(session, controls)
        faces = [(one.face, self._draw(one, state)[0]) for one, state in listed if one.face is not None]
        photo = next(one.photo for one, _ in listed if one.photo is not None)
        edited = [(face, picture, take.paste) for face, picture in faces]
        return self.pipeline.paste_back_all(photo, edited), faces

    def _draw(self, rebuilt: Rebuilt, controls: Controls, preview: bool = False) -> tuple[Image.Image, Status | None]:
        """Draw with every prompt the text model knows; the second value says what is wrong with the others."""
        complaints, remarks, known = [], [], []
        look = self.wanted_look(controls)
        with self._drawings:
            for edit in look.words:
                try:
                    ignored = self._understand(edit)
                except HyperStyleError as error:
                    complaints.append(str(error))
                    continue
                known.append(edit)
                if ignored:
                    remarks.append(texts.WORDS_IGNORED.format(words=", ".join(f"'{word}'" for word in ignored[:5])))
            look = replace(look, words=tuple(known))
            if rebuilt.face is not None:
                picture = self.pipeline.edit(rebuilt.face, rebuilt.inversion, look, quick=preview)
            else:
                draw = self.pipeline.preview if preview else self.pipeline.render
                picture = draw(rebuilt.inversion, look)
        if complaints:
            return picture, Status("problem", " ".join(dict.fromkeys(complaints + remarks)))
        return picture, Status("info", " ".join(dict.fromkeys(remarks))) if remarks else None

    def wanted_look(self, controls: Controls) -> Look:
        """What changes the picture; not a style that this domain does not have."""
        look = controls.look.effective
        return look if look.art_style in self.pipeline.styles else replace(look, art_style="")

    def _understand(self, edit: TextEdit) -> tuple[str, ...]:
        """The words of a prompt and of its neutral one that the text model leaves out; raises when none is left."""
        editor = self.pipeline.text_editor
        editor.direction(edit.prompt, edit.disentanglement, edit.neutral)
        return editor.understand(edit.prompt).ignored


def say(session: Session, kind: Literal["info", "busy", "done", "problem"], text: str) -> Change:
    """Put one sentence into the status line."""
    return Change(session.next_serial(), status=Status(kind, text))


def guarded(session: Session, work: Callable[[], Iterator[Change]]) -> Iterator[Change]:
    """Run a job; whatever goes wrong becomes one sentence, and the session keeps its last good face."""
    with OneSentence() as trouble:
        yield from work()
    if trouble.error:
        yield say(session, "problem", trouble.sentence)


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


def frame_source(picture: Image.Image) -> str:
    """A picture for the filmstrip."""
    return to_data_uri(shrink(picture.convert("RGB"), FRAME_PX))


def _photo_view(photo: Image.Image, faces: list[AlignedFace], chosen: int, edited: tuple[int, ...] = ()) -> Photo:
    width, height = photo.size
    boxes = []
    for face in faces:
        left, right = (min(max(x / width, 0.0), 1.0) for x in (face.box[0], face.box[2]))
        top, bottom = (min(max(y / height, 0.0), 1.0) for y in (face.box[1], face.box[3]))
        boxes.append(FaceBox(left, top, right - left, bottom - top))
    warnings = faces[chosen].report.warnings if chosen >= 0 else ()
    return Photo(to_data_uri(shrink(photo, PHOTO_PREVIEW_PX)), tuple(boxes), chosen, warnings, edited)


def _rebuilt_status(seconds: float) -> Status:
    return Status("done", texts.REBUILT.format(seconds=seconds))


def past_of(history: History) -> Past:
    """The history as the page shows it; hold the session's lock."""
    current = history.current
    return Past(
        tuple(history.entries),
        tuple(history.versions),
        0 if current is None else current.number,
        history.can_undo,
        history.can_redo,
    )


def past_in(session: Session) -> Past:
    """The history of the face on show, and which faces are edited; hold the session's lock."""
    return replace(past_of(session.history), edited_faces=session.edited_faces)


def _thumbnail(picture: Image.Image) -> str:
    return to_data_uri(shrink(picture.convert("RGB"), THUMBNAIL_PX), THUMBNAIL_QUALITY)


def _news(session: Session, note: Status | None) -> Status | None:
    """Say something about the prompts once, take it away once it is settled, else leave the status line alone."""
    text = note.text if note else ""
    with session.lock:
        before, session.noted = session.noted, text
    if text == before:
        return None
    return note or Status("done", texts.SETTLED)
