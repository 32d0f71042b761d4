"""Disturbances of training pictures, so that networks trained on drawings survive cameras, crops and real texture."""

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


def textured(x: Tensor, generator: torch.Generator, share: float = 0.5) -> Tensor:
    """Give some pictures what drawings lack: texture at every scale, uneven light, other tone curves, foreign patches.

    Photographs are full of these. A hypernetwork that has only seen smooth drawings answers them with offsets that
    make the picture worse; one that has seen them here learns to leave alone what it cannot draw.

    Args:
        x: (B, 3, H, W) in [-1, 1].
        generator: Source of the randomness.
        share: Of the pictures that each disturbance is applied to.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    n, _, height, _ = x.shape

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def chosen(of: float) -> Tensor:
        return (rand(n, 1, 1, 1) < of).float()

    # Texture is mostly of one colour: skin, hair and cloth vary more in brightness than in hue.
    grain = 0.8 * _octaves(n, 1, height, generator, slope=0.7) + 0.2 * _octaves(n, 3, height, generator, slope=0.7)
    x = x + chosen(share) * (0.04 + 0.16 * rand(n, 1, 1, 1)) * grain
    light = _octaves(n, 1, height, generator, slope=2.0)
    x = x + chosen(share) * 0.25 * rand(n, 1, 1, 1) * light * (x + 1)
    gamma = torch.exp(chosen(share) * 0.5 * (2 * rand(n, 1, 1, 1) - 1))
    x = ((x.clamp(-1, 1) + 1) / 2).pow(gamma) * 2 - 1
    # A patch is a soft-edged blob of any colour with a texture of its own: a scarf, a hand, leaves behind the head.
    blob = torch.sigmoid(8 * (_octaves(n, 1, height, generator, slope=1.6) - 0.9 - 0.6 * rand(n, 1, 1, 1)))
    colour = 2 * rand(n, 3, 1, 1) - 1
    patch = colour + 0.4 * rand(n, 1, 1, 1) * _octaves(n, 3, height, generator, slope=0.8)
    return torch.lerp(x, patch, chosen(share) * blob).clamp(-1, 1)


def _octaves(n: int, channels: int, size: int, generator: torch.Generator, slope: float) -> Tensor:
    """Smooth random fields (n, channels, size, size) of unit variance; a larger slope leaves out fine detail."""
    total = torch.zeros(n, channels, size, size)
    power, side = 0.0, 3
    while side <= size:
        weight = (side / 3) ** -slope
        field = torch.randn(n, channels, side, side, generator=generator)
        total += weight * F.interpolate(field, size=size, mode="bilinear", align_corners=False)
        power += weight**2
        side *= 2
    return total / power**0.5


def camera(x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """What differs between two photographs of one face: framing, light, colour, sharpness; some are grey.

    Each picture in its own way; nothing that turns into somebody else.

    Args:
        x: (B, 3, H, W) in [-1, 1].
        generator: Source of the randomness.
        strength: 0 changes nothing but may still make a picture grey, 1 is what cameras and alignment do at worst.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    n = x.shape[0]

    def rand(*shape: int) -> Tensor:
        return ((torch.rand(*shape, generator=generator) * 2 - 1) * strength).to(x.device)

    def share(n: int) -> Tensor:
        return torch.rand(n, 1, 1, 1, generator=generator).to(x.device)

    scale, angle, shift = 1 + 0.06 * rand(n), 0.05 * rand(n), 0.05 * rand(n, 2)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    gamma = torch.exp(0.35 * rand(n, 1, 1, 1))
    tint = 1 + 0.1 * rand(n, 3, 1, 1)
    x = (((x.clamp(-1, 1) + 1) / 2).pow(gamma) * tint).clamp(0, 1) * 2 - 1
    grey = x.mean(1, keepdim=True)
    saturation = (1 + 0.4 * rand(n, 1, 1, 1)) * (share(n) > 0.04)
    contrast, lift = 1 + 0.2 * rand(n, 1, 1, 1), 0.1 * rand(n, 1, 1, 1)
    return ((grey + (x - grey) * saturation) * contrast + lift).clamp(-1, 1)


def worn(x: Tensor, generator: torch.Generator, share: float = 0.3) -> Tensor:
    """Blur, pixelate, cover and roughen some pictures, as small, compressed or half covered ones are.

    Args:
        x: (B, 3, H, W) in [-1, 1].
        generator: Source of the randomness.
        share: Of the pictures that each damage is done to.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    n, _, height, width = x.shape

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(x.device)

    def chosen() -> Tensor:
        return (rand(n, 1, 1, 1) < share).float()

    factor = float(1.5 + 2.5 * torch.rand((), generator=generator))
    small = F.adaptive_avg_pool2d(x, (max(8, int(height / factor)), max(8, int(width / factor))))
    x = torch.lerp(x, F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False), chosen())
    noise = normal_like(x, generator) * (0.1 * rand(n, 1, 1, 1))
    x = x + noise * chosen()
    # A JPEG keeps the means of 8 x 8 cells and coarse steps of what is left.
    coarse = F.interpolate(F.avg_pool2d(x, 8, ceil_mode=True), scale_factor=8)[..., :height, :width]
    step = 0.08 + 0.12 * rand(n, 1, 1, 1)
    x = torch.lerp(x, coarse + ((x - coarse) / step).round() * step, chosen())
    top, left = (rand(2, n, 1, 1, 1) * 0.9).unbind(0)
    side = 0.1 + 0.25 * rand(n, 1, 1, 1)
    ys = torch.linspace(0, 1, height, device=x.device)[None, None, :, None]
    xs = torch.linspace(0, 1, width, device=x.device)[None, None, None, :]
    box = ((ys > top) & (ys < top + side) & (xs > left) & (xs < left + side)).float()
    return torch.lerp(x, 2 * rand(n, 3, 1, 1) - 1, box * chosen()).clamp(-1, 1)


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Normal numbers of a tensor's shape, made where it is: what a processor draws is slow to bring to another device.

    Args:
        x: Any shape.
        generator: On the processor; another device's own generator is seeded from it.
    """
    if x.device.type == "cpu":
        return torch.randn(x.shape, generator=generator)
    seed = int(torch.randint(2**62, (), generator=generator))
    own = torch.Generator(x.device).manual_seed(seed)
    return torch.randn(x.shape, generator=own, device=x.device)
