"""Stages `encoder` and `hypernetwork` of photographs: from a picture to its latent, and on to the person's own weights.

The latents of photographs are what the generator's training agreed on with its encoder. The shipped encoder learns them
from that one where it is there, and from the pictures that are drawn again from its own guesses in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle import metrics
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.models.w_encoder import WEncoder
from hyperstyle.training.augment import camera, worn
from hyperstyle.training.face_networks import FaceNetworks
from hyperstyle.training.loop import Numbers
from hyperstyle.training.losses import face_weight, pool_to, psnr, psnr_of
from hyperstyle.training.photo_generator import PretrainedEncoder, window
from hyperstyle.training.photographs import Photographs
from hyperstyle.training.pretrained import PhotographFeatures, channels_last, feature_distance
from hyperstyle.training.projected import ProjectedGame
from hyperstyle.training.sampling import Sampler


@dataclass(frozen=True)
class PictureLosses:
    """Weights of what a picture is compared by.

    Attributes:
        l2, l1: Squared and absolute differences of pixels; the face counts `face_weight` more.
        features: Distance of EfficientNet-Lite0's feature maps.
        identity: 1 - cosine of our own identity network; not used where `faces` are.
        faces: 1 - cosine of public face networks, where there are any.
        face_weight: Extra weight of the middle of the face for `l1` and `l2`.
    """

    l2: float = 4.0
    l1: float = 1.0
    features: float = 0.8
    identity: float = 0.5
    faces: float = 2.0
    face_weight: float = 3.0


@dataclass(frozen=True)
class Wanted:
    """Photographs, and what fixed networks say of them.

    Attributes:
        pictures: (B, 3, H, W) in [-1, 1].
        features: Maps of EfficientNet-Lite0.
        person: (B, C) unit vectors of every network that knows people.
    """

    pictures: Tensor
    features: list[Tensor]
    person: list[Tensor]


class PhotoLoss:
    """Compares pictures with photographs.

    Args:
        features: Fixed.
        identity: Fixed.
        weights: Of the terms.
        faces: Fixed; they say better than `identity` who is who.
    """

    def __init__(
        self,
        features: PhotographFeatures,
        identity: EmbeddingNetwork | None,
        weights: PictureLosses,
        faces: FaceNetworks | None = None,
    ) -> None:
        self.features, self.identity, self.weights, self.faces = features, identity, weights, faces

    @torch.no_grad()
    def look(self, wanted: Tensor) -> Wanted:
        """Look at photographs (B, 3, H, W) once, to compare several pictures with them."""
        person: list[Tensor] = []
        if self.faces is not None:
            person = self.faces.describe(wanted)
        elif self.identity is not None and self.weights.identity:
            person = [self.identity(metrics.face_part(self.identity, wanted))]
        return Wanted(wanted, self.features(wanted), person)

    def pixels(self, got: Tensor, wanted: Tensor) -> Tensor:
        """Only the pixel terms; a scalar."""
        c = self.weights
        weight = face_weight(got.shape[-1], c.face_weight).to(got.device)
        weight = weight / weight.mean()
        difference = got - wanted
        return c.l2 * (difference.square() * weight).mean() + c.l1 * (difference.abs() * weight).mean()

    def __call__(self, got: Tensor, wanted: Wanted) -> Tensor:
        """Loss of pictures (B, 3, H, W) against photographs of the same size; a scalar."""
        c = self.weights
        loss = self.pixels(got, wanted.pictures)
        loss = loss + c.features * feature_distance(self.features(got), wanted.features)
        if self.faces is not None:
            loss = loss + c.faces * self.faces.apart(got, wanted.person)
        elif self.identity is not None and wanted.person:
            cosine = (self.identity(metrics.face_part(self.identity, got)) * wanted.person[0]).sum(1)
            loss = loss + c.identity * (1 - cosine).mean()
        return loss


@dataclass(frozen=True)
class PhotoEncoderTraining:
    """Settings of the encoder's stage.

    Attributes:
        batch: Photographs per step.
        made: Made-up faces that join them: their latents are known exactly.
        resolution: Of the pictures that are compared, px.
        latent: Weight of the squared error to the known latents, in standard deviations.
        picture: Weight of the picture loss; `picture_from` is the share of the schedule after which it is used.
    """

    batch: int = 16
    made: int = 8
    resolution: int = 64
    latent: float = 1.0
    picture: float = 0.5
    picture_from: float = 0.7


class PhotoEncoderTask:
    """Predict the latent that the generator's training agreed on, and redraw the photograph.

    Args:
        encoder: To be trained.
        generator: Fixed.
        teacher: The encoder that was trained with the generator; None where it is not there: pictures teach alone then.
        compare: Compares what is drawn.
        config: Settings.
        input_size: What the encoder looks at, px.
        train, held_out: Photographs, of different people.
    """

    def __init__(
        self,
        encoder: WEncoder,
        generator: Generator,
        teacher: PretrainedEncoder | None,
        compare: PhotoLoss,
        config: PhotoEncoderTraining,
        input_size: int,
        train: Photographs,
        held_out: Photographs,
    ) -> None:
        self.module: WEncoder = channels_last(encoder)
        self.generator, self.teacher, self.compare, self.config = generator, teacher, compare, config
        self.input_size, self.held_out = input_size, held_out
        self.device = next(encoder.parameters()).device
        self.sampler = Sampler(train, device=self.device)
        with torch.no_grad():
            z = torch.randn(2048, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
            self.spread = generator.map(z.to(self.device)).std(0).clamp(min=1e-3)

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, Numbers]:
        """Error of the latents; later also of the redrawn photographs."""
        c, size = self.config, self.input_size
        clean = self.sampler.batch(c.batch, generator, size)
        clean = camera(clean, generator, strength=0.6).to(self.device)
        z = torch.randn(c.made, self.generator.config.z_dim, generator=generator).to(self.device)
        with torch.no_grad():
            made_w = self.generator.map(z) - self.generator.w_avg
            made = pool_to(draw(self.generator, made_w + self.generator.w_avg, max(size, c.resolution)), size)
        x = worn(torch.cat((clean, made.clamp(-1, 1))), generator, share=0.15)
        got = self.module(x.contiguous(memory_format=torch.channels_last))
        loss = c.latent * F.mse_loss(got[c.batch :] / self.spread, made_w / self.spread)
        numbers: Numbers = {"made_w": loss.detach()}
        if self.teacher is not None:
            with torch.no_grad():
                wanted = self.teacher(clean)
            latent = F.mse_loss(got[: c.batch] / self.spread, wanted / self.spread)
            loss = loss + c.latent * latent
            numbers["photo_w"] = latent.detach()
        if progress >= c.picture_from or self.teacher is None:
            few = slice(0, max(1, c.batch // 2))
            y = draw(self.generator, got[: c.batch][few] + self.generator.w_avg, c.resolution)
            target = pool_to(clean[few], c.resolution)
            picture = self.compare(y, self.compare.look(target))
            loss = loss + c.picture * picture
            numbers |= {"picture": picture.detach(), "psnr": psnr_of(y.detach(), target)}
        return loss, numbers

    @torch.no_grad()
    def validate(self, module: WEncoder) -> dict[str, float]:
        """On people who were kept back: squared error, PSNR and identity of what is redrawn."""
        return redrawn_metrics(
            self.held_out,
            lambda x: [draw(self.generator, module(pool_to(x, self.input_size)) + self.generator.w_avg, None)],
            self.compare,
            self.device,
        )

    @torch.no_grad()
    def samples(self, module: WEncoder) -> Tensor:
        """Held-out people and, below each, what is redrawn."""
        x = self.held_out.batch(torch.arange(16) * (len(self.held_out) // 16)).to(self.device)
        y = draw(self.generator, module(pool_to(x, self.input_size)) + self.generator.w_avg, None)
        return torch.cat([x[:8], y[:8], x[8:], y[8:]]).cpu()


@dataclass(frozen=True)
class PhotoHypernetworkTraining:
    """Settings of the hypernetwork's stage.

    Attributes:
        batch: Photographs per step.
        passes: Refinement passes that the finished network is meant for.
        phases: (resolution, passes per batch, share of the schedule at which it ends).
        every_pass: Whether features and identity judge every pass, as published, or the last one only.
        adversarial: Weight of discriminators of fixed features on the last pass; 0 leaves them out.
        adversarial_from: Share of the schedule after which they are asked.
        editing: Weight of edits reading on the adapted generator as they do on the plain one; 0 leaves that out.
        edit_share: How far an edit goes towards another person's latent.
    """

    batch: int = 8
    passes: int = 3
    phases: tuple[tuple[int, int, float], ...] = ((64, 1, 0.3), (64, 2, 0.6), (128, 3, 1.0))
    every_pass: bool = True
    adversarial: float = 0.0
    adversarial_from: float = 0.4
    editing: float = 0.5
    edit_share: float = 0.4


class PhotoHypernetworkTask:
    """Iterative refinement on photographs: a loss after every pass, offsets summed over passes.

    Args:
        hypernetwork: To be trained.
        generator, encoder, attributes: Fixed.
        compare: Compares what is drawn.
        config: Settings.
        train, held_out: Photographs, of different people.

    Source: HyperStyle (arXiv 2111.15666), section 4.3.
    """

    def __init__(
        self,
        hypernetwork: Hypernetwork,
        generator: Generator,
        encoder: WEncoder | PretrainedEncoder,
        attributes: EmbeddingNetwork | None,
        compare: PhotoLoss,
        config: PhotoHypernetworkTraining,
        train: Photographs,
        held_out: Photographs,
    ) -> None:
        self.module: Hypernetwork = hypernetwork
        self.generator, self.encoder, self.attributes = generator, encoder, attributes
        self.compare, self.config, self.held_out = compare, config, held_out
        self.size = hypernetwork.config.input_size
        self.device = next(hypernetwork.parameters()).device
        self.sampler = Sampler(train, device=self.device)
        self.resolution = config.phases[-1][0]
        self.game = ProjectedGame(self.device) if config.adversarial else None
        self.companions: Mapping[str, Any] = {"projected_game": self.game} if self.game is not None else {}

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, Numbers]:
        """Back-propagate every pass but the last, whose loss is returned; gradients of the passes add up."""
        c = self.config
        resolution, passes = next((r, n) for r, n, end in c.phases if progress < end or end >= 1)
        x = camera(self.sampler.batch(c.batch, generator, max(resolution, self.size)), generator, strength=0.5)
        x = x.to(self.device)
        target, small = pool_to(x, resolution), pool_to(x, self.size)
        with torch.no_grad():
            w = self.encoder(small) + self.generator.w_avg
            styles = self.generator.to_styles(repeat_w(w, self.generator.num_ws))
            y = self.generator.render(styles, resolution=resolution)
        numbers: Numbers = {"px": float(resolution), "l2_0": (y - target).square().mean()}
        # Any pass may be the last one somebody asks for, so each has its turn at keeping edits as strong as they are.
        tried = int(torch.randint(1, passes + 1, (), generator=generator)) if c.editing and self.attributes else 0
        order = torch.randperm(len(w), generator=generator).to(self.device)
        wanted, total = self.compare.look(target), cast("dict[str, Tensor]", {})
        loss = torch.zeros((), device=self.device)
        for step in range(1, passes + 1):
            codes = self.module.codes(small, pool_to(y.detach(), self.size))
            total = self.module.add_codes({name: code.detach() for name, code in total.items()}, codes)
            deltas = self.module.deltas(total, step)
            y = self.generator.render(styles, deltas, resolution=resolution)
            whole = c.every_pass or step == passes
            loss = self.compare(y, wanted) if whole else self.compare.pixels(y, target)
            numbers[f"l2_{step}"] = (y.detach() - target).square().mean()
            if step == tried:
                editing = self._edit_loss(w, order, y, deltas)
                loss = loss + c.editing * editing
                numbers["edit"] = editing.detach()
            if self.game is not None and step == passes and progress >= c.adversarial_from:
                loss = loss + c.adversarial * self._verdict(self.game, y, target, generator)
            if step < passes:
                loss.backward()
        return loss, numbers

    def _verdict(self, game: ProjectedGame, y: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
        """How far redrawn pictures are from passing for photographs; the discriminators take their turn first."""
        shown, drawn = window(target, y, generator)
        with torch.no_grad():
            wanted = self.compare.features(shown)
        got = self.compare.features(drawn)
        game.practise([a.detach() for a in got], wanted)
        return game.verdict(got)

    def _edit_loss(self, w: Tensor, order: Tensor, y: Tensor, deltas: Mapping[str, Tensor]) -> Tensor:
        """How differently edits read on the adapted generator and on the plain one, for half of the batch.

        An edit is a part of the way to another person of the batch; what the attribute network reads should change as
        much as without offsets. Without this, offsets learn to hold on to the photograph's pose and expression.
        """
        assert self.attributes is not None
        half, resolution = max(1, len(w) // 2), y.shape[-1]
        network = self.attributes
        edited = w[:half] + self.config.edit_share * (w[order] - w)[:half]

        def read(w: Tensor, deltas: Mapping[str, Tensor] | None) -> Tensor:
            styles = self.generator.to_styles(repeat_w(w, self.generator.num_ws))
            picture = self.generator.render(styles, deltas, resolution=resolution)
            return network(metrics.face_part(network, picture))

        with torch.no_grad():
            wanted = read(edited, None) - read(w[:half], None)
        got = read(edited, {name: delta[:half] for name, delta in deltas.items()})
        return (got - network(metrics.face_part(network, y[:half])) - wanted).square().mean()

    @torch.no_grad()
    def validate(self, module: Hypernetwork) -> dict[str, float]:
        """On people who were kept back: squared error and identity of the encoder (0) and of every pass."""
        return redrawn_metrics(self.held_out, lambda x: self._refine(module, x), self.compare, self.device)

    @torch.no_grad()
    def samples(self, module: Hypernetwork) -> Tensor:
        """Rows: held-out people, the encoder's pictures, the last pass's; twice."""
        x = self.held_out.batch(torch.arange(16) * (len(self.held_out) // 16)).to(self.device)
        pictures = self._refine(module, x)
        e, y = pictures[0], pictures[-1]
        return torch.cat([x[:8], e[:8], y[:8], x[8:], e[8:], y[8:]]).cpu()

    def _refine(self, module: Hypernetwork, x: Tensor) -> list[Tensor]:
        """The encoder's pictures, then every pass's, all at full size."""
        from hyperstyle.inversion.hyperstyle import refine

        small = pool_to(x, self.size)
        w = self.encoder(small) + self.generator.w_avg
        styles = self.generator.to_styles(repeat_w(w, self.generator.num_ws))
        pictures: list[Tensor] = []
        refine(self.generator, module, styles, small, self.config.passes, lambda _, picture: pictures.append(picture))
        return pictures


def draw(generator: Generator, w: Tensor, resolution: int | None) -> Tensor:
    """Pictures of latents (B, w_dim)."""
    return generator.render(generator.to_styles(repeat_w(w, generator.num_ws)), resolution=resolution)


def redrawn_metrics(
    photographs: Photographs, redraw: Any, compare: PhotoLoss, device: torch.device
) -> dict[str, float]:
    """Mean squared error, PSNR and identity cosine of what comes back, a number after each name counting passes.

    Args:
        photographs: What is shown.
        redraw: (B, 3, H, W) in [-1, 1] to a list of pictures, one per pass.
        compare: Its identity network is asked.
        device: Of the networks.
    """
    sums: dict[str, float] = {}
    for rows in torch.arange(len(photographs)).split(8):
        x = photographs.batch(rows).to(device)
        known = None
        if compare.identity is not None:
            known = compare.identity(metrics.face_part(compare.identity, x))
        share = len(rows) / len(photographs)
        for step, y in enumerate(redraw(x)):
            y = y.clamp(-1, 1)
            found = {f"l2_{step}": float((y - x).square().mean()), f"psnr_{step}": psnr(y, x)}
            if known is not None and compare.identity is not None:
                cosine = (compare.identity(metrics.face_part(compare.identity, y)) * known).sum(1)
                found[f"id_{step}"] = float(cosine.mean())
            for name, value in found.items():
                sums[name] = sums.get(name, 0.0) + value * share
    return sums | {"pictures": float(len(photographs))}
