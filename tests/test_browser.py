"""The page in a real browser: upload, rebuild, drag, type, download, two people at once, a phone, and bad input.

Runs on the trained `portraits` domain where its weights are in the repository, else on a tiny one with random weights.
"""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import gradio as gr
import pillow_heif
import pytest
from axe_playwright_python.sync_playwright import Axe
from demo_tools import add_words, astronaut, close_event_loops, served, two_people
from gradio.components.base import FormComponent
from needs_browser import needs_browser
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from test_bad_photos import png_header

from hyperstyle.demo import texts
from hyperstyle.demo.browser import open_browser
from hyperstyle.demo.german import GERMAN
from hyperstyle.demo.pictures import to_data_uri
from hyperstyle.domains import get_domain
from hyperstyle.errors import WeightsMissing
from hyperstyle.inversion import METHODS
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.provenance import SOURCE_TYPES

__all__ = ["close_event_loops"]  # a fixture for every test below
pytestmark = needs_browser

ROOT = Path(__file__).resolve().parent.parent
CLEAR = "rgba(0, 0, 0, 0)"
PARTS = ("generator", "w_encoder", "hypernetwork", "identity", "attributes", "text")
PATIENCE_MS = 60_000  # a busy machine is slow, and nothing here measures time


def portraits_are_here() -> bool:
    """Whether every weights file and the edits of the built-in domain are in the repository."""
    try:
        domain = get_domain("portraits")
    except WeightsMissing:
        return False
    return domain.directions.is_dir() and all(domain.path(part).is_file() for part in PARTS)


@pytest.fixture(scope="module")
def pipeline(tiny_folder, tmp_path_factory) -> HyperStyle:
    if portraits_are_here():
        found = load("portraits", "cpu")
    else:
        found = load(add_words(tiny_folder, tmp_path_factory.mktemp("domains") / "talking"), "cpu")
    found.domain = replace(found.domain, seeds_compared=1000, seeds_too_close=(3,))
    return found


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    astronaut().save(folder / "one.png")
    two_people().save(folder / "two.jpg", quality=95)
    (folder / "text.png").write_bytes(b"Dear photo, please be a face.\n" * 40)
    (folder / "empty.png").write_bytes(b"")
    (folder / "huge.png").write_bytes(png_header(60_000, 60_000))
    Image.new("RGB", (300, 200), (90, 120, 160)).save(folder / "nobody.png")
    return folder


@pytest.fixture(scope="module")
def app(pipeline, photos) -> Iterator[tuple[str, object]]:
    examples = photos / "examples"
    examples.mkdir()
    astronaut().save(examples / "space_suit.jpg", quality=95)
    with served(pipeline, examples) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(chromium, app) -> Iterator[Callable[..., Page]]:
    """Open the page in a context of its own; at the end nothing may have gone wrong in any of them."""
    address, _ = app
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def open_page(**options) -> Page:
        ready, at = options.pop("ready", texts.READY), options.pop("at", address)
        context = chromium.new_context(**{"viewport": {"width": 1360, "height": 900}, **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((address, "data:", "blob:")) else trouble.append(request.url)
            ),
        )
        page.goto(at)
        expect(page.locator(".hs-status")).to_have_text(ready, timeout=PATIENCE_MS)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []


def upload(page: Page, path: Path) -> None:
    page.set_input_files("#hs-upload input[type=file]", str(path))


def rebuild(page: Page, path: Path) -> str:
    """Upload a photo and wait until its face is rebuilt; gives the picture."""
    upload(page, path)
    expect(page.locator("#hs-save-face")).to_be_enabled(timeout=PATIENCE_MS)
    expect(page.locator(".hs-status[data-kind=done]")).to_contain_text("Rebuilt", timeout=PATIENCE_MS)
    return picture(page)


def picture(page: Page) -> str:
    """The edited face as the page shows it, a data URI."""
    return str(page.get_attribute(".hs-after", "src"))


def wait_for_change(page: Page, before: str) -> str:
    page.wait_for_function("old => document.querySelector('.hs-after').src !== old", arg=before, timeout=PATIENCE_MS)
    return settled(page)


def settled(page: Page, calm_s: float = 0.45) -> str:
    """The picture once the last request for one is answered and it has stopped changing."""
    page.wait_for_selector('.hs-panel:not([aria-busy="true"])', timeout=PATIENCE_MS)
    last, since = picture(page), time.monotonic()
    deadline = since + PATIENCE_MS / 1000
    while time.monotonic() - since < calm_s and time.monotonic() < deadline:
        page.wait_for_timeout(50)
        now = picture(page)
        if now != last:
            last, since = now, time.monotonic()
    return last


def drag(page: Page, slider: str, to: float) -> None:
    """Drag a slider with the mouse; `to` is a fraction of its width."""
    page.evaluate(f"document.querySelector('{slider}').scrollIntoView({{block: 'center'}})")
    box = page.locator(f"{slider} input[type=range]").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    value = page.locator(f"{slider} input[type=range]").evaluate("e => (e.value - e.min) / (e.max - e.min)")
    page.mouse.move(box["x"] + box["width"] * value, y)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(box["x"] + box["width"] * (value + (to - value) * step / 8), y)
    page.mouse.up()


def edit_sliders(pipeline: HyperStyle) -> list[str]:
    """Sliders of the two groups that are unfolded at the start, from the top."""
    order = list(texts.GROUPS)
    rows = sorted(pipeline.edits, key=lambda row: order.index(row.group))
    unfolded = list(dict.fromkeys(row.group for row in rows))[:2]
    return [f"#hs-edit-{row.name}" for row in rows if row.group in unfolded]


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))).convert("RGB")


