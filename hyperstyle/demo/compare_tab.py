"""The compare tab's components and their wiring; behaviour is in `comparing.py`."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from hyperstyle.demo import texts
from hyperstyle.demo.comparing import Card, Comparer
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.inversion import METHODS

if TYPE_CHECKING:
    from hyperstyle.pipeline import HyperStyle

START = ("encoder", "hyperstyle")  # quick ones; a person adds those that take a minute


class CompareTab:
    """The tab, built inside the current container.

    Args:
        pipeline: The loaded domain.
        store: The sessions of the page.
        private: Options of every event, see `layout.PRIVATE`.
    """

    def __init__(self, pipeline: HyperStyle, store: SessionStore, private: dict[str, Any]) -> None:
        self.comparer = Comparer(pipeline, store)
        names = pipeline.methods
        gr.HTML(f'<p class="hs-note">{texts.COMPARE_INFO}</p>', apply_default_css=False)
        with gr.Row(elem_classes="hs-compare-controls"):
            self.methods = gr.CheckboxGroup(
                [(_choice(name), name) for name in names],
                value=[name for name in START if name in names],
                label=texts.COMPARE_METHODS,
                info=texts.COMPARE_METHODS_INFO,
                elem_id="hs-compare-methods",
                min_width=280,  # on a phone the button goes below
            )
            self.button = gr.Button(texts.COMPARE_BUTTON, variant="primary", elem_id="hs-compare", min_width=140)
        with gr.Row(elem_classes="hs-compare-controls"):
            edits = [(row.label, row.name) for row in pipeline.edits]
            self.edit = gr.Dropdown(
                edits,
                value=edits[0][1] if edits else None,
                label=texts.COMPARE_EDIT,
                info=texts.COMPARE_EDIT_INFO,
                elem_id="hs-compare-edit",
                visible=bool(edits),
            )
            self.strength = gr.Slider(
                -100,
                100,
                0,
                step=5,
                label=texts.COMPARE_STRENGTH,
                info=texts.COMPARE_STRENGTH_INFO,
                elem_id="hs-compare-strength",
                visible=bool(edits),
            )
        self.status = gr.HTML(f"<p>{texts.COMPARE_READY}</p>", apply_default_css=False, elem_id="hs-compare-status")
        self.cards = gr.HTML("", apply_default_css=False, elem_id="hs-compare-cards")
        shown = [self.status, self.cards]
        self.button.click(
            self._compare,
            [self.methods],
            [*shown, self.strength],
            concurrency_id="compare",
            concurrency_limit=1,
            **private,
        )
        moved: dict[str, Any] = {"queue": False, "trigger_mode": "always_last", **private}
        gr.on([self.strength.input, self.edit.input], self._edit, [self.edit, self.strength], shown, **moved)

    def _compare(self, methods: list[str], request: gr.Request) -> Iterator[tuple[Any, ...]]:
        for sentence, cards in self.comparer.compare(str(request.session_hash), methods or []):
            yield _sentence(sentence), cards_html(cards), 0

    def _edit(self, name: str | None, percent: float, request: gr.Request) -> Any:
        answer = self.comparer.edit(str(request.session_hash), name, float(percent or 0) / 100)
        return (gr.skip(), gr.skip()) if answer is None else (_sentence(answer[0]), cards_html(answer[1]))


def cards_html(cards: Sequence[Card]) -> str:
    """Write the cards as one grid."""
    if not cards:
        return ""
    return f'<div class="hs-cards">{"".join(_card_html(card) for card in cards)}</div>'


def _card_html(card: Card) -> str:
    title, about = html.escape(card.title), html.escape(card.about)
    picture = f'<img src="{card.picture}" alt="{title}">' if card.picture else '<div class="hs-card-blank"></div>'
    note = texts.CARD_STATES.get(card.state)
    captions = card.captions or ((note,) if note else ())
    lines = "".join(f"<span>{html.escape(line)}</span>" for line in captions)
    sentence = f"<p>{about}</p>" if about else ""
    return (
        f'<figure data-state="{card.state}" data-method="{html.escape(card.name)}">{picture}'
        f"<figcaption><strong>{title}</strong>{lines}{sentence}</figcaption></figure>"
    )


def _choice(name: str) -> str:
    method = METHODS[name]
    return texts.COMPARE_SLOW.format(label=method.label) if method.descends else method.label


def _sentence(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
