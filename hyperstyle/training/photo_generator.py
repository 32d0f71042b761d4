"""Stage `generator` of photographs: generator and encoder learn together to say a face in one `w` and draw it again.

    photograph --encoder--> w (+ noise) --generator--> picture; compared with the photograph

Nobody knows the latents of photographs, so the encoder makes them up; the noise keeps neighbours alike, which is what
edits need. Sizes grow from coarse to fine. Late in the schedule discriminators of fixed features join, for sharpness.

Source: regression and phases as for drawn portraits (`training.generator`); Projected GAN (arXiv 2111.01007) for the
late phase; the trial's mixture of losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.training.augment import camera, normal_like
from hyperstyle.training.face_networks import FaceNetworks
from hyperstyle.training.loop import Numbers
from hyperstyle.training.losses import face_weight, pool_to, psnr, psnr_of
from hyperstyle.training.photographs import Photographs
from hyperstyle.training.pretrained import OUT_WIDTH, PhotographFeatures, feature_distance
from hyperstyle.training.projected import ProjectedGame
from hyperstyle.training.sampling import Sampler

Size = tuple[int, int, float]
"""Side of the pictures drawn, side of what the encoder looks at, and the share of the schedule at which this ends."""


class PretrainedEncoder(nn.Module):
    """EfficientNet-Lite0 with a linear layer: learns latents from few photographs; for training only.

    Args:
        w_dim: Width of the latent.
    """

    def __init__(self, w_dim: int) -> None:
        super().__init__()
        self.features = PhotographFeatures(head=True)
        for parameter in self.features.parameters():
            parameter.requires_grad_(True)
        self.linear = nn.Linear(OUT_WIDTH, w_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) in [-1, 1] to (B, w_dim), relative to the generator's mean latent."""
        return cast(Tensor, self.linear(self.features.describe(x)))


class Autoencoder(nn.Module):
    """Encoder and generator, trained as one.

    Args:
        generator: Draws from latents.
        encoder: (B, 3, H, W) to (B, w_dim) relative to the generator's mean latent.
    """

    def __init__(self, generator: Generator, encoder: nn.Module) -> None:
        super().__init__()
        self.generator, self.encoder = generator, encoder

    def encode(self, x: Tensor) -> Tensor:
        """Latents (B, w_dim) of pictures (B, 3, H, W)."""
        return cast(Tensor, self.encoder(x)) + self.generator.w_avg

    def draw(self, w: Tensor, resolution: int | None = None) -> Tensor:
        """Pictures of latents (B, w_dim)."""
        styles = self.generator.to_styles(repeat_w(w, self.generator.num_ws))
        return self.generator.render(styles, resolution=resolution)


WINDOW_PX = 128
"""Of larger pictures, features and discriminators see a random window of this side: what is fine is local."""


