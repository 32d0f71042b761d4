"""What HyperStyle makes of pictures beyond the domain: the weights and features that a generator meets in use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hyperstyle.inversion.hyperstyle import refine
from hyperstyle.latents import Deltas, Styles
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.resizing import pool_to
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.models.w_encoder import WEncoder
from hyperstyle.training.data import Pictures


@dataclass(frozen=True)
class Adapted:
    """Inverts training pictures as a finished pipeline would.

    Attributes:
        encoder, hypernetwork: Fixed.
        identity: Says who a picture shows.
        passes: Refinement passes.
        beyond: Training pictures with details the generator cannot draw.
    """

    encoder: WEncoder
    hypernetwork: Hypernetwork
    identity: EmbeddingNetwork
    passes: int
    beyond: Pictures

    @torch.no_grad()
    def random(
        self, generator: Generator, n: int, random: torch.Generator, resolution: int
    ) -> tuple[Tensor, Styles, Deltas]:
        """Invert random pictures.

        Args:
            generator: The one that is trained.
            n: How many.
            random: Chooses them.
            resolution: Of the targets and of what the hypernetwork looks at, in px.

        Returns:
            Targets (n, 3, resolution, resolution) in [-1, 1], and what draws them.
        """
        target, _ = self.beyond.random(n, random, resolution)
        target = target.to(generator.w_avg.device)
        small = pool_to(target, self.hypernetwork.config.input_size)
        styles = generator.to_styles(repeat_w(self.encoder(small) + generator.w_avg, generator.num_ws))
        codes = refine(generator, self.hypernetwork, styles, small, self.passes, resolution=resolution)
        return target, styles, self.hypernetwork.deltas(codes, self.passes)
