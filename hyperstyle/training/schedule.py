"""How long a stage trains and how fast it learns."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LoopConfig:
    """What every stage has.

    Attributes:
        steps: Length of the schedule in steps.
        minutes: Length of the schedule in minutes of training, whichever ends first; 0 = no limit. The learning rate
            and the phases follow the share of the schedule that has passed, so a time limit is a full schedule too.
        batch: Pictures per step.
        learning_rate: Peak, for Adam.
        betas: Adam's.
        warmup_steps: Steps from 0 to the peak.
        decay_from: Share of the schedule after which the learning rate falls to 2 % along a cosine.
        ema: Decay of the averaged weights that are exported.
        seed: Seed of every random choice.
        checkpoint_s: Seconds between checkpoints.
        sample_s: Seconds between sample sheets.
    """

    steps: int
    minutes: float = 0.0
    batch: int = 16
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    warmup_steps: int = 100
    decay_from: float = 0.5
    ema: float = 0.998
    seed: int = 0
    checkpoint_s: float = 60.0
    sample_s: float = 120.0


def scheduled(loop: LoopConfig, steps: int | None, minutes: float | None, seed: int) -> LoopConfig:
    """Override a schedule from the command line: naming one limit lifts the other."""
    if steps is not None:
        loop = replace(loop, steps=steps, minutes=minutes or 0.0)
    elif minutes is not None:
        loop = replace(loop, steps=10**9, minutes=minutes)
    return replace(loop, seed=seed)
