"""Traits: their scale, what mirroring does to them, and how a domain lists them."""

from __future__ import annotations

import json

import pytest
import torch

from hyperstyle.demo import texts
from hyperstyle.demo.german import GERMAN
from hyperstyle.domains import get_domain
from hyperstyle.errors import WeightsCorrupt
from hyperstyle.synthetic import parameters
from hyperstyle.training import photo_traits
from hyperstyle.training.config import PORTRAITS, SMOKE
from hyperstyle.training.stages import write_domain
from hyperstyle.traits import Z_END, Trait, column, from_z, mirrored, plain_traits, read_traits, to_z

YAW = Trait("yaw", -40, 40, "degrees", "pose", odd=True)
AGE = Trait("age", 18, 86, "years", "identity")


def test_a_range_is_as_wide_as_the_scale_says():
    z = to_z([YAW, AGE], torch.tensor([[-40.0, 18.0], [40.0, 86.0], [0.0, 52.0], [float("nan"), 18.0]]))
    torch.testing.assert_close(z[:3], torch.tensor([[-Z_END, -Z_END], [Z_END, Z_END], [0.0, 0.0]]))
    assert z[3].isnan().tolist() == [True, False]
    torch.testing.assert_close(from_z([YAW, AGE], z)[:3, 1], torch.tensor([18.0, 86.0, 52.0]))
    assert AGE.per_z == pytest.approx(68 / 3.4)


def test_mirroring_turns_odd_traits_around():
    z = torch.tensor([[1.0, 0.5], [float("nan"), -0.5]])
    torch.testing.assert_close(
        mirrored([YAW, AGE], z), torch.tensor([[-1.0, 0.5], [float("nan"), -0.5]]), equal_nan=True
    )


def test_columns_are_found_by_name():
    assert column([YAW, AGE], "age") == 1
    with pytest.raises(KeyError):
        column([YAW, AGE], "smile")


def test_the_scale_is_the_renderers():
    """`parameters.to_z` and `traits.to_z` agree, but for the colours of background and clothes."""
    people = parameters.sample_parameters(16, 0)
    z = to_z(parameters.TRAITS, torch.stack(list(people.values()), 1))
    plain = [not trait.name.endswith(("hue", "saturation")) for trait in parameters.TRAITS]
    torch.testing.assert_close(z[:, plain], parameters.to_z(people)[:, plain])


def test_domains_list_their_traits(tmp_path):
    assert get_domain("portraits").traits == PORTRAITS.traits == parameters.TRAITS
    assert get_domain("ffhq").traits == ()
    write_domain(tmp_path, "smoke", SMOKE)
    assert get_domain(tmp_path).traits == SMOKE.traits
    assert read_traits(json.loads(json.dumps(plain_traits(photo_traits.TRAITS)))) == photo_traits.TRAITS


@pytest.mark.parametrize(
    "wrong",
    [
        [{"name": "yaw"}],
        [plain_traits([YAW])[0] | {"colour": 1}],
        [plain_traits([YAW])[0] | {"low": 50}],
        [plain_traits([YAW])[0] | {"high": "far"}],
        [plain_traits([YAW])[0] | {"name": 3}],
        ["yaw"],
        [3],
    ],
)
def test_a_list_that_makes_no_sense_is_refused(tmp_path, wrong):
    record = {"name": "mine", "title": "Mine", "resolution": 32, "input_size": 16, "traits": wrong}
    (tmp_path / "domain.json").write_text(json.dumps(record))
    with pytest.raises(WeightsCorrupt, match="'traits'"):
        get_domain(tmp_path)


def test_people_read_every_trait_of_photographs_in_both_languages():
    for trait in photo_traits.TRAITS:
        assert GERMAN[texts.TRAITS[trait.name]]
