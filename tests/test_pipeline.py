"""The pipeline over the tiny domain: invariants of rendering, bad input, the cache, and threads."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops

import hyperstyle
from hyperstyle.alignment import PasteOptions
from hyperstyle.animation import frame_count
from hyperstyle.editing import TextEdit
from hyperstyle.errors import (
    BadStrength,
    NoSuchFace,
    ShapeMismatch,
    UnknownDomain,
    UnknownEdit,
    UnreadableImage,
    UsageError,
    WeightsMissing,
    WrongDomain,
)
from hyperstyle.latents import Inversion
from hyperstyle.pipeline import HyperStyle, choose_face
from hyperstyle.recipes import Recipe


def crop(seed: int, size: int = 64) -> Image.Image:
    """An aligned picture of nothing in particular."""
    noise = torch.randint(0, 256, (4, 4, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return Image.fromarray(noise.numpy()).resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def inversion(tiny) -> Inversion:
    return tiny.invert(crop(0))


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.size == b.size and ImageChops.difference(a, b).getbbox() is None


def test_invert_reports_every_step(tiny):
    seen = []
    inversion = tiny.invert(crop(1), steps=2, on_step=lambda step, picture: seen.append((step, picture)))
    assert [step for step, _ in seen] == [0, 1, 2]
    assert {tuple(picture.shape) for _, picture in seen} == {(1, 3, 32, 32)}
    assert (inversion.steps, inversion.domain) == (2, "tiny")
    torch.testing.assert_close(tiny.draw(inversion), seen[-1][1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(tiny.draw(inversion, offset_strength=0), seen[0][1], rtol=1e-4, atol=1e-4)


def test_default_steps_are_the_domains(tiny, inversion):
    assert inversion.steps == tiny.domain.refinement_steps == 3
    assert tiny.invert(crop(0), steps=0).codes == {}


@pytest.mark.parametrize("steps", [-1, 21, 10**9, 1.5])
def test_absurd_steps_are_refused(tiny, steps):
    with pytest.raises(UsageError, match="between 0 and 20"):
        tiny.invert(crop(0), steps=steps)


def test_target_accepts_pictures_faces_and_tensors(tiny):
    @dataclass
    class Face:
        picture: Image.Image

    target = tiny.target(crop(0))
    assert target.shape == (1, 3, 32, 32)
    assert -1 <= target.min() < target.max() <= 1
    assert torch.equal(tiny.target(Face(crop(0))), target)
    assert torch.equal(tiny.target(target), target)


def test_no_edit_and_zero_strength_are_the_reconstruction(tiny, inversion):
    plain = tiny.render(inversion)
    assert plain.size == (32, 32)
    assert same(plain, tiny.render(inversion, edits={"smile": 0.0, "age": 0}))
    assert not same(plain, tiny.render(inversion, edits={"smile": 2.0}))


def test_edits_add_up_in_any_order(tiny, inversion):
    one = tiny.draw(inversion, {"smile": 1.5, "age": -1.0})
    other = tiny.draw(inversion, {"age": -1.0, "smile": 1.5})
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(one, tiny.draw(inversion, {"smile": 1.5}), atol=1e-3)


def test_offset_strength_is_linear_in_the_weights(tiny, inversion):
    full, none = tiny.draw(inversion), tiny.draw(inversion, offset_strength=0)
    half = tiny.draw(inversion, offset_strength=0.5)
    assert not torch.allclose(full, none, atol=1e-3)
    codes = {name: code * 1 for name, code in inversion.codes.items()}
    deltas = tiny.models.hypernetwork.deltas(codes, steps=inversion.steps, strength=0.5)
    styles = tiny.models.generator.to_styles(inversion.w_plus)
    torch.testing.assert_close(half, tiny.models.generator.render(styles, deltas), rtol=1e-4, atol=1e-4)


def test_batch_equals_its_items(tiny):
    targets = torch.cat([tiny.target(crop(seed)) for seed in (1, 2)])
    batch = tiny.invert(targets)
    pictures = tiny.draw(batch, {"smile": 1.0})
    for index in range(2):
        alone = tiny.draw(tiny.invert(targets[index : index + 1]), {"smile": 1.0})
        torch.testing.assert_close(pictures[index : index + 1], alone, rtol=1e-3, atol=1e-3)
    with pytest.raises(ShapeMismatch, match="holds 2 faces"):
        tiny.render(batch)


def test_saved_inversion_draws_the_same(tiny, inversion, tmp_path):
    inversion.save(tmp_path / "face.safetensors")
    assert same(tiny.render(Inversion.load(tmp_path / "face.safetensors")), tiny.render(inversion))


def test_previews_stop_early(tiny, inversion):
    assert [tiny.render(inversion, resolution=size).size[0] for size in (8, 16, 32)] == [8, 16, 32]
    for size in (0, 12, 64):
        with pytest.raises(ShapeMismatch, match="8, 16, 32 px"):
            tiny.render(inversion, resolution=size)


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), -float("inf"), 1e9, "2", None, True])
def test_bad_strengths_are_refused_everywhere(tiny, inversion, strength):
    with pytest.raises(BadStrength, match="smile"):
        tiny.render(inversion, {"smile": strength})
    with pytest.raises(BadStrength, match="smile"):
        tiny.check_look({"smile": strength})
    with pytest.raises(BadStrength, match="offset strength"):
        tiny.render(inversion, offset_strength=strength)


NUMBERS_OF_OTHERS = [np.float32(1.5), np.float64(1.5), np.array(1.5), torch.tensor(1.5)]
WHOLE_NUMBERS_OF_OTHERS = [np.int64(1), np.uint8(1), np.array(1), torch.tensor(1)]


@pytest.mark.parametrize("number", NUMBERS_OF_OTHERS, ids=repr)
def test_strengths_may_come_from_other_libraries(tiny, inversion, number):
    assert same(tiny.render(inversion, {"smile": number}), tiny.render(inversion, {"smile": 1.5}))
    assert same(tiny.render(inversion, offset_strength=number), tiny.render(inversion, offset_strength=1.5))
    half = tiny.interpolate(inversion, tiny.random_face(1), number / 3)
    assert torch.equal(half.w_plus, tiny.interpolate(inversion, tiny.random_face(1), 0.5).w_plus)
    assert torch.equal(tiny.random_face(1, number).w_plus, tiny.random_face(1, 1.5).w_plus)
    assert frame_count(number, 4) == 6
    record = json.loads(Recipe("tiny", {"smile": number}, paste=PasteOptions(feather=number / 3)).to_json())
    assert (record["edits"], record["paste"]["feather"]) == ({"smile": 1.5}, 0.5)


@pytest.mark.parametrize("number", WHOLE_NUMBERS_OF_OTHERS, ids=repr)
def test_whole_numbers_may_come_from_other_libraries(tiny, inversion, number):
    assert tiny.invert(crop(0), steps=number).steps == 1
    assert torch.equal(tiny.random_face(number).w_plus, tiny.random_face(1).w_plus)
    assert choose_face(["big", "small"], number) == "small"
    assert torch.equal(tiny.mix_styles(inversion, inversion, [number]).w_plus, inversion.w_plus)
    assert frame_count(2.0, number) == 2
    assert json.loads(Recipe("tiny", steps=number).to_json())["steps"] == 1


@pytest.mark.parametrize("wrong", ["7", [1], np.array([1]), float("nan")], ids=repr)
def test_other_values_in_place_of_numbers_are_refused(tiny, inversion, wrong):
    attempts = {
        "whole number": lambda: tiny.random_face(wrong),
        "truncation": lambda: tiny.random_face(1, wrong),
        "no row|no group": lambda: tiny.mix_styles(inversion, inversion, [wrong]),
        "second face must lie": lambda: tiny.interpolate(inversion, inversion, wrong),
        "frames per second": lambda: frame_count(2.0, wrong),
        "up to 60 seconds": lambda: frame_count(wrong, 8),
        "feather": PasteOptions(feather=wrong).check,
        "colour match": PasteOptions(colour_match=wrong).check,
    }
    for match, attempt in attempts.items():
        with pytest.raises(UsageError, match=match):
            attempt()


def test_half_numbers_count_nothing(tiny, inversion):
    with pytest.raises(UsageError, match="whole number"):
        tiny.random_face(1.5)
    with pytest.raises(UsageError, match=r"no row 1\.5"):
        tiny.mix_styles(inversion, inversion, [1.5])


def test_a_crop_in_any_form(tiny, tmp_path):
    target = tiny.target(crop(0))
    crop(0).save(tmp_path / "crop.png")
    data = (tmp_path / "crop.png").read_bytes()
    for face in (np.asarray(crop(0)), io.BytesIO(data), data, tmp_path / "crop.png"):
        assert torch.equal(tiny.target(face), target)


@pytest.mark.parametrize(
    ("face", "match"),
    [
        (torch.full((1, 3, 32, 32), 255.0), "values from 255 to 255.*must lie in"),
        (torch.full((1, 3, 32, 32), -1.2), "must lie in"),
        (torch.full((1, 3, 32, 32), float("nan")), "not a finite number"),
        (torch.full((1, 3, 32, 32), float("inf")), "not a finite number"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "floats"),
        (torch.zeros(3, 32, 32), "B, 3, H, W"),
        (torch.zeros(1, 1, 32, 32), "B, 3, H, W"),
        (torch.zeros(0, 3, 32, 32), "holds no picture"),
    ],
)
def test_tensors_that_are_no_pictures_are_refused(tiny, face, match):
    with pytest.raises(ShapeMismatch, match=match):
        tiny.invert(face)
    with pytest.raises(ShapeMismatch, match=match):
        tiny.measure(face, face)


def test_measure_refuses_what_cannot_be_compared(tiny):
    target = tiny.target(crop(0))
    with pytest.raises(ShapeMismatch, match="one size"):
        tiny.measure(target, target[..., :16])
    with pytest.raises(ShapeMismatch, match="not a finite number"):
        tiny.measure(target, target * float("nan"))
    assert tiny.measure(target, target * 1.3)["l2"] > 0  # what generators draw lies a little outside
    with pytest.raises(ShapeMismatch, match="not a Image"):
        tiny.measure(target, crop(0))


def test_names_in_place_of_faces_say_what_to_do(tiny, inversion):
    for given in ("photo.jpg", None, 3):
        with pytest.raises(UsageError, match="rebuilt face is needed"):
            tiny.render(given)
        with pytest.raises(UsageError, match="rebuilt face is needed"):
            tiny.interpolate(inversion, given, 0.5)
        with pytest.raises(UsageError, match="cut out is needed"):
            tiny.edit(given, inversion, {"smile": 1.0})
        with pytest.raises(UsageError, match="cut out is needed"):
            tiny.paste_back(crop(0), given, crop(0))
    with pytest.raises(UsageError, match=r"cut out is needed, not the text 'photo\.jpg'"):
        tiny.invert("photo.jpg")
    with pytest.raises(UnreadableImage, match="No photo was given"):
        tiny.invert(None)


def test_unknown_edit_suggests(tiny, inversion):
    with pytest.raises(UnknownEdit, match="did you mean 'smile'"):
        tiny.render(inversion, {"smlie": 1.0})
    with pytest.raises(UnknownEdit, match="choose from: smile, age"):
        tiny.check_look({"zzz": 0.0})


def test_words_move_the_styles_and_stack_with_sliders(tiny, inversion):
    generator, asked = tiny.models.generator, []

    class Editor:
        """Moves every style channel by the prompt's strength."""

        def style_shift(self, prompt, strength, disentanglement, neutral):
            asked.append((prompt, strength, disentanglement, neutral))
            return tuple(torch.full((1, layer.in_channels), float(strength)) for layer in generator.layers)

    talking = HyperStyle(tiny.domain, tiny.models)
    talking._text_editor = Editor()
    edit = TextEdit("a face with a beard", 0.25, disentanglement=0.2, neutral="a person")
    drawn = talking.draw(inversion, {"smile": 1.0}, [edit, edit], offset_strength=0)
    assert asked == [("a face with a beard", 0.25, 0.2, "a person")] * 2
    w_plus = inversion.w_plus + talking._directions.shift("smile", 1.0)
    styles = tuple(style + 0.5 for style in generator.to_styles(w_plus))
    torch.testing.assert_close(drawn, generator.render(styles))
    nothing = talking.render(inversion, text=[replace(edit, strength=0.0)])
    assert same(nothing, tiny.render(inversion))