def shows(uri: str, expected: Image.Image) -> bool:
    """Whether the page shows this picture, give or take what JPEG makes of a rounding difference."""
    sent = decoded(to_data_uri(expected.convert("RGB")))
    return sum(ImageStat.Stat(ImageChops.difference(decoded(uri), sent)).mean) / 3 < 1


@pytest.mark.parametrize("dropped", [False, True])
def test_a_phone_photo_without_a_type_is_taken(visit, dropped: bool):
    """Most systems but phones give a .heic no type, and Gradio's upload takes only what is called a picture."""
    held = io.BytesIO()
    pillow_heif.from_pillow(astronaut()).save(held, quality=80)
    page = visit()
    if dropped:
        page.evaluate(
            """data => {
              const file = new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], "IMG_1.HEIC");
              const dataTransfer = new DataTransfer();
              dataTransfer.items.add(file);
              const target = document.querySelector("#hs-upload button.upload-container");
              target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
            }""",
            base64.b64encode(held.getvalue()).decode(),
        )
    else:
        unnamed = {"name": "IMG_1.HEIC", "mimeType": "application/octet-stream", "buffer": held.getvalue()}
        page.set_input_files("#hs-upload input[type=file]", files=[unnamed])
    expect(page.locator(".hs-status[data-kind=done]")).to_contain_text("Rebuilt", timeout=PATIENCE_MS)


def test_upload_rebuild_drag_type_and_download(visit, photos, pipeline, tmp_path):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    steps = pipeline.domain.refinement_steps
    expect(page.locator(".hs-film button")).to_have_count(steps + 2)
    labels = page.locator(".hs-film strong").all_inner_texts()
    assert labels == ["Photo", "Encoder", *(f"Step {number}" for number in range(1, steps + 1))]
    assert decoded(rebuilt).size == (pipeline.domain.resolution, pipeline.domain.resolution)

    slider = edit_sliders(pipeline)[0]
    drag(page, slider, 0.95)
    dragged = wait_for_change(page, rebuilt)
    expect(page.locator(".hs-tag-after")).to_have_text(texts.TAG_EDITED)
    value = float(page.input_value(f"{slider} input[type=range]"))
    assert value > 0
    # What is shown is what the slider says: the last position won.
    face = pipeline.align(photos / "one.png")
    expected = pipeline.edit(face, pipeline.invert(face), {slider.removeprefix("#hs-edit-"): value})
    assert shows(dragged, expected)

    page.fill("#hs-words-0 input", "a face with a beard")
    page.press("#hs-words-0 input", "Enter")
    bearded = wait_for_change(page, dragged)
    drag(page, "#hs-words-strength-0", 0.99)
    stronger = wait_for_change(page, bearded)

    with page.expect_download() as download:
        page.click("#hs-save-face")
    assert download.value.suggested_filename == "hyperstyle-face.png"
    download.value.save_as(tmp_path / "face.png")
    with Image.open(tmp_path / "face.png") as saved:
        assert saved.format == "PNG"
        assert shows(stronger, saved)

    page.click("#hs-paste-back")
    page.wait_for_selector("#hs-whole img")
    with page.expect_download() as download:
        page.click("#hs-save-whole")
    download.value.save_as(tmp_path / "photo.png")
    with Image.open(tmp_path / "photo.png") as whole:
        original = astronaut()
        assert whole.size == original.size
        changed = ImageChops.difference(whole.convert("RGB"), original).getbbox()
    assert changed is not None
    assert changed[3] < 400

    page.click("#hs-reset")
    wait_for_change(page, stronger)
    assert picture(page) == rebuilt
    assert page.input_value("#hs-words-0 input") == ""
    assert float(page.input_value(f"{slider} input[type=range]")) == 0
    expect(page.locator(".hs-tag-after")).to_have_text(texts.TAG_REBUILT)


def test_a_slider_has_its_own_reset(visit, photos, pipeline):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    slider = edit_sliders(pipeline)[-1]
    # Beside so many sliders, the box for the exact value shows its border only to who points at it.
    assert page.eval_on_selector(f"{slider} input[inputmode]", "box => getComputedStyle(box).borderTopColor") == CLEAR
    drag(page, slider, 0.05)
    dragged = wait_for_change(page, rebuilt)
    page.click(f"{slider} .reset-button")
    assert wait_for_change(page, dragged) == rebuilt


def test_a_folded_group_keeps_and_resets_its_sliders(visit, photos, pipeline):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    first, last = edit_sliders(pipeline)[0], edit_sliders(pipeline)[-1]
    heading = page.locator(".hs-group", has=page.locator(last)).locator(".label-wrap")
    drag(page, last, 0.95)
    edited = wait_for_change(page, rebuilt)
    heading.click()
    drag(page, first, 0.95)
    both = wait_for_change(page, edited)
    page.click(f"{first} .reset-button")
    assert wait_for_change(page, both) == edited
    page.click("#hs-reset")
    assert wait_for_change(page, edited) == rebuilt
    heading.click()
    expect(page.locator(f"{last} input[type=range]")).to_have_value("0")


def test_two_people_at_once(visit, photos, pipeline):
    first, second = visit(), visit()
    upload(first, photos / "one.png")
    upload(second, photos / "two.jpg")
    for page in (first, second):
        expect(page.locator("#hs-save-face")).to_be_enabled(timeout=PATIENCE_MS)
    one, two = settled(first), settled(second)
    slider = edit_sliders(pipeline)[0]
    drag(first, slider, 0.95)
    edited = wait_for_change(first, one)
    assert settled(second) == two
    drag(second, slider, 0.05)
    other = wait_for_change(second, two)
    assert settled(first) == edited
    assert other != edited
    assert first.locator(".hs-photo button").count() == 1
    assert second.locator(".hs-photo button").count() == 2


