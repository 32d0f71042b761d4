"""Animations, made-up faces, mixes and styles on the page, without a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import pytest
from demo_tools import astronaut
from tiny import add_style

from hyperstyle.alignment import AlignedFace
from hyperstyle.animation import Animation, Movie
from hyperstyle.demo import texts
from hyperstyle.demo.animating import Animator, News, Wish, read_wish, tell_bytes
from hyperstyle.demo.beginnings import Beginnings, Settings, read_settings
from hyperstyle.demo.comparing import Comparer
from hyperstyle.demo.handlers import Change, Handlers
from hyperstyle.demo.pictures import to_data_uri
from hyperstyle.demo.readouts import Readout
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.demo.state import Controls, read_controls, write_controls
from hyperstyle.demo.studio import Studio
from hyperstyle.demo.widgets import viewer_value
from hyperstyle.images import open_photo
from hyperstyle.pipeline import HyperStyle, load

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
    assert plan.plan.startswith("48 frames, 256 x 256 px, about ")
    made = animator.make("a", wish)
    for news in made:
        if news.file is not None:
            break
        assert news.busy
    assert news.status is not None
    assert news.status.text.startswith("48 frames in 2 s, 256 x 256 px, ")
    path = news.file
    with av.open(str(path)) as movie:
        assert sum(1 for _ in movie.decode(video=0)) == 48
    assert list(made) == []
    assert path is not None
    assert not path.parent.exists()
    assert not handlers.store.get("a").animating.is_running


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


def test_a_movie_can_be_stopped_after_its_last_frame(handlers, monkeypatch):
    """Its end is still in the encoder then, or it is on its way to the page."""
    animator = Animator(handlers)
    wish = Wish("smile", seconds=0.5)

    def stop_at_the_end(animation: Animation, path: Path, on_frame, cancel) -> Movie:
        def drawn(done: int, total: int) -> None:
            on_frame(done, total)
            if done == total:
                animator.stop("a")

        return export(animation, path, drawn, cancel)

    def stop_once_written(animation: Animation, path: Path, on_frame, cancel) -> Movie:
        movie = export(animation, path, on_frame, cancel)
        animator.stop("a")
        return movie

    export = Animation.export
    for late in (stop_at_the_end, stop_once_written):
        monkeypatch.setattr(Animation, "export", late)
        *_, last = animator.make("a", wish)
        assert last.status is not None
        assert (last.status.text, last.file) == (texts.MOVIE_STOPPED, None)
    monkeypatch.undo()
    *_, last = animator.make("a", wish)
    assert last.file is not None


def test_a_movie_that_waits_for_its_turn_can_be_stopped(handlers):
    animator = Animator(handlers)
    animator.stop("a", read_wish({"number": 2}).number)
    assert [news.status.text for news in animator.make("a", Wish("smile", number=2))] == [texts.MOVIE_STOPPED]
    *_, last = animator.make("a", Wish("smile", seconds=0.5, number=3))
    assert last.file is not None


def test_closing_the_page_or_the_answer_ends_the_work(handlers):
    made = Animator(handlers).make("a", Wish("smile", seconds=10, fps=60))
    next(made)
    next(made)
    made.close()
    assert not handlers.store.get("a").animating.is_running


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


# Other beginnings


def last_of(changes) -> Change:
    *_, last = changes
    return last


def test_a_made_up_face_can_be_edited_and_not_put_back(handlers, tiny):
    beginnings = Beginnings(handlers)
    begun = last_of(beginnings.random("a", Settings(seed=7, truncation=0.5), 1))
    assert begun.ready
    assert not begun.pastes
    assert begun.status is not None
    assert begun.status.text == texts.RANDOM_DONE.format(seed=7)
    session = handlers.store.get("a")
    assert session.rebuilt is not None
    assert session.rebuilt.inversion.w_plus.equal(tiny.random_face(7, 0.5).w_plus)
    assert [entry.label for entry in session.history.entries] == ["Seed 7"]
    assert begun.controls == REST
    assert begun.photo is not None
    assert begun.photo.chosen == -1  # no face of the photo is the one being edited
    change = handlers.live("a", SMILE)
    assert change is not None
    assert change.picture == to_data_uri(tiny.render(tiny.random_face(7, 0.5), {"smile": 2.0}))
    assert [viewer_value(one)["tag"] for one in (begun, change)] == [texts.TAG_UNEDITED, texts.TAG_EDITED]
    assert handlers.paste("a", SMILE).status.text == texts.FACE_WITHOUT_PHOTO
    assert last_of(handlers.change_steps("a", REST)).status.text == texts.NO_PHOTO_TO_REFINE
    ((sentence, cards),) = Comparer(tiny, handlers.store).compare("a", ["encoder"])
    assert (sentence, cards) == (texts.NO_PHOTO_TO_COMPARE, ())
    back = last_of(handlers.choose_face("a", 0, 1))
    assert back.pastes  # back to the photo
    assert viewer_value(back)["tag"] == texts.TAG_REBUILT
    assert session.rebuilt.face is not None


def test_a_made_up_face_needs_no_photo(tiny):
    handlers = Handlers(tiny, SessionStore())
    begun = last_of(Beginnings(handlers).random("new", Settings(3), 1))
    assert begun.ready
    assert begun.photo is None
    assert next(handlers.save_face("new", REST))[0] is not None


def test_mixes_start_from_the_same_two_faces(handlers, tiny):
    beginnings = Beginnings(handlers)
    session = handlers.store.get("a")
    mine, other = session.rebuilt.inversion, tiny.random_face(5, 0.7)
    last_of(beginnings.mix_with_random("a", Settings(5, share=0.25), 1))
    assert session.rebuilt.inversion.w_plus.equal(tiny.interpolate(mine, other, 0.25).w_plus)
    last_of(beginnings.remix("a", Settings(5, share=0.75), 1))
    assert session.rebuilt.inversion.w_plus.equal(tiny.interpolate(mine, other, 0.75).w_plus)
    last_of(beginnings.remix("a", Settings(5, layers=("fine",)), 1))
    assert session.rebuilt.inversion.w_plus.equal(tiny.mix_styles(mine, other, "fine").w_plus)
    assert len(session.history.entries) == 1
    last_of(beginnings.random("a", Settings(1), 1))
    assert list(beginnings.remix("a", Settings(5), 1)) == []  # another face by now


def test_a_second_photo_is_mixed_in_and_its_file_removed(handlers, tiny, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(tiny, "align", lambda _photo: faces[0])
    other = tmp_path / "other.png"
    astronaut().save(other)
    mixed = last_of(Beginnings(handlers).mix_with_photo("a", other, Settings(), 1))
    assert mixed.status is not None
    assert mixed.status.text == texts.MIX_DONE
    assert not other.exists()
    (tmp_path / "bad.png").write_bytes(b"no picture")
    before = handlers.store.get("a").rebuilt
    bad = last_of(Beginnings(handlers).mix_with_photo("a", tmp_path / "bad.png", Settings(), 1))
    assert bad.status is not None
    assert bad.status.kind == "problem"
    assert handlers.store.get("a").rebuilt is before


def test_a_mix_needs_a_face_first(tiny):
    refused = last_of(Beginnings(Handlers(tiny, SessionStore())).mix_with_random("b", Settings(), 1))
    assert refused.status is not None
    assert refused.status.text == texts.MIX_NEEDS_FACE


@pytest.mark.parametrize("value", [None, {"seed": -1, "truncation": 9, "share": "x", "layers": "fine"}])
def test_nonsense_in_the_other_form_is_left_out(value):
    assert read_settings(value) == Settings()


# Styles


@pytest.fixture(scope="module")
def styled(tiny_folder, tmp_path_factory) -> HyperStyle:
    return load(add_style(tiny_folder, tmp_path_factory.mktemp("styled")), "cpu")


def test_a_style_is_a_state_like_any_other(styled, faces, tmp_path, monkeypatch):
    handlers = opened(styled, faces, tmp_path, monkeypatch)
    session = handlers.store.get("a")
    plain = handlers.live("a", SMILE)
    clay = replace(SMILE, style="line")
    assert read_controls(write_controls(clay), 1) == clay
    drawn = handlers.live("a", clay)
    expected = styled.stylise(session.rebuilt.inversion, "line", {"smile": 2.0})
    assert drawn.picture == to_data_uri(expected)
    assert drawn.readout == Readout(None, None)
    assert [entry.label for entry in session.history.entries] == ["Rebuilt", "Smile +2", "Line drawing"]
    for path, _ in handlers.save_face("a", clay):
        assert open_photo(path).tobytes() == expected.tobytes()
    undone = last_of(Studio(handlers).undo("a", clay))
    assert undone.controls == SMILE
    assert undone.picture == plain.picture
    handlers.live("a", clay)
    movie = Animator(handlers)._animation(session, Wish("smile", start=2, stop=3))
    assert movie.frame(0).tobytes() == expected.tobytes()


def test_a_style_this_domain_lacks_is_drawn_plainly(handlers):
    plain = handlers.live("a", SMILE)
    assert handlers.live("a", replace(SMILE, style="clay")).picture == plain.picture
