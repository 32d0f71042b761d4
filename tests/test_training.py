"""Every training stage, in order, for a few steps of the 32 px model; and the loop's promises."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hyperstyle.domains import read_domain
from hyperstyle.errors import ForeignWeights, UnknownDomain, UsageError, WeightsCorrupt, WeightsMissing
from hyperstyle.models.ops import upsample_picture
from hyperstyle.models.style_encoders import StyleEncoder
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.synthetic.parameters import PARAMETERS, from_z, mirror, sample_parameters, to_z
from hyperstyle.training.augment import textured
from hyperstyle.training.config import SMOKE
from hyperstyle.training.data import Pictures
from hyperstyle.training.generator import balanced, phase_at
from hyperstyle.training.growing import grow
from hyperstyle.training.latent_discriminator import LatentGame
from hyperstyle.training.loop import fit, keep_frozen, learning_rate_at
from hyperstyle.training.picture_discriminator import PictureGame
from hyperstyle.training.schedule import LoopConfig, scheduled
from hyperstyle.training.stage_names import ABLATIONS, BASELINES
from hyperstyle.training.stages import STAGES, run_stage, write_domain
from hyperstyle.training.style_encoders import StyleEncoderTask
from hyperstyle.weights.files import load_weights, save_weights
from hyperstyle.weights.fine_tuned import load_style
from hyperstyle.weights.load import (
    build_baseline,
    builder,
    load_models,
    loader,
)


def test_every_stage_runs_and_makes_a_domain(tmp_path: Path) -> None:
    """The run folder ends as a complete domain: all networks load, every part has a card."""
    for stage in STAGES:
        run_stage(stage, "portraits", smoke=True, out=tmp_path, device="cpu", name="line" if stage == "style" else None)
    domain = read_domain(tmp_path)
    models = load_models(domain, torch.device("cpu"))
    assert models.generator.config.resolution == 32
    assert float(models.generator.w_avg.abs().sum()) > 0
    for part in (
        "generator",
        "w_encoder",
        "hypernetwork",
        "identity",
        "attributes",
        "text",
        "judge",
        *BASELINES,
        *ABLATIONS,
        "styles/line",
    ):
        card = json.loads(domain.path(part).with_suffix(".card.json").read_text())
        assert card["command"].startswith("python -m hyperstyle train ")
        assert card["metrics"]
    assert (domain.directions / "manifest.json").exists()
    # A finished stage that is started again has nothing left to train and keeps its weights.
    before, _ = load_weights(domain.path("generator"))
    run_stage("generator", "portraits", smoke=True, out=tmp_path, device="cpu")
    after, _ = load_weights(domain.path("generator"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    # Weights without a checkpoint are trained further, not thrown away.
    (tmp_path / "stages" / "generator" / "checkpoint.pt").unlink()
    run_stage("generator", "portraits", smoke=True, out=tmp_path, device="cpu", steps=1, seed=5)
    further, _ = load_weights(domain.path("generator"))
    moved = torch.cat([(further[name] - before[name]).flatten() for name in before if "conv.weight" in name])
    assert 0 < float(moved.abs().max()) < 0.1
    # Its mapping network stays as it is, and with it every latent that other networks have learnt.
    assert all(torch.equal(further[name], before[name]) for name in before if name.startswith("style."))


def test_a_style_keeps_latents_and_draws_without_mirroring(tmp_path: Path) -> None:
    """The copy keeps the mapping network and coarse convolutions; the rest learns pictures that are not mirrored."""
    for stage in ("attributes", "generator"):
        run_stage(stage, "portraits", smoke=True, out=tmp_path, device="cpu")
    run_stage("style", "portraits", smoke=True, out=tmp_path, device="cpu", name="clay")
    domain = read_domain(tmp_path)
    assert domain.styles == ["clay"]
    before, _ = load_weights(domain.path("generator"))
    after, header = load_weights(domain.path("styles/clay"))
    assert header["domain"] == "smoke"
    assert json.loads(header["card"])["command"].startswith("python -m hyperstyle train style --name clay")
    same = {name for name in before if torch.equal(before[name], after[name])}
    kept = {name for name in before if name.startswith(("style.", "conv1.", "input.", "noises.")) or name == "w_avg"}
    assert same == kept
    load_style("clay", domain)
    folder = tmp_path / "data" / "styles" / "clay"
    assert [path.name for path in folder.glob("*.npz")] == ["in_domain_0000.npz"]
    pictures = Pictures(folder, "in_domain", mirrored=False)
    plain = Pictures(tmp_path / "data", "in_domain")
    shown, parameters = pictures.random(32, torch.Generator().manual_seed(0))
    rows = [int((pictures.parameters["yaw"] - yaw).abs().argmin()) for yaw in parameters["yaw"]]
    assert torch.equal(shown, pictures.batch(torch.tensor(rows), torch.zeros(32, dtype=torch.bool))[0])
    # The same people in the same order as the plain training pictures.
    count = len(pictures)
    assert all(torch.equal(plain.parameters[q.name][:count], pictures.parameters[q.name]) for q in PARAMETERS)
    # Stopped and called again, it goes on and keeps what it has.
    run_stage("style", "portraits", smoke=True, out=tmp_path, device="cpu", name="clay")
    again, _ = load_weights(domain.path("styles/clay"))
    assert all(torch.equal(after[name], again[name]) for name in after)


@pytest.mark.parametrize(
    ("stage", "name", "part"),
    [
        ("style", None, r"choose from: line, clay\.$"),
        ("style", "lime", "did you mean 'line'"),
        ("data", "line", "no --name"),
    ],
)
def test_style_names_are_checked(tmp_path: Path, stage: str, name: str | None, part: str) -> None:
    """Before anything is drawn or written."""
    with pytest.raises(UsageError, match=part):
        run_stage(stage, "portraits", smoke=True, out=tmp_path / "run", name=name)
    assert not (tmp_path / "run").exists()


def test_stages_say_what_is_missing(tmp_path: Path) -> None:
    """A stage without its predecessors names the one to run; an unknown domain names the known ones."""
    run_stage("data", "portraits", smoke=True, out=tmp_path, device="cpu")
    with pytest.raises(WeightsMissing, match="train generator"):
        run_stage("encoder", "portraits", smoke=True, out=tmp_path, device="cpu")
    with pytest.raises(UnknownDomain, match="portraits"):
        run_stage("data", "nowhere", out=tmp_path)


class Line:
    """Fit y = 3 x: a task whose answer is known."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error on random points."""
        x = torch.randn(8, 1, generator=generator)
        loss = (self.module(x) - 3 * x).square().mean()
        return loss, {"loss": float(loss.detach())}

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Error at one point."""
        return {"error": abs(float(module(torch.ones(1, 1))) - 3)}

    def samples(self, module: nn.Module) -> Tensor | None:
        """None to show."""
        return None


class Interrupted(Exception):
    """Stands for a stopped machine."""


class StopsAt(Line):
    """Fails when asked for its n-th batch."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Count down, then fail."""
        self.left -= 1
        if self.left < 0:
            raise Interrupted
        return super().loss(progress, generator)


