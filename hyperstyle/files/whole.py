"""A file appears whole or not at all, and what keeps it from appearing becomes one sentence."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyperstyle.errors import CannotWrite

_LONGEST_START = 50  # characters of up to four bytes, where most disks take names of up to 255


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


def check_writable(path: str | Path) -> None:
    """Refuse a place where no file can be written, before any long work starts.

    Raises:
        CannotWrite: No such folder, no permission, or `path` itself is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise CannotWrite(f"{path} is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise CannotWrite(f"There is no folder {path.parent}; create it first or choose another place.")
    if not os.access(path.parent, os.W_OK):
        raise CannotWrite(f"There is no permission to write to {path.parent}; choose another place.")


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
