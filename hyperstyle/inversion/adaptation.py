"""Domain adaptation: a face's offsets on another generator that was fine-tuned from the same one (toons, sketches).

    w_plus  from ReStyle (or the W encoder where there is none)   -> what the face is like
    offsets from HyperStyle, layers of 128 px and up only         -> what makes it this person
    both rendered by the fine-tuned generator

Source: HyperStyle (arXiv 2111.15666), section 5.3, and its released script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hyperstyle.errors import ShapeMismatch
from hyperstyle.inversion.base import inversion_deltas
from hyperstyle.latents import Deltas, Inversion, Styles, add_styles
from hyperstyle.models.fast_synthesis import FastSynthesis
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.layer_table import LayerSpec
from hyperstyle.models.stylegan2 import Generator, Noise

FINE_PX = 128
"""Of a 1024 px generator. Offsets of coarser layers belong to the photo's world, and are left out."""


def fine_px(resolution: int) -> int:
    """Where a generator of another size has its fine layers."""
    return max(4, FINE_PX * resolution // 1024)


def fine_offsets(
    hypernetwork: Hypernetwork, inversion: Inversion, layers: Sequence[LayerSpec], from_px: int = FINE_PX
) -> dict[str, Tensor]:
    """Return an inversion's offsets of the fine layers.

    Args:
        hypernetwork: The one that made the inversion.
        inversion: An encoder's has no offsets.
        layers: The generator's layer table.
        from_px: Lowest output resolution of the layers kept.

    Returns:
        Offsets by layer name, on the hypernetwork's device.
    """
    fine = {row.name for row in layers if row.resolution >= from_px}
    codes, offsets = (
        {name: part for name, part in parts.items() if name in fine} for parts in (inversion.codes, inversion.offsets)
    )
    kept = replace(inversion, codes=codes, steps=inversion.steps if codes else 0, offsets=offsets)
    return inversion_deltas(hypernetwork, kept, next(hypernetwork.parameters()).device)


@torch.no_grad()
def stylise(
    fine_tuned: Generator | FastSynthesis,
    w_plus: Tensor,
    offsets: Deltas,
    style_shifts: Sequence[Styles] = (),
    noise: Noise = "random",
) -> Tensor:
    """Draw faces with a fine-tuned generator.

    Args:
        fine_tuned: Of the same sizes as the generator the latents and offsets were made for.
        w_plus: (B, L, w_dim).
        offsets: From `fine_offsets`.
        style_shifts: Added to the styles, as text edits are.
        noise: As in `Generator.render`; the released script draws it anew.

    Returns:
        (B, 3, R, R), nominally in [-1, 1].

    Raises:
        ShapeMismatch: The generator has other sizes.
    """
    if w_plus.shape[1:] != (fine_tuned.num_ws, fine_tuned.config.w_dim):
        raise ShapeMismatch(
            f"The fine-tuned generator reads latents of shape ({fine_tuned.num_ws}, {fine_tuned.config.w_dim}), not "
            f"{tuple(w_plus.shape[1:])}; it must come from the same generator as the face."
        )
    styles = fine_tuned.to_styles(w_plus.to(fine_tuned.w_avg.device))
    for shift in style_shifts:
        styles = add_styles(styles, shift)
    return fine_tuned.render(styles, offsets, noise=noise)