def test_another_face_and_an_example(visit, photos):
    page = visit()
    large = rebuild(page, photos / "two.jpg")
    faces = page.locator(".hs-photo button")
    expect(faces).to_have_count(2)
    expect(faces.nth(0)).to_have_attribute("aria-pressed", "true")
    faces.nth(1).click()
    small = wait_for_change(page, large)
    expect(page.locator(".hs-status[data-kind=done]")).to_contain_text("Rebuilt", timeout=PATIENCE_MS)
    small = settled(page)
    assert small != large
    expect(faces.nth(1)).to_have_attribute("aria-pressed", "true")
    page.click(".hs-thumbnails button")
    expect(faces).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.locator(".hs-status[data-kind=done]")).to_contain_text("Rebuilt", timeout=PATIENCE_MS)
    assert settled(page) not in (small, large)


def test_a_photo_dropped_while_another_is_worked_on(visit, photos):
    page = visit()
    upload(page, photos / "one.png")
    expect(page.locator(".hs-status")).to_have_attribute("data-kind", "busy", timeout=PATIENCE_MS)
    upload(page, photos / "two.jpg")
    expect(page.locator(".hs-photo button")).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.locator(".hs-status[data-kind=done]")).to_contain_text("Rebuilt", timeout=PATIENCE_MS)


def test_steps_and_offset_strength(visit, photos, pipeline):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    page.click("#hs-rebuild summary")
    set_slider(page, "#hs-detail", 0)  # with the photo's detail and no edits the photo stays as it is
    drawn = wait_for_change(page, rebuilt)
    inversion = pipeline.invert(pipeline.align(photos / "one.png"))
    assert shows(drawn, pipeline.render(inversion))
    drag(page, "#hs-offset-strength", 0.0)
    encoder_only = wait_for_change(page, drawn)
    expected = pipeline.render(inversion, offset_strength=0.0)
    assert shows(encoder_only, expected)
    page.locator("#hs-steps input").nth(0).check()
    expect(page.locator(".hs-film button")).to_have_count(3, timeout=PATIENCE_MS)


def test_the_generator_s_own_picture_while_held(visit, photos, pipeline):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    page.click("#hs-rebuild summary")
    generated = pipeline.render(pipeline.invert(pipeline.align(photos / "one.png")))
    page.locator("#hs-own").hover()
    page.mouse.down()
    held = wait_for_change(page, rebuilt)
    assert shows(held, generated.resize(decoded(held).size))
    page.wait_for_timeout(600)  # longer than a slider rests before its full picture: nothing else is asked for
    assert picture(page) == held
    page.mouse.up()
    assert shows(wait_for_change(page, held), decoded(rebuilt))
    before = picture(page)
    page.keyboard.down("g")
    held = wait_for_change(page, before)
    page.keyboard.up("g")
    assert shows(wait_for_change(page, held), decoded(rebuilt))
    expect(page.locator("#hs-undo")).to_be_disabled()  # nothing of it is in the history


def test_compare_two_methods_and_edit_both(visit, photos, pipeline):
    page = visit()
    page.get_by_role("tab", name=texts.TAB_COMPARE).click()
    page.click("#hs-compare")
    expect(page.locator("#hs-compare-status")).to_have_text(texts.NO_FACE_TO_COMPARE)
    page.get_by_role("tab", name=texts.TAB_EDIT).click()
    rebuild(page, photos / "one.png")
    page.get_by_role("tab", name=texts.TAB_COMPARE).click()
    page.click("#hs-compare")
    cards = page.locator(".hs-cards figure")
    expect(page.locator("#hs-compare-status")).to_have_text(texts.COMPARED, timeout=PATIENCE_MS)
    expect(cards).to_have_count(3)
    assert page.locator(".hs-cards strong").all_inner_texts() == ["Photo", "Encoder", "HyperStyle"]
    sources = [card.get_attribute("src") for card in page.locator(".hs-cards img").all()]
    assert len(set(sources)) == 3
    # The refined face is what the generator draws, without the photo's detail.
    drawn = pipeline.render(pipeline.invert(pipeline.align(photos / "one.png")))
    assert shows(str(sources[2]), drawn.resize(decoded(str(sources[2])).size))
    drag(page, "#hs-compare-strength", 0.9)
    expect(page.locator("#hs-compare-status")).to_have_text(texts.COMPARED_EDITED, timeout=PATIENCE_MS)
    page.wait_for_function(
        "old => document.querySelectorAll('.hs-cards img')[2].src !== old", arg=sources[2], timeout=PATIENCE_MS
    )
    assert page.locator(".hs-cards img").nth(0).get_attribute("src") == sources[0]
    assert page.locator(".hs-cards img").nth(1).get_attribute("src") != sources[1]


@pytest.mark.parametrize("name", ["text.png", "empty.png", "huge.png", "nobody.png"])
def test_a_bad_photo_leaves_the_face_where_it_was(visit, photos, pipeline, name):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    upload(page, photos / name)
    expect(page.locator(".hs-status")).to_have_attribute("data-kind", "problem", timeout=PATIENCE_MS)
    message = page.inner_text(".hs-status")
    assert message.endswith(".")
    assert "Traceback" not in page.content()
    assert picture(page) == rebuilt
    drag(page, edit_sliders(pipeline)[0], 0.95)
    assert wait_for_change(page, rebuilt) != rebuilt