def quiet(share: float, text: str) -> None:
    """Report nothing."""


def test_resuming_gives_the_same_result_as_never_stopping(tmp_path: Path) -> None:
    """Interrupted at step 37 and resumed, the weights equal those of an undisturbed run, bit for bit."""
    config = LoopConfig(steps=60, learning_rate=0.05, warmup_steps=5, ema=0.9, checkpoint_s=0.0)
    whole, facts = fit(Line(), config, tmp_path / "whole", torch.device("cpu"), quiet)
    with pytest.raises(Interrupted):
        fit(StopsAt(37), config, tmp_path / "parts", torch.device("cpu"), quiet)
    resumed, again = fit(Line(), config, tmp_path / "parts", torch.device("cpu"), quiet)
    assert facts["steps"] == again["steps"] == 60
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


class Counts:
    """What a task trains beside its network; here it only counts."""

    def __init__(self) -> None:
        self.calls = 0

    def state_dict(self) -> dict[str, int]:
        """The count."""
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a count."""
        self.calls = state["calls"]


def test_companions_are_in_the_checkpoint(tmp_path: Path) -> None:
    """What is trained beside the network goes on where it stopped, too."""

    class WithCompanion(StopsAt):
        def __init__(self, at: int) -> None:
            super().__init__(at)
            self.companions = {"counts": Counts()}

        def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
            result = super().loss(progress, generator)
            self.companions["counts"].calls += 1
            return result

    config = LoopConfig(steps=20, warmup_steps=5, checkpoint_s=0.0)
    with pytest.raises(Interrupted):
        fit(WithCompanion(7), config, tmp_path, torch.device("cpu"), quiet)
    again = WithCompanion(100)
    fit(again, config, tmp_path, torch.device("cpu"), quiet)
    assert again.companions["counts"].calls == 20


def test_latent_discriminator_learns_and_punishes_strangers(tmp_path: Path) -> None:
    """After some rounds, latents of the mapping network cost an encoder less than others; the state survives."""
    torch.manual_seed(0)
    generator = Generator(SMOKE.generator)
    z = to_z(sample_parameters(64, 0))
    with torch.no_grad():
        real = generator.map(z)
        generator.w_avg.copy_(real.mean(0))
        spread = real.std(0).clamp(min=1e-3)
    game = LatentGame(generator, spread)
    strange = (generator.w_avg + 3 * spread)[None, None].expand(64, 4, -1)
    first = game.learn(strange, z)
    for _ in range(60):
        last = game.learn(strange, z)
    assert last < first
    with torch.no_grad():
        assert float(game.judge(strange)) > float(game.judge(real[:, None])) + 0.5
    other = LatentGame(generator, spread)
    other.load_state_dict(game.state_dict())
    with torch.no_grad():
        assert torch.equal(other.judge(strange), game.judge(strange))
    assert other.calls == 61
    # Judging must leave the discriminator's own weights without gradients, but reach the latents.
    moving = strange.clone().requires_grad_(True)
    game.judge(moving).backward()
    assert moving.grad is not None
    assert float(moving.grad.abs().sum()) > 0
    assert all(parameter.grad is None or not parameter.requires_grad for parameter in game.discriminator.parameters())


def test_rows_are_unlocked_from_coarse_to_fine(tmp_path: Path) -> None:
    """e4e's schedule: all rows like the first at the start, free ones from the coarse end, all free in the end."""
    for stage in ("data", "attributes", "identity", "generator", "encoder", "e4e"):
        run_stage(stage, "portraits", smoke=True, out=tmp_path, device="cpu")
    domain = read_domain(tmp_path)
    tensors, _ = load_weights(domain.path("e4e"))
    generator_tensors, _ = load_weights(domain.path("generator"))
    assert torch.equal(tensors["w_avg"], generator_tensors["w_avg"])
    held_out = Pictures(tmp_path / "data" / "held_out", "beyond")
    load = loader(domain, torch.device("cpu"))
    task = StyleEncoderTask(
        build_baseline(domain, "e4e"),
        load("generator"),
        load("identity"),
        load("attributes"),
        SMOKE.baselines["e4e"].training,
        held_out,
        held_out,
        held_out,
    )
    rows = torch.randn(2, 8, 16)

    def free(progress: float) -> int:
        given = task._unlocked(rows, progress)
        return int((given != rows[:, :1]).any(2).all(0).sum())

    assert [free(progress) for progress in (0.0, 0.2, 0.4, 0.6, 1.0)] == [0, 0, 3, 7, 7]
    assert torch.equal(task._unlocked(rows, 1.0), rows)


