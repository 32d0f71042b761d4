"""Recipes on the page: saving, loading, and links that carry edits. No gradio in here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hyperstyle.demo import texts
from hyperstyle.demo.faces import Frame, Rebuilt
from hyperstyle.demo.handlers import Change, Handlers, Status, frame_source, guarded, say
from hyperstyle.demo.looks import check_look, to_controls, to_recipe
from hyperstyle.demo.state import Controls
from hyperstyle.demo.trouble import OneSentence
from hyperstyle.demo.whole_photo import TakeHome, take_of
from hyperstyle.errors import HyperStyleError
from hyperstyle.recipes import SUFFIX, Recipe

if TYPE_CHECKING:
    from hyperstyle.demo.sessions import Session
    from hyperstyle.latents import Inversion

FILE_NAME = f"look{SUFFIX}"


class RecipeBox:
    """What a person does with recipes; safe to share between threads.

    Args:
        handlers: Draws, and knows the pages.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers
        self.pipeline = handlers.pipeline

    def save(self, key: str, controls: Controls, take: TakeHome) -> Iterator[tuple[Path | None, Change]]:
        """Write the look of the page as a recipe for download.

        Args:
            key: The page.
            controls: Where its controls stand.
            take: How results are taken away, which the recipe says too; and whether the rebuilt face goes into it.

        Yields:
            Once: the file, which exists until the iterator goes on, or None when that failed.
        """
        session = self.handlers.store.get(key)
        with tempfile.TemporaryDirectory(prefix="hyperstyle-") as folder:
            path = Path(folder) / FILE_NAME
            with OneSentence() as trouble:
                rebuilt = session.rebuilt
                if take.face and rebuilt is None:
                    raise HyperStyleError(texts.NO_FACE_YET)
                inversion = rebuilt.inversion if take.face and rebuilt is not None else None
                to_recipe(controls, self.pipeline.domain.name, inversion, take).save(path)
            if trouble.error:
                yield None, say(session, "problem", trouble.sentence)
            else:
                said = texts.RECIPE_SAVED_FACE if take.face else texts.RECIPE_SAVED
                yield path, Change(session.next_serial(), status=Status("done", said))

    def load(self, key: str, source: str | Path | None, controls: Controls) -> Iterator[Change]:
        """Take over a recipe from its file or from a PNG, and remove that file.

        Args:
            key: The page.
            source: The uploaded file.
            controls: Where the page's controls stand.
        """
        if source is None:
            return
        session, path = self.handlers.store.get(key), Path(source)
        try:
            yield from guarded(session, partial(self._load, session, path, controls))
        finally:
            path.unlink(missing_ok=True)

    def _load(self, session: Session, path: Path, controls: Controls) -> Iterator[Change]:
        recipe = _read(path)
        check_look(self.pipeline, recipe)
        wanted = to_controls(recipe, controls.steps)
        if recipe.inversion is not None:
            change = self._open_face(session, recipe.inversion, wanted)
        else:
            change = self._apply(session, wanted, texts.RECIPE_LOADED)
        yield replace(change, take=take_of(recipe))

    def link(self, key: str, controls: Controls) -> Iterator[Change]:
        """Write the edits as a link; the face stays out."""
        session = self.handlers.store.get(key)
        link = to_recipe(controls, self.pipeline.domain.name).to_link()
        yield Change(session.next_serial(), status=Status("done", texts.LINK_READY), link=link)

    def open_link(self, key: str, link: str, controls: Controls) -> Iterator[Change]:
        """Take over the edits of the link that the page was opened with; without a face they wait for the next one."""
        session = self.handlers.store.get(key)
        recipe = Recipe.from_link(link, self.pipeline.domain.name)
        check_look(self.pipeline, recipe)
        wanted = to_controls(recipe, controls.steps)
        if session.rebuilt is not None:
            yield self._apply(session, wanted, texts.LINK_APPLIED)
            return
        with session.lock:
            session.look = wanted
        yield Change(session.next_serial(), status=Status("done", texts.LINK_WAITS), controls=wanted)

    def _apply(self, session: Session, wanted: Controls, said: str) -> Change:
        """Give the face on the page other edits; how often it was refined stays."""
        rebuilt = session.rebuilt
        if rebuilt is None:
            raise HyperStyleError(texts.RECIPE_NEEDS_FACE)
        current = session.history.current
        wanted = replace(wanted, steps=wanted.steps if current is None else current.controls.steps)
        session.wanted.start()
        with session.drawing:
            change = self.handlers.settle(session, rebuilt, wanted, texts.HISTORY_RECIPE)
        return replace(change, status=change.status or Status("done", said), controls=wanted)

    def _open_face(self, session: Session, inversion: Inversion, wanted: Controls) -> Change:
        """Show the face that a recipe holds; the photo on the page, if any, keeps its own faces."""
        session.opening.start()  # a photo that is still being opened gives up
        session.wanted.start()
        with session.drawing:
            rest = Controls(steps=wanted.steps)
            bare = self.pipeline.render(inversion)
            frames = (Frame(frame_source(bare), texts.FRAME_RECIPE, (texts.FRAME_RECIPE_CAPTION,)),)
            rebuilt = Rebuilt(None, None, inversion, frames)
            self.handlers.start(session, rebuilt, rest, bare)
            change = self.handlers.settle(session, rebuilt, wanted, texts.HISTORY_RECIPE)
        photo = self.handlers.photo_view(session)
        status = change.status or Status("done", texts.RECIPE_FACE_LOADED)
        return replace(
            change, status=status, frames=frames, controls=wanted, photo=photo, whole="", ready=True, pastes=False
        )


def _read(path: Path) -> Recipe:
    """Read a recipe; sentences about it do not name the upload's place on the server."""
    content = path.read_bytes()
    if content.startswith(b"\x89PNG"):
        return Recipe.from_png(content)
    return Recipe.from_json(content, what="This file")