@pytest.mark.parametrize("words", ["zxqv blorp", "🧔🏽‍♀️🧔🏽‍♀️", "beard " * 834], ids=["unknown", "emoji", "5000"])
def test_words_nobody_knows(visit, photos, pipeline, words):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    page.fill("#hs-words-0 input", words)
    page.press("#hs-words-0 input", "Enter")
    expect(page.locator(".hs-status")).to_have_attribute("data-kind", "problem", timeout=PATIENCE_MS)
    assert len(page.inner_text(".hs-status")) < 600
    assert picture(page) == rebuilt
    drag(page, edit_sliders(pipeline)[0], 0.95)
    wait_for_change(page, rebuilt)


def test_dragging_before_there_is_a_photo(visit, pipeline):
    page = visit()
    drag(page, edit_sliders(pipeline)[0], 0.95)
    expect(page.locator(".hs-status")).to_have_text(texts.NO_FACE_YET, timeout=PATIENCE_MS)
    expect(page.locator("#hs-save-face")).to_be_disabled()


def test_a_late_answer_does_not_replace_a_newer_one(visit, photos, pipeline):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    held: list[tuple[Route, object]] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))  # answered by the server, not yet delivered

    page.route("**/run/predict*", hold_the_first)
    slider = edit_sliders(pipeline)[0]
    page.locator(f"{slider} input[type=range]").evaluate(
        "e => { e.value = e.max; e.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    while not held:
        page.wait_for_timeout(20)
    page.click("#hs-reset")
    page.wait_for_timeout(1500)
    route, answer = held[0]
    route.fulfill(response=answer)
    assert settled(page, 1.0) == rebuilt


def test_the_border_moves_by_mouse_and_keyboard(visit, photos):
    page = visit()
    rebuild(page, photos / "one.png")
    border = page.locator(".hs-border")
    assert border.get_attribute("aria-valuenow") == "50"
    box = page.locator(".hs-stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 100)
    page.mouse.up()
    assert border.get_attribute("aria-valuenow") == "80"
    border.focus()
    page.keyboard.press("ArrowLeft")
    assert border.get_attribute("aria-valuenow") == "75"
    page.locator(".hs-film button").nth(1).click()
    expect(page.locator(".hs-tag-before")).to_have_text(texts.FRAME_ENCODER)


def test_a_phone_shows_every_control_in_its_own_place(visit, photos, pipeline):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True)

    def check(least: int) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        pairs, count = page.evaluate(OVERLAPPING)
        assert pairs == []
        assert count >= least

    check(10)
    expect(page.locator("footer .divider").filter(visible=True)).to_have_count(0)
    fill_the_page(page, photos, pipeline)
    check(60)
    page.get_by_role("tab", name=texts.TAB_ANIMATE).click()
    check(10)
    page.locator("#hs-movie-what input").nth(1).check()
    check(10)
    page.get_by_role("tab", name=texts.TAB_COMPARE).click()
    page.click("#hs-compare")
    expect(page.locator("#hs-compare-status")).to_have_text(texts.COMPARED, timeout=PATIENCE_MS)
    check(5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_keeps_the_face_in_sight(visit, photos, pipeline, scheme):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
    rebuild(page, photos / "one.png")
    slider = edit_sliders(pipeline)[-1]
    page.evaluate(f"document.querySelector('{slider}').scrollIntoView({{block: 'end'}})")
    stage = page.locator(".hs-stage").bounding_box()
    box = page.locator(slider).bounding_box()
    assert stage is not None
    assert box is not None
    # The face stays in sight above the slider.
    assert 0 <= stage["y"] < stage["y"] + stage["height"] <= box["y"]
    # Far from the status line, the picture itself says what is wrong.
    page.fill("#hs-words-0 input", "zxqv")
    page.press("#hs-words-0 input", "Enter")
    expect(page.locator(".hs-toast")).to_contain_text("zxqv", timeout=PATIENCE_MS)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(dark[:3]) < 200) == (scheme == "dark")


def set_slider(page: Page, slider: str, value: float) -> None:
    """Type an exact value beside a slider."""
    page.fill(f"{slider} input[inputmode]", str(value))
    page.press(f"{slider} input[inputmode]", "Tab")


def in_use(page: Page) -> list[str]:
    """What the list of edits in use says."""
    return [
        f"{name} {value}"
        for name, value in zip(
            *(page.locator(f"#hs-in-use .hs-in-use-{part}").all_inner_texts() for part in ("name", "value")),
            strict=True,
        )
    ]


def test_three_edits_history_and_two_states_compared(visit, photos, pipeline):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    expect(page.locator("#hs-undo")).to_be_disabled()
    first, second = edit_sliders(pipeline)[0], edit_sliders(pipeline)[-1]
    set_slider(page, first, 1.5)
    one = wait_for_change(page, rebuilt)
    set_slider(page, second, -1)
    two = wait_for_change(page, one)
    page.fill("#hs-words-0 input", "a face with a beard")
    page.press("#hs-words-0 input", "Enter")
    three = wait_for_change(page, two)
    states = page.locator(".hs-past ol button")
    expect(states).to_have_count(4)
    assert [row.split(" ")[-1] for row in in_use(page)][:2] == ["+1.5", "-1"]
    assert len(in_use(page)) == 3
    expect(page.locator(".hs-readout summary")).to_contain_text(texts.LIKENESS.split(" {")[0])

    # Undo by button, redo by keyboard: picture, sliders, words and the list follow.
    page.click("#hs-undo")
    assert wait_for_change(page, three) == two
    assert page.input_value("#hs-words-0 input") == ""
    assert len(in_use(page)) == 2
    page.focus(f"{first} input[type=range]")
    page.keyboard.press("Control+Shift+z")
    assert wait_for_change(page, two) == three
    assert page.input_value("#hs-words-0 input") == "a face with a beard"
    page.keyboard.press("Control+z")
    assert wait_for_change(page, three) == two

    # A click in the history restores, here by keyboard.
    states.nth(1).focus()
    page.keyboard.press("Enter")
    assert wait_for_change(page, two) == one
    assert page.input_value(f"{second} input[inputmode]") == "0"
    assert page.input_value(f"{first} input[inputmode]") == "1.5"
    expect(states.nth(1)).to_have_attribute("aria-current", "true")

    # Kept under a name, then two states side by side; an edit goes on from where the page was.
    page.click(".hs-keep-this")
    page.keyboard.type("First try")
    page.keyboard.press("Enter")
    expect(page.locator(".hs-versions li")).to_contain_text("First try")
    page.click(".hs-compare-two")
    states.nth(0).click()
    states.nth(3).click()
    expect(page.locator(".hs-tag-before")).to_have_text(texts.HISTORY_START)
    assert page.get_attribute(".hs-before", "src") == rebuilt
    assert picture(page) == three
    page.click(".hs-compare-two")
    assert picture(page) == one
    expect(page.locator(".hs-tag-before")).to_have_text(texts.FRAME_TARGET)

    # Off and on again, removed, and a surprise that can be undone.
    page.locator("#hs-in-use input").uncheck()
    assert wait_for_change(page, one) == rebuilt
    page.locator("#hs-in-use input").check()
    assert wait_for_change(page, rebuilt) == one
    page.click("#hs-in-use .hs-remove")
    assert wait_for_change(page, one) == rebuilt
    expect(page.locator("#hs-in-use")).to_be_hidden()
    page.click("#hs-surprise")
    surprised = wait_for_change(page, rebuilt)
    assert in_use(page)
    page.click("#hs-undo")
    assert wait_for_change(page, surprised) == rebuilt
    assert in_use(page) == []


def test_a_contact_sheet_is_adopted_by_keyboard(visit, photos):
    page = visit()
    rebuilt = rebuild(page, photos / "one.png")
    page.click(".hs-chip >> nth=0")
    before = wait_for_change(page, rebuilt)
    page.click(".hs-more summary")
    page.click("#hs-sheet-0")
    cells = page.locator(".hs-sheet button")
    expect(cells).to_have_count(12, timeout=PATIENCE_MS)
    cells.nth(0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    adopted = wait_for_change(page, before)
    expect(cells.nth(7)).to_have_attribute("aria-pressed", "true")
    strength, apart = (page.input_value(f"#hs-words-{part}-0 input[inputmode]") for part in ("strength", "apart"))
    assert cells.nth(7).get_attribute("aria-label") == texts.SHEET_CELL.format(strength=strength, disentanglement=apart)
    page.click("#hs-undo")
    assert wait_for_change(page, adopted) == before
    assert page.input_value("#hs-words-apart-0 input[inputmode]") == ""  # what suits the words best


def test_the_search_leaves_what_matches(visit, pipeline):
    page = visit()
    names = [row.name for row in pipeline.edits]
    page.fill("#hs-search", "smile")
    expect(page.locator("#hs-edit-smile")).to_be_visible()
    assert page.locator("[id^=hs-edit-].hs-slider:visible").count() < len(names)
    page.fill("#hs-search", "zxqv")
    expect(page.get_by_text(texts.SEARCH_NONE)).to_be_visible()
    assert page.locator("[id^=hs-edit-].hs-slider:visible").count() == 0
    page.press("#hs-search", "Escape")
    expect(page.get_by_text(texts.SEARCH_NONE)).to_be_hidden()
    expect(page.locator(edit_sliders(pipeline)[0])).to_be_visible()


def make_movie(page: Page, path: Path) -> int:
    """Make the movie that the form asks for, download it and count its frames."""
    page.click("#hs-movie-make")
    expect(page.locator("#hs-movie .hs-movie-status[data-kind=done]")).to_contain_text("48 frames", timeout=PATIENCE_MS)
    with page.expect_download() as download:
        page.click("#hs-movie-download")
    download.value.save_as(path)
    with av.open(str(path)) as movie:
        return sum(1 for _ in movie.decode(video=0))


def test_the_whole_story(visit, photos, pipeline, tmp_path):
    """Two faces, three edits, undo, a lock, before and after, back in the photo, a recipe, the same again, a movie."""
    smile, other = "#hs-edit-smile", edit_sliders(pipeline)[-1]
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    first = rebuild(page, photos / "two.jpg")
    set_slider(page, smile, 1)
    large = wait_for_change(page, first)
    faces = page.locator(".hs-photo button")
    expect(faces.nth(0)).to_have_accessible_name(texts.FACE_EDITED.format(number=1))

    faces.nth(1).click()
    expect(faces.nth(1)).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)
    expect(page.locator("#hs-in-use")).to_be_hidden(timeout=PATIENCE_MS)  # a face of its own, without edits
    rebuilt = settled(page)
    set_slider(page, smile, 1.5)
    one = wait_for_change(page, rebuilt)
    set_slider(page, other, -1)
    two = wait_for_change(page, one)
    page.fill("#hs-words-0 input", "a face with a beard")
    page.press("#hs-words-0 input", "Enter")
    three = wait_for_change(page, two)
    page.click("#hs-undo")
    assert wait_for_change(page, three) == two

    page.click("#hs-whole-fold > summary")
    page.click(".hs-keep-more > summary")
    page.check("#hs-keep-face")
    page.focus(".hs-border")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".hs-border")).to_have_attribute("aria-valuenow", "95")
    expect(page.locator(".hs-tag-before")).to_have_text(texts.FRAME_TARGET)

    page.click("#hs-paste-back")
    said = page.locator("#hs-whole p")
    expect(said).to_contain_text(texts.WHOLE_FACES.format(count=2), timeout=PATIENCE_MS)
    kept = float(said.inner_text().split("\u00a0")[0])
    page.uncheck("#hs-keep-face")  # the photo on show follows
    expect(said).not_to_contain_text(f"{kept:g}\u00a0%", timeout=PATIENCE_MS)
    assert kept > float(said.inner_text().split("\u00a0")[0])
    page.check("#hs-keep-face")
    expect(said).to_contain_text(f"{kept:g}\u00a0%", timeout=PATIENCE_MS)
    page.check("#hs-mark")
    with page.expect_download() as download:
        page.click("#hs-save-whole")
    page.uncheck("#hs-mark")
    download.value.save_as(tmp_path / "photo.png")
    assert SOURCE_TYPES["composite"] in (tmp_path / "photo.png").read_bytes().decode("latin-1")
    original = Image.open(photos / "two.jpg").convert("RGB")
    with Image.open(tmp_path / "photo.png") as whole:
        assert whole.size == original.size

    page.click("#hs-recipe-fold > summary")
    page.click("#hs-link-copy")
    expect(page.locator("#hs-link-copied")).to_have_text(texts.LINK_COPIED)
    link = page.input_value("#hs-link")
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.check("#hs-recipe-face")
    with page.expect_download() as download:
        page.click("#hs-recipe-save")
    assert download.value.suggested_filename == "look.hyperstyle.json"
    recipe = tmp_path / "look.hyperstyle.json"
    download.value.save_as(recipe)
    faces.nth(0).click()
    assert wait_for_change(page, two) == large
    assert in_use(page)[0].endswith("+1")

    page.reload()
    expect(page.locator(".hs-status")).to_have_text(texts.READY, timeout=PATIENCE_MS)
    expect(page.locator("#hs-keep-face")).not_to_be_checked()
    page.click("#hs-recipe-fold > summary")
    with page.expect_file_chooser() as chooser:
        page.click("#hs-recipe-load")
    chooser.value.set_files(str(recipe))
    expect(page.locator(".hs-status")).to_have_text(texts.RECIPE_FACE_LOADED, timeout=PATIENCE_MS)
    drawn = settled(page)
    assert drawn != two  # the photo, and with it its detail, stayed behind
    assert page.input_value(f"{smile} input[inputmode]") == "1.5"
    expect(page.locator("#hs-keep-face")).to_be_checked()

    page.get_by_role("tab", name=texts.TAB_ANIMATE).click()
    expect(page.locator("#hs-movie-plan")).to_contain_text("48 frames", timeout=PATIENCE_MS)
    assert make_movie(page, tmp_path / "sweep.mp4") == 48
    page.wait_for_function("document.querySelector('#hs-movie video').readyState >= 2", timeout=PATIENCE_MS)
    page.get_by_role("tab", name=texts.TAB_EDIT).click()
    set_slider(page, smile, 0)
    wait_for_change(page, drawn)

    page = visit(at=link, ready=texts.LINK_WAITS)
    assert page.input_value(f"{other} input[inputmode]") == "-1"


