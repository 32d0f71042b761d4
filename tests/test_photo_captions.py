"""Captions of photographs from their labels, and the text stages over them, with tinted squares for people."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from test_text_model import SMALL
from torch import Tensor, nn

from hyperstyle.editing.text_model import PLAIN_WORDS, TextModel, build_clip, make_vocabulary
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.synthetic.captions import all_prompts, describe_truth, fits, vocabulary_sentences, write_caption
from hyperstyle.training.clip import TEMPLATES, ClipConfig, Helpers, phrases
from hyperstyle.training.photo_captions import (
    PHOTO_CANDIDATES,
    PHOTO_SAYINGS,
    PhotoWorld,
    redrawn,
    small_pictures,
    train_photo_clip,
    values_of,
)
from hyperstyle.training.photo_traits import TRAITS
from hyperstyle.training.photographs import Photographs
from hyperstyle.training.relevance import RelevanceConfig, measure_relevance, try_prompts
from hyperstyle.traits import Z_END, column, from_z

PX, W_DIM = 32, 12
SAYING = {saying.name: place for place, saying in enumerate(PHOTO_SAYINGS)}


def people(n: int, seed: int) -> Photographs:
    """Squares that are greener with glasses; whoever has a number divisible by 5 was not labelled."""
    g = torch.Generator().manual_seed(seed)
    worn = torch.rand(n, generator=g) < 0.5
    pictures = torch.full((n, 3, PX, PX), 128.0) + 4 * torch.randn(n, 3, 1, 1, generator=g)
    pictures[:, 1] += torch.where(worn, 80, -80)[:, None, None]
    yaw = 12 * torch.randn(n, generator=g)
    rows = [
        {"file": str(i), "person": str(i), "measured_yaw": f"{yaw[i]:.2f}", "glasses": glasses if i % 5 else ""}
        for i, glasses in enumerate("01"[int(one)] for one in worn)
    ]
    bytes_ = pictures.clamp(0, 255).to(torch.uint8).numpy()
    return Photographs(bytes_, rows, np.arange(n), torch.zeros(n, 478, 2))


class Encoder(nn.Module):
    """The mean colour is three numbers of the latent."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x.mean((2, 3)), (0, W_DIM - 3))


@pytest.fixture(scope="module")
def generator() -> Generator:
    config = GeneratorConfig(
        resolution=32,
        channels={4: 8, 8: 8, 16: 8, 32: 6},
        w_dim=W_DIM,
        z_dim=5,
        mapping_layers=2,
        mapping_lr_mul=0.5,
        normalize_z=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(config)
        generator.w_avg.normal_()
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def world() -> PhotoWorld:
    return PhotoWorld(Encoder().eval(), people(300, 0), people(60, 1), input_size=16)


@pytest.fixture(scope="module")
def model(world) -> TextModel:
    vocabulary = make_vocabulary(vocabulary_sentences(PHOTO_SAYINGS), phrases(world))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = build_clip(SMALL, len(vocabulary.tokens) + 3)
    return TextModel(clip.eval().requires_grad_(False), SMALL, vocabulary, TEMPLATES, "tiny")


def truth_of(world: PhotoWorld, name: str, **known: float) -> int:
    values = {trait.name: torch.tensor([known.get(trait.name, float("nan"))]) for trait in TRAITS}
    return int(world.truth(values)[0, SAYING[name]])


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("glasses", {"glasses": 1.0}, 1),
        ("glasses", {"glasses": 0.0}, -1),
        ("glasses", {}, 0),
        ("no glasses", {"glasses": 0.0}, 1),
        ("smiling", {"smile": 0.8}, 1),
        ("stern", {"smile": 0.8}, -1),
        ("not smiling", {"smile": 0.1}, 1),
        ("old", {"age": 70.0}, 1),
        ("young", {"age": 25.0}, 1),
        ("beard", {"beard": 0.5}, 0),
        ("short beard", {"beard": 0.5}, 1),
        ("long hair", {"hair_length": 1.0}, 1),
        ("long hair", {"hair_length": 0.75}, 0),
        ("short hair", {"hair_length": 0.5}, 1),
        ("bald", {"baldness": 1.0}, 1),
        ("blond hair", {"hair_shade": 0.9, "hair_grey": 0.0, "baldness": 0.0}, 1),
        ("blond hair", {"hair_grey": 0.6, "baldness": 0.0}, -1),  # grey, so its shade is unknown
        ("black hair", {"hair_shade": 0.0}, 0),  # whether it is grey is unknown
        ("turned right", {"yaw": 15.0}, 1),
        ("turned left", {"yaw": 15.0}, -1),
    ],
)
def test_captions_say_what_is_labelled_and_nothing_unknown(world, name, known, expected):
    assert truth_of(world, name, **known) == expected


