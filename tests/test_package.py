"""What `pip install .` leaves on a machine: the wheel holds all data, and works far away from the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import hyperstyle
from hyperstyle import domains, pipeline
from hyperstyle.domains import BUILT_IN, BuiltIn, get_domain
from hyperstyle.errors import WeightsMissing

ROOT = Path(__file__).resolve().parent.parent
BUILD_FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements.txt")
FOLDERS = ("hyperstyle", "editing_directions", "examples")
# Files of a domain that the repository does not have; the patterns must cover the next one too.
NEXT_DOMAIN = (
    "hyperstyle/weights/next/domain.json",
    "hyperstyle/weights/next/generator.safetensors",
    "hyperstyle/weights/next/comparison/psp.safetensors",
    "editing_directions/next/manifest.json",
    "editing_directions/next/smile.safetensors",
)


@dataclass(frozen=True)
class Installed:
    """A built wheel, unpacked.

    Attributes:
        site: Folder that holds the package, as `site-packages` does.
        elsewhere: An empty folder to work in.
    """

    site: Path
    elsewhere: Path

    def python(self, code: str) -> str:
        """What a program prints that uses the installed package."""
        environment = {**os.environ, "PYTHONPATH": str(self.site)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.elsewhere, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    """Build in a copy, so that nothing built before can help and nothing is left in the repository."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILD_FILES:
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, source)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEXT_DOMAIN:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("{}")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, "-w", str(out), str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(source)
    site = tmp_path_factory.mktemp("site")
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return Installed(site, tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.slow
def test_installed_package_has_the_edits_of_the_checkout(installed: Installed):
    shipped = [name for name, row in BUILT_IN.items() if row.directions is not None]
    assert "portraits" in shipped
    code = (
        "import json, hyperstyle\n"
        f"edits = {{name: [row.name for row in hyperstyle.list_edits(name)] for name in {shipped!r}}}\n"
        "print(json.dumps([hyperstyle.__file__, edits]))"
    )
    place, edits = json.loads(installed.python(code))
    assert Path(place).is_relative_to(installed.site)
    assert edits == {name: [row.name for row in hyperstyle.list_edits(name)] for name in shipped}
    assert all(edits.values())


@pytest.mark.slow
def test_installed_package_offers_the_example_photos(installed: Installed):
    code = "from hyperstyle.domains import shipped_folder\nprint(*shipped_folder('examples').glob('*.jpg'), sep='\\n')"
    names = {Path(line).name for line in installed.python(code).splitlines()}
    assert names == {path.name for path in (ROOT / "examples").glob("*.jpg")}


@pytest.mark.slow
def test_quickstart_runs_from_another_folder(installed: Installed):
    shutil.copytree(installed.site / "hyperstyle" / "examples", installed.elsewhere / "examples")
    installed.python((ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8"))
    assert (installed.elsewhere / "smiling.png").stat().st_size > 10_000


@pytest.mark.slow
def test_wheel_covers_a_domain_that_is_added_later(installed: Installed):
    for name in NEXT_DOMAIN:
        inside = name if name.startswith("hyperstyle/") else f"hyperstyle/{name}"
        assert (installed.site / inside).is_file(), name


def test_built_in_domain_without_its_edits_is_an_error(monkeypatch, tmp_path):
    gone = BuiltIn(BUILT_IN["portraits"].folder, tmp_path / "editing_directions" / "portraits")
    monkeypatch.setitem(domains.BUILT_IN, "portraits", gone)
    with pytest.raises(WeightsMissing, match=r"The edits of 'portraits' are missing .*install HyperStyle again"):
        hyperstyle.list_edits("portraits")
    with pytest.raises(WeightsMissing, match="The edits of 'portraits' are missing"):
        pipeline._read_directions(get_domain("portraits"))


def test_published_domain_may_lack_edits(monkeypatch, tmp_path):
    monkeypatch.setenv("HYPERSTYLE_CACHE", str(tmp_path))
    assert hyperstyle.list_edits("afhq_wild") == []
