"""What several test files share: a tiny domain, and a pipeline over it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tiny as tiny_module
import torch
from published_files import write_ffhq
from tiny import make_tiny_domain

from hyperstyle.editing.base import EditRow
from hyperstyle.editing.directions import Direction, write_directions
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.synthetic.parameters import PARAMETERS, TRAITS


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A 32 px domain with random weights and two edits; do not write into it."""
    folder = make_tiny_domain(tmp_path_factory.mktemp("domains") / "tiny")
    g = torch.Generator().manual_seed(0)
    rows = [
        EditRow("smile", "Smile", "expression", "fraction", -3.0, 3.0, description="More or less of a smile."),
        EditRow("age", "Age", "identity", "years", -3.0, 3.0, description="Older or younger."),
    ]
    vectors = {row.name: Direction(torch.randn(16, generator=g)) for row in rows}
    write_directions(folder / "editing_directions", rows, vectors, "tiny")
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder) -> HyperStyle:
    """The pipeline over `tiny_folder`."""
    return load(tiny_folder, "cpu")


@pytest.fixture(scope="session")
def ffhq_originals(tmp_path_factory) -> Iterator[Path]:
    """A folder with the published files of `ffhq`, filled instead of trained."""
    folder = write_ffhq(tmp_path_factory.mktemp("originals"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def ffhq_cache(tmp_path_factory) -> Iterator[Path]:
    """Where these files are converted to, once for all tests; empty at first."""
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def drawn_folder(tmp_path, monkeypatch, tiny_folder) -> Path:
    """A tiny domain whose generator takes the renderer's parameters, so that it can be evaluated."""
    monkeypatch.setattr(tiny_module, "GENERATOR", replace(tiny_module.GENERATOR, z_dim=len(PARAMETERS)))
    network = replace(tiny_module.ATTRIBUTE_NETWORK, out_dim=len(PARAMETERS))
    monkeypatch.setattr(tiny_module, "ATTRIBUTE_NETWORK", network)
    monkeypatch.setattr(tiny_module, "TRAITS", TRAITS)
    folder = make_tiny_domain(tmp_path / "drawn")
    shutil.copytree(tiny_folder / "editing_directions", folder / "editing_directions")
    return folder
