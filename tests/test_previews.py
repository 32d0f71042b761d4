"""Previews: smaller, quicker, and of the right colours."""

from __future__ import annotations

import pytest
import torch
from test_pipeline import crop

from hyperstyle.previews import KEPT, Corrections, fit_correction


def test_an_affine_change_of_colours_is_undone():
    g = torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 16, 16, generator=g) - 0.5
    matrix = torch.eye(3) * 0.9 + 0.05
    full = torch.einsum("oc,bchw->bohw", matrix, small) + torch.tensor([0.1, -0.1, 0.05])[:, None, None]
    correction = fit_correction(small, full.repeat_interleave(4, 2).repeat_interleave(4, 3))
    assert float((correction(small) - full).abs().max()) < 0.01
    assert correction(small).shape == small.shape


def test_a_picture_of_one_colour_is_no_trouble():
    correction = fit_correction(torch.full((1, 3, 8, 8), 0.2), torch.full((1, 3, 8, 8), 0.3))
    assert torch.allclose(correction(torch.full((1, 3, 8, 8), 0.2)), torch.tensor(0.3), atol=0.01)


@pytest.fixture
def small(tiny):
    """The tiny pipeline with previews of half its size."""
    before = tiny.preview_px
    tiny.preview_px = 16
    yield tiny
    tiny.preview_px = before


def test_previews_are_small_and_follow_edits(small):
    inversion = small.invert(crop(1))
    plain = small.preview(inversion)
    assert plain.size == (16, 16)
    assert small.preview(inversion, {"smile": 3.0}).tobytes() != plain.tobytes()
    assert small.render(inversion).size == (32, 32)


def test_previews_are_nearer_to_the_full_picture_than_without_correction(small):
    inversion = small.invert(crop(1))
    full = torch.nn.functional.adaptive_avg_pool2d(small.draw(inversion), 16).clamp(-1, 1)
    stopped = small.draw(inversion, resolution=16)
    corrected = fit_correction(stopped, small.draw(inversion))(stopped)
    assert float((corrected - full).square().mean()) < 0.9 * float((stopped.clamp(-1, 1) - full).square().mean())


def test_inverting_fits_the_correction_on_the_way(small, monkeypatch):
    inversion = small.invert(crop(2), on_step=lambda *_: None)

    def never(*_):
        raise AssertionError("fitted again")

    monkeypatch.setattr("hyperstyle.previews.fit_correction", never)
    small.preview(inversion)


def test_small_domains_are_rendered_in_full(tiny):
    inversion = tiny.invert(crop(3))
    assert tiny.preview(inversion).tobytes() == tiny.render(inversion).tobytes()


def test_few_corrections_are_remembered(tiny):
    from dataclasses import replace

    kept, inversion = Corrections(), tiny.invert(crop(4))
    picture = torch.zeros(1, 3, 4, 4)
    for number in range(KEPT + 3):
        moved = replace(inversion, w_plus=inversion.w_plus + number)
        kept.fit(moved, 4, lambda: picture, lambda: picture)
    assert len(kept._entries) == KEPT
