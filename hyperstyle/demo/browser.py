"""Driving the page in a real browser, for measurements and screenshots. Needs Playwright and Chromium."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hyperstyle.errors import BrowserMissing

if TYPE_CHECKING:
    import gradio as gr
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """Path of the browser that `CHROMIUM` names, or of the first usual one that is installed; None without any."""
    return next(filter(None, map(shutil.which, filter(None, (os.environ.get("CHROMIUM", ""), *NAMES)))), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium without a window, for as long as the block runs.

    Raises:
        BrowserMissing: Playwright or the browser is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise BrowserMissing(
            "Driving the page needs Playwright; install it with pip install -r requirements-dev.txt."
        ) from None
    executable = find_chromium()
    if executable is None:
        raise BrowserMissing("Chromium was not found; install it, or name a browser in the variable CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(demo: gr.Blocks) -> Iterator[str]:
    """Serve a page on a free port of this machine while the block runs; gives its address."""
    from hyperstyle.demo.serving import launch

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        yield launch(demo, port=port, prevent_thread_lock=True, quiet=True)
    finally:
        demo.close(verbose=False)
