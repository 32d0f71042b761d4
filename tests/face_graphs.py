"""Two tiny graphs in TensorFlow.js's format, under the names of the public face networks and with their operations."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]


def write_graphs(folder: Path) -> Path:
    """Write both graphs with random weights; the first one's are half-precision, as the real one's are."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * 0.3).astype(np.float32)

    first: Arrays = {
        "k": normal(3, 3, 3, 4) / 255,
        "b": normal(4),
        "six": np.array(6, np.float32),
        "zero": np.array(0, np.float32),
        "d": normal(3, 3, 4, 1),
        "m": normal(4),
        "axes": np.array([1, 2], np.int32),
    }
    _write(
        folder / "faceres.json",
        [
            ("x", "Placeholder", [], {}),
            ("c", "Conv2D", ["x", "k"], _conv(2, "SAME")),
            ("a", "Add", ["c", "b"], {}),
            ("r", "Relu", ["a"], {}),
            ("low", "Minimum", ["r", "six"], {}),
            ("clip", "Maximum", ["low", "zero"], {}),
            ("dw", "DepthwiseConv2dNative", ["clip", "d"], _conv(1, "SAME")),
            ("scaled", "Mul", ["dw", "m"], {}),
            ("global_pooling/Mean", "Mean", ["scaled", "axes"], {}),
            ("unused", "Relu", ["global_pooling/Mean"], {}),
        ],
        first,
        half=True,
    )
    second: Arrays = {
        "off": np.array(127.5, np.float32),
        "per": np.array(0.0078125, np.float32),
        "edge": np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32),
        "k": normal(38, 38, 3, 4) / 10,
        "zero": np.array(0, np.float32),
        "slope": normal(4),
        "flat": np.array([-1, 36], np.int32),
        "w": normal(36, 5),
        "s": normal(5),
    }
    _write(
        folder / "mobileface.json",
        [
            ("x", "Placeholder", [], {}),
            ("sub", "Sub", ["x", "off"], {}),
            ("mul", "Mul", ["sub", "per"], {}),
            ("pad", "Pad", ["mul", "edge"], {}),
            ("c", "Conv2D", ["pad", "k"], _conv(38, "VALID")),
            ("above", "Maximum", ["zero", "c"], {}),
            ("below", "Minimum", ["zero", "c"], {}),
            ("sloped", "Mul", ["slope", "below"], {}),
            ("prelu", "AddV2", ["above", "sloped"], {}),
            ("flatten", "Reshape", ["prelu", "flat"], {}),
            ("dense", "MatMul", ["flatten", "w"], {}),
            ("batchnorm0/add_1", "AddV2", ["dense", "s"], {}),
        ],
        second,
    )
    return folder


def tensors_of(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """The constants of a written graph, as they were before packing."""
    held = np.load(folder / f"{name}.npz")
    return {key: torch.from_numpy(held[key]) for key in held.files}


def _conv(stride: int, padding: str) -> dict[str, Any]:
    return {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": {"s": base64.b64encode(padding.encode()).decode()},
    }


def _write(
    path: Path, nodes: list[tuple[str, str, list[str], dict[str, Any]]], tensors: Arrays, half: bool = False
) -> None:
    entries, raw = [], b""
    for name, values in tensors.items():
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": str(values.dtype)}
        if half and values.dtype == np.float32:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            values = values.astype("<f2")
            tensors[name] = values.astype(np.float32)
        raw += values.tobytes()
        entries.append(entry)
    graph = {
        "modelTopology": {
            "node": [{"name": name, "op": "Const"} for name in tensors]
            + [{"name": n, "op": op, "input": inputs, "attr": attributes} for n, op, inputs, attributes in nodes]
        },
        "weightsManifest": [{"paths": [path.stem + ".bin"], "weights": entries}],
    }
    path.with_suffix(".bin").write_bytes(raw)
    path.write_text(json.dumps(graph))
    np.savez(path.with_suffix(".npz"), **tensors)