def test_domain_without_text_model_says_so(tiny, inversion):
    with pytest.raises(WeightsMissing, match=r"text\.safetensors"):
        tiny.render(inversion, text=[TextEdit("a face with a beard")])


def test_domain_without_edits_says_so(tiny, inversion, tmp_path):
    bare = HyperStyle(replace(tiny.domain, directions=tmp_path / "none"), tiny.models)
    assert bare.edits == []
    assert same(bare.render(inversion), tiny.render(inversion))
    with pytest.raises(UnknownEdit, match="no edits yet"):
        bare.render(inversion, {"smile": 1.0})


def test_inversion_of_another_domain_is_refused(tiny, inversion):
    stranger = replace(inversion, domain="portraits")
    with pytest.raises(WrongDomain, match="'portraits', but 'tiny'") as caught:
        tiny.render(stranger)
    assert caught.value.exit_code == 2
    with pytest.raises(WrongDomain, match="latent"):
        tiny.render(replace(inversion, w_plus=torch.zeros(1, 3, 5)))


def test_codes_of_other_layers_are_refused(tiny, inversion):
    for codes in ({"convs.99": torch.zeros(1, 8)}, {"convs.2": torch.zeros(1, 3)}):
        with pytest.raises((WrongDomain, ShapeMismatch)):
            tiny.render(replace(inversion, codes=codes))


