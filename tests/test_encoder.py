"""Trunks, the W encoder and the embedding networks at tiny sizes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.backbones import (
    PUBLISHED_IR101,
    PUBLISHED_IRSE50,
    PUBLISHED_RESNET34,
    Subsample,
    TrunkConfig,
    build_trunk,
)
from hyperstyle.models.config import build_config, plain_config
from hyperstyle.models.embedding import PUBLISHED_ARCFACE, EmbeddingConfig, EmbeddingNetwork
from hyperstyle.models.w_encoder import PUBLISHED_W_ENCODER, WEncoder, WEncoderConfig
from tests.tiny import PAIR_TRUNK, TRUNK, W_ENCODER

close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [TRUNK, PAIR_TRUNK])
@pytest.mark.parametrize("size", [16, 22])
def test_trunk_returns_the_end_of_every_stage(config: TrunkConfig, size: int) -> None:
    torch.manual_seed(0)
    trunk = build_trunk(config).eval()
    x = torch.randn(2, config.in_channels, size, size)
    maps = trunk.features(x)
    assert [m.shape[1] for m in maps] == list(config.widths)
    side = config.map_size(size)
    assert maps[-1].shape[2:] == (side, side)
    assert torch.equal(trunk(x), maps[-1])


@pytest.mark.parametrize(("config", "input_size", "side"), [(PUBLISHED_IRSE50, 256, 16), (PUBLISHED_RESNET34, 256, 16)])
def test_published_trunks_end_at_16_pixels(config: TrunkConfig, input_size: int, side: int) -> None:
    assert config.map_size(input_size) == side


def test_published_sizes_have_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        encoder, arcface = WEncoder(PUBLISHED_W_ENCODER), EmbeddingNetwork(PUBLISHED_ARCFACE)
        deep = build_trunk(PUBLISHED_IR101)
    assert sum(p.numel() for p in encoder.parameters()) == 31_212_736
    assert sum(p.numel() for p in arcface.parameters()) == 43_797_696
    assert len(deep.body) == 49
    assert not [name for name, _ in deep.named_parameters() if "fc1" in name]


def test_first_unit_without_new_channels_has_no_shortcut_weights() -> None:
    trunk = build_trunk(TRUNK)
    assert isinstance(trunk.body[0].shortcut_layer, Subsample)
    assert not isinstance(trunk.body[2].shortcut_layer, Subsample)


def test_subsampling_keeps_every_second_pixel() -> None:
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    assert torch.equal(Subsample(2)(x), torch.nn.functional.max_pool2d(x, 1, 2))


def test_encoder_predicts_one_latent_per_picture() -> None:
    torch.manual_seed(1)
    encoder = WEncoder(W_ENCODER).eval()
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    w = encoder(x)
    assert w.shape == (3, 16)
    close(w[1:2], encoder(x[1:2]))
    assert (w[0] - w[1]).abs().max() > 1e-3


@pytest.mark.parametrize("head", ["mean", "flatten"])
def test_embedding_is_of_unit_length_if_asked(head: str) -> None:
    torch.manual_seed(2)
    config = build_config(
        EmbeddingConfig,
        {"trunk": plain_config(TRUNK), "out_dim": 5, "normalise": True, "head": head, "input_size": 16},
        "identity network",
    )
    network = EmbeddingNetwork(config).eval()
    x = torch.rand(4, 3, 16, 16) * 2 - 1
    close(network(x).norm(dim=1), torch.ones(4))
    raw = EmbeddingNetwork(replace(config, normalise=False)).eval()
    raw.load_state_dict(network.state_dict())
    close(torch.nn.functional.normalize(raw(x), dim=1), network(x))
    assert [m.shape[1] for m in network.features(x)] == [6, 8]


def test_flatten_head_refuses_another_size() -> None:
    network = EmbeddingNetwork(EmbeddingConfig(TRUNK, 5, True, "flatten", 16)).eval()
    with pytest.raises(ShapeMismatch, match="16 x 16"):
        network(torch.zeros(1, 3, 32, 32))


def test_sizes_survive_plain_data() -> None:
    assert build_config(WEncoderConfig, plain_config(W_ENCODER), "W encoder") == W_ENCODER
    as_lists = {"w_dim": 16, "trunk": {**plain_config(TRUNK), "widths": [6, 8], "units": [2, 1]}}
    assert build_config(WEncoderConfig, as_lists, "W encoder") == W_ENCODER


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trunk": plain_config(TRUNK), "w_dim": 4, "w_dims": 4}, "did you mean 'w_dim'"),
        ({"trunk": plain_config(TRUNK), "w_dim": -4}, "whole number"),
        ({"trunk": plain_config(TRUNK), "w_dim": True}, "whole number"),
        ({"trunk": plain_config(TRUNK), "w_dim": "wide"}, "'w_dim' must be a whole number"),
        ({"trunk": 3, "w_dim": 4}, "'trunk' must be an object"),
        ({"trunk": {**plain_config(TRUNK), "widths": "wide"}, "w_dim": 4}, "'widths' must be a list"),
        ({"w_dim": 4}, "lack the field 'trunk'"),
        ({"trunk": {**plain_config(TRUNK), "units": (1, 2, 3)}, "w_dim": 4}, "as many widths"),
        ({"trunk": {**plain_config(TRUNK), "kind": "vgg"}, "w_dim": 4}, "one of irse, resnet, not 'vgg'"),
    ],
)
def test_odd_sizes_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        build_config(WEncoderConfig, values, "W encoder")


def test_wrong_number_of_channels_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match="reads"):
        build_trunk(PAIR_TRUNK)(torch.zeros(1, 3, 16, 16))
