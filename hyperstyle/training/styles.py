"""Stage `style`: a copy of the domain's generator learns to draw the same latents in another style.

The renderer draws every training portrait in the style too, so this is the generator's own regression, begun where it
ended. The mapping network stays as it is, and with it every latent, edit and encoder. The resulting generator takes the
place of those that are fine-tuned by adversarial training in HyperStyle (arXiv 2111.15666), section 5.3.
"""

from __future__ import annotations

from torch import Tensor

from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.training.config import GeneratorTraining, StyleTraining
from hyperstyle.training.data import Pictures
from hyperstyle.training.generator import GeneratorTask


def freeze_coarse(generator: Generator, up_to_px: int) -> None:
    """Let a generator learn, but for its mapping network, its constant and the convolutions of coarse blocks."""
    generator.requires_grad_(True)
    generator.style.requires_grad_(False)
    generator.input.requires_grad_(False)
    for row in generator.layers:
        if row.resolution <= up_to_px and not row.is_to_rgb:
            generator.get_submodule(row.name).requires_grad_(False)


def edge_loss(result: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of what changes from pixel to pixel, across and down; a scalar."""
    error = result - target
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


class StyleTask(GeneratorTask):
    """Regression of stylised pictures at full size.

    Args:
        generator: The domain's own; it is trained.
        attributes: Its features are the perceptual loss; None leaves that term out.
        config: Settings.
        plain: Stylised training pictures.
        held_out: Stylised pictures never used for training.
    """

    def __init__(
        self,
        generator: Generator,
        attributes: EmbeddingNetwork | None,
        config: StyleTraining,
        plain: Pictures,
        held_out: Pictures,
    ) -> None:
        regression = GeneratorTraining(
            loop=config.loop,
            phases=((generator.config.resolution, 1.0),),
            freeze_mapping_at=0.0,
            face_weight=config.face_weight,
            perceptual=config.perceptual,
            adversarial=0.0,
        )
        super().__init__(generator, attributes, regression, plain, held_out)
        freeze_coarse(generator, config.frozen_px)
        self.edges = config.edges

    def compare(self, x: Tensor, y: Tensor) -> Tensor:
        """As for the generator, and the difference between edges."""
        return super().compare(x, y) + self.edges * edge_loss(x, y)
