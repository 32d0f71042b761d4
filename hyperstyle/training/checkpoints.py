"""Checkpoints: what an interrupted training goes on from."""

from __future__ import annotations

from pathlib import Path

import torch

from hyperstyle.errors import CannotWrite, WeightsCorrupt


def save_checkpoint(path: Path, state: dict[str, object]) -> None:
    """Write a checkpoint so that an interruption leaves the old one whole."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, part)
        part.replace(path)
    except OSError as error:
        raise CannotWrite(f"The checkpoint {path} could not be written ({error.strerror}); free some space.") from error


def load_checkpoint(path: Path) -> dict[str, object]:
    """Read a checkpoint; tensors and plain values only."""
    try:
        state: dict[str, object] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsCorrupt(f"The checkpoint {path} cannot be read; delete it or train with --no-resume.") from error
    return state
