"""The report: what is tried beside the methods, which goals are reached, and the ablation."""

from __future__ import annotations

import pytest
import torch

from hyperstyle import metrics
from hyperstyle.evaluation import ablations, report
from hyperstyle.evaluation.comparison import Comparison, Curve, MethodResult
from hyperstyle.inversion.idinvert import IDInvertConfig
from hyperstyle.inversion.optimisation import Optimisation, OptimisationConfig
from hyperstyle.inversion.pti import PTIConfig
from hyperstyle.pipeline import load

COUNT = 20
UNITS = {"yaw": "degrees", "smile": "fraction", "age": "years"}


def result(identity: float, seconds: float, after_edit: float, spread: float = 0.0) -> MethodResult:
    """A method of known quality."""
    noise = torch.linspace(-spread, spread, COUNT)
    rising = torch.tensor([[-1.0, 1.0, 2.0]]).expand(COUNT, -1)
    curve = Curve([-1.0, 1.0, 2.0], rising, torch.full((COUNT, 3), after_edit), torch.zeros(COUNT, 3))
    quality = {"identity": identity + noise, "ms_ssim": identity + noise}
    quality |= {"lpips": 1 - identity + noise, "l2": 1 - identity + noise}
    return MethodResult("label", quality, torch.full((COUNT,), seconds), curves={"smile": curve})


def comparison(**methods: MethodResult) -> Comparison:
    named = {name.replace("_", "-").replace("plus", "+"): one for name, one in methods.items()}
    return Comparison("tiny", "beyond", COUNT, 0, "cpu", {}, "features", "a judge", 3, named, units=UNITS)


def goals_of(quick: Comparison, slow: Comparison) -> list[list[str]]:
    page, _ = report.goals(report.Report({}, quick, slow))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()[2:]]


def test_goals_say_what_is_reached_and_by_how_much():
    ours = result(0.9, 0.1, 0.85)
    quick = comparison(hyperstyle=ours, psp=result(0.7, 0.1, 0.6), e4e=result(0.6, 0.1, 0.9))
    slow = comparison(hyperstyle=ours, pti=result(0.95, 20.0, 0.9), wplus=result(0.8, 20.0, 0.8))
    rows = goals_of(quick, slow)
    assert rows[0][1:] == ["yes", "all apart"]
    assert rows[1][1:] == ["yes", "5.3% below"]
    assert rows[2][1:] == ["yes", "1/200"]
    assert rows[3][1:] == ["no", "-0.050 [-0.050, -0.050]"]
    assert rows[4][1:] == ["yes", "0.050 [0.050, 0.050]"]


def test_goals_name_what_is_missed():
    ours = result(0.9, 1.0, 0.85, spread=0.3)
    quick = comparison(hyperstyle=ours, psp=result(0.88, 0.1, 0.6, spread=0.3), e4e=result(0.95, 0.1, 0.6))
    slow = comparison(hyperstyle=ours, pti=result(1.2, 20.0, 0.9))
    rows = goals_of(quick, slow)
    assert rows[0][1] == "no"
    assert "identity of label (overlap)" in rows[0][2]
    assert "(better)" not in rows[0][2].split(",")[0]
    assert rows[1][1:] == ["no", "25.0% below"]
    assert rows[2][1:] == ["no", "1/20"]


def test_everything_is_measured_and_written(drawn_folder, monkeypatch):
    pipeline = load(drawn_folder, "cpu")
    short = OptimisationConfig(steps=2, samples=20)
    monkeypatch.setattr(report, "LONG", short)
    pivot = Optimisation(pipeline.models, "w", short)
    options = {"w": {"config": short}, "w+": {"config": short}, "idinvert": {"config": IDInvertConfig(steps=1)}}
    options["pti"] = {"config": PTIConfig(steps=1), "pivot": pivot}
    options["hyperstyle+pti"] = {"config": PTIConfig(steps=1)}
    told: list[str] = []
    found = report.report(pipeline, n=2, slow_n=1, faces=0, on_part=told.append, options=options)
    assert len(told) == report.parts(faces=0, slow_n=1)
    assert set(found.comparisons) == {"quick", "slow", "tried", "ablations"}
    assert found.tried is not None
    assert set(found.tried.methods) == {"hyperstyle", "w+", "more-steps", "polish", "longer"}
    page = report.to_markdown(found, "the command", {"slow": ["results/slow.png"]})
    for words in (
        "the command",
        "## Goals",
        "## Tried",
        "## Ablation",
        "All of this took",
        "![results/slow.png]",
        "HyperStyle, 10 steps",
    ):
        assert words in page


def test_ablated_hypernetworks_draw_differently(drawn_folder):
    pipeline = load(drawn_folder, "cpu")
    ready = ablations.contenders(pipeline)
    assert set(ready) == set(ablations.LABELS)
    face = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pictures = {name: one.pipeline.draw(one.inverter.invert(face)) for name, one in ready.items()}
    reference = pictures.pop(ablations.REFERENCE)
    assert all(not torch.allclose(reference, picture) for picture in pictures.values())
    tuned = {row.name for row in ready["ablation-to-rgb"].pipeline.models.hypernetwork.tuned if row.is_to_rgb}
    assert tuned
    found = ablations.compare_ablations(pipeline, n=2)
    assert found is not None
    assert "| with toRGB |" in "\n".join(ablations.sections(found))


def test_frechet_distance_of_normals():
    """Between two normal distributions it is known; sets of one distribution are close."""
    random = torch.Generator().manual_seed(0)
    a = torch.randn(4000, 3, generator=random)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    # Means 2 apart in one axis, deviations 1 and 3 in another: 4 + (3 - 1)^2.
    b = torch.randn(4000, 3, generator=random) * torch.tensor([1.0, 3.0, 1.0]) + torch.tensor([2.0, 0.0, 0.0])
    assert metrics.frechet_distance(a, b) == pytest.approx(8, rel=0.05)


@pytest.mark.parametrize(("n", "m"), [(5, 9), (9, 5), (4, 30), (30, 30)])
def test_frechet_distance_of_few_pictures(n, m):
    """Fewer pictures than features take another way, to what the definition says."""
    random = torch.Generator().manual_seed(0)
    a, b = torch.randn(n, 8, generator=random).double(), 2 * torch.randn(m, 8, generator=random).double() + 1
    cov_a, cov_b = a.t().cov(), b.t().cov()
    roots = torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()
    expected = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * roots
    assert metrics.frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-4)
