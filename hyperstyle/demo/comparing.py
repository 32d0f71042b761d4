"""What the compare tab does: one face through several methods, then one edit on all of them. No gradio in here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.demo import texts
from hyperstyle.demo.faces import Compared, Comparison
from hyperstyle.demo.handlers import steps_of
from hyperstyle.demo.pictures import shrink, to_data_uri
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.demo.trouble import OneSentence
from hyperstyle.images import to_photo
from hyperstyle.inversion import METHODS

if TYPE_CHECKING:
    from PIL import Image

    from hyperstyle.editing import EditRow
    from hyperstyle.pipeline import HyperStyle

CARD_PX = 512


@dataclass(frozen=True)
class Card:
    """One picture of the comparison.

    Attributes:
        name: The method's; empty for the photo.
        title: What stands above it.
        state: "waiting", "working", "done" or "problem".
        picture: A data URI; empty before there is one.
        captions: What was measured, or what went wrong.
        about: One sentence on the method.
    """

    name: str
    title: str
    state: Literal["waiting", "working", "done", "problem"] = "waiting"
    picture: str = ""
    captions: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True)
class Asked:
    """What the form of the tab says.

    Attributes:
        methods: Names of those to compare; unknown ones may be among them.
        edit: The edit for all; None for none.
        share: Of its range, from -1 to 1.
    """

    methods: tuple[str, ...] = ()
    edit: str | None = None
    share: float = 0.0


def read_asked(value: Any) -> Asked:
    """Understand what the form sent; whatever makes no sense is left out."""
    value = value if isinstance(value, dict) else {}
    methods, edit, share = (value.get(name) for name in ("methods", "edit", "share"))
    return Asked(
        tuple(map(str, methods)) if isinstance(methods, list) else (),
        edit if isinstance(edit, str) else None,
        float(share) if isinstance(share, int | float) and -1 <= share <= 1 else 0.0,
    )


class Comparer:
    """The compare tab's behaviour; safe to share between threads.

    Args:
        pipeline: The loaded domain.
        store: The sessions of the page, whose faces are compared.
    """

    def __init__(self, pipeline: HyperStyle, store: SessionStore) -> None:
        self.pipeline = pipeline
        self.store = store

    def compare(self, key: str, methods: Sequence[str]) -> Iterator[tuple[str, tuple[Card, ...]]]:
        """Invert the page's face with each method in turn.

        Args:
            key: The page.
            methods: Names; unknown ones are left out.

        Yields:
            A sentence, and all cards as they stand now.
        """
        session = self.store.get(key)
        rebuilt = session.rebuilt
        known = [name for name in self.pipeline.methods if name in methods]
        face = None if rebuilt is None else rebuilt.face
        if face is None or not known:
            nothing = texts.NO_FACE_TO_COMPARE if rebuilt is None else texts.NO_PHOTO_TO_COMPARE
            yield (nothing if face is None else texts.NO_METHODS), ()
            return
        job = session.comparing.start()
        target = self.pipeline.target(face)
        found: dict[str, Compared] = {}
        photo = _source(to_photo(target))
        cards = [_photo_card(photo), *map(_method_card, known)]
        for place, name in enumerate(known, start=1):
            yield texts.COMPARING.format(method=METHODS[name].label), tuple(cards)
            started_s = time.perf_counter()
            with OneSentence() as trouble:
                for item in steps_of(partial(self.pipeline.invert, face, method=name)):
                    if not session.comparing.is_newest(job):
                        return
                    if isinstance(item, tuple):
                        picture = _source(to_photo(item[1].clamp(-1, 1)))
                        cards[place] = replace(cards[place], state="working", picture=picture)
                        yield texts.COMPARING.format(method=METHODS[name].label), tuple(cards)
                    else:
                        seconds = time.perf_counter() - started_s
                        found[name] = Compared(item, seconds)
            if trouble.error:
                cards[place] = replace(cards[place], state="problem", captions=(trouble.sentence,))
                continue
            cards[place] = self._card(cards[place], found[name], target, {})
        with session.lock:
            if not session.comparing.is_newest(job):
                return
            session.comparison = Comparison(target, photo, found)
        yield texts.COMPARED, tuple(cards)

    def edit(self, key: str, name: str | None, share: float) -> tuple[str, tuple[Card, ...]] | None:
        """Give every compared face the same edit.

        Args:
            key: The page.
            name: The edit; None for none.
            share: Of the edit's range, from -1 to 1.

        Returns:
            A sentence and the cards; None when there is nothing to edit.
        """
        comparison = self.store.get(key).comparison
        if comparison is None or not comparison.methods:
            return None
        rows = {row.name: row for row in self.pipeline.edits}
        edits = {name: strength_of(rows[name], share)} if name in rows and share else {}
        cards = [_photo_card(comparison.photo)]
        for method, one in comparison.methods.items():
            cards.append(self._card(_method_card(method), one, comparison.target, edits))
        return (texts.COMPARED_EDITED if edits else texts.COMPARED), tuple(cards)

    def _card(self, card: Card, compared: Compared, target: Tensor, edits: dict[str, float]) -> Card:
        drawn = self.pipeline.draw(compared.inversion, edits).clamp(-1, 1)
        identity, l2 = likeness(self.pipeline, target, drawn)
        captions = [] if identity is None else [texts.FRAME_CAPTION.format(identity=identity)]
        if not edits:
            captions.append(texts.FRAME_CAPTION_L2.format(l2=l2))
        captions.append(texts.COMPARE_SECONDS.format(seconds=compared.seconds))
        return replace(card, state="done", picture=_source(to_photo(drawn)), captions=tuple(captions))


def likeness(pipeline: HyperStyle, target: Tensor, drawn: Tensor) -> tuple[float | None, float]:
    """How like its target a face is.

    Args:
        pipeline: Its judge is asked.
        target, drawn: (1, 3, H, W) in [-1, 1].

    Returns:
        Identity (cosine similarity, 1 is the same), None without any network for it, and L2 (0 is the same).
    """
    network = pipeline.judge
    with torch.inference_mode():
        identity = None if network is None else float(metrics.identity(network, target, drawn).mean())
        return identity, float(metrics.l2(target, drawn).mean())


def strength_of(row: EditRow, share: float) -> float:
    """Turn a share of an edit's range, from -1 to 1, into its strength."""
    return share * (row.maximum if share > 0 else -row.minimum)


def _photo_card(source: str) -> Card:
    return Card("", texts.FRAME_TARGET, "done", source, (texts.FRAME_TARGET_CAPTION,))


def _method_card(name: str) -> Card:
    return Card(name, METHODS[name].label, about=METHODS[name].about)


def _source(picture: Image.Image) -> str:
    return to_data_uri(shrink(picture.convert("RGB"), CARD_PX))