STOP_AT_ONCE = """() => {
  const status = document.querySelector(".hs-movie-status");
  new MutationObserver(() => {
    if (window.stoppedAt || !status.textContent.includes(" of ")) return;
    window.stoppedAt = status.textContent;
    document.querySelector("#hs-movie-stop").click();
  }).observe(status, { childList: true, subtree: true, characterData: true });
}"""


def test_a_stopped_movie_is_not_offered(visit, photos, pipeline):
    page = visit(viewport={"width": 390, "height": 844})
    page.get_by_role("tab", name=texts.TAB_ANIMATE).click()
    expect(page.locator("#hs-movie-make")).to_be_disabled()
    page.get_by_role("tab", name=texts.TAB_EDIT).click()
    rebuilt = rebuild(page, photos / "one.png")
    set_slider(page, edit_sliders(pipeline)[0], 1.5)
    wait_for_change(page, rebuilt)
    page.get_by_role("tab", name=texts.TAB_ANIMATE).click()
    # A long one, stopped as soon as it shows progress, so that it cannot be finished by then on any machine.
    set_slider(page, "#hs-movie-seconds", 10)
    expect(page.locator("#hs-movie-plan")).to_contain_text("240 frames", timeout=PATIENCE_MS)
    page.evaluate(STOP_AT_ONCE)
    page.click("#hs-movie-make")
    expect(page.locator("#hs-movie .hs-movie-status")).to_have_text(texts.MOVIE_STOPPED, timeout=PATIENCE_MS)
    assert "of 240" in page.evaluate("window.stoppedAt")
    expect(page.locator("#hs-movie-stop")).to_be_hidden()
    deadline = time.monotonic() + 5
    while (working := [one for one in threading.enumerate() if one.name == "animate"]) and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert working == []
    page.wait_for_timeout(500)  # for what was on its way
    expect(page.locator("#hs-movie .hs-movie-status")).to_have_text(texts.MOVIE_STOPPED)
    expect(page.locator("#hs-movie-download")).to_be_hidden()
    assert page.locator("#hs-movie video").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_made_up_face_and_a_mix(visit, photos, pipeline):
    page = visit(viewport={"width": 390, "height": 844})
    page.click("#hs-random summary")
    page.fill("#hs-seed", "7")
    page.press("#hs-seed", "Tab")
    status = page.locator("#hs-viewer .hs-status")
    expect(status).to_have_text(texts.RANDOM_DONE.format(seed=7), timeout=PATIENCE_MS)
    assert shows(picture(page), pipeline.render(pipeline.random_face(7, 0.7)))
    expect(page.locator("#hs-save-face")).to_be_enabled()
    expect(page.locator("#hs-paste-back")).to_be_disabled()
    # A seed whose face comes too close to somebody is drawn again, not offered.
    page.evaluate(
        """() => {
          const chance = Math.random, drawn = [0.0035, 0.0045];
          Math.random = () => drawn.shift();
          document.querySelector("#hs-random-new").click();
          Math.random = chance;
        }"""
    )
    expect(page.locator("#hs-seed")).to_have_value("4")
    expect(status).to_have_text(texts.RANDOM_DONE.format(seed=4), timeout=PATIENCE_MS)
    made_up = picture(page)
    set_slider(page, edit_sliders(pipeline)[0], 1.5)
    wait_for_change(page, made_up)
    rebuilt = rebuild(page, photos / "one.png")
    expect(page.locator("#hs-paste-back")).to_be_enabled()
    page.click("#hs-mix summary")
    with page.expect_file_chooser() as chooser:
        page.click("#hs-mix-photo")
    chooser.value.set_files(str(photos / "two.jpg"))
    expect(status).to_have_text(texts.MIX_DONE, timeout=PATIENCE_MS)
    page.click("#hs-mix-random")
    mixed = wait_for_change(page, rebuilt)
    set_slider(page, "#hs-mix-share", 0.9)
    assert wait_for_change(page, mixed) != mixed
    expect(page.locator("#hs-paste-back")).to_be_disabled()
    page.locator(".hs-photo button").nth(0).click()  # back to the photo
    expect(page.locator("#hs-paste-back")).to_be_enabled(timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, photos, pipeline, scheme):
    page = visit(color_scheme=scheme)
    rebuild(page, photos / "one.png")
    set_slider(page, edit_sliders(pipeline)[0], 1.5)
    page.evaluate("document.querySelectorAll('#hs-page details').forEach((one) => (one.open = true))")
    expect(page.locator(".hs-past ol button")).to_have_count(2)
    page.click(".hs-keep-this")
    page.click("#hs-paste-back")
    page.wait_for_selector("#hs-whole img[src]")
    for tab in (texts.TAB_EDIT, texts.TAB_ANIMATE, texts.TAB_COMPARE):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        found = Axe().run(page).response["violations"]
        serious = {row["id"]: row["nodes"][0]["html"] for row in found if row["impact"] in ("serious", "critical")}
        assert serious == {}


