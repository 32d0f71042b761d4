"""Weights files: what is stored, what is refused, and a whole domain loaded from its folder."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from hyperstyle.domains import get_domain
from hyperstyle.errors import ForeignWeights, HyperStyleError, ShapeMismatch, WeightsCorrupt, WeightsMissing
from hyperstyle.tensor_file import read_tensors
from hyperstyle.weights.files import load_weights, save_weights, strict_load
from hyperstyle.weights.load import load_models
from tests.tiny import make_tiny_domain

CPU = torch.device("cpu")


def test_matrices_are_halved_and_vectors_kept(tmp_path: Path) -> None:
    tensors = {
        "kernel": torch.randn(3, 4),
        "bias": torch.tensor([1e-9, 1.0]),
        "huge": torch.full((2, 2), 1e6),
        "count": torch.tensor(7),
    }
    save_weights(tmp_path / "w.safetensors", tensors, {"part": "generator"})
    stored, _ = read_tensors(tmp_path / "w.safetensors")
    assert stored["kernel"].dtype == torch.float16
    assert stored["bias"].dtype == stored["huge"].dtype == torch.float32
    loaded, metadata = load_weights(tmp_path / "w.safetensors")
    assert torch.equal(loaded["kernel"], tensors["kernel"].half().float())
    assert all(torch.equal(loaded[name], tensors[name]) for name in ("bias", "huge", "count"))
    assert metadata == {"format": "hyperstyle.weights", "part": "generator"}


def test_saved_weights_are_bit_exact_in_float32(tmp_path: Path) -> None:
    tensors = {"kernel": torch.randn(3, 4)}
    save_weights(tmp_path / "w.safetensors", tensors, {}, dtype=torch.float32)
    assert torch.equal(load_weights(tmp_path / "w.safetensors")[0]["kernel"], tensors["kernel"])


class Boobytrap:
    """Unpickling this would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickles_are_refused_unopened(tmp_path: Path, protocol: int) -> None:
    path, trap = tmp_path / "w.safetensors", tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Boobytrap(trap), protocol=protocol))
    with pytest.raises((ForeignWeights, WeightsCorrupt), match="not a safetensors file"):
        load_weights(path)
    assert not trap.exists()


def test_pytorch_files_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "w.safetensors")
    with pytest.raises(ForeignWeights, match="a PyTorch or zip file"):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", WeightsCorrupt, "is empty"),
        (b"\n<!DOCTYPE html><html>404</html>", ForeignWeights, "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", ForeignWeights, "Git LFS"),
        (b"abc", WeightsCorrupt, "damaged"),
        (b"\xff" * 64, WeightsCorrupt, "damaged"),
        ((2).to_bytes(8, "little") + b"[]", WeightsCorrupt, "damaged"),
    ],
)
def test_odd_files_are_refused(tmp_path: Path, content: bytes, error: type[Exception], message: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(error, match=message) as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, {"kernel": torch.randn(4, 4)}, {})
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsCorrupt):
            load_weights(path)


def test_header_length_that_looks_like_a_pickle_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for filler in range(700):
        save_weights(path, {"kernel": torch.zeros(1, 1)}, {"note": "x" * filler})
        if path.read_bytes()[:2] == b"\x80\x02":
            break
    else:
        pytest.fail("no header of 640 bytes was made")
    assert load_weights(path)[0]["kernel"].shape == (1, 1)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="does not exist"):
        load_weights(tmp_path / "absent.safetensors")
    with pytest.raises(WeightsMissing, match="Could not read"):
        load_weights(tmp_path)


def test_strict_load_names_the_first_of_each(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    good = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}
    strict_load(network, good, "w")
    assert bool((network.weight == 1).all())
    with pytest.raises(ForeignWeights, match="1 weight is missing, first bias"):
        strict_load(network, {"weight": torch.zeros(2, 3)}, "w")
    with pytest.raises(ForeignWeights, match="2 are unexpected, first alpha"):
        strict_load(network, {**good, "alpha": torch.zeros(1), "beta": torch.zeros(1)}, "w")
    with pytest.raises(ForeignWeights, match=r"first weight with \(2, 4\) instead of \(2, 3\)"):
        strict_load(network, {**good, "weight": torch.zeros(2, 4)}, "w")
    assert bool((network.weight == 1).all())


def test_tiny_domain_loads_ready_to_use(tmp_path: Path) -> None:
    started = time.perf_counter()
    domain = get_domain(str(make_tiny_domain(tmp_path / "a")))
    models = load_models(domain, CPU)
    assert time.perf_counter() - started < 10
    for network in (models.generator, models.w_encoder, models.hypernetwork, models.identity, models.attributes):
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())
    again = load_models(get_domain(str(make_tiny_domain(tmp_path / "b"))), CPU)
    other = load_models(get_domain(str(make_tiny_domain(tmp_path / "c", seed=1))), CPU)
    name = "convs.2.conv.weight"
    assert torch.equal(models.generator.state_dict()[name], again.generator.state_dict()[name])
    assert not torch.equal(models.generator.state_dict()[name], other.generator.state_dict()[name])


def test_broken_domains_say_what_is_wrong(tmp_path: Path) -> None:
    folder = make_tiny_domain(tmp_path)
    domain = get_domain(str(folder))
    kept = domain.path("w_encoder").read_bytes()
    domain.path("w_encoder").write_bytes(domain.path("identity").read_bytes())
    with pytest.raises(ForeignWeights, match="missing, first linear"):
        load_models(domain, CPU)
    domain.path("w_encoder").unlink()
    with pytest.raises(WeightsMissing, match=r"w_encoder\.safetensors"):
        load_models(domain, CPU)
    domain.path("w_encoder").write_bytes(kept[: len(kept) // 2])
    with pytest.raises(WeightsCorrupt, match=r"w_encoder\.safetensors"):
        load_models(domain, CPU)
    record = json.loads((folder / "domain.json").read_text())
    trunk = record["w_encoder"]["trunk"]
    for change in ({"w_dim": 20, "trunk": trunk}, {"w_dim": 16, "trunk": 3}, {"w_dim": 16}):
        (folder / "domain.json").write_text(json.dumps({**record, "w_encoder": change}))
        domain.path("w_encoder").write_bytes(kept)
        with pytest.raises((ForeignWeights, ShapeMismatch)) as caught:
            load_models(get_domain(str(folder)), CPU)
        assert isinstance(caught.value, HyperStyleError)
        assert "\n" not in str(caught.value)
