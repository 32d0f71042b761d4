"""Foreign checkpoints: converted exactly, refused with a sentence when they are something else, never run."""

from __future__ import annotations

import argparse
import math
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden_tools import array, filled, image, manifest
from published_files import (
    complete,
    latent_avg,
    write_components,
    write_direction,
    write_hyperstyle,
    write_w_encoder,
)
from torch import Tensor

from hyperstyle.errors import ForeignWeights, WeightsCorrupt, WeightsMissing
from hyperstyle.models.embedding import PUBLISHED_ARCFACE, PUBLISHED_CURRICULARFACE
from hyperstyle.models.hypernetwork import Hypernetwork, published_hypernetwork
from hyperstyle.models.layer_table import published_generator
from hyperstyle.models.ops import fir_kernel, upfirdn_reference
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.models.w_encoder import PUBLISHED_W_ENCODER, WEncoder
from hyperstyle.weights.convert.directions_file import convert_ganspace, convert_interfacegan
from hyperstyle.weights.convert.encoder_files import convert_style_encoder, convert_w_encoder
from hyperstyle.weights.convert.hyperstyle_file import convert_hyperstyle
from hyperstyle.weights.convert.reading import read_array, read_checkpoint
from hyperstyle.weights.convert.recognition_file import convert_lpips, convert_recognition
from hyperstyle.weights.convert.stylegan2_file import convert_generator
from hyperstyle.weights.convert.unpickling import unpickle
from hyperstyle.weights.files import load_weights, save_weights, strict_load

SIZES = published_generator(256)
HEADS = published_hypernetwork(256)


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = write_hyperstyle(tmp_path_factory.mktemp("files") / "hyperstyle_ffhq.pt", 256)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    return write_w_encoder(tmp_path_factory.mktemp("files") / "faces_w_encoder.pt")


def shapes_only(name: str, prefix: str = "") -> dict[str, Tensor]:
    """A state dict of a published network with no memory behind it; enough to be recognised."""
    return {prefix + key: torch.zeros(()).expand(shape) for key, (shape, _) in manifest(name).items()}


# What fits


def test_a_hyperstyle_checkpoint_gives_the_same_pictures_after_conversion(checkpoint, tmp_path):
    tensors, heads = convert_hyperstyle(checkpoint, SIZES, HEADS)
    direct = Generator(SIZES).eval()
    direct.load_state_dict({**filled("generator_256", "decoder."), "w_avg": latent_avg(14)[0]})
    w_plus = array("convert.w", (1, 14, 512))
    want = direct.render(direct.to_styles(w_plus))
    spread = float(want.std())
    for dtype, limit in ((torch.float32, 1e-6), (torch.float16, 0.02)):
        path = tmp_path / f"{dtype}.safetensors"
        save_weights(path, tensors, {"source": checkpoint.name}, dtype)
        generator = Generator(SIZES).eval()
        read, header = load_weights(path)
        strict_load(generator, read, path)
        assert header["source"] == "hyperstyle_ffhq.pt"
        got = generator.render(generator.to_styles(w_plus))
        assert float((got - want).abs().max()) <= limit * spread
    with torch.device("meta"):
        hypernetwork = Hypernetwork(HEADS, SIZES)
    strict_load(hypernetwork, heads, "x", assign=True)
    x = image("convert.x", 1, 256, 256)
    codes = hypernetwork.eval().codes(x, -x)
    assert set(codes) == set(HEADS.layers)
    assert "shared_weight_hypernet.w2" in heads


def test_a_w_encoder_file_gives_the_same_latents(encoder_file):
    encoder = WEncoder(PUBLISHED_W_ENCODER).eval()
    strict_load(encoder, convert_w_encoder(encoder_file, PUBLISHED_W_ENCODER), encoder_file)
    direct = WEncoder(PUBLISHED_W_ENCODER).eval()
    official = filled("w_encoder_irse50", "encoder.")
    direct.trunk.load_state_dict({k: v for k, v in official.items() if not k.startswith("linear.")})
    direct.linear.load_state_dict(
        {k.removeprefix("linear."): v for k, v in official.items() if k.startswith("linear.")}
    )
    x = image("convert.x", 1, 64, 64)
    assert torch.equal(encoder(x), direct(x))


