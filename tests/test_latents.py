"""The small inversion as a value and as a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from hyperstyle.errors import CannotWrite, ForeignWeights, ShapeMismatch, WeightsCorrupt, WeightsMissing, WrongDomain
from hyperstyle.latents import Inversion
from hyperstyle.tensor_file import write_tensors


@pytest.fixture
def inversion() -> Inversion:
    torch.manual_seed(0)
    codes = {"convs.2": torch.randn(2, 5), "convs.3": torch.randn(2, 5)}
    return Inversion(torch.randn(2, 4, 6), codes, steps=3, domain="tiny")


def test_save_then_load_is_the_identity(inversion: Inversion, tmp_path: Path) -> None:
    inversion.save(tmp_path / "face.safetensors")
    again = Inversion.load(tmp_path / "face.safetensors", domain="tiny")
    assert torch.equal(again.w_plus, inversion.w_plus)
    assert list(again.codes) == list(inversion.codes)
    assert all(torch.equal(again.codes[name], code) for name, code in inversion.codes.items())
    assert (again.steps, again.domain) == (3, "tiny")
    assert os.listdir(tmp_path) == ["face.safetensors"]


def test_encoder_only_inversion_has_no_codes(tmp_path: Path) -> None:
    Inversion(torch.zeros(1, 4, 6), {}, 0, "tiny").save(tmp_path / "face.safetensors")
    assert not Inversion.load(tmp_path / "face.safetensors").codes


def test_inversion_does_not_follow_its_sources() -> None:
    w_plus, code = torch.ones(1, 4, 6, requires_grad=True), torch.ones(1, 5, dtype=torch.float64)
    inversion = Inversion(w_plus, {"convs.2": code}, 1, "tiny")
    code.zero_()
    assert inversion.codes["convs.2"].dtype == torch.float32
    assert bool(inversion.codes["convs.2"].all())
    assert not inversion.w_plus.requires_grad


def test_one_face_of_a_batch(inversion: Inversion) -> None:
    face = inversion.face(1)
    assert (len(inversion), len(face)) == (2, 1)
    assert torch.equal(face.w_plus, inversion.w_plus[1:])
    assert torch.equal(face.codes["convs.3"], inversion.codes["convs.3"][1:])
    with pytest.raises(IndexError, match="no face 2"):
        inversion.face(2)


def test_published_size_is_about_36_kilobytes(tmp_path: Path) -> None:
    codes = {f"convs.{i}": torch.randn(1, 512) for i in range(17)}
    Inversion(torch.randn(1, 1, 512).expand(1, 18, 512), codes, 5, "ffhq").save(tmp_path / "face.safetensors")
    # 17 codes and one row of the latent, 2 KB each.
    assert (tmp_path / "face.safetensors").stat().st_size < 40_000


def test_equal_rows_are_kept_once(tmp_path: Path) -> None:
    w = torch.randn(2, 1, 512)
    codes = {f"convs.{i}": torch.randn(2, 512) for i in range(17)}
    pivot = Inversion(w.expand(-1, 18, -1), codes, steps=5, domain="ffhq")
    pivot.face(0).save(tmp_path / "face.safetensors")
    assert (tmp_path / "face.safetensors").stat().st_size < 40_000
    pivot.save(tmp_path / "faces.safetensors")
    assert torch.equal(Inversion.load(tmp_path / "faces.safetensors").w_plus, pivot.w_plus)


def test_files_of_the_first_version_are_read(tmp_path: Path) -> None:
    w_plus = torch.randn(1, 4, 6)
    header = {"format": "hyperstyle.inversion", "version": "1", "domain": "tiny", "steps": "0"}
    write_tensors(tmp_path / "old.safetensors", {"w_plus": w_plus}, header)
    assert torch.equal(Inversion.load(tmp_path / "old.safetensors").w_plus, w_plus)


def test_separable_layers_keep_a_code_per_step(tmp_path: Path) -> None:
    kept = Inversion(torch.zeros(1, 4, 6), {"convs.2": torch.randn(1, 3, 5)}, 3, "tiny")
    kept.save(tmp_path / "face.safetensors")
    assert torch.equal(Inversion.load(tmp_path / "face.safetensors").codes["convs.2"], kept.codes["convs.2"])
    with pytest.raises(ShapeMismatch, match="codes of 3 steps, not of 2"):
        Inversion(torch.zeros(1, 4, 6), {"convs.2": torch.randn(1, 3, 5)}, 2, "tiny")


@pytest.mark.parametrize(
    ("w_plus", "codes", "steps", "message"),
    [
        (torch.zeros(1, 6), {}, 0, "latent must have shape"),
        (torch.zeros(1, 4, 6), {"convs.2": torch.zeros(2, 5)}, 1, "code of layer"),
        (torch.zeros(1, 4, 6), {"convs.2": torch.zeros(1, 5)}, 0, "cannot come from 0 steps"),
        (torch.zeros(1, 4, 6), {}, 2, "cannot come from 2 steps"),
        (torch.full((1, 4, 6), float("nan")), {}, 0, "not finite"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    w_plus: torch.Tensor, codes: dict[str, torch.Tensor], steps: int, message: str
) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        Inversion(w_plus, codes, steps, "tiny")


def test_wrong_domain(inversion: Inversion, tmp_path: Path) -> None:
    inversion.save(tmp_path / "face.safetensors")
    with pytest.raises(WrongDomain, match="'tiny', not of 'ffhq'"):
        Inversion.load(tmp_path / "face.safetensors", domain="ffhq")


def test_files_that_are_no_inversions(inversion: Inversion, tmp_path: Path) -> None:
    path = tmp_path / "face.safetensors"
    with pytest.raises(WeightsMissing, match="does not exist"):
        Inversion.load(path)
    good = {"format": "hyperstyle.inversion", "version": "1", "domain": "tiny", "steps": "0"}
    w_plus = torch.zeros(1, 4, 6)
    write_tensors(path, {"w_plus": w_plus}, {"format": "hyperstyle.weights"})
    with pytest.raises(ForeignWeights, match="not a saved face"):
        Inversion.load(path)
    write_tensors(path, {"w_plus": w_plus}, {**good, "version": "4"})
    with pytest.raises(ForeignWeights, match="version 4"):
        Inversion.load(path)
    write_tensors(path, {"w_plus": w_plus}, {**good, "steps": "-1"})
    with pytest.raises(WeightsCorrupt, match="number of steps"):
        Inversion.load(path)
    write_tensors(path, {"w": w_plus}, good)
    with pytest.raises(WeightsCorrupt, match="lacks its latent"):
        Inversion.load(path)
    write_tensors(path, {"w_plus": w_plus[0]}, good)
    with pytest.raises(WeightsCorrupt, match="cannot be used"):
        Inversion.load(path)
    inversion.save(path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(WeightsCorrupt, match="damaged"):
        Inversion.load(path)


def test_a_folder_that_is_not_there(inversion: Inversion, tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="absent is not a folder"):
        inversion.save(tmp_path / "absent" / "face.safetensors")


def test_failed_write_keeps_the_old_file(inversion: Inversion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "face.safetensors"
    inversion.face(0).save(path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(CannotWrite, match="the disk is full"):
        inversion.save(path)
    assert len(Inversion.load(path)) == 1
    assert os.listdir(tmp_path) == ["face.safetensors"]
