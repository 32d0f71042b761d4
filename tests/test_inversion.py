"""The inversion methods on the tiny domain."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.errors import ShapeMismatch, UsageError
from hyperstyle.inversion import METHODS
from hyperstyle.weights.load import DomainModels
from tests.tiny import RESOLUTION, tiny_models

close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> DomainModels:
    return tiny_models(tmp_path_factory.mktemp("domain"))[1]


@pytest.fixture
def target() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(2, 3, RESOLUTION, RESOLUTION) * 2 - 1


@torch.no_grad()
def loop_by_hand(models: DomainModels, target: Tensor, steps: int) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The published loop with full offsets that add up; returns every picture and the last offsets."""
    generator = models.generator
    x = F.avg_pool2d(target, 2)
    w = (models.w_encoder(x) + generator.w_avg)[:, None].repeat(1, generator.num_ws, 1)
    pictures = [generator.render(generator.to_styles(w))]
    offsets: dict[str, Tensor] = {}
    for _ in range(steps):
        found = models.hypernetwork(x, F.avg_pool2d(pictures[-1], 2))
        offsets = {name: delta + offsets.get(name, torch.zeros(1)) for name, delta in found.items()}
        pictures.append(generator.render(generator.to_styles(w), offsets))
    return pictures, offsets


def test_refinement_equals_the_published_loop(models: DomainModels, target: Tensor) -> None:
    seen: list[tuple[int, Tensor]] = []
    inversion = METHODS["hyperstyle"](models, steps=3).invert(target, lambda i, picture: seen.append((i, picture)))
    pictures, offsets = loop_by_hand(models, target, steps=3)
    assert [step for step, _ in seen] == [0, 1, 2, 3]
    for (_, picture), expected in zip(seen, pictures, strict=True):
        close(picture, expected)
    assert (pictures[1] - pictures[0]).abs().max() > 0.01  # else the comparison shows nothing
    rebuilt = models.hypernetwork.deltas(inversion.codes, steps=inversion.steps)
    for name, delta in offsets.items():
        close(rebuilt[name], delta)
    generator = models.generator
    close(generator.render(generator.to_styles(inversion.w_plus), rebuilt), pictures[-1])
    assert inversion.domain == "tiny"


def test_onlookers_change_nothing(models: DomainModels, target: Tensor) -> None:
    method = METHODS["hyperstyle"](models)
    assert method.steps == models.domain.refinement_steps == 3
    quiet, watched = method.invert(target), method.invert(target, lambda i, picture: None)
    assert torch.equal(quiet.w_plus, watched.w_plus)
    assert all(torch.equal(quiet.codes[name], code) for name, code in watched.codes.items())


def test_encoder_alone_equals_no_refinement(models: DomainModels, target: Tensor) -> None:
    seen: list[int] = []
    encoder = METHODS["encoder"](models).invert(target, lambda i, picture: seen.append(i))
    unrefined = METHODS["hyperstyle"](models, steps=0).invert(target, lambda i, picture: seen.append(i))
    assert torch.equal(encoder.w_plus, unrefined.w_plus)
    assert encoder.steps == unrefined.steps == 0
    assert not encoder.codes
    assert not unrefined.codes
    assert seen == [0, 0]
    assert torch.equal(encoder.w_plus[:, 0], encoder.w_plus[:, -1])


def test_batch_equals_its_items(models: DomainModels, target: Tensor) -> None:
    method = METHODS["hyperstyle"](models, steps=2)
    together, alone = method.invert(target), method.invert(target[1:])
    close(together.face(1).w_plus, alone.w_plus)
    for name, code in together.face(1).codes.items():
        close(code, alone.codes[name])


def test_models_are_left_as_they_were(models: DomainModels, target: Tensor) -> None:
    parts = (models.generator, models.w_encoder, models.hypernetwork)
    before = [{name: t.clone() for name, t in part.state_dict().items()} for part in parts]
    METHODS["hyperstyle"](models, steps=2).invert(target)
    for part, state in zip(parts, before, strict=True):
        assert all(torch.equal(t, state[name]) for name, t in part.state_dict().items())


def test_bad_requests(models: DomainModels) -> None:
    with pytest.raises(UsageError, match="0 or more"):
        METHODS["hyperstyle"](models, steps=-1)
    for shape in ((1, 3, 8, 8), (1, 1, 32, 32), (1, 3, 32, 16), (3, 32, 32)):
        with pytest.raises(ShapeMismatch, match="16 px or more"):
            METHODS["encoder"](models).invert(torch.zeros(shape))
