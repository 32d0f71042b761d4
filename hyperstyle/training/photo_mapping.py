"""The mapping network of a generator whose latents an encoder made up: normal numbers to latents like those.

Random directions look at both clouds of latents in turn; along each, sorted samples should lie where those of the other
cloud lie.

Source: sliced Wasserstein distance (Rabin et al. 2011; as a loss for generators in arXiv 1804.01947).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hyperstyle.models.ops import ACTIVATION_GAIN, LEAKY_SLOPE, EqualLinear
from hyperstyle.models.stylegan2 import Generator

DIRECTIONS = 384
BATCH = 1024
LEARNING_RATE = 1e-2


def fit_mapping(
    generator: Generator, w: Tensor, steps: int, seed: int, report: Callable[[float, str], None] | None = None
) -> dict[str, float]:
    """Train the mapping network, and nothing else, and set the mean latent.

    Args:
        generator: Its `style` and `w_avg` are changed.
        w: (N, w_dim) latents of photographs.
        steps: Of Adam.
        seed: Of every random choice.
        report: Called with the share that is done and a line of text.

    Returns:
        The distance at the end, and how far means and standard deviations of the latents' components are apart, in
        standard deviations.
    """
    random = torch.Generator().manual_seed(seed)
    device = generator.w_avg.device
    w = w.to(device)
    mean, spread = w.mean(0), w.std(0).clamp(min=1e-4)
    generator.style.requires_grad_(True)
    _start_at(generator, mean)
    optimiser = torch.optim.Adam(generator.style.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    distance = torch.zeros(())
    for step in range(steps):
        z = torch.randn(BATCH, generator.config.z_dim, generator=random).to(device)
        rows = torch.randint(len(w), (BATCH,), generator=random)
        directions = torch.randn(w.shape[1], min(DIRECTIONS, 4 * w.shape[1]), generator=random).to(device)
        directions = directions / directions.norm(dim=0)
        made, real = (generator.map(z) - mean) / spread, (w[rows] - mean) / spread
        distance = ((made @ directions).sort(0).values - (real @ directions).sort(0).values).square().mean()
        optimiser.zero_grad(set_to_none=True)
        distance.backward()
        optimiser.step()
        schedule.step()
        if report is not None and step % 100 == 0:
            report(step / steps, f"mapping network: step {step} distance {float(distance.detach()):.4f}")
    generator.style.requires_grad_(False)
    with torch.no_grad():
        generator.w_avg.copy_(mean)
        made = (generator.map(torch.randn(4096, generator.config.z_dim, generator=random).to(device)) - mean) / spread
        return {
            "mapping_distance": float(distance),
            "mapping_mean": float(made.mean(0).abs().mean()),
            "mapping_spread": float((made.std(0) - 1).abs().mean()),
        }


@torch.no_grad()
def _start_at(generator: Generator, mean: Tensor) -> None:
    """Let the last layer's bias alone give the mean latent, before its leaky ReLU."""
    last = generator.style[-1]
    assert isinstance(last, EqualLinear)
    before = mean / ACTIVATION_GAIN
    last.bias.copy_(torch.where(before < 0, before / LEAKY_SLOPE, before) / last.lr_mul)
