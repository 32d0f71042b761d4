"""Values that travel between the parts: styles, weight offsets and the small inversion, with checks, save and load."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

Styles = tuple[Tensor, ...]
"""One (B, in_channels) tensor per generator layer, in table order."""

Deltas = Mapping[str, Tensor]
"""Relative weight offsets by layer name, broadcastable to (B, out, in, k, k): effective weight = weight x (1 + delta)."""
