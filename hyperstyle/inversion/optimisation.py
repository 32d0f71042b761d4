"""Optimisation: descend from the average latent until the generator, as it is, draws the face. Slow; no training.

    w = w_avg + noise that fades;  repeat:  w -= rate * gradient of (perceptual + L2 + noise regularisation)

In W one latent serves all layers; in W+ every layer has its own, which comes closer and is harder to edit.

Source: the projector of StyleGAN2 (arXiv 1912.04958), section 5.2 and appendix D; W+ from Image2StyleGAN (arXiv
1904.03189).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.errors import UsageError
from hyperstyle.inversion.base import ROUNDS, OnStep, round_at, visible
from hyperstyle.inversion.losses import JudgedNetworks, perceptual_distance
from hyperstyle.latents import Inversion
from hyperstyle.models.resizing import check_picture, pool_to
from hyperstyle.models.stylegan2 import Generator


@dataclass(frozen=True)
class OptimisationConfig:
    """Settings of the descent; defaults are the projector's but for `steps`.

    Attributes:
        steps: Gradient steps. The projector takes 1,000.
        learning_rate: At its highest.
        warm_up, cool_down: Shares of the steps in which the rate rises from 0 and falls to 0.
        perceptual, l2: Weights of the two distances.
        latent_noise: Noise on the latent at the start, in its own deviation; falls to 0 at `noise_until`.
        noise_until: Share of the steps.
        noise_maps: Also fit the generator's noise maps, which take up detail that the latent should not; they are
            dropped in the end, as everything here draws with constant noise.
        noise_weight: Weight of the term that keeps noise maps noise.
        samples: Mapped latents from which their deviation is measured.
        seed: Decides everything random.
    """

    steps: int = 500
    learning_rate: float = 0.1
    warm_up: float = 0.05
    cool_down: float = 0.25
    perceptual: float = 1.0
    l2: float = 0.1
    latent_noise: float = 0.05
    noise_until: float = 0.75
    noise_maps: bool = False
    noise_weight: float = 1e5
    samples: int = 10_000
    seed: int = 0


class Optimisation:
    """Invert by optimising the latent.

    Args:
        networks: Those of the domain.
        space: "w" or "w+".
        config: Settings.
        start: (B, L, w_dim) to start from; default the average latent.

    Raises:
        UsageError: There is no such space, or no step.
    """

    def __init__(
        self,
        networks: JudgedNetworks,
        space: Literal["w", "w+"] = "w",
        config: OptimisationConfig | None = None,
        start: Tensor | None = None,
    ) -> None:
        self.networks = networks
        self.space = space
        self.config = OptimisationConfig() if config is None else config
        self.start = start
        if space not in ("w", "w+"):
            raise UsageError(f"Latents are optimised in w or w+, not in {space}.")
        if self.config.steps < 1:
            raise UsageError(f"Optimisation takes 1 step or more, not {self.config.steps}.")

    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces; see `Inverter.invert`. `on_step` is called with 0 to 5, evenly over the descent."""
        w_plus = self.find(target, on_step)
        return Inversion(w_plus=w_plus, codes={}, steps=0, domain=self.networks.domain.name)

    def find(self, target: Tensor, on_step: OnStep | None = None) -> Tensor:
        """Descend; gives (B, L, w_dim) on the generator's device. Raises as `Inverter.invert`."""
        generator, domain, c = self.networks.generator, self.networks.domain, self.config
        check_picture(target, domain.input_hw)
        target = pool_to(target.to(generator.w_avg.device), domain.picture_hw)
        random = torch.Generator().manual_seed(c.seed)
        spread = latent_deviation(generator, c.samples, random)
        rows = 1 if self.space == "w" else generator.num_ws
        start = generator.w_avg.expand(len(target), generator.num_ws, -1) if self.start is None else self.start
        start = start.to(target)
        w = (start.mean(1, keepdim=True) if rows == 1 else start).clone().requires_grad_(True)
        maps = noise_maps(generator, len(target)) if c.noise_maps else []
        optimiser = torch.optim.Adam([w, *maps], lr=c.learning_rate, betas=(0.9, 0.999))
        for step in range(c.steps):
            done = step / c.steps
            for group in optimiser.param_groups:
                group["lr"] = c.learning_rate * ramp(done, c.warm_up, c.cool_down)
            scale = c.latent_noise * spread * max(0.0, 1 - done / c.noise_until) ** 2
            moved = w + scale * torch.randn(w.shape, generator=random).to(w)
            number = round_at(step, c.steps)
            if on_step is not None and number is not None:
                self._tell(on_step, number, w)
            styles = generator.to_styles(moved.expand(-1, generator.num_ws, -1))
            picture = visible(generator.render(styles, noise=maps or "const"), domain)
            loss = c.perceptual * perceptual_distance(self.networks, target, picture)
            loss = (loss + c.l2 * metrics.l2(target, picture)).sum()
            if maps:
                loss = loss + c.noise_weight * sum(noise_regularisation(part) for part in maps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if maps:
                with torch.no_grad():
                    for part in maps:
                        part -= part.mean((2, 3), keepdim=True)
                        part *= part.square().mean((2, 3), keepdim=True).rsqrt()
        if on_step is not None:
            self._tell(on_step, ROUNDS, w)
        return w.detach().expand(-1, generator.num_ws, -1)

    @torch.no_grad()
    def _tell(self, on_step: OnStep, number: int, w: Tensor) -> None:
        generator = self.networks.generator
        picture = generator.render(generator.to_styles(w.expand(-1, generator.num_ws, -1)))
        on_step(number, visible(picture, self.networks.domain))


def ramp(done: float, warm_up: float, cool_down: float) -> float:
    """Share of the highest rate: linear at the start, a cosine at the end.

    Args:
        done: Share of the steps.
        warm_up, cool_down: Shares of the steps.
    """
    end = min(1.0, (1 - done) / cool_down) if cool_down else 1.0
    return (0.5 - 0.5 * math.cos(math.pi * end)) * (min(1.0, done / warm_up) if warm_up else 1.0)


@torch.no_grad()
def latent_deviation(generator: Generator, samples: int, random: torch.Generator) -> float:
    """Root mean squared distance of mapped latents from the average, as the projector measures it."""
    z = torch.randn(samples, generator.config.z_dim, generator=random).to(generator.w_avg)
    return float((generator.map(z) - generator.w_avg).square().sum(1).mean().sqrt())


def noise_maps(generator: Generator, batch: int) -> list[Tensor]:
    """The generator's noise maps, one set per face, as leaves to optimise."""
    count = sum(spec.noise_index is not None for spec in generator.layers)
    stored = [generator.noises.get_buffer(f"noise_{index}") for index in range(count)]
    return [part.expand(batch, -1, -1, -1).clone().requires_grad_(True) for part in stored]


def noise_regularisation(noise: Tensor) -> Tensor:
    """How much neighbours resemble each other, at every scale down to 8 px: 0 for noise.

    Args:
        noise: (B, 1, H, W).
    """
    total = torch.zeros((), device=noise.device)
    while True:
        for shift, axis in ((1, 3), (1, 2)):
            total = total + (noise * noise.roll(shift, axis)).mean((1, 2, 3)).square().sum()
        if noise.shape[2] <= 8:
            return total
        noise = F.avg_pool2d(noise, 2)
