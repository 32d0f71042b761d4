"""Under the result: how it goes back into the photo, recipes, and what downloads say. What `static/take_home.js` needs.

One `gr.HTML`, whose value only the browser writes, for the reasons given in `controls.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from hyperstyle.alignment import REGIONS
from hyperstyle.alignment.paste import BLENDS, FEATHER, MAX_FEATHER, SHAPES
from hyperstyle.demo import texts
from hyperstyle.demo.whole_photo import TakeHome, write_take_home
from hyperstyle.demo.widgets import script

if TYPE_CHECKING:
    from hyperstyle.demo.handlers import Change

RECIPE_FILE_ID = "hs-recipe-file"


def take_home() -> gr.HTML:
    """The folds under the result; its value is what `whole_photo.read_take_home` reads.

    It triggers `input` when a photo on show is to be put together anew, `submit` when the recipe is to be saved, and
    `select` with an `action` that `studio.Studio.act` understands.
    """
    return gr.HTML(
        value=write_take_home(TakeHome()),
        html_template='<div class="hs-panel hs-take-home"></div>',
        js_on_load=script("slider.js", "take_home.js", "explain.js", "uploads.js"),
        apply_default_css=False,
        elem_id="hs-take-home",
        shapes=[_choice(name, texts.SHAPES) for name in SHAPES],
        blends=[_choice(name, texts.BLENDS) for name in BLENDS],
        regions=[{"name": name, "label": texts.REGION_NAMES[name], "info": info} for name, info in REGIONS.items()],
        feather={"minimum": 0, "maximum": MAX_FEATHER, "step": 0.01, "rest": FEATHER},
        file=f"#{RECIPE_FILE_ID} input[type=file]",
        words={name: getattr(texts, name) for name in TAKE_HOME_TEXTS},
    )


TAKE_HOME_TEXTS = (
    *("PROVENANCE", "VISIBLE_MARK", "VISIBLE_MARK_INFO", "WHOLE_HEADING", "KEEP_BACKGROUND_INFO", "KEEP_MORE"),
    *("SHAPE_LABEL", "BLEND_LABEL", "FEATHER_LABEL", "FEATHER_INFO", "COLOUR_MATCH_LABEL", "COLOUR_MATCH_INFO"),
    *("RECIPE_HEADING", "RECIPE_INFO", "RECIPE_FACE", "RECIPE_FACE_INFO", "RECIPE_SAVE", "RECIPE_LOAD"),
    *("RECIPE_LOAD_INFO", "LINK_COPY", "LINK_COPY_INFO", "LINK_NAME", "LINK_COPIED", "RESET_ONE", "EXACT_VALUE"),
    *("UPLOAD_INFO", "UPLOAD_FILE_INFO", "UPLOAD_CAMERA_INFO", "UPLOAD_PASTE_INFO"),
    *("DOWNLOAD_FACE_INFO", "PASTE_BACK_INFO", "DOWNLOAD_WHOLE_INFO"),
)
"""Names of the `texts` that the folds show, and the tooltips of Gradio's buttons."""


def whole_photo() -> gr.HTML:
    """The whole photo with its edited faces and what is true of it; its value is `whole_value`."""
    return gr.HTML(
        value=None,
        html_template='<img alt=""><p class="hs-note"></p><ul></ul>',
        js_on_load=script("whole.js"),
        apply_default_css=False,
        elem_id="hs-whole",
        words={"WHOLE_ALT": texts.WHOLE_ALT},
    )


def whole_value(change: Change) -> dict[str, Any]:
    """What `whole_photo` shows of a change."""
    return {
        "source": change.whole,
        "lines": [*change.whole_lines, texts.WHOLE_NOTE],
        "warnings": [texts.FACE_WARNING.format(warning=warning) for warning in change.whole_warnings],
    }


def _choice(name: str, described: dict[str, tuple[str, str]]) -> dict[str, str]:
    label, info = described[name]
    return {"name": name, "label": label, "info": info}
