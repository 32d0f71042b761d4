"""The controls: sliders made from the domain's edit rows, rows of words, and the rebuild settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr

from hyperstyle.demo import texts
from hyperstyle.demo.handlers import Controls, Prompt

if TYPE_CHECKING:
    from hyperstyle.editing import EditRow
    from hyperstyle.editing.styleclip import TextEditor
    from hyperstyle.editing.text_model import Suggestion

PROMPT_ROWS = 4  # made ahead and shown one by one: re-rendering rows would drop a slider that is being dragged
MAX_OFFSET = 1.5
MAX_STEPS = 5
PROMPT_STRENGTHS = (3.0, 6.0)  # start and end of a prompt's slider where the text model does not say
CHIPS = 10
SHARES = ("fraction", "present or not")  # units in which 1 is all there is, so people read them as percent
OPEN_GROUPS = 2  # the first groups start unfolded, the others fit on a screen as headings


@dataclass
class PromptRow:
    """The components of one row of words."""

    row: gr.Row
    words: gr.Textbox
    strength: gr.Slider
    on: gr.Checkbox
    remove: gr.Button


@dataclass
class ControlPanel:
    """Every control on the page, and how to read them.

    Attributes:
        edits: Slider by edit name.
        prompts: Rows of words, shown or not; empty when the domain has no text model.
        shown: How many of them are shown, as `gr.State`.
        offset_strength: Slider from the encoder's face to the refined one.
        steps: Choice of the number of refinement steps.
        add_prompt: Shows one more row.
        suggestions: Button by suggested prompt.
        prompt_start: Strength a prompt starts with.
        reset: Puts every edit back to where it started.
    """

    edits: dict[str, gr.Slider] = field(default_factory=dict)
    prompts: list[PromptRow] = field(default_factory=list)
    offset_strength: Any = None
    steps: Any = None
    add_prompt: Any = None
    suggestions: dict[str, gr.Button] = field(default_factory=dict)
    prompt_start: float = 1.0
    reset: Any = None

    @property
    def inputs(self) -> set[Any]:
        """Every control, as a set: Gradio then hands handlers one dictionary instead of thirty arguments."""
        rows = {part for row in self.prompts for part in (row.words, row.strength, row.on)}
        return {*self.edits.values(), *rows, self.offset_strength, self.steps}

    @property
    def drag_triggers(self) -> list[Any]:
        """Events of sliders on the move, after which the picture must be drawn again."""
        sliders = [*self.edits.values(), self.offset_strength, *(row.strength for row in self.prompts)]
        return [slider.input for slider in sliders]

    @property
    def settled_triggers(self) -> list[Any]:
        """Other events after which the picture must be drawn again: something has come to rest."""
        sliders = [*self.edits.values(), self.offset_strength, *(row.strength for row in self.prompts)]
        triggers = [slider.release for slider in sliders]
        for row in self.prompts:
            triggers += [row.on.input, row.words.submit, row.words.blur]
        return triggers

    def read(self, values: Mapping[Any, Any]) -> Controls:
        """Turn Gradio's dictionary of component values into `Controls`."""
        return Controls(
            edits={name: float(values[slider] or 0) for name, slider in self.edits.items()},
            prompts=tuple(
                Prompt(values[row.words] or "", float(values[row.strength] or 0), bool(values[row.on]))
                for row in self.prompts
            ),
            offset_strength=float(values[self.offset_strength] or 0),
            steps=int(values[self.steps]),
        )

    def defaults(self) -> dict[Any, Any]:
        """Where each edit starts; refinement steps are not an edit and stay."""
        start: dict[Any, Any] = {slider: slider.value for slider in self.edits.values()}
        for row in self.prompts:
            start |= {row.words: "", row.strength: self.prompt_start, row.on: True}
        return start | {self.offset_strength: 1.0}


def build_controls(rows: Sequence[EditRow], steps: int, words: TextEditor | None) -> ControlPanel:
    """Lay out the controls inside the current column.

    Args:
        rows: The domain's edits; grouped by `group`, otherwise in the order given.
        steps: The domain's number of refinement steps.
        words: The editor behind words; None when the domain cannot be edited with them.
    """
    panel = ControlPanel()
    with gr.Row(elem_classes="hs-heading-row"):
        gr.HTML(f"<h2>{texts.CONTROLS_HEADING}</h2>", apply_default_css=False)
        panel.reset = gr.Button(texts.RESET_ALL, size="sm", variant="secondary", elem_id="hs-reset", min_width=80)
    if not rows:
        gr.HTML(f'<p class="hs-note">{texts.NO_EDITS}</p>', apply_default_css=False)
    # Groups the page has no name for come last, under their own.
    groups = sorted(dict.fromkeys(row.group for row in rows), key=lambda group: [*texts.GROUPS, group].index(group))
    for number, group in enumerate(groups):
        label = texts.GROUPS.get(group, group.capitalize())
        with gr.Accordion(label, open=number < OPEN_GROUPS, elem_classes="hs-group"):
            for row in rows:
                if row.group == group:
                    panel.edits[row.name] = _edit_slider(row)
    _build_words(panel, words)
    with gr.Accordion(texts.REBUILD_HEADING, open=False, elem_classes="hs-group"):
        panel.offset_strength = gr.Slider(
            0,
            MAX_OFFSET,
            value=1.0,
            step=0.05,
            label=texts.OFFSET_LABEL,
            info=texts.OFFSET_INFO,
            buttons=["reset"],
            elem_id="hs-offset-strength",
            elem_classes="hs-slider",
        )
        panel.steps = gr.Radio(
            list(range(1, MAX_STEPS + 1)),
            value=min(max(steps, 1), MAX_STEPS),
            label=texts.STEPS_LABEL,
            info=texts.STEPS_INFO,
            elem_id="hs-steps",
        )
    return panel


