"""Which type of number is fast on this machine, and where that pays."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path

import torch

# Below this, generators are small, and converting between types costs what bfloat16 saves: at 128 px a render took
# 13.7 ms in bfloat16 and 15.1 in float32, encoder and hypernetwork took longer.
SMALLEST_FOR_BF16_PX = 512
# Converting to and from bfloat16 is not free, so its products must be clearly faster than float32's.
WORTHWHILE = 1.25
_SIDE, _TRIES = 768, 7


@lru_cache
def cpu_gains_from_bf16() -> bool:
    """Whether this processor multiplies bfloat16 clearly faster than float32; measured once, in some milliseconds.

    The processor's flags alone do not tell: with AVX-512 BF16 units products took half of float32's time on an AMD
    EPYC, and twice its time on an Intel Xeon whose AMX units the virtual machine hid.
    """
    return _has_bf16_units() and _product_s(torch.float32) > WORTHWHILE * _product_s(torch.bfloat16)


def _has_bf16_units() -> bool:
    """Whether the processor has instructions for bfloat16; without them it is always slower, and slow to measure."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _product_s(dtype: torch.dtype) -> float:
    """Seconds for one matrix product: the fastest of several, so that a busy machine does not change the answer."""
    a = torch.ones(_SIDE, _SIDE, dtype=dtype)
    times = []
    for _ in range(_TRIES):
        started_s = time.perf_counter()
        torch.mm(a, a)
        times.append(time.perf_counter() - started_s)
    return min(times)


def fast_dtype(device: torch.device, resolution: int) -> torch.dtype:
    """Choose the type of number that networks of a size are run in.

    Args:
        device: Where they run.
        resolution: Of the generator, px.

    Returns:
        bfloat16 on CUDA and on processors that multiply it faster, for generators of 512 px and more; else float32.
    """
    if resolution < SMALLEST_FOR_BF16_PX:
        return torch.float32
    able = device.type == "cuda" or (device.type == "cpu" and cpu_gains_from_bf16())
    return torch.bfloat16 if able else torch.float32
