"""Stage `relevance`: what each style channel of a generator means to the text model, and which prompts work.

Source: StyleCLIP (arXiv 2103.17249), section 6: every channel is pushed to both ends of its range in some samples, and
the mean change of the CLIP embedding is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.editing.pretrained_text import PretrainedTextModel
from hyperstyle.editing.styleclip import TextEditor
from hyperstyle.editing.text_model import Suggestion, TextModel
from hyperstyle.models.layer_table import LayerSpec
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.training.checkpoints import load_checkpoint, save_checkpoint
from hyperstyle.training.directions import Network, find_end
from hyperstyle.training.text_world import DRAWN, Candidate, TextWorld
from hyperstyle.traits import Trait, column

Text = TypeVar("Text", TextModel, PretrainedTextModel)

Progress = Callable[[int, int, str], None]
"""Called as (done, total, what comes next)."""


@dataclass(frozen=True)
class RelevanceConfig:
    """Settings of the stage.

    Attributes:
        n_statistics: Latents over which each channel's mean and deviation are measured.
        n_samples: Faces in which every channel is pushed.
        push: How far, in standard deviations.
        max_resolution: Layers above this many pixels are skipped; None takes all.
        picture_px: Side of the pictures that the text model compares; None for the generator's own.
        truncation_psi: How far the samples lie from the average latent; 1 leaves them alone.
        batch: Pictures rendered at once.
        seed: Decides everything random.
        n_measure: Faces on which suggested prompts are tried.
        thresholds: Values of disentanglement tried for each prompt.
        strength_step, strength_limit: Strengths tried for each prompt.
        saturation: A prompt's range ends where the effect has fallen to this fraction of its initial slope.
        least_effect: Prompts whose whole range moves their property by fewer standard deviations are not suggested.
    """

    n_statistics: int = 10_000
    n_samples: int = 8
    push: float = 5.0
    max_resolution: int | None = None
    picture_px: int | None = None
    truncation_psi: float = 1.0
    batch: int = 32
    seed: int = 0
    n_measure: int = 24
    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5)
    strength_step: float = 1.0
    strength_limit: float = 8.0
    saturation: float = 0.3
    least_effect: float = 0.5


def measure_relevance(
    generator: Generator,
    model: Text,
    config: RelevanceConfig | None = None,
    on_progress: Progress | None = None,
    *,
    w: Tensor | None = None,
    world: TextWorld = DRAWN,
    checkpoint: Path | None = None,
) -> Text:
    """Measure the relevance of every style channel of the 3 x 3 layers.

    Args:
        generator: Trained, in evaluation mode.
        model: Trained text model, on the generator's device.
        config: Settings.
        on_progress: Told after every batch.
        w: (N, w_dim) latents that stand for the generator's pictures; default: the world's.
        world: Where latents come from.
        checkpoint: File that keeps what is measured, layer by layer; if it is there, measuring goes on from it.

    Returns:
        A copy of `model` with `relevance`, `style_std` and `relevance_layers`.

    Raises:
        WeightsCorrupt: The checkpoint cannot be read.
    """
    config = RelevanceConfig() if config is None else config
    device = generator.w_avg.device
    if w is None:
        w = world.latents(generator, config.n_statistics, config.seed, config.truncation_psi)
    layers = relevance_layers(generator, config.max_resolution)
    means, deviations = style_statistics(generator, w, layers)
    base = generator.to_styles(repeat_w(w[: config.n_samples].to(device), generator.num_ws))
    n_base = len(base[0])
    total = sum(layer.in_channels for layer in layers)
    per_batch = max(1, config.batch // (2 * n_base))
    rows = _read_rows(checkpoint, config)
    done = 0
    for place, (layer, mean, deviation) in enumerate(zip(layers, means, deviations, strict=True)):
        if place < len(rows):
            done += layer.in_channels
            continue
        parts = []
        for channels in torch.arange(layer.in_channels).split(per_batch):
            parts.append(_push(generator, model, base, layer.index, channels, mean, deviation, config))
            done += len(channels)
            if on_progress is not None:
                on_progress(done, total, layer.name)
        rows.append(torch.cat(parts))
        if checkpoint is not None:
            save_checkpoint(checkpoint, {"config": asdict(config), "rows": [part.cpu() for part in rows]})
    return replace(
        model,
        relevance=torch.cat([part.to(device) for part in rows]),
        style_std=torch.cat(deviations),
        relevance_layers=tuple((layer.name, layer.in_channels) for layer in layers),
    )


def _read_rows(checkpoint: Path | None, config: RelevanceConfig) -> list[Tensor]:
    """Layers that were measured before, with these settings."""
    if checkpoint is None or not checkpoint.exists():
        return []
    state = load_checkpoint(checkpoint)
    rows = state.get("rows")
    return rows if state.get("config") == asdict(config) and isinstance(rows, list) else []


def relevance_layers(generator: Generator, max_resolution: int | None = None) -> list[LayerSpec]:
    """The layers whose channels text may move: 3 x 3 ones; toRGB would only tint the picture."""
    return [
        layer
        for layer in generator.layers
        if not layer.is_to_rgb and (max_resolution is None or layer.resolution <= max_resolution)
    ]


@torch.no_grad()
def style_statistics(
    generator: Generator, w: Tensor, layers: Sequence[LayerSpec], batch: int = 1024
) -> tuple[list[Tensor], list[Tensor]]:
    """Mean and standard deviation of every style channel.

    Args:
        generator: The generator.
        w: (N, w_dim).
        layers: Which layers.
        batch: Latents at once.

    Returns:
        Two lists with one (in_channels,) tensor per layer, on the generator's device.
    """
    device = generator.w_avg.device
    sums = [torch.zeros(layer.in_channels, dtype=torch.float64, device=device) for layer in layers]
    squares = [torch.zeros_like(s) for s in sums]
    for part in w.split(batch):
        styles = generator.to_styles(repeat_w(part.to(device), generator.num_ws))
        for place, layer in enumerate(layers):
            style = styles[layer.index].double()
            sums[place] += style.sum(0)
            squares[place] += style.square().sum(0)
    means = [s / len(w) for s in sums]
    deviations = [(q / len(w) - m.square()).clamp(min=0).sqrt() for q, m in zip(squares, means, strict=True)]
    return [m.float() for m in means], [d.float() for d in deviations]


@torch.no_grad()
def _push(
    generator: Generator,
    model: TextModel | PretrainedTextModel,
    base: tuple[Tensor, ...],
    layer: int,
    channels: Tensor,
    mean: Tensor,
    deviation: Tensor,
    config: RelevanceConfig,
) -> Tensor:
    """Relevance rows of a few channels of one layer: (C, embed_dim), each of unit length (or zero if nothing moves)."""
    n, count = len(base[0]), len(channels)
    # Order: channel, end of the range, face.
    styles = [style.repeat(count * 2, 1) for style in base]
    moved = styles[layer].view(count, 2, n, -1)
    for place, channel in enumerate(channels.tolist()):
        moved[place, 0, :, channel] = mean[channel] + config.push * deviation[channel]
        moved[place, 1, :, channel] = mean[channel] - config.push * deviation[channel]
    features = model.embed_pictures(generator.render(tuple(styles), resolution=config.picture_px))
    ends = features.view(count, 2, n, -1)
    return F.normalize(F.normalize(ends[:, 0] - ends[:, 1], dim=2, eps=1e-8).mean(1), dim=1, eps=1e-8)


def try_prompts(
    generator: Generator,
    model: TextModel,
    attributes: Network,
    config: RelevanceConfig | None = None,
    *,
    input_size: int = 64,
    candidates: Sequence[Candidate] | None = None,
    world: TextWorld = DRAWN,
    on_progress: Progress | None = None,
) -> TextModel:
    """Try prompts on faces, and keep those that do what they say as suggestions.

    Args:
        generator: The generator.
        model: Text model with relevance.
        attributes: Attribute network: (B, 3, input_size, input_size) to the world's columns.
        config: Settings.
        input_size: What that network reads, in pixels.
        candidates: Which prompts; default: the world's.
        world: Where the faces come from.
        on_progress: Told after every prompt.

    Returns:
        A copy of `model` with `suggestions`: prompt, disentanglement that isolates its property best, measured range.
    """
    config = RelevanceConfig() if config is None else config
    editor = TextEditor(model, generator.layers)
    candidates = world.candidates if candidates is None else candidates
    w, spread = world.faces(generator, config.n_measure, config.seed)
    spread = spread.clamp(min=1e-6)
    styles = generator.to_styles(repeat_w(w.to(generator.w_avg.device), generator.num_ws))

    @torch.no_grad()
    def read(prompt: str, threshold: float, strength: float) -> Tensor:
        shift = editor.style_shift(prompt, strength, threshold)
        seen = []
        for rows in torch.arange(len(w)).split(config.batch):
            moved = tuple(style[rows] + part for style, part in zip(styles, shift, strict=True))
            picture = generator.render(moved).clamp(-1, 1)
            seen.append(attributes(F.adaptive_avg_pool2d(picture, input_size)).float().cpu())
        return torch.cat(seen).mean(0)

    at_zero = read(candidates[0].prompt, config.thresholds[0], 0.0) if candidates else torch.zeros(0)
    kept = []
    for place, candidate in enumerate(candidates):
        if on_progress is not None:
            on_progress(place, len(candidates), candidate.prompt)
        suggestion = _try_prompt(candidate, world.traits, read, at_zero, spread, config)
        if suggestion is not None:
            kept.append(suggestion)
    if on_progress is not None:
        on_progress(len(candidates), len(candidates), "done")
    return replace(model, suggestions=tuple(kept))


def _try_prompt(
    candidate: Candidate,
    traits: Sequence[Trait],
    read: Callable[[str, float, float], Tensor],
    at_zero: Tensor,
    spread: Tensor,
    config: RelevanceConfig,
) -> Suggestion | None:
    """Find the best threshold and the range of one prompt, or None if it does not work."""
    place = column(traits, candidate.parameter)
    trait = traits[place]
    best, best_score = None, 0.0
    for threshold in config.thresholds:
        change = (read(candidate.prompt, threshold, 2 * config.strength_step) - at_zero) / spread
        wanted = candidate.sign * float(change[place])
        others = float(change.square().sum() - change[place].square())
        # How much of the whole change is the one that was asked for; tiny changes are noise.
        score = wanted / (others**0.5 + 0.3)
        if score > best_score:
            best, best_score = threshold, score
    if best is None:
        return None

    def value(strength: float) -> tuple[float, float]:
        return float(read(candidate.prompt, best, strength)[place]), 1.0

    start = float(at_zero[place])
    low, high = (
        find_end(value, start, sign * config.strength_step, config.strength_limit, config.saturation, 0.0)
        for sign in (-1.0, 1.0)
    )
    change_at_end = value(high)[0] - start
    if candidate.sign * change_at_end / float(spread[place]) < config.least_effect:
        return None
    return Suggestion(
        prompt=candidate.prompt,
        minimum=low,
        maximum=high,
        parameter=candidate.parameter,
        unit=trait.unit,
        effect_per_unit=round(change_at_end / high * trait.per_z, 4),
        disentanglement=best,
    )
