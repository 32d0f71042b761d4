"""The one training loop: schedule, optimiser, averaged weights, checkpoints, progress, sample sheets."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from hyperstyle.models.precision import cpu_gains_from_bf16
from hyperstyle.training.checkpoints import load_checkpoint, save_checkpoint
from hyperstyle.training.schedule import LoopConfig

log = logging.getLogger(__name__)

Report = Callable[[float, str], None]
"""Called with the share of the schedule that has passed and one line of text."""


Network = TypeVar("Network", bound=nn.Module)


class Companion(Protocol):
    """What a task trains beside its network, such as a discriminator with its optimiser."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""


Numbers = dict[str, float | Tensor]
"""What a step shows of itself. Scalars stay on their device until they are printed, so that no step waits for them."""


class Task(Protocol[Network]):
    """What a stage brings to the loop."""

    module: Network
    """The network being trained."""

    # A task may also have `companions`, a mapping of names to what it trains beside its network, and
    # `parameter_groups()`, Adam's groups with a `scale` that multiplies the learning rate.

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        """Return the loss of a new batch (or what is left to back-propagate) and numbers to show.

        Args:
            progress: Share of the schedule that has passed, 0 to 1.
            generator: Source of every random choice; its state is in the checkpoint.
        """

    def validate(self, module: Network) -> dict[str, float]:
        """Measure the averaged weights on held-out pictures."""

    def samples(self, module: Network) -> Tensor | None:
        """Pictures (B, 3, H, W) in [-1, 1] to look at, or None."""


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision where the hardware multiplies bfloat16 faster than float32; otherwise nothing."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    if device.type == "cpu" and cpu_gains_from_bf16():
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return nullcontext()


def learning_rate_at(config: LoopConfig, step: int, progress: float) -> float:
    """Warm up, hold, then fall along a cosine to 2 % of the peak."""
    rate = config.learning_rate * min(1.0, (step + 1) / max(1, config.warmup_steps))
    if progress > config.decay_from:
        t = (progress - config.decay_from) / max(1e-9, 1 - config.decay_from)
        rate *= 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(1.0, t)))
    return rate


def fit(
    task: Task[Network],
    config: LoopConfig,
    folder: Path,
    device: torch.device,
    report: Report,
    resume: bool = True,
    show: Callable[[Tensor, Path], None] | None = None,
) -> tuple[Network, dict[str, object]]:
    """Train until the schedule ends; may be interrupted at any step and called again.

    Args:
        task: Network, loss and measurements.
        config: Schedule.
        folder: Where `checkpoint.pt` and sample sheets go.
        device: Where the task's networks are.
        report: Progress callback.
        resume: Go on from the checkpoint if there is one.
        show: Writes a sample sheet.

    Returns:
        The averaged network, and what a card should say: steps, seconds, held-out metrics.
    """
    module = task.module
    average = copy.deepcopy(module).eval().requires_grad_(False)
    groups: Callable[[], list[dict[str, Any]]] | None = getattr(task, "parameter_groups", None)
    learning = [{"params": [p for p in module.parameters() if p.requires_grad]}] if groups is None else groups()
    fused = device.type == "cuda" or None
    optimiser = torch.optim.Adam(learning, lr=config.learning_rate, betas=config.betas, eps=1e-8, fused=fused)
    generator = torch.Generator().manual_seed(config.seed)
    step, elapsed = 0, 0.0
    companions: Mapping[str, Companion] = getattr(task, "companions", {})
    path = folder / "checkpoint.pt"
    if resume and path.exists():
        state = load_checkpoint(path)
        module.load_state_dict(state["module"])  # type: ignore[arg-type]
        average.load_state_dict(state["average"])  # type: ignore[arg-type]
        optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]
        generator.set_state(state["generator"])  # type: ignore[arg-type]
        step, elapsed = int(state["step"]), float(state["elapsed"])  # type: ignore[call-overload, arg-type]
        for name, companion in companions.items():
            companion.load_state_dict(state[name])  # type: ignore[arg-type]

    def checkpoint() -> None:
        save_checkpoint(
            path,
            {
                "module": module.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "generator": generator.get_state(),
                "step": step,
                "elapsed": elapsed,
                **{name: companion.state_dict() for name, companion in companions.items()},
            },
        )

    module.train()
    keep_frozen(module)
    shown: Numbers = {}
    last = saved = sampled = time.monotonic()
    while True:
        progress = step / config.steps
        if config.minutes:
            progress = max(progress, elapsed / (60 * config.minutes))
        if progress >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(config, step, progress) * group.get("scale", 1.0)
        optimiser.zero_grad(set_to_none=True)
        with autocast(device):
            loss, numbers = task.loss(progress, generator)
        loss.backward()
        norm = nn.utils.clip_grad_norm_([p for p in module.parameters() if p.grad is not None], 10.0)
        if torch.isfinite(norm):
            optimiser.step()
        decay = min(config.ema, (1 + step) / (10 + step))
        _average(average, module, decay)
        for name, value in numbers.items():
            shown[name] = value if name not in shown else 0.98 * shown[name] + 0.02 * value
        step += 1
        now = time.monotonic()
        elapsed += now - last
        last = now
        if step % 20 == 0:
            report(progress, f"step {step} " + " ".join(f"{k} {float(v):.4f}" for k, v in shown.items()))
        if now - saved > config.checkpoint_s:
            checkpoint()
            saved = time.monotonic()
        if show is not None and now - sampled > config.sample_s:
            sheet = task.samples(average)
            if sheet is not None:
                show(sheet, folder / "samples.png")
            sampled = time.monotonic()
            last = time.monotonic()
    checkpoint()
    sheet = task.samples(average)
    if show is not None and sheet is not None:
        show(sheet, folder / "samples.png")
    metrics = task.validate(average)
    report(1.0, "held out: " + " ".join(f"{k} {v:.4f}" for k, v in metrics.items()))
    return average, {"steps": step, "seconds": round(elapsed, 1), "metrics": metrics}


def keep_frozen(module: nn.Module) -> None:
    """Put parts that learn nothing into evaluation mode: their normalisation must not learn either."""
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            part.eval()


@torch.no_grad()
def _average(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move the averaged parameters a little towards the current ones; counters and statistics are copied."""
    targets, sources = [], []
    for a, b in zip(average.parameters(), module.parameters(), strict=True):
        targets.append(a.data)
        sources.append(b.data)
    torch._foreach_lerp_(targets, sources, 1 - decay)
    for kept, new in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(new)
