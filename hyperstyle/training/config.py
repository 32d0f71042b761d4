"""Settings of training: one frozen dataclass per stage, and the sizes of the networks that a domain is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hyperstyle.editing.text_model import TextModelConfig
from hyperstyle.models.backbones import TrunkConfig
from hyperstyle.models.embedding import EmbeddingConfig
from hyperstyle.models.hypernetwork import HypernetworkConfig
from hyperstyle.models.layer_table import GeneratorConfig, layer_table
from hyperstyle.models.style_encoders import StyleEncoderConfig
from hyperstyle.models.w_encoder import WEncoderConfig
from hyperstyle.synthetic.parameters import TRAITS as DRAWN_TRAITS
from hyperstyle.synthetic.parameters import Z_DIM
from hyperstyle.training.clip import ClipConfig
from hyperstyle.training.data import DataConfig
from hyperstyle.training.directions import DirectionsConfig
from hyperstyle.training.photo_config import PhotoTraining
from hyperstyle.training.photo_directions import PhotoDirectionsConfig
from hyperstyle.training.photo_generator import PhotoGeneratorTraining
from hyperstyle.training.photo_inversion import PhotoEncoderTraining, PhotoHypernetworkTraining
from hyperstyle.training.photo_perception import PhotoPerception
from hyperstyle.training.photo_traits import TRAITS
from hyperstyle.training.photographs import PhotographConfig
from hyperstyle.training.relevance import RelevanceConfig
from hyperstyle.training.schedule import LoopConfig
from hyperstyle.traits import Trait


@dataclass(frozen=True)
class AttributesConfig:
    """Attribute network: pictures to the renderer's normalised parameters; truth for every metric, features for losses.

    Attributes:
        loop: Schedule.
        beyond_share: Share of each batch that carries beyond-domain details.
    """

    loop: LoopConfig = LoopConfig(steps=20_000, minutes=12, batch=32, learning_rate=2e-3)
    beyond_share: float = 0.3


@dataclass(frozen=True)
class IdentityConfig:
    """Identity network: two pictures of one person close, of two people apart (InfoNCE, arXiv 1807.03748).

    Attributes:
        loop: Schedule; `batch` counts people, each shown twice.
        temperature: Of the softmax over cosines.
    """

    loop: LoopConfig = LoopConfig(steps=10_000, minutes=8, batch=48, learning_rate=1e-3)
    temperature: float = 0.1


@dataclass(frozen=True)
class GeneratorTraining:
    """Generator fitted by regression: the renderer gives a picture for every latent.

    Attributes:
        loop: Schedule.
        phases: (resolution, share of the schedule at which it ends), growing.
        freeze_mapping_at: Share of the schedule after which the mapping network stays as it is, so that encoders can
            learn its latents while the synthesis is still being sharpened.
        face_weight: Extra weight of the middle of the face in the pixel loss.
        perceptual: Weight of the distance between attribute network features.
        identity: Weight of the identity distance, for what HyperStyle makes of beyond-domain pictures; where a
            generator is trained further (see `training.adapted`).
        adversarial: Pull of the discriminator's verdict on a picture, as a share of the other terms'; 0 leaves it out.
        adversarial_from: Share of the schedule after which it is asked, at full size only.
    """

    loop: LoopConfig = LoopConfig(steps=100_000, minutes=60, batch=8, learning_rate=8e-3, betas=(0.0, 0.99), ema=0.998)
    phases: tuple[tuple[int, float], ...] = ((16, 0.09), (32, 0.27), (64, 0.62), (128, 1.0))
    freeze_mapping_at: float = 0.5
    face_weight: float = 3.0
    perceptual: float = 0.25
    identity: float = 0.15
    adversarial: float = 0.4
    adversarial_from: float = 0.85

    def grown(self) -> GeneratorTraining:
        """These settings for the new block of a generator that has grown: all else stays as it is.

        A block that the discriminator pulls harder invents detail where a regressed one is merely soft.
        """
        return replace(self._further(), adversarial=0.15, adversarial_from=0.6)

    def further(self) -> GeneratorTraining:
        """These settings for a generator that is trained further as a whole, before there is a hypernetwork."""
        return replace(self._further(), adversarial_from=0.2)

    def polished(self) -> GeneratorTraining:
        """These settings for convolutions that are fitted to what the hypernetwork makes of them.

        A small network's few channels win more from regression than from the discriminator, which costs likeness.
        """
        (half, _), (full, _) = self.phases[-2:]
        loop = replace(self.loop, learning_rate=self.loop.learning_rate / 4, warmup_steps=30, ema=0.99, decay_from=0.3)
        return replace(self, phases=((half, 0.6), (full, 1.0)), freeze_mapping_at=0.0, adversarial=0.0, loop=loop)

    def _further(self) -> GeneratorTraining:
        loop = replace(self.loop, learning_rate=self.loop.learning_rate / 2)
        return replace(self, phases=self.phases[-1:], freeze_mapping_at=0.0, loop=loop)


@dataclass(frozen=True)
class StyleTraining:
    """The generator's copy that draws in another style: regression, as for the generator, from where that one is.

    Attributes:
        loop: Schedule.
        shards: How many shards of stylised pictures are drawn.
        frozen_px: Blocks up to this resolution keep their convolutions, so that poses and shapes stay where latents and
            edits expect them; their colours may change.
        face_weight, perceptual: As for the generator.
        edges: Weight of the difference between neighbouring pixels' differences: lines are thin, and count little in a
            mean over pixels.
    """

    loop: LoopConfig = LoopConfig(
        steps=100_000, minutes=30, batch=8, learning_rate=4e-3, betas=(0.0, 0.99), warmup_steps=60, ema=0.998
    )
    shards: int = 3
    frozen_px: int = 8
    face_weight: float = 2.0
    perceptual: float = 0.25
    edges: float = 1.0


@dataclass(frozen=True)
class EncoderTraining:
    """W encoder with exact supervision: the latent of every drawn picture is known.

    Attributes:
        loop: Schedule.
        beyond_share: Share of each batch that carries beyond-domain details.
        picture: Weight of the picture loss; `picture_from` is the share of the schedule after which it is used.
    """

    loop: LoopConfig = LoopConfig(steps=20_000, minutes=12, batch=32, learning_rate=1.5e-3)
    beyond_share: float = 0.4
    picture: float = 0.5
    picture_from: float = 0.6


@dataclass(frozen=True)
class HypernetworkTraining:
    """Hypernetwork trained as published: a loss after every refinement pass, offsets added up over passes.

    Attributes:
        loop: Schedule.
        passes: Refinement passes that the finished network is meant for.
        phases: (resolution, passes per batch, share of the schedule at which it ends). One cheap pass teaches what
            offsets do; more passes and pixels then teach what is left over.
        beyond_share: Share of each batch that carries beyond-domain details.
        textured_share: Share of pictures that each disturbance of `augment.textured` is applied to.
        l2, l1, perceptual, identity: Weights of the loss terms.
        editing: Weight of edits reading on the adapted generator as they do on the plain one; 0 leaves that out.
    """

    loop: LoopConfig = LoopConfig(
        steps=100_000, minutes=90, batch=8, learning_rate=2e-3, betas=(0.9, 0.99), warmup_steps=60, ema=0.99
    )
    passes: int = 3
    phases: tuple[tuple[int, int, float], ...] = ((32, 1, 0.25), (32, 2, 0.5), (64, 3, 0.7), (128, 3, 1.0))
    beyond_share: float = 0.7
    textured_share: float = 0.25
    l2: float = 4.0
    l1: float = 1.0
    perceptual: float = 0.5
    identity: float = 0.3
    editing: float = 1.0


ABLATION_TRAINING = HypernetworkTraining(
    loop=replace(HypernetworkTraining.loop, minutes=10), phases=((32, 1, 0.35), (64, 2, 0.7), (128, 3, 1.0))
)
"""Short, and alike for all of them: what is compared is the variants, not how good each can become."""


@dataclass(frozen=True)
class StyleEncoderTraining:
    """Encoders into W+ that HyperStyle is compared with, all trained with the hypernetwork's picture losses.

    Attributes:
        loop: Schedule.
        passes: 1, or ReStyle's: the encoder looks at its own result and corrects it.
        phases: (resolution, share of the schedule at which it ends).
        beyond_share, textured_share: As for the hypernetwork.
        l2, l1, perceptual, identity: Weights of the picture losses.
        latent: Weight, at the start, of the squared error to the known latent in standard deviations; it falls to 0 at
            `latent_until`, a share of the schedule. Where latents are known, this replaces days of picture losses.
        delta: Weight of how far rows are from the first one, in standard deviations; e4e's regularisation.
        adversarial: Weight of the latent discriminator's verdict, e4e's; 0 leaves it out.
        unlock_from, unlock_until: Shares of the schedule between which rows may begin to differ from the first, coarse
            ones first, as in e4e; both 0 for rows that are free from the start.
    """

    loop: LoopConfig = LoopConfig(steps=100_000, minutes=15, batch=8, learning_rate=1e-3, warmup_steps=60)
    passes: int = 1
    phases: tuple[tuple[int, float], ...] = ((64, 0.7), (128, 1.0))
    beyond_share: float = 0.7
    textured_share: float = 0.25
    l2: float = 4.0
    l1: float = 1.0
    perceptual: float = 0.5
    identity: float = 0.3
    latent: float = 1.0
    latent_until: float = 0.4
    delta: float = 0.0
    adversarial: float = 0.0
    unlock_from: float = 0.0
    unlock_until: float = 0.0


@dataclass(frozen=True)
class Baseline:
    """An encoder that HyperStyle is compared with.

    Attributes:
        sizes: Of the network.
        training: Its settings.
    """

    sizes: StyleEncoderConfig
    training: StyleEncoderTraining


def style_encoders(
    trunk: TrunkConfig, generator: GeneratorConfig, input_size: int, head_width: int, training: StyleEncoderTraining
) -> dict[str, Baseline]:
    """List the encoders of the paper's comparison in a domain's sizes: pSp, e4e, and ReStyle over both.

    Args:
        trunk: Of all of them; ReStyle's gets three more input channels.
        generator: The one they are for.
        input_size: In px.
        head_width: Hidden channels of the heads.
        training: What is common to all.
    """
    one = StyleEncoderConfig(trunk, generator.num_ws, generator.w_dim, input_size=input_size, head_width=head_width)
    offsets = replace(one, combine="offsets")
    pair = replace(trunk, in_channels=6)
    editable = replace(training, delta=0.02, adversarial=0.1, unlock_from=0.2, unlock_until=0.6)
    return {
        "psp": Baseline(one, training),
        "e4e": Baseline(offsets, editable),
        "restyle-psp": Baseline(replace(one, trunk=pair, reads="last"), replace(training, passes=3)),
        "restyle-e4e": Baseline(replace(offsets, trunk=pair, reads="last"), replace(editable, passes=3)),
    }


def ablations(
    full: HypernetworkConfig, generator: GeneratorConfig, coarse: Sequence[str]
) -> dict[str, HypernetworkConfig]:
    """List the variants of the paper's ablation in a domain's sizes.

    Args:
        full: The reference: medium and fine layers, a shared head, one number per pair of channels elsewhere.
        generator: The one they are for.
        coarse: Names of the coarse 3 x 3 layers, which have the sizes of the shared head's.
    """
    to_rgb = tuple(row.name for row in layer_table(generator) if row.is_to_rgb)
    return {
        "ablation-full": full,
        "ablation-separable": replace(full, own="separable"),
        "ablation-no-shared-head": replace(full, shared=()),
        "ablation-coarse": replace(full, layers=(*coarse, *full.layers), shared=(*coarse, *full.shared)),
        "ablation-to-rgb": replace(full, layers=(*full.layers, *to_rgb)),
    }


@dataclass(frozen=True)
class DomainSizes:
    """Sizes of a domain's networks and the settings of its stages.

    Attributes:
        title, description: For people.
        resolution: Of the generator, px.
        input_size: What encoder, hypernetwork, identity and attribute networks look at, px.
        judge: An identity network that no loss and no metric but the comparison's knows.
        baselines: Encoders that HyperStyle is compared with, by name.
        ablations: Hypernetworks that are compared with each other, by name.
        photographs: For a domain that learns from photographs: the settings of its stages; None for drawn ones.
        traits: The attribute network's columns, in order.
    """

    title: str
    description: str
    resolution: int
    input_size: int
    generator: GeneratorConfig
    w_encoder: WEncoderConfig
    hypernetwork: HypernetworkConfig
    identity: EmbeddingConfig
    attributes: EmbeddingConfig
    judge: EmbeddingConfig
    baselines: Mapping[str, Baseline]
    ablations: Mapping[str, HypernetworkConfig]
    traits: tuple[Trait, ...] = DRAWN_TRAITS
    data: DataConfig = field(default_factory=DataConfig)
    attributes_training: AttributesConfig = field(default_factory=AttributesConfig)
    identity_training: IdentityConfig = field(default_factory=IdentityConfig)
    judge_training: IdentityConfig = field(default_factory=IdentityConfig)
    generator_training: GeneratorTraining = field(default_factory=GeneratorTraining)
    style_training: StyleTraining = field(default_factory=StyleTraining)
    encoder_training: EncoderTraining = field(default_factory=EncoderTraining)
    hypernetwork_training: HypernetworkTraining = field(default_factory=HypernetworkTraining)
    ablation_training: HypernetworkTraining = field(default_factory=lambda: ABLATION_TRAINING)
    clip_training: ClipConfig = field(default_factory=ClipConfig)
    clip_minutes: float = 10.0
    directions_training: DirectionsConfig = field(default_factory=DirectionsConfig)
    relevance_training: RelevanceConfig = field(default_factory=RelevanceConfig)
    photographs: PhotoTraining | None = None


_TRUNK = TrunkConfig(
    "irse", stem_width=24, widths=(32, 64, 96, 128), units=(2, 2, 2, 2), strides=(2, 2, 2, 2), se_reduction=8
)
_PAIR_TRUNK = TrunkConfig(
    "resnet",
    stem_width=32,
    widths=(32, 64, 96, 128),
    units=(2, 2, 2, 2),
    strides=(1, 2, 2, 1),
    in_channels=6,
    stem_stride=2,
)

_PORTRAITS_GENERATOR = GeneratorConfig(
    resolution=128,
    channels={4: 96, 8: 96, 16: 96, 32: 96, 64: 48, 128: 24},
    w_dim=128,
    z_dim=Z_DIM,
    mapping_layers=2,
    mapping_lr_mul=1.0,
    normalize_z=False,
)

PORTRAITS_128 = DomainSizes(
    title="Drawn portraits, 128 px",
    description=(
        "Portraits drawn by this project's own renderer, 128 px. It shows the whole method at work without any "
        "download; photographs of people come back as drawings."
    ),
    resolution=128,
    input_size=64,
    generator=_PORTRAITS_GENERATOR,
    w_encoder=WEncoderConfig(trunk=_TRUNK, w_dim=128),
    hypernetwork=HypernetworkConfig(
        trunk=_PAIR_TRUNK,
        input_size=64,
        # Medium and fine 3 x 3 layers (16 to 128 px); toRGB stays untouched, as in the paper.
        layers=tuple(f"convs.{number}" for number in range(2, 10)),
        shared=("convs.2", "convs.3", "convs.4", "convs.5"),
        code_dim=128,
        shared_width=64,
        own_width=64,
        shared_inner=64,
    ),
    identity=EmbeddingConfig(trunk=_TRUNK, out_dim=64, normalise=True, input_size=64),
    attributes=EmbeddingConfig(trunk=_TRUNK, out_dim=Z_DIM, normalise=False, input_size=64),
    # Other units, other widths, its own start: what flatters the networks in the losses should not flatter this one.
    judge=EmbeddingConfig(
        trunk=TrunkConfig("resnet", stem_width=24, widths=(32, 48, 96, 144), units=(1, 2, 2, 1), strides=(2, 2, 2, 2)),
        out_dim=96,
        normalise=True,
        input_size=64,
    ),
    baselines=style_encoders(_TRUNK, _PORTRAITS_GENERATOR, 64, 32, StyleEncoderTraining()),
    ablations=ablations(
        HypernetworkConfig(
            trunk=replace(_PAIR_TRUNK, stem_width=24, widths=(24, 32, 48, 64)),
            input_size=64,
            layers=tuple(f"convs.{number}" for number in range(2, 10)),
            shared=("convs.2", "convs.3", "convs.4", "convs.5"),
            code_dim=48,
            shared_width=32,
            own_width=32,
            shared_inner=24,
        ),
        _PORTRAITS_GENERATOR,
        coarse=("conv1", "convs.0", "convs.1"),
    ),
    relevance_training=RelevanceConfig(n_samples=4, n_measure=16, thresholds=(0.1, 0.2, 0.3, 0.4)),
)

PORTRAITS = replace(
    PORTRAITS_128,
    title="Drawn portraits",
    description=PORTRAITS_128.description.replace("128 px", "256 px"),
    resolution=256,
    generator=replace(_PORTRAITS_GENERATOR, resolution=256, channels={**_PORTRAITS_GENERATOR.channels, 256: 16}),
    baselines={
        name: Baseline(replace(row.sizes, num_ws=14), replace(row.training, phases=((64, 0.6), (128, 0.9), (256, 1.0))))
        for name, row in PORTRAITS_128.baselines.items()
    },
    data=DataConfig(size=256, people_per_shard=256, in_domain_shards=20, beyond_shards=12),
    generator_training=replace(
        PORTRAITS_128.generator_training, phases=((16, 0.06), (32, 0.18), (64, 0.42), (128, 0.7), (256, 1.0))
    ),
    hypernetwork_training=replace(
        PORTRAITS_128.hypernetwork_training,
        phases=((32, 1, 0.25), (32, 2, 0.45), (64, 3, 0.6), (128, 3, 0.85), (256, 3, 1.0)),
    ),
    # The hypernetwork tunes what it tuned at 128 px: heads for the last block did not lower L2 on held-out pictures.
    # What that block draws is also finer than what the text model sees.
    relevance_training=replace(PORTRAITS_128.relevance_training, max_resolution=128),
)
"""The same world at twice the size; weights of `PORTRAITS_128` copied into its run folder grow into it."""

_PHOTO_TRUNK = TrunkConfig(
    "irse",
    stem_width=24,
    widths=(32, 64, 128, 192),
    units=(2, 2, 2, 2),
    strides=(2, 2, 2, 2),
    stem_stride=2,
    se_reduction=8,
)
# Wide where pictures are small: that is where processors are fast, and where most of a face is decided.
_PHOTO_GENERATOR = GeneratorConfig(
    resolution=256,
    channels={4: 192, 8: 192, 16: 192, 32: 128, 64: 64, 128: 32, 256: 16},
    w_dim=256,
    z_dim=256,
    mapping_layers=4,
    mapping_lr_mul=1.0,
    normalize_z=True,
)

PHOTOS = DomainSizes(
    title="Photographs",
    description=(
        "Photographs of people, 256 px: networks trained by this project from portraits under free licences. Most of "
        "the people in them are European men over 49; docs/photos.md says for whom it works how well."
    ),
    resolution=256,
    input_size=128,
    generator=_PHOTO_GENERATOR,
    w_encoder=WEncoderConfig(trunk=_PHOTO_TRUNK, w_dim=256),
    hypernetwork=HypernetworkConfig(
        trunk=TrunkConfig(
            "resnet",
            stem_width=32,
            widths=(32, 64, 128, 160),
            units=(2, 2, 2, 2),
            strides=(1, 2, 2, 2),
            in_channels=6,
            stem_stride=2,
        ),
        input_size=128,
        # Medium and fine 3 x 3 layers (16 to 128 px); toRGB stays untouched, as in the paper.
        layers=tuple(f"convs.{number}" for number in range(2, 10)),
        shared=("convs.2", "convs.3"),
        code_dim=128,
        shared_width=64,
        own_width=64,
        shared_inner=64,
    ),
    identity=EmbeddingConfig(trunk=_PHOTO_TRUNK, out_dim=128, normalise=True, input_size=112, crop=(40, 232, 32, 224)),
    attributes=EmbeddingConfig(trunk=_PHOTO_TRUNK, out_dim=len(TRAITS), normalise=False, input_size=128),
    judge=EmbeddingConfig(trunk=_PHOTO_TRUNK, out_dim=128, normalise=True, input_size=112),
    baselines={},
    ablations={},
    hypernetwork_training=HypernetworkTraining(passes=3),
    traits=TRAITS,
    photographs=PhotoTraining(),
    relevance_training=RelevanceConfig(n_samples=4, n_measure=16, thresholds=(0.1, 0.2, 0.3, 0.4), max_resolution=128),
)
"""What the page opens with. Its stages are in `photo_stages`."""

_SMALL = TrunkConfig("irse", stem_width=8, widths=(8, 12), units=(1, 1), strides=(2, 2), se_reduction=4)
_SMALL_PAIR = TrunkConfig(
    "resnet", stem_width=8, widths=(8, 12), units=(1, 1), strides=(1, 2), in_channels=6, stem_stride=2
)
_FEW = LoopConfig(steps=4, batch=4, warmup_steps=1)

_SMOKE_HYPERNETWORK = HypernetworkConfig(
    trunk=_SMALL_PAIR,
    input_size=16,
    layers=("convs.2", "convs.3", "convs.4", "convs.5"),
    shared=("convs.2", "convs.3"),
    code_dim=8,
    shared_width=8,
    own_width=8,
    shared_inner=8,
)
_SMOKE_GENERATOR = GeneratorConfig(
    resolution=32,
    channels={4: 16, 8: 16, 16: 16, 32: 8},
    w_dim=16,
    z_dim=Z_DIM,
    mapping_layers=2,
    mapping_lr_mul=0.5,
    normalize_z=False,
)

SMOKE = DomainSizes(
    title="Smoke run",
    description="A 32 px model trained for a few steps, to see that every stage runs.",
    resolution=32,
    input_size=16,
    generator=_SMOKE_GENERATOR,
    w_encoder=WEncoderConfig(trunk=_SMALL, w_dim=16),
    hypernetwork=_SMOKE_HYPERNETWORK,
    identity=EmbeddingConfig(trunk=_SMALL, out_dim=8, normalise=True, input_size=16),
    attributes=EmbeddingConfig(trunk=_SMALL, out_dim=Z_DIM, normalise=False, input_size=16),
    judge=EmbeddingConfig(trunk=replace(_SMALL_PAIR, in_channels=3), out_dim=8, normalise=True, input_size=16),
    baselines=style_encoders(
        replace(_SMALL, widths=(8, 12, 12), units=(1, 1, 1), strides=(2, 2, 2)),
        _SMOKE_GENERATOR,
        16,
        8,
        StyleEncoderTraining(loop=_FEW, phases=((16, 0.5), (32, 1.0))),
    ),
    ablations=ablations(_SMOKE_HYPERNETWORK, _SMOKE_GENERATOR, coarse=("conv1", "convs.0", "convs.1")),
    data=DataConfig(size=32, people_per_shard=16, in_domain_shards=2, beyond_shards=1, batch=16, compiled=False),
    attributes_training=AttributesConfig(loop=_FEW),
    identity_training=IdentityConfig(loop=_FEW),
    judge_training=IdentityConfig(loop=_FEW),
    generator_training=GeneratorTraining(loop=_FEW, phases=((16, 0.5), (32, 1.0))),
    style_training=StyleTraining(loop=_FEW, shards=1, frozen_px=4),
    encoder_training=EncoderTraining(loop=_FEW),
    hypernetwork_training=HypernetworkTraining(loop=_FEW, phases=((16, 1, 0.5), (32, 2, 1.0)), passes=2),
    ablation_training=HypernetworkTraining(loop=replace(_FEW, steps=2), phases=((32, 2, 1.0),), passes=2),
    clip_training=ClipConfig(
        model=TextModelConfig(
            embed_dim=16,
            image_size=32,
            vision_layers=(1, 1, 1, 1),
            vision_width=4,
            text_width=16,
            text_heads=2,
            text_layers=1,
        ),
        steps=4,
        batch=8,
        held_out=8,
    ),
    clip_minutes=0.0,
    directions_training=DirectionsConfig(n_fit=400, n_measure=8, n_range=4, batch=8),
    relevance_training=RelevanceConfig(
        n_statistics=200, n_samples=1, n_measure=2, thresholds=(0.1,), strength_limit=1.0, batch=8
    ),
)

PHOTOS_SMOKE = replace(
    SMOKE,
    identity=replace(SMOKE.identity, input_size=16),
    attributes=replace(SMOKE.attributes, out_dim=len(TRAITS)),
    generator=replace(SMOKE.generator, normalize_z=True),
    input_size=16,
    baselines={},
    ablations={},
    traits=TRAITS,
    photographs=PhotoTraining(
        data=PhotographConfig(size=32),
        attributes=PhotoPerception(batch=4),
        attributes_loop=_FEW,
        identity=PhotoPerception(batch=4),
        identity_loop=_FEW,
        generator=PhotoGeneratorTraining(batch=2, phases=((16, 32, 0.5), (32, 32, 1.0)), adversarial_from=0.5),
        generator_loop=_FEW,
        encoder=PhotoEncoderTraining(batch=2, resolution=32),
        encoder_loop=_FEW,
        hypernetwork=PhotoHypernetworkTraining(batch=2, passes=2, phases=((16, 1, 0.5), (32, 2, 1.0))),
        hypernetwork_loop=_FEW,
        directions=PhotoDirectionsConfig(
            n_fit=8, n_made_up=40, n_measure=2, n_range=2, batch=8, least_effect=-1e9, most_backwards=1.0
        ),
        mapping_steps=4,
    ),
)
