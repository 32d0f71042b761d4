"""The generator at 32 px: shapes, invariants, and the fast path against the literal formulas."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hyperstyle.errors import ShapeMismatch
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.ops import (
    EqualLinear,
    blur,
    convolve_each,
    fir_kernel,
    modulated_conv_reference,
    scaled_conv,
    upfirdn_reference,
    upsample_picture,
)
from hyperstyle.models.stylegan2 import Generator, repeat_w

CONFIG = GeneratorConfig(
    resolution=32, channels={4: 12, 8: 12, 16: 8, 32: 6}, w_dim=10, z_dim=7, mapping_layers=2, mapping_lr_mul=0.5
)
close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    generator = Generator(CONFIG).eval().requires_grad_(False)
    for name, tensor in generator.named_parameters():
        # Zero at the start of training, which would hide mistakes.
        if name.endswith(("noise.weight", "bias")) and not name.endswith("modulation.bias"):
            tensor.normal_(0.0, 0.3)
    generator.w_avg.normal_()
    return generator


def some_styles(generator: Generator, batch: int = 2) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    return generator.to_styles(torch.randn(batch, generator.num_ws, CONFIG.w_dim))


def some_deltas(generator: Generator, batch: int, taps: bool = True) -> dict[str, Tensor]:
    torch.manual_seed(2)
    return {
        s.name: 0.3 * torch.randn(batch, s.out_channels, s.in_channels, *((s.kernel,) * 2 if taps else (1, 1)))
        for s in generator.layers
    }


@torch.no_grad()
def reference_picture(generator: Generator, styles: tuple[Tensor, ...], deltas: dict[str, Tensor]) -> Tensor:
    """Draw with the literal formulas, layer by layer."""
    x = generator.input.input.expand(styles[0].shape[0], -1, -1, -1)
    picture: Tensor | None = None
    kernel = fir_kernel(4.0)
    state = generator.state_dict()
    for spec, style in zip(generator.layers, styles, strict=True):
        weight, delta = state[f"{spec.name}.conv.weight"], deltas.get(spec.name)
        y = modulated_conv_reference(x, weight, style, delta, not spec.is_to_rgb, spec.up, kernel)
        if spec.is_to_rgb:
            drawn = y + state[f"{spec.name}.bias"]
            picture = drawn if picture is None else drawn + upfirdn_reference(picture, kernel, 2, (2, 1))
        else:
            y = y + state[f"{spec.name}.noise.weight"] * state[f"noises.noise_{spec.noise_index}"]
            y = y + state[f"{spec.name}.activate.bias"][None, :, None, None]
            x = torch.nn.functional.leaky_relu(y, 0.2) * 2**0.5
    assert picture is not None
    return picture


def test_shapes_and_style_widths(generator: Generator) -> None:
    w = generator.map(torch.randn(3, 7))
    assert w.shape == (3, 10)
    styles = generator.to_styles(repeat_w(w, generator.num_ws))
    assert [style.shape for style in styles] == [(3, spec.in_channels) for spec in generator.layers]
    assert generator.render(styles).shape == (3, 3, 32, 32)


def test_picture_equals_the_literal_formulas(generator: Generator) -> None:
    styles = some_styles(generator)
    close(generator.render(styles), reference_picture(generator, styles, {}))


@pytest.mark.parametrize(("batch", "taps"), [(1, True), (2, True), (2, False), (1, False)])
def test_picture_with_offsets_equals_the_literal_formulas(generator: Generator, batch: int, taps: bool) -> None:
    styles, deltas = some_styles(generator), some_deltas(generator, batch, taps)
    picture = generator.render(styles, deltas)
    close(picture, reference_picture(generator, styles, deltas))
    assert (picture - generator.render(styles)).abs().max() > 0.1


def test_offset_without_batch_axis_serves_the_whole_batch(generator: Generator) -> None:
    styles, deltas = some_styles(generator), some_deltas(generator, 1)
    close(generator.render(styles, {name: d[0] for name, d in deltas.items()}), generator.render(styles, deltas))


def test_zero_offsets_equal_none(generator: Generator) -> None:
    styles = some_styles(generator)
    plain = generator.render(styles)
    assert torch.equal(generator.render(styles, {}), plain)
    shared = {name: torch.zeros_like(d) for name, d in some_deltas(generator, 1).items()}
    assert torch.equal(generator.render(styles, shared), plain)
    close(generator.render(styles, {name: torch.zeros_like(d) for name, d in some_deltas(generator, 2).items()}), plain)


def test_batch_equals_its_items(generator: Generator) -> None:
    styles, deltas = some_styles(generator), some_deltas(generator, 2)
    together = generator.render(styles, deltas)
    for item in range(2):
        alone = generator.render(
            tuple(s[item : item + 1] for s in styles), {n: d[item : item + 1] for n, d in deltas.items()}
        )
        close(together[item : item + 1], alone)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("offsets", [0, 1, 2])
def test_fast_convolution_has_the_gradients_of_its_twin(up: bool, offsets: int) -> None:
    torch.manual_seed(3)
    x, weight, style = torch.randn(2, 4, 6, 6), torch.randn(1, 5, 4, 3, 3), 1 + 0.3 * torch.randn(2, 4)
    delta = 0.2 * torch.randn(offsets, 5, 4, 3, 3) if offsets else None
    leaves = [t.requires_grad_() for t in (x, weight, style, delta) if t is not None]
    y, factor = scaled_conv(x, weight, style, delta, True, up, fir_kernel(4.0))
    assert factor is not None
    y = y * factor
    want = modulated_conv_reference(x, weight, style, delta, True, up, fir_kernel(4.0))
    close(y, want)
    seed = torch.randn_like(want)
    for got, expected in zip(
        torch.autograd.grad(y, leaves, seed), torch.autograd.grad(want, leaves, seed), strict=True
    ):
        close(got, expected)


def test_fir_filters_equal_their_twin() -> None:
    torch.manual_seed(4)
    x = torch.randn(2, 3, 9, 7)
    kernel = fir_kernel(4.0)
    assert float(kernel.sum()) == pytest.approx(4.0)
    close(upsample_picture(x), upfirdn_reference(x, kernel, up=2, padding=(2, 1)))
    close(blur(x, kernel, 1), upfirdn_reference(x, kernel, padding=(1, 1)))


@pytest.mark.parametrize("resolution", [4, 8, 16, 32])
def test_progressive_resolution_stops_early(generator: Generator, resolution: int) -> None:
    styles = some_styles(generator)
    picture = generator.render(styles, resolution=resolution)
    assert picture.shape[-2:] == (resolution, resolution)
    kept = [s if spec.resolution <= resolution else s * 5 for spec, s in zip(generator.layers, styles, strict=True)]
    assert torch.equal(generator.render(tuple(kept), resolution=resolution), picture)


def test_noise_choices(generator: Generator) -> None:
    styles = some_styles(generator)
    const = generator.render(styles)
    assert torch.equal(generator.render(styles), const)
    assert not torch.equal(generator.render(styles, noise="random"), generator.render(styles, noise="random"))
    maps = [
        torch.zeros(1, 1, spec.resolution, spec.resolution) for spec in generator.layers if spec.noise_index is not None
    ]
    close(generator.render(styles, noise=maps), generator.render(styles, noise="none"))


def test_truncation_moves_towards_the_average(generator: Generator) -> None:
    z = torch.randn(2, 7)
    w = generator.map(z)
    close(generator.map(z, truncation_psi=0.0), generator.w_avg.expand(2, -1))
    close(generator.map(z, truncation_psi=0.25), generator.w_avg + 0.25 * (w - generator.w_avg))


def test_length_of_z_matters_only_without_normalisation() -> None:
    z = torch.randn(2, 7)
    torch.manual_seed(5)
    normalised = Generator(CONFIG)
    close(normalised.map(3 * z), normalised.map(z))
    free = Generator(GeneratorConfig.from_dict({**CONFIG.to_dict(), "normalize_z": False}))
    assert (free.map(3 * z) - free.map(z)).abs().max() > 0.1


def test_stored_scale_of_equalised_layers_does_not_change_the_output_scale() -> None:
    torch.manual_seed(6)
    x = torch.randn(256, 64)
    for lr_mul in (1.0, 0.01):
        assert EqualLinear(64, 64, lr_mul=lr_mul)(x).std().item() == pytest.approx(1.0, rel=0.1)


def test_state_dict_uses_the_published_names(generator: Generator) -> None:
    keys = set(generator.state_dict())
    for key in (
        "style.1.weight",
        "input.input",
        "conv1.conv.modulation.bias",
        "conv1.noise.weight",
        "conv1.activate.bias",
        "to_rgb1.bias",
        "convs.5.conv.weight",
        "to_rgbs.2.conv.modulation.weight",
        "noises.noise_6",
    ):
        assert key in keys
    assert not [key for key in keys if "kernel" in key]
    assert generator.convs[0].conv.weight.shape == (1, 12, 12, 3, 3)


def test_what_does_not_fit_is_refused(generator: Generator) -> None:
    styles = some_styles(generator)
    with pytest.raises(ShapeMismatch, match="latents of shape"):
        generator.to_styles(torch.zeros(1, CONFIG.w_dim))
    with pytest.raises(ShapeMismatch, match="inputs"):
        generator.map(torch.zeros(1, 3))
    with pytest.raises(ShapeMismatch, match="layers but was given"):
        generator.render(styles[:-1])
    with pytest.raises(ShapeMismatch, match=r"style of layer convs\.0"):
        generator.render((*styles[:2], styles[2][:, :3], *styles[3:]))
    with pytest.raises(ShapeMismatch, match=r"no layer named convs\.99"):
        generator.render(styles, {"convs.99": torch.zeros(1)})
    with pytest.raises(ShapeMismatch, match="offset of layer conv1"):
        generator.render(styles, {"conv1": torch.zeros(2, 3, 3, 3, 3)})
    with pytest.raises(ShapeMismatch, match="not at 20 px"):
        generator.render(styles, resolution=20)


@pytest.mark.parametrize("up", [False, True])
def test_kernels_of_every_sample_as_matrix_products(up: bool) -> None:
    """What a GPU does instead of a grouped convolution."""
    x, weight = torch.randn(2, 5, 6, 6), torch.randn(2, 4, 5, 3, 3)
    if up:
        swapped = weight.transpose(1, 2).reshape(10, 4, 3, 3)
        expected = F.conv_transpose2d(x.reshape(1, 10, 6, 6), swapped, stride=2, groups=2).reshape(2, 4, 13, 13)
    else:
        expected = F.conv2d(x.reshape(1, 10, 6, 6), weight.reshape(8, 5, 3, 3), padding=1, groups=2)
        expected = expected.reshape(2, 4, 6, 6)
    assert torch.allclose(convolve_each(x, weight, up), expected, atol=1e-5)
