"""The compare tab's components and their wiring; behaviour is in `comparing.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gradio as gr

from hyperstyle.demo import texts
from hyperstyle.demo.comparing import Card, Comparer, read_asked
from hyperstyle.demo.languages import tr
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.demo.widgets import script
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
        with gr.Column(elem_id="hs-compare-page"):
            gr.HTML(f'<p class="hs-note">{tr(texts.COMPARE_INFO)}</p>', apply_default_css=False)
            self.form = self._build_form()
            self.result = gr.HTML(
                value={},
                html_template='<p id="hs-compare-status" role="status"></p><div class="hs-cards"></div>',
                js_on_load=script("cards.js"),
                apply_default_css=False,
                elem_id="hs-compare-result",
                states=texts.CARD_STATES,
                words={"COMPARE_READY": texts.COMPARE_READY},
            )
        working: dict[str, Any] = {"concurrency_id": "compare", "concurrency_limit": 1}
        self.form.submit(self._compare, self.form, self.result, **working, **private)
        self.form.input(self._edit, self.form, self.result, queue=False, trigger_mode="always_last", **private)

    def _build_form(self) -> gr.HTML:
        pipeline = self.comparer.pipeline
        methods = [(name, METHODS[name]) for name in pipeline.methods]
        return gr.HTML(
            value={},
            html_template='<div class="hs-panel"></div>',
            js_on_load=script("slider.js", "compare.js"),
            apply_default_css=False,
            elem_id="hs-compare-form",
            methods=[
                {"name": name, "label": method.label, "about": method.about, "slow": method.descends}
                for name, method in methods
            ],
            start=[name for name in START if name in pipeline.methods],
            edits=[{"name": row.name, "label": row.label} for row in pipeline.edits],
            words={name: getattr(texts, name) for name in COMPARE_TEXTS},
        )

    def _compare(self, value: Any, request: gr.Request) -> Iterator[dict[str, Any]]:
        for sentence, cards in self.comparer.compare(str(request.session_hash), read_asked(value).methods):
            yield _value(sentence, cards)

    def _edit(self, value: Any, request: gr.Request) -> Any:
        asked = read_asked(value)
        answer = self.comparer.edit(str(request.session_hash), asked.edit, asked.share)
        return gr.skip() if answer is None else _value(*answer)


COMPARE_TEXTS = (
    *("COMPARE_METHODS", "COMPARE_METHODS_INFO", "COMPARE_SLOW", "COMPARE_BUTTON", "COMPARE_BUTTON_INFO"),
    *("COMPARE_EDIT", "COMPARE_EDIT_INFO", "COMPARE_STRENGTH", "COMPARE_STRENGTH_INFO", "EXACT_VALUE", "RESET_ONE"),
)
"""Names of the `texts` that the form shows."""


def _value(sentence: str, cards: Sequence[Card]) -> dict[str, Any]:
    """What the result shows."""
    return {"sentence": sentence, "cards": [{**asdict(card), "captions": list(card.captions)} for card in cards]}