def test_the_page_speaks_german(visit, photos, pipeline):
    page = visit(locale="de-DE", ready=GERMAN[texts.READY])
    assert page.evaluate("document.documentElement.lang") == "de"
    upload(page, photos / "one.png")
    expect(page.locator(".hs-status[data-kind=done]")).to_have_text(
        re.compile(r"^In [\d.]+ s nachgebaut"), timeout=PATIENCE_MS
    )
    expect(page.locator("#hs-save-face")).to_have_text(GERMAN[texts.DOWNLOAD_FACE])
    expect(page.locator("#hs-reset")).to_have_text(GERMAN[texts.RESET_ALL])
    expect(page.get_by_role("tab", name=GERMAN[texts.TAB_COMPARE])).to_be_visible()
    expect(page.locator("#hs-edit-smile label")).to_have_text(GERMAN["Smile"])
    expect(page.locator("#hs-footer")).to_contain_text(GERMAN[texts.PRIVACY])
    expect(page.locator(".hs-film strong").nth(2)).to_have_text("Schritt 1")
    expect(page.locator("#hs-whole-fold > summary")).to_have_text(GERMAN[texts.WHOLE_HEADING])
    expect(page.locator("#hs-save-whole")).to_be_hidden()
    page.click("#hs-paste-back")
    expect(page.locator("#hs-whole p")).to_have_text(re.compile(r"^[\d.]+\s% der Pixel sind genau die deines Fotos\."))
    set_slider(page, "#hs-edit-smile", 1.5)
    expect(page.locator(".hs-past ol small").nth(1)).to_have_text(f"{GERMAN['Smile']} +1.5", timeout=PATIENCE_MS)
    page.get_by_role("tab", name=GERMAN[texts.TAB_COMPARE]).click()
    expect(page.locator("#hs-compare-page .hs-note")).to_have_text(GERMAN[texts.COMPARE_INFO])
    expect(page.locator("#hs-compare-status")).to_have_text(GERMAN[texts.COMPARE_READY])
    expect(page.locator("#hs-compare-methods legend")).to_have_text(GERMAN[texts.COMPARE_METHODS])
    expect(page.locator("#hs-compare-edit option").nth(0)).to_have_text(GERMAN[pipeline.edits[0].label])
    page.click("#hs-compare")
    expect(page.locator("#hs-compare-status")).to_have_text(GERMAN[texts.COMPARED], timeout=PATIENCE_MS)
    expect(page.locator(".hs-cards p").nth(0)).to_have_text(GERMAN[METHODS["encoder"].about])


