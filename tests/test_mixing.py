"""Mixing of faces: what lies between two is exact, groups follow the layer table, random faces follow their seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hyperstyle.errors import ShapeMismatch, UsageError, WrongDomain
from hyperstyle.inversion.base import inversion_deltas
from hyperstyle.latents import Inversion
from hyperstyle.mixing import MADE_UP_TRUNCATION, interpolate, mix_styles, random_face, style_groups
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.layer_table import layer_table, published_generator
from hyperstyle.pipeline import load
from hyperstyle.synthetic.parameters import sample_parameters, to_z
from tests.tiny import GENERATOR, HYPERNETWORK

LAYERS = layer_table(GENERATOR)
CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["channel", "separable"])
def hypernetwork(request) -> Hypernetwork:
    """With biases, which count once per step, and with either kind of head."""
    torch.manual_seed(0)
    network = Hypernetwork(replace(HYPERNETWORK, own=request.param), GENERATOR).eval().requires_grad_(False)
    for name, tensor in network.named_parameters():
        if "output" in name or "hypernet" in name:
            tensor.normal_(0.0, 0.2)
    return network


def face(hypernetwork: Hypernetwork, seed: int, steps: int, dense: tuple[str, ...] = ()) -> Inversion:
    """A face as refinement makes it: codes of several steps, added up as the heads want them."""
    g = torch.Generator().manual_seed(seed)
    codes: dict[str, Tensor] = {}
    for _ in range(steps):
        drawn = {row.name: torch.randn(2, HYPERNETWORK.code_dim, generator=g) for row in hypernetwork.tuned}
        codes = hypernetwork.add_codes(codes, drawn)
    rows = {row.name: row for row in LAYERS}
    offsets = {
        name: torch.randn(2, rows[name].out_channels, rows[name].in_channels, 3, 3, generator=g) for name in dense
    }
    return Inversion(torch.randn(2, GENERATOR.num_ws, GENERATOR.w_dim, generator=g), codes, steps, "tiny", offsets)


def full(hypernetwork: Hypernetwork, inversion: Inversion) -> dict[str, Tensor]:
    """All offsets of an inversion, every layer in full size."""
    found = inversion_deltas(hypernetwork, inversion, CPU)
    sizes = {row.name: (2, row.out_channels, row.in_channels, row.kernel, row.kernel) for row in LAYERS}
    return {name: found[name].expand(size) if name in found else torch.zeros(size) for name, size in sizes.items()}


@pytest.mark.parametrize(("steps_a", "steps_b"), [(3, 3), (3, 1), (0, 2), (2, 0), (0, 0)])
@pytest.mark.parametrize("dense", [(), ("convs.1", "convs.2")])
def test_interpolation_is_exact_in_latent_and_offsets(hypernetwork, steps_a, steps_b, dense) -> None:
    """Whatever the faces were made by, a third of the way their offsets are two thirds and one third of both."""
    a, b = face(hypernetwork, 1, steps_a, dense), face(hypernetwork, 2, steps_b, dense[:1])
    between = interpolate(a, b, 1 / 3, lambda one: inversion_deltas(hypernetwork, one, CPU))
    torch.testing.assert_close(between.w_plus, a.w_plus * 2 / 3 + b.w_plus / 3)
    one, other, got = (full(hypernetwork, inversion) for inversion in (a, b, between))
    for name, offset in got.items():
        torch.testing.assert_close(offset, one[name] * 2 / 3 + other[name] / 3, rtol=1e-4, atol=1e-4)


def test_interpolation_of_equal_steps_stays_small(hypernetwork) -> None:
    """Affine heads: codes are enough. Separable ones need the offsets, and the networks to make them."""
    a, b = face(hypernetwork, 1, 2), face(hypernetwork, 2, 2)
    if hypernetwork.config.own == "channel":
        between = interpolate(a, b, 0.5)
        assert not between.offsets
        assert between.steps == 2
    else:
        with pytest.raises(UsageError, match="networks"):
            interpolate(a, b, 0.5)


def test_ends_are_the_faces_themselves(hypernetwork) -> None:
    a, b = face(hypernetwork, 1, 2), face(hypernetwork, 2, 1)
    assert interpolate(a, b, 0.0) is a
    assert interpolate(a, b, 1) is b


@pytest.mark.parametrize(("steps_a", "steps_b"), [(2, 2), (3, 1), (0, 2), (2, 0)])
def test_mixed_layers_come_from_the_other_face(hypernetwork, steps_a, steps_b) -> None:
    """Row by row and layer by layer, everything is one face's or the other's."""
    a, b = face(hypernetwork, 1, steps_a, ("convs.1",)), face(hypernetwork, 2, steps_b, ("convs.4",))
    rows = style_groups(LAYERS)["medium"]
    mixed = mix_styles(a, b, "medium", LAYERS, lambda one: inversion_deltas(hypernetwork, one, CPU))
    one, other, got = (full(hypernetwork, inversion) for inversion in (a, b, mixed))
    for row in range(GENERATOR.num_ws):
        assert torch.equal(mixed.w_plus[:, row], (b if row in rows else a).w_plus[:, row])
    for layer in LAYERS:
        wanted = (other if layer.w_index in rows else one)[layer.name]
        torch.testing.assert_close(got[layer.name], wanted, rtol=1e-4, atol=1e-5)
    assert torch.equal(mix_styles(a, b, rows, LAYERS, lambda one: full(hypernetwork, one)).w_plus, mixed.w_plus)
    everything = mix_styles(a, b, ("coarse", "medium", "fine"), LAYERS)
    assert torch.equal(everything.w_plus, b.w_plus)
    assert everything.digest() == b.digest()


def test_groups_follow_the_layer_table() -> None:
    """Up to 8 px, up to 32 px and the rest; everywhere each row is in one group, and no group is empty."""
    groups = style_groups(layer_table(published_generator(1024)))
    assert groups == {"coarse": (0, 1, 2), "medium": (3, 4, 5, 6), "fine": tuple(range(7, 18))}
    for table in (LAYERS, layer_table(published_generator(256))):
        rows = style_groups(table)
        assert [row for group in rows.values() for row in group] == list(range(table[-1].w_index + 1))
        assert all(rows.values())


def test_what_does_not_fit_is_refused(hypernetwork) -> None:
    a, b = face(hypernetwork, 1, 1), face(hypernetwork, 2, 1)
    with pytest.raises(WrongDomain, match="two domains"):
        interpolate(a, replace(b, domain="other"), 0.5)
    with pytest.raises(ShapeMismatch, match="as many"):
        mix_styles(a, b.face(0), "fine", LAYERS)
    with pytest.raises(UsageError, match="between 0 and 1"):
        interpolate(a, b, 1.5)
    with pytest.raises(UsageError, match="did you mean 'coarse'"):
        mix_styles(a, b, "corse", LAYERS)
    with pytest.raises(UsageError, match="no row 8"):
        mix_styles(a, b, [8], LAYERS)
    with pytest.raises(UsageError, match="Nothing"):
        mix_styles(a, b, [], LAYERS)


def test_random_faces(tiny, drawn_folder) -> None:
    """The same seed makes the same face; the renderer's world gets its own people, others a normal z."""
    domain, generator = tiny.domain, tiny.models.generator
    one = random_face(domain, generator, 3)
    assert torch.equal(one.w_plus, random_face(domain, generator, 3).w_plus)
    assert not torch.equal(one.w_plus, random_face(domain, generator, 4).w_plus)
    average = random_face(domain, generator, 3, truncation_psi=0.0)
    torch.testing.assert_close(average.w_plus[0, 0], generator.w_avg)
    assert tiny.render(one).size == (32, 32)
    assert torch.equal(one.w_plus, random_face(domain, generator, 3, MADE_UP_TRUNCATION).w_plus)
    drawn = load(drawn_folder, "cpu")
    with torch.no_grad():
        known = drawn.models.generator.map(to_z(sample_parameters(1, 3)))
    torch.testing.assert_close(drawn.random_face(3).w_plus[:, 0], known)
    for wrong in ({"seed": -1}, {"seed": 1, "truncation_psi": 3.0}):
        with pytest.raises(UsageError, match="must"):
            tiny.random_face(**wrong)


def test_pipeline_mixes_any_two_faces(tiny) -> None:
    """A random face has no offsets and an inverted one has; halfway their picture differs from both."""
    inverted, random = tiny.invert(torch.rand(1, 3, 32, 32) * 2 - 1), tiny.random_face(1)
    pictures = [tiny.draw(one) for one in (inverted, tiny.interpolate(inverted, random, 0.5), random)]
    assert not torch.allclose(pictures[1], pictures[0], atol=0.01)
    assert not torch.allclose(pictures[1], pictures[2], atol=0.01)
    with pytest.raises(WrongDomain):
        tiny.interpolate(replace(inverted, domain="other"), replace(random, domain="other"), 0.5)
    assert torch.equal(tiny.mix_styles(inverted, random, "fine").w_plus[:, 0], inverted.w_plus[:, 0])
