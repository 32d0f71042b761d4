"""Photographs as training data, and every stage on them, for a few steps; drawn portraits stand in for them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperstyle.domains import read_domain
from hyperstyle.errors import UsageError, WeightsMissing
from hyperstyle.images import save_picture, to_photo
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.synthetic.parameters import sample_parameters
from hyperstyle.synthetic.renderer import render
from hyperstyle.training.photo_mapping import fit_mapping
from hyperstyle.training.photo_perception import shots_by_person
from hyperstyle.training.photo_stages import STAGES
from hyperstyle.training.photo_traits import TRAITS, colour_traits, landmark_traits, trait_values
from hyperstyle.training.photographs import Photographs, people_range, read_table
from hyperstyle.training.run import PhotographSource
from hyperstyle.training.sampling import Sampler, rarity
from hyperstyle.training.stages import run_stage
from hyperstyle.training.widening import widen
from hyperstyle.traits import column
from hyperstyle.weights.files import load_weights
from hyperstyle.weights.load import load_models


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> PhotographSource:
    """Twelve pictures of eight people, one of whom is kept back, and two files that are of no use."""
    folder = tmp_path_factory.mktemp("photos")
    p = sample_parameters(12, 3)
    p["yaw"] = p["yaw"] * 0.3
    for number, picture in enumerate(render(p, 192)):
        save_picture(to_photo(picture), folder / f"{number:02}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    save_picture(to_photo(torch.zeros(3, 96, 96)), folder / "empty.png")
    people = ["p0001", "p0001", "p0002", "p0002", *[f"p00{n}" for n in range(10, 16)], "p2900", "p2900"]
    with open(folder / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "person", "age", "female", "same_shot_as"])
        for number, person in enumerate(people):
            writer.writerow([f"{number:02}.png", person, 20 + 4 * number, number % 2, "02.png" if number == 3 else ""])
        writer.writerow(["broken.jpg", "p0020", 30, 0, ""])
        writer.writerow(["empty.png", "p0021", 30, 0, ""])
    with open(folder / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "glasses", "beard", "moustache", "hair", "colour", "headwear", "teeth", "earrings"])
        for number in range(12):
            writer.writerow([f"{number:02}.png", number % 3, number % 3, 0, number % 5, "knbrgwx"[number % 7], 0, 1, 0])
    return PhotographSource(folder, folder / "table.csv", folder / "labels.csv")


@pytest.fixture(scope="module")
def run_folder(source: PhotographSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run_stage("data", "photos", smoke=True, out=folder, device="cpu", source=source)
    return folder


def test_data_are_aligned_and_the_useless_is_named(run_folder: Path) -> None:
    refused = read_table(run_folder / "data" / "refused.csv")
    assert [row["file"] for row in refused] == ["broken.jpg", "empty.png"]
    assert "No face" in refused[1]["reason"]
    held = people_range("p2900:")
    train = Photographs.read(run_folder / "data", lambda person: not held(person))
    back = Photographs.read(run_folder / "data", held)
    assert (len(train), len(back)) == (10, 2)
    assert train.batch(torch.tensor([0, 3])).shape == (2, 3, 32, 32)
    assert float(train.trait("age")[1]) == 24
    # The eyes lie where the crop puts them, and what is known of one picture did not slip to another.
    assert np.allclose(train.landmarks[:, [33, 133, 362, 263], 1].mean(), 0.48, atol=0.04)
    assert [row["hair"] for row in train.rows] == [str(n % 5) for n in range(10)]
    assert shots_by_person(train)["p0002"] == [2]
    assert shots_by_person(train)["p0001"] == [0, 1]


def test_every_stage_makes_a_domain(run_folder: Path) -> None:
    for stage in STAGES:
        run_stage(stage, "photos", smoke=True, out=run_folder, device="cpu")
    domain = read_domain(run_folder)
    models = load_models(domain, torch.device("cpu"))
    assert models.attributes is not None
    assert models.attributes.config.out_dim == len(TRAITS)
    for part in ("generator", "w_encoder", "hypernetwork", "identity", "attributes"):
        card = json.loads(domain.path(part).with_suffix(".card.json").read_text())
        assert card["metrics"]
        assert card["command"].startswith("python -m hyperstyle train ")
    # The mean latent is the mean of what the mapping network was fitted to, not the start's.
    assert float(models.generator.w_avg.abs().sum()) > 0
    # Without what training alone needs, generator and W encoder go on together.
    before = {part: load_weights(domain.path(part))[0] for part in ("generator", "w_encoder")}
    for file in (run_folder / "stages" / "generator").iterdir():
        file.unlink()
    run_stage("generator", "photos", smoke=True, out=run_folder, device="cpu", steps=2, seed=3)
    after = {part: load_weights(domain.path(part))[0] for part in ("generator", "w_encoder")}
    assert any(not torch.equal(before["w_encoder"][k], after["w_encoder"][k]) for k in after["w_encoder"])
    # Latents move, and the mapping network and their mean follow them.
    assert not torch.equal(before["generator"]["w_avg"], after["generator"]["w_avg"])
    assert any(not torch.equal(before["generator"][k], v) for k, v in after["generator"].items() if "style." in k)


def test_what_is_missing_is_said(tmp_path: Path, source: PhotographSource) -> None:
    with pytest.raises(WeightsMissing, match="train data --photos"):
        run_stage("attributes", "photos", smoke=True, out=tmp_path, device="cpu")
    with pytest.raises(UsageError, match="Which photographs"):
        run_stage("data", "photos", smoke=True, out=tmp_path, device="cpu")
    with pytest.raises(UsageError, match="no folder"):
        run_stage(
            "data",
            "photos",
            smoke=True,
            out=tmp_path,
            device="cpu",
            source=PhotographSource(tmp_path / "none", source.table),
        )
    with pytest.raises(UsageError, match="for the stage 'data'"):
        run_stage("data", "portraits", smoke=True, out=tmp_path, device="cpu", source=source)
    with pytest.raises(UsageError, match="no stage 'style'"):
        run_stage("style", "photos", smoke=True, out=tmp_path, device="cpu", name="line")
    (tmp_path / "t.csv").write_text("file,who\na.jpg,b\n")
    with pytest.raises(UsageError, match="no column 'person'"):
        read_table(tmp_path / "t.csv", ("file", "person"))
    with pytest.raises(UsageError, match="cannot be read"):
        read_table(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [("p2900:", "p2900", "p2899"), (":p0010", "p0009", "p0010"), ("a:c", "bob", "carl"), ("anna", "anna", "anne")],
)
def test_ranges_of_people(text: str, inside: str, outside: str) -> None:
    chosen = people_range(text)
    assert chosen(inside)
    assert not chosen(outside)


@pytest.mark.parametrize("text", ["", ":", "a:b:c"])
def test_no_range_of_people(text: str) -> None:
    with pytest.raises(UsageError, match="range of people"):
        people_range(text)


def test_traits_are_read_from_shapes_and_colours() -> None:
    points = np.full((478, 2), 0.5, np.float32)
    for place, xy in {33: (0.3, 0.48), 133: (0.4, 0.48), 362: (0.6, 0.48), 263: (0.7, 0.48)}.items():
        points[place] = xy
    points[[61, 291]] = (0.4, 0.7), (0.6, 0.7)
    points[[0, 17, 13, 14]] = (0.5, 0.68), (0.5, 0.74), (0.5, 0.7), (0.5, 0.72)
    calm = landmark_traits(points)
    assert calm["mouth_open"] == pytest.approx(0.02 / 0.3, abs=1e-4)
    points[[61, 291]] = (0.36, 0.68), (0.64, 0.68)
    assert landmark_traits(points)["smile_shape"] > calm["smile_shape"] + 0.1
    picture = np.full((3, 64, 64), 120, np.uint8)
    assert np.isnan(colour_traits(picture, points)["skin_ita"])
    light, dark = picture.copy(), picture.copy()
    light[:] = np.array([230, 190, 170], np.uint8)[:, None, None]
    dark[:] = np.array([80, 50, 35], np.uint8)[:, None, None]
    assert colour_traits(light, points)["skin_ita"] > colour_traits(dark, points)["skin_ita"] + 40
    values = trait_values({"colour": "w", "hair": "0", "beard": "2", "glasses": "2", "headwear": "0"})
    assert values[column(TRAITS, "hair_grey")] == 1
    assert values[column(TRAITS, "baldness")] == 1
    assert values[column(TRAITS, "beard")] == 1
    assert values[column(TRAITS, "glasses")] == 1
    assert np.isnan(values[column(TRAITS, "hair_shade")])
    assert np.isnan(values[column(TRAITS, "age")])
    # Hair under a scarf is not known.
    assert np.isnan(trait_values({"hair": "2", "headwear": "1"})[column(TRAITS, "hair_length")])


def test_rare_people_are_shown_more_often(run_folder: Path) -> None:
    train = Photographs.read(run_folder / "data", people_range(":p2900"))
    for row in train.rows[1:]:
        row["female"] = "0"
    train.rows[0]["female"] = "1"
    weights = rarity(train)
    assert float(weights.mean()) == pytest.approx(1, abs=1e-5)
    assert int(weights.argmax()) == 0
    x = Sampler(train).batch(4, torch.Generator().manual_seed(0), 16)
    assert x.shape == (4, 3, 16, 16)
    assert float(x.abs().max()) <= 1


def test_a_widened_generator_draws_the_same() -> None:
    small = Generator(GeneratorConfig(32, {4: 8, 8: 8, 16: 8, 32: 4}, w_dim=8, z_dim=8, mapping_layers=1))
    for p in small.parameters():
        p.data += 0.1 * torch.randn_like(p)
    large = Generator(GeneratorConfig(32, {4: 12, 8: 12, 16: 10, 32: 6}, w_dim=12, z_dim=4, mapping_layers=2))
    widen(large, small.state_dict())
    w = torch.randn(2, 8)
    with torch.no_grad():
        a = small.render(small.to_styles(repeat_w(w, small.num_ws)))
        b = large.render(large.to_styles(repeat_w(torch.cat((w, torch.zeros(2, 4)), 1), large.num_ws)))
    assert torch.allclose(a, b, atol=1e-4)


def test_the_mapping_network_learns_a_cloud() -> None:
    torch.manual_seed(0)
    sizes = {4: 4, 8: 4}
    generator = Generator(GeneratorConfig(8, sizes, w_dim=8, z_dim=16, mapping_layers=3, mapping_lr_mul=1.0))
    w = torch.randn(500, 8) * torch.linspace(0.2, 1, 8) + 1
    w[:, 0] = 0.9 * w[:, 7] - 2 + 0.1 * torch.randn(500)
    facts = fit_mapping(generator, w, steps=400, seed=0)
    made = generator.map(torch.randn(2000, generator.config.z_dim)).detach()
    assert torch.allclose(generator.w_avg, w.mean(0))
    assert float(((made.mean(0) - w.mean(0)) / w.std(0)).abs().max()) < 0.3
    assert facts["mapping_spread"] < 0.3
    # What goes together goes together in made-up latents too.
    assert float(torch.corrcoef(made[:, [0, 7]].t())[0, 1]) > 0.7
