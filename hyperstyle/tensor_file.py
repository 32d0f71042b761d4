"""Read and write safetensors files: atomically, never running what a file contains, and with errors that help.

Weights and saved faces are both such files; this module knows neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from hyperstyle.errors import ForeignWeights, WeightsCorrupt, WeightsMissing
from hyperstyle.files.whole import whole

# How files that people mistake for safetensors begin, and what they are.
FOREIGN_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a PyTorch or zip file"),
    (b"\x80\x02", "a pickle file"),
    (b"\x80\x03", "a pickle file"),
    (b"\x80\x04", "a pickle file"),
    (b"\x80\x05", "a pickle file"),
    (b"<", "a web page"),
    (b"version https://git-lfs", "a placeholder for a file kept in Git LFS"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors to a file that appears complete or not at all.

    Args:
        path: The file; an existing one is replaced.
        tensors: By name; moved to the CPU.
        metadata: Text entries for the file's header.

    Raises:
        CannotWrite: The folder is missing, not writable, or the disk is full.
    """
    content = encode_tensors(tensors, metadata)
    with whole(path) as part:
        part.write_bytes(content)


def encode_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Make the contents of a file; arguments as in `write_tensors`."""
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(ready, dict(metadata))


def decode_tensors(content: bytes, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the contents of a file, as `read_tensors` does.

    Args:
        content: From `encode_tensors`, or what somebody sent as such.
        what: Start of the sentence if it cannot be read, for example "The face in this recipe".

    Raises:
        WeightsCorrupt: It is not a safetensors file, or damaged.
    """
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsCorrupt(f"{what} is damaged or cut short; get it again from where it was saved.") from error
    return tensors, dict(header.get("__metadata__") or {})


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file.

    Args:
        path: The file.

    Returns:
        The tensors by name, as stored, on the CPU; and the header's text entries.

    Raises:
        WeightsMissing: There is no such file, or it cannot be opened.
        WeightsCorrupt: The file is empty, cut short or damaged.
        ForeignWeights: The file is of another kind, for example a pickle; it is not opened further.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except FileNotFoundError:
        raise WeightsMissing(f"The file {path} does not exist; check the name or restore it.") from None
    except OSError as error:
        raise WeightsMissing(f"Could not read {path}: {error.strerror or error}.") from error
    if not start:
        raise WeightsCorrupt(f"The file {path} is empty; restore it or download it again.")
    # A safetensors file begins with its header's length, which can look like another format's mark; then JSON follows.
    named = [] if start[8:9] == b"{" else [kind for magic, kind in FOREIGN_STARTS if start.lstrip().startswith(magic)]
    if named:
        raise ForeignWeights(f"The file {path} is {named[0]}, not a safetensors file, so it was not opened.")
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            metadata = dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsCorrupt(
            f"The file {path} is damaged, cut short or not a safetensors file; restore it or download it again."
        ) from error
    except OSError as error:
        raise WeightsMissing(f"Could not read {path}: {error.strerror or error}.") from error
    return tensors, metadata
