"""Settings of training on photographs: one value that holds every stage's."""

from __future__ import annotations

from dataclasses import dataclass, field

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
