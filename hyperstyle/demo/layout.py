"""The page's components and what is wired to what; behaviour is in `handlers.py`."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr
from PIL import Image

from hyperstyle.demo import texts
from hyperstyle.demo.animate_tab import AnimateTab
from hyperstyle.demo.api import add_endpoints
from hyperstyle.demo.beginnings_form import BeginningsForm
from hyperstyle.demo.compare_tab import CompareTab
from hyperstyle.demo.controls import control_panel
from hyperstyle.demo.handlers import Change, Handlers
from hyperstyle.demo.languages import tr
from hyperstyle.demo.pictures import shrink, to_data_uri
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.demo.state import Controls, read_controls
from hyperstyle.demo.studio import Studio
from hyperstyle.demo.take_home import RECIPE_FILE_ID, take_home, whole_photo, whole_value
from hyperstyle.demo.whole_photo import read_take_home
from hyperstyle.demo.widgets import face_picker, photo_input, picker_value, thumbnails, viewer, viewer_value
from hyperstyle.domains import shipped_folder
from hyperstyle.mixing import draws_portraits

if TYPE_CHECKING:
    from hyperstyle.pipeline import HyperStyle

EXAMPLES = shipped_folder("examples")
DRAWN_EXAMPLES = EXAMPLES / "drawn"
THUMBNAIL_PX = 128
CLEAN_EVERY_S, KEEP_FILES_S = 60, 600  # as the privacy sentence on the page says
QUEUE_LENGTH = 32
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""For every event of the page itself: endpoints for programs are in `api.py`."""

# Runs after the file's address has reached the hidden download button.
CLICK_DOWNLOAD = """async () => {{
  await new Promise((done) => setTimeout(done, 50));
  document.querySelector("#{id} a, a#{id}, button#{id}")?.click();
}}"""


