"""Pivotal tuning: find a latent that edits well, then tune the generator's weights for this face. Very faithful; slow.

    pivot = optimisation in W            or: any other inversion, weight offsets included
    repeat:  offsets -= rate * gradient of (LPIPS + L2)     the pivot stays

Tuned weights are kept as relative offsets, weight x (1 + offset), like HyperStyle's. Biases and modulations stay as
they are; the paper tunes these too.

Source: PTI (arXiv 2106.05744), section 3. The polish after HyperStyle is what its authors advise for more likeness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.errors import UsageError
from hyperstyle.inversion.base import ROUNDS, Inverter, OnStep, add_deltas, inversion_deltas, round_at, visible
from hyperstyle.inversion.losses import JudgedNetworks, perceptual_distance
from hyperstyle.inversion.optimisation import Optimisation, OptimisationConfig
from hyperstyle.latents import Deltas, Inversion
from hyperstyle.models.fast_networks import FastHypernetwork
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.resizing import pool_to
from hyperstyle.models.stylegan2 import repeat_w

PIVOT_STEPS = 450  # as in the paper's released settings


class TunedNetworks(JudgedNetworks, Protocol):
    """What pivotal tuning is handed: a hypernetwork too, for pivots that have codes."""

    @property
    def hypernetwork(self) -> Hypernetwork | FastHypernetwork:
        """Turns a pivot's codes into offsets."""


@dataclass(frozen=True)
class PTIConfig:
    """Settings of the tuning; defaults are the paper's but for the rate.

    Attributes:
        steps: Gradient steps.
        learning_rate: Adam's, of relative offsets. The paper's 3e-4, for weights, leaves a face half-way here.
        perceptual, l2: Weights of the two distances.
        enough: Stop once the perceptual distance is below this.
        locality: Weight of the term that keeps neighbouring latents as they were; 0 leaves it out, as the paper's
            released settings do.
        locality_distance: How far from the pivot, in latent units, these neighbours are.
        layers: Tuned layers by name; empty for all.
        seed: Decides everything random.
    """

    steps: int = 350
    learning_rate: float = 1e-3
    perceptual: float = 1.0
    l2: float = 1.0
    enough: float = 0.0
    locality: float = 0.0
    locality_distance: float = 30.0
    layers: tuple[str, ...] = ()
    seed: int = 0


class PTI:
    """Invert with another method, then tune the generator.

    Args:
        networks: Those of the domain.
        pivot: Finds the latent (and perhaps first offsets); default optimisation in W.
        config: Settings.

    Raises:
        UsageError: No step, or a layer that the generator does not have.
    """

    def __init__(self, networks: TunedNetworks, pivot: Inverter | None = None, config: PTIConfig | None = None) -> None:
        self.networks = networks
        self.pivot = Optimisation(networks, "w", OptimisationConfig(steps=PIVOT_STEPS)) if pivot is None else pivot
        self.config = PTIConfig() if config is None else config
        names = [spec.name for spec in networks.generator.layers]
        unknown = [name for name in self.config.layers if name not in names]
        if unknown:
            raise UsageError(f"The generator has no layer named {unknown[0]} that could be tuned.")
        if self.config.steps < 1:
            raise UsageError(f"Pivotal tuning takes 1 step or more, not {self.config.steps}.")

    def invert(self, target: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert faces; see `Inverter.invert`.

        `on_step` is called with 0 and the pivot's picture, and with 1 to 5 evenly over the tuning.
        """
        networks, c = self.networks, self.config
        generator, domain = networks.generator, networks.domain
        pivot = self.pivot.invert(target)
        device = generator.w_avg.device
        target = pool_to(target.to(device), domain.picture_hw)
        base = inversion_deltas(networks.hypernetwork, pivot, device)
        w_plus = pivot.w_plus.to(device)
        styles = generator.to_styles(w_plus)
        tuned = {
            spec.name: torch.zeros(
                (len(target), spec.out_channels, spec.in_channels, spec.kernel, spec.kernel),
                device=device,
                requires_grad=True,
            )
            for spec in generator.layers
            if not c.layers or spec.name in c.layers
        }
        optimiser = torch.optim.Adam(list(tuned.values()), lr=c.learning_rate)
        random = torch.Generator().manual_seed(c.seed)
        for step in range(c.steps):
            deltas = add_deltas(base, tuned)
            picture = visible(generator.render(styles, deltas), domain)
            number = round_at(step, c.steps)
            if on_step is not None and number is not None:
                on_step(number, picture.detach())
            distance = perceptual_distance(networks, target, picture)
            if bool((distance < c.enough).all()):
                break
            loss = (c.perceptual * distance + c.l2 * metrics.l2(target, picture)).sum()
            if c.locality:
                loss = loss + c.locality * self._locality(w_plus, deltas, random)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found = {name: offset.detach() for name, offset in tuned.items()}
        if on_step is not None:
            with torch.no_grad():
                on_step(ROUNDS, visible(generator.render(styles, add_deltas(base, found)), domain))
        return replace(pivot, offsets=add_deltas({k: v.to(device) for k, v in pivot.offsets.items()}, found))

    def _locality(self, w_plus: Tensor, deltas: Deltas, random: torch.Generator) -> Tensor:
        """How much the tuned generator changes a latent near the pivot: the paper's equation 4."""
        generator, c = self.networks.generator, self.config
        z = torch.randn(len(w_plus), generator.config.z_dim, generator=random).to(w_plus)
        direction = repeat_w(generator.map(z), generator.num_ws) - w_plus
        length = direction.flatten(1).norm(dim=1).clamp_min(1e-8)[:, None, None]
        styles = generator.to_styles(w_plus + c.locality_distance * direction / length)
        with torch.no_grad():
            before = visible(generator.render(styles), self.networks.domain)
        after = visible(generator.render(styles, deltas), self.networks.domain)
        distance = perceptual_distance(self.networks, before, after) + metrics.l2(before, after)
        return distance.sum()
