"""Edit directions of photographs: labels from pictures, rare traits, and edits that do not work, in a linear world."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny import IDENTITY
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.demo.german import GERMAN
from hyperstyle.editing import DirectionEdits
from hyperstyle.editing.directions import read_manifest
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.training.directions import Effect, Probe
from hyperstyle.training.photo_directions import (
    PHOTO_SLIDERS,
    PhotoDirectionsConfig,
    clear_extremes,
    fit_photo_directions,
    labelled_latents,
    why_not,
)
from hyperstyle.training.photo_latents import photo_latents
from hyperstyle.training.photo_traits import TRAITS
from hyperstyle.training.photographs import Photographs
from hyperstyle.traits import Z_END, column, mirrored

T, SIZE = len(TRAITS), 8
HALF = 3 * SIZE * SIZE // 2
YAW, GLASSES, PITCH = (column(TRAITS, name) for name in ("yaw", "glasses", "pitch"))
CONFIG = PhotoDirectionsConfig(n_fit=400, n_made_up=100, n_measure=24, n_range=8, batch=64)


def draw(z: Tensor) -> Tensor:
    """Pictures whose left half spells the traits; its last value says which half that is."""
    left = F.pad(z / 10, (0, HALF - T - 1))
    left = torch.cat([left, torch.ones(len(z), 1)], 1).reshape(-1, 3, SIZE, SIZE // 2)
    return torch.cat([left, torch.zeros_like(left)], 3)


def read(pictures: Tensor) -> Tensor:
    """The traits of such pictures, mirrored ones too."""
    plain = pictures[..., : SIZE // 2].flatten(1)
    other = pictures.flip(3)[..., : SIZE // 2].flatten(1)
    return torch.where(plain[:, -1:] > 0.5, plain[:, :T] * 10, mirrored(TRAITS, other[:, :T] * 10))


class LinearGenerator:
    """`w` is a rotation of the traits' columns."""

    num_ws = 3
    config = SimpleNamespace(z_dim=T, resolution=SIZE)

    def __init__(self) -> None:
        self.rotation = torch.linalg.qr(torch.randn(T, T, generator=torch.Generator().manual_seed(0)))[0]
        self.w_avg = torch.full((T,), 0.25)

    def map(self, z: Tensor, truncation_psi: float = 1.0) -> Tensor:
        return torch.lerp(self.w_avg, z @ self.rotation + self.w_avg, truncation_psi)

    def to_styles(self, w_plus: Tensor) -> tuple[Tensor]:
        return (w_plus[:, 0],)

    def render(self, styles: tuple[Tensor], resolution: int) -> Tensor:
        assert resolution == SIZE
        return draw((styles[0] - self.w_avg) @ self.rotation.T)

    def encode(self, pictures: Tensor) -> Tensor:
        return read(pictures) @ self.rotation