def _edit_slider(row: EditRow) -> gr.Slider:
    """A slider for one edit, starting at "no change"."""
    return gr.Slider(
        row.minimum,
        row.maximum,
        value=min(max(0.0, row.minimum), row.maximum),
        step=row.step,
        label=row.label,
        info=_explain(row),
        buttons=["reset"],
        elem_id=f"hs-edit-{row.name}",
        elem_classes=["hs-slider", *_two_sided(row.minimum, row.maximum)],
    )


def _explain(row: EditRow) -> str:
    """One line of help, with what one unit of the slider was measured to do."""
    if not row.effect_per_unit or not row.unit:
        return row.description
    unit, effect = row.unit.split(",")[0], abs(row.effect_per_unit)
    if unit in SHARES:
        return texts.UNIT_FRACTION.format(description=row.description, effect=effect)
    return texts.UNIT_MEASURED.format(description=row.description, effect=f"{effect:.2g}", unit=unit)


def _two_sided(minimum: float, maximum: float) -> list[str]:
    """Classes that let the bar of a slider grow from 0, wherever that lies; see `theme.css`."""
    if not minimum < 0 < maximum:
        return []
    return ["hs-two-sided", f"hs-zero-{round(-100 * minimum / (maximum - minimum))}"]


def _build_words(panel: ControlPanel, words: TextEditor | None) -> None:
    with gr.Accordion(texts.WORDS_HEADING, open=words is not None, elem_classes="hs-group", elem_id="hs-words"):
        if words is None:
            gr.HTML(f'<p class="hs-note">{texts.WORDS_MISSING}</p>', apply_default_css=False)
            return
        start, end = _prompt_range(words.suggestions)
        panel.prompt_start = start
        gr.HTML(f'<p class="hs-note">{texts.WORDS_INFO}</p>', apply_default_css=False)
        for number in range(PROMPT_ROWS):
            panel.prompts.append(_prompt_row(number, start, end))
        if words.suggestions:
            with gr.Row(elem_classes="hs-chips"):
                panel.suggestions = {
                    suggestion.prompt: gr.Button(
                        suggestion.prompt, size="sm", variant="secondary", min_width=0, elem_classes="hs-chip"
                    )
                    for suggestion in words.suggestions[:CHIPS]
                }
        panel.add_prompt = gr.Button(texts.PROMPT_ADD, size="sm", variant="secondary", elem_id="hs-add-prompt")


def _prompt_range(suggestions: Sequence[Suggestion]) -> tuple[float, float]:
    """Where a prompt's slider starts and ends, from what stayed believable for the prompts that were tried."""
    if not suggestions:
        return PROMPT_STRENGTHS
    ends = sorted(suggestion.maximum for suggestion in suggestions)
    return round(0.6 * ends[len(ends) // 2], 1), float(math.ceil(ends[-1]))


def _prompt_row(number: int, start: float, end: float) -> PromptRow:
    with gr.Column(visible=number == 0, elem_classes="hs-prompt", elem_id=f"hs-prompt-{number}") as row:
        with gr.Row(elem_classes="hs-prompt-line"):
            on = gr.Checkbox(True, label=texts.PROMPT_ON, container=False, scale=0, min_width=0)
            words = gr.Textbox(
                label=texts.PROMPT_LABEL,
                placeholder=texts.PROMPT_HINT,
                show_label=False,
                container=False,
                lines=1,
                max_lines=1,
                scale=1,
                min_width=120,
                elem_id=f"hs-words-{number}",
            )
            remove = gr.Button("✕", size="sm", variant="secondary", scale=0, min_width=32, elem_classes="hs-remove")
        strength = gr.Slider(
            -end,
            end,
            value=start,
            step=0.1,
            label=texts.PROMPT_STRENGTH,
            elem_id=f"hs-words-strength-{number}",
            elem_classes=["hs-slider", *_two_sided(-end, end)],
        )
    return PromptRow(row, words, strength, on, remove)
