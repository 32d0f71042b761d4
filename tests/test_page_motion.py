"""Animations, made-up faces, mixes and styles on the page, without a browser."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from demo_tools import astronaut

from hyperstyle.alignment import AlignedFace
from hyperstyle.demo import texts
from hyperstyle.demo.animating import Animator, News, Wish, read_wish, tell_bytes
from hyperstyle.demo.handlers import Handlers
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.demo.state import Controls
from hyperstyle.pipeline import HyperStyle

REST = Controls(steps=1)
SMILE = Controls({"smile": 2.0}, steps=1)


@pytest.fixture(scope="module")
def faces(tiny) -> list[AlignedFace]:
    return tiny.align_all(astronaut())


def opened(pipeline: HyperStyle, faces: list[AlignedFace], folder: Path, monkeypatch) -> Handlers:
    """Handlers with one page, "a", whose face is rebuilt."""
    monkeypatch.setattr(pipeline, "align_all", lambda _photo: faces)
    handlers = Handlers(pipeline, SessionStore())
    astronaut().save(folder / "one.png")
    *_, last = handlers.open_photo("a", folder / "one.png", 1)
    assert last.ready
    return handlers


@pytest.fixture
def handlers(tiny, faces, tmp_path, monkeypatch) -> Handlers:
    return opened(tiny, faces, tmp_path, monkeypatch)


# Animations


def test_a_movie_has_its_frames_and_goes_when_it_was_handed_over(handlers):
    animator = Animator(handlers)
    wish = Wish("smile", start=-3, stop=3)
    plan = animator.plan("a", wish)
    assert plan.plan is not None
    assert plan.plan.startswith("48 frames, 32 x 32 px, about ")
    made = animator.make("a", wish)
    for news in made:
        if news.file is not None:
            break
        assert news.busy
    assert news.status is not None
    assert news.status.text.startswith("48 frames in 2 s, 32 x 32 px, ")
    path = news.file
    with av.open(str(path)) as movie:
        assert sum(1 for _ in movie.decode(video=0)) == 48
    assert list(made) == []
    assert path is not None
    assert not path.parent.exists()
    assert not handlers.store.get("a").animating_now


def test_a_movie_goes_between_states_also_in_the_photo(handlers, tiny):
    animator = Animator(handlers)
    handlers.live("a", SMILE)
    first, last = (entry.number for entry in handlers.store.get("a").history.entries)
    wish = Wish(first=first, last=last, seconds=0.5, fps=10, suffix=".gif", in_photo=True)
    animation = animator._animation(handlers.store.get("a"), wish)
    assert animation.size == astronaut().size
    assert [animation.state(index).edits for index in (0, 4)] == [{}, {"smile": 2.0}]
    *_, news = animator.make("a", wish)
    assert news.status is not None
    assert "5 frames in 0.5 s, 512 x 512 px" in news.status.text
    *_, gone = animator.make("a", Wish(first=99, last=first))
    assert gone.status is not None
    assert gone.status.text == texts.MOVIE_NEEDS_STATES


def test_what_else_is_set_stays_during_a_sweep(handlers):
    handlers.live("a", SMILE)
    animation = Animator(handlers)._animation(handlers.store.get("a"), Wish("age", start=0, stop=1))
    assert animation.state(47).edits == {"smile": 2.0, "age": 1.0}


def test_a_movie_can_be_stopped(handlers):
    animator = Animator(handlers)
    made = animator.make("a", Wish("smile", seconds=10, fps=60))
    next(made)
    assert "Frame" in str(next(made).status)
    animator.stop("a")
    *_, last = made
    assert last == News(last.status)
    assert last.status is not None
    assert last.status.text == texts.MOVIE_STOPPED


def test_closing_the_page_or_the_answer_ends_the_work(handlers):
    made = Animator(handlers).make("a", Wish("smile", seconds=10, fps=60))
    next(made)
    next(made)
    made.close()
    assert not handlers.store.get("a").animating_now


def test_without_a_face_there_is_one_sentence(tiny):
    animator = Animator(Handlers(tiny, SessionStore()))
    *_, last = animator.make("b", Wish("smile"))
    assert last.status is not None
    assert last.status.text == texts.NO_FACE_TO_ANIMATE
    assert animator.plan("b", Wish("smile")) == News()


@pytest.mark.parametrize("wrong", [{"edit": "smlie"}, {"edit": "smile", "seconds": -1}, {"edit": "smile", "fps": 0}])
def test_what_cannot_be_made_is_one_sentence(handlers, wrong):
    *_, last = Animator(handlers).make("a", read_wish(wrong))
    assert last.status is not None
    assert last.status.kind == "problem"
    assert last.status.text != texts.UNEXPECTED


@pytest.mark.parametrize(
    "value", [None, 3, {"seconds": "x", "fps": None, "suffix": ".exe", "first": [], "start": float("nan")}]
)
def test_nonsense_in_the_form_is_left_out(value):
    assert read_wish(value) == Wish()


def test_sizes_are_told_in_what_people_know():
    assert [tell_bytes(count) for count in (10, 200_000, 5_000_000)] == ["1 KB", "195 KB", "4.8 MB"]