@pytest.mark.parametrize(
    ("name", "opts", "kind"),
    [
        ("e4e_irse50_256", {"encoder_type": "Encoder4Editing", "stylegan_size": 256}, ("pyramid", "offsets", 3)),
        ("psp_gradual_irse50_1024", {"encoder_type": "GradualStyleEncoder"}, ("pyramid", "rows", 3)),
        ("restyle_psp_resnet34_512", {"encoder_type": "ResNetBackboneEncoder"}, ("last", "rows", 6)),
        ("restyle_e4e_irse50_1024", {"encoder_type": "ProgressiveBackboneEncoder"}, ("last", "offsets", 6)),
        ("restyle_gradual_resnet34_512", {"encoder_type": "ResNetGradualStyleEncoder"}, ("pyramid", "rows", 6)),
    ],
)
def test_encoders_into_w_plus_say_their_own_sizes(tmp_path, name, opts, kind):
    path = tmp_path / "encoder.pt"
    tensors = shapes_only(name, "encoder.")
    num_ws = len({key.split(".")[2] for key in tensors if key.startswith("encoder.styles.")})
    torch.save({"state_dict": tensors, "latent_avg": latent_avg(num_ws), "opts": argparse.Namespace(**opts)}, path)
    config, converted = convert_style_encoder(path)
    assert (config.reads, config.combine, config.trunk.in_channels) == kind
    assert config.num_ws == num_ws
    assert torch.equal(converted["w_avg"], latent_avg(num_ws)[0])


def test_rosinality_generators_say_their_own_sizes(tmp_path):
    path = tmp_path / "stylegan2.pt"
    torch.save({"g_ema": complete("generator_256_cm1", "decoder."), "latent_avg": latent_avg(1)[0]}, path)
    config, tensors = convert_generator(path)
    assert config == published_generator(256, channel_multiplier=1)
    assert torch.equal(tensors["w_avg"], latent_avg(1)[0])


def test_a_generator_without_an_average_gets_one(tmp_path):
    path = tmp_path / "stylegan2.pt"
    torch.save({"g_ema": complete("generator_256_cm1", "decoder.")}, path)
    config, tensors = convert_generator(path)
    generator = Generator(config).eval()
    strict_load(generator, tensors, path)
    w = generator.map(torch.randn(500, 512, generator=torch.Generator().manual_seed(1)))
    assert float((tensors["w_avg"] - w.mean(0)).norm()) < 0.2 * float((w - w.mean(0)).norm(dim=1).mean())


@pytest.mark.parametrize(
    ("name", "config"), [("arcface_irse50", PUBLISHED_ARCFACE), ("curricularface_ir101", PUBLISHED_CURRICULARFACE)]
)
def test_recognition_networks(tmp_path, name, config):
    path = tmp_path / "network.pth"
    torch.save(shapes_only(name), path)
    assert convert_recognition(path, config)
    other = PUBLISHED_CURRICULARFACE if config is PUBLISHED_ARCFACE else PUBLISHED_ARCFACE
    with pytest.raises(ForeignWeights, match="this is"):
        convert_recognition(path, other)


def test_lpips_from_its_two_files(tmp_path):
    official = filled("lpips_alex", "lpips.")
    features = {key.replace("net.layers.", "features."): t for key, t in official.items() if key.startswith("net.")}
    torch.save({**features, "classifier.1.weight": torch.zeros(2)}, tmp_path / "alexnet.pth")
    torch.save({f"lin{i}.model.1.weight": official[f"lin.{i}.1.weight"] for i in range(5)}, tmp_path / "alex.pth")
    tensors = convert_lpips(tmp_path / "alexnet.pth", tmp_path / "alex.pth")
    assert torch.equal(tensors["lin.4.weight"], official["lin.4.1.weight"])
    with pytest.raises(ForeignWeights, match="missing"):
        convert_lpips(tmp_path / "alexnet.pth", tmp_path / "alexnet.pth")


def test_directions(tmp_path):
    age = convert_interfacegan(write_direction(tmp_path / "age.pt"))
    pose = convert_interfacegan(write_direction(tmp_path / "pose.pt", rows=18))
    assert age.shape == pose.shape == (512,)  # equal rows are one vector
    assert float(age.norm()) == pytest.approx(1, abs=1e-5)
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(1, 18, 512)))
    assert convert_interfacegan(tmp_path / "rows.npy").shape == (18, 512)


def test_ganspace_directions_are_one_standard_deviation(tmp_path):
    components = convert_ganspace(write_components(tmp_path / "cars_pca.pt"))
    slider = components.direction(16, 3, 6, 16)
    assert float(slider[3].norm()) == pytest.approx(float(components.std[16]), rel=1e-4)
    assert float(slider[:3].abs().sum() + slider[6:].abs().sum()) == 0


