"""Loss terms shared by the stages."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.resizing import pool_to


def face_weight(size: int, extra: float) -> Tensor:
    """Weight map (1, 1, size, size): 1 at the border, 1 + extra over eyes, nose and mouth of an aligned face."""
    t = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    y, x = torch.meshgrid(t, t, indexing="ij")
    # In the FFHQ frame the eyes lie at 0.48 of the height and the mouth at 0.75.
    return (1 + extra * torch.exp(-((((x - 0.5) / 0.27) ** 2 + ((y - 0.59) / 0.27) ** 2) ** 2)))[None, None]


def perceptual_loss(network: EmbeddingNetwork, result: Tensor, target: Tensor, stages: int = 3) -> Tensor:
    """Distance between feature maps of the first stages, each relative to its own size; a scalar."""
    size = network.config.input_size
    with torch.no_grad():
        wanted = network.features(pool_to(target, size))[:stages]
    got = network.features(pool_to(result, size))[:stages]
    terms = [(a - b).abs().mean() / (b.abs().mean() + 1e-6) for a, b in zip(got, wanted, strict=True)]
    return torch.stack(terms).mean()


def identity_loss(network: EmbeddingNetwork, result: Tensor, target: Tensor) -> Tensor:
    """1 - cosine between identity vectors, averaged."""
    size = network.config.input_size
    with torch.no_grad():
        wanted = network(pool_to(target, size))
    return (1 - (network(pool_to(result, size)) * wanted).sum(1)).mean()


def pixel_loss(result: Tensor, target: Tensor, l2: float, l1: float) -> Tensor:
    """Weighted squared and absolute differences; a scalar."""
    return l2 * (result - target).square().mean() + l1 * (result - target).abs().mean()


def judged_loss(
    attributes: EmbeddingNetwork,
    identity: EmbeddingNetwork,
    result: Tensor,
    target: Tensor,
    perceptual_weight: float,
    identity_weight: float,
) -> Tensor:
    """Weighted perceptual and identity loss: what networks that look at faces say; a scalar."""
    seen = perceptual_weight * perceptual_loss(attributes, result, target)
    return seen + identity_weight * identity_loss(identity, result, target)


def psnr_of(a: Tensor, b: Tensor) -> Tensor:
    """Mean peak signal-to-noise ratio in dB over a batch of pictures, clamped to [-1, 1] first; a scalar."""
    return metrics.psnr(a.clamp(-1, 1), b.clamp(-1, 1)).mean()


def psnr(a: Tensor, b: Tensor) -> float:
    """`psnr_of` as a number: a device that computes ahead waits for it."""
    return float(psnr_of(a, b))
