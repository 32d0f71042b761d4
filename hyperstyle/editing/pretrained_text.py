"""A published CLIP as a domain's text model: any English prompt, no vocabulary of its own.

It offers what `text_model.TextModel` offers, so that the editor and `train relevance` need not know the difference.

Source: CLIP (arXiv 2103.00020); architecture and tokenizer are open_clip's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.editing.text_model import (
    CLIP_PREFIX,
    PLAIN_WORDS,
    Prompt,
    Suggestion,
    check_prompt,
    split_words,
)
from hyperstyle.editing.torchvision_shim import import_open_clip
from hyperstyle.errors import BadPrompt, ForeignWeights, WeightsCorrupt
from hyperstyle.tensor_file import read_tensors, write_tensors

FORMAT = "hyperstyle.pretrained_text"
VERSION = "1"
# Statistics that CLIP's pictures are normalised with, for values in [0, 1].
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# Texts encoded at once: more needs memory and saves no time.
BATCH = 32


@dataclass
class PretrainedTextModel:
    """A published CLIP and, once known, what every style channel means to it.

    Attributes:
        name: Name of the architecture in open_clip.
        clip: The open_clip model, in evaluation mode.
        templates: Sentences with `{}` over which a prompt is averaged.
        domain: Name of the domain it edits.
        relevance: (N, embed_dim) unit rows, one per style channel; None until measured or downloaded. Rows beyond
            `relevance_layers` only take part in choosing channels.
        style_std: Standard deviation of each channel of `relevance_layers`.
        relevance_layers: (layer name, channels) in the order of the rows.
        suggestions: Prompts to offer.
        facts: How it was made, for people.
    """

    name: str
    clip: nn.Module
    templates: tuple[str, ...]
    domain: str = ""
    relevance: Tensor | None = None
    style_std: Tensor | None = None
    relevance_layers: tuple[tuple[str, int], ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the tokenizer."""
        self._tokenize = import_open_clip().get_tokenizer(self.name)

    @property
    def device(self) -> torch.device:
        """Where the networks lie."""
        return next(self.clip.parameters()).device

    @property
    def image_size(self) -> int:
        """Side in pixels of the pictures it looks at."""
        size: Any = self.clip.visual.image_size  # type: ignore[union-attr]
        return int(size if isinstance(size, int) else size[0])

    def understand(self, prompt: str) -> Prompt:
        """Check a prompt; every word counts.

        Raises:
            BadPrompt: Empty, without any word, or too long.
        """
        text = " ".join(check_prompt(prompt).split())
        words = split_words(text)
        if not words:
            raise BadPrompt("The prompt holds no words; describe a face, for example 'a smiling face'.")
        return Prompt(text, asks=any(word not in PLAIN_WORDS for word in words))

    def known_prompts(self) -> list[str]:
        """List prompts worth trying."""
        return [row.prompt for row in self.suggestions]

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Encode texts into (B, embed_dim) of unit length."""
        clip: Any = self.clip
        with torch.no_grad():
            parts = [
                clip.encode_text(self._tokenize(list(texts[start : start + BATCH])).to(self.device))
                for start in range(0, len(texts), BATCH)
            ]
        return F.normalize(torch.cat(parts).float(), dim=-1)

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        """Encode (B, 3, H, W) pictures in [-1, 1] into (B, embed_dim) of unit length."""
        size = self.image_size
        x = F.interpolate(pictures.to(self.device), (size, size), mode="bicubic", antialias=True).clamp(-1, 1)
        mean, std = (torch.tensor(row, device=x.device)[None, :, None, None] for row in (MEAN, STD))
        clip: Any = self.clip
        with torch.no_grad():
            return F.normalize(clip.encode_image(((x + 1) / 2 - mean) / std).float(), dim=-1)

    def embed_prompt(self, text: str) -> Tensor:
        """Encode one understood prompt, averaged over the templates, into (embed_dim,) of unit length."""
        features = self.embed_texts([template.format(text) for template in self.templates])
        return F.normalize(features.mean(0), dim=0)


def default_templates() -> tuple[str, ...]:
    """open_clip's sentences for averaging a prompt: those of CLIP's zero-shot evaluation, as StyleCLIP uses."""
    import_open_clip()
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

    return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)


def save_pretrained_text(
    path: str | Path,
    name: str,
    clip: Mapping[str, Tensor],
    templates: Sequence[str],
    domain: str,
    relevance: Tensor | None = None,
    style_std: Tensor | None = None,
    relevance_layers: Sequence[tuple[str, int]] = (),
    suggestions: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a published CLIP with a domain's channel relevance; matrices in half precision.

    Args:
        path: The file.
        name: Name of the architecture in open_clip.
        clip: Its state dict.
        templates, domain, relevance, style_std, relevance_layers, facts: As in `PretrainedTextModel`.
        suggestions: Prompts to offer.

    Raises:
        CannotWrite: The folder is missing, not writable, or the disk is full.
    """
    tensors = {
        CLIP_PREFIX + key: value.half() if value.is_floating_point() and value.ndim >= 2 else value
        for key, value in clip.items()
    }
    if relevance is not None and style_std is not None:
        # Thresholds fall between neighbouring channels, so relevance keeps its full precision.
        tensors |= {"relevance": relevance.float(), "style_std": style_std.float()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "domain": domain,
        "model": name,
        "templates": json.dumps(list(templates)),
        "relevance_layers": json.dumps([list(row) for row in relevance_layers]),
        "suggestions": json.dumps(list(suggestions)),
        "facts": json.dumps(dict(facts or {})),
    }
    write_tensors(path, tensors, header)


def load_pretrained_text(path: str | Path, device: torch.device | str = "cpu") -> PretrainedTextModel:
    """Read what `save_pretrained_text` wrote.

    Raises:
        WeightsMissing: There is no such file.
        WeightsCorrupt: The file is damaged or inconsistent.
        ForeignWeights: The file is something else, or of a later version.
    """
    tensors, header = read_tensors(path)
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise ForeignWeights(f"The file {path} is not a converted CLIP of version {VERSION}; convert it again.")
    try:
        clip = import_open_clip().create_model(header["model"], pretrained=None, device="cpu")
        weights = {name.removeprefix(CLIP_PREFIX): t for name, t in tensors.items() if name.startswith(CLIP_PREFIX)}
        clip.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in weights.items()})
        model = PretrainedTextModel(
            header["model"],
            clip.eval().requires_grad_(False).to(device),
            tuple(json.loads(header["templates"])),
            header.get("domain", ""),
            relevance_layers=tuple((name, int(width)) for name, width in json.loads(header["relevance_layers"])),
            suggestions=tuple(Suggestion(prompt, -5.0, 5.0) for prompt in json.loads(header["suggestions"])),
            facts=json.loads(header["facts"]),
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsCorrupt(f"The file {path} does not hold a complete CLIP; convert it again.") from error
    if "relevance" in tensors and "style_std" in tensors:
        model.relevance = tensors["relevance"].to(device)
        model.style_std = tensors["style_std"].to(device)
        rows = sum(width for _, width in model.relevance_layers)
        if model.relevance.ndim != 2 or len(model.relevance) < rows or model.style_std.shape != (rows,):
            raise WeightsCorrupt(f"The channel relevance in {path} does not fit its layers; convert it again.")
    return model
