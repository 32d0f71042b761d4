"""A file appears whole or not at all, and what keeps it from appearing becomes one sentence."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyperstyle.errors import CannotWrite, UsageError

MAX_NAME_BYTES = 255  # of a file's name without its folder, on nearly every disk; an umlaut takes two, an emoji four
_LONGEST_START = 50  # characters of up to four bytes, where most disks take names of up to 255


def fit_name(start: str, end: str) -> str:
    """A file's name out of two parts, the first of them cut where the name would be too long for a disk.

    What is cut leaves a trace, so that two names that differ only there stay two; the same name is cut the same way.
    """
    name = start + end
    if len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return name
    end = "~" + hashlib.sha256(os.fsencode(start)).hexdigest()[:8] + end
    return os.fsencode(start)[: MAX_NAME_BYTES - len(os.fsencode(end))].decode("utf-8", errors="ignore") + end


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Write a file that takes its name only once it is complete.

    Whatever stops the writing, even Ctrl-C, leaves an earlier file as it was and nothing beside it. Of two that write
    the same file at once, the last one to finish stays.

    Args:
        path: The file; an existing one is replaced.

    Yields:
        An empty file in the same folder, to write to.

    Raises:
        CannotWrite: In place of any OSError: disk full, no permission, no such folder.
    """
    path = Path(path)
    # Beside the file, because only a rename inside one file system is atomic.
    part = path.parent / f".{path.name[:_LONGEST_START]}.{uuid.uuid4().hex[:8]}.part"
    with writing(path):
        try:
            part.open("xb").close()
            yield part
            os.replace(part, path)
        finally:
            with suppress(OSError):
                part.unlink()  # already gone when all went well


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, as `whole` does."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def make_folder(path: str | Path) -> None:
    """Make a folder, and those it lies in, unless it is there.

    Raises:
        CannotWrite: It cannot be made.
    """
    with writing(path):
        Path(path).mkdir(parents=True, exist_ok=True)


def check_writable(path: str | Path, *others: str | Path | None) -> None:
    """Refuse a place where no file can be written, before any long work starts.

    Args:
        path: The file.
        others: Files that are read, or written as well, and must not be lost; None is nothing.

    Raises:
        CannotWrite: No such folder, no permission, too long a name, or `path` itself is a folder.
        UsageError: It is one of the others, whatever it is called.
    """
    path = Path(path)
    for other in others:
        if other is not None and same_file(path, other):
            raise UsageError(
                f"{path} and {other} are the same file; choose another name for the result, so that nothing is lost."
            )
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        raise CannotWrite(
            f"The name {path.name[:20]}... is too long for a file; choose one of at most {MAX_NAME_BYTES} bytes, which "
            "are fewer letters where some have accents."
        )
    if os.path.isdir(path):
        raise CannotWrite(f"{path} is a folder; give the name of a file.")
    if not os.path.isdir(path.parent):
        raise CannotWrite(f"There is no folder {path.parent}; create it first or choose another place.")
    if not os.access(path.parent, os.W_OK):
        raise CannotWrite(f"There is no permission to write to {path.parent}; choose another place.")


def same_file(one: str | Path, other: str | Path) -> bool:
    """Whether two names stand for one file or folder: through links, or in other letters where the disk ignores case.

    Of files that are not there yet, the names decide.
    """
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # ValueError: a NUL character in a name
        return os.path.abspath(os.path.realpath(one)) == os.path.abspath(os.path.realpath(other))


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn what the operating system says while a file or folder is written into one sentence.

    Raises:
        CannotWrite: In place of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"Could not write {path}: {_reason(error, Path(path).parent)}.") from error


def _reason(error: OSError, folder: Path) -> str:
    """Why writing failed, and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; free some space or choose another folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "there is no permission to write there; choose another folder"
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not folder.is_dir():
        return f"{folder} is not a folder; create it first or choose another one"
    if error.errno == errno.EEXIST:
        return "a file of that name is in the way; choose another name"
    if error.errno == errno.EISDIR:
        return "a folder of that name is there; choose another name"
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long; choose a shorter one"
    return f"{(error.strerror or str(error)).lower()}; choose another folder or name"
