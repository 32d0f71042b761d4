"""Stage `clip`: a small CLIP learns which captions fit which portraits.

Because the portraits' parameters are known (or the photographs' labels), so is the truth about every picture-caption
pair of a batch: fitting, not fitting, or in a grey zone. The contrastive loss therefore never calls a fitting caption
wrong, although most captions fit many portraits.

Contrast alone learns slowly what is small or rare: after 1000 steps smiles, eyes and the colour of clothes were at
chance still. As the truth is free here, two linear heads help and are thrown away afterwards: one reads the portrait's
parameters from the picture tower, one says which traits a picture shows and a caption claims.

Source: CLIP (arXiv 2103.00020); several positives per row as in SupCon (arXiv 2004.11362).
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.editing.text_model import (
    CompactTokenizer,
    TextModel,
    TextModelConfig,
    build_clip,
    encode_text,
    make_vocabulary,
)
from hyperstyle.synthetic.captions import (
    Caption,
    all_prompts,
    claims_matrix,
    fits,
    prompt_for,
    vocabulary_sentences,
    write_caption,
)
from hyperstyle.training.text_world import DRAWN, TextWorld, Values

TEMPLATES = ("{}", "a photo of {}", "a picture of {}", "a portrait of {}", "an image of {}")
NEGATIVE_INFINITY = -1e4  # finite, so that a row without any negative gives zero loss and no NaN
MAX_LOGIT_SCALE = 50.0


@dataclass(frozen=True)
class ClipConfig:
    """Settings of the stage.

    Attributes:
        model: Sizes of the network.
        steps: Optimiser steps.
        batch: Pictures (and captions) per step.
        lr: Peak learning rate of AdamW, after a short warm-up; a cosine then brings it to a hundredth.
        weight_decay: Applied to matrices only.
        warmup: Share of the steps spent warming up.
        mirror: Also show pictures mirrored, with the captions of the mirrored parameters.
        shift: Largest random shift in pixels.
        traits: Weight of naming traits.
        reading: Weight of reading the parameters.
        held_out: Pictures at the end of the data that are only tested on.
        seed: Decides everything random.
    """

    model: TextModelConfig = field(default_factory=TextModelConfig)
    steps: int = 1500
    batch: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    mirror: bool = True
    shift: int = 2
    traits: float = 1.0
    reading: float = 3.0
    held_out: int = 512
    seed: int = 0


ClipState = dict[str, Any]
"""All it takes to go on after an interruption: "step", "share", "model", "optimizer"; tensors and plain values only."""

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called as (steps done, steps in all, numbers to show)."""