def window(a: Tensor, b: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut the same random window out of two pictures (B, 3, H, H), if they are larger than `WINDOW_PX`."""
    reach = a.shape[-1] - WINDOW_PX
    if reach <= 0:
        return a, b
    top, left = torch.randint(reach + 1, (2,), generator=generator).tolist()
    part = (..., slice(top, top + WINDOW_PX), slice(left, left + WINDOW_PX))
    return a[part], b[part]


@dataclass(frozen=True)
class PhotoGeneratorTraining:
    """Settings of the generator's stage.

    Attributes:
        batch: Photographs per step.
        phases: How sizes grow.
        face_weight: Extra weight of the middle of the face in the pixel loss.
        features: Weight of the feature distance; per map, finest first.
        w_square: Weight of the latent's mean square.
        w_noise: Standard deviation of what is added to latents.
        adversarial: Weight of the discriminators' verdict.
        adversarial_from: Share of the schedule after which they are asked.
        encoder_rate: The encoder's learning rate as a share of the generator's.
        faces: Weight of public face networks, where there are any.
        mixed: Weight of reading the latents of faces between two of the batch off their pictures; 0 leaves that out.
        last_block_alone: At full size only the last block learns: it costs as much as all others, and what they draw
            stays valid for networks that are trained meanwhile.
    """

    batch: int = 8
    phases: tuple[Size, ...] = ((64, 64, 0.6), (128, 128, 0.9), (256, 128, 1.0))
    face_weight: float = 3.0
    features: tuple[float, ...] = (0.6, 0.6, 0.6, 0.6, 0.6)
    w_square: float = 1e-3
    w_noise: float = 0.02
    adversarial: float = 0.04
    adversarial_from: float = 0.5
    encoder_rate: float = 0.13
    faces: float = 2.0
    mixed: float = 0.0
    last_block_alone: bool = True


class PhotoGeneratorTask:
    """Regression of photographs through one latent.

    Args:
        module: Encoder and generator.
        features: Fixed; its maps are compared.
        config: Settings.
        train, held_out: Photographs, of different people.
        faces: Fixed; they say who is who.
    """

    def __init__(
        self,
        module: Autoencoder,
        features: PhotographFeatures,
        config: PhotoGeneratorTraining,
        train: Photographs,
        held_out: Photographs,
        faces: FaceNetworks | None = None,
    ) -> None:
        self.module: Autoencoder = module
        self.faces = faces
        self.features, self.config = features, config
        self.train, self.held_out = train, held_out
        self.device = next(module.parameters()).device
        self.sampler = Sampler(train, device=self.device)
        self.resolution, self.input_size = config.phases[-1][:2]
        self.game = ProjectedGame(self.device) if config.adversarial else None
        self.companions: Mapping[str, Any] = {"projected_game": self.game} if self.game is not None else {}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The encoder begins with something to lose, so it moves more slowly."""
        return [
            {"params": [p for p in self.module.generator.parameters() if p.requires_grad], "scale": 1.0},
            {
                "params": [p for p in self.module.encoder.parameters() if p.requires_grad],
                "scale": self.config.encoder_rate,
            },
        ]

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, Numbers]:
        """Weighted L1, feature distance and latent size; late in the schedule also the verdict."""
        c = self.config
        resolution, size = next((r, s) for r, s, end in c.phases if progress < end or end >= 1)
        self.resolution, self.input_size = resolution, size
        self._learn_at(resolution)
        x = self.sampler.batch(c.batch, generator, max(resolution, size))
        x = camera(x, generator, strength=0.6).to(self.device)
        target = pool_to(x, resolution)
        w = self.module.encode(pool_to(x, size))
        noise = normal_like(w, generator) * c.w_noise
        y = self.module.draw(w + noise, resolution)
        weight = face_weight(resolution, c.face_weight).to(self.device)
        pixels = ((y - target).abs() * weight).sum() / (weight.sum() * 3 * len(y))
        shown, drawn = window(target, y, generator)
        with torch.no_grad():
            wanted = self.features(shown)
        got = self.features(drawn)
        seen = feature_distance(got, wanted, c.features)
        loss = pixels + seen + c.w_square * (w - self.module.generator.w_avg).square().mean()
        numbers: Numbers = {
            "px": float(resolution),
            "l1": pixels.detach(),
            "features": seen.detach(),
            "psnr": psnr_of(y.detach(), target),
            "w": w.detach().std(),
        }
        if self.faces is not None:
            with torch.no_grad():
                people = self.faces.describe(target)
            apart = self.faces.apart(y, people)
            loss = loss + c.faces * apart
            numbers["faces"] = apart.detach()
        if c.mixed:
            mixed = self._mixed_loss(w.detach(), resolution, size, generator)
            loss = loss + c.mixed * mixed
            numbers["mixed"] = mixed.detach()
        if self.game is not None and progress >= c.adversarial_from:
            numbers["game"] = self.game.practise([a.detach() for a in got], [b.detach() for b in wanted])
            loss = loss + c.adversarial * self.game.verdict(got)
        return loss, numbers

    def _mixed_loss(self, w: Tensor, resolution: int, size: int, generator: torch.Generator) -> Tensor:
        """Error of latents read off faces that nobody has, in units of the batch's variance; a scalar.

        Photographs are few; mixtures of two people are many, and their latents are known exactly.
        """
        order = torch.randperm(len(w), generator=generator).to(w.device)
        share = torch.rand(len(w), 1, generator=generator).to(w.device) * 1.4 - 0.2
        mixed = torch.lerp(w, w[order], share)
        with torch.no_grad():
            picture = pool_to(self.module.draw(mixed, resolution), size).clamp(-1, 1)
        apart = (self.module.encode(picture) - mixed).square()
        return (apart / w.var(0).clamp(min=1e-4)).mean()

    def _learn_at(self, resolution: int) -> None:
        """Say which weights learn at this size: all of them, or at full size the last block alone."""
        generator = self.module.generator
        last = self.config.last_block_alone and resolution == generator.config.resolution
        self.module.encoder.requires_grad_(not last)
        rows = {spec.name: spec.resolution for spec in generator.layers}
        for name, parameter in generator.named_parameters():
            if not name.startswith("style."):
                layer = next((layer for layer in rows if name.startswith(layer + ".")), "")
                parameter.requires_grad_(not last or rows.get(layer, 0) == resolution)

    @torch.no_grad()
    def rebuilt(self, module: Autoencoder, photographs: Photographs, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Photographs (B, 3, R, R) at the current size, and what comes back."""
        x = photographs.batch(rows, size=max(self.resolution, self.input_size)).to(self.device)
        return pool_to(x, self.resolution), module.draw(module.encode(pool_to(x, self.input_size)), self.resolution)

    @torch.no_grad()
    def validate(self, module: Autoencoder) -> dict[str, float]:
        """Mean squared error, feature distance and PSNR on people who were kept back."""
        sums: dict[str, float] = {}
        for rows in torch.arange(len(self.held_out)).split(16):
            x, y = self.rebuilt(module, self.held_out, rows)
            small_x, small_y = pool_to(x, min(WINDOW_PX, x.shape[-1])), pool_to(y, min(WINDOW_PX, x.shape[-1]))
            found = {
                "l2": float((x - y).square().mean()),
                "features": float(feature_distance(self.features(small_y), self.features(small_x))),
                "psnr": psnr(y, x),
            }
            for name, value in found.items():
                sums[name] = sums.get(name, 0.0) + value * len(rows) / len(self.held_out)
        return sums | {"pictures": float(len(self.held_out)), "px": float(self.resolution)}

    def samples(self, module: Autoencoder) -> Tensor:
        """Rows: held-out people and their rebuilt pictures, twice; then the same of training people."""
        parts = []
        for source in (self.held_out, self.train):
            x, y = self.rebuilt(module, source, torch.arange(16) * (len(source) // 16))
            x, y = x.cpu(), y.cpu()
            parts += [x[:8], y[:8], x[8:], y[8:]]
        return torch.cat(parts)
