"""`python app.py --domain ffhq --weights FOLDER` in a real browser, with files in the published formats.

The weights are filled, not trained: pictures are noise, but every size, file, slider and wait is the real one.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_tools import astronaut
from needs_browser import needs_browser
from PIL import Image
from playwright.sync_api import Page, expect
from test_browser import drag, picture, upload

from hyperstyle.demo import texts
from hyperstyle.demo.browser import open_browser
from hyperstyle.published import EDITS

pytestmark = needs_browser

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_MS = 300_000  # five steps at 1024 px, on a machine that may be busy


@pytest.fixture
def address(ffhq_originals, ffhq_cache) -> Iterator[str]:
    """Address of the page, started as people start it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = subprocess.Popen(
        [sys.executable, "app.py", "--domain", "ffhq", "--weights", str(ffhq_originals), "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HYPERSTYLE_CACHE": str(ffhq_cache), "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
    )
    assert app.stdout is not None
    try:
        for line in app.stdout:
            found = re.search(r"http://\S+?(?=/?[\s(])", line)
            if found:
                yield found[0]
                break
        else:
            pytest.fail("the app ended before it served anything")
    finally:
        app.terminate()
        app.communicate(timeout=60)


def full_size(page: Page, before: str) -> str:
    """The next picture that is not a preview."""
    page.wait_for_function(
        """old => {
          const shown = document.querySelector('.hs-after');
          return shown.src !== old && shown.complete && shown.naturalWidth === 1024;
        }""",
        arg=before,
        timeout=PATIENCE_MS,
    )
    return picture(page)


def test_rebuild_drag_save_and_reset_at_1024_px(address, tmp_path):
    astronaut().save(tmp_path / "photo.png")
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        expect(page.locator(".hs-status")).to_have_text(texts.READY, timeout=PATIENCE_MS)
        upload(page, tmp_path / "photo.png")
        expect(page.locator(".hs-status[data-kind=done]")).to_contain_text("Rebuilt", timeout=PATIENCE_MS)
        expect(page.locator("#hs-save-face")).to_be_enabled(timeout=PATIENCE_MS)
        labels = page.locator(".hs-film strong").all_inner_texts()
        assert labels == ["Photo", "Encoder", *(f"Step {number}" for number in range(1, 6))]
        page.wait_for_function("() => document.querySelector('.hs-after').naturalWidth === 1024")
        rebuilt = picture(page)

        # While the slider moves a smaller picture is shown, and then the whole one follows.
        page.evaluate(
            """() => {
              const shown = document.querySelector('.hs-after');
              window.widths = [];
              shown.addEventListener('load', () => window.widths.push(shown.naturalWidth));
            }"""
        )
        drag(page, "#hs-edit-smile", 0.9)
        edited = full_size(page, rebuilt)
        widths = page.evaluate("() => window.widths")
        assert len(widths) >= 2
        assert all(width < 1024 for width in widths[:-1])

        with page.expect_download() as download:
            page.click("#hs-save-face")
        download.value.save_as(tmp_path / "face.png")
        with Image.open(tmp_path / "face.png") as saved:
            assert saved.size == (1024, 1024)

        page.click("#hs-paste-back")
        page.wait_for_selector("#hs-whole img")
        page.click("#hs-reset")
        assert full_size(page, edited) == rebuilt
        shown = page.locator(".hs-slider[id^=hs-edit-]").evaluate_all(
            "all => all.map(one => one.id.replace('hs-edit-', ''))"
        )
        assert set(shown) <= {edit.row.name for edit in EDITS["ffhq"]}
        assert "Traceback" not in page.content()
