"""Values that travel between the parts: styles, weight offsets and the small inversion, with checks, save and load."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from hyperstyle.errors import ForeignWeights, ShapeMismatch, WeightsCorrupt, WrongDomain
from hyperstyle.tensor_file import decode_tensors, encode_tensors, read_tensors, write_tensors

Styles = tuple[Tensor, ...]
"""One (B, in_channels) tensor per generator layer, in table order."""

Deltas = Mapping[str, Tensor]
"""Relative weight offsets by layer name, broadcastable to (B, out, in, k, k): weight x (1 + delta) is used."""


def add_styles(styles: Styles, shift: Styles) -> Styles:
    """Move every layer's style, as text edits do; the shift may lie elsewhere or be of another type."""
    return tuple(style + part.to(style) for style, part in zip(styles, shift, strict=True))


FORMAT = "hyperstyle.inversion"
VERSION = "3"
# Version 1 kept every row of the latent; only files of version 3 can hold offsets, others are still written as 2.
READABLE = ("1", "2", "3")
WITHOUT_OFFSETS = "2"
CODE_PREFIX = "codes."
OFFSET_PREFIX = "offsets."


@dataclass(frozen=True, eq=False)
class Inversion:
    """The small inversion: everything needed to draw a face again, a few kilobytes.

    Refinement adds weight offsets up, and each offset is an affine image of a code. So the offsets of all steps are
    described exactly by the summed codes and the number of steps; `Hypernetwork.deltas` turns them back. (A separable
    head is not affine; its layers keep one code per step, which is still small.)

    Attributes:
        w_plus: (B, L, w_dim) float32 on the CPU.
        codes: Per tuned layer (B, code_dim) float32 on the CPU, summed over refinement steps, or (B, S, code_dim) with
            one row per step where the layer's head is separable; empty for an encoder alone.
        steps: Number of refinement steps summed.
        domain: Name of the domain whose generator draws it.
        offsets: Per layer (B, out, in, k, k) relative weight offsets float32 on the CPU, added to those of the codes;
            only from methods that tune weights one by one, which makes the inversion large. Empty otherwise.

    Raises:
        ShapeMismatch: The tensors do not fit together or hold numbers that are not finite.
    """

    w_plus: Tensor
    codes: Mapping[str, Tensor]
    steps: int
    domain: str
    offsets: Deltas = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes, and move everything to the CPU in float32."""
        if self.w_plus.ndim != 3:
            raise ShapeMismatch(f"An inversion's latent must have shape (B, L, w_dim), not {tuple(self.w_plus.shape)}.")
        if self.steps < 0 or bool(self.codes) != (self.steps > 0):
            raise ShapeMismatch(f"An inversion with {len(self.codes)} codes cannot come from {self.steps} steps.")
        for name, code in self.codes.items():
            if code.ndim not in (2, 3) or code.shape[0] != self.w_plus.shape[0]:
                raise ShapeMismatch(
                    f"The code of layer {name} has shape {tuple(code.shape)}, but the inversion holds "
                    f"{self.w_plus.shape[0]} face(s)."
                )
            if code.ndim == 3 and code.shape[1] != self.steps:
                raise ShapeMismatch(f"Layer {name} has codes of {code.shape[1]} steps, not of {self.steps}.")
        for name, offset in self.offsets.items():
            if offset.ndim != 5 or offset.shape[0] != self.w_plus.shape[0]:
                raise ShapeMismatch(
                    f"The offset of layer {name} has shape {tuple(offset.shape)}, but the inversion holds "
                    f"{self.w_plus.shape[0]} face(s)."
                )
        object.__setattr__(self, "w_plus", _settle(self.w_plus))
        object.__setattr__(self, "offsets", {name: _settle(offset) for name, offset in self.offsets.items()})
        object.__setattr__(self, "codes", {name: _settle(code) for name, code in self.codes.items()})
        if not all(bool(torch.isfinite(tensor).all()) for tensor in self._tensors()):
            raise ShapeMismatch("An inversion holds a number that is not finite; invert the face again.")

    def _tensors(self) -> tuple[Tensor, ...]:
        return (self.w_plus, *self.codes.values(), *self.offsets.values())

    @property
    def adapts(self) -> bool:
        """Whether the generator's weights change for this face."""
        return bool(self.codes or self.offsets)

    def __len__(self) -> int:
        """Number of faces B."""
        return int(self.w_plus.shape[0])

    def face(self, index: int) -> Inversion:
        """Return one face of a batch as an inversion of its own.

        Args:
            index: From 0 to B - 1.

        Raises:
            IndexError: There is no such face.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"The inversion holds {len(self)} face(s); there is no face {index}.")
        rows = slice(index, index + 1)
        codes, offsets = ({name: part[rows] for name, part in parts.items()} for parts in (self.codes, self.offsets))
        return Inversion(self.w_plus[rows], codes, self.steps, self.domain, offsets)

    def digest(self, latent: bool = False) -> bytes:
        """Hash of everything the weights depend on: codes, steps and offsets; with `latent` also `w_plus`."""
        hasher = hashlib.sha256(str(self.steps).encode())
        tensors = dict(sorted(self.codes.items())) | ({"w_plus": self.w_plus} if latent else {})
        tensors |= {OFFSET_PREFIX + name: offset for name, offset in sorted(self.offsets.items())}
        for name, tensor in tensors.items():
            hasher.update(f"{name}{tuple(tensor.shape)}".encode())
            hasher.update(tensor.contiguous().numpy().tobytes())
        return hasher.digest()

    def save(self, path: str | Path) -> None:
        """Write the inversion to a safetensors file, completely or not at all.

        A latent whose rows are all equal, as every W encoder's are, is kept as one row.

        Raises:
            CannotWrite: The folder is missing, not writable, or the disk is full.
        """
        write_tensors(path, *self._packed())

    def to_bytes(self) -> bytes:
        """What `save` writes, for where there is no file."""
        return encode_tensors(*self._packed())

    def _packed(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors and header of the file."""
        first = self.w_plus[:, :1]
        one = torch.equal(self.w_plus, first.expand_as(self.w_plus))
        tensors = {
            "w_plus": first.clone() if one else self.w_plus,
            **{CODE_PREFIX + name: code for name, code in self.codes.items()},
            **{OFFSET_PREFIX + name: offset for name, offset in self.offsets.items()},
        }
        header = {
            "format": FORMAT,
            "version": VERSION if self.offsets else WITHOUT_OFFSETS,
            "domain": self.domain,
            "steps": str(self.steps),
            "rows": str(self.w_plus.shape[1]),
        }
        return tensors, header

    @classmethod
    def load(cls, path: str | Path, domain: str | None = None) -> Inversion:
        """Read an inversion; what `save` wrote comes back bit by bit.

        Args:
            path: The file.
            domain: If given, the domain the inversion must belong to.

        Raises:
            WeightsMissing: There is no such file.
            WeightsCorrupt: The file is damaged, or its contents do not fit together.
            ForeignWeights: The file is not a saved inversion, or of a later version.
            WrongDomain: The inversion belongs to another domain.
        """
        return cls._unpack(*read_tensors(path), f"The file {path}", domain)

    @classmethod
    def from_bytes(cls, content: bytes, what: str = "The saved face") -> Inversion:
        """Read what `to_bytes` made; raises as `load` does.

        Args:
            content: A saved inversion.
            what: Start of the sentence if it cannot be read.
        """
        return cls._unpack(*decode_tensors(content, what), what)

    @classmethod
    def _unpack(
        cls, tensors: dict[str, Tensor], header: dict[str, str], what: str, domain: str | None = None
    ) -> Inversion:
        """Understand a file's tensors and header; `what` starts the sentence if they make no sense."""
        if header.get("format") != FORMAT:
            raise ForeignWeights(f"{what} is not a saved face; make one with `invert`.")
        if header.get("version") not in READABLE:
            raise ForeignWeights(
                f"{what} was saved in version {header.get('version')} of the format, and only versions up to "
                f"{VERSION} are understood; update this program or invert the photo again."
            )
        made_in = header.get("domain", "")
        if domain is not None and made_in != domain:
            raise WrongDomain(f"{what} holds a face of the domain '{made_in}', not of '{domain}'.")
        steps = header.get("steps", "")
        if "w_plus" not in tensors or not re.fullmatch("[0-9]{1,6}", steps):
            raise WeightsCorrupt(f"{what} lacks its latent or its number of steps; invert the photo again.")
        codes = {
            name.removeprefix(CODE_PREFIX): tensor for name, tensor in tensors.items() if name.startswith(CODE_PREFIX)
        }
        offsets = {
            name.removeprefix(OFFSET_PREFIX): tensor
            for name, tensor in tensors.items()
            if name.startswith(OFFSET_PREFIX)
        }
        w_plus, rows = tensors["w_plus"], header.get("rows", "")
        if w_plus.ndim == 3 and w_plus.shape[1] == 1 and re.fullmatch("[0-9]{1,2}", rows):
            w_plus = w_plus.expand(-1, int(rows), -1)
        try:
            return cls(w_plus, codes, int(steps), made_in, offsets)
        except ShapeMismatch as error:
            raise WeightsCorrupt(f"{what} cannot be used: {error}") from error


def _settle(tensor: Tensor) -> Tensor:
    """Return a copy on the CPU in float32 that nothing else can change and no gradient reaches."""
    return tensor.detach().to("cpu", torch.float32, copy=True).contiguous()
