"""The page that offers a download before there are weights."""

from __future__ import annotations

import threading

import pytest
from demo_tools import close_event_loops

from hyperstyle.demo import first_start
from hyperstyle.demo.first_start import FirstStart, create_page, get_weights
from hyperstyle.domains import get_domain
from hyperstyle.errors import DownloadFailed, UsageError
from hyperstyle.weights.download import DownloadProgress

__all__ = ["close_event_loops"]  # a fixture for every test below


@pytest.fixture
def fetched(monkeypatch):
    """Stands in for downloading; a test decides when it ends, and how."""

    class Stand:
        go_on = threading.Event()
        trouble = None
        calls = 0

    stand = Stand()

    def download_set(weights_set, extras, folder, on_progress):
        stand.calls += 1
        row = weights_set.required[0]
        on_progress(DownloadProgress(row, 3 * 10**8, row.bytes, 2e7))
        assert stand.go_on.wait(10)
        if stand.trouble:
            raise stand.trouble
        return {}

    monkeypatch.setattr(first_start, "download_set", download_set)
    monkeypatch.setattr(first_start, "POLL_S", 0.01)
    return stand


@pytest.fixture
def first(tmp_path):
    installed = []
    start = FirstStart(get_domain("ffhq"), installed.append, tmp_path)
    start.installed = installed
    return start


def test_nothing_is_fetched_before_the_licences_are_accepted(first, fetched):
    assert "accept the licences" in list(first.watch(accepted=False))[-1]
    assert fetched.calls == 0


def test_progress_is_shown_and_the_files_are_installed(first, fetched):
    said = first.watch(accepted=True)
    while "hyperstyle_ffhq.pt" not in (words := next(said)):
        pass
    assert "300.0 MB of 1.44 GB, 20.0 MB per second" in words
    fetched.go_on.set()
    last = list(said)[-1]
    assert "data-ready" in last
    assert first.finished.is_set()
    assert [domain.name for domain in first.installed] == ["ffhq"]


def test_a_second_visitor_watches_the_same_download(first, fetched):
    one, two = first.watch(accepted=True), first.watch(accepted=True)
    next(one), next(two)
    fetched.go_on.set()
    assert "data-ready" in list(one)[-1]
    assert "data-ready" in list(two)[-1]
    assert fetched.calls == 1


def test_trouble_is_said_and_can_be_tried_again(first, fetched):
    fetched.trouble = DownloadFailed("Nobody answers <now>.")
    fetched.go_on.set()
    assert "Nobody answers &lt;now&gt;." in list(first.watch(accepted=True))[-1]
    assert not first.finished.is_set()
    fetched.trouble = None
    assert "data-ready" in list(first.watch(accepted=True))[-1]


def test_a_bug_is_not_shown_to_people(first, fetched, caplog):
    fetched.trouble = RuntimeError("secret detail")
    fetched.go_on.set()
    words = list(first.watch(accepted=True))[-1]
    assert "secret" not in words
    assert "not your fault" in words
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("name", ["ffhq", "afhq_wild", "cars"])
def test_the_page_names_sizes_and_licences(name, tmp_path):
    first = FirstStart(get_domain(name), print, tmp_path)
    page = create_page(first)
    words = " ".join(str(getattr(block, "value", "")) for block in page.blocks.values())
    labels = " ".join(str(getattr(block, "label", "")) for block in page.blocks.values())
    assert "will be downloaded" in words
    assert str(tmp_path) in words
    for licence in first.weights_set.licences(first.extras):
        assert licence.title in labels
        assert licence.url in words


def test_domains_with_weights_need_no_first_start(tiny_folder):
    get_weights("portraits", None, "127.0.0.1", 1)
    get_weights(str(tiny_folder), None, "127.0.0.1", 1)
    with pytest.raises(UsageError, match="brings its own weights"):
        get_weights("portraits", str(tiny_folder), "127.0.0.1", 1)
