"""The published networks against recorded numbers, within the tolerance that comes with them."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import golden_tools as tools
import numpy as np
import pytest
import torch
from golden import fill
from golden_tools import SALT, array, case, filled, image, ready
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.domains import Domain
from hyperstyle.inversion import METHODS, ReStyle
from hyperstyle.models.embedding import PUBLISHED_ARCFACE, PUBLISHED_CURRICULARFACE, EmbeddingNetwork
from hyperstyle.models.hypernetwork import Hypernetwork, published_hypernetwork
from hyperstyle.models.layer_table import published_generator
from hyperstyle.models.lpips import LPIPS
from hyperstyle.models.style_encoders import StyleEncoder, published_style_encoder
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.models.w_encoder import PUBLISHED_W_ENCODER, WEncoder
from hyperstyle.weights.convert import names


@pytest.fixture(autouse=True)
def _small_memory():
    """Published networks are large; nothing of one test is needed in the next, and nothing is differentiated."""
    with torch.inference_mode():
        yield
    gc.collect()


def empty(build, *args):
    """A network whose parameters a file (here: the filler) is about to bring."""
    with torch.device("meta"):
        return build(*args)


def test_the_filler_draws_the_numbers_it_was_recorded_with():
    assert fill.selftest()


# Generator


def make_generator(resolution: int, channel_multiplier: int = 2, latent_avg: Tensor | None = None) -> Generator:
    config = published_generator(resolution, channel_multiplier)
    name = f"generator_{resolution}" + ("_cm1" if channel_multiplier == 1 else "")
    return tools.generator(name, empty(Generator, config), latent_avg)


@pytest.mark.parametrize(
    ("name", "resolution", "multiplier", "batch"),
    [
        ("generator_256", 256, 2, 2),
        ("generator_256_cm1", 256, 1, 1),
        ("generator_512", 512, 2, 1),
        ("generator_1024", 1024, 2, 1),
    ],
)
def test_generator(name, resolution, multiplier, batch):
    data, _ = case(name)
    generator = make_generator(resolution, multiplier)
    w_plus = array(f"{name}.w", (batch, generator.num_ws, 512))
    fill.compare(data, "image", generator.render(generator.to_styles(w_plus)).numpy())


def test_generator_with_explicit_noise():
    data, meta = case("generator_256_noise")
    generator = make_generator(256)
    shapes = meta["inputs"]["noise"]["shapes"]
    noise = [array(f"generator_256_noise.noise.{i}", tuple(shape)) for i, shape in enumerate(shapes)]
    styles = generator.to_styles(array("generator_256_noise.w", (2, 14, 512)))
    fill.compare(data, "image", generator.render(styles, noise=noise).numpy())


@pytest.mark.parametrize("name", ["deltas_256", "deltas_512_all_layers", "deltas_1024", "deltas_eps_256"])
def test_generator_with_weight_offsets(name):
    data, meta = case(name)
    generator = make_generator(meta["size"])
    spec = meta["inputs"]["weights_deltas"]
    drawn = fill.deltas(SALT, spec["name"], spec["batch"], spec["layout"], spec["scale"])
    deltas = {}
    for row, delta in zip(generator.layers, drawn, strict=True):
        if delta is not None:
            deltas[row.name] = torch.from_numpy(delta) - (1 if "subtracted" in spec["fill"] else 0)
    styles = generator.to_styles(array(f"{name}.w", tuple(meta["inputs"]["latents"]["shape"])))
    fill.compare(data, "image", generator.render(styles, deltas).numpy())


def test_mapping_truncation_and_mixing():
    data, meta = case("mapping")
    average = torch.from_numpy(fill.latent_avg(SALT, 1))
    generator = make_generator(256, latent_avg=average)
    z, z2 = array("mapping.z", (4, 512)), array("mapping.z2", (4, 512))
    w = generator.map(z)
    fill.compare(data, "w", w.numpy())
    fill.compare(data, "w_small", generator.map(1e-3 * z).numpy())
    truncated = repeat_w(generator.map(z, truncation_psi=meta["truncation"]), 14)
    fill.compare(data, "latent_trunc_first_and_last_style", truncated[:, [0, -1]].numpy())
    at = meta["inject_index"]
    mixed = torch.cat((repeat_w(w, at), repeat_w(generator.map(z2), 14 - at)), dim=1)
    assert mixed.shape == (4, 14, 512)
    fill.compare(data, "latent_mix_around_the_crossover", mixed[:, [0, at - 1, at, -1]].numpy())
    fill.compare(data, "image_w", generator.render(generator.to_styles(repeat_w(w[:1], 14))).numpy())


# Encoders


@pytest.mark.parametrize(("name", "num_ws"), [("w_encoder", 18), ("w_encoder_cars", 16), ("psp_w", None)])
def test_w_encoder(name, num_ws):
    data, meta = case(name)
    manifest = meta["weights"]["encoder"].split("/")[1].removesuffix(".json")
    tensors = names.from_trunk_network(filled(manifest, "encoder."))
    encoder = ready(empty(WEncoder, PUBLISHED_W_ENCODER), tensors)
    w = encoder(image(f"{name}.x0", *_picture(meta)))
    fill.compare(data, "codes", (w if num_ws is None else repeat_w(w, num_ws)).numpy())


@pytest.mark.parametrize(
    ("name", "kind", "backbone"),
    [
        ("e4e", "e4e", "irse50"),
        ("psp", "psp", "irse50"),
        ("restyle_e4e", "restyle_e4e", "irse50"),
        ("restyle_psp", "restyle_psp", "irse50"),
        ("restyle_e4e_resnet", "restyle_e4e", "resnet34"),
        ("restyle_psp_resnet", "restyle_psp", "resnet34"),
        ("restyle_gradual_resnet", "restyle_psp_pyramid", "resnet34"),
    ],
)
def test_style_encoder(name, kind, backbone):
    data, meta = case(name)
    num_ws = data["codes"].shape[1]
    manifest = meta["weights"]["encoder"].split("/")[1].removesuffix(".json")
    tensors = names.from_style_encoder(filled(manifest, "encoder."), torch.zeros(num_ws, 512))
    encoder = ready(empty(StyleEncoder, published_style_encoder(kind, num_ws, backbone)), tensors)
    batch, height, width = _picture(meta)
    x = torch.cat([image(one, batch, height, width) for one in meta["inputs"]["x"]["names"]], dim=1)
    fill.compare(data, "codes", encoder(x).numpy())


@pytest.mark.parametrize(
    ("manifest", "kind", "num_ws"),
    [
        ("psp_last_layer_wplus_irse50", "psp_whole", 18),
        ("restyle_gradual_irse50_1024", "restyle_psp_pyramid", 18),
        ("e4e_irse50_512", "e4e", 16),
        ("e4e_irse50_256", "e4e", 14),
    ],
)
def test_encoders_without_recorded_numbers_load_strictly(manifest, kind, num_ws):
    shapes = {key: torch.empty(shape, device="meta") for key, (shape, _) in tools.manifest(manifest).items()}
    config = published_style_encoder(kind, num_ws)
    ready(empty(StyleEncoder, config), names.from_style_encoder(shapes, torch.zeros(num_ws, 512)))


# Hypernetworks


@pytest.mark.parametrize(
    ("name", "resolution", "layers", "separable"),
    [
        ("hypernet_1024", 1024, None, False),
        ("hypernet_1024_all_layers", 1024, [], False),
        ("hypernet_1024_separable", 1024, None, True),
        ("hypernet_512_cars", 512, None, False),
        ("hypernet_256_batch", 256, None, False),
    ],
)
def test_hypernetwork(name, resolution, layers, separable):
    data, meta = case(name)
    hypernetwork = make_hypernetwork(meta["weights"]["hypernet"], resolution, layers, separable)
    assert [row.index for row in hypernetwork.tuned] == [i for i in meta["tuned"] if f"delta.{i}.shape" in data]
    batch, height, width = _picture(meta)
    target, reconstruction = (image(one, batch, height, width) for one in meta["inputs"]["x"]["names"])
    codes = hypernetwork.codes(target, reconstruction)
    for row in hypernetwork.tuned:
        delta = hypernetwork.deltas({row.name: codes[row.name]})[row.name]
        full = delta.expand(-1, -1, -1, row.kernel, row.kernel)
        fill.compare(data, f"delta.{row.index}", full.numpy())


def test_published_lists_of_tuned_layers():
    listed = published_hypernetwork(512, layers=[1, 14, 15, 24, 25])
    assert listed.layers == ("to_rgb1", "convs.8", "convs.9")
    assert listed.shared == ()
    assert len(published_hypernetwork(1024).layers) == 17
    assert len(published_hypernetwork(1024, layers=[]).layers) == 26


def test_the_separable_head_keeps_one_code_per_step_and_sums_their_offsets():
    hypernetwork = make_hypernetwork("manifests/hypernet_separable_1024.json", 1024, None, True)
    g = torch.Generator().manual_seed(0)
    steps = [{"convs.15": torch.randn(2, 512, generator=g), "convs.1": torch.randn(2, 512, generator=g)} for _ in "123"]
    total: dict[str, Tensor] = {}
    for codes in steps:
        total = hypernetwork.add_codes(total, codes)
    assert total["convs.15"].shape == (2, 3, 512)
    assert total["convs.1"].shape == (2, 512)
    together = hypernetwork.deltas(total, steps=3)
    for name, delta in together.items():
        summed = sum(hypernetwork.deltas(codes)[name] for codes in steps)
        assert torch.allclose(delta, summed, atol=1e-5 * float(summed.square().mean().sqrt()) + 1e-6)


def make_hypernetwork(manifest: str, resolution: int, layers=None, separable=False) -> Hypernetwork:
    tensors = names.from_hypernetwork(filled(manifest.split("/")[1].removesuffix(".json"), "hypernet."))
    config = published_hypernetwork(resolution, layers, separable)
    return ready(empty(Hypernetwork, config, published_generator(resolution)), tensors)


# The whole inversion


def make_networks(resolution: int, cars: bool = False) -> SimpleNamespace:
    """What an inverter is handed, for a published domain."""
    num_ws = published_generator(resolution).num_ws
    domain = Domain(
        name="golden",
        title="Golden",
        folder=tools.FOLDER,
        resolution=resolution,
        input_size=256,
        crop="whole" if cars else "ffhq",
        visible_rows=(64, 448) if cars else (),
        input_filter="bilinear",
    )
    tensors = names.from_trunk_network(filled("w_encoder_irse50", "encoder."))
    return SimpleNamespace(
        domain=domain,
        generator=make_generator(resolution, latent_avg=torch.from_numpy(fill.latent_avg(SALT, num_ws))),
        w_encoder=ready(empty(WEncoder, PUBLISHED_W_ENCODER), tensors),
        hypernetwork=make_hypernetwork(f"manifests/hypernet_shared_{resolution}.json", resolution),
    )


@pytest.mark.parametrize("name", ["pipeline_256", "pipeline_512_cars", "pipeline_1024"])
def test_the_whole_inversion(name):
    data, meta = case(name)
    networks = make_networks(meta["size"], cars="cars" in name)
    batch, _, height, width = meta["inputs"]["x"]["shape"]
    pictures: list[Tensor] = []
    inverter = METHODS["hyperstyle"](networks, steps=meta["iterations"])
    inversion = inverter.invert(image(f"{name}.x", batch, height, width), lambda _, picture: pictures.append(picture))
    fill.compare(data, "codes_first_style", inversion.w_plus[:, 0].numpy())
    first = torch.nn.functional.adaptive_avg_pool2d(pictures[0], networks.domain.input_hw)
    fill.compare(data, "initial", first.numpy())
    for step, picture in enumerate(pictures[1:]):
        fill.compare(data, f"image.{step}", picture.numpy())
    for row in networks.hypernetwork.tuned:
        # Offsets of the summed codes: what a saved face keeps is exact.
        delta = networks.hypernetwork.deltas({row.name: inversion.codes[row.name]}, steps=inversion.steps)[row.name]
        fill.compare(data, f"delta.{row.index}", delta.expand(-1, -1, -1, row.kernel, row.kernel).numpy())
    if name == "pipeline_1024":
        _check_interfacegan(networks, inversion)
        _check_styleclip(networks, inversion)


def _check_interfacegan(networks, inversion) -> None:
    """Edits of the inversion; the directions are read back from the recorded latents."""
    data, meta = case("interfacegan")
    deltas = networks.hypernetwork.deltas(inversion.codes, steps=inversion.steps)
    for name, factor in meta["edits"]:
        key = f"{name}_{factor}"
        direction = torch.from_numpy(data[f"latent.{key}"][:, :1]) - inversion.w_plus[:, :1]
        assert float((direction / factor).norm()) == pytest.approx(1, abs=1e-4)
        edited = inversion.w_plus + direction
        fill.compare(data, f"latent.{key}", edited[:, [0, 1, 8, 17]].numpy())
        fill.compare(
            data, f"image.{key}", networks.generator.render(networks.generator.to_styles(edited), deltas).numpy()
        )


def _check_styleclip(networks, inversion) -> None:
    data, _ = case("styleclip")
    generator = networks.generator
    deltas = networks.hypernetwork.deltas(inversion.codes, steps=inversion.steps)
    styles = generator.to_styles(inversion.w_plus)
    for row, style in zip(generator.layers, styles, strict=True):
        fill.compare(data, f"s.{row.index}", style.numpy())
    fill.compare(data, "image.source", generator.render(styles, deltas).numpy())


# ReStyle


def test_restyle_loop():
    data, meta = case("restyle_loop_512")
    average = torch.from_numpy(fill.latent_avg(SALT, 16))
    generator = make_generator(512, latent_avg=average)
    tensors = names.from_style_encoder(filled("restyle_e4e_irse50_512", "encoder."), average)
    encoder = ready(empty(StyleEncoder, published_style_encoder("restyle_e4e", 16)), tensors)
    x = image("restyle_loop_512.x", 1, 256, 256)
    networks = SimpleNamespace(
        domain=Domain("golden", "Golden", tools.FOLDER, 512, 256, input_filter="bilinear"),
        generator=generator,
    )
    pictures: list[Tensor] = []
    restyle = ReStyle(networks, encoder, steps=meta["iterations"])
    inversion = restyle.invert(x, lambda _, picture: pictures.append(picture))
    pooled = [torch.nn.functional.adaptive_avg_pool2d(picture, 256) for picture in pictures]
    fill.compare(data, "average", pooled[0].numpy())
    fill.compare(data, "latent", inversion.w_plus.numpy())
    fill.compare(data, "image", pooled[-1].numpy())


# Measures


def test_identity_networks():
    data, _ = case("arcface")
    x = image("arcface.x", 2, 256, 256)
    y = (x + array("arcface.noise", (2, 3, 256, 256), 0.2)).clamp(-1, 1)
    face = image("arcface.face", 2, 112, 112)
    arcface = ready(
        empty(EmbeddingNetwork, PUBLISHED_ARCFACE), names.from_trunk_network(filled("arcface_irse50", "arcface."))
    )
    fill.compare(data, "feat_x", arcface(metrics.face_part(arcface, x)).numpy())
    fill.compare(data, "face", arcface(face).numpy())
    similarity = metrics.identity(arcface, y, x)
    # The second number says how much nearer the result is to the target than the source was; here that is the target.
    improvement = (similarity - metrics.identity(arcface, x, x)).mean()
    fill.compare(data, "id_loss", np.array([float((1 - similarity).mean()), float(improvement)]))
    curricular = ready(
        empty(EmbeddingNetwork, PUBLISHED_CURRICULARFACE),
        names.from_trunk_network(filled("curricularface_ir101", "curricular.")),
    )
    fill.compare(data, "curricular", curricular(face).numpy())


def test_lpips_and_ms_ssim():
    data, _ = case("metrics")
    x = image("metrics.x", 2, 256, 256)
    y = (x + array("metrics.noise", (2, 3, 256, 256), 0.1)).clamp(-1, 1)
    tensors = {key: t.abs() if key.startswith("lin.") else t for key, t in filled("lpips_alex", "lpips.").items()}
    lpips = ready(LPIPS(), names.from_lpips(tensors))
    distance = lpips(x, y)
    fill.compare(data, "lpips", distance.numpy())
    fill.compare(data, "lpips_batch", distance.mean()[None].numpy())
    fill.compare(data, "mse", metrics.l2(x, y).numpy())
    fill.compare(data, "msssim", metrics.published_ms_ssim(x, y).numpy())
    fill.compare(data, "msssim_01", metrics.published_ms_ssim((x + 1) / 2, (y + 1) / 2).numpy())


def _picture(meta) -> tuple[int, int, int]:
    batch, _, height, width = meta["inputs"]["x"]["shape"]
    return batch, height, width
