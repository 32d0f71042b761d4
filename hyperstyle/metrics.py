"""Numbers that say how alike two pictures are: (B, 3, H, W) in [-1, 1] twice in, one value per picture (B,) out."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.resizing import pool_to

CROP_FRAME_PX = 256  # crops of embedding networks are written down for aligned faces of this size
PSNR_CAP_DB = 100.0  # equal pictures: infinity would spoil every mean
# Exponents of the five scales, finest first: Wang, Simoncelli, Bovik, "Multiscale structural similarity" (2003).
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW_PX, WINDOW_SIGMA_PX = 11, 1.5  # the same paper's Gaussian window


def identity(model: EmbeddingNetwork, a: Tensor, b: Tensor) -> Tensor:
    """Cosine similarity of two faces' identity embeddings: 1 for the same face, about 0 for strangers."""
    return F.cosine_similarity(model(face_part(model, a)), model(face_part(model, b)), dim=1)


def face_part(model: EmbeddingNetwork, x: Tensor) -> Tensor:
    """Cut out and pool what an embedding network reads of an aligned face."""
    if model.config.crop:
        top, bottom, left, right = model.config.crop
        x = pool_to(x, CROP_FRAME_PX)[:, :, top:bottom, left:right]
    return pool_to(x, model.config.input_size)


def perceptual(model: EmbeddingNetwork, a: Tensor, b: Tensor) -> Tensor:
    """Distance of two faces in the feature maps of a network that knows faces: 0 for equal pictures.

    Each stage's maps are scaled to unit length over channels at every position, then compared by their mean squared
    difference; stages add up. Source: the construction of LPIPS (arXiv 1801.03924) with equal weights.

    Args:
        model: The domain's attribute network.
        a: Pictures.
        b: Pictures of the same shape.
    """
    size = model.config.input_size
    total = torch.zeros(a.shape[0], device=a.device)
    for maps_a, maps_b in zip(model.features(pool_to(a, size)), model.features(pool_to(b, size)), strict=True):
        difference = F.normalize(maps_a, dim=1) - F.normalize(maps_b, dim=1)
        total = total + difference.square().sum(1).mean((1, 2))
    return total


def features(model: EmbeddingNetwork, a: Tensor) -> Tensor:
    """What a network's last map holds on average, (B, C): a description of pictures for `frechet_distance`."""
    return model.features(face_part(model, a))[-1].mean((2, 3))


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Distance of two sets of pictures as normal distributions of their features: 0 for the same distribution.

    With Inception features this is the FID; values of other features, and of other numbers of pictures, cannot be
    compared with it.

    Args:
        a: (N, C) features of one set, N of 2 or more.
        b: (M, C) of the other.

    Source: Heusel et al. (arXiv 1706.08500), equation 6.
    """
    a, b = a.double(), b.double()
    apart = (a.mean(0) - b.mean(0)).square().sum()
    a, b = (one.sub(one.mean(0)).div(math.sqrt(len(one) - 1)) for one in (a, b))  # covariances are a'a and b'b
    # The trace of the root of their product. Its eigenvalues are the squared singular values of ab', the smaller matrix
    # for a few pictures; for many, they are those of a symmetric (C, C) matrix.
    if min(len(a), len(b)) < a.shape[1]:
        shared = torch.linalg.svdvals(a @ b.t()).sum()
    else:
        values, vectors = torch.linalg.eigh(a.t() @ a)
        root = vectors * values.clamp_min(0).sqrt() @ vectors.t()
        shared = torch.linalg.eigvalsh(root @ (b.t() @ b) @ root).clamp_min(0).sqrt().sum()
    return float((apart + a.square().sum() + b.square().sum() - 2 * shared).clamp_min(0))


def l2(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference over all values, in the [-1, 1] scale."""
    _check_same_shape(a, b)
    return (a - b).square().mean((1, 2, 3))


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for a range of 2 (from -1 to 1), capped at `PSNR_CAP_DB`."""
    return (10 * torch.log10(4 / l2(a, b).clamp_min(1e-20))).clamp_max(PSNR_CAP_DB)


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Multi-scale structural similarity: 1 for equal pictures.

    Every scale halves the picture, and the window needs 11 px, so five scales need 176 px. A smaller picture uses as
    many scales as fit (128 px: four) with the paper's weights divided by their sum; values at different sizes are
    therefore not comparable to the last digit.

    Source: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment" (2003).

    Raises:
        ShapeMismatch: Different shapes, or a side below 11 px.
    """
    _check_same_shape(a, b)
    side = min(a.shape[-2:])
    if side < WINDOW_PX:
        raise ShapeMismatch(f"Structural similarity needs pictures of at least {WINDOW_PX} px, not {side} px.")
    scales = ms_ssim_scales(side)
    weights = torch.tensor(MS_SSIM_WEIGHTS[:scales], device=a.device)
    weights = weights / weights.sum()
    a, b = (a + 1) / 2, (b + 1) / 2  # the paper's constants are for values from 0 upwards, here 0 to 1
    result = torch.ones(a.shape[0], device=a.device)
    for scale in range(scales):
        luminance, contrast = _ssim_parts(a, b)
        last = scale == scales - 1
        # Negative similarity (opposite structure) has no real power; the usual clamp keeps the product defined.
        value = (luminance * contrast if last else contrast).mean((1, 2, 3)).clamp_min(0)
        result = result * value ** weights[scale]
        if not last:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return result


