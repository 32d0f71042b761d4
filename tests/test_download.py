"""Downloading over real HTTP from a server on this machine that misbehaves on demand."""

from __future__ import annotations

import hashlib
import io
import logging
import random
import re
import resource
import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest

from hyperstyle.cli import main
from hyperstyle.errors import CannotWrite, ChecksumMismatch, DownloadFailed, WeightsMissing
from hyperstyle.weights import download, registry
from hyperstyle.weights.download import Patience, download_set, fetch, locate, missing_files, size_text, verify
from hyperstyle.weights.registry import Licence, Mirror, WeightsFile, WeightsSet

DATA = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
COMMIT = "a" * 40
QUICK = Patience(connect_s=2, read_s=2, attempts=3, backoff_s=0.002)
IMPATIENT = replace(QUICK, read_s=0.1)  # where the server is meant to stall; elsewhere a busy machine may be slow
LICENCE = Licence("Terms of nobody", "Use it as you like.", "https://example.org/terms")
PAGE = b"<!DOCTYPE html><html><body>%s</body></html>"

Behaviour = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """Serves the server's files, ranges included, unless the server has another behaviour in store for the path."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, self.headers.get("Range")))
        waiting = self.server.behaviours.get(self.path) if self.command == "GET" else None
        content = self.server.files.get(self.path)
        if waiting:
            waiting.pop(0)(self, content or b"")
        elif self.path in self.server.redirects:
            self.answer(302, b"", **self.server.redirects[self.path])
        elif content is None:
            self.answer(404, b"no such file")
        else:
            serve(self, content)

    do_HEAD = do_GET  # noqa: N815 - http.server looks for this name

    def answer(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("Content_Type", "application/octet-stream")
        for name, value in {**self.server.headers.get(self.path, {}), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/file": DATA}
        self.redirects: dict[str, dict[str, str]] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.behaviours: dict[str, list[Behaviour]] = {}
        self.seen: list[tuple[str, str, str | None]] = []
        self.stopped = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def cdn(self) -> str:
        """The same server under another name, since the Hub hands large files to another host."""
        return self.address.replace("127.0.0.1", "localhost")

    @property
    def ranges(self) -> list[str | None]:
        """What each GET asked for."""
        return [asked for method, _, asked in self.seen if method == "GET"]

    def will(self, *behaviours: Behaviour, path: str = "/file") -> None:
        self.behaviours[path] = list(behaviours)

    def handle_error(self, request, client_address) -> None:
        pass  # the other side hanging up early is what many tests are about

    def mirror(self, path: str = "/file") -> Mirror:
        return Mirror("url", f"{self.address}{path}")

    def row(self, *mirrors: Mirror, **changes: object) -> WeightsFile:
        places = mirrors or (self.mirror(),)
        return replace(WeightsFile("w.pt", "hyperstyle", len(DATA), SHA256, places, (LICENCE,), "A test."), **changes)


# Behaviours


def serve(handler: Handler, content: bytes) -> None:
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if asked is None:
        handler.answer(200, content)
    elif int(asked[1]) >= len(content):
        handler.answer(416, b"", Content_Range=f"bytes */{len(content)}")
    else:
        start, end = int(asked[1]), len(content)
        handler.answer(206, content[start:], Content_Range=f"bytes {start}-{end - 1}/{end}")


def without_ranges(handler: Handler, content: bytes) -> None:
    handler.answer(200, content)


def cut_off(size: int) -> Behaviour:
    """Promise everything from the asked offset on, send that many bytes and hang up."""

    def behave(handler: Handler, content: bytes) -> None:
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        status, more = (
            (206, {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}) if start else (200, {})
        )
        handler.answer(status, content[start : start + size], length=len(content) - start, **more)

    return behave


def stalls(handler: Handler, content: bytes) -> None:
    handler.answer(200, content[:50_000], length=len(content))
    handler.wfile.flush()
    handler.server.stopped.wait(5)


def without_length(size: int | None = None) -> Behaviour:
    """Send without saying how much, as HTTP/1.0 servers do: the end of the connection is the end of the file."""

    def behave(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(content[:size])
        handler.close_connection = True

    return behave


def status(code: int, **headers: str) -> Behaviour:
    return lambda handler, content: handler.answer(code, b"sorry", **headers)


def sends(body: bytes, **headers: str) -> Behaviour:
    return lambda handler, content: handler.answer(200, body, **headers)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()
    thread.join()
    huggingface_hub.close_session()


@pytest.fixture(autouse=True)
def own_machine(tmp_path, monkeypatch) -> None:
    """Nothing of this machine's settings, caches or proxies."""
    for name in ("HYPERSTYLE_WEIGHTS", "XDG_CACHE_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HYPERSTYLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The pauses between attempts, which are not waited for."""
    found: list[float] = []
    monkeypatch.setattr(download.time, "sleep", found.append)
    return found


def got(row: WeightsFile, folder: Path, **options: object) -> Path:
    """Fetch, and check that the right file and nothing else is left."""
    path = fetch(row, folder, **{"patience": QUICK, **options})
    assert path == folder / row.name
    assert path.read_bytes() == DATA
    assert [left.name for left in folder.iterdir() if not left.name.endswith(".lock")] == [row.name]
    return path


def refused(row: WeightsFile, folder: Path, *parts: str, **options: object) -> str:
    """Fetch in vain, and check that the sentence says why and what to do."""
    with pytest.raises(DownloadFailed) as caught:
        fetch(row, folder, **{"patience": QUICK, **options})
    sentence = str(caught.value)
    assert "\n" not in sentence
    for part in (*parts, f"put {row.name} (", str(folder), "--weights FOLDER."):
        assert part in sentence
    assert not (folder / row.name).exists()
    return sentence


# Whole downloads


def test_plain_download_and_progress(server, folder):
    seen = []
    got(server.row(), folder, on_progress=seen.append)
    assert [(one.done, one.total) for one in seen][-1] == (len(DATA), len(DATA))
    assert all(one.file.name == "w.pt" and one.bytes_per_s >= 0 for one in seen)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    got(server.row(), folder)
    assert server.ranges == [None]  # the second time it was there


def test_speed_is_of_the_last_seconds(monkeypatch, server):
    now = [0.0]
    monkeypatch.setattr(download.time, "monotonic", lambda: now[0])
    seen = []
    meter = download._Meter(server.row(), seen.append)
    for second in range(20):
        now[0] = float(second)
        meter.show(1000 * second if second < 10 else 10_000 + 50_000 * (second - 10), None)
    assert seen[9].bytes_per_s == pytest.approx(1000)
    assert seen[-1].bytes_per_s == pytest.approx(50_000)
    now[0] = 20.0
    meter.show(500, None)  # started over
    assert (seen[-1].done, seen[-1].bytes_per_s) == (500, 0)


def test_download_without_any_known_size_or_checksum(server, folder):
    server.will(without_length())
    row = server.row(bytes=None, sha256=None)
    assert got(row, folder)
    assert verify(folder / "w.pt", row) == "nothing"


def test_drive(server, folder, monkeypatch):
    monkeypatch.setattr(download, "DRIVE_ADDRESS", f"{server.address}/drive?id={{id}}&confirm=t")
    server.files["/drive?id=abc&confirm=t"] = DATA
    got(server.row(Mirror("drive", "abc")), folder)


def test_git_object_name_as_checksum(server, folder):
    blob = hashlib.sha1(b"blob 300000\0" + DATA).hexdigest()
    assert hashlib.sha1(b"blob 6\0hello\n").hexdigest() == "ce013625030ba8dba906f756967f9e9ca394464a"  # what Git says
    row = server.row(bytes=None, sha256=None, git_blob=blob)
    assert verify(got(row, folder), row) == "git blob"
    server.files["/file"] = OTHER
    refused(row, folder / "again", "sent another file")


# Troubles that pass


@pytest.mark.parametrize("trouble", [cut_off(120_000), stalls, without_length(120_000)])
def test_broken_off_downloads_go_on(server, folder, trouble):
    server.will(trouble)
    got(server.row(), folder, patience=IMPATIENT if trouble is stalls else QUICK)
    first, second = server.ranges[:2]
    assert first is None
    assert second in ("bytes=120000-", "bytes=50000-")


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_passing_statuses_are_tried_again(server, folder, waits, code):
    server.will(status(code), status(code))
    got(server.row(), folder)
    assert len(server.ranges) == 3
    assert 0.001 <= waits[0] <= 0.002 <= waits[1] <= 0.004  # twice as long, and at random


@pytest.mark.parametrize(
    ("header", "least", "most"), [("7", 7, 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), ("soon", 0, 0.1)]
)
def test_retry_after_is_honoured(server, folder, waits, header, least, most):
    server.will(status(429, Retry_After=header))
    got(server.row(), folder)
    assert least <= waits[0] <= most


def test_long_pauses_are_not_waited_for(server, folder, waits):
    server.will(status(429, Retry_After="3600"))
    server.files["/second"] = DATA
    got(server.row(server.mirror(), server.mirror("/second")), folder)
    assert waits == []
    assert [path for _, path, _ in server.seen] == ["/file", "/second"]


def test_attempts_end(server, folder, waits):
    server.will(*[status(500)] * 9)
    refused(server.row(), folder, "127.0.0.1", "answered 500 internal server error")
    assert len(server.ranges) == QUICK.attempts
    server.will(*[stalls] * 9)
    refused(server.row(), folder, "did not answer in time", patience=IMPATIENT)


def test_slow_but_steady_is_not_given_up(server, folder, waits, monkeypatch):
    monkeypatch.setattr(download, "STEADY_BYTES", 1000)
    server.will(*[cut_off(40_000)] * 7)
    got(server.row(), folder)
    assert len(server.ranges) == 8 > QUICK.attempts


def test_nobody_listens(folder, server, waits):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    refused(server.row(Mirror("url", f"http://127.0.0.1:{port}/file")), folder, "cannot be reached")


# Going on where an earlier run stopped


def test_interruption_leaves_a_part_that_is_finished_later(server, folder):
    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server.row(), folder, on_progress=interrupt, patience=QUICK)
    part = folder / "w.pt.part"
    begun = part.read_bytes()
    assert 0 < len(begun) < len(DATA)
    assert DATA.startswith(begun)
    seen = []
    got(server.row(), folder, on_progress=seen.append)
    assert server.ranges == [None, f"bytes={len(begun)}-"]
    assert seen[0].done > len(begun)