# NVIDIA's pickles


class _Module:
    """Pickles as NVIDIA's persistent modules do: a reconstruct function, and a record with the state."""

    def __init__(self, parameters=None, modules=None, buffers=None):
        self.state = {"_parameters": parameters or {}, "_buffers": buffers or {}, "_modules": modules or {}}

    def __reduce__(self):
        return _reconstruct_persistent_obj, (
            _EasyDict(class_name="Generator", module_src="import os", state=self.state),
        )


def _reconstruct_persistent_obj(meta):
    raise AssertionError("never called: the name is looked up by the reader")


class _EasyDict(dict):
    pass


def write_ada(path, size=16, width=8, w_dim=8):
    """A StyleGAN2-ADA pickle, and its tensors by NVIDIA's names."""
    g = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=g)

    def layer(ins, outs, kernel, resolution):
        parameters = {"weight": draw(outs, ins, kernel, kernel), "bias": draw(outs)}
        affine = _Module({"weight": draw(ins, w_dim), "bias": draw(ins) + 1})
        if kernel == 1:
            return _Module(parameters, {"affine": affine})
        parameters["noise_strength"] = draw() * 0.3
        buffers = {"noise_const": draw(resolution, resolution), "resample_filter": torch.ones(4, 4)}
        return _Module(parameters, {"affine": affine}, buffers)

    mapping = {f"fc{i}": _Module({"weight": draw(w_dim, w_dim) * 100, "bias": draw(w_dim)}) for i in range(2)}
    blocks = {}
    resolution = 4
    while resolution <= size:
        layers = {"conv1": layer(width, width, 3, resolution), "torgb": layer(width, 3, 1, resolution)}
        if resolution > 4:
            layers = {"conv0": layer(width, width, 3, resolution), **layers}
        constants = {"const": draw(width, 4, 4)} if resolution == 4 else {}
        blocks[f"b{resolution}"] = _Module(constants, layers, {"resample_filter": torch.ones(4, 4)})
        resolution *= 2
    root = _Module({}, {"mapping": _Module({}, mapping, {"w_avg": draw(w_dim)}), "synthesis": _Module({}, blocks)})
    with path.open("wb") as file:
        pickler = _Renamed(file)
        pickler.dump({"G": None, "D": None, "G_ema": root, "training_set_kwargs": None})
    return root


class _Renamed(pickle._Pickler):
    """Writes NVIDIA's module names in place of this file's."""

    def save_global(self, obj, name=None):
        places = {
            _reconstruct_persistent_obj: ("torch_utils.persistence", "_reconstruct_persistent_obj"),
            _EasyDict: ("dnnlib.util", "EasyDict"),
        }
        try:
            module, name = places[obj]
        except (KeyError, TypeError):
            return super().save_global(obj, name)
        self.save(module), self.save(name)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)
        return None

    dispatch = {**pickle._Pickler.dispatch, type(write_ada): save_global, type: save_global}  # noqa: RUF012


def draw_as_nvidia(root, z):
    """NVIDIA's generator, written down from its equations: weights per sample, correlation, filters of gain 4."""

    def part(module, name):
        for step in name.split("."):
            module = module.state["_modules"][step]
        return module.state["_parameters"] | module.state["_buffers"]

    def dense(x, p, lr=1.0, activate=False):
        y = x @ (p["weight"] * (lr / math.sqrt(x.shape[1]))).t() + p["bias"] * lr
        return F.leaky_relu(y, 0.2) * math.sqrt(2) if activate else y

    w = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
    for i in range(2):
        w = dense(w, part(root, f"mapping.fc{i}"), 0.01, activate=True)
    kernel, picture = fir_kernel(1.0), None
    x = part(root, "synthesis.b4")["const"][None].repeat(len(z), 1, 1, 1)
    for block in root.state["_modules"]["synthesis"].state["_modules"]:
        for conv in ("conv0", "conv1"):
            if conv not in root.state["_modules"]["synthesis"].state["_modules"][block].state["_modules"]:
                continue
            p = part(root, f"synthesis.{block}.{conv}")
            style = dense(w, part(root, f"synthesis.{block}.{conv}.affine"))
            weight = p["weight"][None] * style[:, None, :, None, None]
            weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
            rows = []
            for one, kernels in zip(x, weight, strict=True):
                if conv == "conv0":
                    # Zeros between the pixels, a true convolution, then the filter with a gain of 4.
                    y = F.conv_transpose2d(one[None], kernels.transpose(0, 1), stride=2)
                    rows.append(upfirdn_reference(y, kernel * 4, padding=(1, 1)))
                else:
                    rows.append(F.conv2d(one[None], kernels, padding=1))
            x = torch.cat(rows) + p["noise_const"] * p["noise_strength"]
            x = F.leaky_relu(x + p["bias"][None, :, None, None], 0.2) * math.sqrt(2)
        p = part(root, f"synthesis.{block}.torgb")
        style = dense(w, part(root, f"synthesis.{block}.torgb.affine")) / math.sqrt(x.shape[1])
        drawn = torch.einsum("boi,bihw->bohw", p["weight"][None, :, :, 0, 0] * style[:, None], x)
        drawn = drawn + p["bias"][None, :, None, None]
        picture = drawn if picture is None else drawn + upfirdn_reference(picture, kernel * 4, up=2, padding=(2, 1))
    return picture