def test_measure(tiny):
    a, b = tiny.target(crop(0)), tiny.target(crop(5))
    same_picture, other = tiny.measure(a, a), tiny.measure(a, b)
    assert set(other) == {"identity", "perceptual", "l2", "ms_ssim", "psnr"}
    assert same_picture["identity"] == pytest.approx(1, abs=1e-5)
    assert (same_picture["l2"], same_picture["perceptual"]) == (0, 0)
    assert other["l2"] > 0
    assert other["perceptual"] > 0
    assert tiny.measure_each(torch.cat([a, a]), torch.cat([a, b]))["l2"].tolist() == pytest.approx([0, other["l2"]])


def test_list_edits_and_load(tiny, tiny_folder):
    assert [row.name for row in hyperstyle.list_edits(tiny_folder)] == ["smile", "age"]
    assert [row.name for row in tiny.edits] == ["smile", "age"]
    with pytest.raises(UnknownDomain, match="did you mean 'portraits'"):
        hyperstyle.load("portrait")


def test_choose_face():
    faces = ["big", "small"]
    assert choose_face(faces, "largest") == choose_face(faces, 0) == "big"
    assert choose_face(faces, 1) == "small"
    for number in (2, -1):
        with pytest.raises(NoSuchFace, match="faces 0 to 1"):
            choose_face(faces, number)
    with pytest.raises(NoSuchFace, match="only face 0"):
        choose_face(["one"], 1)


