"""The page in other languages. English texts are the keys, so a text without a translation simply stays English.

Gradio's own i18n translates labels, hints and whole values of its components; it cannot reach what widgets build
themselves or sentences the server fills in, so these go through `static/say.js` with the same tables.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from hyperstyle.demo.german import GERMAN

LANGUAGES: dict[str, dict[str, str]] = {"de": GERMAN}
"""Language code -> English text -> the same in that language. To add one, write a table like `german.py`."""

I18N = gr.I18n(**LANGUAGES)


def tr(text: str) -> Any:
    """An English text that the browser shows in the visitor's language; for labels and values of Gradio components."""
    return I18N(text)
