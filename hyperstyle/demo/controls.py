"""The controls: what `static/panel.js` needs to build sliders, rows of words and the rebuild settings.

One `gr.HTML` instead of a component for each: its value is everything a person has set, so a drag sends one small
object, a state is brought back whole, and searching, switching off and removing need no server.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from hyperstyle.demo import texts
from hyperstyle.demo.contact_sheet import APART
from hyperstyle.demo.state import MAX_PROMPTS, MAX_STEPS, Controls, write_controls
from hyperstyle.demo.widgets import script

if TYPE_CHECKING:
    from hyperstyle.editing import EditRow
    from hyperstyle.editing.styleclip import TextEditor
    from hyperstyle.editing.text_model import Suggestion

MAX_OFFSET = 1.5
PROMPT_STRENGTHS = (3.0, 6.0)  # start and end of a prompt's slider where the text model does not say
START_SHARE = 0.6  # of the largest believable strength: clearly seen, and room to both sides
MOST_DISENTANGLED = 0.6  # few channels of any prompt are more relevant than that
CHIPS = 10
SHARES = ("fraction", "present or not")  # units in which 1 is all there is, so people read them as percent
OPEN_GROUPS = 2  # the first groups start unfolded, the others fit on a screen as headings
STILL_MS = 350  # this long after the answer to its last move, a slider counts as let go


def control_panel(rows: Sequence[EditRow], steps: int, words: TextEditor | None, styles: Sequence[str] = ()) -> gr.HTML:
    """Every control on the page.

    Its value is what `state.read_controls` reads, with `moving` while something is being dragged and `asked`, a number
    that the answer repeats. It triggers `input` when the picture is to be drawn, `submit` when the face is to be
    rebuilt with another number of steps, and `select` with an `action` for everything else.

    Args:
        rows: The domain's edits; grouped by `group`, otherwise in the order given.
        steps: The domain's number of refinement steps.
        words: The editor behind words; None when the domain cannot be edited with them.
    """
    steps = min(max(steps, 1), MAX_STEPS)
    return gr.HTML(
        value=write_controls(Controls(steps=steps)),
        html_template='<div class="hs-panel"></div>',
        js_on_load=script("slider.js", "sheet.js", "panel.js"),
        apply_default_css=False,
        elem_id="hs-panel",
        groups=_groups(rows),
        prompts=None if words is None else _prompts(words.suggestions),
        offset={"minimum": 0, "maximum": MAX_OFFSET, "step": 0.05},
        detail={"minimum": 0, "maximum": 1, "step": 0.05},
        steps=list(range(1, MAX_STEPS + 1)),
        styles=[["", texts.STYLES[""]], *([name, texts.STYLES.get(name, name.capitalize())] for name in styles)],
        still=STILL_MS,
        words={name: getattr(texts, name) for name in PANEL_TEXTS},
    )


PANEL_TEXTS = (
    *("CONTROLS_HEADING", "UNDO", "REDO", "SURPRISE", "SURPRISE_INFO", "RESET_ALL", "RESET_ALL_INFO", "RESET_ONE"),
    *("EXACT_VALUE", "IN_USE", "IN_USE_ON", "IN_USE_ON_INFO", "IN_USE_REMOVE", "IN_USE_SHOW", "KEEP_OTHERS"),
    *("KEEP_OTHERS_INFO", "SEARCH", "SEARCH_INFO", "SEARCH_NONE", "NO_EDITS", "WORDS_HEADING", "WORDS_INFO"),
    *("WORDS_MISSING", "PROMPT_LABEL", "PROMPT_HINT", "PROMPT_ON", "PROMPT_ON_INFO", "CHIP_INFO", "PROMPT_STRENGTH"),
    *("PROMPT_TESTED", "PROMPT_UNTESTED", "PROMPT_MORE", "PROMPT_NEUTRAL", "PROMPT_NEUTRAL_INFO"),
    *("PROMPT_NEUTRAL_HINT", "PROMPT_DISENTANGLEMENT", "PROMPT_DISENTANGLEMENT_INFO", "PROMPT_AUTOMATIC"),
    *("PROMPT_ADD", "PROMPT_ADD_INFO", "PROMPT_REMOVE", "SHEET", "SHEET_INFO", "SHEET_NAME", "SHEET_CELL"),
    *("REBUILD_HEADING", "DETAIL_LABEL", "DETAIL_INFO", "OWN_LABEL", "OWN_INFO", "OFFSET_LABEL", "OFFSET_INFO"),
    *("STEPS_LABEL", "STEPS_INFO"),
    *("STYLE_HEADING", "STYLE_INFO"),
)
"""Names of the `texts` that the panel shows; braces in them are filled in by the browser."""


def _groups(rows: Sequence[EditRow]) -> list[dict[str, Any]]:
    # Groups the page has no name for come last, under their own.
    names = sorted(dict.fromkeys(row.group for row in rows), key=lambda group: [*texts.GROUPS, group].index(group))
    labels = {row.name: row.label for row in rows}
    return [
        {
            "label": texts.GROUPS.get(group, group.capitalize()),
            "open": number < OPEN_GROUPS,
            "edits": [_edit(row, labels) for row in rows if row.group == group],
        }
        for number, group in enumerate(names)
    ]


def _edit(row: EditRow, labels: dict[str, str]) -> dict[str, Any]:
    others = [labels.get(name, name.replace("_", " ")).lower() for name in row.conditioned_on]
    return {
        "name": row.name,
        "label": row.label,
        "info": _explain(row),
        "minimum": row.minimum,
        "maximum": row.maximum,
        "step": row.step,
        "others": ", ".join(others),
    }


def _explain(row: EditRow) -> str:
    """One line of help, with what one unit of the slider was measured to do."""
    if not row.effect_per_unit or not row.unit:
        return row.description
    unit, effect = row.unit.split(",")[0], abs(row.effect_per_unit)
    if unit in SHARES:
        return texts.UNIT_FRACTION.format(description=row.description, effect=effect)
    return texts.UNIT_MEASURED.format(description=row.description, effect=f"{effect:.2g}", unit=unit)


def _prompts(suggestions: Sequence[Suggestion]) -> dict[str, Any]:
    start, end = _prompt_range(suggestions)
    return {
        "most": MAX_PROMPTS,
        "start": start,
        "end": end,
        "disentanglement": {"minimum": 0, "maximum": MOST_DISENTANGLED, "step": APART / 10},
        "chips": CHIPS,
        "suggestions": [
            {
                "words": row.prompt,
                "minimum": row.minimum,
                "maximum": row.maximum,
                "start": round(START_SHARE * row.maximum, 1),
            }
            for row in suggestions
        ],
    }


def _prompt_range(suggestions: Sequence[Suggestion]) -> tuple[float, float]:
    """Where a prompt's slider starts and ends, from what stayed believable for the prompts that were tried."""
    if not suggestions:
        return PROMPT_STRENGTHS
    ends = sorted(suggestion.maximum for suggestion in suggestions)
    return round(START_SHARE * ends[len(ends) // 2], 1), float(math.ceil(ends[-1]))
