"""Domains whose photos are taken as they are, and whose pictures are not square: cars."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import make_tiny_domain

from hyperstyle.domains import get_domain
from hyperstyle.errors import ShapeMismatch, WeightsCorrupt
from hyperstyle.images import to_tensor
from hyperstyle.pipeline import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A 32 x 24 px domain."""
    folder = make_tiny_domain(tmp_path_factory.mktemp("domains") / "cars", name="tiny cars")
    change(folder, crop="whole", visible_rows=[4, 28], input_filter="bilinear")
    return folder


@pytest.fixture(scope="module")
def cars(folder):
    return load(folder, "cpu")


@pytest.fixture(scope="module")
def photo():
    values = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    return Image.fromarray(values)


def change(folder, **fields):
    path = folder / "domain.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_sizes_follow_from_the_visible_rows(folder):
    domain = get_domain(folder)
    assert domain.picture_hw == (24, 32)
    assert domain.input_hw == (12, 16)


def test_the_whole_chain(cars, photo):
    face = cars.align(photo)
    assert face.whole
    assert face.picture.size == (32, 24)
    assert face.report.warnings == ()
    pictures = []
    inversion = cars.invert(face, on_step=lambda _, picture: pictures.append(picture))
    assert [tuple(picture.shape) for picture in pictures] == [(1, 3, 24, 32)] * 4
    rendered = cars.render(inversion)
    assert rendered.size == (32, 24)
    assert cars.render(inversion, resolution=16).size == (16, 12)
    pasted = cars.paste_back(photo, face, rendered)
    assert pasted.size == photo.size
    assert set(cars.measure(cars.target(face), pictures[-1])) == {"identity", "perceptual", "l2", "ms_ssim", "psnr"}


def test_the_networks_see_only_the_visible_rows(cars, photo):
    seen = []
    encoder = cars.fast.w_encoder._network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        cars.invert(cars.align(photo), steps=1)
    finally:
        encoder.remove()
    assert tuple(seen[0].shape) == (1, 3, 12, 16)


def test_targets_are_shrunk_as_pillow_does(cars, photo):
    """Published networks were trained on pictures that Pillow made small, in 8 bits."""
    from hyperstyle.inversion.base import network_input

    small = network_input(to_tensor(photo, (24, 32)), cars.domain)
    by_pillow = to_tensor(photo.resize((32, 24), Image.Resampling.BILINEAR).resize((16, 12), Image.Resampling.BILINEAR))
    assert float((small - by_pillow).abs().max()) <= 1.01 / 127.5


def test_pictures_of_other_proportions_are_refused(cars):
    with pytest.raises(ShapeMismatch, match="16:12"):
        cars.invert(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"visible_rows": [4]}, "visible_rows"),
        ({"visible_rows": [28, 4]}, "visible_rows"),
        ({"visible_rows": [0, 64]}, "visible_rows"),
        ({"visible_rows": ["a", "b"]}, "visible_rows"),
        ({"crop": "circle"}, "ffhq or whole"),
        ({"input_filter": "nearest"}, "area or bilinear"),
        ({"optional": ["engine"]}, "optional"),
    ],
)
def test_bad_fields_are_named(tmp_path, fields, message):
    record = {"name": "mine", "title": "Mine", "resolution": 32, "input_size": 16, **fields}
    (tmp_path / "domain.json").write_text(json.dumps(record))
    with pytest.raises(WeightsCorrupt, match=message):
        get_domain(tmp_path)
