"""One thread in which a page's networks run: who computes where, what overtakes what, and what failures look like."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from hyperstyle.demo.compute import ComputeThread, confine
from hyperstyle.errors import UnknownDomain, UsageError
from hyperstyle.inversion import METHODS, Method
from hyperstyle.pipeline import HyperStyle, load


@pytest.fixture
def confined(tiny_folder) -> Iterator[HyperStyle]:
    """A tiny pipeline in its own thread; the number of threads is put back afterwards."""
    before = torch.get_num_threads()
    yield confine(lambda: load(tiny_folder, "cpu"))
    torch.set_num_threads(before)


@pytest.fixture
def face() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_networks_run_in_one_thread_whoever_asks(tiny_folder, face, monkeypatch):
    before = torch.get_num_threads()
    seen: list[tuple[str, str]] = []
    for name in ("invert", "draw"):
        original = getattr(HyperStyle, name)

        def spied(self, *values, name=name, original=original, **named):
            seen.append((name, threading.current_thread().name))
            return original(self, *values, **named)

        monkeypatch.setattr(HyperStyle, name, spied)
    try:
        confined = confine(lambda: load(tiny_folder, "cpu"))
        assert torch.get_num_threads() == 1  # whoever only encodes pictures needs no team of threads
        found = []
        asking = [
            threading.Thread(target=lambda: found.append(confined.render(confined.invert(face, 1)))) for _ in range(3)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    finally:
        torch.set_num_threads(before)
    assert len(found) == 3
    assert {name for name, _ in seen} == {"invert", "draw"}
    assert {thread for _, thread in seen} == {"compute"}


def test_a_confined_pipeline_gives_the_same_pictures(confined, tiny, face):
    steps, expected_steps = [], []
    inversion = confined.invert(face, 2, lambda step, picture: steps.append((step, picture)))
    expected = tiny.invert(face, 2, lambda step, picture: expected_steps.append((step, picture)))
    assert [step for step, _ in steps] == [0, 1, 2]
    for (_, got), (_, wanted) in zip(steps, expected_steps, strict=True):
        assert torch.allclose(got, wanted, atol=1e-5)
    edits = {"smile": 2.0}
    assert torch.allclose(confined.draw(inversion, edits), tiny.draw(expected, edits), atol=1e-4)
    assert confined.edits == tiny.edits
    confined.preview_px = 16
    assert confined.preview_px == 16


def test_failures_reach_whoever_asked(confined, face):
    with pytest.raises(UsageError, match="refinement steps"):
        confined.invert(face, -1)
    with pytest.raises(UsageError, match="no inversion method"):
        confined.invert(face, method="nothing")
    with pytest.raises(UnknownDomain, match="nowhere"):
        confine(lambda: load("nowhere", "cpu"))
    # The thread lives on.
    assert confined.invert(face, 1).steps == 1


def test_quick_work_comes_between_the_steps_of_long_work():
    thread = ComputeThread()
    order: list[str] = []
    inside, asked = threading.Event(), threading.Event()

    def long() -> None:
        order.append("first step")
        inside.set()
        assert asked.wait(10)
        time.sleep(0.05)  # lets the quick one queue up
        thread.serve_quick()
        order.append("second step")

    def ask_quickly() -> None:
        assert inside.wait(10)
        asked.set()
        thread.run(lambda: order.append("quick"))

    people = [
        threading.Thread(target=lambda: thread.run(long, quick=False)),
        threading.Thread(target=ask_quickly),
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert order == ["first step", "quick", "second step"]


def test_slow_methods_keep_nobody_waiting(confined, face, monkeypatch):
    """While a method that descends is at work, another person's picture is drawn."""
    inversion = confined.invert(face, 1)
    begun, drawn = threading.Event(), threading.Event()

    class Slow:
        def __init__(self, networks) -> None:
            self.networks = networks

        def invert(self, target, on_step=None):
            begun.set()
            assert drawn.wait(20)
            return inversion

    monkeypatch.setitem(METHODS, "slow", Method(Slow, "Slow", "", "", descends=True))
    found = []
    slow = threading.Thread(target=lambda: found.append(confined.invert(face, method="slow")))
    slow.start()
    assert begun.wait(20)
    confined.draw(inversion)
    drawn.set()
    slow.join()
    assert found == [inversion]
    assert torch.get_num_threads() == 1