def test_training_learns(tmp_path: Path) -> None:
    """The loop brings a known answer within reach."""
    config = LoopConfig(steps=300, learning_rate=0.05, warmup_steps=5, ema=0.9)
    _, facts = fit(Line(), config, tmp_path, torch.device("cpu"), quiet)
    assert facts["metrics"]["error"] < 0.05  # type: ignore[index]


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    """A cut checkpoint gives a sentence with the way out."""
    (tmp_path / "checkpoint.pt").write_bytes(b"cut")
    with pytest.raises(WeightsCorrupt, match="--no-resume"):
        fit(Line(), LoopConfig(steps=2), tmp_path, torch.device("cpu"), quiet)


def test_schedule() -> None:
    """Warm-up, plateau, decay; phases in order; one limit on the command line lifts the other."""
    config = LoopConfig(steps=100, learning_rate=1.0, warmup_steps=10, decay_from=0.5)
    assert learning_rate_at(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate_at(config, 30, 0.3) == 1.0
    assert learning_rate_at(config, 99, 1.0) == pytest.approx(0.02)
    phases = ((16, 0.2), (32, 1.0))
    assert [phase_at(phases, p) for p in (0.0, 0.19, 0.2, 1.0)] == [16, 16, 32, 32]
    assert scheduled(LoopConfig(steps=5, minutes=3), 7, None, 1).minutes == 0
    assert scheduled(LoopConfig(steps=5, minutes=3), None, 2, 1).steps > 10**6


def test_textured_pictures_stay_pictures() -> None:
    """Share 0 changes nothing; otherwise every value stays in range, repeatably, and most pictures change."""
    x = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert torch.allclose(textured(x, torch.Generator().manual_seed(2), share=0.0), x, atol=1e-5)
    changed = textured(x, torch.Generator().manual_seed(2), share=0.5)
    assert torch.equal(changed, textured(x, torch.Generator().manual_seed(2), share=0.5))
    assert float(changed.abs().max()) <= 1
    assert ((changed - x).abs().amax((1, 2, 3)) > 0.02).sum() > 8


def test_z_round_trip() -> None:
    """Parameters survive the way to z and back; mirroring twice changes nothing."""
    p = sample_parameters(200, 3)
    z = to_z(p)
    assert z.shape == (200, len(PARAMETERS))
    back = from_z(z)
    for q in PARAMETERS:
        if q.unit == "degrees" and q.name.endswith("hue"):
            visible = p[q.name.replace("hue", "saturation")] > 0.05
            turn = (back[q.name] - p[q.name] + 180) % 360 - 180
            assert float(turn[visible].abs().max()) < 0.1
        else:
            assert torch.allclose(back[q.name], p[q.name], atol=1e-3 * (q.high - q.low))
    twice = mirror(mirror(p))
    assert all(torch.equal(twice[name], p[name]) for name in p)


def test_weights_grow_into_a_larger_network(tmp_path: Path) -> None:
    """What a smaller network knew stays: the generator's picture is the smaller one's, enlarged."""
    torch.manual_seed(0)
    sizes = SMOKE.generator
    small = Generator(replace(sizes, resolution=16)).eval()
    large = Generator(sizes).eval()
    new = grow(large, small.state_dict(), "small.safetensors")
    assert "to_rgbs.2.conv.weight" in new
    assert not any(name.startswith("style.") for name in new)
    w = small.map(torch.randn(2, sizes.z_dim))
    before = small.render(small.to_styles(repeat_w(w, small.num_ws)))
    after = large.render(large.to_styles(repeat_w(w, large.num_ws)))
    assert torch.allclose(after, upsample_picture(before), atol=1e-5)
    # An encoder's new rows start as its last known one.
    row = replace(SMOKE.baselines["psp"].sizes, num_ws=10)
    shorter, longer = StyleEncoder(replace(row, num_ws=8)).eval(), StyleEncoder(row).eval()
    grow(longer, shorter.state_dict(), "small.safetensors")
    rows = longer(torch.randn(1, 3, row.input_size, row.input_size))
    assert torch.equal(rows[:, -1], rows[:, -3])
    # A file of something else is no smaller network.
    with pytest.raises(ForeignWeights, match="missing"):
        grow(Generator(sizes), {"w_avg": torch.zeros(sizes.w_dim)}, "other.safetensors")


def write_inverting_networks(folder: Path) -> None:
    """Put what a generator is polished with into a run folder."""
    write_domain(folder, "smoke", SMOKE)
    domain = read_domain(folder)
    for part in ("w_encoder", "hypernetwork", "identity"):
        save_weights(domain.path(part), builder(domain)(part).state_dict(), {})


@pytest.mark.parametrize("with_hypernetwork", [False, True])
def test_a_grown_generator_learns_only_its_new_block(tmp_path: Path, with_hypernetwork: bool) -> None:
    """What was trained with the smaller one stays valid: its weights, and so its pictures, are the same afterwards."""
    torch.manual_seed(0)
    if with_hypernetwork:  # what it makes of pictures is then trained on too
        write_inverting_networks(tmp_path)
    small = Generator(replace(SMOKE.generator, resolution=16)).eval()
    save_weights(tmp_path / "generator.safetensors", small.state_dict(), {"domain": "smoke"})
    before, _ = load_weights(tmp_path / "generator.safetensors")  # rounded, as files are
    run_stage("generator", "portraits", smoke=True, out=tmp_path, device="cpu")
    after, _ = load_weights(tmp_path / "generator.safetensors")
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert bool(after["to_rgbs.2.conv.weight"].any())
    assert len(after) > len(before)
    # Called again, a finished stage changes nothing, and knows that only the new block was trained.
    run_stage("generator", "portraits", smoke=True, out=tmp_path, device="cpu")
    again, _ = load_weights(tmp_path / "generator.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in after.items())


def test_a_polished_generator_keeps_its_styles(tmp_path: Path) -> None:
    """Directions, relevance and edits by text are about styles: fitting convolutions to offsets must not move those."""
    torch.manual_seed(0)
    write_inverting_networks(tmp_path)
    generator = Generator(SMOKE.generator).eval()
    save_weights(tmp_path / "generator.safetensors", generator.state_dict(), {"domain": "smoke"})
    before, _ = load_weights(tmp_path / "generator.safetensors")
    run_stage("generator", "portraits", smoke=True, out=tmp_path, device="cpu")
    after, _ = load_weights(tmp_path / "generator.safetensors")
    moved = {name for name, tensor in before.items() if not torch.equal(after[name], tensor)}
    assert any(name.endswith(".conv.weight") for name in moved)
    assert not any(name.startswith("style.") or ".modulation." in name for name in moved)
    assert "w_avg" not in moved


def test_frozen_parts_keep_their_statistics() -> None:
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), nn.BatchNorm2d(4))
    network[0].requires_grad_(False)
    network.train()
    keep_frozen(network)
    assert not network[0][1].training
    assert network[1].training


