"""Endpoints for programs: stateless, a photo or an inversion in, pictures and numbers out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr
from PIL import Image

from hyperstyle.alignment import PasteOptions
from hyperstyle.animation import Animation, InPhoto, State, Sweep, frame_count
from hyperstyle.demo import texts
from hyperstyle.demo.comparing import likeness
from hyperstyle.demo.trouble import OneSentence
from hyperstyle.demo.widgets import photo_input
from hyperstyle.errors import UsageError
from hyperstyle.images import open_photo, to_photo
from hyperstyle.inversion import METHODS
from hyperstyle.latents import Inversion
from hyperstyle.look import Look, TextEdit, look_of
from hyperstyle.movies import check_movie
from hyperstyle.pipeline import choose_face
from hyperstyle.provenance import Source, save_edited
from hyperstyle.recipes import Recipe
from hyperstyle.scalars import is_number

if TYPE_CHECKING:
    from hyperstyle.alignment import AlignedFace
    from hyperstyle.pipeline import HyperStyle

EDITS_TYPE = {"type": "object", "additionalProperties": {"type": "number"}}
PROMPTS_TYPE = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"prompt": {"type": "string"}, "strength": {"type": "number"}},
        "required": ["prompt"],
    },
}
RECIPE_TYPE = {"type": "object", "additionalProperties": True}
METHODS_TYPE = {"type": "array", "items": {"type": "string"}}


ENDPOINTS = ("align", "invert", "edit", "compare", "animate")
"""Names of the methods that are offered."""


class Endpoints:
    """The endpoints over one pipeline; safe to share between threads.

    The names, types and descriptions of the methods' arguments are what programs see, so each is one line.

    Args:
        pipeline: The loaded domain.
    """

    def __init__(self, pipeline: HyperStyle) -> None:
        self.pipeline = pipeline

    def align(self, photo: str | None = None, face: str = "largest") -> tuple[Image.Image, dict[str, Any]]:
        """Cut a face out; the report lists every face found.

        Args:
            photo: The photo, JPEG, PNG or WebP; a tool takes its address or a data URI.
            face: Which face: "largest", or a number counted from 0 in order of size.
        """
        with plain_errors():
            picture = open_photo(_given(photo))
            faces = self.pipeline.align_all(picture)
            wanted = _which(face)
            chosen = choose_face(faces, wanted)
            return chosen.picture, {"chosen": chosen.index, "faces": [_report(found) for found in faces]}

    def invert(
        self, photo: str | None = None, face: str = "largest", steps: float | None = None
    ) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Rebuild a face; the report is the command line's.

        Args:
            photo: The photo, JPEG, PNG or WebP; a tool takes its address or a data URI.
            face: Which face: "largest", or a number counted from 0 in order of size.
            steps: Refinement steps, 0 to 20; left out, the number that suits the domain.

        Yields:
            Once: the reconstruction, the report and the inversion's file; both files exist until the iterator goes on.
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
            yield _saved(self.pipeline.render(inversion), Path(folder) / "rebuilt.png"), report, str(path)

    def edit(
        self,
        photo: str | None = None,
        inversion: str | None = None,
        edits: dict[str, float] | None = None,
        prompts: list[dict[str, Any]] | None = None,
        offset_strength: float = 1.0,
        face: str = "largest",
        steps: float | None = None,
        paste_back: bool = False,
        recipe: dict[str, Any] | None = None,
        detail: float = 1.0,
    ) -> Iterator[str]:
        """Edit a face, optionally inside its photo.

        Args:
            photo: The photo, JPEG, PNG or WebP; a tool takes its address or a data URI. Or give an inversion.
            inversion: A face that `invert` returned, in place of the photo.
            edits: Strength by edit name, such as {"smile": 1.5}; 0 changes nothing, negative does the opposite.
            prompts: Words, such as [{"prompt": "a face with a beard", "strength": 1.0}].
            offset_strength: How much of the refinement to use, 0 none, 1 all of it.
            face: Which face: "largest", or a number counted from 0 in order of size.
            steps: Refinement steps, 0 to 20; left out, the number that suits the domain.
            paste_back: Return the whole photo with the edited face in it, instead of the face alone.
            recipe: A saved recipe in place of `edits`, `prompts`, `offset_strength` and `detail`; its face needs no
                photo.
            detail: Of a photo: how much of its own detail the edit keeps, 1 all of it, 0 what the generator draws.

        Yields:
            Once: the picture's file, which exists until the iterator goes on; it says that it is AI-edited.
        """
        with plain_errors(), tempfile.TemporaryDirectory(prefix="hyperstyle-") as folder:
            look = look_of(_edits(edits), _prompts(prompts), offset_strength, detail=detail)
            wanted = self._recipe(recipe, look)
            if photo is None and inversion is None and wanted.inversion is None:
                raise UsageError(texts.API_NOTHING_GIVEN)
            if paste_back and (photo is None or inversion is not None):
                raise UsageError(texts.API_PASTE_NEEDS_PHOTO)
            self.pipeline.check_recipe(wanted)
            path, mark = Path(folder) / "edited.png", bool(wanted.mark)
            if inversion is not None or photo is None:
                given = wanted.inversion if inversion is None else Inversion.load(inversion)
                yield _saved(self.pipeline.render_recipe(wanted, given), path, mark=mark)
                return
            chosen = self._choose(photo, face)
            rebuilt = self.pipeline.invert(chosen, wanted.steps if steps is None else _steps(steps))
            picture = self.pipeline.render_recipe(wanted, rebuilt, face=chosen)
            if not paste_back:
                yield _saved(picture, path, mark=mark)
                return
            edited = [(chosen, picture, wanted.paste or PasteOptions())]
            yield _saved(self.pipeline.paste_back_all(open_photo(photo), edited).picture, path, "composite", mark)

    def animate(
        self,
        photo: str | None = None,
        inversion: str | None = None,
        edit: str = "",
        start: float = 0.0,
        stop: float = 1.0,
        seconds: float = 2.0,
        fps: float = 24,
        format: str = "mp4",
        edits: dict[str, float] | None = None,
        ping_pong: bool = False,
        face: str = "largest",
        steps: float | None = None,
        paste_back: bool = False,
    ) -> Iterator[str]:
        """Make a movie of a face while one edit goes from one strength to another.

        Args:
            photo: The photo, JPEG, PNG or WebP; a tool takes its address or a data URI. Or give an inversion.
            inversion: A face that `invert` returned, in place of the photo.
            edit: Name of the edit that moves, such as "smile".
            start: Its strength in the first frame.
            stop: Its strength in the last frame, or in the middle one with `ping_pong`.
            seconds: Length of the movie, up to 60.
            fps: Frames per second, 1 to 60 (GIF: to 50).
            format: "mp4", "gif" or "webp".
            edits: Strength by name of other edits, which stay; such as {"age": 1.0}.
            ping_pong: There and back again.
            face: Which face: "largest", or a number counted from 0 in order of size.
            steps: Refinement steps, 0 to 20; left out, the number that suits the domain.
            paste_back: Show the whole photo, at most 1280 px wide or high, instead of the face alone.

        Yields:
            Once: the movie's file, which exists until the iterator goes on; it says that it is AI-edited.
        """
        with plain_errors(), tempfile.TemporaryDirectory(prefix="hyperstyle-") as folder:
            if photo is None and inversion is None:
                raise UsageError(texts.API_NOTHING_GIVEN)
            if paste_back and (photo is None or inversion is not None):
                raise UsageError(texts.API_PASTE_NEEDS_PHOTO)
            motion = Sweep(str(edit), start, stop, State(_edits(edits)), ping_pong=bool(ping_pong))
            speed = _whole(fps)
            path = Path(folder) / f"animated.{str(format)[:20].lower().lstrip('.')}"
            # Whatever is wrong is said before the face is looked for.
            for state in motion.states:
                self.pipeline.check_look(state.look)
            check_movie(path, speed, frame_count(seconds, speed), (2, 2))
            place = None
            chosen = None
            if inversion is not None:
                rebuilt = Inversion.load(inversion)
            else:
                chosen = self._choose(photo, face)
                rebuilt = self.pipeline.invert(chosen, _steps(steps))
                place = InPhoto(str(photo), chosen) if paste_back else None
            movie = Animation(self.pipeline, rebuilt, motion, seconds, speed, place=place, face=chosen)
            yield str(movie.export(path).path)

    def compare(
        self, photo: str | None = None, methods: list[str] | None = None, face: str = "largest"
    ) -> Iterator[tuple[list[dict[str, Any]], list[tuple[str, str]]]]:
        """Rebuild one face by several methods.

        Args:
            photo: The photo, JPEG, PNG or WebP; a tool takes its address or a data URI.
            methods: Names of inversion methods, such as ["encoder", "hyperstyle"]; left out, all quick ones.
            face: Which face: "largest", or a number counted from 0 in order of size.

        Yields:
            Once: a row per method, and its picture's file with its name; the files exist until the iterator goes on.
        """
        with plain_errors(), tempfile.TemporaryDirectory(prefix="hyperstyle-") as folder:
            names = self._methods(methods)
            chosen = self._choose(photo, face)
            target = self.pipeline.target(chosen)
            rows: list[dict[str, Any]] = []
            pictures = []
            for number, name in enumerate(names):
                started_s = time.perf_counter()
                inversion = self.pipeline.invert(chosen, method=name)
                seconds = time.perf_counter() - started_s
                drawn = self.pipeline.draw(inversion).clamp(-1, 1)
                identity, l2 = likeness(self.pipeline, target, drawn)
                rows.append(
                    {
                        "method": name,
                        "identity": None if identity is None else round(identity, 4),
                        "l2": round(l2, 5),
                        "seconds": round(seconds, 3),
                    }
                )
                pictures.append((_saved(to_photo(drawn), Path(folder) / f"method_{number}.png"), name))
            yield rows, pictures

    def _choose(self, photo: str | None, face: str) -> AlignedFace:
        return self.pipeline.align(open_photo(_given(photo)), _which(face))

    def _recipe(self, recipe: Any, look: Look) -> Recipe:
        """The recipe that was given, or one made of the separate values."""
        if recipe is None:
            return Recipe(self.pipeline.domain.name, look)
        if look != Look():
            raise UsageError(texts.API_TWO_LOOKS)
        return Recipe.from_record(recipe, self.pipeline.domain.name, texts.API_RECIPE)

    def _methods(self, methods: Any) -> list[str]:
        """The methods asked for, each once and known to this domain."""
        if methods is None or methods == []:
            return [name for name in self.pipeline.methods if not METHODS[name].descends]
        if not isinstance(methods, list) or not all(isinstance(name, str) for name in methods):
            raise UsageError(texts.API_BAD_METHODS)
        for name in methods:
            self.pipeline.inverter(name)
        return list(dict.fromkeys(methods))


def add_endpoints(pipeline: HyperStyle) -> None:
    """Add `/align`, `/invert`, `/edit`, `/compare` and `/animate` to the page being built; they show nothing on it."""
    endpoints = Endpoints(pipeline)
    options: dict[str, Any] = {"concurrency_id": "rebuild", "concurrency_limit": 1}
    # Its slow methods take minutes, during which the page must go on.
    aside: dict[str, Any] = {"concurrency_id": "compare", "concurrency_limit": 1}
    with gr.Column(visible=False):
        photo = photo_input(label="photo")
        face = gr.Textbox("largest", label="face")
        steps = gr.Number(None, precision=0, label="steps")
        inversion = gr.File(label="inversion", type="filepath")
        edits, prompts = (
            _typed(gr.JSON({}, label="edits"), EDITS_TYPE),
            _typed(gr.JSON([], label="prompts"), PROMPTS_TYPE),
        )
        offset_strength = gr.Number(1.0, label="offset_strength")
        detail = gr.Number(1.0, label="detail")
        paste_back = gr.Checkbox(False, label="paste_back")
        recipe, methods = _typed(gr.JSON(label="recipe"), RECIPE_TYPE), _typed(gr.JSON(label="methods"), METHODS_TYPE)
        picture = gr.Image(format="png", label="picture", interactive=False)
        report = gr.JSON(label="report")
        file = gr.File(label="inversion")
        edit, ping_pong = gr.Textbox("", label="edit"), gr.Checkbox(False, label="ping_pong")
        begin, end = gr.Number(0.0, label="start"), gr.Number(1.0, label="stop")
        seconds, fps = gr.Number(2.0, label="seconds"), gr.Number(24, precision=0, label="fps")
        suffix, movie = gr.Textbox("mp4", label="format"), gr.File(label="movie")
        gallery = gr.Gallery(format="png", label="pictures", interactive=False)
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
    names = ", ".join(f"{row.name} ({row.minimum:g} to {row.maximum:g})" for row in pipeline.edits)
    start.click(
        endpoints.edit,
        [photo, inversion, edits, prompts, offset_strength, face, steps, paste_back, recipe, detail],
        picture,
        api_name="edit",
        api_description=texts.API_EDIT.format(names=names or texts.API_NO_EDITS),
        **options,
    )
    start.click(
        endpoints.compare,
        [photo, methods, face],
        [report, gallery],
        api_name="compare",
        api_description=texts.API_COMPARE.format(names=", ".join(pipeline.methods)),
        **aside,
    )
    start.click(
        endpoints.animate,
        [photo, inversion, edit, begin, end, seconds, fps, suffix, edits, ping_pong, face, steps, paste_back],
        movie,
        api_name="animate",
        api_description=texts.API_ANIMATE.format(names=names or texts.API_NO_EDITS),
        **aside,
    )


def _typed(component: gr.JSON, schema: dict[str, Any]) -> gr.JSON:
    """Give a JSON input its JSON schema, for programs; Gradio's own says that anything goes, in a way MCP refuses."""
    component.api_info = lambda: schema
    return component


@contextmanager
def plain_errors() -> Iterator[None]:
    """Answer with the error's one sentence; anything unforeseen becomes an apology and a line in the log."""
    with OneSentence() as trouble:
        yield
    if trouble.error:
        raise gr.Error(trouble.sentence, print_exception=False) from None


def _saved(picture: Image.Image, path: Path, source: Source = "generated", mark: bool = False) -> str:
    """Save a picture that says what it is; Gradio hands the file on as it stands."""
    save_edited(picture, path, source, mark=mark)
    return str(path)


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


def _whole(number: Any) -> Any:
    """The nearest whole number; what is no number stays as it is, for whoever says so."""
    return round(number) if is_number(number) else number


def _edits(edits: Any) -> dict[str, float]:
    if edits is None:
        return {}
    if not isinstance(edits, dict):
        raise UsageError(texts.API_BAD_EDITS.format(what=type(edits).__name__))
    for name, value in edits.items():
        if not is_number(value):
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
        if not is_number(strength):
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
