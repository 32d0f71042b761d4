"""How long people wait on the page, measured where they see it: in a browser, from the event to the picture on screen.

A bare page with one slider and no model is measured in the same run: what Gradio and the browser take by themselves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from hyperstyle.demo.browser import open_browser, served
from hyperstyle.demo.layout import create_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from hyperstyle.pipeline import HyperStyle

MOVES = 30
PAUSE_MS = 100  # between moves, as a hand would; with several people it lets their moves interleave
UPLOADS = 5
PATIENCE_MS = 120_000

# Moves a slider again and again; each time waits for the next answer to be on screen. Resolves to milliseconds.
DRAG = """([selector, values, pause, answered]) => {
  const range = document.querySelector(selector);
  const shown = {
    picture: () => new Promise((done) =>
      document.querySelector(".hs-after").addEventListener("load", done, { once: true })),
    text: (value) => new Promise((done) => {
      const echo = document.querySelector("#echo");
      const seen = new MutationObserver(() => {
        if (Number(echo.textContent) !== value) return;
        seen.disconnect();
        done();
      });
      seen.observe(echo, { childList: true, subtree: true, characterData: true });
    }),
  }[answered];
  window.laps = (async () => {
    const laps = [];
    for (const value of values) {
      const answer = shown(value);
      const start = performance.now();
      range.value = value;
      range.dispatchEvent(new Event("input", { bubbles: true }));
      await answer;
      laps.push(performance.now() - start);
      await new Promise((done) => setTimeout(done, pause));
    }
    return laps;
  })();
}"""


def time_page(pipeline: HyperStyle, photo: Path, people: Sequence[int] = (1, 4)) -> dict[str, Any]:
    """Measure the page in Chromium.

    Args:
        pipeline: The loaded domain; it needs at least one edit.
        photo: Whose face to rebuild.
        people: How many visitors drag at the same time, one measurement each.

    Returns:
        `bare_slider` and `drag` (a list with `people`) with `median_ms`, `p95_ms`, `moves`; each drag also with
        `ratio_to_bare`; `upload_to_rebuilt` with `median_s`, `slowest_s`, `uploads`.

    Raises:
        BrowserMissing: Playwright or Chromium is not installed.
    """
    edit = pipeline.edits[0]
    reach = min(edit.maximum, -edit.minimum) or edit.maximum
    # Every value differs from the one before, or the page would have nothing to answer.
    values = [round(reach * (0.2 + 0.6 * (move % 10) / 10), 2) for move in range(MOVES)]
    with open_browser() as browser:
        with served(_bare_page()) as address:
            page = browser.new_page()
            page.goto(address)
            page.wait_for_selector("#bare input[type=range]")
            page.wait_for_selector("#echo")
            bare = _summary(_drag([page], "#bare input[type=range]", values, "text"))
            page.close()
        demo = create_demo(pipeline)
        demo.page.handlers.warm_up()
        with served(demo) as address:
            first = _visit(browser, address)
            uploads_s = [_upload(first, photo) for _ in range(UPLOADS + 1)][1:]
            rows = []
            for count in people:
                pages = [first, *(_visit(browser, address) for _ in range(count - 1))]
                for page in pages[1:]:
                    _upload(page, photo)
                row = _summary(_drag(pages, f"#hs-edit-{edit.name} input[type=range]", values, "picture"))
                rows.append({"people": count, **row, "ratio_to_bare": round(row["median_ms"] / bare["median_ms"], 2)})
                for page in pages[1:]:
                    page.close()
    return {
        "bare_slider": bare,
        "drag": rows,
        "upload_to_rebuilt": {
            "median_s": round(statistics.median(uploads_s), 3),
            "slowest_s": round(max(uploads_s), 3),
            "uploads": UPLOADS,
        },
    }


def _bare_page() -> gr.Blocks:
    """One slider whose value is sent to the server and comes back."""
    with gr.Blocks(analytics_enabled=False) as demo:
        slider = gr.Slider(-3, 3, value=0, step=0.01, elem_id="bare")
        echo = gr.HTML("0", elem_id="echo")
        slider.input(lambda value: f"{value}", slider, echo, show_progress="hidden", trigger_mode="always_last")
    return demo


def _visit(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1360, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.wait_for_selector('.hs-status[data-kind="info"]')
    return page


def _upload(page: Page, photo: Path) -> float:
    """Seconds from handing over the file to the rebuilt face on screen."""
    page.evaluate("document.querySelector('.hs-status').dataset.kind = ''")
    start = time.perf_counter()
    page.set_input_files("#hs-upload input[type=file]", str(photo))
    page.wait_for_selector('.hs-status[data-kind="done"]')
    return time.perf_counter() - start


def _drag(pages: Sequence[Page], selector: str, values: Sequence[float], answered: str) -> list[float]:
    """Milliseconds of every move; all pages move at once. The first two moves warm up and are left out."""
    for page in pages:
        page.evaluate(DRAG, [selector, list(values), PAUSE_MS, answered])
    return [lap for page in pages for lap in page.evaluate("window.laps")[2:]]


def _summary(laps_ms: Sequence[float]) -> dict[str, Any]:
    return {
        "median_ms": round(statistics.median(laps_ms), 1),
        "p95_ms": round(statistics.quantiles(laps_ms, n=20)[-1], 1),
        "moves": len(laps_ms),
    }
