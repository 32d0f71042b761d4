"""Inversion methods side by side: what is measured, that editability is read at achieved change, and the command."""

from __future__ import annotations

import csv
import shutil

import pytest
import torch
from demo_tools import astronaut
from PIL import Image

from hyperstyle import metrics
from hyperstyle.cli import main
from hyperstyle.errors import UsageError
from hyperstyle.evaluation import comparison
from hyperstyle.evaluation.comparison import Curve, MethodResult, compare, identity_at, matched_change
from hyperstyle.evaluation.comparison_page import SUMMARY, summary_rows, to_markdown
from hyperstyle.evaluation.paper import orderings, reasons, reported_table
from hyperstyle.inversion import METHODS, EncoderOnly, Method, Optimisation
from hyperstyle.inversion.idinvert import IDInvertConfig
from hyperstyle.inversion.optimisation import OptimisationConfig
from hyperstyle.inversion.pti import PTIConfig
from hyperstyle.pipeline import load

QUICK = OptimisationConfig(steps=3, samples=20)
TUNED = PTIConfig(steps=2)


def test_every_method_runs(drawn_folder, monkeypatch):
    monkeypatch.setattr(comparison, "CYCLED_EDITS", ("smile",))
    pipeline = load(drawn_folder, "cpu")
    quick_pivot = {"config": TUNED, "pivot": Optimisation(pipeline.models, "w", QUICK)}
    options = {"w": {"config": QUICK}, "w+": {"config": QUICK}, "pti": quick_pivot, "hyperstyle+pti": {"config": TUNED}}
    options["idinvert"] = {"config": IDInvertConfig(steps=2)}
    assert pipeline.methods == list(METHODS)
    seen = []
    found = compare(
        pipeline, pipeline.methods, n=2, options=options, on_face=lambda name, number: seen.append((name, number))
    )
    assert seen == [(name, number) for name in pipeline.methods for number in (1, 2)]
    rows = summary_rows(found)
    assert [row["method"] for row in rows] == pipeline.methods
    assert tuple(rows[0])[: len(SUMMARY)] == SUMMARY
    for row in rows:
        assert row["l2_low"] <= row["l2"] <= row["l2_high"]
        assert row["seconds"] > 0
        assert row["peak_mb"] > 10
    result = found.methods["hyperstyle"]
    assert set(result.curves) == {"smile", "age"}
    assert result.curves["smile"].change.shape == (2, 8)
    assert result.cycle["smile"].shape == result.consistency["smile"].shape == (2,)
    assert set(found.reader_error) == {"smile", "age"}
    assert found.frechet("hyperstyle") is None  # of two faces
    page = to_markdown(found, "the command")
    assert "the command" in page
    assert "| HyperStyle, tuned |" in page
    assert "age by" in page


def test_hyperstyle_is_measured_as_the_pipeline_measures_it(drawn_folder):
    pipeline = load(drawn_folder, "cpu")
    found = compare(pipeline, ["hyperstyle"], "in-domain", n=1, targets=[torch.zeros(1, 3, 32, 32)])
    assert len(found.steps) == 11
    trained = found.steps[pipeline.domain.refinement_steps]
    for metric, values in found.methods["hyperstyle"].quality.items():
        assert torch.allclose(trained[metric], values, rtol=1e-4), metric
    assert "HyperStyle, step by step" in to_markdown(found, "the command")
    picture = pipeline.draw(pipeline.invert(torch.zeros(1, 3, 32, 32)))
    expected = pipeline.measure(torch.zeros(1, 3, 32, 32), picture)
    assert found.split == "photos"
    assert float(found.methods["hyperstyle"].quality["l2"]) == pytest.approx(expected["l2"], rel=1e-5)
    assert float(found.methods["hyperstyle"].quality["lpips"]) == pytest.approx(expected["perceptual"], rel=1e-5)


def test_identity_is_the_judges_where_there_is_one(drawn_folder, tmp_path):
    face = [torch.rand(1, 3, 32, 32) * 2 - 1]
    pipeline = load(drawn_folder, "cpu")
    drawn = pipeline.draw(pipeline.invert(face[0])).clamp(-1, 1)
    found = compare(pipeline, ["hyperstyle"], targets=face)
    judge = pipeline.judge
    assert judge is not pipeline.models.identity
    assert torch.allclose(found.methods["hyperstyle"].quality["identity"], metrics.identity(judge, face[0], drawn))
    assert "trained from nothing" in to_markdown(found, "the command")
    shutil.copytree(drawn_folder, tmp_path / "domain")
    shutil.rmtree(tmp_path / "domain" / "comparison")
    without = load(tmp_path / "domain", "cpu")
    assert without.judge is without.models.identity
    assert without.methods == [name for name, row in METHODS.items() if not row.needs]
    found = compare(without, ["hyperstyle"], targets=face)
    known = metrics.identity(without.models.identity, face[0], drawn)
    assert torch.allclose(found.methods["hyperstyle"].quality["identity"], known, atol=1e-5)
    assert "the domain's identity network" in to_markdown(found, "the command")


def test_identity_is_read_where_the_change_is_achieved():
    strengths = [-1.0, 1.0, 2.0]
    change = torch.tensor([[-1.0, 1.0, 2.0], [-5.0, 5.0, 10.0], [0.0, 0.1, 0.2]])
    identity = torch.tensor([[0.0, 0.9, 0.5], [0.0, 0.8, 0.1], [0.0, 0.95, 0.9]])
    curve = Curve(strengths, change, identity, torch.zeros(3, 3))
    # Between two strengths; before the first one; and a face that never gets there, at its strongest.
    assert identity_at(curve, 1.5).tolist() == pytest.approx([0.7, 0.8, 0.9])


