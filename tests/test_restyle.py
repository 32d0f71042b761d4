"""Encoders into W+, ReStyle's loop and domain adaptation, on the tiny domain."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import GENERATOR, PAIR_TRUNK, RESOLUTION, TRUNK, make_tiny_domain, tiny_models

from hyperstyle.errors import ShapeMismatch, UsageError
from hyperstyle.inversion import METHODS, IDInvert, ReStyle
from hyperstyle.inversion.adaptation import fine_offsets, stylise
from hyperstyle.inversion.idinvert import IDInvertConfig
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.style_encoders import StyleEncoder, StyleEncoderConfig
from hyperstyle.models.stylegan2 import Generator

DEEP = replace(TRUNK, widths=(6, 8, 10), units=(1, 1, 1), strides=(2, 2, 2))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tiny_models(tmp_path_factory.mktemp("domain"))[1]


@pytest.fixture
def target():
    return torch.rand(2, 3, RESOLUTION, RESOLUTION, generator=torch.Generator().manual_seed(0)) * 2 - 1


def make_encoder(models, **config):
    sizes = StyleEncoderConfig(
        **{"trunk": DEEP, "num_ws": models.generator.num_ws, "w_dim": 16, "input_size": 16, **config}
    )
    torch.manual_seed(0)
    encoder = StyleEncoder(sizes).eval()
    encoder.w_avg.copy_(models.generator.w_avg)
    return encoder


def test_one_pass_gives_the_average_plus_what_the_encoder_says(models, target):
    encoder = make_encoder(models)
    seen = []
    inversion = ReStyle(models, encoder).invert(target, lambda step, picture: seen.append((step, picture)))
    assert [step for step, _ in seen] == [0, 1]
    small = torch.nn.functional.avg_pool2d(target, 2)
    with torch.no_grad():
        expected = encoder(small) + models.generator.w_avg
    assert torch.allclose(inversion.w_plus, expected, atol=1e-6)
    assert inversion.codes == {}
    # Rows differ: this is W+, not W.
    assert float((inversion.w_plus[:, 0] - inversion.w_plus[:, -1]).abs().max()) > 1e-3


def test_restyle_sees_its_own_result(models, target):
    encoder = make_encoder(models, trunk=replace(DEEP, in_channels=6), reads="last")
    pictures = []
    inversion = ReStyle(models, encoder, steps=2).invert(target, lambda _, picture: pictures.append(picture))
    small = torch.nn.functional.avg_pool2d(target, 2)
    w_plus = models.generator.w_avg.expand(2, models.generator.num_ws, -1)
    with torch.no_grad():
        for _ in range(2):
            drawn = models.generator.render(models.generator.to_styles(w_plus))
            pair = torch.cat((small, torch.nn.functional.avg_pool2d(drawn, 2)), dim=1)
            w_plus = w_plus + encoder(pair)
    assert torch.allclose(inversion.w_plus, w_plus, atol=1e-5)
    assert len(pictures) == 3
    silent = ReStyle(models, encoder, steps=2).invert(target)
    assert torch.equal(silent.w_plus, inversion.w_plus)


def test_the_number_of_passes_fits_the_encoder(models):
    once, often = make_encoder(models), make_encoder(models, trunk=replace(DEEP, in_channels=6), reads="last")
    assert ReStyle(models, often).steps == models.domain.refinement_steps
    with pytest.raises(UsageError, match="does not look at its own result"):
        ReStyle(models, once, steps=2)
    with pytest.raises(UsageError, match="1 or more"):
        ReStyle(models, often, steps=0)


def test_e4e_rows_are_offsets_from_the_first(models):
    plain, offsets = (make_encoder(models, combine=combine) for combine in ("rows", "offsets"))
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        rows, combined = plain(x), offsets(x)
    assert torch.allclose(combined[:, 0], rows[:, 0])
    assert torch.allclose(combined[:, 1:], rows[:, 1:] + rows[:, :1], atol=1e-6)


def test_pyramids_need_three_stages(models):
    with pytest.raises(ShapeMismatch, match="three stages"):
        make_encoder(models, trunk=replace(PAIR_TRUNK, in_channels=3))


def test_idinvert_comes_closer_and_the_domain_holds_it(models, target):
    encoder = make_encoder(models)
    free, held = (IDInvert(models, encoder, IDInvertConfig(steps=20, domain=weight)) for weight in (0.0, 20.0))
    start = ReStyle(models, encoder).invert(target).w_plus
    seen = []
    far = free.invert(target, lambda step, picture: seen.append((step, picture)))
    near = held.invert(target)
    assert [step for step, _ in seen] == [0, 1, 2, 3, 4, 5]
    errors = [float((picture - target).square().mean()) for _, picture in seen]
    assert errors[-1] < errors[0]

    def inconsistency(w_plus):
        with torch.no_grad():
            drawn = models.generator.render(models.generator.to_styles(w_plus))
            again = encoder(torch.nn.functional.avg_pool2d(drawn, 2)) + encoder.w_avg
        return float((w_plus - again).square().mean())

    assert inconsistency(near.w_plus) < inconsistency(far.w_plus)
    assert float((far.w_plus - start).abs().max()) > 1e-3
    with pytest.raises(UsageError, match="1 step or more"):
        IDInvert(models, encoder, IDInvertConfig(steps=0))
    with pytest.raises(UsageError, match="reads one picture"):
        IDInvert(models, make_encoder(models, trunk=replace(DEEP, in_channels=6), reads="last"))


def test_adaptation_keeps_only_fine_offsets(models, target, tmp_path):
    inversion = METHODS["hyperstyle"](models, steps=2).invert(target)
    kept = fine_offsets(models.hypernetwork, inversion, models.generator.layers, from_px=32)
    assert set(kept) == {"convs.4", "convs.5"}
    everything = models.hypernetwork.deltas(inversion.codes, steps=2)
    for name, offset in kept.items():
        assert torch.allclose(offset, everything[name])
    other = tiny_models(make_tiny_domain(tmp_path / "other", seed=1))[1].generator
    drawn = stylise(other, inversion.w_plus, kept, noise="const")
    assert torch.allclose(drawn, other.render(other.to_styles(inversion.w_plus), kept))
    assert not torch.allclose(stylise(other, inversion.w_plus, kept), drawn)  # fresh noise by default


def test_adaptation_refuses_another_generators_sizes(models, target):
    inversion = METHODS["hyperstyle"](models, steps=1).invert(target)
    small = Generator(GeneratorConfig.from_dict({**GENERATOR.to_dict(), "resolution": 16}))
    with pytest.raises(ShapeMismatch, match="must come from the same generator"):
        stylise(small, inversion.w_plus, {})