# The controls on show that nothing explains: no tooltip on them or their label, and no text described as theirs.
UNEXPLAINED = """() => {
  const described = (one) => (one?.getAttribute("aria-describedby") ?? "").split(" ").some((id) => {
    const note = id && document.getElementById(id);
    return note && note.checkVisibility() && note.textContent.trim();
  });
  const titled = (one) => one.title || one.closest("label[title]");
  const explained = (one) => titled(one) || described(one) || described(one.closest("fieldset"));
  const controls = "#hs-tabs [role=tabpanel] :is(button, input, select, textarea, a[href], [role=slider])";
  return [...document.querySelectorAll(controls)]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !explained(one))
    .map((one) => one.outerHTML.slice(0, 200));
}"""
GRADIO_CONTROLS = (gr.Button, gr.UploadButton, gr.DownloadButton, gr.Image, FormComponent)
# Pairs of controls on show that lie over each other, and how many were looked at.
OVERLAPPING = """() => {
  scrollTo(0, 0); // further down, the picture stays in sight above what scrolls
  const controls = "#hs-tabs [role=tabpanel] :is(button, input, select, textarea, a[href], summary, [role=slider])";
  const visible = (one) => one.checkVisibility({ visibilityProperty: true });
  const shown = [...document.querySelectorAll(controls)].filter(visible);
  const meet = (p, q, from, to) => Math.min(p[to], q[to]) - Math.max(p[from], q[from]) > 1;
  const pairs = [];
  shown.forEach((a, i) => shown.slice(0, i).forEach((b) => {
    const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
    if (a.contains(b) || b.contains(a) || !meet(p, q, "left", "right") || !meet(p, q, "top", "bottom")) return;
    pairs.push([a.outerHTML.slice(0, 120), b.outerHTML.slice(0, 120)]);
  }));
  return [pairs, shown.length];
}"""
OPEN_FOLDS = "document.querySelectorAll('#hs-tabs details').forEach((one) => (one.open = true))"