def begin(folder: Path, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "w.pt.part").write_bytes(content)


def test_a_server_without_ranges_starts_over(server, folder):
    begin(folder, DATA[:1000])
    server.will(without_ranges)
    got(server.row(), folder)
    assert server.ranges == ["bytes=1000-"]


def test_a_whole_part_needs_no_server(server, folder):
    begin(folder, DATA)
    got(server.row(), folder)
    assert server.ranges == []
    (folder / "w.pt").rename(folder / "w.pt.part")
    got(server.row(bytes=None), folder)  # here only the server can tell that it is whole
    assert server.ranges == [f"bytes={len(DATA)}-"]


@pytest.mark.parametrize("begun", [OTHER[:1000], OTHER, DATA + b"more"])
def test_a_wrong_part_is_replaced(server, folder, begun):
    begin(folder, begun)
    got(server.row(), folder)
    assert server.ranges[-1] is None


def test_a_wrong_part_of_unknown_length_is_replaced(server, folder):
    begin(folder, DATA + b"more")
    got(server.row(bytes=None), folder)
    assert server.ranges == [f"bytes={len(DATA) + 4}-", None]


@pytest.mark.parametrize("extent", ["bytes 5-299999/300000", "nonsense"])
def test_another_piece_than_asked_for(server, folder, extent):
    """Checked even where no checksum would notice."""
    server.will(cut_off(1000), lambda handler, content: handler.answer(206, content[5:], Content_Range=extent))
    got(server.row(sha256=None), folder)
    assert server.ranges == [None, "bytes=1000-", None]


