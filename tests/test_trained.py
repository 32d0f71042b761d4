"""The shipped weights on pictures they have never seen; thresholds lie below what `docs/results.md` reports."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

import hyperstyle
from hyperstyle.errors import UsageError
from hyperstyle.metrics import psnr
from hyperstyle.models.stylegan2 import repeat_w
from hyperstyle.synthetic.details import sample_details
from hyperstyle.synthetic.parameters import sample_parameters, to_z
from hyperstyle.synthetic.renderer import render
from hyperstyle.synthetic.styles import render_style

SEED = 3_000_000
"""Neither training nor `evaluate` draws these."""
SIZE = 256


@pytest.fixture(scope="module")
def hs() -> hyperstyle.HyperStyle:
    """The built-in domain."""
    return hyperstyle.load("portraits", device="cpu")


@pytest.fixture(scope="module")
def beyond() -> Tensor:
    """Targets with details that the generator has never seen."""
    return render(sample_parameters(12, SEED), SIZE, details=sample_details(12, SEED))


def test_generator_draws_what_the_renderer_draws(hs: hyperstyle.HyperStyle) -> None:
    """From parameters alone, on people it has never seen."""
    p = sample_parameters(16, SEED + 10)
    generator = hs.models.generator
    with torch.inference_mode():
        w_plus = repeat_w(generator.map(to_z(p)), generator.num_ws)
        drawn = generator.render(generator.to_styles(w_plus))
    assert float(psnr(drawn.clamp(-1, 1), render(p, SIZE)).mean()) > 25.0


def test_every_refinement_step_helps(hs: hyperstyle.HyperStyle, beyond: Tensor) -> None:
    """The encoder's picture, then each step's, comes closer to the target; identity rises clearly."""
    l2 = torch.zeros(4)
    identity = torch.zeros(4)
    for target in beyond:
        pictures: list[Tensor] = []
        hs.invert(target[None], steps=3, on_step=lambda _, picture, kept=pictures: kept.append(picture))
        rows = [hs.measure(target[None], picture) for picture in pictures]
        l2 += torch.tensor([row["l2"] for row in rows])
        identity += torch.tensor([row["identity"] for row in rows])
    l2, identity = l2 / len(beyond), identity / len(beyond)
    assert l2[1] < 0.65 * l2[0]
    assert l2[1] > l2[2] > l2[3]
    assert l2[3] < 0.55 * l2[0]
    assert identity[3] > identity[0] + 0.04


def test_offset_strength_blends_between_encoder_and_inversion(hs: hyperstyle.HyperStyle, beyond: Tensor) -> None:
    """Strength 0 is the encoder's picture, 1 the inversion's; halfway lies between."""
    inversion = hs.invert(beyond[:1])
    pictures = [np.asarray(hs.render(inversion, offset_strength=s), dtype=float) for s in (0.0, 0.5, 1.0)]
    assert np.abs(pictures[1] - pictures[0]).mean() < np.abs(pictures[2] - pictures[0]).mean()


@pytest.mark.parametrize(
    ("edit", "parameter", "sign"),
    [("smile", "smile", 1), ("age", "age", 1), ("glasses", "glasses", 1), ("yaw", "yaw", 1), ("beard", "beard", 1)],
)
def test_edits_do_what_they_say(
    hs: hyperstyle.HyperStyle, beyond: Tensor, edit: str, parameter: str, sign: int
) -> None:
    """Through the adapted generator, an edit still moves its own property, in its own direction."""
    from hyperstyle.images import to_tensor
    from hyperstyle.synthetic.parameters import from_z

    row = next(row for row in hs.edits if row.name == edit)

    def read(strength: float) -> float:
        values = []
        for target in beyond[:6]:
            picture = hs.render(hs.invert(target[None]), edits={edit: strength})
            with torch.inference_mode():
                z = hs.models.attributes(to_tensor(picture, hs.domain.input_size))
            values.append(float(from_z(z)[parameter]))
        return sum(values) / len(values)

    strength = row.maximum if sign > 0 else row.minimum
    assert sign * (read(strength) - read(0.0)) > 0


def test_a_real_photograph(hs: hyperstyle.HyperStyle) -> None:
    """A photo of a person goes all the way and comes back, with every pixel outside the mask as it was."""
    photo = Image.fromarray(skimage.data.astronaut())
    face = hs.align(photo)
    inversion = hs.invert(face)
    plain = hs.render(inversion)
    smiling = hs.render(inversion, edits={"smile": 2.0})
    assert plain.size == (SIZE, SIZE)
    assert plain.tobytes() != smiling.tobytes()
    result = np.asarray(hs.paste_back(photo, face, smiling))
    before = np.asarray(photo.convert("RGB"))
    assert result.shape == before.shape
    changed = (result != before).any(2)
    assert 0.02 < changed.mean() < 0.6
    left, top, right, bottom = face.box
    assert changed[int(top) : int(bottom), int(left) : int(right)].mean() > 0.5
    assert not changed[-40:].any()


def test_words_change_the_face(hs: hyperstyle.HyperStyle, beyond: Tensor) -> None:
    """A prompt moves the picture, and more strength moves it further."""
    inversion = hs.invert(beyond[:1])
    plain = np.asarray(hs.render(inversion), dtype=float)
    moved = [
        np.abs(
            np.asarray(hs.render(inversion, text=[hyperstyle.TextEdit("a face with glasses", s)]), dtype=float) - plain
        ).mean()
        for s in (1.0, 3.0)
    ]
    assert 0 < moved[0] < moved[1]


@pytest.mark.parametrize(("name", "decibels"), [("line", 17.0), ("clay", 23.0)])
def test_styles_draw_as_the_renderer_does(hs: hyperstyle.HyperStyle, name: str, decibels: float) -> None:
    """A shipped style is its renderer's, and not the plain one's, on people it has never seen."""
    assert name in hs.styles
    p = sample_parameters(8, SEED + 20)
    plain = hs.models.generator
    generator = hs.style(name)
    with torch.inference_mode():
        styles = plain.to_styles(repeat_w(plain.map(to_z(p)), plain.num_ws))
        unlike = plain.render(styles).clamp(-1, 1)
        drawn = generator.render(generator.to_styles(repeat_w(plain.map(to_z(p)), plain.num_ws))).clamp(-1, 1)
    wanted = render_style(name, p, SIZE)
    assert float(psnr(drawn, wanted).mean()) > decibels > float(psnr(unlike, wanted).mean()) + 5


def test_a_recipe_brings_a_styled_picture_back(hs: hyperstyle.HyperStyle, beyond: Tensor) -> None:
    """Bit for bit, its plain direction included; a style that is not there is refused before any work."""
    inversion = hs.invert(beyond[:1])
    wanted = hs.stylise(inversion, "clay", {"age": 2.0}, plain=("age",))
    assert wanted.tobytes() != hs.stylise(inversion, "clay", {"age": 2.0}).tobytes()
    look = hyperstyle.Recipe("portraits", {"age": 2.0}, inversion=inversion, plain=("age",), style="clay")
    assert hs.render_recipe(hyperstyle.Recipe.from_json(look.to_json())).tobytes() == wanted.tobytes()
    assert hyperstyle.Recipe.from_link(look.to_link()).style == "clay"
    with pytest.raises(UsageError, match="did you mean 'line'"):
        hs.check_recipe(hyperstyle.Recipe("portraits", style="lines"))
