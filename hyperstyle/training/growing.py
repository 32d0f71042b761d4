"""Take the weights of a smaller network of the same kind into a larger one: what is new joins without a jolt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hyperstyle.models.style_encoders import StyleEncoder
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.weights.files import COUNTER, strict_load

TO_RGB = "to_rgbs."


def grow(network: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> list[str]:
    """Load what a file has; layers that only the network has keep their start, but begin by changing nothing.

    A generator's new blocks draw nothing into the picture, so it starts as the smaller one's, enlarged. An encoder's
    new rows start as copies of its last known one. A hypernetwork's new heads start with offsets near 0 anyway.

    Args:
        network: The larger one, or one of the same size.
        tensors: The smaller one's weights.
        path: Where they came from, for the message.

    Returns:
        Names of the weights that are new.

    Raises:
        ForeignWeights: The file has a weight that the network lacks or has in another shape, or less than half of its
            weights, so it is no smaller network of the same kind.

    Source: Progressive GAN (arXiv 1710.10196), for growing.
    """
    own = network.state_dict()
    new = [name for name in own if name not in tensors and not name.endswith(COUNTER)]
    if 2 * len(new) > len(own):
        strict_load(network, tensors, path)  # says what is wrong
    strict_load(network, {**{name: own[name] for name in new}, **tensors}, path)
    with torch.no_grad():
        for name in new:
            if isinstance(network, Generator) and name.startswith(TO_RGB) and ".modulation." not in name:
                network.state_dict()[name].zero_()
        if isinstance(network, StyleEncoder):
            _copy_last_row(network, new)
    return new


def train_only(network: nn.Module, names: Collection[str]) -> None:
    """Let only some weights of a network learn.

    Args:
        network: Changed in place: the parameters' `requires_grad`.
        names: Of weights, as in its `state_dict`.
    """
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in names)


def _copy_last_row(encoder: StyleEncoder, new: list[str]) -> None:
    rows = sorted({int(name.split(".")[1]) for name in new if name.startswith("styles.")})
    for row in rows:
        before, head = encoder.styles[rows[0] - 1].state_dict(), encoder.styles[row]
        if {name: t.shape for name, t in before.items()} == {name: t.shape for name, t in head.state_dict().items()}:
            head.load_state_dict(before)