def test_an_ada_pickle_draws_the_same_pictures(tmp_path):
    path = tmp_path / "ada.pkl"
    root = write_ada(path)
    config, tensors = convert_generator(path)
    assert config.resolution == 16
    generator = Generator(config).eval()
    strict_load(generator, tensors, path)
    z = array("ada.z", (2, 8))
    got = generator.render(generator.to_styles(repeat_w(generator.map(z), generator.num_ws)))
    want = draw_as_nvidia(root, z)
    # NVIDIA adds its epsilon to unscaled weights, hence not to the last digit.
    assert float((got - want).abs().max()) < 1e-4 * float(want.std())
    average = root.state["_modules"]["mapping"].state["_buffers"]["w_avg"]
    assert torch.equal(generator.w_avg, average)


def test_other_ada_generators_are_refused(tmp_path):
    root = write_ada(tmp_path / "a.pkl")
    mapping = root.state["_modules"]["mapping"].state["_modules"]
    mapping["embed"] = mapping["fc0"]
    with (tmp_path / "labels.pkl").open("wb") as file:
        _Renamed(file).dump({"G_ema": root})
    with pytest.raises(ForeignWeights, match="conditional"):
        convert_generator(tmp_path / "labels.pkl")
    with (tmp_path / "other.pkl").open("wb") as file:
        pickle.dump({"G": 1}, file)
    with pytest.raises(ForeignWeights, match="G_ema"):
        convert_generator(tmp_path / "other.pkl")


# What does not fit


