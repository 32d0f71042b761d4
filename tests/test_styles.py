"""The drawn world in other styles, and drawing faces with the generators that learnt them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import make_tiny_domain
from torch.nn import functional as F

from hyperstyle.cli import main
from hyperstyle.domains import get_domain
from hyperstyle.errors import ForeignWeights, UsageError
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.synthetic.parameters import BY_NAME, neutral_parameters, sample_parameters, select
from hyperstyle.synthetic.renderer import render_figure
from hyperstyle.synthetic.styles import STYLES, look, render_style
from hyperstyle.weights.fine_tuned import load_fine_tuned, load_style

SIZE = 64


@pytest.mark.parametrize("name", STYLES)
def test_same_parameters_same_pictures(name: str) -> None:
    """Everything follows from the parameters, and a batch equals its items."""
    p = sample_parameters(3, 12)
    drawn = render_style(name, p, SIZE)
    assert drawn.shape == (3, 3, SIZE, SIZE)
    assert float(drawn.min()) >= -1
    assert float(drawn.max()) <= 1
    assert torch.equal(drawn, render_style(name, p, SIZE))
    assert torch.allclose(render_style(name, select(p, slice(1, 2)), SIZE), drawn[1:2], atol=1e-4)


@pytest.mark.parametrize("name", STYLES)
def test_geometry_is_that_of_the_plain_portrait(name: str) -> None:
    """Outside the person there is paper or wall and nothing else; a person begins where the plain one does."""
    p = sample_parameters(4, 5)
    p["glasses"] = torch.zeros(4)
    cover = render_figure(p, SIZE, supersample=1)[1]
    drawn = render_style(name, p, SIZE)
    others = drawn.flip(0)
    around = F.max_pool2d(cover, 7, 1, 3) == 0
    empty = around & around.flip(0)
    assert empty.any()
    assert float(((drawn - others).abs() * empty).max()) < 1e-5
    inside = F.max_pool2d(1 - cover, 3, 1, 1) == 0
    rim = inside & (F.max_pool2d(1 - cover, 5, 1, 2) > 0)
    beyond = around & (F.max_pool2d(cover, 11, 1, 5) > 0)
    assert float(drawn.mean(1, keepdim=True)[beyond].mean() - drawn.mean(1, keepdim=True)[rim].mean()) > 0.2


# Traits that a style shows, and what it leaves out on purpose: one clay has no colours, a drawing its own paper.
_SHOWN = ("yaw", "smile", "mouth_open", "eyes_open", "brow_raise", "age", "hair_length", "fringe", "beard", "glasses")
_LEFT_OUT = {
    "line": ("background_hue", "background_light", "light_warmth", "eye_colour"),
    "clay": ("background_light", "light_x", "skin_tone", "eye_colour", "hair_shade", "clothes_light"),
}


@pytest.mark.parametrize("name", STYLES)
def test_traits_of_a_person_show(name: str) -> None:
    """Pose, expression, age, hair and glasses move the picture in every style; what is left out does not."""
    names = (*_SHOWN, *_LEFT_OUT[name])
    p = {k: v.repeat(2 * len(names)) for k, v in neutral_parameters().items()}
    for row, trait in enumerate(names):
        p[trait][2 * row : 2 * row + 2] = torch.tensor([float(BY_NAME[trait].low), float(BY_NAME[trait].high)])
    drawn = render_style(name, p, 32)
    moved = {trait: float((drawn[2 * row] - drawn[2 * row + 1]).abs().max()) for row, trait in enumerate(names)}
    assert all(moved[trait] > 0.06 for trait in _SHOWN), moved
    assert all(moved[trait] < 0.05 for trait in _LEFT_OUT[name]), moved


def test_styles_look_like_themselves() -> None:
    """A drawing is mostly light paper; clay has one hue and many shades; spectacles stay dark in both."""
    p = sample_parameters(3, 3)
    line, clay = (render_style(name, p, SIZE) / 2 + 0.5 for name in ("line", "clay"))
    assert float((line.mean(1) > 0.6).float().mean()) > 0.45
    seen = look(p, SIZE)
    body = (seen.cover * (1 - seen.frame) > 0.99)[:, 0]
    red, blue = clay[:, 0][body], clay[:, 2][body]
    assert float((red > blue).float().mean()) > 0.98
    assert float(clay.mean(1)[body].std()) > 0.08
    p["glasses"] = torch.ones(3)
    for name in STYLES:
        worn = render_style(name, p, SIZE).mean(1, keepdim=True)
        frame = look(p, SIZE).frame > 0.6
        assert float(worn[frame].mean()) < -0.2


def test_any_resolution_shows_the_same_picture() -> None:
    """Strokes are measured in the picture, not in pixels: seen from afar, a large drawing is the small one."""
    p = sample_parameters(1, 5)
    for name in STYLES:
        small, large = (F.avg_pool2d(render_style(name, p, size), size // 16) for size in (96, 192))
        assert float((small - large).abs().mean()) < 0.04


def test_unknown_style_is_named() -> None:
    with pytest.raises(UsageError, match="did you mean 'line'"):
        render_style("lin", neutral_parameters(), 16)


# Drawing with a style's generator


@pytest.fixture(scope="module")
def styled_folder(tiny_folder: Path, tmp_path_factory) -> Path:
    """The tiny domain with a style: the weights of another tiny domain."""
    folder = tmp_path_factory.mktemp("styled") / "tiny"
    shutil.copytree(tiny_folder, folder)
    (folder / "styles").mkdir()
    other = make_tiny_domain(folder.parent / "other", seed=1)
    shutil.copy(other / "generator.safetensors", folder / "styles" / "line.safetensors")
    return folder


@pytest.fixture(scope="module")
def styled(styled_folder: Path) -> HyperStyle:
    return load(styled_folder, "cpu")


def test_styles_are_listed_and_drawn(styled: HyperStyle, tiny: HyperStyle, styled_folder: Path) -> None:
    assert tiny.styles == []
    assert styled.styles == ["line"]
    inversion = styled.invert(torch.rand(1, 3, 32, 32) * 2 - 1)
    by_name = styled.stylise(inversion, "line", {"smile": 1.0})
    plain = load_fine_tuned(styled_folder / "styles" / "line.safetensors", styled.domain)
    by_file = styled.stylise(inversion, plain, {"smile": 1.0})
    assert np.abs(np.asarray(by_name, int) - np.asarray(by_file, int)).max() <= 1
    assert np.abs(np.asarray(by_name, int) - np.asarray(styled.render(inversion, {"smile": 1.0}), int)).max() > 5
    assert styled.style("line") is styled.style("line")
    with pytest.raises(UsageError, match="did you mean 'line'"):
        styled.stylise(inversion, "lines")
    with pytest.raises(UsageError, match="without styles"):
        tiny.style("line")


def test_a_style_of_another_domain_is_refused(styled_folder: Path, tmp_path: Path) -> None:
    """The sizes fit, yet its latents mean something else."""
    foreign = make_tiny_domain(tmp_path / "foreign", name="foreign")
    with pytest.raises(ForeignWeights, match="'foreign', not of 'tiny'"):
        load_fine_tuned(foreign / "generator.safetensors", get_domain(styled_folder))
    path = styled_folder / "styles" / "odd.safetensors"
    shutil.copy(styled_folder / "identity.safetensors", path)
    try:
        with pytest.raises(ForeignWeights, match="do not fit"):
            load_style("odd", get_domain(styled_folder))
    finally:
        path.unlink()


def test_edit_in_a_style(styled: HyperStyle, styled_folder: Path, tmp_path: Path, capsys) -> None:
    """`edit --style`, and the listing of styles beside the edits."""
    face, out = tmp_path / "face.safetensors", tmp_path / "out.png"
    inversion = styled.random_face(2)
    inversion.save(face)
    at = ["--domain", str(styled_folder)]
    assert main(["edit", str(face), "-o", str(out), "--style", "line", "--set", "smile=1", *at]) == 0
    with Image.open(out) as picture:
        assert picture.tobytes() == styled.stylise(inversion, "line", {"smile": 1.0}).tobytes()
    assert main(["edits", *at]) == 0
    assert "Styles to draw in, with --style: line" in capsys.readouterr().out
    assert main(["edit", str(face), "-o", str(out), "--style", "clay", *at]) == 2
    assert "choose from: line" in capsys.readouterr().err
    assert main(["edit", str(face), "-o", str(out), "--style", "line", "--generator", "x.pt", *at]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_every_shipped_style_has_a_card() -> None:
    domain = get_domain("portraits")
    for name in domain.styles:
        assert name in STYLES
        card = json.loads(domain.path(f"styles/{name}").with_suffix(".card.json").read_text())
        assert card["part"] == f"styles/{name}"
        load_style(name, domain)
