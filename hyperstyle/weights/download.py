"""Fetch published weights: from a local folder if they are there, else from the mirrors, checked before they are used.

A download grows in a `.part` file beside its target, so an interrupted one goes on where it stopped, and gets its final
name once its checksum is right. What one mirror cannot do, the next one may.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from typing import Literal

import httpx
from filelock import FileLock, Timeout

from hyperstyle.domains import cache_folder
from hyperstyle.errors import CannotWrite, ChecksumMismatch, DownloadFailed, WeightsMissing
from hyperstyle.files.whole import writing
from hyperstyle.version import VERSION
from hyperstyle.weights.registry import Extra, Mirror, WeightsFile, WeightsSet

logger = logging.getLogger(__name__)

LOCAL_FOLDER_VARIABLE = "HYPERSTYLE_WEIGHTS"
# Without `confirm`, Drive answers for large files with a page that asks whether to go on without a virus scan.
DRIVE_ADDRESS = "https://drive.usercontent.google.com/download?id={id}&export=download&confirm=t"
SPARE_BYTES = 64 * 2**20  # left free on the disk, so that a download does not fill it to the brim
STEADY_BYTES = 2**20  # an attempt that got this much further counts as progress, and the attempts start anew
PAGE_BYTES = 2**16  # how much of a web page is read to find out what it says
HTML_STARTS = (b"<!doctype html", b"<html")
QUOTA_WORDS = ("quota", "too many users")  # in Drive's page about a file that was fetched too often
PASSING = (408, 425, 429)  # these and all 5xx statuses are worth another try

Check = Literal["sha256", "git blob", "size", "nothing"]


@dataclass(frozen=True)
class Patience:
    """How long to wait for servers, and how often to ask again."""

    connect_s: float = 10.0
    read_s: float = 30.0  # for the next bytes, not for the whole file
    attempts: int = 4  # in a row without getting further
    backoff_s: float = 1.0  # before the second attempt; doubles each time
    longest_wait_s: float = 60.0  # a server that asks for a longer pause is left alone


@dataclass(frozen=True)
class DownloadProgress:
    """How far a file is.

    Args:
        file: Which one.
        done: Bytes on the disk, including those of earlier runs.
        total: Bytes in all, or None while unknown.
        bytes_per_s: Over the last few seconds.
    """

    file: WeightsFile
    done: int
    total: int | None
    bytes_per_s: float


OnProgress = Callable[[DownloadProgress], None]
PATIENCE = Patience()


class _NextMirror(Exception):
    """This mirror does not help; the text, a few words, completes "MIRROR ..."."""


class _TryAgain(Exception):
    """A passing trouble; the text is as for `_NextMirror`."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.wait_s = wait_s


@dataclass(frozen=True)
class _Source:
    """A mirror's plain address, and what it says about the file."""

    url: str
    bytes: int | None = None
    sha256: str | None = None


# What is here already


def default_folder() -> Path:
    """Name the folder downloads go to: `originals` in `domains.cache_folder()`."""
    return cache_folder() / "originals"


def locate(row: WeightsFile, folder: Path, local_folder: Path | None = None) -> Path | None:
    """Find a file on this machine, without checking what is in it.

    Args:
        row: The file.
        folder: Where downloads go.
        local_folder: Looked into first; default: the folder the variable HYPERSTYLE_WEIGHTS names.

    Returns:
        The first that exists: in `local_folder`, in `folder`, in the Hugging Face cache; None if none does.
    """
    return next(_places(row, folder, _local(local_folder)), None)


def verify(path: Path, row: WeightsFile) -> Check:
    """Check that a file is the published one.

    Args:
        path: The file.
        row: What it should be.

    Returns:
        What it was recognised by; "size" and "nothing" mean that no checksum is known, so a damaged or exchanged file
        would pass.

    Raises:
        WeightsMissing: There is no such file, or it cannot be read.
        ChecksumMismatch: It is another file, or damaged.
    """
    return _verify(path, row, row.sha256)


def missing_files(
    weights_set: WeightsSet, extras: Collection[Extra], folder: Path, local_folder: Path | None = None
) -> list[WeightsFile]:
    """List the files of a set that are not on this machine; a quick look that compares sizes and no checksums."""
    missing = []
    for row in weights_set.files(extras):
        path = locate(row, folder, local_folder)
        if path is None or row.bytes not in (None, path.stat().st_size):
            missing.append(row)
    return missing


