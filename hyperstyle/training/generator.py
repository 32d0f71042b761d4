"""Stage `generator`: StyleGAN2 fitted by regression, growing from coarse to fine, then sharpened by a discriminator.

The renderer gives a picture for every latent, so the mapping network and the synthesis learn from pairs first; what a
mean of guesses leaves soft, the adversarial phase sharpens. Growing after Progressive GAN (arXiv 1710.10196).
"""

from __future__ import annotations

import torch
from torch import Tensor

from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.resizing import pool_to
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.synthetic.parameters import to_z
from hyperstyle.training.adapted import Adapted
from hyperstyle.training.config import GeneratorTraining
from hyperstyle.training.data import Pictures
from hyperstyle.training.losses import face_weight, identity_loss, perceptual_loss, psnr
from hyperstyle.training.picture_discriminator import PictureGame


def draw(generator: Generator, z: Tensor, resolution: int | None = None) -> Tensor:
    """Pictures for inputs z: map, styles, render."""
    w_plus = repeat_w(generator.map(z), generator.num_ws)
    return generator.render(generator.to_styles(w_plus), resolution=resolution)


def phase_at(phases: tuple[tuple[int, float], ...], progress: float) -> int:
    """The resolution trained at this share of the schedule."""
    for resolution, end in phases:
        if progress < end:
            return resolution
    return phases[-1][0]


class GeneratorTask:
    """Pixel and perceptual regression of the renderer's pictures.

    Args:
        generator: To be trained.
        attributes: Its features are the perceptual loss; None leaves that term out.
        config: Settings.
        plain: Training pictures (plain ones only: details stay beyond the domain).
        held_out: Pictures never used for training.
        adapted: For a generator that is trained further where its hypernetwork is there: half of each batch is what
            that makes of it.
    """

    def __init__(
        self,
        generator: Generator,
        attributes: EmbeddingNetwork | None,
        config: GeneratorTraining,
        plain: Pictures,
        held_out: Pictures,
        adapted: Adapted | None = None,
    ) -> None:
        self.module: Generator = generator
        self.attributes, self.config, self.plain, self.held_out = attributes, config, plain, held_out
        self.adapted = adapted
        self.device = next(generator.parameters()).device
        self.calls = 0
        self.resolution = config.phases[-1][0]
        self.game = PictureGame(self.device) if config.adversarial else None
        self.companions = {"picture_game": self.game} if self.game is not None else {}

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Weighted L1 plus perceptual distance at the current resolution; late in the schedule also the verdict."""
        self.calls += 1
        if self.calls % 200 == 0:
            self.plain.refresh()
        resolution = self.resolution = phase_at(self.config.phases, progress)
        batch = self.config.loop.batch
        plain = batch if self.adapted is None else batch // 2
        y, p = self.plain.random(plain, generator, resolution)
        y = y.to(self.device)
        self.module.style.requires_grad_(progress < self.config.freeze_mapping_at)
        x = draw(self.module, to_z(p).to(self.device), resolution)
        if self.adapted is not None:
            target, styles, deltas = self.adapted.random(self.module, batch - plain, generator, resolution)
            x, y = torch.cat((x, self.module.render(styles, deltas, resolution=resolution))), torch.cat((y, target))
        loss = self.compare(x, y)
        if self.adapted is not None:
            loss = loss + self.config.identity * identity_loss(self.adapted.identity, x[plain:], y[plain:])
        numbers = {"l1": float((x.detach() - y).abs().mean()), "psnr": psnr(x.detach(), y)}
        late = progress >= self.config.adversarial_from and resolution == self.module.config.resolution
        if self.game is not None and late:
            judged, numbers["game"] = self.game.play(x, y, generator)
            loss = balanced(x, loss, judged, self.config.adversarial)
        return loss, {"px": float(resolution), **numbers}

    def compare(self, x: Tensor, y: Tensor) -> Tensor:
        """Loss of pictures x against the wanted ones y, (B, 3, H, W) each."""
        resolution = y.shape[-1]
        weight = face_weight(resolution, self.config.face_weight).to(self.device)
        loss = ((x - y).abs() * weight).sum() / (weight.sum() * 3 * len(y))
        if self.attributes is not None and self.config.perceptual and resolution >= 32:
            loss = loss + self.config.perceptual * perceptual_loss(self.attributes, x, y)
        return loss

    @torch.no_grad()
    def validate(self, module: Generator) -> dict[str, float]:
        """PSNR against the renderer on held-out parameters."""
        values = []
        for part in torch.arange(len(self.held_out)).split(32):
            y, p = self.held_out.batch(part, torch.zeros(len(part), dtype=torch.bool), module.config.resolution)
            x = draw(module, to_z(p).to(self.device)).cpu()
            values += [psnr(a[None], b[None]) for a, b in zip(x, y, strict=True)]
        return {"psnr": sum(values) / len(values), "pictures": float(len(values))}

    @torch.no_grad()
    def samples(self, module: Generator) -> Tensor:
        """Held-out pictures by the renderer (rows 1 and 3) and by the generator (rows 2 and 4)."""
        rows = torch.arange(16) * (len(self.held_out) // 16)
        y, p = self.held_out.batch(rows, torch.zeros(16, dtype=torch.bool))
        x = pool_to(draw(module, to_z(p).to(self.device), self.resolution).cpu(), y.shape[-1])
        return torch.cat([y[:8], x[:8], y[8:], x[8:]])


def balanced(x: Tensor, loss: Tensor, more: Tensor, share: float) -> Tensor:
    """Add a second loss of pictures x whose pull on them is a share of the first one's, whatever the scale of either.

    Returns:
        A scalar with the wanted gradient at x; its value means nothing.

    Source: the adaptive weight of VQGAN (arXiv 2012.09841), taken at the picture instead of the last layer.
    """
    (pull,) = torch.autograd.grad(loss, x)
    (other,) = torch.autograd.grad(more, x)
    return (x * (pull + share * pull.norm() / other.norm().clamp(min=1e-12) * other)).sum()


def set_average(generator: Generator, seed: int, n: int = 20_000) -> None:
    """Store the mean latent of the domain in `w_avg`."""
    from hyperstyle.synthetic.parameters import sample_parameters

    with torch.no_grad():
        z = to_z(sample_parameters(n, seed)).to(generator.w_avg.device)
        generator.w_avg.copy_(generator.map(z).mean(0))
