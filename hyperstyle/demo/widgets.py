"""Components Gradio does not have: the result, the face picker and the row of examples.

They are `gr.HTML` with a template and a script from `static/`. Each receives its whole state as one value with inline
pictures, so an answer needs no second request and no face is written to disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from hyperstyle.demo import texts
from hyperstyle.demo.handlers import Change, Past, Photo
from hyperstyle.demo.readouts import Readout
from hyperstyle.demo.state import write_controls

STATIC = Path(__file__).parent / "static"
MOVES_IN_LINE = 2
THUMBNAILS_SENT = 3  # the newest, and a few before it in case an answer was lost


def read_static(name: str) -> str:
    """Read a file of the page's own folder."""
    return (STATIC / name).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """The script of a widget: these files, after the one that lets them speak the visitor's language."""
    return "".join(map(read_static, ("words.js", *names)))


def viewer() -> gr.HTML:
    """Status line, before/after wipe, readouts, history and filmstrip; its value is `viewer_value` of a `Change`.

    It passes on what is meant for the controls, so that every answer of the server goes through one place that knows
    which one is the newest. It triggers `select` with an `action` that `studio.Studio.act` understands.

    `gr.ImageSlider` is not used: it stores both pictures as files and the browser fetches each again for every
    position of a dragged slider, and it cannot tell an overtaken answer from a new one.
    """
    return gr.HTML(
        value={},
        html_template=read_static("viewer.html"),
        js_on_load=script("viewer.js", "past.js", "start.js"),
        apply_default_css=False,
        elem_id="hs-viewer",
        words={name: getattr(texts, name) for name in VIEWER_TEXTS},
    )


VIEWER_TEXTS = (
    *("READY", "VIEWER_EMPTY", "VIEWER_NAME", "FILM_NAME", "FILM_INFO", "FILM_NOTE", "HISTORY", "HISTORY_NAME"),
    *("HISTORY_GO", "COMPARE_STATES"),
    *("COMPARE_STATES_INFO", "PICK_FIRST", "PICK_SECOND", "VERSION_OPEN", "VERSION_HINT", "VERSION_KEEP"),
    *("VERSION_KEEP_INFO", "VERSION_DROP", "VERSIONS_NAME"),
)
"""Names of the `texts` that the viewer shows by itself."""


def face_picker() -> gr.HTML:
    """The photo with a frame around each face; `select` says which was clicked. Its value is `picker_value`."""
    return gr.HTML(
        value=None,
        html_template='<div class="hs-photo"><img alt=""></div><p></p><ul></ul>',
        js_on_load=script("picker.js"),
        apply_default_css=False,
        elem_id="hs-picker",
    )


def thumbnails(examples: Sequence[tuple[str, str]]) -> gr.HTML:
    """Example photos; `select` says which was clicked.

    Args:
        examples: A data URI and a name for each.
    """
    return gr.HTML(
        value=[{"source": source, "label": label} for source, label in examples],
        html_template='<div class="hs-thumbnails"></div>',
        js_on_load=script("thumbnails.js"),
        apply_default_css=False,
        elem_id="hs-examples",
        words={"EXAMPLE_INFO": texts.EXAMPLE_INFO},
    )


def photo_input(**options: Any) -> gr.Image:
    """An upload that hands over the path of the file as it is.

    `gr.Image` decodes uploads itself, before any handler runs, and answers a broken file with a bare exception. One
    object is changed instead of a class derived because Gradio writes a `.pyi` file beside the source of every class
    derived from a component.

    Args:
        options: Arguments of `gr.Image`.
    """
    component = gr.Image(type="filepath", **options)
    decode = component.preprocess

    def hand_over(payload: Any) -> str | None:
        if payload is None or not payload.path or (payload.url or "").startswith("data:"):
            return decode(payload)
        return str(payload.path)

    component.preprocess = hand_over
    return component


