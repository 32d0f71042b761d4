"""Text edits with a published CLIP, end to end on a tiny one: measuring channels, resuming, editing by words."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from hyperstyle.cli import main
from hyperstyle.domains import read_domain
from hyperstyle.editing import TextEdit
from hyperstyle.editing.pretrained_text import load_pretrained_text, save_pretrained_text
from hyperstyle.editing.torchvision_shim import import_open_clip
from hyperstyle.errors import BadPrompt, UsageError, WeightsMissing
from hyperstyle.pipeline import load
from hyperstyle.published import prepare
from hyperstyle.training import published_relevance
from hyperstyle.training.published_relevance import measure_published
from hyperstyle.training.relevance import RelevanceConfig
from hyperstyle.training.stages import run_stage

NAME = "tiny-published-clip"
CONFIG = RelevanceConfig(n_statistics=64, n_samples=2, max_resolution=16, picture_px=16, truncation_psi=0.7, batch=32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Weights of a small CLIP with an architecture that open_clip knows by name, as it knows the published ones."""
    open_clip = import_open_clip()
    config = tmp_path_factory.mktemp("configs") / f"{NAME}.json"
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    config.write_text(json.dumps({"embed_dim": 8, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}))
    open_clip.add_model_config(config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return open_clip.create_model(NAME, pretrained=None).state_dict()


@pytest.fixture
def domain(tiny_folder, clip, tmp_path):
    """A published domain whose text model has no relevance yet."""
    folder = tmp_path / "published"
    shutil.copytree(tiny_folder, folder)
    record = json.loads((folder / "domain.json").read_text())
    record |= {"published": True, "text": {"model": NAME}}
    (folder / "domain.json").write_text(json.dumps(record))
    domain = prepare(read_domain(folder), folder)
    save_pretrained_text(
        domain.path("text"), NAME, clip, ["a photo of {}.", "a drawing of {}."], "tiny", suggestions=["a smiling face"]
    )
    return domain


def test_words_edit_a_face_once_channels_are_measured(domain):
    folder = domain.folder
    pipeline = load(folder, "cpu", folder)
    with pytest.raises(WeightsMissing, match="relevance"):
        pipeline.text_editor()
    assert measure_published(domain, folder, "cpu", CONFIG) == domain.path("text")

    pipeline = load(folder, "cpu", folder)
    inversion = pipeline.invert(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1)
    plain = pipeline.draw(inversion)
    words = TextEdit("a surprised face", 3.0, disentanglement=0.0)
    edited = pipeline.draw(inversion, text=[words])
    assert not torch.equal(plain, edited)
    assert torch.equal(plain, pipeline.draw(inversion, text=[TextEdit("a surprised face", 0.0)]))
    with pytest.raises(BadPrompt):
        pipeline.draw(inversion, text=[TextEdit("\N{GRINNING FACE}", 1.0)])


def test_channels_of_fine_layers_are_left_alone(domain):
    model = load_pretrained_text(measure_published(domain, domain.folder, "cpu", CONFIG))
    names = [name for name, _ in model.relevance_layers]
    assert names == ["conv1", "convs.0", "convs.1", "convs.2", "convs.3"]  # 4, 8 and 16 px, not 32
    assert torch.allclose(model.relevance.norm(dim=1), torch.ones(len(model.relevance)), atol=1e-5)
    assert model.known_prompts() == ["a smiling face"]
    assert model.templates == ("a photo of {}.", "a drawing of {}.")


def test_measuring_goes_on_where_it_stopped(domain):
    def stop(done: int, total: int, layer: str) -> None:
        if layer == "convs.1":
            raise KeyboardInterrupt

    whole = load_pretrained_text(measure_published(domain, domain.folder, "cpu", CONFIG)).relevance
    with pytest.raises(KeyboardInterrupt):
        measure_published(domain, domain.folder, "cpu", CONFIG, on_progress=stop)
    assert domain.path("text").with_name("relevance.checkpoint.pt").exists()
    seen = []
    path = measure_published(domain, domain.folder, "cpu", CONFIG, on_progress=lambda d, t, layer: seen.append(layer))
    assert seen[0] == "convs.1"
    assert torch.equal(load_pretrained_text(path).relevance, whole)
    assert not domain.path("text").with_name("relevance.checkpoint.pt").exists()


def test_the_command(domain, monkeypatch, capsys):
    monkeypatch.setattr(published_relevance, "CONFIG", CONFIG)
    options = ["--domain", str(domain.folder), "--weights", str(domain.folder)]
    assert main(["train", "relevance", *options]) == 0
    assert capsys.readouterr().out.strip() == str(domain.folder)
    assert main(["train", "generator", *options]) == 2
    assert "only the stage 'relevance'" in capsys.readouterr().err
    assert main(["train", "relevance", "--smoke", *options]) == 2
    assert "leave them out" in capsys.readouterr().err


def test_without_a_text_model_it_says_what_to_download(domain):
    domain.path("text").unlink()
    with pytest.raises(WeightsMissing, match=r"download .* --text"):
        measure_published(domain, domain.folder, "cpu", CONFIG)


def test_trained_domains_take_no_folder(tmp_path):
    with pytest.raises(UsageError, match="--weights"):
        run_stage("relevance", "portraits", out=tmp_path, weights=tmp_path)
