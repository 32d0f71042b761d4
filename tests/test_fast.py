"""Every fast path against the plain network it stands for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tiny import GENERATOR, HYPERNETWORK, W_ENCODER, tiny_models
from torch import Tensor

import hyperstyle
from hyperstyle.errors import ShapeMismatch
from hyperstyle.models import precision
from hyperstyle.models.fast_networks import FastHypernetwork, FastWEncoder, lighten
from hyperstyle.models.fast_synthesis import FastSynthesis
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.models.layer_table import GeneratorConfig
from hyperstyle.models.precision import fast_dtype
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.models.w_encoder import WEncoder

BF16_DB = 45.0
EXACT = 2e-5  # of the root mean square, in float32


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def generator():
    """128 px with few channels, so that small maps, folded ones and strips all occur."""
    torch.manual_seed(0)
    config = GeneratorConfig(
        resolution=128, channels={4: 24, 8: 24, 16: 16, 32: 16, 64: 12, 128: 8}, w_dim=16, z_dim=10, mapping_layers=2
    )
    return noisy(Generator(config)).eval().requires_grad_(False)


def noisy(generator: Generator) -> Generator:
    """Give noise strengths and biases values; training starts them at zero, which would hide mistakes."""
    with torch.no_grad():
        for name, tensor in generator.named_parameters():
            if name.endswith(("noise.weight", "activate.bias")):
                tensor.normal_(0, 0.2)
    return generator


def styles_of(generator: Generator, batch: int, seed: int = 0):
    w_plus = torch.randn(batch, generator.num_ws, 16, generator=torch.Generator().manual_seed(seed))
    return generator.to_styles(w_plus)


def offsets_of(generator: Generator, batch: int, to_rgb: bool = False) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(1)
    deltas = {}
    for row in generator.layers:
        if row.is_to_rgb and not to_rgb:
            continue
        kernel = row.kernel if row.resolution <= 32 else 1
        shape = (batch, row.out_channels, row.in_channels, kernel, kernel)
        deltas[row.name] = 0.1 * torch.randn(shape, generator=g)
    return deltas


def error(got: Tensor, want: Tensor) -> float:
    return float((got - want).abs().max() / want.square().mean().sqrt())


def decibels(got: Tensor, want: Tensor) -> float:
    """PSNR for pictures scaled to a standard deviation of a half, about that of real ones in [-1, 1]."""
    scale = 0.5 / float(want.std())
    return float(10 * math.log10(4) - 10 * torch.log10(((got - want) * scale).square().mean()))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("tuned", ["nothing", "all alike", "each its own", "with toRGB"])
def test_pictures_in_float32(generator, batch, tuned):
    fast = FastSynthesis(generator)
    styles = styles_of(generator, batch)
    deltas = None
    if tuned != "nothing":
        deltas = offsets_of(generator, 1 if tuned == "all alike" else batch, tuned == "with toRGB")
    want = generator.render(styles, deltas)
    assert error(fast.render(styles, fast.prepare(deltas)), want) < EXACT
    assert error(fast.render(styles, deltas), want) < EXACT


@pytest.mark.parametrize("batch", [1, 2])
def test_pictures_in_bfloat16(generator, batch):
    fast = FastSynthesis(generator, torch.bfloat16)
    styles, deltas = styles_of(generator, batch), offsets_of(generator, batch)
    got = fast.render(styles, fast.prepare(deltas))
    assert got.dtype == torch.float32
    assert decibels(got, generator.render(styles, deltas)) > BF16_DB - 8  # random weights amplify every rounding


@pytest.mark.parametrize("resolution", [4, 8, 16, 32, 64, 128])
def test_every_resolution_can_be_stopped_at(generator, resolution):
    styles, deltas = styles_of(generator, 1), offsets_of(generator, 1)
    got = FastSynthesis(generator).render(styles, deltas, resolution=resolution)
    assert error(got, generator.render(styles, deltas, resolution=resolution)) < EXACT


@pytest.mark.parametrize("noise", ["const", "none", "random", "given"])
def test_every_kind_of_noise(generator, noise):
    fast, styles = FastSynthesis(generator), styles_of(generator, 2)
    if noise == "given":
        sizes = [row.resolution for row in generator.layers if row.noise_index is not None]
        noise = [torch.randn(1, 1, size, size) for size in sizes]
    torch.manual_seed(3)
    want = generator.render(styles, noise=noise)
    torch.manual_seed(3)
    assert error(fast.render(styles, noise=noise), want) < EXACT


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0, 1.7])
def test_prepared_offsets_can_be_weakened(generator, strength):
    fast, styles, deltas = FastSynthesis(generator), styles_of(generator, 1), offsets_of(generator, 1)
    want = generator.render(styles, {name: delta * strength for name, delta in deltas.items()})
    assert error(fast.render(styles, fast.blend(fast.prepare(deltas), strength)), want) < EXACT
    assert error(fast.render(styles, fast.prepare(deltas, strength)), want) < EXACT


def test_what_does_not_fit_is_refused(generator):
    fast, styles = FastSynthesis(generator), styles_of(generator, 2)
    with pytest.raises(ShapeMismatch, match="no layer named"):
        fast.prepare({"convs.99": torch.zeros(1)})
    with pytest.raises(ShapeMismatch, match="does not fit"):
        fast.prepare({"convs.1": torch.zeros(1, 2, 2, 3, 3)})
    with pytest.raises(ShapeMismatch, match="of 3 faces, the styles of 2"):
        fast.render(styles, fast.prepare(offsets_of(generator, 3)))
    with pytest.raises(ShapeMismatch, match="draws at"):
        fast.render(styles, resolution=100)


def test_prepared_weights_know_their_size(generator):
    fast = FastSynthesis(generator, torch.bfloat16)
    assert fast.prepare(None).nbytes == 0
    one = fast.prepare({"convs.1": torch.zeros(1, 24, 24, 3, 3)})
    assert one.nbytes == 24 * 24 * (9 * 2 + 4)  # the weight, and the energies in float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_encoder_and_hypernetwork(tmp_path, dtype):
    _, models = tiny_models(tmp_path)
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    limit = EXACT if dtype == torch.float32 else 0.06
    encoder, hypernetwork = FastWEncoder(models.w_encoder, dtype), FastHypernetwork(models.hypernetwork, dtype)
    assert error(encoder(x), models.w_encoder(x)) < limit
    codes, want = hypernetwork.codes(x, -x), models.hypernetwork.codes(x, -x)
    for name, code in want.items():
        assert codes[name].dtype == torch.float32
        assert error(codes[name], code) < limit
    offsets, wanted = hypernetwork.deltas(want, 2), models.hypernetwork.deltas(want, 2)
    assert set(offsets) == set(wanted)
    for name, offset in wanted.items():
        assert error(offsets[name].float(), offset) < limit


def test_separable_heads(tmp_path):
    torch.manual_seed(0)
    config = replace(HYPERNETWORK, own="separable")
    plain = Hypernetwork(config, GENERATOR).eval().requires_grad_(False)
    fast = FastHypernetwork(plain, torch.float32)
    x = torch.rand(1, 3, 16, 16)
    total: dict[str, Tensor] = {}
    for _ in range(2):
        total = fast.add_codes(total, fast.codes(x, -x))
    for name, offset in plain.deltas(total, 2).items():
        assert error(fast.deltas(total, 2)[name], offset) < 1e-4


def test_light_networks_leave_the_plain_ones_alone():
    torch.manual_seed(0)
    plain = WEncoder(W_ENCODER).eval()
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    x = torch.rand(1, 3, 16, 16)
    want = plain(x)
    light = lighten(plain, torch.bfloat16)
    light(x.bfloat16())
    assert torch.equal(plain(x), want)
    assert all(torch.equal(tensor, before[name]) for name, tensor in plain.state_dict().items())
    shared = lighten(plain, torch.float32).linear.weight
    assert shared.data_ptr() == plain.linear.weight.data_ptr()


def test_the_trained_domain_looks_the_same():
    pipeline = hyperstyle.load("portraits", "cpu")
    from hyperstyle.synthetic.parameters import sample_parameters
    from hyperstyle.synthetic.renderer import render

    target = render(sample_parameters(2, 5), 128)
    inversion = pipeline.invert(target)
    models = pipeline.models
    deltas = models.hypernetwork.deltas(inversion.codes, steps=inversion.steps)
    want = models.generator.render(models.generator.to_styles(inversion.w_plus), deltas)
    assert decibels(pipeline.draw(inversion), want) > 80
    rough = FastSynthesis(models.generator, torch.bfloat16)
    assert decibels(rough.render(rough.to_styles(inversion.w_plus), deltas), want) > BF16_DB


def test_the_type_follows_device_and_size():
    cpu = torch.device("cpu")
    assert fast_dtype(torch.device("cuda"), 1024) == torch.bfloat16
    assert fast_dtype(torch.device("mps"), 1024) == torch.float32
    assert fast_dtype(cpu, 128) == torch.float32
    assert fast_dtype(cpu, 1024) in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(
    ("units", "bf16_s", "kind"), [(True, 0.5, torch.bfloat16), (True, 2.0, torch.float32), (False, 0.5, torch.float32)]
)
def test_bfloat16_must_be_faster_here_not_only_possible(monkeypatch, units, bf16_s, kind):
    """Some processors have the instructions and are slower with them: what counts is a measured product."""
    precision.cpu_gains_from_bf16.cache_clear()
    monkeypatch.setattr(precision, "_has_bf16_units", lambda: units)
    monkeypatch.setattr(precision, "_product_s", lambda dtype: bf16_s if dtype == torch.bfloat16 else 1.0)
    assert fast_dtype(torch.device("cpu"), 1024) == kind
    precision.cpu_gains_from_bf16.cache_clear()
