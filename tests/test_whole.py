"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image

from hyperstyle.errors import CannotWrite
from hyperstyle.files.whole import check_writable, make_folder, whole, write_text
from hyperstyle.images import save_picture
from hyperstyle.movies import save_movie
from hyperstyle.recipes import Recipe
from hyperstyle.tensor_file import write_tensors
from hyperstyle.training.checkpoints import load_checkpoint, save_checkpoint

SIDE = 256


def noise() -> Image.Image:
    return Image.frombytes("RGB", (SIDE, SIDE), os.urandom(3 * SIDE * SIDE))


WRITERS: dict[str, Callable[[Path], object]] = {
    "face.txt": lambda path: write_text(path, "x" * 100_000),
    "face.png": lambda path: save_picture(noise(), path),
    "signed.png": lambda path: save_picture(noise(), path, finish=lambda content: content),
    "face.mp4": lambda path: save_movie([noise()] * 4, path, 24),
    "face.gif": lambda path: save_movie([noise()] * 4, path, 24),
    "face.safetensors": lambda path: write_tensors(path, {"x": torch.zeros(50_000)}, {}),
    "face.hyperstyle.json": lambda path: Recipe("tiny", style="x" * 40).save(path),
    "checkpoint.pt": lambda path: save_checkpoint(path, {"x": torch.zeros(50_000)}),
}


def write_half(path: Path, error: BaseException) -> None:
    with whole(path) as part:
        part.write_text("half", encoding="utf-8")
        raise error


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel refuses longer files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_takes_the_place_of_another_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "face.txt"
    write_text(path, "before")
    with whole(path) as part:
        part.write_text("after", encoding="utf-8")
        assert part.parent == tmp_path
        assert path.read_text(encoding="utf-8") == "before"
    assert path.read_text(encoding="utf-8") == "after"
    assert os.listdir(tmp_path) == ["face.txt"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask  # as any other file, not only for its owner


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "face.txt"
    write_text(path, "before")
    with pytest.raises(type(error)):
        write_half(path, error)
    assert path.read_text(encoding="utf-8") == "before"
    assert os.listdir(tmp_path) == ["face.txt"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EACCES, "there is no permission to write there; choose another folder"),
        (errno.EROFS, "there is no permission to write there; choose another folder"),
        (errno.ENAMETOOLONG, "the name is too long; choose a shorter one"),
        (errno.EIO, "some reason; choose another folder or name"),
    ],
)
def test_what_the_system_says_becomes_one_sentence(tmp_path: Path, code: int, words: str) -> None:
    path = tmp_path / "face.txt"
    with pytest.raises(CannotWrite) as caught:
        write_half(path, OSError(code, "Some Reason"))
    assert str(caught.value).startswith(f"Could not write {path}: {words}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "face.hyperstyle.json"])
def test_a_full_disk(tmp_path: Path, name: str) -> None:
    """Real ones, through every kind of writer; a recipe is smaller than what any of the others may write."""
    path = tmp_path / name
    path.write_bytes(b"before")
    with files_of_at_most(2_000), pytest.raises(CannotWrite, match="the disk is full; free some space"):
        WRITERS[name](path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ("face.mp4", "face.gif", "checkpoint.pt")])
def test_a_missing_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotWrite, match="missing is not a folder; create it first"):
        WRITERS[name](tmp_path / "missing" / name)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite, match="file is not a folder; create it first"):
        WRITERS[name](tmp_path / "file" / name)
    assert os.listdir(tmp_path) == ["file"]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root, as in a container, may write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if root:
            os.setresuid(0, 0, 0)


@pytest.mark.parametrize("name", ["face.txt", "face.png", "face.safetensors", "face.hyperstyle.json"])
def test_a_folder_that_is_read_only(name: str) -> None:
    with tempfile.TemporaryDirectory() as made:  # pytest's own folders are closed to others
        folder = Path(made)
        folder.chmod(0o555)
        with as_nobody():
            for use in (WRITERS[name], check_writable, make_folder):
                with pytest.raises(CannotWrite, match="no permission to write"):
                    use(folder / name)
        assert list(folder.iterdir()) == []
        folder.chmod(0o755)


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_in_the_way(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(CannotWrite, match="folder"):
        WRITERS[name](tmp_path / name)
    with pytest.raises(CannotWrite, match="is a folder; give the name of a file"):
        check_writable(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["x" * 400, "\N{GRINNING FACE}" * 100])
def test_a_name_that_is_too_long(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotWrite, match="the name is too long; choose a shorter one"):
        write_text(tmp_path / name, "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 255, "\N{GRINNING FACE}" * 63])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "x")
    assert os.listdir(tmp_path) == [name]


def test_two_who_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "face.txt"
    with whole(path) as one:
        one.write_text("one", encoding="utf-8")
        with whole(path) as two:
            two.write_text("two", encoding="utf-8")
            assert len(os.listdir(tmp_path)) == 2
        assert path.read_text(encoding="utf-8") == "two"
        one.write_text("one, later", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "one, later"
    assert os.listdir(tmp_path) == ["face.txt"]


def test_folders_are_made(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite, match=r"Could not write .*file: a file of that name is in the way"):
        make_folder(tmp_path / "file")
    with pytest.raises(CannotWrite, match=r"Could not write .*inside: .*file is not a folder"):
        make_folder(tmp_path / "file" / "inside")


def test_an_interrupted_checkpoint_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "stage" / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    with files_of_at_most(500), pytest.raises(CannotWrite, match="the disk is full"):
        save_checkpoint(path, {"step": 2, "x": torch.zeros(1000)})
    assert load_checkpoint(path) == {"step": 1}
