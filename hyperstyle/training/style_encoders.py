"""Stages `psp`, `e4e`, `restyle-psp`, `restyle-e4e`: encoders into W+, which HyperStyle is compared with.

All see the same pictures and have the same picture losses as the hypernetwork; what differs is what their papers say.

Source: pSp (arXiv 2008.00951), e4e (arXiv 2102.02766), ReStyle (arXiv 2104.02699).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.inversion.restyle import encode_rows
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.resizing import pool_to
from hyperstyle.models.style_encoders import StyleEncoder
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.synthetic.parameters import sample_parameters, to_z
from hyperstyle.training.augment import photographic, textured
from hyperstyle.training.config import StyleEncoderTraining
from hyperstyle.training.data import Pictures
from hyperstyle.training.generator import phase_at
from hyperstyle.training.latent_discriminator import LatentGame
from hyperstyle.training.losses import judged_loss, pixel_loss
from hyperstyle.training.perception import mixed_batch

SPREAD_SAMPLES = 2000


class StyleEncoderTask:
    """Predict W+ from pictures, in one pass or, as ReStyle does, in several.

    Args:
        encoder: To be trained; its `w_avg` is set to the generator's.
        generator, identity, attributes: Fixed.
        config: Settings.
        plain, beyond: Training pictures.
        held_out: Beyond-domain pictures never used for training.
    """

    def __init__(
        self,
        encoder: StyleEncoder,
        generator: Generator,
        identity: EmbeddingNetwork,
        attributes: EmbeddingNetwork,
        config: StyleEncoderTraining,
        plain: Pictures,
        beyond: Pictures,
        held_out: Pictures,
    ) -> None:
        self.module: StyleEncoder = encoder
        self.generator, self.identity, self.attributes = generator, identity, attributes
        self.config, self.plain, self.beyond, self.held_out = config, plain, beyond, held_out
        self.size = encoder.config.input_size
        self.device = generator.w_avg.device
        with torch.no_grad():
            encoder.w_avg.copy_(generator.w_avg)
            z = to_z(sample_parameters(SPREAD_SAMPLES, config.loop.seed)).to(self.device)
            self.spread = generator.map(z).std(0).clamp(min=1e-3)
        self.game = LatentGame(generator, self.spread) if config.adversarial else None
        self.companions = {"latent_game": self.game} if self.game is not None else {}

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Back-propagate every pass but the last, whose loss is returned; each pass corrects the one before it."""
        c = self.config
        resolution = phase_at(c.phases, progress)
        x, z = mixed_batch(self.plain, self.beyond, c.loop.batch, c.beyond_share, generator, max(resolution, self.size))
        x = textured(photographic(x, generator, strength=0.4), generator, c.textured_share).to(self.device)
        z = z.to(self.device)
        target, small = pool_to(x, resolution), pool_to(x, self.size)
        known = (c.latent * max(0.0, 1 - progress / c.latent_until)) if c.latent_until else 0.0
        with torch.no_grad():
            wanted = self.generator.map(z)[:, None]
        iterative = self.module.config.trunk.in_channels == 6
        w_plus = self.generator.w_avg.expand(len(x), self.generator.num_ws, -1)
        y = self._draw(w_plus, resolution).detach() if iterative else None
        numbers: dict[str, float] = {"px": float(resolution)}
        loss = torch.zeros((), device=self.device)
        for step in range(1, c.passes + 1):
            seen = small if y is None else torch.cat((small, pool_to(y.detach(), self.size)), dim=1)
            w_plus = w_plus.detach() + self._unlocked(self.module(seen), progress)
            y = self._draw(w_plus, resolution)
            loss = pixel_loss(y, target, c.l2, c.l1)
            numbers[f"l2_{step}"] = float((y.detach() - target).square().mean())
            if known:
                loss = loss + known * F.mse_loss(w_plus / self.spread, (wanted / self.spread).expand_as(w_plus))
            if c.delta:
                apart = ((w_plus[:, 1:] - w_plus[:, :1]) / self.spread).square().mean(-1)
                loss = loss + c.delta * (apart + 1e-8).sqrt().mean()
                numbers["delta"] = float(apart.detach().mean().sqrt())
            if self.game is not None:
                loss = loss + c.adversarial * self.game.judge(w_plus)
            if step < c.passes:
                loss.backward()
        if self.game is not None:
            numbers["game"] = self.game.learn(w_plus, z)
        assert y is not None
        if c.perceptual or c.identity:
            loss = loss + judged_loss(self.attributes, self.identity, y, target, c.perceptual, c.identity)
        return loss, numbers

    def _draw(self, w_plus: Tensor, resolution: int) -> Tensor:
        return self.generator.render(self.generator.to_styles(w_plus), resolution=resolution)

    def _unlocked(self, rows: Tensor, progress: float) -> Tensor:
        """Rows (B, L, w_dim) as predicted where they may differ from the first by now, else like the first."""
        c = self.config
        if progress >= c.unlock_until:
            return rows
        share = max(0.0, progress - c.unlock_from) / (c.unlock_until - c.unlock_from)
        free = 1 + math.floor(share * (rows.shape[1] - 1))
        return torch.cat((rows[:, :free], rows[:, :1].expand(-1, rows.shape[1] - free, -1)), dim=1)

    @torch.no_grad()
    def validate(self, module: StyleEncoder) -> dict[str, float]:
        """Mean L2 and identity on held-out beyond-domain pictures after the last pass."""
        rows = torch.arange(min(len(self.held_out), 128))
        sums = {"l2": 0.0, "id": 0.0}
        for part in rows.split(16):
            x, _ = self.held_out.batch(part, torch.zeros(len(part), dtype=torch.bool))
            x = x.to(self.device)
            y = self._redraw(module, x)
            size = self.identity.config.input_size
            sums["l2"] += float((y - x).square().mean()) * len(part)
            sums["id"] += float((self.identity(pool_to(x, size)) * self.identity(pool_to(y, size))).sum())
        return {name: value / len(rows) for name, value in sums.items()}

    @torch.no_grad()
    def samples(self, module: StyleEncoder) -> Tensor:
        """Held-out targets and, below each, what the encoder makes of it."""
        rows = torch.arange(16) * (len(self.held_out) // 16)
        x, _ = self.held_out.batch(rows, torch.zeros(16, dtype=torch.bool))
        y = self._redraw(module, x.to(self.device)).cpu()
        return torch.cat([x[:8], y[:8], x[8:], y[8:]])

    def _redraw(self, module: StyleEncoder, x: Tensor) -> Tensor:
        w_plus = encode_rows(self.generator, module, pool_to(x, self.size), self.config.passes)
        return self._draw(w_plus, x.shape[-1])