def test_the_next_mirror_goes_on_where_the_first_stopped(server, folder):
    server.files["/second"] = DATA
    server.will(cut_off(100_000), status(404))
    got(server.row(server.mirror(), server.mirror("/second")), folder)
    assert server.ranges == [None, "bytes=100000-", "bytes=100000-"]


def test_without_a_checksum_halves_of_two_mirrors_are_not_joined(server, folder):
    server.files["/second"] = DATA
    server.will(cut_off(100_000), status(404))
    path = fetch(server.row(server.mirror(), server.mirror("/second"), sha256=None), folder, patience=QUICK)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, "bytes=100000-", None]


# Mirrors that do not help


PAGES = {
    "declared": (
        sends(b"<!-- hello -->" + PAGE % b"Sign in", Content_Type="text/html; charset=utf-8"),
        "sent a web page",
    ),
    "undeclared": (sends(b"\n " + PAGE % b"Sign in"), "sent a web page"),
    "quota": (
        sends(PAGE % b"Too many users have viewed or downloaded this file", Content_Type="text/html"),
        "sent a page saying that its download quota is used up",
    ),
    "long": (sends(PAGE % (b"x" * 400_000), Content_Type="text/html"), "sent a web page"),
}
USELESS = {
    **PAGES,
    "not found": (status(404), "answered 404 not found"),
    "forbidden": (status(403), "answered 403 forbidden"),
    "teapot": (status(499), "answered 499"),
    "wrong bytes": (sends(OTHER), "sent another file, or a damaged one"),
    "too short": (sends(DATA[:-1]), "announces 299999 bytes instead of 300000"),
    "too long": (sends(DATA + b"x"), "announces 300001 bytes instead of 300000"),
    "endless": (lambda handler, content: without_length()(handler, content * 3), "sends more than 300000 bytes"),
    "circle": (status(302, Location="/file"), "leads nowhere"),
}