def train_clip(
    pictures: Tensor,
    parameters: Values,
    config: ClipConfig | None = None,
    on_progress: Progress | None = None,
    state: ClipState | None = None,
    on_state: Callable[[ClipState], None] | None = None,
    state_every: int = 200,
    max_seconds: float | None = None,
    device: torch.device | str = "cpu",
    domain: str = "",
    world: TextWorld = DRAWN,
) -> TextModel:
    """Train a text model from nothing, or go on from a state.

    Args:
        pictures: (N, 3, S, S) uint8; S is `config.model.image_size`, or larger (averaged down).
        parameters: Name -> (N,), what each picture shows.
        config: Settings.
        on_progress: Told after every step.
        state: Go on from here; every step draws its own random numbers, so the result is the same.
        on_state: Given a state every `state_every` steps and at the end.
        state_every: See `on_state`.
        max_seconds: Stop after this long in all; the learning rate then follows whichever is further, time or steps.
        device: Where to train.
        domain: Written into the model.
        world: What the pictures show and captions can say.

    Returns:
        The model without channel relevance (stage `relevance` adds it), with held-out numbers in `facts`.
    """
    config = ClipConfig() if config is None else config
    pictures = _pool(pictures, config.model.image_size)
    torch.manual_seed(config.seed)
    vocabulary = make_vocabulary(
        [*vocabulary_sentences(world.sayings), *(t.format("a face") for t in TEMPLATES)], phrases(world)
    )
    tokenizer = CompactTokenizer(vocabulary.tokens, config.model.context)
    clip = build_clip(config.model, tokenizer.size).to(device)
    # Channels last makes the small convolutions of the picture tower about a third faster on a CPU.
    clip.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    helpers = Helpers(config.model.embed_dim, len(world.sayings), len(world.traits)).to(device)
    networks = nn.ModuleList([clip, helpers])
    decay = [p for p in networks.parameters() if p.ndim >= 2]
    rest = [p for p in networks.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}],
        lr=config.lr,
        betas=(0.9, 0.98),
    )
    step, share = 0, 0.0
    if state is not None:
        networks.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, share = int(state["step"]), float(state["share"])
    data = _Data.of(pictures, parameters, config, world)
    started, before = time.monotonic(), share
    clip.train()
    while share < 1:
        for group in optimizer.param_groups:
            group["lr"] = config.lr * _schedule(share, config.warmup)
        loss, shown = _step(clip, helpers, _draw(data, config, step, tokenizer, world), config, device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(networks.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            clip.logit_scale.clamp_(0, math.log(MAX_LOGIT_SCALE))  # type: ignore[operator]
        step += 1
        share = step / config.steps
        if max_seconds is not None:
            # A run that time cuts short must still see its learning rate fall.
            share = max(share, before + (time.monotonic() - started) / max_seconds)
        if on_progress is not None:
            on_progress(step, config.steps, shown)
        if on_state is not None and (step % state_every == 0 or share >= 1):
            on_state(_state(step, share, networks, optimizer))
    clip.eval().requires_grad_(False)
    model = TextModel(clip, config.model, vocabulary, TEMPLATES, domain)
    rows = slice(data.n_train, len(pictures))
    metrics = evaluate_clip(model, pictures[rows], {k: v[rows] for k, v in parameters.items()}, config.seed, world)
    model.facts = {**metrics, "steps": step, "batch": config.batch, "seed": config.seed, "pictures": data.n_train}
    return model


def phrases(world: TextWorld = DRAWN) -> dict[str, str]:
    """Every phrase of the captions with the shortest sentence that says it."""
    result = {}
    for trait in world.sayings:
        for phrase in trait.phrases:
            key = f"{phrase} hair" if trait.slot == "hair" else phrase
            result[key] = prompt_for(trait, phrase)
    return result


def evaluate_clip(
    model: TextModel, pictures: Tensor, parameters: Values, seed: int = 0, world: TextWorld = DRAWN
) -> dict[str, float]:
    """Measure a text model on pictures it has not seen.

    Args:
        model: The model.
        pictures: (N, 3, S, S) uint8.
        parameters: Name -> (N,).
        seed: Decides the captions.
        world: What the pictures show and captions can say.

    Returns:
        `retrieval`: of N captions, the share whose most similar picture fits; `chance`: the same for a random picture.
        `zero_shot`: over single-trait prompts, the mean chance that a picture that fits is more similar than one that
        does not (area under the ROC curve; 0.5 is guessing). `zero_shot_worst`: the lowest of them.
    """
    features = torch.cat([model.embed_pictures(_to_float(part)) for part in pictures.split(256)]).cpu()
    truth = world.truth(parameters)
    written = [_write(row, random.Random(f"{seed}-{place}"), world) for place, row in enumerate(truth.tolist())]
    true, _ = fits(written, truth)
    similar = model.embed_texts([caption.text for caption in written]).cpu() @ features.T
    hit = true[torch.arange(len(written)), similar.argmax(1)]
    areas = zero_shot(model, features, truth, world)
    values = torch.tensor(list(areas.values()) or [0.5])
    return {
        "retrieval": float(hit.float().mean()),
        "chance": float(true.float().mean()),
        "zero_shot": float(values.mean()),
        "zero_shot_worst": float(values.min()),
    }


def zero_shot(model: TextModel, features: Tensor, truth: Tensor, world: TextWorld = DRAWN) -> dict[str, float]:
    """Area under the ROC curve of each single-trait prompt, by prompt.

    Args:
        model: The model.
        features: (N, embed_dim) of pictures.
        truth: (N, sayings) from the world.
        world: What can be said.
    """
    areas = {}
    by_name = {trait.name: place for place, trait in enumerate(world.sayings)}
    neutral = model.embed_prompt("a face").cpu()
    for prompt, name in all_prompts(world.sayings).items():
        column = truth[:, by_name[name]]
        if int((column > 0).sum()) < 5 or int((column < 0).sum()) < 5:
            continue  # too rare among these pictures to say anything
        score = features @ (model.embed_prompt(prompt).cpu() - neutral)
        yes, no = score[column > 0], score[column < 0]
        areas[prompt] = float((yes[:, None] > no[None]).float().mean())
    return areas


def contrastive_loss(similarity: Tensor, true: Tensor, false: Tensor) -> Tensor:
    """InfoNCE with known truth, in both directions.

    Each fitting pair competes with the pairs of its row (and of its column) that plainly do not fit; other fitting
    pairs and those in the grey zone stay out of the denominator.

    Args:
        similarity: (C, B) scaled similarities.
        true: (C, B) bool, caption fits picture.
        false: (C, B) bool, caption plainly does not fit.

    Returns:
        Scalar; 0 when there is no negative at all.
    """
    return 0.5 * (_one_way(similarity, true, false) + _one_way(similarity.T, true.T, false.T))


def _one_way(similarity: Tensor, true: Tensor, false: Tensor) -> Tensor:
    """Each row looks for its columns."""
    against = similarity.masked_fill(~false, NEGATIVE_INFINITY).logsumexp(1, keepdim=True)
    per_pair = F.softplus(against - similarity) * true
    # Rows count alike, whether their caption fits one picture or half of them.
    per_row = per_pair.sum(1) / true.sum(1).clamp(min=1)
    counted = true.any(1) & false.any(1)
    return (per_row * counted).sum() / counted.sum().clamp(min=1)


@dataclass(frozen=True)
class _Data:
    """Training pictures and what is true of them, as drawn and mirrored."""

    pictures: Tensor
    z: tuple[Tensor, Tensor]
    truth: tuple[Tensor, Tensor]
    n_train: int

    @classmethod
    def of(cls, pictures: Tensor, parameters: Values, config: ClipConfig, world: TextWorld) -> _Data:
        other = world.mirror(parameters) if config.mirror else parameters
        held_out = min(config.held_out, len(pictures) // 4)
        return cls(
            pictures,
            (world.columns(parameters), world.columns(other)),
            (world.truth(parameters), world.truth(other)),
            len(pictures) - held_out,
        )


@dataclass(frozen=True)
class _Batch:
    pictures: Tensor
    tokens: Tensor
    z: Tensor
    truth: Tensor
    claims: Tensor
    true: Tensor
    false: Tensor


def _draw(data: _Data, config: ClipConfig, step: int, tokenizer: CompactTokenizer, world: TextWorld) -> _Batch:
    """Draw one batch; its random numbers depend on seed and step alone."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    batch = min(config.batch, data.n_train)
    epoch, place = divmod(step, data.n_train // batch)
    order = torch.randperm(data.n_train, generator=torch.Generator().manual_seed(config.seed * 7919 + epoch))
    index = order[place * batch : (place + 1) * batch]
    side = int(config.mirror and bool(torch.rand(1, generator=generator) < 0.5))
    truth = data.truth[side][index]
    rng = random.Random(f"{config.seed}-{step}")
    written = [_write(row, rng, world) for row in truth.tolist()]
    true, false = fits(written, truth)
    x = _to_float(data.pictures[index])
    if side:
        x = x.flip(3)
    x = _augment(x, config, generator)
    tokens = tokenizer([caption.text for caption in written])
    return _Batch(x, tokens, data.z[side][index], truth, claims_matrix(written, truth.shape[1]), true, false)


def _augment(x: Tensor, config: ClipConfig, generator: torch.Generator) -> Tensor:
    """Shift by a few pixels, blur or brighten a little: generated portraits are softer than drawn ones."""
    if config.shift:
        dx, dy = torch.randint(-config.shift, config.shift + 1, (2,), generator=generator).tolist()
        size, edge = x.shape[-1], config.shift
        x = F.pad(x, (edge, edge, edge, edge), mode="replicate")
        x = x[..., edge + dy : edge + dy + size, edge + dx : edge + dx + size]
    # Half of the batch is blurred, from not at all to a 3 x 3 average; the order of a batch is random already.
    half = len(x) // 2
    soft = F.avg_pool2d(F.pad(x[:half], (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = torch.rand(half, 1, 1, 1, generator=generator)
    gain = 1 + 0.06 * torch.randn(len(x), 1, 1, 1, generator=generator)
    return (torch.cat([torch.lerp(x[:half], soft, amount), x[half:]]) * gain).clamp_(-1, 1)


def _write(row: list[int], rng: random.Random, world: TextWorld) -> Caption:
    return write_caption([place for place, value in enumerate(row) if value > 0], rng, world.sayings)


class Helpers(nn.Module):
    """The two heads that are thrown away after training.

    Args:
        embed_dim: Width of the shared space.
        n_traits: Number of traits.
        n_parameters: The attribute network's columns.
    """

    def __init__(self, embed_dim: int, n_traits: int, n_parameters: int) -> None:
        super().__init__()
        self.read = nn.Linear(embed_dim, n_parameters)
        self.directions = nn.Parameter(torch.randn(n_traits, embed_dim) * embed_dim**-0.5)
        self.bias = nn.Parameter(torch.zeros(2, n_traits))
        self.scale = nn.Parameter(torch.tensor(5.0))

    def reading_error(self, raw: Tensor, z: Tensor) -> Tensor:
        """Mean squared error of the known columns read from (B, embed_dim) picture features of any length."""
        known = ~z.isnan()
        return F.mse_loss(self.read(raw)[known], z[known])

    def naming_error(self, seen: Tensor, said: Tensor, truth: Tensor, claims: Tensor) -> Tensor:
        """Mean cross-entropy of traits seen and of traits claimed, by directions that both towers share.

        Args:
            seen: (B, embed_dim) picture embeddings of unit length.
            said: (C, embed_dim) caption embeddings of unit length.
            truth: (B, n_traits), 1 true, -1 false, 0 not counted.
            claims: (C, n_traits) of zeros and ones.
        """
        shown = self.scale * seen @ self.directions.T + self.bias[0]
        known = (truth != 0).float()
        error = F.binary_cross_entropy_with_logits(shown, (truth > 0).float(), reduction="none")
        named = self.scale * said @ self.directions.T + self.bias[1]
        return (error * known).sum() / known.sum() + F.binary_cross_entropy_with_logits(named, claims)


def _step(
    clip: Any, helpers: Helpers, batch: _Batch, config: ClipConfig, device: torch.device | str
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch, and numbers to show: its parts, and the share of captions whose most similar picture fits."""
    raw = clip.visual(batch.pictures.to(device).contiguous(memory_format=torch.channels_last))
    seen = F.normalize(raw, dim=1)
    said = encode_text(clip, batch.tokens.to(device))
    similarity = clip.logit_scale.exp() * said @ seen.T
    true, false = batch.true.to(device), batch.false.to(device)
    contrast = contrastive_loss(similarity, true, false)
    reading = helpers.reading_error(raw, batch.z.to(device))
    traits = helpers.naming_error(seen, said, batch.truth.to(device), batch.claims.to(device))
    hit = true[torch.arange(len(true), device=true.device), similarity.detach().argmax(1)].float().mean()
    shown = {
        "contrast": float(contrast.detach()),
        "reading": float(reading.detach()),
        "traits": float(traits.detach()),
        "fits": float(hit),
    }
    return contrast + config.reading * reading + config.traits * traits, shown


def _pool(pictures: Tensor, size: int) -> Tensor:
    """Average pictures down once, so that every epoch reads them small."""
    if pictures.shape[-1] == size:
        return pictures
    parts = [F.adaptive_avg_pool2d(part.float(), size).round().to(pictures.dtype) for part in pictures.split(256)]
    return torch.cat(parts)


def _to_float(pictures: Tensor) -> Tensor:
    """uint8 to [-1, 1]; floats pass."""
    return pictures.float() / 127.5 - 1 if pictures.dtype == torch.uint8 else pictures


def _schedule(done: float, warmup: float) -> float:
    """Factor of the learning rate at a fraction of the run."""
    if done < warmup:
        return max(done / warmup, 0.02)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup))))


def _state(step: int, share: float, networks: nn.Module, optimizer: torch.optim.Optimizer) -> ClipState:
    # Copies: both dictionaries hold references to tensors that the next step changes in place.
    model, settings = copy.deepcopy(networks.state_dict()), copy.deepcopy(optimizer.state_dict())
    return {"step": step, "share": share, "model": model, "optimizer": settings}
