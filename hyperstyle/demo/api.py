"""Endpoints for programs: stateless, a photo or an inversion in, pictures and numbers out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr
from PIL import Image

from hyperstyle.demo import texts
from hyperstyle.demo.widgets import photo_input
from hyperstyle.editing import TextEdit
from hyperstyle.errors import HyperStyleError, UsageError
from hyperstyle.images import open_photo
from hyperstyle.latents import Inversion
from hyperstyle.pipeline import choose_face

if TYPE_CHECKING:
    from hyperstyle.alignment import AlignedFace
    from hyperstyle.pipeline import HyperStyle

log = logging.getLogger(__name__)


class Endpoints:
    """The three endpoints over one pipeline; safe to share between threads.

    Args:
        pipeline: The loaded domain.
    """

    def __init__(self, pipeline: HyperStyle) -> None:
        self.pipeline = pipeline

    def align(self, photo: str | None, face: str = "largest") -> tuple[Image.Image, dict[str, Any]]:
        """Cut a face out; the report lists every face found."""
        with plain_errors():
            picture = open_photo(_given(photo))
            faces = self.pipeline.align_all(picture)
            wanted = _which(face)
            chosen = choose_face(faces, wanted)
            return chosen.picture, {"chosen": chosen.index, "faces": [_report(found) for found in faces]}

    def invert(
        self, photo: str | None, face: str = "largest", steps: float | None = None
    ) -> Iterator[tuple[Image.Image, dict[str, Any], str]]:
        """Rebuild a face; the report is the command line's.

        Yields:
            Once: the reconstruction, the report and the inversion's file, which exists until the iterator goes on.
        """
        with plain_errors(), tempfile.TemporaryDirectory(prefix="hyperstyle-") as folder:
            chosen = self._choose(photo, face)
            target = self.pipeline.target(chosen)
            measured: list[dict[str, float]] = []
            inversion = self.pipeline.invert(
                chosen, _steps(steps), lambda step, picture: measured.append(self.pipeline.measure(target, picture))
            )
            report = {"encoder": measured[0], "steps": measured[1:]}
            path = Path(folder) / "face.safetensors"
            inversion.save(path)
            yield self.pipeline.render(inversion), report, str(path)

    def edit(
        self,
        photo: str | None,
        inversion: str | None,
        edits: dict[str, float] | None,
        prompts: list[dict[str, Any]] | None,
        offset_strength: float = 1.0,
        face: str = "largest",
        steps: float | None = None,
        paste_back: bool = False,
    ) -> Image.Image:
        """Edit a face, optionally inside its photo."""
        with plain_errors():
            if photo is None and inversion is None:
                raise UsageError(texts.API_NOTHING_GIVEN)
            if paste_back and (photo is None or inversion is not None):
                raise UsageError(texts.API_PASTE_NEEDS_PHOTO)
            strengths, words = _edits(edits), _prompts(prompts)
            if inversion is not None:
                return self.pipeline.render(Inversion.load(inversion), strengths, words, offset_strength)
            chosen = self._choose(photo, face)
            rebuilt = self.pipeline.invert(chosen, _steps(steps))
            picture = self.pipeline.render(rebuilt, strengths, words, offset_strength)
            return self.pipeline.paste_back(open_photo(_given(photo)), chosen, picture) if paste_back else picture

    def _choose(self, photo: str | None, face: str) -> AlignedFace:
        return self.pipeline.align(open_photo(_given(photo)), _which(face))


def add_endpoints(pipeline: HyperStyle) -> None:
    """Add `/align`, `/invert` and `/edit` to the page being built; they show nothing on it."""
    endpoints = Endpoints(pipeline)
    options: dict[str, Any] = {"concurrency_id": "rebuild", "concurrency_limit": 1}
    with gr.Column(visible=False):
        photo = photo_input(label="photo")
        face = gr.Textbox("largest", label="face")
        steps = gr.Number(None, precision=0, label="steps")
        inversion = gr.File(label="inversion", type="filepath")
        edits, prompts = gr.JSON({}, label="edits"), gr.JSON([], label="prompts")
        offset_strength = gr.Number(1.0, label="offset_strength")
        paste_back = gr.Checkbox(False, label="paste_back")
        picture = gr.Image(format="png", label="picture", interactive=False)
        report = gr.JSON(label="report")
        file = gr.File(label="inversion")
        start = gr.Button()
    start.click(
        endpoints.align, [photo, face], [picture, report], api_name="align", api_description=texts.API_ALIGN, **options
    )
    start.click(
        endpoints.invert,
        [photo, face, steps],
        [picture, report, file],
        api_name="invert",
        api_description=texts.API_INVERT,
        **options,
    )
    start.click(
        endpoints.edit,
        [photo, inversion, edits, prompts, offset_strength, face, steps, paste_back],
        picture,
        api_name="edit",
        api_description=texts.API_EDIT,
        **options,
    )


@contextmanager
def plain_errors() -> Iterator[None]:
    """Answer with the error's one sentence; anything unforeseen becomes an apology and a line in the log."""
    try:
        yield
    except HyperStyleError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception as error:
        log.error("An endpoint failed", exc_info=error)
        raise gr.Error(texts.UNEXPECTED, print_exception=False) from None


def _given(photo: str | None) -> str:
    if photo is None:
        raise UsageError(texts.API_NOTHING_GIVEN)
    return photo


def _which(face: str | None) -> int | Literal["largest"]:
    text = str(face if face is not None else "largest").strip()
    if text == "largest":
        return "largest"
    if text.isascii() and text.isdigit():
        return int(text)
    raise UsageError(texts.API_BAD_FACE.format(face=text[:40]))


def _steps(steps: float | None) -> int | None:
    return None if steps is None else int(steps)


def _edits(edits: Any) -> dict[str, float]:
    if edits is None:
        return {}
    if not isinstance(edits, dict):
        raise UsageError(texts.API_BAD_EDITS.format(what=type(edits).__name__))
    for name, value in edits.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(texts.API_BAD_EDITS.format(what=f"'{name}': {str(value)[:40]}"))
    return {str(name): float(value) for name, value in edits.items()}


def _prompts(prompts: Any) -> list[TextEdit]:
    if prompts is None:
        return []
    if not isinstance(prompts, list):
        raise UsageError(texts.API_BAD_PROMPTS)
    rows = []
    for row in prompts:
        if not isinstance(row, dict) or not isinstance(row.get("prompt"), str) or row.keys() - {"prompt", "strength"}:
            raise UsageError(texts.API_BAD_PROMPTS)
        strength = row.get("strength", 1.0)
        if isinstance(strength, bool) or not isinstance(strength, int | float):
            raise UsageError(texts.API_BAD_PROMPTS)
        rows.append(TextEdit(row["prompt"], float(strength)))
    return rows


def _report(face: AlignedFace) -> dict[str, Any]:
    """A face's report as plain numbers."""
    report = face.report
    return {
        "index": face.index,
        "box": [round(float(value), 1) for value in face.box],
        "yaw_deg": round(float(report.yaw_deg), 1),
        "pitch_deg": round(float(report.pitch_deg), 1),
        "roll_deg": round(float(report.roll_deg), 1),
        "face_px": round(float(report.face_px), 1),
        "outside_fraction": round(float(report.outside_fraction), 3),
        "warnings": list(report.warnings),
    }