def size_text(size: int | None) -> str:
    """Say a number of bytes as people do, in decimal units."""
    if size is None:
        return "unknown size"
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= one:
            return f"{size / one:.2f} {unit}" if unit == "GB" else f"{size / one:.1f} {unit}"
    return f"{size} bytes"


# Fetching


def download_set(
    weights_set: WeightsSet,
    extras: Collection[Extra] = (),
    folder: Path | None = None,
    local_folder: Path | None = None,
    offline: bool = False,
    on_progress: OnProgress | None = None,
    *,
    patience: Patience = PATIENCE,
    endpoint: str | None = None,
) -> dict[str, Path]:
    """Get the files of a set, each as `fetch` does.

    Args:
        weights_set: The set.
        extras: Which of its optional files to get as well.
        folder: Where downloads go; default: `default_folder()`.
        local_folder: Looked into first.
        offline: Only use what is on this machine.
        on_progress: Called several times a second while bytes arrive.
        patience: How long to wait for servers.
        endpoint: The Hugging Face Hub's address; default: HF_ENDPOINT, else the public one.

    Returns:
        By file name, where each file is. Files found on this machine stay where they are.

    Raises:
        DownloadFailed, ChecksumMismatch, CannotWrite: As `fetch`; files fetched before stay.
    """
    folder = folder or default_folder()
    missing = missing_files(weights_set, extras, folder, local_folder)
    if not _is_offline(offline):
        # All of them at once, lest the disk is full after the first gigabytes.
        _need_space(folder, sum(row.bytes or row.rough_bytes or 0 for row in missing) - _arrived(folder, missing))
    elif missing:
        raise _switched_off(missing, folder)
    paths = {}
    for row in weights_set.files(extras):
        paths[row.name] = fetch(row, folder, local_folder, offline, on_progress, patience=patience, endpoint=endpoint)
    return paths


