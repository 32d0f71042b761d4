"""Poisson blending as a membrane: the smoothest change of colour that meets given values at a border.

Pasting a picture's gradients instead of its colours (Poisson image editing) is the same as adding to the picture the
solution of Laplace's equation whose border values are the photo minus the picture.

Source: Perez, Gangnet and Blake, "Poisson Image Editing" (SIGGRAPH 2003), equation 4 and its correction form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_COARSEST = 4  # pixels; below this there is nothing left to halve
_SWEEPS = 24  # per level; starting from the coarser level's answer the error is then far below one grey level
_OVERSHOOT = 1.7  # successive over-relaxation, for red and black cells in turn


def membrane(values: Plane, known: NDArray[np.bool_]) -> Plane:
    """Extend known values over the unknown cells as a soap film would.

    Outer edges of the array bend freely (Neumann), so a face at the photo's border needs no values there.

    Args:
        values: (C, H, W); what stands in unknown cells does not matter.
        known: (H, W); without any known cell the result is 0.

    Returns:
        (C, H, W), equal to `values` where known.
    """
    if not known.any():
        return np.zeros_like(values)
    height, width = known.shape
    if min(height, width) > _COARSEST and not known.all():
        coarse_values, coarse_known = _halve(values, known)
        start = membrane(coarse_values, coarse_known).repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
    else:
        start = np.broadcast_to(values[:, known].mean(axis=1)[:, None, None], values.shape)
    film = np.where(known, values, start).astype(np.float32)
    if known.all():
        return film
    rows, columns = np.indices(known.shape)
    cells = [~known & ((rows + columns) % 2 == colour) for colour in (0, 1)]
    for _ in range(_SWEEPS):
        for half in cells:
            padded = np.pad(film, ((0, 0), (1, 1), (1, 1)), "edge")
            mean = (padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]) / 4
            film = np.where(half, film + _OVERSHOOT * (mean - film), film)
    return film


def _halve(values: Plane, known: NDArray[np.bool_]) -> tuple[Plane, NDArray[np.bool_]]:
    """Average known cells over blocks of 2 x 2; a block is known if any of its cells is."""
    height, width = known.shape
    odd = ((0, height % 2), (0, width % 2))
    weight = np.pad(known.astype(np.float32), odd)
    weighted = np.pad(np.where(known, values, 0), ((0, 0), *odd))
    blocks = (weight.shape[0] // 2, 2, weight.shape[1] // 2, 2)
    count = weight.reshape(blocks).sum(axis=(1, 3))
    total = weighted.reshape(-1, *blocks).sum(axis=(2, 4))
    return (total / np.maximum(count, 1)).astype(np.float32), count > 0
