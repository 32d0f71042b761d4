"""The animate tab's components and their wiring; behaviour is in `animating.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gradio as gr

from hyperstyle.demo import texts
from hyperstyle.demo.animating import Animator, News, read_wish
from hyperstyle.demo.widgets import read_static, script

if TYPE_CHECKING:
    from hyperstyle.demo.handlers import Handlers

MOST_SECONDS = 10  # of the slider; programs may ask for more
WORDS_END = 6.0  # of the strength of words, to both sides
SPEEDS = (12, 24, 30)


class AnimateTab:
    """The tab, built inside the current container.

    Args:
        handlers: Draws, and knows the pages.
        private: Options of every event, see `layout.PRIVATE`.
    """

    def __init__(self, handlers: Handlers, private: dict[str, Any]) -> None:
        self.animator = Animator(handlers)
        with gr.Row(elem_id="hs-animate-page"):
            with gr.Column(scale=5, min_width=290):
                self.form = self._build_form()
            with gr.Column(scale=6, min_width=290):
                self.movie = gr.HTML(
                    value={},
                    html_template=read_static("movie.html"),
                    js_on_load=script("movie.js"),
                    apply_default_css=False,
                    elem_id="hs-movie",
                    words={name: getattr(texts, name) for name in MOVIE_TEXTS},
                )
        # The form asks for the size while it is filled in; the movie's own events wait in a queue of their own.
        self.form.input(self._plan, self.form, self.movie, queue=False, trigger_mode="always_last", **private)
        making: dict[str, Any] = {"concurrency_id": "animate", "concurrency_limit": 2, "trigger_mode": "multiple"}
        self.form.submit(self._make, self.form, self.movie, **making, **private)
        self.form.select(self._stop, None, None, queue=False, **private)

    def _build_form(self) -> gr.HTML:
        rows = self.animator.pipeline.edits
        return gr.HTML(
            value={},
            html_template='<div class="hs-panel"></div>',
            js_on_load=script("slider.js", "animate.js"),
            apply_default_css=False,
            elem_id="hs-animate",
            edits=[
                {
                    "name": row.name,
                    "label": row.label,
                    "minimum": row.minimum,
                    "maximum": row.maximum,
                    "step": row.step,
                }
                for row in rows
            ],
            has_words=self.animator.handlers.words is not None,
            words_end=WORDS_END,
            seconds={"minimum": 0.5, "maximum": MOST_SECONDS, "step": 0.5},
            speeds=SPEEDS,
            words={name: getattr(texts, name) for name in FORM_TEXTS},
        )

    def _plan(self, value: Any, request: gr.Request) -> dict[str, Any]:
        return _value(self.animator.plan(_key(request), read_wish(value)))

    def _make(self, value: Any, request: gr.Request) -> Iterator[dict[str, Any]]:
        wish = read_wish(value)
        for news in self.animator.make(_key(request), wish):
            yield {**_value(news), "number": wish.number}

    def _stop(self, event: gr.EventData, request: gr.Request) -> None:
        data = getattr(event, "_data", None)
        self.animator.stop(_key(request), read_wish(data).number)


def _value(news: News) -> dict[str, Any]:
    """What the preview needs to know; Gradio keeps the file with its other downloads and adds its address."""
    value: dict[str, Any] = {"busy": news.busy}
    if news.status is not None:
        value["status"] = asdict(news.status)
    if news.plan is not None:
        value["plan"] = news.plan
    if news.file is not None:
        value["name"] = news.file.name
        value["file"] = {"path": str(news.file), "meta": {"_type": "gradio.FileData"}}
    return value


def _key(request: gr.Request) -> str:
    return str(request.session_hash)


FORM_TEXTS = (
    *("MOVIE_WHAT", "MOVIE_SWEEP", "MOVIE_MORPH", "MOVIE_EDIT", "MOVIE_WORDS", "MOVIE_FROM", "MOVIE_TO"),
    *("MOVIE_SECONDS", "MOVIE_SPEED", "MOVIE_FORMAT", "MOVIE_WHERE", "MOVIE_CROP", "MOVIE_PHOTO", "MOVIE_BACK"),
    *("MOVIE_MAKE", "MOVIE_STOP", "MOVIE_FIRST", "MOVIE_LAST", "MOVIE_NO_STATES", "MOVIE_INFO", "EXACT_VALUE"),
    *("RESET_ONE", "PROMPT_HINT", "MOVIE_WHAT_INFO", "MOVIE_EDIT_INFO", "MOVIE_WORDS_INFO", "MOVIE_FROM_INFO"),
    *("MOVIE_TO_INFO", "MOVIE_FIRST_INFO", "MOVIE_LAST_INFO", "MOVIE_SECONDS_INFO", "MOVIE_SPEED_INFO"),
    *("MOVIE_FORMAT_INFO", "MOVIE_WHERE_INFO", "MOVIE_BACK_INFO", "MOVIE_MAKE_INFO", "MOVIE_STOP_INFO"),
)
"""Names of the `texts` that the form shows."""
MOVIE_TEXTS = ("MOVIE_EMPTY", "MOVIE_NAME", "MOVIE_DOWNLOAD", "MOVIE_DOWNLOAD_INFO", "MOVIE_READY", "MOVIE_STOPPED")
"""Names of the `texts` that the preview shows by itself."""
