"""The newest request wins."""

from __future__ import annotations

import threading

from hyperstyle.demo.newest import Newest


def test_a_newer_request_makes_the_older_one_give_up() -> None:
    requests = Newest()
    assert not requests.is_running
    one = requests.start()
    assert requests.is_newest(one)
    two = requests.start()
    assert not requests.is_newest(one)
    assert requests.is_newest(two)
    assert not requests.finish(one)
    assert requests.is_running
    assert requests.finish(two)
    assert not requests.is_running
    assert not requests.finish(two)


def test_a_cancelled_request_stays_so_when_another_one_starts() -> None:
    requests = Newest()
    one = requests.start()
    requests.cancel()
    assert not requests.is_running
    assert not requests.is_newest(one)
    assert not requests.finish(one)
    two = requests.start()
    assert not requests.is_newest(one)
    assert requests.finish(two)


def test_requests_of_many_threads_get_numbers_of_their_own() -> None:
    requests = Newest()
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.extend(requests.start() for _ in range(200))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == 1600
    assert [number for number in numbers if requests.is_newest(number)] == [max(numbers)]
