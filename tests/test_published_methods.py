"""Other methods in published domains: what is downloaded for them is loaded, none is offered without its files."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from demo_tools import close_event_loops  # noqa: F401
from golden_tools import filled
from PIL import Image
from published_files import latent_avg
from test_convert import shapes_only
from tiny import BASELINES as TINY_BASELINES
from torch import Tensor

from hyperstyle import published
from hyperstyle.cli import main
from hyperstyle.domains import BUILT_IN, BuiltIn, Domain, get_domain
from hyperstyle.errors import ForeignWeights, UsageError, WeightsMissing
from hyperstyle.inversion import METHODS
from hyperstyle.inversion.losses import perceptual_distance
from hyperstyle.models.config import build_config
from hyperstyle.models.lpips import LPIPS
from hyperstyle.models.style_encoders import StyleEncoder, StyleEncoderConfig, published_style_encoder
from hyperstyle.pipeline import load
from hyperstyle.published import BASELINES, install
from hyperstyle.weights.load import build_baseline, load_network
from hyperstyle.weights.registry import EXTRAS, SETS, Part, find_set

CPU = torch.device("cpu")
DESCENDING = ["w", "w+", "pti", "hyperstyle+pti"]
EVERY_PART = {part for group in published._GROUPS for part in group}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    """A cache of each test's own."""
    monkeypatch.setenv("HYPERSTYLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HYPERSTYLE_WEIGHTS", raising=False)
    return tmp_path / "cache"


def write_lpips(folder: Path) -> dict[str, Path]:
    """The two published files of LPIPS, filled."""
    official = filled("lpips_alex", "lpips.")
    features = {key.replace("net.layers.", "features."): t for key, t in official.items() if key.startswith("net.")}
    paths = {name: folder / name for name in ("alexnet-owt-7be5be79.pth", "alex.pth")}
    torch.save({**features, "classifier.1.weight": torch.zeros(2)}, paths["alexnet-owt-7be5be79.pth"])
    torch.save({f"lin{i}.model.1.weight": official[f"lin.{i}.1.weight"].abs() for i in range(5)}, paths["alex.pth"])
    return paths


@pytest.mark.parametrize("weights_set", SETS, ids=lambda weights_set: weights_set.name)
def test_every_file_on_offer_is_made_into_something(weights_set):
    for row in weights_set.files(EXTRAS):
        assert row.part in EVERY_PART, f"{row.name} would be downloaded for nothing"
    domain = get_domain(weights_set.name)
    for row in weights_set.compare:
        assert row.part not in BASELINES or BASELINES[row.part] in domain.baselines, row.name


def test_every_part_has_a_converter():
    assert set(get_args(Part)) == EVERY_PART


@pytest.mark.parametrize("weights_set", SETS, ids=lambda weights_set: weights_set.name)
def test_every_method_a_domain_could_have_can_be_downloaded(weights_set):
    domain = get_domain(weights_set.name)
    parts = {row.part for row in weights_set.files(["compare"])}
    assert set(domain.baselines) == {BASELINES[part] for part in parts if part in BASELINES}
    assert set(domain.baselines) <= set(METHODS)
    assert "lpips" in domain.optional
    assert {"lpips_features", "lpips_weights"} <= parts


@pytest.mark.parametrize(("name", "kind"), [("psp", "psp"), ("e4e", "e4e"), ("restyle-e4e", "restyle_e4e")])
def test_encoders_of_ffhq_have_the_published_sizes(name, kind):
    config = build_config(StyleEncoderConfig, get_domain("ffhq").baselines[name], "")
    assert config == published_style_encoder(kind, 18)


def test_lpips_is_converted_and_measures(tmp_path):
    files = write_lpips(tmp_path)
    domain = install(get_domain("ffhq"), {"alex.pth": files["alex.pth"]})
    assert not domain.path("lpips").exists()  # half of it is nothing yet
    install(domain, files)
    network = load_network(LPIPS, domain.path("lpips"), CPU)
    networks = SimpleNamespace(lpips=network, attributes=None, domain=SimpleNamespace(input_hw=(64, 64)))
    pictures = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert perceptual_distance(networks, pictures, pictures).tolist() == [0, 0]
    assert float(perceptual_distance(networks, pictures, -pictures).min()) > 0


