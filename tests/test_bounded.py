"""Bounded caches: what they keep, what they drop, and from many threads."""

from __future__ import annotations

import threading
import time

import pytest

from hyperstyle.bounded import Bounded


def test_a_value_is_made_once() -> None:
    cache: Bounded[str, list[int]] = Bounded(2)
    first = cache.get("a", lambda: [1])
    assert cache.get("a", lambda: pytest.fail("made again")) is first
    assert "a" in cache
    assert len(cache) == 1


def test_what_was_not_used_for_longest_makes_room() -> None:
    dropped: list[str] = []
    cache: Bounded[str, str] = Bounded(3, on_drop=dropped.append)
    for key in "abcad":
        cache.get(key, lambda key=key: key.upper())
    assert dropped == ["B"]
    assert [key for key in "abcd" if key in cache] == ["a", "c", "d"]


def test_sizes_add_up() -> None:
    dropped: list[bytes] = []
    cache: Bounded[int, bytes] = Bounded(10, len, dropped.append)
    for size in (4, 5, 1):
        cache.get(size, lambda size=size: bytes(size))
    assert len(cache) == 3
    cache.get(3, lambda: bytes(3))
    assert [len(value) for value in dropped] == [4]


@pytest.mark.parametrize("limit", [0, 1, 10])
def test_one_that_is_larger_than_the_bound_is_kept_alone(limit: int) -> None:
    cache: Bounded[str, bytes] = Bounded(limit, len)
    cache.get("small", lambda: b"x")
    cache.get("large", lambda: bytes(1000))
    assert len(cache) == 1
    assert "large" in cache
    cache.get("small", lambda: b"x")
    assert len(cache) == 1
    assert "small" in cache


def test_values_without_size_count_too() -> None:
    cache: Bounded[int, bytes] = Bounded(3, len)
    for number in range(100):
        cache.get(number, bytes)
    assert len(cache) == 3


def test_values_are_taken_out() -> None:
    dropped: list[str] = []
    cache: Bounded[str, str] = Bounded(3, on_drop=dropped.append)
    for key in "abc":
        cache.get(key, lambda key=key: key.upper())
    assert cache.pop("a") == "A"
    assert cache.pop("a") is None
    assert cache.pop_all() == ["B", "C"]
    assert len(cache) == 0
    assert dropped == []


def test_an_error_while_making_leaves_nothing() -> None:
    cache: Bounded[str, int] = Bounded(3)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 // 0)
    assert cache.get("a", lambda: 1) == 1


def test_who_makes_a_value_keeps_nobody_from_another() -> None:
    cache: Bounded[str, str] = Bounded(3)
    cache.get("old", lambda: "old")
    begun, may_end = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert may_end.wait(10)
        return "slow"

    thread = threading.Thread(target=cache.get, args=("new", slow))
    thread.start()
    assert begun.wait(10)
    assert cache.get("old", lambda: "made again") == "old"
    assert cache.get("new", lambda: "quick") == "quick"
    may_end.set()
    thread.join(10)
    assert cache.get("new", lambda: "made again") == "quick"  # all get the same one


def test_many_threads_at_once() -> None:
    cache: Bounded[int, int] = Bounded(5)
    wrong: list[int] = []

    def work(seed: int) -> None:
        for step in range(300):
            key = (seed * step) % 11
            if cache.get(key, lambda key=key: key * 10) != key * 10 or len(cache) > 5:
                wrong.append(key)
            if step % 50 == 0:
                time.sleep(0)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache) == 5
