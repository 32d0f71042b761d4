"""Which type of number is fast on this machine, and where that pays."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

# Below this, maps fit the caches anyway, and converting between types costs what bfloat16 saves: at 128 px a render
# took 13.7 ms in bfloat16 and 15.1 in float32, encoder and hypernetwork took longer.
SMALLEST_FOR_BF16_PX = 256


@lru_cache
def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AVX-512 BF16 or AMX); without that bfloat16 is slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def fast_dtype(device: torch.device, resolution: int) -> torch.dtype:
    """Choose the type of number that networks of a size are run in.

    Args:
        device: Where they run.
        resolution: Of the generator, px.

    Returns:
        bfloat16 on CUDA and on processors with bfloat16 units, for generators of 256 px and more; else float32.
    """
    able = device.type == "cuda" or (device.type == "cpu" and cpu_has_bf16())
    return torch.bfloat16 if able and resolution >= SMALLEST_FOR_BF16_PX else torch.float32