def test_methods_are_compared_at_a_change_that_all_achieve():
    def result(largest: float) -> MethodResult:
        change = torch.tensor([[-9.0, largest / 2, largest]])
        return MethodResult(curves={"age": Curve([-1.0, 1.0, 2.0], change, change, change)})

    assert matched_change({"weak": result(4.0), "strong": result(20.0)}, "age") == 4.0


def test_a_new_method_is_one_row(drawn_folder, monkeypatch, tmp_path, capsys):
    row = Method(EncoderOnly, "Dummy", "One row.", "nowhere")
    monkeypatch.setitem(METHODS, "dummy", row)
    pipeline = load(drawn_folder, "cpu")
    assert "dummy" in pipeline.methods
    found = compare(pipeline, ["encoder", "dummy"], n=1)
    assert torch.equal(found.methods["dummy"].quality["l2"], found.methods["encoder"].quality["l2"])
    with pytest.raises(UsageError, match="did you mean 'dummy'"):
        compare(pipeline, ["dumy"], n=1)
    monkeypatch.setitem(METHODS, "needy", Method(EncoderOnly, "Needy", "One row.", "nowhere", needs="missing"))
    with pytest.raises(UsageError, match="no inversion method 'needy' for 'tiny'"):
        pipeline.inverter("needy")
    astronaut().save(tmp_path / "photo.png")
    face = tmp_path / "face.safetensors"
    options = ["--domain", str(drawn_folder), "--method", "dummy"]
    assert main(["invert", str(tmp_path / "photo.png"), "-o", str(face), *options]) == 0
    assert main(["invert", str(tmp_path / "photo.png"), "-o", str(face), *options, "--steps", "2"]) == 2
    assert "no refinement steps" in capsys.readouterr().err


def test_the_command_writes_tables_and_figures(drawn_folder, tmp_path, capsys):
    out = tmp_path / "comparison"
    words = ["evaluate", "--domain", str(drawn_folder), "--methods", "encoder, hyperstyle", "--n", "2"]
    assert main([*words, "--split", "in-domain", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    with (out / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (out / "summary.csv").read_text().startswith(",".join(SUMMARY))
    assert [(row["method"], row["split"], row["n"]) for row in rows] == [
        ("encoder", "in-domain", "2"),
        ("hyperstyle", "in-domain", "2"),
    ]
    assert all("--methods encoder,hyperstyle --split in-domain --n 2 --seed 0" in row["command"] for row in rows)
    with (out / "editability.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 * 8
    for name in ("editability.png", "tradeoff.png"):
        assert f"![{name}]({name})" in (out / "README.md").read_text()
        with Image.open(out / name) as figure:
            assert figure.width > 300


def test_the_command_on_photos(drawn_folder, tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    astronaut().save(photos / "one.png")
    (photos / "two.txt").write_text("no photo")
    words = ["evaluate", "--domain", str(drawn_folder), "--methods", "encoder", "--data", str(photos)]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "two.txt is left out" in capsys.readouterr().err
    with (tmp_path / "out" / "summary.csv").open() as file:
        assert [(row["split"], row["n"]) for row in csv.DictReader(file)] == [("photos", "1")]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data", "nowhere"], "add --methods"),
        (["--methods", "encoder", "--data", "nowhere"], "no folder nowhere"),
        (["--methods", "encoder", "--split", "outside"], "in-domain or beyond"),
        (["--methods", "encoder", "--out", "page.md"], "a folder"),
        (["--methods", "teleport", "--out", "new"], "no inversion method 'teleport'"),
    ],
)
def test_what_the_command_refuses(drawn_folder, tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "--domain", str(drawn_folder), *words]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert len(shown.strip().splitlines()) == 1


def test_the_papers_orderings_are_checked():
    ours = {metric: torch.tensor([0.9, 0.9]) for metric in ("identity", "ms_ssim")}
    ours |= {metric: torch.tensor([0.1, 0.1]) for metric in ("lpips", "l2")}
    worse = {"identity": torch.tensor([0.5, 0.5]), "l2": torch.tensor([0.05, 0.05]), "lpips": torch.tensor([0.0, 0.4])}
    found = orderings({"hyperstyle": ours, "psp": worse, "encoder": worse}, {"hyperstyle": "H", "psp": "P"})
    row = next(line for line in found.splitlines() if line.startswith("| H against P"))
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells == ["better: holds", "", "better: holds (overlap)", "worse: does not hold"]
    assert "encoder" not in found
    assert "| P | 0.56 | 0.76 | 0.17 | 0.034 | 0.11 |" in reported_table({"psp": "P", "encoder": "E"})


def test_a_reason_is_given_only_where_an_ordering_does_not_hold():
    ours = {"identity": torch.tensor([0.8, 0.8]), "l2": torch.tensor([0.019, 0.019])}
    as_in_the_paper = {"identity": torch.tensor([0.9, 0.9]), "l2": torch.tensor([0.02, 0.02])}
    closer = {"identity": torch.tensor([0.9, 0.9]), "l2": torch.tensor([0.01, 0.01])}
    assert reasons({"hyperstyle": ours, "w+": as_in_the_paper}) == []
    assert len(reasons({"hyperstyle": ours, "w+": closer})) == 1
