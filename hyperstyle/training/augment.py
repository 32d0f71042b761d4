"""Small photographic disturbances, so that networks trained on drawings survive real cameras and imperfect crops."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def photographic(x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Disturb crop, exposure, colour and sharpness a little, each picture in its own way.

    Args:
        x: (B, 3, H, W) in [-1, 1].
        generator: Source of the randomness.
        strength: 0 changes nothing, 1 is what alignment and cameras do at worst.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    n = x.shape[0]

    def rand(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) * strength

    scale, angle = 1 + 0.05 * rand(n), 0.05 * rand(n)
    shift = 0.05 * rand(n, 2)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    gain, lift = 1 + 0.15 * rand(n, 3, 1, 1) * 0.4 + 0.12 * rand(n, 1, 1, 1), 0.06 * rand(n, 1, 1, 1)
    x = x * gain + lift
    noise = torch.randn(x.shape, generator=generator) * (0.03 * strength * torch.rand(n, 1, 1, 1, generator=generator))
    return (x + noise).clamp(-1, 1)
