"""Text edits: the direction's mathematics, what stays untouched, and the measurement of channel relevance."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from test_text_model import make_model

from hyperstyle.editing.styleclip import TextEditor, global_direction
from hyperstyle.editing.text_model import Suggestion
from hyperstyle.errors import BadPrompt, BadStrength, UnknownPrompt, WeightsCorrupt, WeightsMissing
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.synthetic.parameters import Z_DIM, sample_parameters, to_z
from hyperstyle.training.relevance import (
    Candidate,
    RelevanceConfig,
    measure_relevance,
    relevance_layers,
    style_statistics,
    try_prompts,
)

CONFIG = RelevanceConfig(
    n_statistics=200, n_samples=2, batch=32, n_measure=2, thresholds=(0.0, 0.1), strength_limit=2.0
)


@pytest.fixture(scope="module")
def generator() -> Generator:
    config = GeneratorConfig(
        resolution=32,
        channels={4: 8, 8: 8, 16: 8, 32: 6},
        w_dim=12,
        z_dim=Z_DIM,
        mapping_layers=2,
        mapping_lr_mul=0.5,
        normalize_z=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(config).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def measured(generator):
    return measure_relevance(generator, make_model(), CONFIG)


@pytest.fixture
def editor(generator, measured) -> TextEditor:
    return TextEditor(measured, generator.layers)


def test_the_global_direction_keeps_relevant_channels_only():
    relevance = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [-0.6, 0.8], [0.05, 1.0], [0.0, 0.0]]), dim=1)
    delta = torch.tensor([1.0, 0.0])
    assert torch.allclose(global_direction(relevance, delta, 0.1), torch.tensor([1.0, -0.6, 0.0, 0.0]), atol=1e-6)
    assert torch.allclose(global_direction(relevance * 0.5, delta, 0.1)[:2], torch.tensor([1.0, -0.6]), atol=1e-6)
    assert not global_direction(relevance, delta, 1.5).any()


def test_relevance_has_a_unit_row_per_channel_of_the_3x3_layers(generator, measured):
    names = [layer.name for layer in generator.layers if not layer.is_to_rgb]
    assert [name for name, _ in measured.relevance_layers] == names
    assert measured.relevance.shape == (sum(width for _, width in measured.relevance_layers), 16)
    assert torch.allclose(measured.relevance.norm(dim=1), torch.ones(len(measured.relevance)), atol=1e-4)


def test_relevance_does_not_depend_on_the_batch(generator, measured):
    alone = measure_relevance(generator, make_model(), replace(CONFIG, batch=4))
    # Rows are normalised differences, which magnifies rounding.
    assert float((alone.relevance * measured.relevance).sum(1).min()) > 0.999


def test_relevance_is_the_change_from_one_end_of_a_channel_to_the_other(generator):
    model = make_model()
    config = replace(CONFIG, n_samples=1)
    relevance = measure_relevance(generator, model, config).relevance
    w = generator.map(to_z(sample_parameters(config.n_statistics, config.seed)))
    layers = relevance_layers(generator)
    means, deviations = style_statistics(generator, w, layers)
    base = generator.to_styles(w[:1, None].expand(-1, generator.num_ws, -1))
    ends = []
    for sign in (1, -1):
        styles = [style.clone() for style in base]
        styles[layers[2].index][0, 3] = means[2][3] + sign * config.push * deviations[2][3]
        ends.append(model.embed_pictures(generator.render(tuple(styles))))
    expected = torch.nn.functional.normalize(ends[0] - ends[1], dim=1)[0]
    row = layers[0].in_channels + layers[1].in_channels + 3
    assert torch.allclose(relevance[row], expected, atol=1e-3)


def test_style_statistics_are_those_of_the_styles(generator):
    w = generator.map(to_z(sample_parameters(50, 0)))
    layers = relevance_layers(generator)
    means, deviations = style_statistics(generator, w, layers, batch=16)
    styles = generator.to_styles(w[:, None].expand(-1, generator.num_ws, -1))
    for layer, mean, deviation in zip(layers, means, deviations, strict=True):
        assert torch.allclose(mean, styles[layer.index].mean(0), atol=1e-5)
        assert torch.allclose(deviation, styles[layer.index].std(0, correction=0), atol=1e-5)


def test_a_maximum_resolution_leaves_fine_layers_out(generator):
    assert {layer.resolution for layer in relevance_layers(generator, 8)} == {4, 8}


def test_a_shift_fits_the_layer_table_and_leaves_to_rgb_alone(generator, editor):
    shift = editor.style_shift("a face with a beard", 2.0, 0.0)
    assert [part.shape for part in shift] == [(1, layer.in_channels) for layer in generator.layers]
    for layer, part in zip(generator.layers, shift, strict=True):
        assert bool(part.any()) != layer.is_to_rgb
    w = generator.map(to_z(sample_parameters(2, 0)))
    styles = generator.to_styles(w[:, None].expand(-1, generator.num_ws, -1))
    moved = tuple(style + part for style, part in zip(styles, shift, strict=True))
    assert not torch.allclose(generator.render(moved), generator.render(styles))


def test_a_shift_is_linear_in_its_strength(editor):
    one = editor.style_shift("a smiling face", 1.0, 0.0)
    back = editor.style_shift("a smiling face", -3.0, 0.0)
    none = editor.style_shift("a smiling face", 0.0, 0.0)
    for a, b, c in zip(one, back, none, strict=True):
        assert torch.allclose(b, -3 * a)
        assert not c.any()


def test_strength_one_moves_the_most_relevant_channel_by_one_deviation(editor):
    shift = editor.style_shift("a smiling face", 1.0, 0.0)
    moved = torch.cat([part[0] for part, layer in zip(shift, editor.layers, strict=True) if not layer.is_to_rgb])
    assert torch.isclose((moved / editor.model.style_std).abs().max(), torch.tensor(1.0), atol=1e-5)


def test_disentanglement_moves_fewer_channels(editor):
    counts = [
        sum(int((part != 0).sum()) for part in editor.style_shift("a face with glasses", 1.0, beta))
        for beta in (0.0, 0.2, 0.4, 1.0)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2]


def test_the_prompt_is_compared_with_the_neutral_one(editor):
    a = editor.style_shift("a face with glasses", 1.0, 0.0)
    b = editor.style_shift("a face with glasses", 1.0, 0.0, neutral="a man")
    assert any(not torch.allclose(x, y) for x, y in zip(a, b, strict=True))


def test_directions_are_cached_by_what_was_understood(editor):
    first = editor.direction("a face with glasses")
    assert editor.direction("  A face with SPECTACLES ") is first
    assert editor.direction("a face with glasses", 0.2) is not first


def test_without_a_given_disentanglement_the_measured_one_is_used(generator, measured):
    tried = (
        Suggestion("a face with glasses", -1, 2, disentanglement=0.3),
        Suggestion("a man", -1, 2, disentanglement=0.1),
        Suggestion("an old face", -1, 2, disentanglement=0.05),
    )
    editor = TextEditor(replace(measured, suggestions=tried), generator.layers)
    assert editor.direction("spectacles") is editor.direction("a face with glasses", 0.3)
    assert editor.direction("a smiling face") is editor.direction("a smiling face", 0.1)
    assert TextEditor(measured, generator.layers).best_disentanglement("a man") == 0.1


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), 1e9, -1e9, "2", True])
def test_absurd_strengths_are_refused(editor, strength):
    with pytest.raises(BadStrength):
        editor.style_shift("a smiling face", strength)


@pytest.mark.parametrize("beta", [float("nan"), -0.1, 1.5])
def test_impossible_disentanglement_is_refused(editor, beta):
    with pytest.raises(BadStrength):
        editor.style_shift("a smiling face", 1.0, beta)


@pytest.mark.parametrize("prompt", ["", "😀", "a face", "x" * 5000])
def test_prompts_that_ask_for_nothing_are_refused(editor, prompt):
    with pytest.raises(BadPrompt):
        editor.style_shift(prompt, 1.0)


def test_a_prompt_equal_to_the_neutral_one_is_refused(editor):
    with pytest.raises(BadPrompt):
        editor.style_shift("a smiling face", 1.0, neutral="smiling")


def test_unknown_prompts_are_refused_and_unknown_words_reported(editor, caplog):
    with pytest.raises(UnknownPrompt):
        editor.style_shift("a spaceship", 1.0)
    with caplog.at_level(logging.WARNING):
        editor.style_shift("a smiling astronaut", 1.0)
    assert "astronaut" in caplog.text
    assert editor.understand("a smiling astronaut").ignored == ("astronaut",)


def test_a_model_without_relevance_or_of_another_generator_is_refused(generator, measured):
    with pytest.raises(WeightsMissing):
        TextEditor(make_model(), generator.layers)
    other = replace(measured, relevance_layers=(("conv1", 99), *measured.relevance_layers[1:]))
    with pytest.raises(WeightsCorrupt):
        TextEditor(other, generator.layers)


def test_trying_prompts_keeps_those_that_move_their_property(generator, measured):
    """An "attribute network" that reads the picture's mean as the smile: one sign of the prompt must work."""
    column = list(sample_parameters(1, 0)).index("smile")

    def attributes(pictures: torch.Tensor) -> torch.Tensor:
        z = torch.zeros(len(pictures), Z_DIM)
        z[:, column] = pictures.mean((1, 2, 3)) * 50
        return z

    candidates = (Candidate("a smiling face", "smile", 1), Candidate("a smiling face", "smile", -1))
    done = []
    model = try_prompts(
        generator,
        measured,
        attributes,
        CONFIG,
        input_size=16,
        candidates=candidates,
        on_progress=lambda *now: done.append(now),
    )
    assert done[-1][:2] == (2, 2)
    assert [row.prompt for row in model.suggestions] == ["a smiling face"]
    row = model.suggestions[0]
    assert row.minimum < 0 < row.maximum <= CONFIG.strength_limit
    assert row.effect_per_unit != 0
