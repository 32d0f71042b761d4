"""The hypernetwork at tiny sizes, and the claim the small inversion stands on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.config import build_config, plain_config
from hyperstyle.models.hypernetwork import (
    INITIAL_OFFSET,
    Hypernetwork,
    HypernetworkConfig,
    OwnSlot,
    published_hypernetwork,
)
from hyperstyle.models.layer_table import published_generator
from hyperstyle.models.stylegan2 import Generator
from tests.tiny import GENERATOR, HYPERNETWORK, INPUT_SIZE

close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)


@pytest.fixture
def hypernetwork() -> Hypernetwork:
    torch.manual_seed(0)
    hypernetwork = Hypernetwork(HYPERNETWORK, GENERATOR).eval().requires_grad_(False)
    for name, tensor in hypernetwork.named_parameters():
        if name.endswith(("output.bias", "hypernet.b1", "hypernet.b2")):
            tensor.normal_(0.0, 0.1)  # zero at the start of training, which would hide the role of the steps
    return hypernetwork


def pictures(batch: int = 2, size: int = INPUT_SIZE) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(batch, 3, size, size) * 2 - 1, torch.rand(batch, 3, size, size) * 2 - 1


def test_offsets_fit_the_generator(hypernetwork: Hypernetwork) -> None:
    codes = hypernetwork.codes(*pictures())
    assert {name: tuple(code.shape) for name, code in codes.items()} == dict.fromkeys(HYPERNETWORK.layers, (2, 8))
    shapes = {name: tuple(delta.shape) for name, delta in hypernetwork.deltas(codes).items()}
    assert shapes == {
        "convs.2": (2, 12, 12, 3, 3),
        "convs.3": (2, 12, 12, 3, 3),
        "convs.4": (2, 8, 12, 1, 1),
        "convs.5": (2, 8, 8, 1, 1),
    }
    generator = Generator(GENERATOR).eval()
    with torch.no_grad():
        styles = generator.to_styles(torch.randn(2, generator.num_ws, GENERATOR.w_dim))
        plain, tuned = generator.render(styles), generator.render(styles, hypernetwork(*pictures()))
    assert plain.shape == tuned.shape
    assert not torch.equal(plain, tuned)


def test_summed_codes_describe_summed_offsets(hypernetwork: Hypernetwork) -> None:
    torch.manual_seed(2)
    steps = [hypernetwork.codes(*(torch.rand(2, 3, 16, 16) for _ in range(2))) for _ in range(4)]
    summed = {name: sum(step[name] for step in steps) for name in steps[0]}
    small = hypernetwork.deltas(summed, steps=4)
    for name, delta in small.items():
        close(delta, sum(hypernetwork.deltas(step)[name] for step in steps))
    wrong = hypernetwork.deltas(summed, steps=1)
    assert all((wrong[name] - small[name]).abs().max() > 0.01 for name in small)


def test_strength_multiplies_offsets(hypernetwork: Hypernetwork) -> None:
    codes = hypernetwork.codes(*pictures())
    full, half = hypernetwork.deltas(codes, steps=3), hypernetwork.deltas(codes, steps=3, strength=0.5)
    for name, delta in full.items():
        close(half[name], 0.5 * delta)
        assert not hypernetwork.deltas(codes, strength=0.0)[name].any()


def test_batch_equals_its_items(hypernetwork: Hypernetwork) -> None:
    target, reconstruction = pictures()
    together = hypernetwork(target, reconstruction)
    alone = hypernetwork(target[1:], reconstruction[1:])
    for name, delta in together.items():
        close(delta[1:], alone[name])


def test_order_of_the_pictures_matters(hypernetwork: Hypernetwork) -> None:
    target, reconstruction = pictures()
    one, other = hypernetwork.codes(target, reconstruction), hypernetwork.codes(reconstruction, target)
    assert all(not torch.allclose(one[name], other[name]) for name in one)


def test_first_offsets_are_small_and_every_weight_learns() -> None:
    torch.manual_seed(3)
    hypernetwork = Hypernetwork(HYPERNETWORK, GENERATOR)
    deltas = hypernetwork(*pictures(batch=4))
    assert all(0 < float(delta.detach().std()) < 5 * INITIAL_OFFSET for delta in deltas.values())
    torch.stack([delta.square().sum() for delta in deltas.values()]).sum().backward()
    dead = [n for n, p in hypernetwork.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


def test_to_rgb_layers_and_hypernetworks_without_sharing() -> None:
    config = replace(HYPERNETWORK, layers=("to_rgbs.2", "convs.5"), shared=())
    hypernetwork = Hypernetwork(config, GENERATOR).eval()
    deltas = hypernetwork(*pictures())
    assert {n: tuple(d.shape) for n, d in deltas.items()} == {"convs.5": (2, 8, 8, 1, 1), "to_rgbs.2": (2, 3, 8, 1, 1)}
    assert hypernetwork.shared_weight_hypernet is None


@pytest.mark.parametrize(
    ("resolution", "to_rgb", "parameters"),
    [(256, False, 312_984_640), (512, False, 325_188_672), (1024, False, 332_664_896), (1024, True, 369_205_472)],
)
def test_published_sizes_have_the_published_parameter_counts(resolution: int, to_rgb: bool, parameters: int) -> None:
    with torch.device("meta"):
        config = published_hypernetwork(resolution, [] if to_rgb else None)
        hypernetwork = Hypernetwork(config, published_generator(resolution))
    assert sum(p.numel() for p in hypernetwork.parameters()) == parameters
    assert sum(isinstance(block, OwnSlot) and not row.is_to_rgb for row, block in blocks(hypernetwork)) + 9 == sum(
        not row.is_to_rgb for row in hypernetwork.tuned
    )


def blocks(hypernetwork: Hypernetwork) -> list[tuple[object, object]]:
    return [(row, hypernetwork.refinement_blocks[str(row.index)]) for row in hypernetwork.tuned]


def test_sizes_survive_plain_data() -> None:
    assert build_config(HypernetworkConfig, plain_config(HYPERNETWORK), "hypernetwork") == HYPERNETWORK


def test_what_does_not_fit_is_refused(hypernetwork: Hypernetwork) -> None:
    target, reconstruction = pictures()
    with pytest.raises(ShapeMismatch, match="differ in shape"):
        hypernetwork.codes(target, reconstruction[:1])
    with pytest.raises(ShapeMismatch, match="does not tune"):
        hypernetwork.deltas({"conv1": torch.zeros(1, 8)})
    with pytest.raises(ShapeMismatch, match="must have shape"):
        hypernetwork.deltas({"convs.2": torch.zeros(1, 9)})
    with pytest.raises(ShapeMismatch, match="does not have"):
        Hypernetwork(replace(HYPERNETWORK, layers=("convs.77",), shared=()), GENERATOR)
    with pytest.raises(ShapeMismatch, match="equal channels"):
        Hypernetwork(replace(HYPERNETWORK, shared=("convs.3", "convs.4")), GENERATOR)
    with pytest.raises(ShapeMismatch, match="not a tuned layer"):
        replace(HYPERNETWORK, shared=("conv1",))
    with pytest.raises(ShapeMismatch, match="must be 6"):
        replace(HYPERNETWORK, trunk=replace(HYPERNETWORK.trunk, in_channels=3))
