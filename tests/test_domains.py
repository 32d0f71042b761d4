"""Domains: the built-in row, folders, and every way a `domain.json` can be wrong."""

from __future__ import annotations

import json

import pytest

from hyperstyle.domains import BUILT_IN, DEFAULT_DOMAIN, cache_folder, get_domain, list_domains
from hyperstyle.errors import UnknownDomain, WeightsCorrupt, WeightsMissing
from hyperstyle.models.config import build_config
from hyperstyle.models.embedding import PUBLISHED_CURRICULARFACE, EmbeddingConfig
from hyperstyle.models.hypernetwork import HypernetworkConfig, published_hypernetwork
from hyperstyle.models.layer_table import GeneratorConfig, published_generator
from hyperstyle.models.w_encoder import PUBLISHED_W_ENCODER, WEncoderConfig
from hyperstyle.pipeline import load

RECORD = {"name": "mine", "title": "Mine", "resolution": 32, "input_size": 16}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "domain.json").write_text(json.dumps(RECORD))
    return tmp_path


def test_folder_is_a_domain_with_its_own_directions(folder):
    domain = get_domain(folder)
    assert (domain.name, domain.resolution, domain.input_size) == ("mine", 32, 16)
    assert domain.directions == folder / "editing_directions"
    assert domain.path("generator") == folder / "generator.safetensors"


def test_files_and_directions_can_be_named(folder):
    record = RECORD | {"files": {"generator": "g.safetensors"}, "directions": "edits"}
    (folder / "domain.json").write_text(json.dumps(record))
    domain = get_domain(str(folder))
    assert domain.path("generator") == folder / "g.safetensors"
    assert domain.path("text") == folder / "text.safetensors"
    assert domain.directions == folder / "edits"


def test_built_in_domains_are_listed():
    assert (
        [row.name for row in list_domains()] == list(BUILT_IN) == ["photos", "portraits", "ffhq", "afhq_wild", "cars"]
    )
    assert get_domain("portraits").directions.name == "portraits"
    assert DEFAULT_DOMAIN == "photos"


@pytest.mark.parametrize("name", ["ffhq", "afhq_wild", "cars"])
def test_published_domains_are_rows_with_the_published_sizes(name):
    domain = get_domain(name)
    assert domain.published
    resolution = {"ffhq": 1024}.get(name, 512)
    assert GeneratorConfig.from_dict(domain.generator) == published_generator(resolution)
    assert build_config(WEncoderConfig, domain.w_encoder, "") == PUBLISHED_W_ENCODER
    assert build_config(HypernetworkConfig, domain.hypernetwork, "") == published_hypernetwork(resolution)
    assert domain.picture_hw == ((384, 512) if name == "cars" else (resolution, resolution))
    assert domain.input_hw == ((192, 256) if name == "cars" else (256, 256))
    if domain.identity:
        assert build_config(EmbeddingConfig, domain.identity, "") == PUBLISHED_CURRICULARFACE


def test_weights_of_published_domains_lie_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HYPERSTYLE_CACHE", str(tmp_path))
    domain = get_domain("ffhq")
    assert domain.path("generator") == tmp_path / "domains" / "ffhq" / "generator.safetensors"
    assert domain.directions == tmp_path / "domains" / "ffhq" / "editing_directions"
    with pytest.raises(WeightsMissing, match="run `python -m hyperstyle download ffhq`, or name a folder"):
        load("ffhq", "cpu")
    monkeypatch.delenv("HYPERSTYLE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache_folder() == tmp_path / "caches" / "hyperstyle"


@pytest.mark.parametrize(
    ("name", "message"),
    [("portrait", "did you mean 'portraits'"), ("zebra", "choose from: photos, portraits"), ("", "is empty")],
)
def test_unknown_name_suggests(name, message):
    with pytest.raises(UnknownDomain, match=message) as caught:
        get_domain(name)
    assert caught.value.exit_code == 2


def test_folder_without_a_domain(tmp_path):
    with pytest.raises(WeightsMissing, match=r"domain\.json is missing"):
        get_domain(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("\udcff", "not valid JSON"),
        ("[]", "one JSON object"),
        (json.dumps({**RECORD, "colour": 1}), "unknown field 'colour'"),
        (json.dumps({**RECORD, "resolutoin": 1}), "did you mean 'resolution'"),
        (json.dumps({"name": "mine"}), "lacks the field 'title'"),
        (json.dumps({**RECORD, "resolution": "32"}), "'resolution' must be a whole number"),
        (json.dumps({**RECORD, "resolution": True}), "'resolution' must be a whole number"),
        (json.dumps({**RECORD, "resolution": 10**9}), "between 1 and 4096"),
        (json.dumps({**RECORD, "generator": []}), "'generator' must be an object"),
    ],
)
def test_bad_domain_files_are_explained(tmp_path, content, message):
    (tmp_path / "domain.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsCorrupt, match=message):
        get_domain(tmp_path)