class TestCache:
    def test_one_face_is_materialised_once(self, tiny, inversion, monkeypatch):
        hs, made = HyperStyle(tiny.domain, tiny.models), []
        prepare = hs._prepare
        monkeypatch.setattr(hs, "_prepare", lambda face: made.append(face) or prepare(face))
        first = hs._weights(inversion, 1.0)
        again = hs._weights(replace(inversion, w_plus=inversion.w_plus + 1), 1.0)  # does not depend on the latent
        assert first is again
        assert len(made) == 1
        hs._weights(replace(inversion, steps=inversion.steps + 1), 1.0)  # but on the number of steps
        assert len(made) == len(hs._prepared) == 2
        weaker = hs._weights(inversion, 0.5)  # and on the strength, of which each is a blend
        assert hs._weights(inversion, 0.5) is weaker
        assert len(made) == 2
        assert len(hs._prepared) == 3

    def test_it_stays_within_its_bound(self, tiny, inversion):
        size = tiny._weights(inversion, 1.0).nbytes
        hs = HyperStyle(tiny.domain, tiny.models, cache_bytes=2 * size + 1)
        for steps in (1, 2, 3):
            hs._weights(replace(inversion, steps=steps), 1.0)
        assert len(hs._prepared) == 2

    def test_eviction_does_not_change_pictures(self, tiny, inversion):
        narrow = HyperStyle(tiny.domain, tiny.models, cache_bytes=1)
        other = narrow.invert(crop(7))
        before = narrow.render(inversion)
        narrow.render(other)
        assert same(narrow.render(inversion), before)


def test_threads_do_not_mix_faces_up(tiny_folder):
    shared = hyperstyle.load(tiny_folder, "cpu")
    faces = [shared.invert(crop(seed)) for seed in range(4)]
    jobs = [(face, strength) for face in faces for strength in (0.0, 1.0, -1.0)] * 3
    expected = [shared.render(face, {"smile": strength}).tobytes() for face, strength in jobs]
    fresh = HyperStyle(shared.domain, shared.models, cache_bytes=20_000)  # small: threads also evict each other
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda job: fresh.render(job[0], {"smile": job[1]}).tobytes(), jobs))
    assert drawn == expected


def test_models_are_not_changed_by_use(tiny, inversion):
    before = {name: tensor.clone() for name, tensor in tiny.models.generator.state_dict().items()}
    tiny.render(inversion, {"smile": 2.0}, offset_strength=1.5)
    for name, tensor in tiny.models.generator.state_dict().items():
        assert torch.equal(tensor, before[name]), name
