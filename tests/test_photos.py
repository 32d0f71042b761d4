"""The shipped domain of photographs: its files, and what it makes of a photograph of a person."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from demo_tools import astronaut

import hyperstyle
from hyperstyle.alignment import find_faces
from hyperstyle.domains import get_domain
from hyperstyle.images import open_photo
from hyperstyle.mixing import random_face
from hyperstyle.pipeline import HyperStyle
from hyperstyle.training.photo_traits import TRAITS
from hyperstyle.traits import column

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def photos() -> HyperStyle:
    return hyperstyle.load(device="cpu")


def test_it_is_the_default_and_small(photos):
    assert photos.domain.name == "photos"
    sizes = [path.stat().st_size for path in get_domain("photos").weights.rglob("*.safetensors")]
    assert max(sizes) < 25e6
    assert sum(sizes) < 80e6
    assert tuple(photos.domain.traits) == TRAITS


def test_a_photograph_comes_closer_step_by_step(photos):
    face = photos.align(astronaut())
    target = photos.target(face)
    steps = [photos.measure(target, photos.draw(photos.invert(face, steps=step))) for step in range(4)]
    l2 = [row["l2"] for row in steps]
    assert l2[0] > l2[1] > l2[2]
    assert l2[3] < 0.7 * l2[0]
    assert steps[3]["identity"] > steps[0]["identity"]
    assert len(find_faces(photos.render(photos.invert(face)))) == 1


def test_edits_move_what_they_name(photos):
    names = [row.name for row in photos.edits]
    assert len(names) >= 12
    faces = torch.cat([random_face(photos.domain, photos.models.generator, seed).w_plus for seed in range(6)])
    inversion = hyperstyle.Inversion(faces, {}, 0, "photos")

    def read(**edits: float) -> torch.Tensor:
        picture = torch.nn.functional.adaptive_avg_pool2d(photos.draw(inversion, edits).clamp(-1, 1), 128)
        return photos.models.attributes(picture)

    for row in photos.edits:
        more, less = read(**{row.name: row.maximum}), read(**{row.name: row.minimum})
        moved = (more - less)[:, column(TRAITS, row.name)]
        assert float((moved > 0).float().mean()) >= 0.8, row.name


def test_examples_are_faces_that_the_page_finds():
    pictures = sorted((ROOT / "examples").glob("*.jpg"))
    assert len(pictures) >= 9
    for path in pictures:
        assert len(find_faces(open_photo(path))) == (3 if path.stem == "group" else 1), path.name
