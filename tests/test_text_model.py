"""The text model: what it understands, what it refuses, and that its file brings it back."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from hyperstyle.editing.text_model import (
    PLAIN_WORDS,
    SYNONYMS,
    TextModel,
    TextModelConfig,
    build_clip,
    encode_text,
    load_text_model,
    make_vocabulary,
    save_text_model,
    split_words,
)
from hyperstyle.editing.torchvision_shim import declare_torchvision_operators, import_open_clip
from hyperstyle.errors import BadPrompt, ForeignWeights, UnknownPrompt, WeightsCorrupt, WeightsMissing
from hyperstyle.synthetic.captions import captions, vocabulary_sentences
from hyperstyle.synthetic.parameters import neutral_parameters, sample_parameters
from hyperstyle.training.clip import (
    ClipConfig,
    contrastive_loss,
    evaluate_clip,
    phrases,
    train_clip,
)

SMALL = TextModelConfig(
    embed_dim=16,
    image_size=32,
    vision_layers=(1, 1, 1, 1),
    vision_width=8,
    vision_head_width=32,
    text_width=32,
    text_heads=2,
    text_layers=1,
)


def make_model(config: TextModelConfig = SMALL, seed: int = 0) -> TextModel:
    vocabulary = make_vocabulary(vocabulary_sentences(), phrases())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = build_clip(config, len(vocabulary.tokens) + 3)
    return TextModel(clip.eval().requires_grad_(False), config, vocabulary, ("{}", "a photo of {}"), "tiny")


@pytest.fixture(scope="module")
def model() -> TextModel:
    return make_model()


def test_open_clip_imports_next_to_any_torch():
    assert import_open_clip().CLIP is not None
    assert declare_torchvision_operators() == []  # a second call finds nothing missing


def test_the_vocabulary_holds_every_word_of_captions_and_synonyms(model):
    words = model.vocabulary.words
    for text in captions(sample_parameters(500, 1), 0, 2):
        assert set(split_words(text)) <= words, text
    for text in SYNONYMS.values():
        assert set(split_words(text)) <= words | PLAIN_WORDS, text


def test_captions_are_never_cut(model):
    tokens = model.tokenizer(captions(sample_parameters(500, 2), 0, 2))
    assert (tokens[:, -1] == 0).any()
    assert (tokens.amax(1) == model.tokenizer.end).all()
    longest = int((tokens != 0).sum(1).max())
    assert longest < model.config.context


def test_the_tokenizer_agrees_with_open_clips(model):
    full = import_open_clip().SimpleTokenizer()
    text = "a smiling old woman with glasses and a grey moustache"
    ids = full.encode(text)
    compact = [model.vocabulary.tokens.index(i) + 1 for i in ids]
    row = model.tokenizer([text])[0].tolist()
    assert row[: len(ids) + 2] == [model.tokenizer.start, *compact, model.tokenizer.end]


def test_texts_too_long_for_the_context_still_end(model):
    row = model.tokenizer(["smiling " * 60])[0]
    assert row.shape == (24,)
    assert int(row[-1]) == model.tokenizer.end


def test_encode_text_equals_open_clips_own(model):
    tokens = model.tokenizer(["a face", "portrait of a woman with long curly red hair and glasses looking left"])
    with torch.no_grad():
        theirs = model.clip.encode_text(tokens, normalize=True)
        assert torch.allclose(encode_text(model.clip, tokens), theirs, atol=1e-5)


def test_pictures_of_any_size_are_averaged_down(model):
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    features = model.embed_pictures(x)
    assert features.shape == (2, 16)
    small = torch.nn.functional.adaptive_avg_pool2d(x, 32)
    assert torch.allclose(features, model.embed_pictures(small), atol=1e-6)
    assert torch.allclose(features.norm(dim=1), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t", "😀😀", "12345 !?", "beard " * 1000, None])
def test_prompts_that_hold_no_request_are_refused_in_one_sentence(model, prompt):
    with pytest.raises(BadPrompt) as caught:
        model.understand(prompt)
    assert "for example 'a smiling face'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("prompt", ["a spaceship", "xyzzy", "the quarterly report", "日本語"])
def test_prompts_of_unknown_words_come_back_with_suggestions(model, prompt):
    with pytest.raises(UnknownPrompt) as caught:
        model.understand(prompt)
    assert len(caught.value.suggestions) >= 3
    for suggestion in caught.value.suggestions:
        assert model.understand(suggestion).ignored == ()


def test_a_mistyped_word_suggests_the_right_one(model):
    with pytest.raises(UnknownPrompt) as caught:
        model.understand("a face with glases")
    assert any("glasses" in suggestion for suggestion in caught.value.suggestions)


@pytest.mark.parametrize(
    ("typed", "understood", "ignored"),
    [
        ("a face with a beard", "a face with a beard", ()),
        ("Beard!", "a face with a beard", ()),
        ("SPECTACLES", "a face with glasses", ()),
        ("long-haired", "a face with long hair", ()),
        ("gray hair", "a face with grey hair", ()),
        ("smiling astronaut", "a smiling face", ("astronaut",)),
        ("an elderly gentleman", "an elderly man", ()),
        ("please give her bangs", "a face with bangs", ()),
        ("redhead", "a face with red hair", ()),
        ("isn't smiling", "a face not smiling", ()),
        ("Isn\u2019t smiling", "a face not smiling", ()),
        ("isnt smiling", "a face not smiling", ()),
        ("doesn't wear glasses", "a face without glasses", ()),
        ("not wearing glasses", "a face without glasses", ()),
        ("a man who doesn't have a beard", "a man who without a beard", ()),
    ],
)
def test_what_people_type_becomes_what_captions_say(model, typed, understood, ignored):
    prompt = model.understand(typed)
    assert (prompt.text, prompt.ignored) == (understood, ignored)
    assert prompt.asks


def test_a_neutral_prompt_asks_for_nothing(model):
    assert not model.understand("a face").asks


def test_save_and_load_is_the_identity(tmp_path):
    model = make_model(seed=3)
    model.relevance = torch.randn(5, 16).half().float()
    model.style_std = torch.rand(5)
    model.relevance_layers = (("conv1", 3), ("convs.0", 2))
    model.facts = {"retrieval": 0.5}
    # Half precision is what the file holds, so compare with that.
    model.clip.load_state_dict(
        {k: v.half().float() if v.is_floating_point() and v.ndim > 1 else v for k, v in model.clip.state_dict().items()}
    )
    save_text_model(model, tmp_path / "text.safetensors")
    again = load_text_model(tmp_path)
    assert (again.config, again.vocabulary, again.templates, again.domain) == (
        model.config,
        model.vocabulary,
        model.templates,
        "tiny",
    )
    assert again.facts == model.facts
    assert again.relevance_layers == model.relevance_layers
    assert torch.equal(again.relevance, model.relevance)
    assert torch.equal(again.embed_texts(["a face"]), model.embed_texts(["a face"]))
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(again.embed_pictures(x), model.embed_pictures(x))
    assert not any(p.requires_grad for p in again.clip.parameters())


def test_the_default_model_is_small(tmp_path):
    save_text_model(make_model(TextModelConfig()), tmp_path / "text.safetensors")
    assert (tmp_path / "text.safetensors").stat().st_size < 5_000_000


def test_unusable_files_are_refused(tmp_path, model):
    with pytest.raises(WeightsMissing):
        load_text_model(tmp_path)
    path = tmp_path / "text.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ForeignWeights):
        load_text_model(path)
    save_text_model(model, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsCorrupt):
        load_text_model(path)
    path.write_bytes(whole.replace(json.dumps("relevance_layers").encode(), json.dumps("relevance_lairs").encode()))
    with pytest.raises(WeightsCorrupt):
        load_text_model(path)


# Training


def test_the_loss_ignores_fitting_and_unclear_pairs():
    similarity = torch.tensor([[1.0, 5.0, 5.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    true = torch.eye(3, dtype=torch.bool)
    none = torch.zeros(3, 3, dtype=torch.bool)
    assert contrastive_loss(similarity, true, none) == 0
    false = none.clone()
    false[1, 0] = True
    one_negative = contrastive_loss(similarity, true, false)
    false[0, 1] = True  # a very similar pair that does not fit
    assert contrastive_loss(similarity, true, false) > one_negative + 1
    also_fits = true.clone()
    also_fits[0, 2] = True
    assert contrastive_loss(similarity, also_fits, false) < contrastive_loss(similarity, true, false)


def test_the_loss_has_finite_gradients_without_any_negative():
    similarity = torch.randn(4, 4, requires_grad=True)
    true = torch.ones(4, 4, dtype=torch.bool)
    contrastive_loss(similarity, true, ~true).backward()
    assert torch.isfinite(similarity.grad).all()


def tinted_world(n: int, seed: int):
    """People who differ in their glasses and smile alone, shown by the pictures' green and red."""
    sampled = sample_parameters(n, seed)
    parameters = {**neutral_parameters(n), **{name: sampled[name] for name in ("glasses", "smile")}}
    pictures = torch.full((n, 3, 32, 32), 128.0)
    pictures[:, 1] += 200 * (parameters["glasses"][:, None, None] - 0.5)
    pictures[:, 0] += 120 * (parameters["smile"][:, None, None] - 0.3)
    return pictures.clamp(0, 255).to(torch.uint8), parameters