def test_discriminator_learns_to_see_blur(tmp_path: Path) -> None:
    """It tells soft pictures from sharp ones, says which way is sharper, and goes on from a checkpoint."""
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    game = PictureGame(torch.device("cpu"))

    def pair() -> tuple[Tensor, Tensor]:
        sharp = (torch.rand(4, 3, 32, 32, generator=random) * 2 - 1) * 0.3
        return nn.functional.avg_pool2d(sharp, 3, 1, 1), sharp

    lost = [game.play(*pair(), random)[1] for _ in range(40)]
    assert sum(lost[-5:]) < 0.6 * sum(lost[:5])
    soft, sharp = pair()
    assert float(game.verdict(sharp)) < float(game.verdict(soft))
    soft.requires_grad_(True)
    (slope,) = torch.autograd.grad(game.verdict(soft), soft)
    with torch.no_grad():
        assert float(game.verdict(soft - 0.1 * slope / slope.abs().max())) < float(game.verdict(soft))
    other = PictureGame(torch.device("cpu"))
    other.load_state_dict(game.state_dict())
    assert torch.equal(other.verdict(sharp), game.verdict(sharp))


def test_a_second_loss_pulls_with_its_share(tmp_path: Path) -> None:
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    y = x * 1.0
    (pull,) = torch.autograd.grad(balanced(y, y.square().sum(), 1000 * y.sum(), 0.5), y)
    expected = 2 * y + 0.5 * (2 * y).norm() * torch.ones_like(y) / torch.ones_like(y).norm()
    assert torch.allclose(pull, expected, rtol=1e-4)
