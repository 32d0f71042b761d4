"""Captions say true things, in many ways, and the truth table knows which caption fits which portrait."""

from __future__ import annotations

import pytest
import torch

from hyperstyle.synthetic.captions import (
    TRAIT_INDEX,
    TRAITS,
    Range,
    all_prompts,
    captions,
    describe,
    fits,
    trait_truth,
)
from hyperstyle.synthetic.parameters import mirror, neutral_parameters, sample_parameters


@pytest.fixture(scope="module")
def people():
    return sample_parameters(400, 7)


def truth_of(name: str, **values: float) -> int:
    p = neutral_parameters(1)
    for key, value in values.items():
        p[key] = torch.tensor([value])
    return int(trait_truth(p)[0, TRAIT_INDEX[name]])


def test_the_same_seed_writes_the_same_captions(people):
    assert captions(people, 3) == captions(people, 3)
    assert captions(people, 3) != captions(people, 4)


def test_every_picture_gets_as_many_captions_as_asked_for(people):
    written = captions(people, 0, n_per_picture=3)
    assert len(written) == 1200
    assert all(text == text.lower().strip() and text for text in written)


def test_wording_varies(people):
    assert len(set(captions(people, 0))) > 300


def test_captions_fit_the_portrait_they_were_written_for(people):
    truth = trait_truth(people)
    true, false = fits(describe(people, 0), truth)
    assert true.diagonal().all()
    assert not (true & false).any()
    assert 0.02 < true.float().mean() < 0.4  # neither unique to a picture nor true of all of them


def test_a_caption_says_at_most_one_thing_about_each_subject(people):
    for caption in describe(people, 1):
        subjects = [TRAITS[claim].about for claim in caption.claims]
        assert len(set(subjects)) == len(subjects)


def test_captions_fit_the_text_models_context(people):
    assert max(len(text.split()) for text in captions(people, 2, 3)) <= 17


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("glasses", {"glasses": 1.0}, 1),
        ("glasses", {"glasses": 0.0}, -1),
        ("no glasses", {"glasses": 0.0}, 1),
        ("no glasses", {"glasses": 1.0}, -1),
        ("smiling", {"smile": 0.9}, 1),
        ("smiling", {"smile": 0.45}, 0),
        ("smiling", {"smile": -0.2}, -1),
        ("turned right", {"yaw": 25.0}, 1),
        ("turned left", {"yaw": 25.0}, -1),
        ("looking left", {"gaze_x": -1.0}, 1),
        ("looking down", {"pitch": 12.0}, 1),
        ("looking up", {"pitch": -12.0}, 1),
        ("red background", {"background_hue": 355.0, "background_saturation": 0.6}, 1),
        ("red background", {"background_hue": 5.0, "background_saturation": 0.6}, 1),
        ("red background", {"background_hue": 180.0, "background_saturation": 0.6}, -1),
        ("long hair", {"hair_length": 1.0, "hairline": 1.0}, -1),
        ("bald", {"hairline": 0.9}, 1),
        ("red hair", {"hair_red": 1.0, "hair_shade": 0.5}, 1),
        ("red hair", {"hair_red": 1.0, "hair_shade": 0.5, "hair_grey": 1.0}, -1),
    ],
)
def test_traits_follow_the_parameters(name, values, expected):
    assert truth_of(name, **values) == expected


def test_mirroring_swaps_left_and_right(people):
    truth, mirrored = trait_truth(people), trait_truth(mirror(people))
    for left, right in (
        ("turned left", "turned right"),
        ("looking left", "looking right"),
        ("lit from the left", "lit from the right"),
    ):
        assert torch.equal(truth[:, TRAIT_INDEX[left]], mirrored[:, TRAIT_INDEX[right]])
    assert torch.equal(truth[:, TRAIT_INDEX["smiling"]], mirrored[:, TRAIT_INDEX["smiling"]])


def test_a_range_of_angles_wraps_around():
    red = Range("hue", 345, 15, 20, turn=360)
    assert red.truth(torch.tensor([350.0, 10.0, 30.0, 335.0, 90.0])).tolist() == [1, 1, 0, 0, -1]


def test_every_trait_occurs_among_sampled_people_and_has_a_prompt():
    truth = trait_truth(sample_parameters(20_000, 0))
    rare = [trait.name for trait, share in zip(TRAITS, (truth > 0).float().mean(0), strict=True) if share < 0.002]
    assert rare == []
    assert set(all_prompts().values()) == {trait.name for trait in TRAITS}


TYPED = (
    "beard moustache glasses smiling happy sad frown surprised closed sleeping old elderly young wrinkles man woman "
    "masculine feminine long short curly straight bald receding fringe bangs black brown blond red ginger grey white "
    "dark pale light tanned thick thin eyebrows blue green big small nose full lips lipstick makeup wide narrow square "
    "pointed left right up down background shirt sweater"
)


@pytest.mark.parametrize("word", TYPED.split())
def test_what_a_user_would_type_is_covered(word):
    assert word in " ".join(all_prompts()).split()