def test_training_learns_which_captions_fit():
    pictures, parameters = tinted_world(640, 0)
    config = ClipConfig(model=SMALL, steps=50, batch=32, lr=3e-3, mirror=False, shift=0, held_out=128)
    with torch.random.fork_rng():
        model = train_clip(pictures, parameters, config)
    assert model.facts["steps"] == 50
    neutral, glasses = model.embed_prompt("a face"), model.embed_prompt("a face with glasses")
    score = model.embed_pictures(pictures[-128:].float() / 127.5 - 1) @ (glasses - neutral)
    worn = parameters["glasses"][-128:] > 0.5
    assert (score[worn][:, None] > score[~worn][None]).float().mean() > 0.85


def test_training_resumes_where_it_stopped():
    pictures, parameters = tinted_world(96, 1)
    config = ClipConfig(model=SMALL, steps=4, batch=16, held_out=16)
    states = []
    with torch.random.fork_rng():
        straight = train_clip(pictures, parameters, config, on_state=states.append, state_every=2)
        assert [state["step"] for state in states] == [2, 4]
        resumed = train_clip(pictures, parameters, config, state=states[0])
    for a, b in zip(straight.clip.parameters(), resumed.clip.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_training_stops_in_time_and_pools_large_pictures():
    pictures, parameters = tinted_world(64, 2)
    large = pictures.repeat_interleave(2, 2).repeat_interleave(2, 3)
    config = ClipConfig(model=SMALL, steps=10_000, batch=16, held_out=16)
    with torch.random.fork_rng():
        model = train_clip(large, parameters, config, max_seconds=0.3)
    assert 0 < model.facts["steps"] < 10_000


def test_an_untrained_model_is_measured_as_guessing(model):
    pictures = torch.randint(0, 256, (300, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    facts = evaluate_clip(model, pictures, sample_parameters(300, 3))
    assert 0.4 < facts["zero_shot"] < 0.6
