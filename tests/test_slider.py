"""The box beside a slider, alone in a real browser: what people type is the number they mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from needs_browser import needs_browser
from playwright.sync_api import Page

from hyperstyle.demo.browser import open_browser
from hyperstyle.demo.widgets import read_static

pytestmark = needs_browser

BUILD = """
window.moves = [];
const slider = makeSlider({
  id: "s", label: "Smile", minimum: -3, maximum: 3, step: 0.1, rest: 0,
  words: { EXACT_VALUE: "{name}", RESET_ONE: "{name}" },
  moved: (value) => window.moves.push(value), rested: () => {},
});
slider.set(0);
document.body.append(slider.row);
"""


@pytest.fixture(scope="module", params=["en-US", "de-DE"])
def page(request) -> Iterator[Page]:
    with open_browser() as browser:
        context = browser.new_context(locale=request.param)
        page = context.new_page()
        page.set_content("<body></body>")
        page.add_script_tag(content=f"{read_static('slider.js')}\n{BUILD}")
        yield page
        context.close()


@pytest.mark.parametrize(
    ("typed", "value"),
    [("1,5", 1.5), ("1.5", 1.5), (" -0,25 ", -0.25), (",5", 0.5), ("−2", -2), ("2", 2), ("9,5", 3), ("", 0)],
)
def test_commas_and_points_are_the_same(page, typed, value):
    page.fill("#s input[inputmode]", "")
    page.locator("#s input[inputmode]").press_sequentially(typed)
    page.press("#s input[inputmode]", "Tab")
    assert page.evaluate("window.moves.at(-1)") == value
    assert page.input_value("#s input[inputmode]") == f"{value:g}"
    assert float(page.input_value("#s input[type=range]")) == pytest.approx(value, abs=0.051)


@pytest.mark.parametrize("typed", ["1,500", "much", "1,2,3"])
def test_what_is_no_number_changes_nothing(page, typed):
    page.fill("#s input[inputmode]", "1,2")
    page.press("#s input[inputmode]", "Tab")
    page.fill("#s input[inputmode]", typed)
    page.press("#s input[inputmode]", "Tab")
    assert page.evaluate("window.moves.at(-1)") == 1.2
    assert page.input_value("#s input[inputmode]") == "1.2"


def test_arrows_go_a_step(page):
    page.fill("#s input[inputmode]", "1")
    page.press("#s input[inputmode]", "ArrowUp")
    page.fill("#s input[inputmode]", "1")
    page.press("#s input[inputmode]", "Enter")
    page.press("#s input[inputmode]", "ArrowDown")
    assert page.input_value("#s input[inputmode]") == "0.9"
