"""Metrics: known values, limits, and agreement with formulas written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperstyle import metrics
from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.resizing import pool_down, pool_to


@pytest.fixture
def pictures():
    g = torch.Generator().manual_seed(0)
    a = torch.rand(2, 3, 64, 64, generator=g) * 2 - 1
    return a, (a + 0.2 * torch.randn(a.shape, generator=g)).clamp(-1, 1)


class Toy:
    """Stands in for an embedding network: two stages of features, an embedding of the picture's mean colour."""

    class config:  # noqa: N801
        input_size = 8
        crop = ()

    def __call__(self, x):
        assert x.shape[-1] == 8
        return x.mean((2, 3))

    def features(self, x):
        return [x, x[:, :, ::2, ::2]]


def test_equal_pictures(pictures):
    a, _ = pictures
    assert torch.equal(metrics.l2(a, a), torch.zeros(2))
    assert torch.equal(metrics.psnr(a, a), torch.full((2,), metrics.PSNR_CAP_DB))
    torch.testing.assert_close(metrics.ms_ssim(a, a), torch.ones(2))
    torch.testing.assert_close(metrics.identity(Toy(), a, a), torch.ones(2))
    assert torch.equal(metrics.perceptual(Toy(), a, a), torch.zeros(2))


def test_l2_and_psnr_by_hand():
    a, b = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    assert metrics.l2(a, b).item() == 0.25
    assert metrics.psnr(a, b).item() == pytest.approx(10 * math.log10(2**2 / 0.25), abs=1e-4)


def test_identity_is_the_cosine():
    a = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 16, 16)
    b = torch.tensor([1.0, 1.0, 0.0])[None, :, None, None].expand(1, 3, 16, 16)
    assert metrics.identity(Toy(), a, b).item() == pytest.approx(math.sqrt(0.5), abs=1e-6)


def test_perceptual_by_hand():
    a = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 8, 8)
    b = torch.tensor([0.0, 1.0, 0.0])[None, :, None, None].expand(1, 3, 8, 8)
    assert metrics.perceptual(Toy(), a, b).item() == pytest.approx(2 + 2, abs=1e-6)  # squared distance 2, two stages


def test_one_value_per_picture(pictures):
    a, b = pictures
    for measure in (metrics.l2, metrics.psnr, metrics.ms_ssim):
        both = measure(a, b)
        assert both.shape == (2,)
        alone = torch.cat([measure(a[i : i + 1], b[i : i + 1]) for i in range(2)])
        torch.testing.assert_close(both, alone)


def test_more_noise_is_worse(pictures):
    a, b = pictures
    worse = (a + 3 * (b - a)).clamp(-1, 1)
    assert (metrics.l2(a, worse) > metrics.l2(a, b)).all()
    assert (metrics.psnr(a, worse) < metrics.psnr(a, b)).all()
    assert (metrics.ms_ssim(a, worse) < metrics.ms_ssim(a, b)).all()
    assert (metrics.perceptual(Toy(), a, worse) > metrics.perceptual(Toy(), a, b)).all()


@pytest.mark.parametrize(
    ("side", "scales"), [(11, 1), (21, 1), (22, 2), (64, 3), (128, 4), (175, 4), (176, 5), (1024, 5)]
)
def test_scales_fit_the_picture(side, scales):
    assert metrics.ms_ssim_scales(side) == scales


def test_ms_ssim_at_one_scale_is_ssim(pictures):
    """At 16 px only one scale fits, and its weight is then 1: plain SSIM, computed here window by window."""
    a, b = (x[:1, :, :16, :16] for x in pictures)
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / np.outer(line, line).sum()
    values = []
    x, y = ((t.numpy()[0].astype(np.float64) + 1) / 2 for t in (a, b))
    for channel in range(3):
        for top in range(6):
            for left in range(6):
                p, q = (z[channel, top : top + 11, left : left + 11] for z in (x, y))
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq, cov = (
                    (window * p * p).sum() - mp**2,
                    (window * q * q).sum() - mq**2,
                    (window * p * q).sum() - mp * mq,
                )
                c1, c2 = 0.01**2, 0.03**2
                values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert metrics.ms_ssim(a, b).item() == pytest.approx(np.mean(values), abs=1e-4)


def test_opposite_structure_is_zero_not_nan(pictures):
    a, _ = pictures
    assert torch.equal(metrics.ms_ssim(a, -a), torch.zeros(2))


def test_shapes_are_checked(pictures):
    a, b = pictures
    with pytest.raises(ShapeMismatch, match="same shape"):
        metrics.l2(a, b[:1])
    with pytest.raises(ShapeMismatch, match="at least 11 px"):
        metrics.ms_ssim(a[..., :8, :8], b[..., :8, :8])


def test_pool_down_refuses_what_it_would_have_to_enlarge_or_squeeze():
    x = torch.arange(96.0).reshape(1, 3, 4, 8)
    assert pool_down(x, (4, 8)) is x
    torch.testing.assert_close(pool_down(x, (2, 4)), pool_to(x, (2, 4)))
    for size_hw in ((8, 16), (2, 2), (4, 4)):
        with pytest.raises(ShapeMismatch, match=r"not \(1, 3, 4, 8\)"):
            pool_down(x, size_hw)
    with pytest.raises(ShapeMismatch, match="RGB pictures"):
        pool_down(x[:, :1], (2, 4))


def test_pool_to_averages_down_and_interpolates_up():
    x = torch.arange(16.0).reshape(1, 1, 4, 4).expand(1, 3, 4, 4)
    assert pool_to(x, 4) is x
    assert pool_to(x, 2)[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert pool_to(x, 8).shape == (1, 3, 8, 8)
