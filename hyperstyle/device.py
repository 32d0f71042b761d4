"""Choose the device and the number of threads, once, in one place."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from hyperstyle.errors import DeviceMissing, did_you_mean

DEVICE_NAMES = ("auto", "cpu", "cuda", "mps")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resolve_device(name: str = "auto") -> torch.device:
    """Turn a device name into a device this machine has.

    Args:
        name: "auto" (CUDA, then Apple's GPU, then the processor), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        DeviceMissing: The name is unknown, or the machine has no such device.
    """
    kind, _, index = name.strip().lower().partition(":")
    if kind not in DEVICE_NAMES or (index and (kind != "cuda" or not index.isdecimal())):
        raise DeviceMissing(f"There is no device called '{name}'; {did_you_mean(name, DEVICE_NAMES)}")
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if kind == "auto":
        kind = "cuda" if has_cuda else "mps" if has_mps else "cpu"
    if kind == "cuda" and not has_cuda:
        raise DeviceMissing("This machine has no CUDA device PyTorch can use; choose --device cpu or auto.")
    if kind == "mps" and not has_mps:
        raise DeviceMissing("This machine has no Apple GPU PyTorch can use; choose --device cpu or auto.")
    if index and int(index) >= torch.cuda.device_count():
        raise DeviceMissing(
            f"There is no device '{name}'; this machine has {torch.cuda.device_count()} CUDA device(s)."
        )
    return torch.device(kind, int(index)) if index else torch.device(kind)


def visible_cores() -> int:
    """Count the processor cores this process may run on (an affinity mask or a container can hide some)."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def set_threads() -> None:
    """Give PyTorch one thread per core this process may use, unless `OMP_NUM_THREADS` already says otherwise.

    More threads than cores makes OpenMP's barriers wait for a thread that is not running: up to 20 times slower.
    """
    if not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(min(visible_cores(), torch.get_num_threads()))


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Say what measured times depend on: processor or GPU, threads, PyTorch."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "system": platform.system(),
        "processor": gpu or platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
    }


def forget_peak_memory(device: torch.device) -> None:
    """Start measuring peak memory anew, where the system allows it (CUDA, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        _CLEAR.write_text("5")  # Linux: sets the process's highest memory back to what it has now


def peak_memory_mb(device: torch.device) -> float:
    """Highest memory since `forget_peak_memory`: of the GPU on CUDA, else of the whole process (elsewhere ever)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024 / 1e6
    import resource  # not on Windows

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1e6 if platform.system() == "Darwin" else used * 1024 / 1e6
