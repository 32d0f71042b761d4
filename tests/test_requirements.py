"""What must be installed: every import is declared, the pins lie in the ranges, and a missing extra is named."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import hyperstyle
from hyperstyle.alignment import landmarks
from hyperstyle.editing.interfacegan import fit_boundary
from hyperstyle.editing.torchvision_shim import import_open_clip
from hyperstyle.errors import ExtraMissing
from hyperstyle.evaluation import figures
from hyperstyle.training.pretrained import efficientnet_lite0

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCES = [*sorted((ROOT / "hyperstyle").rglob("*.py")), ROOT / "app.py"]
OURS = {"hyperstyle", "app", *(path.stem for path in (ROOT / "tests").iterdir()), "tests"}
# Module -> distribution, where the names differ.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "c2pa": "c2pa-python",
    "cv2": "mediapipe",  # brings OpenCV along
    "open_clip": "open_clip_torch",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "packaging": "pytest",  # which needs it, and tomli before Python 3.11
    "tomli": "pytest",
}
# Part of the package -> extras that may be installed where it is used, beside the core.
PLACES = {
    "app.py": ("demo",),
    "hyperstyle/demo/browser.py": ("demo", "evaluate"),
    "hyperstyle/demo/timing.py": ("demo", "evaluate"),
    "hyperstyle/demo/": ("demo", "mcp"),
    "hyperstyle/alignment/": ("align",),
    "hyperstyle/detail/": ("align",),
    "hyperstyle/editing/interfacegan.py": ("train",),
    "hyperstyle/editing/": ("text",),
    "hyperstyle/evaluation/": ("evaluate",),
    "hyperstyle/provenance/": ("sign",),
    "hyperstyle/training/": ("train",),
}


def expand(rows: list[str]) -> Iterator[Requirement]:
    """Requirements, with those of the extras of this project that they name."""
    for row in map(Requirement, rows):
        if row.name == "hyperstyle":
            for extra in row.extras:
                yield from expand(EXTRAS[extra])
        else:
            yield row


def declared(*extras: str) -> dict[str, SpecifierSet]:
    """Distribution -> range: the core, with some extras."""
    rows = [*PROJECT["dependencies"], *(row for extra in extras for row in EXTRAS[extra])]
    return {canonicalize_name(row.name): row.specifier for row in expand(rows)}


def pinned(*names: str) -> dict[str, SpecifierSet]:
    """Distribution -> what a requirements file asks for."""
    lines = [line for name in names for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    rows = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]
    return {canonicalize_name(row.name): row.specifier for row in rows}


def foreign_imports(path: Path) -> set[str]:
    """Distributions that a file imports from."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module.split(".")[0])
    foreign = modules - set(sys.stdlib_module_names) - OURS
    return {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in foreign}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_import_of_the_package_is_declared(path: Path):
    place = path.relative_to(ROOT).as_posix()
    extras = next((extras for start, extras in PLACES.items() if place.startswith(start)), ())
    assert foreign_imports(path) <= set(declared(*extras)), place


def test_every_import_of_tests_and_examples_is_declared():
    for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").glob("*.py")]:
        assert foreign_imports(path) <= set(declared("dev")) | {"setuptools"}, path.name


def test_requirements_hold_everything_that_runs_the_page():
    """A Space and `pip install -r requirements.txt && python app.py` get nothing else."""
    needed = declared("demo")
    pins = pinned("requirements.txt")
    assert set(needed) - {"gradio-client"} <= set(pins)  # Gradio pins its own client
    assert set(pins) <= set(declared("all"))


def test_requirements_of_developers_hold_everything():
    assert set(declared("dev")) - {"gradio-client"} <= set(pinned("requirements.txt", "requirements-dev.txt"))


def test_pins_lie_in_the_ranges():
    ranges = declared("dev")
    for name, pin in pinned("requirements.txt", "requirements-dev.txt").items():
        for exact in re.findall(r"==([\d.]+)", str(pin)):
            assert exact in ranges[name], f"{name} {exact}"


def test_the_core_is_a_library_not_an_application():
    core = declared()
    assert not {"gradio", "mediapipe", "torchvision", "open-clip-torch", "matplotlib"} & set(core)
    assert not any("==" in str(wanted) for wanted in core.values())
    assert "2.0.0" in core["numpy"]
    assert "1.26.4" in core["numpy"]
    wanted = SpecifierSet(PROJECT["requires-python"])
    assert [minor for minor in range(8, 16) if f"3.{minor}" in wanted] == [10, 11, 12]
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12)} <= set(PROJECT["classifiers"])


def test_citation():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == hyperstyle.__version__
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert "2111.15666" in paper["url"]


def _find_faces() -> None:
    landmarks._Networks()


def _draw_figures() -> None:
    figures._canvas(1)


def _build_the_page() -> None:
    from hyperstyle.demo import create_demo  # noqa: F401


def _train_directions() -> None:
    half = torch.arange(4) < 2
    fit_boundary(torch.zeros(4, 2), half, ~half)


@pytest.mark.parametrize(
    ("modules", "use", "extra"),
    [
        (("mediapipe.python.solutions",), _find_faces, "align"),
        (("open_clip",), import_open_clip, "text"),
        (("matplotlib.figure",), _draw_figures, "evaluate"),
        (("gradio",), _build_the_page, "demo"),
        (("sklearn.svm",), _train_directions, "train"),
        (("efficientnet_lite_pytorch",), efficientnet_lite0, "train"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_missing_extras_are_named(modules, use: Callable[[], object], extra: str, monkeypatch):
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "hyperstyle.demo.layout", raising=False)
    with pytest.raises(ExtraMissing, match=re.escape(f'pip install ".[{extra}]"')):
        use()