@pytest.mark.slow
def test_an_encoder_of_published_size_is_converted_and_loaded(tmp_path):
    path = tmp_path / "restyle_e4e_ffhq.pt"
    tensors = shapes_only("restyle_e4e_irse50_1024", "encoder.")
    opts = {"encoder_type": "ProgressiveBackboneEncoder"}
    torch.save({"state_dict": tensors, "latent_avg": latent_avg(18), "opts": opts}, path)
    domain = install(get_domain("ffhq"), {path.name: path})
    network = load_network(lambda: build_baseline(domain, "restyle-e4e"), domain.path("restyle-e4e"), CPU)
    assert torch.allclose(network.w_avg, latent_avg(18)[0], atol=1e-2)


# The way from a file to a method, on tiny networks


@pytest.fixture
def tiny_ffhq(tmp_path, monkeypatch, cache, tiny_folder) -> Domain:
    """A published domain `ffhq` of 32 px, with nothing that compares pictures and no encoder into W+."""
    record = json.loads((tiny_folder / "domain.json").read_text())
    record |= {"name": "ffhq", "published": True, "attributes": {}, "optional": ["lpips", "text"]}
    record["baselines"].pop("restyle-psp")
    row = tmp_path / "row"
    row.mkdir()
    (row / "domain.json").write_text(json.dumps(record))
    monkeypatch.setitem(BUILT_IN, "ffhq", BuiltIn(row))
    ignored = shutil.ignore_patterns("comparison", "domain.json", "attributes.*")
    shutil.copytree(tiny_folder, cache / "domains" / "ffhq", ignore=ignored)
    return get_domain("ffhq")


def tiny_encoders(folder: Path, monkeypatch) -> dict[str, Path]:
    """Files under the published names, which tiny encoders come out of."""

    def convert(path: Path) -> tuple[StyleEncoderConfig, dict[str, Tensor]]:
        config = TINY_BASELINES[by_file[path.name]]
        return config, StyleEncoder(config).state_dict()

    by_file = {row.name: BASELINES[row.part] for row in find_set("ffhq").compare if row.part in BASELINES}
    monkeypatch.setattr(published, "convert_style_encoder", convert)
    paths = {name: folder / name for name in by_file}
    for path in paths.values():
        path.write_bytes(b"converted by a stand-in")
    return paths


def test_methods_without_their_files_are_not_offered(tiny_ffhq):
    pipeline = load("ffhq", "cpu")
    assert pipeline.methods == ["encoder", "hyperstyle"]
    for name in ("e4e", "idinvert", *DESCENDING):
        with pytest.raises(WeightsMissing, match=rf"method '{re.escape(name)}' needs .*download ffhq --compare"):
            pipeline.inverter(name)
    with pytest.raises(UsageError, match="no inversion method 'restyle-psp' for 'ffhq'"):
        pipeline.inverter("restyle-psp")


def test_the_page_offers_no_method_without_its_files(tiny_ffhq):
    from hyperstyle.demo import create_demo

    page = json.dumps(create_demo(load("ffhq", "cpu"), examples=None).get_config_file(), default=str)
    for name in METHODS:
        assert (f'"name": "{name}"' in page) == (name in ("encoder", "hyperstyle")), name


def test_downloaded_files_become_methods(tiny_ffhq, tmp_path, monkeypatch):
    said: list[str] = []
    install(tiny_ffhq, {**tiny_encoders(tmp_path, monkeypatch), **write_lpips(tmp_path)}, said.append)
    assert len(said) == 2
    pipeline = load("ffhq", "cpu")
    assert pipeline.methods == [name for name in METHODS if name != "restyle-psp"]
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for name in ("psp", "e4e", "restyle-e4e"):
        assert pipeline.draw(pipeline.invert(target, method=name)).shape == target.shape


def test_another_encoder_under_the_name_is_refused(tiny_ffhq, tmp_path, monkeypatch):
    files = tiny_encoders(tmp_path, monkeypatch)
    swapped = {"e4e_ffhq_encode.pt": files["e4e_ffhq_encode.pt"]}
    monkeypatch.setattr(published, "convert_style_encoder", lambda path: (TINY_BASELINES["psp"], {}))
    with pytest.raises(ForeignWeights, match="is another encoder than 'e4e'"):
        install(tiny_ffhq, swapped)


def test_command_line_says_how_to_get_a_method(tiny_ffhq, tmp_path, capsys):
    Image.new("RGB", (64, 64), (120, 90, 80)).save(tmp_path / "crop.png")
    arguments = ["invert", str(tmp_path / "crop.png"), "-o", str(tmp_path / "face.safetensors")]
    assert main([*arguments, "--domain", "ffhq", "--method", "e4e"]) == 1
    assert "python -m hyperstyle download ffhq --compare" in capsys.readouterr().err