def published_ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """MS-SSIM exactly as HyperStyle's evaluation computes it, for comparing with published tables.

    It differs from `ms_ssim`: pictures stay in [-1, 1], there are always five scales, nothing is clamped (an opposite
    structure gives NaN), and the range behind the constants is guessed for every scale and pair from the first
    picture: from -1 or 0 (nothing below -0.5) to 1.

    Args:
        a: The result, (B, 3, H, W), 176 px or more.
        b: The truth.
    """
    _check_same_shape(a, b)
    return torch.stack([_published_pair(one[None], other[None]) for one, other in zip(a, b, strict=True)])


def _published_pair(a: Tensor, b: Tensor) -> Tensor:
    result = torch.ones((), device=a.device)
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        value_range = 2.0 if float(a.min()) < -0.5 else 1.0
        luminance, contrast = _ssim_parts(a, b, value_range)
        last = scale == len(MS_SSIM_WEIGHTS) - 1
        result = result * (luminance * contrast if last else contrast).mean() ** weight
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return result


def ms_ssim_scales(side_px: int) -> int:
    """How many of the five scales fit a picture whose shorter side is `side_px`."""
    scales = 1
    while scales < len(MS_SSIM_WEIGHTS) and side_px // 2**scales >= WINDOW_PX:
        scales += 1
    return scales


def _ssim_parts(a: Tensor, b: Tensor, value_range: float = 1.0) -> tuple[Tensor, Tensor]:
    """Luminance term and contrast-structure term of SSIM as maps, for pictures of a range of values."""
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    mean_a, mean_b = _blur(a), _blur(b)
    var_a = _blur(a * a) - mean_a**2
    var_b = _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    contrast = (2 * covariance + c2) / (var_a + var_b + c2)
    return luminance, contrast


def _blur(x: Tensor) -> Tensor:
    """Gaussian window mean at every position where the window fits."""
    steps = torch.arange(WINDOW_PX, device=x.device, dtype=x.dtype) - (WINDOW_PX - 1) / 2
    window = torch.exp(-(steps**2) / (2 * WINDOW_SIGMA_PX**2))
    window = (window / window.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(x, window, groups=x.shape[1])
    return F.conv2d(x, window.transpose(2, 3), groups=x.shape[1])


def _check_same_shape(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise ShapeMismatch(f"Two pictures of the same shape are needed, not {tuple(a.shape)} and {tuple(b.shape)}.")