def fetch(
    row: WeightsFile,
    folder: Path | None = None,
    local_folder: Path | None = None,
    offline: bool = False,
    on_progress: OnProgress | None = None,
    *,
    patience: Patience = PATIENCE,
    endpoint: str | None = None,
) -> Path:
    """Get one file: found on this machine and used in place, or downloaded from the first mirror that has it.

    Args:
        row: The file.
        folder: Where the download goes; made if need be; default: `default_folder()`.
        local_folder: Looked into first; default: the folder the variable HYPERSTYLE_WEIGHTS names.
        offline: Only use what is on this machine; HF_HUB_OFFLINE=1 means the same.
        on_progress: Called several times a second while bytes arrive.
        patience: How long to wait for servers.
        endpoint: The Hugging Face Hub's address; default: HF_ENDPOINT, else the public one.

    Returns:
        The file, checked.

    Raises:
        DownloadFailed: No mirror could deliver it, or downloading is off; the message says what to do.
        ChecksumMismatch: A file of this name is on this machine, but it is not the published one.
        CannotWrite: The disk is too full, or the folder cannot be written to.
    """
    folder = folder or default_folder()
    offline = _is_offline(offline)
    found = _found(row, folder, local_folder, offline)
    if found is not None:
        return found
    if offline:
        raise _switched_off([row], folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(folder / f".{row.name}.lock", row):
            # Another process may have fetched it while this one waited.
            found = _found(row, folder, local_folder, offline)
            return found or _Download(row, folder, on_progress, patience, endpoint).run()


class _Download:
    """One file on its way into a folder."""

    def __init__(
        self, row: WeightsFile, folder: Path, on_progress: OnProgress | None, patience: Patience, endpoint: str | None
    ) -> None:
        self.row = row
        self.folder = folder
        self.patience = patience
        self.endpoint = endpoint
        self.meter = _Meter(row, on_progress)

    def run(self) -> Path:
        """Try the mirrors in order."""
        answers = []
        for mirror in self.row.mirrors:
            logger.info("downloading %s from %s", self.row.name, mirror.title)
            try:
                return self._from(mirror)
            except _NextMirror as trouble:
                logger.warning("%s: %s %s", self.row.name, mirror.title, trouble)
                answers.append(f"{mirror.title} {trouble}")
                part = _part(self.row, mirror, self.folder)
                if part.is_file() and not _size(part):
                    part.unlink()
        raise DownloadFailed(
            f"Could not download {self.row.name}: {'; '.join(answers)}; {_by_hand([self.row], self.folder)}"
        )

    def _from(self, mirror: Mirror) -> Path:
        """Get the file from one mirror, or raise `_NextMirror`."""
        part = _part(self.row, mirror, self.folder)
        inherited = _size(part) > 0  # bytes from an earlier run or another mirror, which this one cannot vouch for
        while True:
            source, from_zero = self._patiently(mirror, part)
            try:
                check = _verify(part, self.row, self.row.sha256 or source.sha256)
            except ChecksumMismatch as mismatch:
                part.unlink()
                if inherited and not from_zero:
                    inherited = False
                    continue
                raise _NextMirror("sent another file, or a damaged one") from mismatch
            target = self.folder / self.row.name
            part.replace(target)
            logger.info("%s is complete; checked: %s", target, check)
            return target

    def _patiently(self, mirror: Mirror, part: Path) -> tuple[_Source, bool]:
        """Stream until the part is whole, with pauses after troubles that may pass."""
        failures, furthest = 0, _size(part)
        while True:
            try:
                # Asked anew each time: the addresses that the Hub hands out expire.
                source = self._source(mirror)
                with httpx.Client(
                    follow_redirects=True,
                    max_redirects=8,
                    timeout=httpx.Timeout(self.patience.read_s, connect=self.patience.connect_s),
                    headers={"User-Agent": f"hyperstyle/{VERSION}"},
                ) as client:
                    return source, self._stream(client, source, part)
            except _TryAgain as trouble:
                arrived = _size(part)
                failures = 1 if arrived >= furthest + STEADY_BYTES else failures + 1
                furthest = max(furthest, arrived)
                if failures >= self.patience.attempts:
                    raise _NextMirror(str(trouble)) from trouble
                wait_s = trouble.wait_s
                if wait_s is None:
                    # At random, so that many who were cut off together do not all come back together.
                    longest_s = min(self.patience.longest_wait_s, self.patience.backoff_s * 2 ** (failures - 1))
                    wait_s = longest_s * random.uniform(0.5, 1)
                elif wait_s > self.patience.longest_wait_s:
                    raise _NextMirror(f"{trouble} and asks to wait {wait_s:.0f} s") from trouble
                logger.warning("%s: %s %s; trying again", self.row.name, mirror.title, trouble)
                time.sleep(wait_s)

    def _source(self, mirror: Mirror) -> _Source:
        """Find out a mirror's plain address."""
        if mirror.kind == "url":
            return _Source(mirror.address)
        if mirror.kind == "drive":
            return _Source(DRIVE_ADDRESS.format(id=mirror.address))
        source = _ask_hub(mirror, self.endpoint, self.patience)
        # Known before a gigabyte has been fetched in vain.
        if self.row.sha256 and source.sha256 and source.sha256 != self.row.sha256:
            raise _NextMirror("has a file with another checksum")
        return source

    def _stream(self, client: httpx.Client, source: _Source, part: Path) -> bool:
        """Append what is missing to the part.

        Returns:
            Whether all of the part came from this one answer.
        """
        known = self.row.bytes or source.bytes
        offset = _size(part)
        if known is not None and offset > known:
            part.unlink()
            offset = 0
        if offset and offset == known:
            return False
        _need_space(self.folder, (known or 0) - offset)
        # Unpacked on the way, lengths and offsets would mean something else than bytes of the file.
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            with client.stream("GET", source.url, headers=headers) as response:
                if response.status_code == 416:  # there is nothing from the offset on
                    if response.headers.get("Content-Range") == f"bytes */{offset}":
                        return False  # because the part is whole
                    part.unlink(missing_ok=True)
                    raise _TryAgain("has less of the file than an earlier attempt got")
                _refuse_errors(response)
                resumed = response.status_code == 206
                start, total = _extent(response)
                if start != (offset if resumed else 0):
                    part.unlink(missing_ok=True)
                    raise _TryAgain("answered with another piece of the file than was asked for")
                chunks = response.iter_bytes()
                first = next(chunks, b"")
                if start == 0 and first.lstrip()[:16].lower().startswith(HTML_STARTS):
                    raise _NextMirror(_what_the_page_says(first))
                if known is not None and total is not None and total != known:
                    raise _NextMirror(f"announces {total} bytes instead of {known}")
                total = known or total
                _need_space(self.folder, (total or 0) - start)
                self._write(chain([first], chunks), part, start, total)
        except httpx.TimeoutException as error:
            raise _TryAgain("did not answer in time") from error
        except httpx.ConnectError as error:
            raise _TryAgain("cannot be reached") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _TryAgain("broke off the connection") from error
        except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise _NextMirror("leads nowhere") from error
        return not resumed

    def _write(self, chunks: Iterable[bytes], part: Path, start: int, total: int | None) -> None:
        """Put an answer's body into the part, from `start` on."""
        done = start
        with part.open("ab" if start else "wb") as file:
            for chunk in chunks:
                done += len(chunk)
                if total is not None and done > total:
                    file.truncate(0)
                    raise _NextMirror(f"sends more than {total} bytes")
                file.write(chunk)
                self.meter.show(done, total)
        if total is not None and done < total:
            raise _TryAgain(f"broke off after {done} of {total} bytes")
        self.meter.show(done, done, last=True)


class _Meter:
    """Tells the caller how far a download is, a few times a second."""

    PAUSE_S = 0.1
    WINDOW_S = 5.0

    def __init__(self, row: WeightsFile, on_progress: OnProgress | None) -> None:
        self._row = row
        self._tell = on_progress
        self._seen: deque[tuple[float, int]] = deque()

    def show(self, done: int, total: int | None, last: bool = False) -> None:
        if self._tell is None:
            return
        now = time.monotonic()
        if self._seen and now - self._seen[-1][0] < self.PAUSE_S and not last:
            return
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()  # it started over
        self._seen.append((now, done))
        while now - self._seen[0][0] > self.WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()
        then, before = self._seen[0]
        self._tell(DownloadProgress(self._row, done, total, (done - before) / (now - then) if now > then else 0.0))


# Answers of servers


def _ask_hub(mirror: Mirror, endpoint: str | None, patience: Patience) -> _Source:
    """Ask the Hugging Face Hub where a file lies, how long it is and, for large files, for its checksum."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    hub = endpoint or os.environ.get("HF_ENDPOINT") or None
    url = hf_hub_url(mirror.address, mirror.path, repo_type=mirror.repo_type, revision=mirror.revision, endpoint=hub)
    try:
        facts = get_hf_file_metadata(url, timeout=patience.read_s)
    except Exception as error:  # which kinds there are depends on the library below huggingface_hub, and that changes
        response = getattr(error, "response", None)
        if response is None:
            raise _TryAgain("cannot be reached") from error
        raise _status_trouble(response.status_code, response.headers.get("Retry-After")) from error
    etag = facts.etag or ""
    return _Source(facts.location or url, facts.size, etag if re.fullmatch("[0-9a-f]{64}", etag) else None)


def _refuse_errors(response: httpx.Response) -> None:
    """Raise what an answer that is not a file deserves."""
    if response.status_code not in (200, 206):
        raise _status_trouble(response.status_code, response.headers.get("Retry-After"))
    if "html" in response.headers.get("Content-Type", "").lower():
        page = b""
        for chunk in response.iter_bytes():
            page += chunk
            if len(page) >= PAGE_BYTES:
                break
        raise _NextMirror(_what_the_page_says(page))


def _status_trouble(status: int, retry_after: str | None) -> _NextMirror | _TryAgain:
    """Tell a status worth another try from one that is final."""
    try:
        phrase = f" {httpx.codes(status).name.replace('_', ' ').lower()}"
    except ValueError:
        phrase = ""
    what = f"answered {status}{phrase}"
    if status in PASSING or status >= 500:
        return _TryAgain(what, _seconds(retry_after))
    return _NextMirror(what)


def _seconds(retry_after: str | None) -> float | None:
    """Understand a Retry-After header: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())