def viewer_value(change: Change) -> dict[str, Any]:
    """What the `viewer` needs to know of a change."""
    value: dict[str, Any] = {"serial": change.serial}
    if change.status is not None:
        value["status"] = asdict(change.status)
    if change.picture is not None:
        value["picture"] = change.picture
        value["tag"] = texts.TAG_EDITED if change.edited else texts.TAG_REBUILT if change.pastes else texts.TAG_UNEDITED
    if change.frames is not None:
        value["frames"] = [{**asdict(frame), "captions": list(frame.captions)} for frame in change.frames]
    if change.readout is not None:
        value["readout"] = _readout_value(change.readout)
    if change.past is not None:
        value["past"] = _past_value(change.past)
    if change.controls is not None:
        value["controls"] = write_controls(change.controls)
    if change.take:
        value["take"] = dict(change.take)
    if change.sheet is not None:
        rows = [[asdict(cell) for cell in row] for row in change.sheet.rows]
        value["sheet"] = {**asdict(change.sheet), "strengths": list(change.sheet.strengths), "rows": rows}
    if change.link is not None:
        value["link"] = change.link
    if change.pair is not None:
        value["pair"] = asdict(change.pair)
    return value


def _readout_value(readout: Readout) -> dict[str, Any]:
    """Likeness and movements in words: the most important ones in one line, the rest unfolds."""
    summary, notes = [], []
    if readout.likeness is not None:
        text, note = _likeness(readout.likeness, readout.levels)
        summary.append(text)
        notes.append(note)
    moves = readout.moves or ()
    if readout.moves is not None:
        named = ", ".join(f"{move.label} {move.amount}".strip() for move in moves[:MOVES_IN_LINE])
        summary.append(texts.MOVED.format(moves=named) if moves else texts.MOVED_NOTHING)
        notes.append(texts.MOVED_NOTE)
    return {"summary": summary, "notes": notes, "moves": [asdict(move) for move in moves]}


def _likeness(likeness: float, levels: Sequence[float]) -> tuple[str, str]:
    """A likeness in words, and what the words mean; without words where nobody measured strangers."""
    if not levels:
        return texts.LIKENESS.format(likeness=likeness), texts.LIKENESS_NOTE
    alike, same = levels
    text = (
        texts.LIKENESS_SAME if likeness >= same else texts.LIKENESS_ALIKE if likeness >= alike else texts.LIKENESS_OTHER
    )
    return text.format(likeness=likeness), texts.LIKENESS_LEVELS_NOTE.format(alike=alike, same=same)


def _past_value(past: Past) -> dict[str, Any]:
    """The history without most thumbnails: the page keeps those it has been sent."""
    sent = 0 if past.whole else -THUMBNAILS_SENT
    return {
        "entries": [{"number": entry.number, "label": entry.label} for entry in past.entries],
        "versions": [{"number": entry.number, "label": entry.label} for entry in past.versions],
        "thumbnails": {str(entry.number): entry.thumbnail for entry in past.entries[sent:]},
        "at": past.at,
        "undo": past.undo,
        "redo": past.redo,
        "edited_faces": None if past.edited_faces is None else list(past.edited_faces),
    }


def picker_value(photo: Photo) -> dict[str, Any]:
    """What the `face_picker` shows."""
    count = len(photo.faces)
    numbers = range(1, count + 1)
    names = [texts.FACE_NAME.format(number=number) for number in numbers]
    edited = [texts.FACE_EDITED.format(number=number) for number in numbers]
    return {
        "source": photo.source,
        "faces": [
            {**asdict(box), "name": name, "edited": marked}
            for box, name, marked in zip(photo.faces, names, edited, strict=True)
        ],
        "edited": list(photo.edited),
        "chosen": photo.chosen,
        "note": texts.PICKER_ONE if count == 1 else texts.PICKER_MANY.format(count=count),
        "warnings": [texts.FACE_WARNING.format(warning=warning) for warning in photo.warnings],
    }
