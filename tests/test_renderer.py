"""The drawn world: exact in its parameters, found by a real face detector, and set in the frame of aligned photos."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch.nn import functional as F

from hyperstyle.alignment import align_faces
from hyperstyle.errors import NoFaceFound
from hyperstyle.images import to_photo
from hyperstyle.synthetic import geometry
from hyperstyle.synthetic.details import Details, sample_details
from hyperstyle.synthetic.parameters import PARAMETERS, mirror, neutral_parameters, sample_parameters, select
from hyperstyle.synthetic.photos import Person, photograph
from hyperstyle.synthetic.renderer import render, render_figure

SIZE = 64


def test_same_seed_same_pictures() -> None:
    """Everything follows from the seed, and a batch equals its items."""
    p = sample_parameters(4, 12)
    a = render(p, SIZE)
    assert a.shape == (4, 3, SIZE, SIZE)
    assert float(a.min()) >= -1
    assert float(a.max()) <= 1
    assert torch.equal(a, render(sample_parameters(4, 12), SIZE))
    assert torch.allclose(render(select(p, slice(2, 3)), SIZE), a[2:3], atol=1e-4)
    assert not torch.allclose(a, render(sample_parameters(4, 13), SIZE), atol=0.1)


def test_any_resolution_shows_the_same_picture() -> None:
    """A large picture, averaged down, is the small one but for the edges."""
    p = sample_parameters(4, 5)
    small, large = render(p, SIZE, supersample=2), F.avg_pool2d(render(p, 4 * SIZE), 4)
    assert float((small - large).abs().mean()) < 0.03


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda q: q.name)
def test_every_parameter_shows(parameter: object) -> None:
    """Each parameter moved from end to end changes the picture; none is only a name."""
    assert parameter in PARAMETERS
    p = {k: v.repeat(2) for k, v in neutral_parameters().items()}
    q = next(q for q in PARAMETERS if q is parameter)
    needs = {"glasses_shape": ("glasses", 1.0), "background_hue": ("background_saturation", 0.6)}
    needs |= {"clothes_hue": ("clothes_saturation", 0.7), "hair_red": ("hair_shade", 0.8)}
    if q.name in needs:
        other, value = needs[q.name]
        p[other] = torch.full((2,), value)
    # Hues meet again at their ends, so the middle stands for the other end.
    far = (q.low + q.high) / 2 if q.name.endswith("hue") else q.high
    p[q.name] = torch.tensor([float(q.low), float(far)])
    a, b = render(p, SIZE)
    assert float((a - b).abs().max()) > 0.08


def test_mirrored_parameters_give_the_mirrored_picture() -> None:
    """Up to the strands of the hair, which have no mirror twin."""
    p = sample_parameters(4, 8)
    assert float((render(mirror(p), SIZE) - render(p, SIZE).flip(3)).abs().mean()) < 0.06


DETAILS = ("freckles", "moles", "scar", "paint", "earrings", "hat", "cloth_pattern", "background_pattern")


def no_details(n: int) -> Details:
    """Details that are all absent, to switch on one by one."""
    return sample_details(n, 0) | {name: torch.zeros(n) for name in DETAILS}


def test_details_are_separate() -> None:
    """No detail leaves the portrait alone; every kind of detail shows on some portrait."""
    p = sample_parameters(6, 30)
    plain = render(p, SIZE)
    # What is absent must not even change rounding by more than the mask's own arithmetic.
    assert torch.allclose(render(p, SIZE, details=no_details(6)), plain, atol=1e-3)
    chosen = sample_details(6, 1)
    for kind in DETAILS:
        one = no_details(6) | {k: v for k, v in chosen.items() if k not in DETAILS}
        one[kind] = torch.ones(6)
        assert float((render(p, SIZE, details=one) - plain).abs().amax((1, 2, 3)).max()) > 0.15, kind


def test_landmarks_sit_where_alignment_puts_them() -> None:
    """Eyes level and at their place, the mouth below, whatever the pose and expression."""
    p = geometry.columns(sample_parameters(64, 3))
    centre, ax, ay = geometry.camera(p)
    left, right, mouth = geometry.landmarks(p)

    def place(point: torch.Tensor) -> torch.Tensor:
        offset = point - centre
        return torch.stack([(offset * ax).sum(1), (offset * ay).sum(1)], 1) / ax.square().sum(1, keepdim=True)

    a, b, m = place(left), place(right), place(mouth)
    # The crop is levelled by eyes and mouth together, so a turned head may leave the eyes a hair off level.
    assert float((a[:, 1] - b[:, 1]).abs().max()) < 0.06
    assert float(((a + b) / 2)[:, 0].abs().max()) < 0.06
    assert (m[:, 1] > 0.4).all()
    assert (m[:, 1] < 0.55).all()


def test_a_real_detector_finds_the_faces() -> None:
    """MediaPipe finds portraits turned up to 30 degrees."""
    p = sample_parameters(40, 2_000_000)
    p = select(p, p["yaw"].abs() <= 30)
    pictures = render(p, 192)
    found = 0
    for picture in pictures:
        with contextlib.suppress(NoFaceFound):  # counted, so that one miss does not hide the others
            found += len(align_faces(to_photo(picture[None]), 64)) == 1
    assert found >= 0.98 * len(pictures)


def test_group_photo() -> None:
    """Three people, one tilted: all are found, largest first."""
    p = sample_parameters(12, 2024)
    people = [
        Person(select(p, slice(0, 1)), (0.20, 0.50), 0.30, -12),
        Person(select(p, slice(3, 4)), (0.80, 0.48), 0.26, 8),
        Person(select(p, slice(5, 6)), (0.50, 0.52), 0.40),
    ]
    photo = photograph(people, (640, 426), seed=3)
    assert photo.size == (640, 426)
    faces = align_faces(photo, 64)
    assert len(faces) == 3
    assert faces[0].report.face_px > faces[-1].report.face_px
    middle = faces[0].quad.mean(0)
    assert abs(middle[0] / 640 - 0.5) < 0.06


def test_figures_have_coverage() -> None:
    """A figure's mask is solid on the face and empty in the corner above it."""
    colour, cover = render_figure(neutral_parameters(), 48, zoom=1.75)
    assert colour.shape == (1, 3, 48, 48)
    assert float(cover[0, 0, 24, 24]) == 1
    assert float(cover[0, 0, 1, 1]) == 0
