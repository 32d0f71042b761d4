"""Take the README's pictures of the page: `python examples/make_media.py`. Needs Chromium and requirements-dev.txt.

Starts the page, drives it in a real browser and writes `media/page.png`, `media/page_dark.png`, `media/phone.png` and
`media/edit.webp` beside this script. Nothing is retouched: each frame of the animation is a screenshot taken after the
picture for that position of the slider had arrived.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import gradio as gr
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # so that the script runs from anywhere, without installing the package
MEDIA = HERE / "media"
SCENES = ("smile", "yaw", "age", "glasses")
"""Sliders the animation moves, one after the other."""
REACH = 0.7
"""How far, as a share of each slider's way from 0 to its end."""
FRAMES_PER_SCENE = 12
FRAME_MS = 80
ANIMATION_WIDTH = 840

MOVE = """async ([slider, value]) => {
  const picture = document.querySelector(".hs-after");
  const range = document.querySelector(`#hs-edit-${slider} input[type=range]`);
  if (Number(range.value) === value) return;
  const arrived = new Promise((done) => {
    picture.addEventListener("load", done, { once: true });
    setTimeout(done, 10000);
  });
  range.value = value;
  range.dispatchEvent(new Event("input", { bubbles: true }));
  await arrived;
}"""


def open_page(browser: Browser, address: str, photo: Path, width: int, height: int, scheme: str) -> Page:
    """Open the page and rebuild the photo's largest face."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=2 if width < 600 else 1
    )
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector('.hs-status[data-kind="info"]')
    page.wait_for_timeout(1000)
    page.set_input_files("#hs-upload input[type=file]", str(photo))
    page.wait_for_selector("#hs-save-face:not([disabled])", timeout=120_000)
    page.wait_for_timeout(1000)
    return page


def snap(page: Page, clip: dict[str, float] | None = None) -> Image.Image:
    """Take a screenshot of what is in view, or of a part of it."""
    data = page.screenshot(clip=clip) if clip else page.screenshot()
    return Image.open(io.BytesIO(data)).convert("RGB")


def animate(page: Page, sliders: Sequence[str]) -> Iterator[Image.Image]:
    """Move one slider after the other out and back; yields a screenshot per position.

    Args:
        page: With a rebuilt face.
        sliders: Names of those on the page.
    """
    page.evaluate(MOVE, [sliders[0], 0.1])  # the first edit lets the border glide aside
    page.wait_for_timeout(800)
    page.evaluate(MOVE, [sliders[0], 0.0])
    for slider in SCENES:
        if slider not in sliders:
            continue
        track = page.locator(f"#hs-edit-{slider} input[type=range]")
        if not track.is_visible():  # a folded group is not even on the page
            page.locator(".hs-group", has=track).locator("summary").first.click()
            track.wait_for()
            page.wait_for_timeout(400)
        page.evaluate(f"document.querySelector('#hs-edit-{slider}').scrollIntoView({{block: 'center'}})")
        low, high = float(track.get_attribute("min") or 0), float(track.get_attribute("max") or 0)
        for frame in range(FRAMES_PER_SCENE):
            swing = math.sin(2 * math.pi * frame / FRAMES_PER_SCENE)  # out to one side, back, to the other, back
            page.evaluate(MOVE, [slider, round(REACH * (high * swing if swing > 0 else -low * swing), 1)])
            yield snap(page)
        page.evaluate(MOVE, [slider, 0.0])


def save_animation(frames: list[Image.Image], path: Path) -> None:
    """Save frames as an endless WebP: a quarter of a GIF's size, and faces keep their colours."""
    height = round(frames[0].height * ANIMATION_WIDTH / frames[0].width)
    small = [frame.resize((ANIMATION_WIDTH, height), Image.Resampling.LANCZOS) for frame in frames]
    small[0].save(path, save_all=True, append_images=small[1:], duration=FRAME_MS, loop=0, quality=75, method=4)


def main() -> None:
    """Serve the page, take every picture, save them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domain", default="photos", help="a built-in domain or a folder")
    parser.add_argument("--photo", type=Path, default=HERE / "portrait.jpg", help="whose face to show")
    parser.add_argument("--output", type=Path, default=MEDIA, help="where to write the pictures")
    options = parser.parse_args()
    from hyperstyle import load
    from hyperstyle.demo import create_demo
    from hyperstyle.errors import HyperStyleError

    options.output.mkdir(parents=True, exist_ok=True)
    pipeline = load(options.domain)
    try:
        take_pictures(create_demo(pipeline), options.photo, options.output, [row.name for row in pipeline.edits])
    except HyperStyleError as error:
        sys.exit(f"error: {error}")


def take_pictures(demo: gr.Blocks, photo: Path, output: Path, sliders: Sequence[str]) -> None:
    """Serve the page and save every picture of it."""
    from hyperstyle.demo.browser import open_browser, served

    with open_browser() as browser, served(demo) as address:
        for name, width, height, scheme in (
            ("page", 1360, 940, "light"),
            ("page_dark", 1360, 940, "dark"),
            ("phone", 390, 844, "light"),
        ):
            page = open_page(browser, address, photo, width, height, scheme)
            if name == "phone":
                page.evaluate("document.querySelector('.hs-status').scrollIntoView()")
            snap(page).save(output / f"{name}.png", optimize=True)
        page = open_page(browser, address, photo, 1120, 640, "light")
        save_animation(list(animate(page, sliders)), output / "edit.webp")


if __name__ == "__main__":
    main()