def test_captions_fit_the_photograph_they_were_written_for(world):
    values = values_of(world.train)
    truth = world.truth(values)
    written = describe_truth(truth, 0, 1, PHOTO_SAYINGS)
    true, false = fits(written, truth)
    assert true.diagonal().all()
    assert not (true & false).any()
    unlabelled = values["glasses"].isnan()
    assert unlabelled.any()
    assert not any("glasses" in written[i].text for i in unlabelled.nonzero()[:, 0].tolist())
    assert any("glasses" in caption.text for caption in written)


def test_a_caption_reads_like_a_sentence():
    said = [SAYING[name] for name in ("smiling", "old", "man", "glasses", "grey hair")]
    sentences = {write_caption(said, random.Random(seed), PHOTO_SAYINGS).text for seed in range(8_000)}
    assert {"a smiling old man with glasses and grey hair", "a man", "a face with glasses"} <= sentences


def test_mirroring_swaps_left_and_right(world):
    values = values_of(world.train)
    truth, other = world.truth(values), world.truth(world.mirror(values))
    assert torch.equal(truth[:, SAYING["turned left"]], other[:, SAYING["turned right"]])
    assert torch.equal(truth[:, SAYING["glasses"]], other[:, SAYING["glasses"]])


def test_columns_are_those_of_the_attribute_network(world):
    columns = world.columns(values_of(world.train))
    glasses = columns[:, column(TRAITS, "glasses")]
    torch.testing.assert_close(glasses[~glasses.isnan()].abs(), torch.full((240,), Z_END))
    turned = world.train.trait("yaw").clamp(-40, 40)
    torch.testing.assert_close(from_z(TRAITS, columns)[:, column(TRAITS, "yaw")], turned, atol=1e-3, rtol=0)


def test_every_prompt_is_understood_as_it_is_written(model):
    """No synonym turns a caption's words into unknown ones, and what is tried is something captions say."""
    for prompt in all_prompts(PHOTO_SAYINGS):
        understood = model.understand(prompt)
        assert understood.ignored == ()
        assert understood.asks
    assert all(model.understand(row.prompt).text == row.prompt for row in PHOTO_CANDIDATES)
    names = {trait.name for trait in TRAITS}
    assert {row.parameter for row in PHOTO_CANDIDATES} <= names
    assert {row.prompt for row in PHOTO_CANDIDATES} <= set(all_prompts(PHOTO_SAYINGS))


TYPED = (
    "beard moustache glasses spectacles smiling happy serious old older elderly young wrinkles man woman girl long "
    "short bald receding black brown blond red grey gray white dark pale tanned eyebrows left right up down hat cap "
    "earrings teeth laughing brunette hairless"
)


@pytest.mark.parametrize("word", TYPED.split())
def test_what_a_user_would_type_is_covered(model, word):
    assert word in PLAIN_WORDS or model.understand(word).ignored == ()


def test_unknown_columns_teach_nothing():
    helpers = Helpers(4, 2, 3)
    raw, z = torch.randn(5, 4), torch.randn(5, 3)
    plain = helpers.reading_error(raw, z)
    z[:, 2] = float("nan")
    expected = nn.functional.mse_loss(helpers.read(raw)[:, :2], z[:, :2])
    torch.testing.assert_close(helpers.reading_error(raw, z), expected)
    assert plain != expected


