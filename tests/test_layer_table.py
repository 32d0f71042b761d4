"""The layer table against the facts of the published generators."""

from __future__ import annotations

import pytest

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.layer_table import GeneratorConfig, layer_table, published_generator

# index, name, resolution, in, out, kernel, up, w_index, noise_index of the 1024 px generator, from its state dict.
FACTS = (
    (0, "conv1", 4, 512, 512, 3, False, 0, 0),
    (1, "to_rgb1", 4, 512, 3, 1, False, 1, None),
    (2, "convs.0", 8, 512, 512, 3, True, 1, 1),
    (3, "convs.1", 8, 512, 512, 3, False, 2, 2),
    (4, "to_rgbs.0", 8, 512, 3, 1, False, 3, None),
    (5, "convs.2", 16, 512, 512, 3, True, 3, 3),
    (6, "convs.3", 16, 512, 512, 3, False, 4, 4),
    (7, "to_rgbs.1", 16, 512, 3, 1, False, 5, None),
    (8, "convs.4", 32, 512, 512, 3, True, 5, 5),
    (9, "convs.5", 32, 512, 512, 3, False, 6, 6),
    (10, "to_rgbs.2", 32, 512, 3, 1, False, 7, None),
    (11, "convs.6", 64, 512, 512, 3, True, 7, 7),
    (12, "convs.7", 64, 512, 512, 3, False, 8, 8),
    (13, "to_rgbs.3", 64, 512, 3, 1, False, 9, None),
    (14, "convs.8", 128, 512, 256, 3, True, 9, 9),
    (15, "convs.9", 128, 256, 256, 3, False, 10, 10),
    (16, "to_rgbs.4", 128, 256, 3, 1, False, 11, None),
    (17, "convs.10", 256, 256, 128, 3, True, 11, 11),
    (18, "convs.11", 256, 128, 128, 3, False, 12, 12),
    (19, "to_rgbs.5", 256, 128, 3, 1, False, 13, None),
    (20, "convs.12", 512, 128, 64, 3, True, 13, 13),
    (21, "convs.13", 512, 64, 64, 3, False, 14, 14),
    (22, "to_rgbs.6", 512, 64, 3, 1, False, 15, None),
    (23, "convs.14", 1024, 64, 32, 3, True, 15, 15),
    (24, "convs.15", 1024, 32, 32, 3, False, 16, 16),
    (25, "to_rgbs.7", 1024, 32, 3, 1, False, 17, None),
)


def test_table_at_1024_px_equals_the_published_facts() -> None:
    rows = layer_table(published_generator(1024))
    facts = [
        (s.index, s.name, s.resolution, s.in_channels, s.out_channels, s.kernel, s.up, s.w_index, s.noise_index)
        for s in rows
    ]
    assert tuple(facts) == FACTS
    assert [row.is_to_rgb for row in rows] == [name.startswith("to_rgb") for _, name, *_ in FACTS]


@pytest.mark.parametrize(("resolution", "layers", "num_ws"), [(1024, 26, 18), (512, 23, 16), (256, 20, 14)])
def test_smaller_tables_are_prefixes(resolution: int, layers: int, num_ws: int) -> None:
    config = published_generator(resolution)
    rows = layer_table(config)
    assert rows == layer_table(published_generator(1024))[:layers]
    assert config.num_ws == num_ws == max(row.w_index for row in rows) + 1


def test_style_space_has_9088_channels_at_1024_px() -> None:
    rows = layer_table(published_generator(1024))
    assert sum(row.in_channels for row in rows) == 9088
    assert sum(row.in_channels for row in rows if not row.is_to_rgb) == 6048


def test_config_survives_json_keys() -> None:
    config = GeneratorConfig(resolution=16, channels={4: 8, 8: 6, 16: 4}, w_dim=8, z_dim=5)
    assert list(config.to_dict()["channels"]) == ["4", "8", "16"]
    assert GeneratorConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"resolution": 100, "channels": {4: 8}}, "power of two"),
        ({"resolution": 4, "channels": {4: 8}}, "power of two"),
        ({"resolution": 16, "channels": {4: 8, 16: 8}}, "no entry for 8 px"),
        ({"resolution": 8, "channels": {4: 8, 8: 8}, "depth": 3}, "depth"),
        ({"resolution": 8}, "channels"),
        ({"resolution": 8, "channels": {"four": 8}}, "whole numbers"),
        ({"resolution": 8, "channels": {4: 8, 8: 8}, "normalize_z": 1}, "true or false"),
        ({"resolution": 8, "channels": {4: 8, 8: 8}, "mapping_lr_mul": 0}, "positive"),
    ],
)
def test_impossible_sizes_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        GeneratorConfig.from_dict(values)