@pytest.mark.parametrize("kind", USELESS)
def test_useless_answers_lead_to_the_next_mirror_at_once(server, folder, waits, kind):
    behaviour, what = USELESS[kind]
    repeats = [behaviour] * (9 if kind == "circle" else 1)
    server.will(*repeats)
    server.files["/second"] = DATA
    row = server.row(server.mirror(), server.mirror("/second"))
    got(row, folder)
    assert waits == []
    (folder / "w.pt").unlink()
    server.will(*repeats)
    refused(server.row(), folder, f"127.0.0.1:{server.server_port} {what}")
    assert [left.name for left in folder.iterdir() if left.name.endswith(".part")] == []


def test_every_answer_is_told(server, folder, waits):
    server.files["/second"] = OTHER
    sentence = refused(server.row(server.mirror("/nothing"), server.mirror("/second")), folder)
    assert sentence.index("answered 404") < sentence.index("sent another file")
    assert "w.pt (300.0 kB)" in sentence


# The Hugging Face Hub


def hub_file(server: Server, repo: str, path: str, content: bytes, large: bool = True, revision: str = COMMIT) -> str:
    """Serve a file as the Hub does: a HEAD with its facts; large files lie elsewhere, with their SHA-256 as ETag."""
    address = f"/{repo}/resolve/{revision}/{path}"
    facts = {"X-Repo-Commit": COMMIT}
    if large:
        server.files[f"/cdn/{path}"] = content
        linked = {"X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Linked-Size": str(len(content))}
        server.redirects[address] = {**facts, **linked, "Location": f"{server.cdn}/cdn/{path}"}
    else:
        server.files[address] = content
        server.headers[address] = {**facts, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
    return address


HUB = Mirror("hub", "someone/models", "a/w.pt", revision=COMMIT)


@pytest.mark.parametrize("large", [True, False])
def test_hub(server, folder, large, monkeypatch):
    hub_file(server, "someone/models", "a/w.pt", DATA, large)
    got(server.row(HUB), folder, endpoint=server.address)
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    got(server.row(HUB), folder / "again")


def test_hub_space_and_resuming(server, folder):
    space = replace(HUB, repo_type="space")
    hub_file(server, "spaces/someone/models", "a/w.pt", DATA)
    server.will(cut_off(90_000), path="/cdn/a/w.pt")
    got(server.row(space), folder, endpoint=server.address)
    assert [row for row in server.seen if row[0] == "GET"] == [
        ("GET", "/cdn/a/w.pt", None),
        ("GET", "/cdn/a/w.pt", "bytes=90000-"),
    ]


def test_hub_states_another_checksum(server, folder):
    hub_file(server, "someone/models", "a/w.pt", OTHER)
    got(server.row(HUB, server.mirror()), folder, endpoint=server.address)
    assert [path for method, path, _ in server.seen if method == "GET"] == ["/file"]  # nothing fetched in vain


def test_hub_checksum_stands_in_for_an_unknown_one(server, folder):
    address = hub_file(server, "someone/models", "a/w.pt", DATA)
    row = server.row(HUB, sha256=None, bytes=None)
    got(row, folder, endpoint=server.address)
    server.files["/cdn/a/w.pt"] = OTHER
    assert address in server.redirects
    refused(row, folder / "again", "someone/models sent another file", endpoint=server.address)


def test_hub_troubles(server, folder, waits):
    refused(server.row(HUB), folder, "someone/models answered 404", endpoint=server.address)
    assert waits == []
    refused(server.row(HUB), folder, "someone/models cannot be reached", endpoint="http://127.0.0.1:9")
    assert len(waits) == QUICK.attempts - 1
    server.files["/someone/models/resolve/main/a/w.pt"] = DATA  # no Hub: no ETag, no commit
    got(server.row(replace(HUB, revision="main")), folder, endpoint=server.address)


def test_hub_cache_is_used_in_place(server, folder, tmp_path):
    snapshot = tmp_path / "hub" / "models--someone--models" / "snapshots" / COMMIT / "a"
    snapshot.mkdir(parents=True)
    (snapshot / "w.pt").write_bytes(DATA)
    row = server.row(HUB, server.mirror())
    assert fetch(row, folder, offline=True) == snapshot / "w.pt"
    (snapshot / "w.pt").write_bytes(OTHER)  # someone else's, so it is neither used nor touched
    with pytest.raises(ChecksumMismatch):
        fetch(row, folder, offline=True)
    got(replace(row, mirrors=row.mirrors[1:]), folder)


# Files on this machine


def test_local_folder_is_used_in_place(server, folder, tmp_path, monkeypatch):
    local = tmp_path / "mine"
    local.mkdir()
    (local / "w.pt").write_bytes(DATA)
    assert fetch(server.row(), folder, local) == local / "w.pt"
    monkeypatch.setenv("HYPERSTYLE_WEIGHTS", str(local))
    assert fetch(server.row(), folder) == local / "w.pt"
    assert server.ranges == []
    assert not folder.exists()
    (local / "w.pt").write_bytes(OTHER)
    with pytest.raises(ChecksumMismatch, match="its checksum is another one"):
        fetch(server.row(), folder)
    (local / "w.pt").unlink()
    got(server.row(), folder)


def test_a_damaged_download_is_replaced(server, folder):
    folder.mkdir()
    (folder / "w.pt").write_bytes(DATA[:-1])
    with pytest.raises(ChecksumMismatch, match="299999 bytes long"):
        fetch(server.row(), folder, offline=True)
    got(server.row(), folder)


def test_offline(server, folder, monkeypatch):
    refused(server.row(), folder, "switched off", offline=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused(server.row(), folder, "switched off")
    assert server.ranges == []
    assert not folder.exists()


def test_verify(server, tmp_path):
    path, row = tmp_path / "w.pt", server.row()
    with pytest.raises(WeightsMissing, match="does not exist"):
        verify(path, row)
    path.write_bytes(DATA)
    assert verify(path, row) == "sha256"
    assert verify(path, replace(row, sha256=None)) == "size"
    path.write_bytes(OTHER)
    with pytest.raises(ChecksumMismatch):
        verify(path, row)
    with pytest.raises(WeightsMissing, match="Could not read"):
        verify(path / "below", row)


def test_default_folder(tmp_path, monkeypatch):
    assert download.default_folder() == tmp_path / "cache" / "originals"
    monkeypatch.delenv("HYPERSTYLE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert download.default_folder() == tmp_path / "hyperstyle" / "originals"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert download.default_folder() == Path.home() / ".cache" / "hyperstyle" / "originals"


def test_size_text():
    sizes = (12, 2_808, 1_440_969_951, None)
    assert [size_text(size) for size in sizes] == ["12 bytes", "2.8 kB", "1.44 GB", "unknown size"]


# Writing


def test_full_disk(server, folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    with pytest.raises(CannotWrite, match=r"300\.0 kB .* only 1\.0 MB"):
        fetch(server.row(), folder, patience=QUICK)
    assert server.ranges == []
    with pytest.raises(CannotWrite, match="only"):  # here only the server knows how large it is
        fetch(server.row(bytes=None), folder, patience=QUICK)
    assert server.ranges == [None]
    with pytest.raises(CannotWrite, match="600"):
        download_set(weights_set(server), (), folder)


def test_disk_that_fills_up_on_the_way(server, folder):
    """A limit on file sizes fails writes half way, as a full disk does; what has arrived is kept."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(CannotWrite, match="Could not write"):
            fetch(server.row(), folder, patience=QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    got(server.row(), folder)
    assert server.ranges == [None, "bytes=100000-"]


def test_nowhere_to_write(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="Could not write"):
        fetch(server.row(), tmp_path / "file" / "weights", patience=QUICK)


def test_two_at_a_time(server, folder):
    """The second waits for the first, and then finds the file instead of writing into the same part."""
    arrived = threading.Event()

    def slowly(handler: Handler, content: bytes) -> None:
        arrived.set()
        time.sleep(0.1)
        serve(handler, content)

    server.will(slowly)
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch(server.row(), folder, patience=QUICK)))]
    threads[0].start()
    assert arrived.wait(2)
    got(server.row(), folder)
    threads[0].join()
    assert found == [folder / "w.pt"]
    assert server.ranges == [None]


# Sets and the command


def weights_set(server: Server) -> WeightsSet:
    server.files["/second"] = DATA
    server.files["/third"] = OTHER
    second = replace(server.row(server.mirror("/second")), name="v.pt")
    third = replace(server.row(server.mirror("/third")), name="t.npy", bytes=None, sha256=None)
    return WeightsSet("tiny", "A tiny set", required=(server.row(), second), text=(third,))


def test_download_set(server, folder, tmp_path):
    wanted = weights_set(server)
    local = tmp_path / "mine"
    local.mkdir()
    (local / "v.pt").write_bytes(DATA)
    assert [row.name for row in missing_files(wanted, ["text"], folder, local)] == ["w.pt", "t.npy"]
    paths = download_set(wanted, ["text"], folder, local, patience=QUICK)
    assert paths == {"w.pt": folder / "w.pt", "v.pt": local / "v.pt", "t.npy": folder / "t.npy"}
    assert missing_files(wanted, ["text"], folder, local) == []
    assert locate(wanted.required[0], folder) == folder / "w.pt"
    with pytest.raises(DownloadFailed, match=r"A file is not on this machine.*v\.pt \(300"):
        download_set(wanted, [], folder, offline=True)


@pytest.fixture
def run(server, monkeypatch, capsys):
    """Run the command on a set served by `server`."""
    monkeypatch.setattr(registry, "SETS", (weights_set(server),))

    def run(*words: object, typed: str | None = None) -> tuple[int, str, str]:
        stdin = io.StringIO(typed or "")
        stdin.isatty = lambda: typed is not None
        monkeypatch.setattr("sys.stdin", stdin)
        code = main(["download", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    assert logging.getLogger("hyperstyle").handlers == []


def test_command_asks_then_downloads(run, server, folder):
    code, out, err = run("tiny", "--text", "--to", folder, typed="y\n")
    assert code == 0, err
    for part in ("Terms of nobody", "Use it as you like.", "https://example.org/terms", "600.0 kB and 1 file of"):
        assert part in err
    assert re.search(r"w\.pt +300\.0 kB +yes", out)
    assert re.search(r"t\.npy +300\.0 kB +no checksum", out)
    seen = len(server.seen)
    assert run("tiny", "--text", "--to", folder)[0] == 0  # nothing to download, so nothing to ask
    assert len(server.seen) == seen


def test_command_takes_no_for_an_answer(run, server, folder):
    code, out, err = run("tiny", "--to", folder, typed="n\n")
    assert (code, out.strip()) == (1, "")
    assert err.endswith("Nothing was downloaded, because the licences were not accepted.\n")
    assert server.seen == []
    code, _, err = run("tiny", "--to", folder)
    assert code == 2
    assert "no terminal to ask" in err
    assert "--yes" in err
    assert server.seen == []


def test_command_with_yes_into_the_default_folder(run, tmp_path):
    code, _, err = run("tiny", "--yes")
    assert code == 0
    assert "Terms of nobody" in err
    assert (tmp_path / "cache" / "originals" / "w.pt").read_bytes() == DATA
    assert run("tiny", "--offline")[0] == 0


def test_command_verifies(run, folder):
    code, out, err = run("tiny", "--text", "--verify", "--to", folder)
    assert code == 1
    assert re.search(r"w\.pt +missing", out)
    assert err == "3 of 3 files are missing or wrong; get them with: python -m hyperstyle download tiny --text\n"
    run("tiny", "--text", "--yes", "--to", folder)
    code, out, err = run("tiny", "--text", "--verify", "--to", folder)
    assert (code, err) == (0, "")
    assert re.search(r"w\.pt +right \(SHA-256\)", out)
    assert re.search(r"t\.npy +there; no checksum is known", out)
    (folder / "w.pt").write_bytes(OTHER)
    code, out, err = run("tiny", "--verify", "--weights", folder)
    assert code == 1
    assert re.search(r"w\.pt +wrong", out)
    assert "1 of 2" in err


def test_command_failures(run, server, folder, tmp_path):
    server.files.pop("/second")
    code, out, err = run("tiny", "--yes", "--to", folder)
    assert (code, out) == (1, "")
    assert "answered 404" in err.splitlines()[-1]
    assert (folder / "w.pt").exists()  # what worked stays
    code, _, err = run("tiny", "--offline")
    assert code == 1
    assert "switched off" in err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("tinny",), "did you mean 'tiny'?"),
        ((), "NAME"),
        (("tiny", "--weights", "/nowhere"), "There is no folder /nowhere"),
        (("tiny", "--nothing"), "--nothing"),
    ],
)
def test_command_wrong_usage(run, server, words, part):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert part in err
    assert len(err.splitlines()) == 1
    assert server.seen == []


def test_command_help(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "Examples" in out
    for part in ("download ffhq --text --verify", "--weights", "--to", "--offline", "--yes", "ffhq, afhq_wild, cars"):
        assert part in out


def test_bars(server, monkeypatch):
    """On a terminal each file gets a bar, which begins with what was there before."""
    from hyperstyle.cli.download import _bars

    shown = io.StringIO()
    shown.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    with _bars() as show:
        show(download.DownloadProgress(server.row(), 1000, None, 0.0))
        show(download.DownloadProgress(server.row(), 300_000, 300_000, 5e6))
    assert "w.pt" in shown.getvalue()
    assert "300.0/300.0 kB" in shown.getvalue()
