"""The architecture as a test: imports point down, heavy libraries stay in their rooms, the core runs without them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "hyperstyle"

# Unit -> layer, as drawn in the README; what is below 0 is open to all. A unit is a file or folder of the package.
LAYERS = {
    **dict.fromkeys(("errors", "version"), -3),
    "files": -2,
    **dict.fromkeys(("bounded", "colours", "formats", "scalars", "tensor_file", "traits"), -1),
    **dict.fromkeys(("latents", "look", "domains", "images", "device"), 0),
    "models": 1,
    **dict.fromkeys(
        ("editing", "alignment", "weights", "synthetic", "metrics", "movies", "provenance", "verification"), 2
    ),
    **dict.fromkeys(("inversion", "published", "previews", "mixing", "recipes", "detail"), 3),
    "pipeline": 4,
    "animation": 5,
    **dict.fromkeys(("demo", "batch", "benchmark", "training"), 6),
    "evaluation": 7,
    "cli": 8,
    **dict.fromkeys(("__main__", "app"), 9),
}
# Library -> where it may be imported, as the start of a path.
ROOMS = {
    "av": ("hyperstyle/movies.py",),
    "cv2": ("hyperstyle/detail/",),
    "gradio": ("app.py", "hyperstyle/demo/"),
    "pillow_heif": ("hyperstyle/formats.py",),
    "mediapipe": ("hyperstyle/alignment/landmarks.py",),
    "open_clip": ("hyperstyle/editing/", "hyperstyle/training/"),
    "sklearn": ("hyperstyle/editing/interfacegan.py", "hyperstyle/training/"),
    "typer": ("app.py", "hyperstyle/cli/"),
}
HEAVY = ("av", "pillow_heif", "gradio", "mediapipe", "open_clip", "sklearn", "torchvision", "typer", "cv2")
CORE = (
    "latents",
    "look",
    "domains",
    "images",
    "device",
    "errors",
    "files.whole",
    "models.layer_table",
    "models.stylegan2",
    "models.w_encoder",
    "models.hypernetwork",
    "models.embedding",
    "inversion",
    "editing",
    "weights.files",
    "weights.load",
    "metrics",
    "mixing",
    "movies",
    "traits",
    "provenance",
    "recipes",
    "pipeline",
    "animation",
)
SOURCES = [*sorted(PACKAGE.rglob("*.py")), ROOT / "app.py"]


def imported_modules(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, as dotted names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which layer they reach"
            module = node.module or ""
            if module == "hyperstyle":  # `from hyperstyle import metrics` reaches the unit metrics
                names.update(f"hyperstyle.{alias.name}" for alias in node.names if alias.name in LAYERS)
            names.add(module)
    return names


def unit_of(path: Path) -> str:
    return path.stem if path.parent in (ROOT, PACKAGE) else path.relative_to(PACKAGE).parts[0]


def test_every_unit_has_a_layer():
    units = {path.stem for path in PACKAGE.glob("*.py")} | {
        folder.name for folder in PACKAGE.iterdir() if any(folder.rglob("*.py"))
    }
    assert units - {"__init__"} <= set(LAYERS)


def test_readme_draws_these_layers():
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("Imports point down this list")[1]
    block = text.split("```")[1]
    drawn, names = {}, r"(\w+)(?:\.py|/)"
    for line in block.strip().splitlines():
        level, units = line.split(maxsplit=1)
        drawn |= dict.fromkeys(re.findall(names, units.split("(")[0]), int(level))
    assert drawn == {unit: layer for unit, layer in LAYERS.items() if layer >= 0}
    open_to_all = re.findall(names, block.split("(")[1])
    assert set(open_to_all) == {unit for unit, layer in LAYERS.items() if layer < 0}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path):
    unit = unit_of(path)
    if unit == "__init__":  # the public names; they are looked up on first use
        return
    for name in imported_modules(path):
        if not name.startswith("hyperstyle."):
            continue
        reached = name.split(".")[1]
        assert reached == unit or LAYERS[reached] < LAYERS[unit], f"{unit} must not import {name}"


def test_no_two_files_import_each_other():
    """Not over any number of files between them either, and not for their types only."""
    files = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
        for path in SOURCES
        if path != PACKAGE / "__init__.py"  # the public names; they are looked up on first use
    }
    graph = {}
    for name, path in files.items():
        reached = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                reached |= {name if name in files else node.module for name in names}
        graph[name] = reached & set(files)
    TopologicalSorter(graph).prepare()  # names the circle, if there is one


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_stay_in_their_rooms(path: Path):
    place = path.relative_to(ROOT).as_posix()
    for name in imported_modules(path):
        rooms = ROOMS.get(name.split(".")[0])
        assert rooms is None or place.startswith(rooms), f"{place} must not import {name}"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_core_imports_without_heavy_libraries():
    modules = "\n".join(f"import hyperstyle.{name}" for name in CORE)
    run(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {HEAVY!r}:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"{modules}\n"
    )


def test_importing_the_package_and_the_command_line_loads_no_torch():
    out = run("import sys, hyperstyle, hyperstyle.cli\nprint('torch' in sys.modules, hyperstyle.__version__)")
    assert out.split() == ["False", "0.1.0"]


def test_public_names_resolve():
    import hyperstyle

    assert set(hyperstyle.__all__) <= set(dir(hyperstyle))
    for name in hyperstyle.__all__:
        assert callable(getattr(hyperstyle, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = hyperstyle.nothing
