"""The page in other languages. English texts are the keys, so a text without a translation simply stays English.

Gradio's own i18n translates labels, hints and whole values of its components; it cannot reach what widgets build
themselves or sentences the server fills in, so these go through `static/say.js` with the same tables. Both stand in the
page's head, once for all widgets; Gradio fills the head before it builds a component.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from hyperstyle.demo.german import GERMAN

LANGUAGES: dict[str, dict[str, str]] = {"de": GERMAN}
"""Language code -> English text -> the same in that language. To add one, write a table like `german.py`."""

_I18N = gr.I18n(**LANGUAGES)
_FOR_GRADIO: set[str] = set()


def tr(text: str) -> Any:
    """An English text that the browser shows in the visitor's language; for labels and values of Gradio components."""
    _FOR_GRADIO.add(text)
    return _I18N(text)


def gradio_tables() -> gr.I18n:
    """The tables for Gradio itself: of the texts that `tr` was asked for, since widgets look up theirs in the head."""
    return gr.I18n(
        **{
            code: {text: other for text, other in table.items() if text in _FOR_GRADIO}
            for code, table in LANGUAGES.items()
        }
    )


def head_script(say: str) -> str:
    """The tables and what reads them, for the head of the page.

    Args:
        say: The script `say.js`.
    """
    tables = json.dumps(LANGUAGES, ensure_ascii=False).replace("</", "<\\/")  # a text must not end the script
    return f"<script>window.hsLanguages = {tables};\n{say}</script>"
