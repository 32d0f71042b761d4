"""Checkpoints: what an interrupted training goes on from."""

from __future__ import annotations

from pathlib import Path

import torch

from hyperstyle.errors import WeightsCorrupt
from hyperstyle.files.whole import make_folder, whole


def save_checkpoint(path: Path, state: dict[str, object]) -> None:
    """Write a checkpoint so that an interruption leaves the old one whole.

    Raises:
        CannotWrite: The folder is not writable, or the disk is full.
    """
    make_folder(path.parent)
    with whole(path) as part, part.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # PyTorch's own sentence hides what the operating system said
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path) -> dict[str, object]:
    """Read a checkpoint; tensors and plain values only."""
    try:
        state: dict[str, object] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsCorrupt(f"The checkpoint {path} cannot be read; delete it or train with --no-resume.") from error
    return state