def _what_the_page_says(page: bytes) -> str:
    text = page.decode("utf-8", "replace").lower()
    if any(word in text for word in QUOTA_WORDS):
        return "sent a page saying that its download quota is used up"
    return "sent a web page instead of the file"


def _extent(response: httpx.Response) -> tuple[int, int | None]:
    """Where an answer's bytes begin in the file, and how long the whole file is, if it says so."""
    if response.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if found is None:
            return -1, None
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    packed = response.headers.get("Content-Encoding", "identity") != "identity"
    return 0, int(length) if length.isdigit() and not packed else None


# Files


def _local(local_folder: Path | None) -> Path | None:
    named = os.environ.get(LOCAL_FOLDER_VARIABLE)
    return local_folder or (Path(named).expanduser() if named else None)


def _places(row: WeightsFile, folder: Path, local: Path | None) -> Iterator[Path]:
    """Yield the files of that name on this machine, those a person put there first."""
    for place in dict.fromkeys(filter(None, (local, folder))):
        if (place / row.name).is_file():
            yield place / row.name
    yield from _in_hub_cache(row)


def _found(row: WeightsFile, folder: Path, local_folder: Path | None, offline: bool) -> Path | None:
    """The first file on this machine that is right.

    One that a person provides has to be right. Others can be replaced, so a wrong one counts as absent; offline it
    cannot, and saying what is wrong with it helps more than calling it missing.
    """
    local = _local(local_folder)
    wrong = None
    for path in _places(row, folder, local):
        try:
            verify(path, row)
        except ChecksumMismatch as mismatch:
            if path.parent == local and local != folder:
                raise
            logger.warning("%s is not the published file and is not used", path)
            wrong = wrong or mismatch
        else:
            return path
    if wrong is not None and offline:
        raise wrong
    return None