class Page:
    """The page's components, with the events between them.

    Args:
        pipeline: The loaded domain.
        examples: Photos to offer.
        hosted: Whether the page runs on somebody else's machine, for the privacy sentence.
    """

    def __init__(self, pipeline: HyperStyle, examples: Sequence[Path], hosted: bool) -> None:
        self.handlers = Handlers(pipeline, SessionStore())
        self.studio = Studio(self.handlers)
        self.examples = list(examples)
        _heading()
        with gr.Tabs(elem_id="hs-tabs"):
            with gr.Tab(tr(texts.TAB_EDIT), id="edit"):
                self._build_editor(pipeline)
            with gr.Tab(tr(texts.TAB_ANIMATE), id="animate", elem_id="hs-animate-tab"):
                self.animate = AnimateTab(self.handlers, PRIVATE)
            with gr.Tab(tr(texts.TAB_COMPARE), id="compare", elem_id="hs-compare-tab"):
                self.compare = CompareTab(pipeline, self.handlers.store, PRIVATE)
        _footer(pipeline, hosted)
        self._wire()

    def _build_editor(self, pipeline: HyperStyle) -> None:
        with gr.Row(elem_id="hs-page"):
            with gr.Column(scale=3, min_width=260, elem_id="hs-photo-column"):
                self.picker = face_picker()
                self.upload = photo_input(
                    sources=["upload", "webcam", "clipboard"],
                    label=tr(texts.UPLOAD_LABEL),
                    show_label=False,
                    placeholder=tr(texts.UPLOAD_HINT),
                    height=200,
                    buttons=[],
                    elem_id="hs-upload",
                )
                self.thumbnails = self._build_examples()
                self.beginnings = BeginningsForm(self.handlers)
            with gr.Column(scale=6, min_width=320, elem_id="hs-result-column"):
                self.viewer = viewer()
                with gr.Row(elem_classes="hs-actions"):
                    self.save_face = gr.Button(
                        tr(texts.DOWNLOAD_FACE), size="md", interactive=False, elem_id="hs-save-face"
                    )
                    self.paste = gr.Button(
                        tr(texts.PASTE_BACK),
                        size="md",
                        variant="primary",
                        interactive=False,
                        elem_id="hs-paste-back",
                    )
                # Hidden by the style sheet while there is no photo: what Gradio hides loses its own properties.
                with gr.Column(elem_id="hs-whole-box"):
                    self.whole = whole_photo()
                    self.save_whole = gr.Button(tr(texts.DOWNLOAD_WHOLE), size="md", elem_id="hs-save-whole")
                self.take_home = take_home()
                self.file = gr.DownloadButton(visible="hidden", elem_id="hs-file")
                with gr.Column(elem_id=RECIPE_FILE_ID):  # never seen: a button of `take_home` opens it
                    self.recipe_file = gr.UploadButton(texts.RECIPE_LOAD)
            with gr.Column(scale=4, min_width=300, elem_id="hs-controls-column"):
                self.panel = control_panel(
                    pipeline.edits, pipeline.domain.refinement_steps, self.handlers.words, pipeline.styles
                )

    def _build_examples(self) -> gr.HTML | None:
        if not self.examples:
            return None
        gr.HTML(f"<h2>{tr(texts.EXAMPLES_HEADING)}</h2>", apply_default_css=False)
        return thumbnails([(_thumbnail(path), path.stem.replace("_", " ")) for path in self.examples])

    # wiring

    def _wire(self) -> None:
        job: dict[str, Any] = {"concurrency_id": "rebuild", "concurrency_limit": 1, "trigger_mode": "always_last"}
        everything = [self.viewer, self.picker, self.whole, self.save_face, self.paste]
        # In two events, so that a photo dropped while another is worked on waits for its turn. An answer that leaves a
        # component out makes Gradio build it anew for that page, and the field would lose what `photo_input` did to it.
        taken = self.upload.input(self._take, self.upload, self.upload, queue=False, trigger_mode="multiple", **PRIVATE)
        taken.then(self._open, self.panel, everything, **job, **PRIVATE)
        if self.thumbnails is not None:
            self.thumbnails.select(self._open_example, self.panel, everything, **job, **PRIVATE)
        begins = {**job, **PRIVATE}
        self.beginnings.wire(self.panel, everything, self._updates, lambda value: self._read(value).steps, begins)
        self.picker.select(self._choose, self.panel, everything, **job, **PRIVATE)
        self.panel.submit(self._change_steps, self.panel, everything, **job, **PRIVATE)

        # One listener for everything that moves the picture: Gradio then has at most one request on its way, and one
        # waiting that reads the controls when its turn comes. It skips the queue, which would cost a second request.
        self.panel.input(self._live, self.panel, self.viewer, queue=False, trigger_mode="always_last", **PRIVATE)
        for widget in (self.panel, self.viewer, self.take_home):
            acts: dict[str, Any] = {"concurrency_id": "act", "concurrency_limit": 4, "trigger_mode": "multiple"}
            widget.select(self._act, self.panel, self.viewer, **acts, **PRIVATE)

        both = [self.panel, self.take_home]
        saves: dict[str, Any] = {"inputs": both, "concurrency_id": "save", "concurrency_limit": 2, **PRIVATE}
        for pasted in (self.paste.click, self.take_home.input):
            pasted(self._paste, outputs=[self.viewer, self.whole], trigger_mode="always_last", **saves)
        for asked, save in (
            (self.save_face.click, self._save_face),
            (self.save_whole.click, self._save_whole),
            (self.take_home.submit, self._save_recipe),
        ):
            saved = asked(save, outputs=[self.file, self.viewer], **saves)
            saved.success(None, js=CLICK_DOWNLOAD.format(id="hs-file"), api_visibility="private")

        self.recipe_file.upload(self._load_recipe, [self.recipe_file, self.panel], everything, **job, **PRIVATE)

    def _read(self, value: Any) -> Controls:
        return read_controls(value, self.handlers.pipeline.domain.refinement_steps)

    # events: Gradio's values in, component updates out

    def _take(self, path: str | None, request: gr.Request) -> None:
        """Note the upload and, by returning None, empty the upload field for the next one."""
        self.handlers.take(_key(request), path)

    def _open(self, value: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        for change in self.handlers.open_taken(_key(request), self._read(value).steps):
            yield self._updates(change)

    def _open_example(self, event: gr.EventData, value: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        path = self.examples[_index(event, len(self.examples))]
        for change in self.handlers.open_photo(_key(request), path, self._read(value).steps):
            yield self._updates(change)

    def _choose(self, event: gr.EventData, value: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        controls = self._read(value)
        for change in self.handlers.choose_face(_key(request), _index(event, None), controls.steps, controls):
            yield self._updates(change)

    def _change_steps(self, value: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        for change in self.handlers.change_steps(_key(request), self._read(value)):
            yield self._updates(change)

    def _live(self, value: Any, request: gr.Request) -> Any:
        sent = value if isinstance(value, dict) else {}
        change = self.handlers.live(_key(request), self._read(value), preview=bool(sent.get("moving")))
        return gr.skip() if change is None else {**viewer_value(change), "asked": sent.get("asked")}

    def _act(self, event: gr.EventData, value: Any, request: gr.Request) -> Iterator[Any]:
        data = getattr(event, "_data", None)
        data = data if isinstance(data, dict) else {}
        for change in self.studio.act(_key(request), str(data.get("action")), data, self._read(value)):
            yield viewer_value(change)

    def _paste(self, value: Any, take: Any, request: gr.Request) -> dict[Any, Any]:
        change = self.handlers.paste(_key(request), self._read(value), read_take_home(take))
        return {self.viewer: viewer_value(change), **self._whole_updates(change)}

    def _save_face(self, value: Any, take: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        for path, change in self.handlers.save_face(_key(request), self._read(value), read_take_home(take)):
            yield self._saved(path, change)

    def _save_whole(self, value: Any, take: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        for path, change in self.handlers.save_whole(_key(request), self._read(value), read_take_home(take)):
            yield self._saved(path, change)

    def _save_recipe(self, value: Any, take: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        for path, change in self.studio.recipes.save(_key(request), self._read(value), read_take_home(take)):
            yield self._saved(path, change)

    def _load_recipe(self, path: str | None, value: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        for change in self.studio.recipes.load(_key(request), path, self._read(value)):
            yield self._updates(change)

    def close(self, request: gr.Request) -> None:
        """Forget a page that was closed."""
        self.handlers.close(_key(request))

    def _saved(self, path: Path | None, change: Change) -> dict[Any, Any]:
        return {self.file: None if path is None else str(path), self.viewer: viewer_value(change)}

    def _updates(self, change: Change) -> dict[Any, Any]:
        updates: dict[Any, Any] = {self.viewer: viewer_value(change), **self._whole_updates(change)}
        if change.photo is not None:
            updates[self.picker] = picker_value(change.photo)
        if change.ready:
            updates[self.save_face] = gr.update(interactive=True)
            updates[self.paste] = gr.update(interactive=change.pastes)
        return updates

    def _whole_updates(self, change: Change) -> dict[Any, Any]:
        if change.whole is None:
            return {}
        return {self.whole: whole_value(change)}


def examples_of(pipeline: HyperStyle) -> Path:
    """Folder of the photos that a domain is shown with: faces of its own kind."""
    return DRAWN_EXAMPLES if draws_portraits(pipeline.models.generator) else EXAMPLES


def create_demo(
    pipeline: HyperStyle, examples: Path | Literal["own"] | None = "own", hosted: bool | None = None
) -> gr.Blocks:
    """Build the page; `hyperstyle.demo.launch` serves it.

    Args:
        pipeline: The loaded domain, from `hyperstyle.load`.
        examples: Folder whose pictures are offered as examples; "own" for those of the domain, None for none.
        hosted: Whether visitors use the page over a network; None looks for a Space's environment.
    """
    # Gradio notes who called what when, for the last 10,000 events, and after every one sums it all up with pandas,
    # whose import alone delays the first photo by a second. Nobody reads that here; only the environment turns it off.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))
    hosted = bool(os.environ.get("SPACE_ID")) if hosted is None else hosted
    folder = examples_of(pipeline) if examples == "own" else None if examples is None else Path(examples)
    photos = [] if folder is None else sorted(p for p in folder.glob("*.*") if p.suffix in (".jpg", ".png"))
    with gr.Blocks(
        title=texts.TITLE, analytics_enabled=False, delete_cache=(CLEAN_EVERY_S, KEEP_FILES_S), fill_width=True
    ) as demo:
        page = Page(pipeline, photos, hosted)
        add_endpoints(pipeline)
        demo.unload(page.close)
    demo.queue(max_size=QUEUE_LENGTH, default_concurrency_limit=1)
    demo.page = page
    return demo


def _key(request: gr.Request) -> str:
    return str(request.session_hash)


def _index(event: gr.EventData, count: int | None) -> int:
    """The number a widget sent along; anything else becomes one that no list has, or the first of `count`."""
    index = getattr(event, "_data", {}).get("index")
    if isinstance(index, int) and index >= 0 and (count is None or index < count):
        return index
    return -1 if count is None else 0


def _thumbnail(path: Path) -> str:
    with Image.open(path) as picture:
        square = min(picture.size)
        left, top = (picture.width - square) // 2, (picture.height - square) // 2
        crop = picture.convert("RGB").crop((left, top, left + square, top + square))
        return to_data_uri(shrink(crop, THUMBNAIL_PX))


def _heading() -> None:
    gr.HTML(f"<h1>{texts.TITLE}</h1><p>{tr(texts.TAGLINE)}</p>", apply_default_css=False, elem_id="hs-heading")


def _footer(pipeline: HyperStyle, hosted: bool) -> None:
    domain = pipeline.domain
    weights = texts.WEIGHTS.format(
        title=domain.title,
        name=domain.name,
        resolution=domain.resolution,
        device=str(pipeline.device),
        description=domain.description,
        licence=domain.licence or texts.LICENCE_UNKNOWN,
    )
    privacy = texts.PRIVACY_HOSTED if hosted else texts.PRIVACY
    gr.HTML(
        f"<p>{tr(privacy)}</p><p>{html.escape(weights)}</p>",
        apply_default_css=False,
        elem_id="hs-footer",
    )
