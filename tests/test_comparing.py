"""The compare tab without a browser: cards, edits on all of them, trouble, and jobs that give up."""

from __future__ import annotations

import pytest
from demo_tools import astronaut

from hyperstyle.demo import texts
from hyperstyle.demo.comparing import Asked, Comparer, read_asked, strength_of
from hyperstyle.demo.handlers import Handlers
from hyperstyle.editing.base import EditRow
from hyperstyle.errors import WeightsMissing
from hyperstyle.inversion import METHODS, EncoderOnly, Method


@pytest.fixture
def page(tiny, tmp_path):
    """A comparer over a page that has rebuilt a face."""
    astronaut().save(tmp_path / "photo.png")
    handlers = Handlers(tiny)
    list(handlers.open_photo("page", tmp_path / "photo.png", 3))
    return Comparer(tiny, handlers.store)


def test_cards_fill_one_after_the_other(page):
    answers = list(page.compare("page", ["hyperstyle", "encoder", "teleport"]))
    assert [card.title for card in answers[0][1]] == ["Photo", "Encoder", "HyperStyle"]
    assert [card.state for card in answers[0][1]] == ["done", "waiting", "waiting"]
    assert any([card.state for card in cards] == ["done", "done", "working"] for _, cards in answers)
    sentence, cards = answers[-1]
    assert sentence == texts.COMPARED
    assert all(card.state == "done" and card.picture.startswith("data:image/") for card in cards)
    assert cards[1].captions[0].startswith("identity ")
    assert cards[1].picture != cards[2].picture


def test_one_edit_on_all(page):
    assert page.edit("page", "smile", 0.5) is None
    before = list(page.compare("page", ["encoder", "hyperstyle"]))[-1][1]
    sentence, after = page.edit("page", "smile", 0.5)
    assert sentence == texts.COMPARED_EDITED
    assert [card.name for card in after] == ["", "encoder", "hyperstyle"]
    assert after[0] == before[0]
    assert all(old.picture != new.picture for old, new in zip(before[1:], after[1:], strict=True))
    sentence, again = page.edit("page", "smile", 0.0)
    assert sentence == texts.COMPARED
    assert [card.picture for card in again] == [card.picture for card in before]
    assert page.edit("page", "teleport", 1.0)[1] == again


def test_shares_are_of_the_side_they_point_to():
    row = EditRow("yaw", "Turn", "pose", "degrees", -2.0, 3.0)
    assert strength_of(row, 0.5) == 1.5
    assert strength_of(row, -0.5) == -1.0


def test_without_a_face_or_a_method_it_says_so(tiny, page):
    assert list(page.compare("nobody", ["encoder"])) == [(texts.NO_FACE_TO_COMPARE, ())]
    assert list(page.compare("page", [])) == [(texts.NO_METHODS, ())]


def test_a_method_that_fails_leaves_the_others(page, monkeypatch):
    def broken(networks, **options):
        raise WeightsMissing("The weights of this method are not here.")

    monkeypatch.setitem(METHODS, "broken", Method(broken, "Broken", "", ""))
    monkeypatch.setitem(METHODS, "last", Method(EncoderOnly, "Last", "", ""))
    cards = list(page.compare("page", ["broken", "last"]))[-1][1]
    assert [card.state for card in cards] == ["done", "problem", "done"]
    assert cards[1].captions == ("The weights of this method are not here.",)
    assert [card.name for card in page.edit("page", "smile", 1.0)[1]] == ["", "last"]


def test_a_newer_comparison_ends_the_older_one(page):
    older = page.compare("page", ["encoder", "hyperstyle"])
    next(older)
    newer = list(page.compare("page", ["encoder"]))
    assert list(older) == []
    assert len(newer[-1][1]) == 2
    assert len(page.edit("page", None, 0.0)[1]) == 2
    page.store.close("page")
    assert page.edit("page", "smile", 1.0) is None


def test_what_the_form_sends_is_understood_or_left_out():
    sent = {"methods": ["encoder"], "edit": "smile", "share": -0.5}
    assert read_asked(sent) == Asked(("encoder",), "smile", -0.5)
    for value in (None, [], {"methods": "encoder", "edit": 3, "share": 2}, {"share": float("nan")}):
        assert read_asked(value) == Asked()
