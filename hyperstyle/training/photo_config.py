"""Settings of training on photographs: one value that holds every stage's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hyperstyle.training.photo_directions import PhotoDirectionsConfig
from hyperstyle.training.photo_generator import PhotoGeneratorTraining
from hyperstyle.training.photo_inversion import PhotoEncoderTraining, PhotoHypernetworkTraining, PictureLosses
from hyperstyle.training.photo_perception import PhotoPerception
from hyperstyle.training.photographs import PhotographConfig
from hyperstyle.training.schedule import LoopConfig


@dataclass(frozen=True)
class PhotoTraining:
    """Settings of a domain that learns from photographs.

    Attributes:
        data: Size of the crops, and who is kept back.
        losses: How encoder and hypernetwork compare what they draw.
        attributes, identity, generator, encoder, hypernetwork: What each stage does, and `*_loop` for how long.
        directions: How edits are found and measured.
        mapping_steps: Of the fit that ends the generator's stage.
    """

    data: PhotographConfig = field(default_factory=PhotographConfig)
    losses: PictureLosses = field(default_factory=PictureLosses)
    attributes: PhotoPerception = field(default_factory=PhotoPerception)
    attributes_loop: LoopConfig = LoopConfig(
        steps=100_000, minutes=30, batch=32, learning_rate=2e-3, warmup_steps=50, decay_from=0.3, ema=0.995
    )
    identity: PhotoPerception = field(default_factory=lambda: PhotoPerception(batch=48, distillation=0.2))
    identity_loop: LoopConfig = LoopConfig(
        steps=100_000, minutes=40, batch=48, learning_rate=1e-3, warmup_steps=50, decay_from=0.3, ema=0.995
    )
    generator: PhotoGeneratorTraining = field(default_factory=PhotoGeneratorTraining)
    generator_loop: LoopConfig = LoopConfig(
        steps=1_000_000, minutes=240, batch=8, learning_rate=3e-3, betas=(0.5, 0.99), warmup_steps=50, decay_from=0.7
    )
    encoder: PhotoEncoderTraining = field(default_factory=PhotoEncoderTraining)
    encoder_loop: LoopConfig = LoopConfig(
        steps=1_000_000, minutes=40, batch=16, learning_rate=2e-3, warmup_steps=30, decay_from=0.4, ema=0.99
    )
    hypernetwork: PhotoHypernetworkTraining = field(default_factory=PhotoHypernetworkTraining)
    hypernetwork_loop: LoopConfig = LoopConfig(
        steps=1_000_000, minutes=180, batch=8, learning_rate=1e-3, warmup_steps=60, ema=0.995
    )
    directions: PhotoDirectionsConfig = field(default_factory=PhotoDirectionsConfig)
    mapping_steps: int = 1500


def on_gpu(c: PhotoTraining) -> PhotoTraining:
    """The same stages as an accelerator does them: large batches, every block at full size, much shorter schedules."""
    return replace(
        c,
        identity=replace(c.identity, batch=96),
        identity_loop=replace(c.identity_loop, minutes=1.5, learning_rate=2e-3),
        generator=replace(
            c.generator,
            batch=64,
            phases=((64, 64, 0.15), (128, 128, 0.4), (256, 128, 1.0)),
            encoder_rate=0.3,
            mixed=0.1,
            adversarial_from=0.3,
            last_block_alone=False,
        ),
        generator_loop=replace(c.generator_loop, minutes=4, warmup_steps=100, decay_from=0.4, ema=0.997),
        encoder=replace(c.encoder, batch=64, made=32),
        encoder_loop=replace(c.encoder_loop, minutes=2),
        hypernetwork=replace(
            c.hypernetwork,
            batch=32,
            phases=((64, 1, 0.1), (64, 2, 0.2), (128, 3, 0.5), (256, 3, 1.0)),
            adversarial=0.02,
        ),
        hypernetwork_loop=replace(c.hypernetwork_loop, minutes=5, learning_rate=2e-3, warmup_steps=100, ema=0.995),
    )
