"""Every layer of a StyleGAN2 generator as one row: the only place where indices, names and channels are derived.

Generator, hypernetwork, StyleSpace edits and tests all read this table, so that no other file counts layers.

Source: StyleGAN2 (arXiv 1912.04958); layer order and names follow the published HyperStyle checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.config import build_config

# Channels by resolution of every published HyperStyle generator ("channel multiplier 2").
PUBLISHED_CHANNELS: Mapping[int, int] = MappingProxyType(
    {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}
)


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes of a generator.

    Attributes:
        resolution: Output height and width in px, a power of two, 8 or more.
        channels: Feature channels by resolution, one entry for each power of two from 4 to `resolution`;
            further entries are dropped.
        w_dim: Width of `w`.
        z_dim: Width of the mapping network's input.
        mapping_layers: Number of fully connected layers in the mapping network.
        mapping_lr_mul: Learning-rate multiplier of the mapping network; stored weights are 1 / multiplier times larger.
        normalize_z: Scale each `z` to unit mean square first. Right for random normals, wrong for inputs whose
            length means something.
    """

    resolution: int
    channels: Mapping[int, int]
    w_dim: int = 512
    z_dim: int = 512
    mapping_layers: int = 8
    mapping_lr_mul: float = 0.01
    normalize_z: bool = True

    def __post_init__(self) -> None:
        """Check the resolution and keep exactly one channel count per resolution, in order."""
        levels = math.log2(self.resolution) if self.resolution > 0 else 0.0
        if levels < 3 or levels != int(levels):
            raise ShapeMismatch(f"A generator's resolution must be a power of two from 8 up, not {self.resolution}.")
        needed = [2**level for level in range(2, int(levels) + 1)]
        missing = [resolution for resolution in needed if resolution not in self.channels]
        if missing:
            raise ShapeMismatch(f"The generator's channel plan has no entry for {missing[0]} px; add one.")
        object.__setattr__(self, "channels", {resolution: self.channels[resolution] for resolution in needed})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GeneratorConfig:
        """Build a config from plain data, such as a JSON object.

        Args:
            values: Field values by name; the keys of `channels` may be strings.

        Raises:
            ShapeMismatch: A field is unknown or missing, or the plan is inconsistent.
        """
        return build_config(cls, values, "generator")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data that JSON can hold; `from_dict` reads it back."""
        return {
            "resolution": self.resolution,
            "channels": {str(resolution): count for resolution, count in self.channels.items()},
            "w_dim": self.w_dim,
            "z_dim": self.z_dim,
            "mapping_layers": self.mapping_layers,
            "mapping_lr_mul": self.mapping_lr_mul,
            "normalize_z": self.normalize_z,
        }

    @property
    def num_ws(self) -> int:
        """Rows of `w_plus` the generator reads: 2 log2(resolution) - 2."""
        return 2 * int(math.log2(self.resolution)) - 2


def published_generator(resolution: int, channel_multiplier: int = 2) -> GeneratorConfig:
    """Return the sizes of published StyleGAN2 generators.

    Args:
        resolution: 256, 512 or 1024.
        channel_multiplier: 2, as in every published HyperStyle file, or 1: half the channels from 64 px on.
    """
    channels = {
        size: count // (2 if channel_multiplier == 1 and size >= 64 else 1)
        for size, count in PUBLISHED_CHANNELS.items()
    }
    return GeneratorConfig(resolution=resolution, channels=channels)


@dataclass(frozen=True)
class LayerSpec:
    """One layer of the generator.

    Attributes:
        index: Place in the table; also the index used by StyleSpace and by published lists of tuned layers.
        name: Module name, for example "conv1", "to_rgb1", "convs.0", "to_rgbs.0"; deltas are keyed by it.
        resolution: Height and width of the output in px.
        in_channels: Channels in, which is also the width of the layer's style.
        out_channels: Channels out, 3 for a toRGB layer.
        kernel: Kernel size, 3 or 1.
        up: True if the layer doubles the resolution.
        is_to_rgb: True for the layers that draw into the picture.
        w_index: Row of `w_plus` the layer reads.
        noise_index: Number of its noise buffer; None for a toRGB layer.
    """

    index: int
    name: str
    resolution: int
    in_channels: int
    out_channels: int
    kernel: int
    up: bool
    is_to_rgb: bool
    w_index: int
    noise_index: int | None


def layer_table(config: GeneratorConfig) -> tuple[LayerSpec, ...]:
    """List a generator's layers in the order they run.

    Each block's toRGB shares its row of `w_plus` with the next block's first convolution.

    Args:
        config: Sizes of the generator.

    Returns:
        26 rows at 1024 px, 23 at 512 px, 20 at 256 px, 17 at 128 px.

    Source: StyleGAN2 (arXiv 1912.04958), skip architecture.
    """
    rows: list[LayerSpec] = []

    def add(name: str, resolution: int, ins: int, outs: int, up: bool, w_index: int, noise_index: int | None) -> None:
        to_rgb = noise_index is None
        rows.append(
            LayerSpec(len(rows), name, resolution, ins, outs, 1 if to_rgb else 3, up, to_rgb, w_index, noise_index)
        )

    width = config.channels[4]
    add("conv1", 4, width, width, False, 0, 0)
    add("to_rgb1", 4, width, 3, False, 1, None)
    for block, resolution in enumerate(list(config.channels)[1:]):
        previous, width = width, config.channels[resolution]
        first = 2 * block
        add(f"convs.{first}", resolution, previous, width, True, first + 1, first + 1)
        add(f"convs.{first + 1}", resolution, width, width, False, first + 2, first + 2)
        add(f"to_rgbs.{block}", resolution, width, 3, False, first + 3, None)
    return tuple(rows)
