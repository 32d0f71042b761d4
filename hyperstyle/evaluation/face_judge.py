"""A judge of likeness that nobody here trained: dlib's face recognition network, for evaluation only.

It is part of no loss and its weights are part of no domain: whoever wants its numbers brings its files, as packed in
the npm package @vladmandic/face-api.

    aligned face --cut out--> 150 px chip --stem, 15 residual blocks--> mean over positions --> 128 numbers

Two pictures of one person lie within about 0.6 of each other, and most of two people further apart. It tells synthetic
faces of dark-skinned women apart badly: of 31 of them half of the pairs lie within 0.6, of 31 light-skinned ones 18 %.

Source: `dlib_face_recognition_resnet_model_v1` by Davis King, in the public domain (CC0); a ResNet with 29
convolutions, after He et al. (arXiv 1512.03385).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.errors import UsageError
from hyperstyle.files.tfjs import read_groups

SAME_PERSON = 0.6
"""Distance within which two pictures are taken for one person, as dlib's author recommends."""
MANIFEST = "face_recognition_model-weights_manifest.json"
CHIP_PX = 150
CHIP_BOX = (0.17, 0.24, 0.83, 0.90)
"""Left, top, right, bottom of the network's chip as shares of an FFHQ crop."""
CHIP_MEAN = (122.782, 117.001, 104.298)
"""What is taken off red, green and blue, of 255, before they are divided by 256."""
BATCH = 32

# Blocks in order, by the names the files use. A "down" block halves the maps.
_STEM = "conv32_down"
_BLOCKS = (
    *("conv32_1", "conv32_2", "conv32_3"),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2"),
    "conv256_down_out",
)
_HEAD = "fc"
_HOW = "get it with `npm pack @vladmandic/face-api`, unpack it and name its folder package/model"


class FaceJudge:
    """The network, ready to describe faces.

    Args:
        tensors: By the names of the files: (k, k, in, out) kernels and (out,) vectors of every convolution, and the
            (width, 128) matrix at the end.
        device: Where it runs.

    Raises:
        KeyError: A tensor is missing.
    """

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> None:
        names = [_STEM, *(f"{block}/{part}" for block in _BLOCKS for part in ("conv1", "conv2"))]
        self._convs = {name: _folded(tensors, name, device) for name in names}
        self._head = tensors[_HEAD].to(device)
        self._mean = torch.tensor(CHIP_MEAN, device=device)[:, None, None]
        self.device = torch.device(device)

    @classmethod
    def read(cls, folder: str | Path, device: torch.device | str = "cpu") -> FaceJudge:
        """Read the files of the npm package.

        Args:
            folder: The unpacked package's `model`.
            device: Where it runs.

        Raises:
            UsageError: The files are not there, or are not this network's.
        """
        folder = Path(folder)
        try:
            return cls(read_groups(json.loads((folder / MANIFEST).read_text(encoding="utf-8")), folder), device)
        except OSError as error:
            reason = f"{Path(error.filename or folder).name}: {(error.strerror or str(error)).lower()}"
        except KeyError as error:
            reason = f"its files lack {error}"
        except (TypeError, ValueError) as error:
            reason = f"its files are not as expected: {error}"
        raise UsageError(f"The judge cannot be read from {folder} ({reason}); {_HOW}.")

    @torch.inference_mode()
    def describe(self, faces: Tensor) -> Tensor:
        """Describe faces by 128 numbers; `distance` compares them.

        Args:
            faces: (B, 3, H, W) FFHQ crops in [-1, 1], of any size; values beyond are clamped.

        Returns:
            (B, 128), not of unit length.
        """
        if len(faces) > BATCH:
            return torch.cat([self.describe(part) for part in faces.split(BATCH)])
        x = F.max_pool2d(F.relu(self._conv(self._chip(faces.to(self.device)), _STEM, stride=2)), 3, 2)
        for block in _BLOCKS:
            x = self._block(x, block)
        return x.mean((2, 3)) @ self._head

    def _chip(self, faces: Tensor) -> Tensor:
        """Cut out what the network looks at: (B, 3, 150, 150), about [-0.5, 0.5]."""
        height, width = faces.shape[2:]
        left, top, right, bottom = (
            round(share * side) for share, side in zip(CHIP_BOX, (width, height, width, height), strict=True)
        )
        part = faces[:, :, top:bottom, left:right]
        chip = F.interpolate(part, (CHIP_PX, CHIP_PX), mode="bilinear", antialias=True)
        return ((chip.clamp(-1, 1) + 1) * 127.5 - self._mean) / 256

    def _conv(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        weight, bias = self._convs[name]
        return F.conv2d(x, weight, bias, stride, padding)

    def _block(self, x: Tensor, name: str) -> Tensor:
        """Two convolutions and a way around them that has no weights."""
        stride, padding, around = (2, 0, F.avg_pool2d(x, 2)) if "_down" in name else (1, 1, x)
        y = F.relu(self._conv(x, f"{name}/conv1", stride, padding))
        y = self._conv(y, f"{name}/conv2", padding=1)
        # The two ways differ by a row, a column and channels; dlib counts what is missing as zeros.
        sizes = [max(a, b) for a, b in zip(y.shape[1:], around.shape[1:], strict=True)]
        return F.relu(_filled(y, sizes) + _filled(around, sizes))


def distance(a: Tensor, b: Tensor) -> Tensor:
    """How far apart descriptions are, (N, C) and (M, C) in and (N, M) out: below `SAME_PERSON` for one person."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _filled(x: Tensor, sizes: list[int]) -> Tensor:
    """Add zeros behind channels, rows and columns until there are as many as wanted."""
    missing = [wanted - there for wanted, there in zip(sizes, x.shape[1:], strict=True)]
    return F.pad(x, (0, missing[2], 0, missing[1], 0, missing[0])) if any(missing) else x


def _folded(tensors: Mapping[str, Tensor], name: str, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """One convolution's (out, in, k, k) weight and (out,) bias, with the scale and shift behind it put into them."""
    weight, bias = tensors[f"{name}/conv/filters"].permute(3, 2, 0, 1), tensors[f"{name}/conv/bias"]
    scale, shift = tensors[f"{name}/scale/weights"], tensors[f"{name}/scale/biases"]
    return (weight * scale[:, None, None, None]).contiguous().to(device), (bias * scale + shift).to(device)
