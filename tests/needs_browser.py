"""Marks for test files that drive the page in a real browser: `pytestmark = needs_browser`."""

from __future__ import annotations

import os

import pytest

from hyperstyle.demo.browser import find_chromium

# Where everything is checked before it is published, a missing browser must not pass as a success.
_skipped = pytest.mark.skipif(
    find_chromium() is None and not os.environ.get("CI"),
    reason="no Chromium on this machine; `make system` installs it, the variable CHROMIUM names another browser",
)
needs_browser = [pytest.mark.browser, _skipped]
