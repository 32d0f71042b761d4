"""Edits from words: StyleCLIP's global directions in StyleSpace.

    prompt, neutral --CLIP text--> delta_i --relevance of each channel--> which channels move, and how far

Source: StyleCLIP (arXiv 2103.17249), section 6.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.bounded import Bounded
from hyperstyle.domains import Domain
from hyperstyle.editing.base import DEFAULT_DISENTANGLEMENT, TEXT_STRENGTH_LIMIT, check_strength
from hyperstyle.editing.pretrained_text import PretrainedTextModel, load_pretrained_text
from hyperstyle.editing.text_model import Prompt, Suggestion, TextModel, load_text_model
from hyperstyle.errors import BadPrompt, WeightsCorrupt, WeightsMissing
from hyperstyle.look import DEFAULT_NEUTRAL
from hyperstyle.models.layer_table import LayerSpec

if TYPE_CHECKING:
    from hyperstyle.models.stylegan2 import Generator

CACHED_DIRECTIONS = 256
_log = logging.getLogger(__name__)


class TextEditor:
    """Turns prompts into what they add to a generator's styles. Safe to share between threads.

    Args:
        model: Text model with measured channel relevance.
        layers: The generator's layer table.

    Raises:
        WeightsMissing: The model's channel relevance has not been measured.
        WeightsCorrupt: It was measured on another generator.
    """

    def __init__(self, model: TextModel | PretrainedTextModel, layers: Sequence[LayerSpec]) -> None:
        if model.relevance is None or model.style_std is None:
            raise WeightsMissing("The text model has no channel relevance yet; run `train relevance` for its domain.")
        widths = {layer.name: layer.in_channels for layer in layers if not layer.is_to_rgb}
        for name, width in model.relevance_layers:
            if widths.get(name) != width:
                raise WeightsCorrupt(
                    f"The text model was measured on a generator with {width} channels in layer {name}, which this "
                    "one does not have; run `train relevance` again."
                )
        self.model = model
        self.layers = tuple(layers)
        self._relevance: Tensor = model.relevance
        self._std: Tensor = model.style_std
        self._directions: Bounded[tuple[str, str, float], tuple[Tensor, ...]] = Bounded(CACHED_DIRECTIONS)

    @classmethod
    def load(cls, domain: Domain, generator: Generator) -> TextEditor:
        """Read a domain's text model and fit it to its generator.

        Raises:
            WeightsMissing: The domain has no text model, or its channel relevance was never measured.
            WeightsCorrupt: The file is damaged or fits another generator (also `ForeignWeights`).
        """
        read = load_pretrained_text if domain.text else load_text_model
        return cls(read(domain.path("text"), generator.w_avg.device), generator.layers)

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """Prompts that were tried on this domain, with the strengths that stay believable."""
        return self.model.suggestions

    def understand(self, prompt: str) -> Prompt:
        """Check a prompt without using it: which words count and which are ignored.

        Raises:
            BadPrompt: Empty, without words, too long, or asking for nothing.
            UnknownPrompt: The model knows none of its words; carries suggestions.
        """
        understood = self.model.understand(prompt)
        if not understood.asks:
            raise BadPrompt(f"The prompt '{prompt.strip()}' asks for nothing; say what the face should be like.")
        return understood

    def best_disentanglement(self, text: str) -> float:
        """The value measured for a suggested prompt; for others the median of these; a default where none was tried.

        Args:
            text: An understood prompt.
        """
        tried = {row.prompt: row.disentanglement for row in self.model.suggestions}
        if text in tried:
            return tried[text]
        return median(tried.values()) if tried else DEFAULT_DISENTANGLEMENT

    def style_shift(
        self,
        prompt: str,
        strength: float,
        disentanglement: float | None = None,
        neutral: str = DEFAULT_NEUTRAL,
    ) -> tuple[Tensor, ...]:
        """Compute what a prompt adds to the styles.

        Args:
            prompt: What the face should become. Words the model does not know are ignored and logged.
            strength: Multiple of the direction; 1 moves the most relevant channel by one standard deviation.
            disentanglement: 0 to 1; channels whose relevance is below it stay put. None: `best_disentanglement`.
            neutral: What the prompt is compared with.

        Returns:
            One (1, in_channels) tensor per layer of the table, zero where nothing changes (always for toRGB).

        Raises:
            BadPrompt: Empty, without words, too long, or asking for nothing.
            UnknownPrompt: The model knows none of its words; carries suggestions.
            BadStrength: `strength` or `disentanglement` is not a number or out of range.
        """
        strength = check_strength("The strength of a prompt", strength, -TEXT_STRENGTH_LIMIT, TEXT_STRENGTH_LIMIT)
        if disentanglement is not None:
            disentanglement = check_strength("The disentanglement", disentanglement, 0.0, 1.0)
        return tuple(strength * part for part in self.direction(prompt, disentanglement, neutral))

    def direction(
        self,
        prompt: str,
        disentanglement: float | None = None,
        neutral: str = DEFAULT_NEUTRAL,
    ) -> tuple[Tensor, ...]:
        """The shift of strength 1, from the cache where possible; see `style_shift`."""
        wanted = self.understand(prompt)
        base = self.model.understand(neutral)
        if wanted.text == base.text:
            raise BadPrompt(f"The prompt '{prompt.strip()}' says the same as the neutral one, so nothing would change.")
        threshold = self.best_disentanglement(wanted.text) if disentanglement is None else disentanglement

        def make() -> tuple[Tensor, ...]:
            if wanted.ignored:
                _log.warning("The text model does not know these words and ignores them: %s", ", ".join(wanted.ignored))
            return self._split(self.channels(wanted.text, threshold, base.text))

        return self._directions.get((wanted.text, base.text, threshold), make)

    def channels(self, text: str, disentanglement: float, neutral: str) -> Tensor:
        """Choose channels and weigh them; texts must already be understood.

        Returns:
            (N,) in style units, in the order of the relevance rows; all zero if nothing passes the threshold.
        """
        with torch.no_grad():
            delta = F.normalize(self.model.embed_prompt(text) - self.model.embed_prompt(neutral), dim=0)
            # Rows of layers that edits leave alone take part in choosing channels, and end there.
            return global_direction(self._relevance, delta, disentanglement)[: len(self._std)] * self._std

    def _split(self, channels: Tensor) -> tuple[Tensor, ...]:
        """Hand each layer its channels."""
        by_name: dict[str, Tensor] = {}
        start = 0
        for name, width in self.model.relevance_layers:
            by_name[name] = channels[None, start : start + width]
            start += width
        return tuple(
            by_name[layer.name] if layer.name in by_name else channels.new_zeros(1, layer.in_channels)
            for layer in self.layers
        )


def global_direction(relevance: Tensor, delta: Tensor, disentanglement: float) -> Tensor:
    """Weigh style channels by how well they do what a text asks.

    Args:
        relevance: (N, D), unit rows: what moving each channel does to a picture's CLIP embedding.
        delta: (D,), unit length: what the text asks for.
        disentanglement: Channels with |relevance . delta| below this get 0.

    Returns:
        (N,), the largest magnitude being 1; all zero if no channel passes.

    Source: StyleCLIP (arXiv 2103.17249), equation for the global direction.
    """
    weights = relevance @ delta
    weights = torch.where(weights.abs() < disentanglement, torch.zeros_like(weights), weights)
    largest = weights.abs().max()
    return weights / largest if largest > 0 else weights
