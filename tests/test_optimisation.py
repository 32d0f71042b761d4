"""Methods that descend: optimisation in W and W+, pivotal tuning, and its polish after HyperStyle."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import tiny_models

from hyperstyle import metrics
from hyperstyle.errors import ShapeMismatch, UsageError, WeightsMissing
from hyperstyle.inversion import METHODS, PTI
from hyperstyle.inversion.hyperstyle import HyperStyleInverter
from hyperstyle.inversion.optimisation import Optimisation, OptimisationConfig, noise_regularisation, ramp
from hyperstyle.inversion.pti import PTIConfig
from hyperstyle.latents import Inversion
from hyperstyle.pipeline import HyperStyle

QUICK = OptimisationConfig(steps=60, samples=100, perceptual=0.01, l2=1.0, learning_rate=0.05)


@pytest.fixture(scope="module")
def models(tiny_folder):
    return tiny_models(tiny_folder)[1]


@pytest.fixture(scope="module")
def target(models):
    """Two pictures that the generator could draw exactly, from latents it does not know."""
    w = models.generator.map(torch.randn(2, 10, generator=torch.Generator().manual_seed(5)))
    styles = models.generator.to_styles(w[:, None].expand(-1, models.generator.num_ws, -1))
    return models.generator.render(styles).clamp(-1, 1)


def drawn(models, inversion: Inversion):
    return HyperStyle(models.domain, models).draw(inversion)


@pytest.mark.parametrize("space", ["w", "w+"])
def test_optimisation_comes_closer(models, target, space):
    seen = []
    inversion = METHODS[space](models, config=QUICK).invert(target, lambda i, picture: seen.append((i, picture)))
    assert [number for number, _ in seen] == [0, 1, 2, 3, 4, 5]
    far, near = (metrics.l2(target, picture) for picture in (seen[0][1], drawn(models, inversion)))
    assert (near < 0.5 * far).all()
    rows = inversion.w_plus
    assert torch.equal(rows, rows[:, :1].expand_as(rows)) == (space == "w")
    assert not inversion.adapts
    again = METHODS[space](models, config=QUICK).invert(target)
    assert torch.equal(again.w_plus, rows)


def test_optimisation_with_noise_maps_gives_a_latent_alone(models, target):
    config = replace(QUICK, noise_maps=True, steps=5)
    before = {name: buffer.clone() for name, buffer in models.generator.named_buffers()}
    inversion = Optimisation(models, "w", config).invert(target)
    assert inversion.w_plus.shape[0] == 2
    for name, buffer in models.generator.named_buffers():
        assert torch.equal(buffer, before[name])


def test_noise_is_less_regular_than_stripes():
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    stripes = torch.ones(1, 1, 64, 64)
    assert noise_regularisation(noise) < 0.05 * noise_regularisation(stripes)


def test_the_rate_rises_and_falls():
    assert ramp(0.0, 0.05, 0.25) == 0
    assert ramp(0.5, 0.05, 0.25) == 1
    assert 0 < ramp(0.95, 0.05, 0.25) < 0.2
    assert ramp(0.0, 0.0, 0.0) == 1


def test_pivotal_tuning_comes_closer_than_its_pivot(models, target, tmp_path):
    pivot = Optimisation(models, "w", replace(QUICK, steps=5))
    seen = []
    method = PTI(models, pivot, PTIConfig(steps=30, learning_rate=3e-2))
    weights = {name: value.clone() for name, value in models.generator.state_dict().items()}
    inversion = method.invert(target, lambda i, picture: seen.append((i, picture)))
    assert [number for number, _ in seen] == [0, 1, 2, 3, 4, 5]
    near = drawn(models, inversion)
    assert (metrics.l2(target, near) < 0.5 * metrics.l2(target, seen[0][1])).all()
    assert torch.allclose(near, seen[-1][1], atol=1e-4)
    assert set(inversion.offsets) == {spec.name for spec in models.generator.layers}
    for name, value in models.generator.state_dict().items():
        assert torch.equal(value, weights[name])

    path = tmp_path / "face.safetensors"
    inversion.save(path)
    again = Inversion.load(path, "tiny")
    assert torch.equal(drawn(models, again), near)
    assert torch.allclose(drawn(models, inversion.face(1)), near[1:], atol=1e-4)
    half = HyperStyle(models.domain, models).draw(inversion, offset_strength=0.5)
    assert not torch.allclose(half, near)


def test_polish_after_hyperstyle_keeps_its_codes(models, target):
    refined = HyperStyleInverter(models, steps=2).invert(target)
    config = PTIConfig(steps=20, learning_rate=1e-2, layers=("conv1", "to_rgbs.0"))
    polished = METHODS["hyperstyle+pti"](models, config=config).invert(target)
    assert polished.steps == models.domain.refinement_steps
    assert set(polished.codes) == set(refined.codes)
    assert set(polished.offsets) == {"conv1", "to_rgbs.0"}
    refined = HyperStyleInverter(models).invert(target)
    before, after = (metrics.l2(target, drawn(models, one)) for one in (refined, polished))
    assert (after < before).all()


def test_locality_holds_neighbours_back(models, target):
    pivot = Optimisation(models, "w", replace(QUICK, steps=5))
    config = PTIConfig(steps=15, learning_rate=3e-2)
    near = torch.randn(2, 10, generator=torch.Generator().manual_seed(9))
    styles = models.generator.to_styles(models.generator.map(near)[:, None].expand(-1, models.generator.num_ws, -1))
    plain = models.generator.render(styles)
    moved = []
    for locality in (0.0, 10.0):
        chosen = replace(config, locality=locality, locality_distance=2.0)
        inversion = PTI(models, pivot, chosen).invert(target)
        moved.append(float(metrics.l2(plain, models.generator.render(styles, inversion.offsets)).mean()))
    assert moved[1] < moved[0]


def test_what_is_refused(models, target):
    with pytest.raises(UsageError, match="not in z"):
        Optimisation(models, "z")
    with pytest.raises(UsageError, match="1 step"):
        Optimisation(models, "w", replace(QUICK, steps=0))
    with pytest.raises(UsageError, match=r"convs\.99"):
        PTI(models, config=PTIConfig(layers=("convs.99",)))
    with pytest.raises(UsageError, match="1 step"):
        PTI(models, config=PTIConfig(steps=0))
    with pytest.raises(ShapeMismatch):
        Optimisation(models, "w", QUICK).invert(target[:, :1])
    blind = replace(models, attributes=None)
    with pytest.raises(WeightsMissing, match="lpips"):
        Optimisation(blind, "w", QUICK).invert(target)
