"""Pickles without code: only a fixed list of harmless constructors runs, everything else is refused by name.

Two published formats are plain pickles: StyleCLIP's statistics (NumPy arrays) and NVIDIA's networks (tensors inside
pickled modules, together with source code that nobody runs here).
"""

from __future__ import annotations

import collections
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hyperstyle.errors import ForeignWeights, WeightsCorrupt, WeightsMissing


class Inert:
    """Stands in for an object whose class is not loaded: keeps the state it was pickled with, and does nothing."""

    def __init__(self, meta: Any = None) -> None:
        self.state: dict[str, Any] = dict(meta.get("state", {})) if isinstance(meta, dict) else {}
        self.class_name: str = str(meta.get("class_name", "")) if isinstance(meta, dict) else ""


class _Record(dict):
    """NVIDIA's dictionary with attributes, without the attributes."""


def _storage_from_bytes(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _encode(text: str, encoding: str) -> bytes:
    """How old pickles spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding}")
    return text.encode("latin1")


def _reconstruct(kind: Any, shape: Any, code: Any) -> Any:
    """Start an array that its state will fill."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("an array of another class")
    return np.ndarray.__new__(np.ndarray, shape, dtype=code)


def _scalar(kind: Any, content: bytes) -> Any:
    return np.frombuffer(content, kind)[0]


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # NumPy 2 renamed a module.
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("torch.storage", "_load_from_bytes"): _storage_from_bytes,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Inert,
    ("dnnlib.util", "EasyDict"): _Record,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a reference to something outside the file")


def unpickle(path: str | Path) -> Any:
    """Read a pickle; nothing but known constructors of arrays, tensors and containers runs.

    Raises:
        WeightsMissing: There is no such file.
        ForeignWeights: It asks for anything else; the message names it.
        WeightsCorrupt: It is damaged.
    """
    try:
        with Path(path).open("rb") as file:
            return _Unpickler(file).load()
    except FileNotFoundError:
        raise WeightsMissing(f"There is no file {path}.") from None
    except OSError as error:
        raise WeightsMissing(f"Could not read {path}: {error.strerror or error}.") from None
    except pickle.UnpicklingError as error:
        raise ForeignWeights(
            f"The file {path} was not opened, because it would need {error}, which weights have no use for; get it "
            "from a source you trust."
        ) from None
    except Exception as error:  # a damaged pickle raises anything
        raise WeightsCorrupt(f"The file {path} is damaged; get it again.") from error