def test_training_learns_what_labels_say(world, generator):
    config = ClipConfig(model=SMALL, steps=30, batch=32, lr=3e-3, shift=0)
    with torch.random.fork_rng():
        model = train_photo_clip(world, config, domain="photos")
    assert (model.domain, model.facts["pictures"]) == ("photos", 300)
    score = model.embed_pictures(small_pictures(world.held_out, PX).float() / 127.5 - 1) @ (
        model.embed_prompt("a face with glasses") - model.embed_prompt("a face without glasses")
    )
    worn = torch.from_numpy(world.held_out.pictures[:, 1].mean((1, 2))) > 128
    assert (score[worn][:, None] > score[~worn][None]).float().mean() > 0.85


def test_redrawn_pictures_join_the_training(world, generator, monkeypatch):
    """Twice the pictures with the same labels; those tested on show the other people, and are at most a quarter."""
    seen = {}

    def record(pictures: Tensor, values: dict[str, Tensor], config: ClipConfig, *_: object) -> str:
        seen.update(pictures=pictures, values=values, config=config)
        return "trained"

    monkeypatch.setattr("hyperstyle.training.photo_captions.train_clip", record)
    assert train_photo_clip(world, ClipConfig(model=SMALL), generator=generator) == "trained"
    assert seen["config"].held_out == 60
    assert len(seen["pictures"]) == 300 + 300 + 60 == len(seen["values"]["yaw"])
    assert torch.equal(seen["pictures"][:300], small_pictures(world.train, PX))
    assert torch.equal(seen["pictures"][300:600], redrawn(world, generator, PX))
    assert torch.equal(seen["pictures"][600:], small_pictures(world.held_out, PX))
    torch.testing.assert_close(seen["values"]["glasses"][:300], seen["values"]["glasses"][300:600], equal_nan=True)
    few = PhotoWorld(world.encoder, people(30, 2), world.held_out, 16)
    train_photo_clip(few, ClipConfig(model=SMALL))
    assert seen["config"].held_out == 10
    assert len(seen["pictures"]) == 40


def test_latents_are_those_of_photographs_and_then_of_their_mirror_images(world, generator):
    w = world.latents(generator, 500, 3)
    assert w.shape == (500, W_DIM)
    torch.testing.assert_close(w[300:], w[:200])  # squares of one colour look the same in a mirror
    x = small_pictures(world.train, PX).float() / 127.5 - 1
    torch.testing.assert_close(w[:300].sum(0), (Encoder()(x) + generator.w_avg).sum(0), atol=0.01, rtol=1e-3)
    torch.testing.assert_close(world.latents(generator, 4, 3, 0.0), generator.w_avg.expand(4, -1))
    faces, spread = world.faces(generator, 7, 0)
    assert (faces.shape, spread.shape) == ((7, W_DIM), (len(TRAITS),))
    assert float(spread[column(TRAITS, "glasses")]) == pytest.approx(Z_END, rel=0.05)
    assert float(spread[column(TRAITS, "age")]) == 1.0  # nobody's is known


def test_channels_are_measured_and_prompts_tried_on_photographs(world, generator, model):
    """An "attribute network" that reads the picture's mean as the smile: one sign of the prompt must work."""
    place = column(TRAITS, "smile")

    def attributes(pictures: Tensor) -> Tensor:
        z = torch.zeros(len(pictures), len(TRAITS))
        z[:, place] = pictures.mean((1, 2, 3)) * 50
        return z

    config = RelevanceConfig(n_statistics=100, n_samples=2, n_measure=2, thresholds=(0.0,), strength_limit=2.0)
    measured = measure_relevance(generator, model, config, world=world)
    assert measured.relevance.shape == (sum(width for _, width in measured.relevance_layers), SMALL.embed_dim)
    told = []
    tried = try_prompts(
        generator, measured, attributes, config, input_size=16, world=world, on_progress=lambda *now: told.append(now)
    )
    assert told[-1][0] == len(PHOTO_CANDIDATES)
    assert {row.parameter for row in tried.suggestions} == {"smile"}
    assert all(row.unit == "fraction" for row in tried.suggestions)
