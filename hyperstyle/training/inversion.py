"""Stages `encoder` and `hypernetwork`: from a picture to its latent, and from target and reconstruction to offsets."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.inversion.hyperstyle import refine
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.resizing import pool_to
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.models.w_encoder import WEncoder
from hyperstyle.synthetic.parameters import PARAMETERS
from hyperstyle.training.augment import photographic, textured
from hyperstyle.training.config import EncoderTraining, HypernetworkTraining
from hyperstyle.training.data import Pictures
from hyperstyle.training.losses import judged_loss, pixel_loss, psnr
from hyperstyle.training.perception import mixed_batch

MOVED_PARAMETERS = 3
"""How many of the renderer's parameters move at once, on average, when the effect of edits is compared."""
STUBBORN = {"hair_curl": 12.0, "pitch": 4.0}
"""Parameters whose edits offsets weaken most (see docs/results.md) move more often, by these factors."""
SMALLEST_CHANGE = 0.2
"""Changes of an attribute below this (whose range is 2 `traits.Z_END` wide) are too small to be compared as shares."""
OTHER_CHANGES = 0.25
"""Weight of all differences between the two edits beside what the moved parameters fall short by."""


class EncoderTask:
    """Predict the known latent of drawn pictures; later also redraw them.

    Args:
        encoder: To be trained.
        generator: Fixed.
        config: Settings.
        plain, beyond: Training pictures.
        held_out: Pictures never used for training.
    """

    def __init__(
        self,
        encoder: WEncoder,
        generator: Generator,
        config: EncoderTraining,
        input_size: int,
        plain: Pictures,
        beyond: Pictures,
        held_out: Pictures,
    ) -> None:
        self.module: WEncoder = encoder
        self.generator, self.config, self.input_size = generator, config, input_size
        self.plain, self.beyond, self.held_out = plain, beyond, held_out
        self.device = next(encoder.parameters()).device
        with torch.no_grad():
            _, z = mixed_batch(plain, beyond, 512, 0.0, torch.Generator().manual_seed(0), input_size)
            self.spread = generator.map(z.to(self.device)).std(0).clamp(min=1e-3)

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error of w in standard deviations; in the last part also the redrawn picture."""
        batch = self.config.loop.batch
        x, z = mixed_batch(self.plain, self.beyond, batch, self.config.beyond_share, generator, self.input_size)
        x, z = x.to(self.device), z.to(self.device)
        with torch.no_grad():
            want = self.generator.map(z)
        got = self.module(photographic(x, generator, strength=0.6)) + self.generator.w_avg
        loss = F.mse_loss(got / self.spread, want / self.spread)
        numbers = {"w_mse": float(loss.detach())}
        if progress >= self.config.picture_from:
            few = max(1, batch // 4)
            w_plus = repeat_w(got[:few], self.generator.num_ws)
            drawn = self.generator.render(self.generator.to_styles(w_plus), resolution=self.input_size)
            picture = (drawn - x[:few]).abs().mean()
            loss = loss + self.config.picture * picture
            numbers["l1"] = float(picture.detach())
        return loss, numbers

    @torch.no_grad()
    def validate(self, module: WEncoder) -> dict[str, float]:
        """PSNR of held-out pictures redrawn from their predicted latent."""
        values = []
        for part in torch.arange(len(self.held_out)).split(32):
            x, _ = self.held_out.batch(part, torch.zeros(len(part), dtype=torch.bool))
            values.append(psnr(self._redraw(module, x), x) * len(part))
        return {"psnr": sum(values) / len(self.held_out), "pictures": float(len(self.held_out))}

    @torch.no_grad()
    def samples(self, module: WEncoder) -> Tensor:
        """Held-out pictures and, below each, the picture redrawn from its latent."""
        rows = torch.arange(16) * (len(self.held_out) // 16)
        x, _ = self.held_out.batch(rows, torch.zeros(16, dtype=torch.bool))
        y = self._redraw(module, x)
        return torch.cat([x[:8], y[:8], x[8:], y[8:]])

    def _redraw(self, module: WEncoder, x: Tensor) -> Tensor:
        w = module(pool_to(x, self.input_size).to(self.device)) + self.generator.w_avg
        return self.generator.render(self.generator.to_styles(repeat_w(w, self.generator.num_ws))).cpu()


class HypernetworkTask:
    """Iterative refinement: a loss after every pass, offsets summed over passes.

    Args:
        hypernetwork: To be trained.
        generator, encoder, identity, attributes: Fixed.
        config: Settings.
        plain, beyond: Training pictures.
        held_out: Beyond-domain pictures never used for training.
    """

    def __init__(
        self,
        hypernetwork: Hypernetwork,
        generator: Generator,
        encoder: WEncoder,
        identity: EmbeddingNetwork,
        attributes: EmbeddingNetwork,
        config: HypernetworkTraining,
        plain: Pictures,
        beyond: Pictures,
        held_out: Pictures,
    ) -> None:
        self.module: Hypernetwork = hypernetwork
        self.generator, self.encoder, self.identity, self.attributes = generator, encoder, identity, attributes
        self.config, self.plain, self.beyond, self.held_out = config, plain, beyond, held_out
        self.size = hypernetwork.config.input_size
        self.device = next(hypernetwork.parameters()).device

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Back-propagate every pass but the last, whose loss is returned; gradients of the passes add up.

        Source: HyperStyle (arXiv 2111.15666), section 4.3, and its released training loop.
        """
        c = self.config
        resolution, passes = next((r, n) for r, n, end in c.phases if progress < end or end >= 1)
        size = max(resolution, self.size)
        x, z = mixed_batch(self.plain, self.beyond, c.loop.batch, c.beyond_share, generator, size)
        x = textured(photographic(x, generator, strength=0.4), generator, c.textured_share).to(self.device)
        target, small = pool_to(x, resolution), pool_to(x, self.size)
        with torch.no_grad():
            w = self.encoder(small) + self.generator.w_avg
            styles = self.generator.to_styles(repeat_w(w, self.generator.num_ws))
            y = self.generator.render(styles, resolution=resolution)
            numbers = {"px": float(resolution), "l2_0": float((y - target).square().mean())}
        # Any pass may be the last one somebody asks for, so each has its turn at keeping edits as strong as they are.
        tried = int(torch.randint(1, passes + 1, (), generator=generator))
        if not c.editing or resolution < self.size:
            tried = 0
        total: dict[str, Tensor] = {}
        loss = torch.zeros((), device=self.device)
        for step in range(1, passes + 1):
            codes = self.module.codes(small, pool_to(y.detach(), self.size))
            total = self.module.add_codes({name: code.detach() for name, code in total.items()}, codes)
            deltas = self.module.deltas(total, step)
            y = self.generator.render(styles, deltas, resolution=resolution)
            loss = pixel_loss(y, target, c.l2, c.l1)
            numbers[f"l2_{step}"] = float((y.detach() - target).square().mean())
            if step == tried:
                editing = self._edit_loss(w, z.to(self.device), y, deltas, generator)
                loss = loss + c.editing * editing
                numbers["edit"] = float(editing.detach())
            if step < passes:
                loss.backward()
        # The networks that look at faces cost as much as a pass, so they judge the last picture only, once it is sharp.
        if resolution >= self.size:
            loss = loss + judged_loss(self.attributes, self.identity, y, target, c.perceptual, c.identity)
        return loss, numbers

    def _edit_loss(
        self, w: Tensor, z: Tensor, y: Tensor, deltas: Mapping[str, Tensor], generator: torch.Generator
    ) -> Tensor:
        """How differently edits read on the adapted generator and on the plain one, for half of the batch.

        The edits are the renderer's own: some parameters of each picture move, and the mapping network says where that
        leads in w. Without this term offsets learn to hold on to the target's pose or expression. What a moved
        parameter falls short by counts as a share of the wanted change, or small changes (a curl, a face's width)
        would be drowned by large ones.
        """
        half = max(1, len(w) // 2)
        often = torch.tensor([STUBBORN.get(row.name, 1.0) for row in PARAMETERS])
        mask = torch.rand(half, z.shape[1], generator=generator) < often * (MOVED_PARAMETERS / z.shape[1])
        size = (0.5 + torch.rand(mask.shape, generator=generator)) * (
            torch.randint(2, mask.shape, generator=generator) * 2 - 1
        )
        mask = mask.to(self.device)
        moved = z[:half] + mask * size.to(self.device)
        resolution, size_in = y.shape[-1], self.attributes.config.input_size

        def read(w: Tensor, deltas: Mapping[str, Tensor] | None) -> Tensor:
            styles = self.generator.to_styles(repeat_w(w, self.generator.num_ws))
            return self.attributes(pool_to(self.generator.render(styles, deltas, resolution=resolution), size_in))

        with torch.no_grad():
            edited = w[:half] + self.generator.map(moved) - self.generator.map(z[:half])
            wanted = read(edited, None) - read(w[:half], None)
        got = read(edited, {name: delta[:half] for name, delta in deltas.items()})
        change = got - self.attributes(pool_to(y[:half], size_in))
        judged = mask & (wanted.abs() > SMALLEST_CHANGE)
        shortfall = F.relu(1 - change / torch.where(judged, wanted, torch.ones_like(wanted))).square()
        short = (shortfall * judged).sum() / judged.sum().clamp(min=1)
        return OTHER_CHANGES * (change - wanted).square().sum(1).mean() + short

    @torch.no_grad()
    def validate(self, module: Hypernetwork) -> dict[str, float]:
        """Mean L2 and identity on held-out beyond-domain pictures: encoder (0) and every pass."""
        rows = torch.arange(min(len(self.held_out), 128))
        sums: dict[str, float] = {}
        for part in rows.split(16):
            x, _ = self.held_out.batch(part, torch.zeros(len(part), dtype=torch.bool))
            x = x.to(self.device)
            known = self.identity(pool_to(x, self.identity.config.input_size))
            for step, y in enumerate(self._refine(module, x)):
                cosine = (self.identity(pool_to(y, self.identity.config.input_size)) * known).sum(1)
                sums[f"l2_{step}"] = sums.get(f"l2_{step}", 0) + float((y - x).square().mean()) * len(part)
                sums[f"id_{step}"] = sums.get(f"id_{step}", 0) + float(cosine.sum())
        return {name: value / len(rows) for name, value in sums.items()}

    @torch.no_grad()
    def samples(self, module: Hypernetwork) -> Tensor:
        """Rows: held-out targets, the encoder's pictures, the last pass's; twice."""
        rows = torch.arange(16) * (len(self.held_out) // 16)
        x, _ = self.held_out.batch(rows, torch.zeros(16, dtype=torch.bool))
        pictures = self._refine(module, x.to(self.device))
        y, e = pictures[-1].cpu(), pictures[0].cpu()
        return torch.cat([x[:8], e[:8], y[:8], x[8:], e[8:], y[8:]])

    def _refine(self, module: Hypernetwork, x: Tensor) -> list[Tensor]:
        """The encoder's pictures, then every pass's."""
        small = pool_to(x, self.size)
        w = self.encoder(small) + self.generator.w_avg
        styles = self.generator.to_styles(repeat_w(w, self.generator.num_ws))
        pictures: list[Tensor] = []
        refine(self.generator, module, styles, small, self.config.passes, lambda _, picture: pictures.append(picture))
        return pictures
