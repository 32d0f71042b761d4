"""Open foreign files without running anything that is in them."""

from __future__ import annotations

import argparse
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyperstyle.errors import ForeignWeights, WeightsCorrupt, WeightsMissing
from hyperstyle.tensor_file import read_tensors

HTML = (b"<!do", b"<htm", b"<HTM", b"<!DO")


def read_checkpoint(path: str | Path) -> Any:
    """Read a PyTorch checkpoint (or a safetensors file): tensors, containers and plain values only.

    Large files are mapped, so that converting them does not hold them in memory.

    Raises:
        WeightsMissing: There is no such file.
        WeightsCorrupt: It is empty, cut short or damaged.
        ForeignWeights: It is a web page, or holds more than tensors and plain values.
    """
    path = Path(path)
    start = _start_of(path)
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    zipped = start.startswith(b"PK")
    if zipped and not zipfile.is_zipfile(path):
        raise WeightsCorrupt(f"The file {path} is cut short; get it again.")
    try:
        # Options of a training run are sometimes kept as a namespace, which is a plain container.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual pickles, in words for developers
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        if "global" in str(error).lower():  # PyTorch names what the file asks for
            raise ForeignWeights(
                f"The file {path} was not opened, because it holds more than tensors and plain values, and opening "
                "such a file can run code; get it from a source you trust."
            ) from None
        raise WeightsCorrupt(f"The file {path} is damaged or no checkpoint; get it again.") from None
    except Exception as error:  # a damaged file raises anything
        raise WeightsCorrupt(f"The file {path} is damaged; get it again.") from error


def read_array(path: str | Path) -> Tensor:
    """Read a `.npy` file of numbers as float32; raises as `read_checkpoint`."""
    path = Path(path)
    _start_of(path)
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float32))
    except (ValueError, OSError, EOFError, TypeError) as error:
        raise WeightsCorrupt(f"The file {path} is not an array of numbers, or damaged; get it again.") from error


def tensors_in(content: Any, *keys: str) -> dict[str, Tensor]:
    """Return the state dict of a checkpoint: under the first of the keys that is there, or the content itself.

    Empty if there are no tensors.
    """
    found = next((content[key] for key in keys if isinstance(content, Mapping) and key in content), content)
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise WeightsMissing(f"There is no file {path}.") from None
    except OSError as error:
        raise WeightsMissing(f"Could not read {path}: {error.strerror or error}.") from None
    if not start:
        raise WeightsCorrupt(f"The file {path} is empty (0 bytes); get it again.")
    if start in HTML:
        raise ForeignWeights(
            f"The file {path} is a web page, as a site sends it when a download needs a click or its quota is used up; "
            "get the file itself."
        )
    return start
