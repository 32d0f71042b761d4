"""Beyond dragging: undo and redo, versions, comparing two states, surprises and contact sheets. No gradio in here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hyperstyle.demo import texts
from hyperstyle.demo.contact_sheet import Cell, ContactSheet, grid
from hyperstyle.demo.handlers import Change, Handlers, Pair, Status, guarded, past_in, past_of
from hyperstyle.demo.pictures import to_data_uri
from hyperstyle.demo.recipe_box import RecipeBox
from hyperstyle.demo.surprise import surprise
from hyperstyle.errors import HyperStyleError

if TYPE_CHECKING:
    from hyperstyle.demo.faces import Rebuilt
    from hyperstyle.demo.history import Entry
    from hyperstyle.demo.sessions import Session
    from hyperstyle.demo.state import Controls

CELL_PX = 128


class Studio:
    """What a person does with states of a face; safe to share between threads.

    Args:
        handlers: Draws, and knows the pages.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers
        self.pipeline = handlers.pipeline
        self.recipes = RecipeBox(handlers)

    def act(self, key: str, action: str, data: dict[str, Any], controls: Controls) -> Iterator[Change]:
        """Do what a button of the page asks for; an unknown one does nothing.

        Args:
            key: The page.
            action: One of the names below.
            data: What the button sent along; anything may be missing or wrong.
            controls: Where the page's controls stand.
        """
        actions: dict[str, Callable[[], Iterator[Change]]] = {
            "undo": lambda: self.undo(key, controls),
            "redo": lambda: self.redo(key),
            "restore": lambda: self.restore(key, _whole(data.get("entry"))),
            "keep": lambda: self.keep(key, str(data.get("name") or "")),
            "drop": lambda: self.drop(key, _whole(data.get("entry"))),
            "compare": lambda: self.compare(key, _whole(data.get("before")), _whole(data.get("after"))),
            "surprise": lambda: self.surprise(key, controls),
            "link": lambda: self.recipes.link(key, controls),
            "open_link": lambda: self.recipes.open_link(key, str(data.get("link") or ""), controls),
            "sheet": lambda: self.sheet(key, _whole(data.get("prompt")), controls),
        }
        work = actions.get(action)
        if work is None:
            return
        yield from guarded(self.handlers.store.get(key), work)

    def undo(self, key: str, controls: Controls) -> Iterator[Change]:
        """Go back one state; a move that has not settled yet counts as one, so undoing takes it away."""
        session = self.handlers.store.get(key)
        rebuilt, current = session.rebuilt, session.history.current
        if rebuilt is not None and current is not None and current.controls != controls.settled():
            session.wanted.start()
            with session.drawing:
                self.handlers.settle(session, rebuilt, controls)
        yield from self._step(session, -1)

    def redo(self, key: str) -> Iterator[Change]:
        """Take back an undo."""
        yield from self._step(self.handlers.store.get(key), 1)

    def restore(self, key: str, number: int) -> Iterator[Change]:
        """Go to a state or a version."""
        session = self.handlers.store.get(key)
        with session.lock:
            entry = session.history.find(number)
            if entry is not None:
                session.history.go_to(entry)
        if entry is None:
            raise HyperStyleError(texts.STATE_GONE)
        yield self._show(session, entry)

    def keep(self, key: str, name: str) -> Iterator[Change]:
        """Keep the state on show under a name."""
        session = self.handlers.store.get(key)
        with session.lock:
            kept = session.history.keep(name)
            past = past_of(session.history)
        status = Status("done", texts.VERSION_KEPT.format(name=kept.label))
        yield Change(session.next_serial(), status=status, past=past)

    def drop(self, key: str, number: int) -> Iterator[Change]:
        """Forget a version."""
        session = self.handlers.store.get(key)
        with session.lock:
            session.history.drop(number)
            past = past_of(session.history)
        yield Change(session.next_serial(), past=past)

    def compare(self, key: str, before: int, after: int) -> Iterator[Change]:
        """Show two states side by side, without going to either."""
        session = self.handlers.store.get(key)
        with session.lock:
            pair = session.history.find(before), session.history.find(after)
        if pair[0] is None or pair[1] is None:
            raise HyperStyleError(texts.STATE_GONE)
        left, right = (to_data_uri(self.handlers.draw(entry.rebuilt, entry.controls)) for entry in pair if entry)
        yield Change(
            session.next_serial(),
            status=Status("done", texts.COMPARING_STATES),
            pair=Pair(left, pair[0].label, right, pair[1].label),
        )

    def surprise(self, key: str, controls: Controls) -> Iterator[Change]:
        """Replace the sliders by a random combination; words and the rebuild settings stay."""
        session = self.handlers.store.get(key)
        rebuilt = _face_of(session)
        with session.lock:
            session.surprises += 1
            seed = session.surprises
        edits = surprise(self.pipeline.edits, seed)
        look = replace(controls.look, edits=edits, off=frozenset(), unconditioned=frozenset())
        wanted = replace(controls, look=look)
        session.wanted.start()
        with session.drawing:
            change = self.handlers.settle(session, rebuilt, wanted, texts.HISTORY_SURPRISE)
        yield replace(change, controls=wanted)

    def sheet(self, key: str, prompt: int, controls: Controls) -> Iterator[Change]:
        """Draw one prompt at several strengths and disentanglements, everything else as it stands."""
        session = self.handlers.store.get(key)
        rebuilt = _face_of(session)
        rows_of_words = controls.look.words
        if not 0 <= prompt < len(rows_of_words) or not rows_of_words[prompt].prompt.strip():
            raise HyperStyleError(texts.SHEET_NEEDS_WORDS)
        row = replace(rows_of_words[prompt], on=True)
        strengths, disentanglements = grid(row.prompt, self.pipeline.text_editor)
        yield Change(session.next_serial(), status=Status("busy", texts.SHEET_BUSY))

        def cell(strength: float, disentanglement: float) -> Cell:
            shown = replace(row, strength=strength, disentanglement=disentanglement)
            words = (*rows_of_words[:prompt], shown, *rows_of_words[prompt + 1 :])
            look = replace(controls.look, words=words)
            picture = self.handlers.draw_small(rebuilt, replace(controls, look=look), CELL_PX)
            return Cell(strength, disentanglement, to_data_uri(picture, 80))

        rows = tuple(tuple(cell(strength, value) for strength in strengths) for value in disentanglements)
        sheet = ContactSheet(prompt, row.prompt, strengths, rows)
        yield Change(session.next_serial(), status=Status("done", texts.SHEET_READY), sheet=sheet)

    def _step(self, session: Session, by: int) -> Iterator[Change]:
        """Go along the history; at its end nothing happens."""
        with session.lock:
            entry = session.history.step(by)
        if entry is not None:
            yield self._show(session, entry)

    def _show(self, session: Session, entry: Entry) -> Change:
        """Bring back a state: its face, its controls, its picture."""
        session.wanted.start()  # older drawings that still wait are pointless now
        with session.drawing:
            with session.lock:
                other = session.rebuilt is not entry.rebuilt
                session.rebuilt, session.noted = entry.rebuilt, ""
            serial = session.next_serial()
            picture = self.handlers.draw(entry.rebuilt, entry.controls)
            readout = self.handlers.read_out(entry.rebuilt, picture, entry.controls)
            with session.lock:
                past = past_in(session)
            return Change(
                serial,
                status=Status("done", texts.RESTORED.format(label=entry.label)),
                picture=to_data_uri(picture),
                edited=entry.controls.edited,
                frames=entry.rebuilt.frames if other else None,
                readout=readout,
                past=past,
                controls=entry.controls,
                pastes=entry.rebuilt.photo is not None,
            )


def _face_of(session: Session) -> Rebuilt:
    if session.rebuilt is None:
        raise HyperStyleError(texts.NO_FACE_YET)
    return session.rebuilt


def _whole(value: Any) -> int:
    """A number that the page sent; -1 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1