def _in_hub_cache(row: WeightsFile) -> Iterator[Path]:
    """Yield copies that other programs, or the build of a Space, left in the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    for mirror in row.mirrors:
        if mirror.kind == "hub":
            found = try_to_load_from_cache(
                mirror.address, mirror.path, revision=mirror.revision, repo_type=mirror.repo_type
            )
            if isinstance(found, str):  # otherwise a mark that the repository has no such file
                yield Path(found)


def _verify(path: Path, row: WeightsFile, sha256: str | None) -> Check:
    try:
        size = path.stat().st_size
        if row.bytes is not None and size != row.bytes:
            raise ChecksumMismatch(
                f"{path} is {size} bytes long, but the published {row.name} has {row.bytes}; "
                f"remove it, or download it again."
            )
        if sha256 is not None:
            kind: Check = "sha256"
            right = _digest(path, hashlib.sha256()) == sha256
        elif row.git_blob is not None:
            kind = "git blob"
            # Git names a file by the SHA-1 of its length and its contents.
            right = _digest(path, hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)) == row.git_blob
        else:
            return "nothing" if row.bytes is None else "size"
    except FileNotFoundError:
        raise WeightsMissing(f"The file {path} does not exist.") from None
    except OSError as error:
        raise WeightsMissing(f"Could not read {path}: {error.strerror or error}.") from error
    if not right:
        raise ChecksumMismatch(
            f"{path} is not the published {row.name}: its checksum is another one; remove it, or download it again."
        )
    return kind


def _digest(path: Path, hasher: hashlib._Hash) -> str:
    with path.open("rb") as file:
        while block := file.read(2**20):
            hasher.update(block)
    return hasher.hexdigest()


def _part(row: WeightsFile, mirror: Mirror, folder: Path) -> Path:
    """Where the bytes of an unfinished download are."""
    if row.checkable:
        return folder / f"{row.name}.part"
    # Without a checksum nothing would notice two halves of different files, so each mirror has a part of its own.
    origin = hashlib.sha256(f"{mirror.kind} {mirror.address} {mirror.path} {mirror.revision}".encode()).hexdigest()
    return folder / f"{row.name}.{origin[:8]}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _arrived(folder: Path, rows: Collection[WeightsFile]) -> int:
    """Bytes of these files that earlier runs left in parts."""
    return sum(_size(part) for part in {_part(row, mirror, folder) for row in rows for mirror in row.mirrors})


def _need_space(folder: Path, size: int) -> None:
    """Refuse to start what the disk cannot hold.

    Raises:
        CannotWrite: It is too full.
    """
    if size <= 0:
        return
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < size + SPARE_BYTES:
        raise CannotWrite(
            f"{size_text(size)} are still to be downloaded into {folder}, but only {size_text(free)} are free there; "
            f"free some space or choose another folder with --to."
        )


@contextmanager
def _only_one(path: Path, row: WeightsFile) -> Iterator[None]:
    """Let one process at a time fetch a file; the others wait for it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("another process is downloading %s; waiting for it", row.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_offline(offline: bool) -> bool:
    return offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _switched_off(missing: Collection[WeightsFile], folder: Path) -> DownloadFailed:
    count = "A file is" if len(missing) == 1 else f"{len(missing)} files are"
    return DownloadFailed(f"{count} not on this machine, and downloading is switched off; {_by_hand(missing, folder)}")


def _by_hand(rows: Collection[WeightsFile], folder: Path) -> str:
    listed = ", ".join(f"{row.name} ({_about(row)})" for row in rows)
    them = "it" if len(rows) == 1 else "them"
    return f"put {listed} into {folder} yourself, or name a folder that has {them} with --weights FOLDER."


def _about(row: WeightsFile) -> str:
    return f"about {size_text(row.rough_bytes)}" if row.bytes is None and row.rough_bytes else size_text(row.bytes)