def people(n: int, seed: int) -> tuple[Photographs, Tensor]:
    """Photographs whose table knows their glasses and nothing else; a tenth wear some."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, T, generator=g)
    worn = torch.rand(n, generator=g) < 0.1
    z[:, GLASSES] = torch.where(worn, Z_END, -Z_END) + 0.2 * torch.randn(n, generator=g)
    pictures = ((draw(z.clamp(-5, 5)) + 1) * 127.5).round().to(torch.uint8).numpy()
    rows = [{"file": str(i), "person": str(i), "glasses": str(int(w))} for i, w in enumerate(worn)]
    return Photographs(pictures, rows, np.arange(n), torch.zeros(n, 478, 2)), z


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> SimpleNamespace:
    generator = LinearGenerator()
    train, _ = people(450, 1)
    held_out, _ = people(40, 2)
    told: list[tuple[int, int, str]] = []

    def blind(pictures: Tensor) -> Tensor:
        """Sees everything but nods."""
        seen = read(pictures)
        seen[:, PITCH] = 0.01 * seen[:, YAW]
        return seen

    folder = tmp_path_factory.mktemp("photos")
    chosen = [s for s in PHOTO_SLIDERS if s.name in ("yaw", "pitch", "glasses", "age", "smile")]
    rows = fit_photo_directions(
        generator, generator.encode, blind, train, held_out, folder, CONFIG,
        domain="linear", input_size=SIZE, sliders=chosen, on_progress=lambda *now: told.append(now),
    )  # fmt: skip
    return SimpleNamespace(generator=generator, folder=folder, rows={row.name: row for row in rows}, told=told)


@pytest.mark.parametrize("name", ["yaw", "glasses", "age", "smile"])
def test_directions_of_a_linear_world_are_the_true_ones(world, name):
    vector = DirectionEdits(world.folder).shift(name, 1.0)[0, 0]
    assert float(F.normalize(vector, dim=0) @ world.generator.rotation[column(TRAITS, name)]) > 0.9


def test_rows_speak_of_the_photographs_traits(world):
    yaw = world.rows["yaw"]
    # A standard deviation of yaw, which fills 80 degrees from -1.7 to 1.7.
    assert yaw.effect_per_unit == pytest.approx(80 / (2 * Z_END), rel=0.15)
    assert (yaw.unit, yaw.group, yaw.domain, yaw.label) == ("degrees", "pose", "linear", "Turn head")
    assert yaw.minimum < 0 < yaw.maximum
    assert world.told[-1][0] == world.told[-1][1]


def test_an_edit_that_moves_nothing_is_left_out(world):
    assert [row.name for row in read_manifest(world.folder)] == ["smile", "yaw", "age", "glasses"]
    assert "pitch" in (world.folder / "manifest.json").read_text()  # and why
    assert not (world.folder / "pitch.safetensors").exists()


def test_what_counts_as_working():
    trait = TRAITS[YAW]
    assert why_not(Effect(10.0, {}, backwards=0.2), trait, CONFIG) == ""
    assert "3%" in why_not(Effect(2.0, {}), trait, CONFIG)
    assert "range" in why_not(Effect(-10.0, {}), trait, CONFIG)
    assert "wrong way on 30%" in why_not(Effect(10.0, {}, backwards=0.3), trait, CONFIG)


def test_every_slider_speaks_german():
    for slider in PHOTO_SLIDERS:
        assert GERMAN[slider.label]
        assert GERMAN[slider.description]


def test_every_slider_is_a_trait_and_so_is_what_may_move_with_it():
    names = [trait.name for trait in TRAITS]
    for slider in PHOTO_SLIDERS:
        assert {slider.name, *slider.keep} <= set(names)


def test_photographs_are_labelled_by_what_their_latent_draws():
    """Labels of the table pull halfway; mirror images come for free."""
    generator, (train, z) = LinearGenerator(), people(40, 3)
    drawn = []

    def count(pictures: Tensor) -> Tensor:
        drawn.append(len(pictures))
        return read(pictures)

    probe = Probe(generator, count, SIZE, 16, resolution=SIZE)
    w, values, spread = labelled_latents(probe, generator.encode, train, CONFIG, SIZE)
    assert sum(drawn) == 40 + CONFIG.n_made_up
    assert (len(w), len(values)) == (2 * 40 + CONFIG.n_made_up,) * 2
    order = torch.randperm(40, generator=torch.Generator().manual_seed(CONFIG.seed))
    torch.testing.assert_close(values[:40, YAW], z[order, YAW], atol=0.05, rtol=0)
    torch.testing.assert_close(values[40:80, YAW], -values[:40, YAW])
    worn = train.trait("glasses")[order] > 0.5
    assert bool((values[:40, GLASSES] > 0).eq(worn).all())
    expected = (z[order, GLASSES] + torch.where(worn, Z_END, -Z_END)) / 2
    torch.testing.assert_close(values[:40, GLASSES], expected, atol=0.05, rtol=0)
    # The latent of the mirror image draws what the mirrored values say.
    torch.testing.assert_close(read(generator.render((w[40:80],), SIZE))[:, YAW], values[40:80, YAW], atol=0.05, rtol=0)
    assert spread[YAW] == pytest.approx(1.0, rel=0.3)


def test_latents_come_from_the_encoder_and_lie_around_the_average():
    generator, (train, z) = LinearGenerator(), people(5, 4)
    w = photo_latents(generator, generator.encode, train, torch.tensor([3, 1]), SIZE, torch.tensor([False, True]))
    expected = torch.stack([z[3], mirrored(TRAITS, z[1:2])[0]]) @ generator.rotation + generator.w_avg
    torch.testing.assert_close(w, expected, atol=0.1, rtol=0)


def test_an_identity_network_gets_the_part_of_the_face_that_it_reads():
    """Networks of photographs look at the middle, and at another size than the attribute network."""
    network = EmbeddingNetwork(replace(IDENTITY, crop=(64, 192, 64, 192))).eval()
    generator = LinearGenerator()
    w = torch.randn(3, T, generator=torch.Generator().manual_seed(0))
    _, faces = Probe(generator, read, SIZE, identity=network, resolution=SIZE).read(w)
    x = generator.render((w,), SIZE).clamp(-1, 1)
    torch.testing.assert_close(faces, network(metrics.face_part(network, x)).detach())


def test_what_few_faces_have_is_one_end_on_those_few_only():
    values = torch.cat([torch.linspace(-1.8, -1.6, 92), torch.linspace(1.5, 1.7, 8)])
    low, high = clear_extremes(values, 0.3)
    assert torch.equal(high, values > 0)
    assert int(low.sum()) == 30
    low, high = clear_extremes(torch.linspace(-1, 1, 100), 0.3)
    assert (int(low.sum()), int(high.sum())) == (30, 30)