class Malicious:
    """Would make a folder when opened carelessly."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_pickle_never_runs(tmp_path):
    trap = tmp_path / "it ran"
    with (tmp_path / "S_mean_std").open("wb") as file:
        pickle.dump([Malicious(trap)], file)
    with pytest.raises(ForeignWeights, match=r"posix\.mkdir|nt\.mkdir"):
        unpickle(tmp_path / "S_mean_std")
    torch.save({"state_dict": {"a": torch.zeros(1)}, "opts": Malicious(trap)}, tmp_path / "weights.pt")
    with pytest.raises(ForeignWeights, match="can run code"):
        read_checkpoint(tmp_path / "weights.pt")
    np.save(tmp_path / "fs3.npy", np.array([Malicious(trap)], dtype=object), allow_pickle=True)
    with pytest.raises(WeightsCorrupt, match="not an array of numbers"):
        read_array(tmp_path / "fs3.npy")
    assert not trap.exists()


@pytest.mark.parametrize("name", ["eval", "exec", "getattr", "__import__"])
def test_builtins_that_run_code_are_refused(tmp_path, name):
    (tmp_path / "x").write_bytes(b"cbuiltins\n" + name.encode() + b"\n(S'1'\ntR.")
    with pytest.raises(ForeignWeights, match=name):
        unpickle(tmp_path / "x")


def mixed_up(tmp_path, content):
    path = tmp_path / "file.pt"
    torch.save(content, path)
    return path


def test_each_mix_up_has_its_own_sentence(tmp_path, checkpoint, encoder_file):
    e4e = {
        "state_dict": shapes_only("e4e_irse50_256", "encoder."),
        "latent_avg": latent_avg(14),
        "opts": {"stylegan_size": 256},
    }
    cases = [
        (e4e, r"this is the public e4e encoder; what is needed is HyperStyle's W encoder"),
        (e4e | {"opts": {"encoder_type": "GradualStyleEncoder"}}, "the public pSp encoder"),
        ({"state_dict": shapes_only("restyle_psp_irse50_1024", "encoder.")}, "a ReStyle encoder"),
        ({"g_ema": shapes_only("generator_256")}, "a StyleGAN2 generator"),
        (shapes_only("arcface_irse50"), "the face recognition network IR-SE50"),
        (shapes_only("curricularface_ir101"), "the CurricularFace network"),
        ({"state_dict": {"module.encoder_q.conv1.weight": torch.zeros(1)}}, "a MoCo network"),
        ({"a": torch.zeros(1)}, "something else"),
    ]
    for content, sentence in cases:
        with pytest.raises(ForeignWeights, match=sentence):
            convert_w_encoder(mixed_up(tmp_path, content), PUBLISHED_W_ENCODER)
    with pytest.raises(
        ForeignWeights, match="this is a HyperStyle checkpoint; what is needed is HyperStyle's W encoder"
    ):
        convert_w_encoder(checkpoint, PUBLISHED_W_ENCODER)
    with pytest.raises(ForeignWeights, match="this is a W encoder; what is needed is a HyperStyle checkpoint"):
        convert_hyperstyle(encoder_file, SIZES, HEADS)
    with pytest.raises(ForeignWeights, match="this is a W encoder; what is needed is an e4e, pSp or ReStyle"):
        convert_style_encoder(encoder_file)
    with pytest.raises(ForeignWeights, match="this is a W encoder; what is needed is a StyleGAN2 generator"):
        convert_generator(encoder_file)
    with pytest.raises(ForeignWeights, match="components; what is needed is an InterFaceGAN direction"):
        convert_interfacegan(write_components(tmp_path / "pca.pt"))
    with pytest.raises(ForeignWeights, match="what is needed is GANSpace components"):
        convert_ganspace(write_direction(tmp_path / "age.pt"))


def test_checkpoints_of_other_sizes_name_the_first_difference(tmp_path, encoder_file):
    wider = replace(PUBLISHED_W_ENCODER, w_dim=256)
    with pytest.raises(ForeignWeights, match=r"another shape, first linear\.weight"):
        convert_w_encoder(encoder_file, wider)
    tensors = shapes_only("w_encoder_irse50", "encoder.")
    del tensors["encoder.linear.bias"]
    tensors["encoder.extra"] = torch.zeros(1)
    with pytest.raises(ForeignWeights, match=r"missing, first linear\.bias; 1 is unexpected, first extra"):
        convert_w_encoder(mixed_up(tmp_path, {"state_dict": tensors}), PUBLISHED_W_ENCODER)


def test_a_checkpoint_for_other_layers_or_without_its_average(tmp_path):
    tensors = {"hypernet.conv1.weight": torch.zeros(1), "decoder.conv1.conv.weight": torch.zeros(1)}
    average = latent_avg(14)
    content = {"state_dict": tensors, "latent_avg": average, "opts": {"layers_to_tune": "14,15,99"}}
    with pytest.raises(ForeignWeights, match="trained for 2 tuned layers"):
        convert_hyperstyle(mixed_up(tmp_path, content), SIZES, HEADS)
    with pytest.raises(ForeignWeights, match="latent_avg"):
        convert_hyperstyle(mixed_up(tmp_path, {"state_dict": tensors}), SIZES, HEADS)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", WeightsCorrupt, "empty"),
        (b"<!DOCTYPE html><html>quota</html>", ForeignWeights, "a web page"),
        (b"PK\x03\x04 and then nothing", WeightsCorrupt, "cut short"),
        (b"these are no weights", WeightsCorrupt, "damaged"),
        (b"\x80\x02]q\x00.", WeightsCorrupt, "damaged"),
    ],
)
def test_damaged_files(tmp_path, content, error, message):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(error, match=message):
        convert_w_encoder(tmp_path / "x.pt", PUBLISHED_W_ENCODER)


def test_missing_and_cut_files(tmp_path, encoder_file):
    with pytest.raises(WeightsMissing, match="There is no file"):
        read_checkpoint(tmp_path / "nowhere.pt")
    half = tmp_path / "half.pt"
    half.write_bytes(encoder_file.read_bytes()[:1_000_000])
    with pytest.raises(WeightsCorrupt, match="cut short"):
        convert_w_encoder(half, PUBLISHED_W_ENCODER)
    with pytest.raises(WeightsMissing, match="There is no file"):
        unpickle(tmp_path / "nowhere")
    (tmp_path / "broken").write_bytes(b"\x80\x04\x95")
    with pytest.raises((WeightsCorrupt, ForeignWeights)):
        unpickle(tmp_path / "broken")