def fill_the_page(page: Page, photos: Path, pipeline: HyperStyle) -> None:
    """Bring every control of the Edit tab on show: two faces, edits, words, states, a photo, every fold open."""
    rebuilt = rebuild(page, photos / "two.jpg")
    set_slider(page, edit_sliders(pipeline)[0], 1.5)
    edited = wait_for_change(page, rebuilt)
    page.click(".hs-chip >> nth=0")
    wait_for_change(page, edited)
    page.click(".hs-more summary")
    page.click("#hs-sheet-0")
    expect(page.locator(".hs-sheet button")).to_have_count(12, timeout=PATIENCE_MS)
    page.evaluate(OPEN_FOLDS)
    page.click(".hs-keep-this")
    page.keyboard.type("First try")
    page.keyboard.press("Enter")
    expect(page.locator(".hs-versions li")).to_have_count(1)
    page.click(".hs-keep-this")
    page.click("#hs-link-copy")
    expect(page.locator("#hs-link")).to_be_visible()
    page.click("#hs-paste-back")
    page.wait_for_selector("#hs-whole img[src]")


def test_every_control_is_explained(visit, app, photos, pipeline):
    page = visit()
    assert page.evaluate(UNEXPLAINED) == []
    fill_the_page(page, photos, pipeline)
    assert page.evaluate(UNEXPLAINED) == []
    # Gradio's own components that somebody can use and see are among those that were looked at.
    _, demo = app
    shown = [
        f"#{block.elem_id}" for block in demo.blocks.values() if isinstance(block, GRADIO_CONTROLS) and block.elem_id
    ]
    seen = [one for one in shown if page.locator(one).count() and page.locator(one).is_visible()]
    assert sorted(seen) == ["#hs-paste-back", "#hs-save-face", "#hs-save-whole", "#hs-upload"]
    assert all(page.locator(f"#hs-tabs [role=tabpanel] {one}").count() for one in seen)
    page.get_by_role("tab", name=texts.TAB_ANIMATE).click()
    assert page.evaluate(UNEXPLAINED) == []
    page.locator("#hs-movie-what input").nth(1).check()
    assert page.evaluate(UNEXPLAINED) == []
    page.get_by_role("tab", name=texts.TAB_COMPARE).click()
    assert page.evaluate(UNEXPLAINED) == []


def test_a_closed_page_is_forgotten(visit, app, photos):
    _, demo = app
    store = demo.page.handlers.store
    page = visit()
    before = set(store._sessions._entries)
    rebuild(page, photos / "one.png")
    (key,) = set(store._sessions._entries) - before
    assert store.get(key).photo is not None
    page.close()
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while key in store and time.monotonic() < deadline:
        time.sleep(0.1)
    assert key not in store


def test_the_benchmark_measures_the_page(pipeline, tmp_path):
    """In a process of its own, as people run it: bare slider, one person, four people, uploads."""
    out = tmp_path / "timings.json"
    domain = "portraits" if portraits_are_here() else str(pipeline.domain.folder)
    done = subprocess.run(
        [sys.executable, "-m", "hyperstyle", "benchmark", "--browser", "--domain", domain, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    page = json.loads(out.read_text())["page"]
    assert [row["people"] for row in page["drag"]] == [1, 4]
    assert all(0 < row["median_ms"] <= row["p95_ms"] for row in [page["bare_slider"], *page["drag"]])
    assert page["drag"][1]["moves"] == 4 * page["drag"][0]["moves"]
    assert 0 < page["upload_to_rebuilt"]["median_s"] <= page["upload_to_rebuilt"]["slowest_s"]
    written = out.with_suffix(".md").read_text()
    assert f"| 4 | {page['drag'][1]['median_ms']:.0f} ms |" in written
    assert f"{page['upload_to_rebuilt']['median_s']:.2f} s" in written
