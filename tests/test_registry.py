"""The list of published weights: well formed, honest about what is unknown, and the same in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hyperstyle.errors import UnknownWeights
from hyperstyle.weights.registry import EXTRAS, SETS, Licence, Mirror, WeightsFile, WeightsSet, find_set

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "weights.md").read_text(encoding="utf-8")
FILES = {row.name: row for weights_set in SETS for row in weights_set.files(EXTRAS)}
MIRRORS = {(row.name, mirror.address): mirror for row in FILES.values() for mirror in row.mirrors}
COMMIT = re.compile(r"\b[0-9a-f]{40}\b")

each_set = pytest.mark.parametrize("weights_set", SETS, ids=lambda weights_set: weights_set.name)
each_file = pytest.mark.parametrize("row", FILES.values(), ids=FILES)
each_mirror = pytest.mark.parametrize("mirror", MIRRORS.values(), ids=["-".join(key) for key in MIRRORS])


@each_set
def test_sets(weights_set: WeightsSet):
    assert find_set(weights_set.name) is weights_set
    assert weights_set.title
    assert {"hyperstyle", "w_encoder"} <= {row.part for row in weights_set.required}
    assert weights_set.licences()
    assert set(weights_set.licences()) <= set(weights_set.licences(EXTRAS))


def test_names_are_unique():
    assert len({weights_set.name for weights_set in SETS}) == len(SETS)
    rows = {row for weights_set in SETS for row in weights_set.files(EXTRAS)}
    assert len({row.name for row in rows}) == len({row.sha256 or row.name for row in rows}) == len(rows)


def test_extras_add_files():
    ffhq = find_set("ffhq")
    assert [row.name for row in ffhq.files()] == [row.name for row in ffhq.required]
    assert set(ffhq.files(["text"])) == {*ffhq.required, *ffhq.text}
    every = [*ffhq.required, *ffhq.text, *ffhq.metrics, *ffhq.compare]
    assert list(ffhq.files(EXTRAS)) == list(dict.fromkeys(every))
    shared = WeightsSet("x", "x", required=ffhq.text, text=ffhq.text)
    assert shared.files(["text"]) == ffhq.text


@each_file
def test_files(row: WeightsFile):
    assert row.name == Path(row.name).name
    assert row.sha256 is None or re.fullmatch("[0-9a-f]{64}", row.sha256)
    assert row.git_blob is None or re.fullmatch("[0-9a-f]{40}", row.git_blob)
    assert row.bytes is None or (row.bytes > 1000 and row.rough_bytes is None)
    assert row.mirrors
    assert row.licences
    assert row.note
    if not row.checkable:
        assert "checksum" in row.note
        assert len(row.mirrors) == 1, "without a checksum nothing shows that two mirrors have the same file"


@each_mirror
def test_mirrors(mirror: Mirror):
    assert mirror.title
    if mirror.kind == "url":
        if mirror.address.startswith("https://raw.githubusercontent.com/"):
            assert COMMIT.search(mirror.address)
        else:  # names of files there end with the beginning of their checksum
            assert re.fullmatch(r"https://download\.pytorch\.org/models/[\w-]+-[0-9a-f]{8}\.pth", mirror.address)
        assert mirror.pinned
    elif mirror.kind == "hub":
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", mirror.address)
        assert mirror.path
        assert COMMIT.fullmatch(mirror.revision) if mirror.pinned else "not pinned" in mirror.note
    else:
        assert re.fullmatch(r"[\w-]{33}", mirror.address)
        assert mirror.note
        assert not mirror.pinned


@pytest.mark.parametrize("name", ["ffqh", "cars_"])
def test_unknown_names(name):
    with pytest.raises(UnknownWeights, match=f"'{name}'; did you mean"):
        find_set(name)


@each_file
def test_documentation_lists_the_file(row: WeightsFile):
    assert f"`{row.name}`" in DOCS
    assert row.sha256 is None or row.sha256 in DOCS
    assert row.git_blob is None or row.git_blob in DOCS


def test_documentation_has_the_licences():
    licences: set[Licence] = {licence for row in FILES.values() for licence in row.licences}
    for licence in licences:
        assert licence.title in DOCS
        assert licence.url in DOCS
        assert " ".join(licence.summary.split()) in " ".join(DOCS.split())
