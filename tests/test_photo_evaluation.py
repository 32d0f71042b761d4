"""Measuring on photographs of people: the judge, who is told from whom, what counts for whom, and the command."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hyperstyle import metrics, verification
from hyperstyle.alignment.landmarks import eyes_and_mouth
from hyperstyle.cli import main
from hyperstyle.errors import UsageError
from hyperstyle.evaluation import photograph_edits, photographs, photographs_page
from hyperstyle.evaluation.face_judge import CHIP_BOX, CHIP_MEAN, MANIFEST, FaceJudge, distance
from hyperstyle.evaluation.people import Chosen, Known, aligned_px, choose, of_people
from hyperstyle.evaluation.photograph_edits import landmark_reading, network_traits
from hyperstyle.evaluation.tables import difference_to_all
from hyperstyle.images import save_picture, to_photo
from hyperstyle.inversion.idinvert import IDInvertConfig
from hyperstyle.inversion.optimisation import OptimisationConfig
from hyperstyle.inversion.pti import PTIConfig
from hyperstyle.models.resizing import pool_to
from hyperstyle.pipeline import load
from hyperstyle.synthetic.parameters import BY_NAME, sample_parameters
from hyperstyle.synthetic.renderer import render
from hyperstyle.training.photo_traits import TRAITS
from hyperstyle.traits import Trait

WIDTHS = {"conv32": 3, "conv64": 4, "conv128": 5, "conv256": 6}
BLOCKS = {"conv32": 3, "conv64": 3, "conv128": 2, "conv256": 2}


# The judge


def judge_tensors() -> dict[str, Tensor]:
    """A small network in the judge's layout whose blocks add nothing: every convolution is zero."""
    tensors: dict[str, Tensor] = {}

    def conv(name: str, kernel: int, inner: int, outer: int) -> None:
        tensors[f"{name}/conv/filters"] = torch.zeros(kernel, kernel, inner, outer)
        tensors[f"{name}/scale/weights"] = torch.ones(outer)
        for part in ("conv/bias", "scale/biases"):
            tensors[f"{name}/{part}"] = torch.zeros(outer)

    before = 3
    for stage, width in WIDTHS.items():
        if stage == "conv32":
            conv("conv32_down", 7, 3, width)
        else:
            conv(f"{stage}_down/conv1", 3, before, width)
            conv(f"{stage}_down/conv2", 3, width, width)
        for number in range(1, BLOCKS[stage] + 1):
            for part in ("conv1", "conv2"):
                conv(f"{stage}_{number}/{part}", 3, width, width)
        before = width
    for part in ("conv1", "conv2"):
        conv(f"conv256_down_out/{part}", 3, before, before)
    tensors["conv32_down/conv/filters"][3, 3] = torch.eye(3)
    tensors["fc"] = torch.randn(before, 128, generator=torch.Generator().manual_seed(0))
    return tensors


def random_judge_tensors() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(1)
    return {name: value + 0.2 * torch.randn(value.shape, generator=g) for name, value in judge_tensors().items()}


def write_judge(folder: Path, tensors: dict[str, Tensor], quantised: tuple[str, ...] = ()) -> Path:
    """Write tensors as the npm package has them, in two shards."""
    folder.mkdir(parents=True, exist_ok=True)
    held, weights = b"", []
    for name, value in tensors.items():
        entry: dict[str, object] = {"name": name, "shape": list(value.shape), "dtype": "float32"}
        if name in quantised:
            low, scale = float(value.min()), max(float(value.max() - value.min()) / 255, 1e-9)
            held += ((value - low) / scale).round().to(torch.uint8).numpy().tobytes()
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": low}
        else:
            held += value.numpy().astype("<f4").tobytes()
        weights.append(entry)
    paths = ["judge-shard1of2", "judge-shard2of2"]
    for path, part in zip(paths, (held[:1001], held[1001:]), strict=True):
        (folder / path).write_bytes(part)
    (folder / MANIFEST).write_text(json.dumps([{"paths": paths, "weights": weights}]))
    return folder


@pytest.fixture(scope="module")
def judge_folder(tmp_path_factory) -> Path:
    return write_judge(tmp_path_factory.mktemp("judge") / "model", random_judge_tensors())


def seen(value: float) -> Tensor:
    """(3,) what the network sees of a face of one grey from -1 to 1."""
    return ((value + 1) * 127.5 - torch.tensor(CHIP_MEAN)) / 256


def test_the_judge_computes_what_its_layout_says():
    grey = torch.full((1, 3, 200, 200), 0.8)
    tensors = judge_tensors()
    tensors["conv32_down/scale/weights"] *= 2
    tensors["conv32_down/conv/bias"] += 0.5
    tensors["conv32_down/scale/biases"] += 0.25
    start = 2 * (seen(0.8) + 0.5) + 0.25
    head = tensors["fc"][:3]  # channels that a wider block adds are empty
    assert torch.allclose(FaceJudge(tensors).describe(grey)[0], start @ head, atol=1e-5)
    # A block adds to what goes around it, and what is left is positive.
    tensors["conv32_2/conv1/conv/filters"][1, 1] = torch.eye(3)
    tensors["conv32_2/conv2/conv/filters"][1, 1] = -2 * torch.eye(3)
    tensors["conv32_2/conv1/scale/biases"] -= 1.5
    after = (start - 2 * (start - 1.5).clamp_min(0)).clamp_min(0)
    assert not torch.equal(after, start)
    assert torch.allclose(FaceJudge(tensors).describe(grey)[0], after @ head, atol=1e-5)
    # In the last block the convolutions reach one of four places; the others count as zero.
    tensors["conv256_down_out/conv1/conv/filters"][1, 1] = torch.eye(6)
    tensors["conv256_down_out/conv2/conv/filters"][1, 1] = torch.eye(6)
    assert torch.allclose(FaceJudge(tensors).describe(grey)[0], 1.25 * after @ head, atol=1e-5)


def test_the_judge_looks_at_the_face_only(judge_folder):
    judge = FaceJudge.read(judge_folder)
    random = torch.Generator().manual_seed(2)
    face = torch.rand(3, 3, 100, 100, generator=random) * 2 - 1
    around = torch.rand(3, 3, 100, 100, generator=random) * 2 - 1
    left, top, right, bottom = (round(100 * share) for share in CHIP_BOX)
    around[:, :, top:bottom, left:right] = face[:, :, top:bottom, left:right]
    assert torch.equal(judge.describe(face), judge.describe(around))
    many = judge.describe(face.repeat(20, 1, 1, 1))
    assert torch.allclose(many, judge.describe(face).repeat(20, 1), atol=1e-4)
    apart = distance(many[:3], many[:2])
    assert torch.allclose(apart[2, 1], (many[2] - many[1]).norm())
    assert apart.diag().max() == 0


def test_the_judges_files_are_read_as_they_were_written(tmp_path):
    tensors = random_judge_tensors()
    plain = FaceJudge.read(write_judge(tmp_path / "plain", tensors))
    packed = FaceJudge.read(write_judge(tmp_path / "packed", tensors, quantised=tuple(tensors)[::2]))
    face = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 2 - 1
    written = FaceJudge(tensors).describe(face)
    assert torch.equal(plain.describe(face), written)
    assert 0 < (packed.describe(face) - written).abs().max() < 0.05 * written.abs().max()


@pytest.mark.parametrize("spoil", ["nothing there", "lost shard", "short shard", "other network", "no JSON", "kind"])
def test_other_folders_are_refused_in_one_sentence(tmp_path, spoil):
    folder, tensors = tmp_path / "model", judge_tensors()
    if spoil == "other network":
        tensors["mouth/conv/filters"] = tensors.pop("conv128_1/conv1/conv/filters")
    if spoil != "nothing there":
        write_judge(folder, tensors)
    if spoil == "lost shard":
        (folder / "judge-shard2of2").unlink()
    elif spoil == "short shard":
        (folder / "judge-shard2of2").write_bytes(b"")
    elif spoil == "no JSON":
        (folder / MANIFEST).write_text("{}}")
    elif spoil == "kind":
        (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace("float32", "int4", 1))
    with pytest.raises(UsageError, match="npm pack @vladmandic/face-api") as caught:
        FaceJudge.read(folder)
    assert "\n" not in str(caught.value)


# Telling people apart


def test_area_under_the_curve_and_threshold():
    same, strangers = torch.tensor([0.9, 0.5]), torch.tensor([0.1, 0.5, 0.6])
    assert verification.shares_below(same, strangers).tolist() == [1.0, 0.5]
    assert verification.auc(same, strangers) == 0.75
    many = torch.arange(2000.0)[torch.randperm(2000, generator=torch.Generator().manual_seed(0))]
    threshold = verification.threshold_at_false_accept(many, 0.001)
    assert int((many > threshold).sum()) == 2
    assert threshold == 1997
    assert verification.threshold_at_false_accept(strangers, 0.001) == pytest.approx(0.6)


def test_pairs_are_of_different_shots():
    embeddings = torch.tensor([[2.0, 0], [1, 0], [1, 1], [0, 3]])
    found = verification.verify(embeddings, ["a", "a", "a", "b"], ["1", "1", "2", "3"])
    assert (found.same_pairs, found.stranger_pairs) == (2, 3)
    assert found.same_mean == pytest.approx(0.5**0.5)
    assert found.stranger_mean == pytest.approx(0.5**0.5 / 3)
    assert found.threshold == pytest.approx(0.5**0.5)
    assert found.accepted == 0  # as alike as the most alike strangers
    assert found.auc == pytest.approx(5 / 6)
    assert verification.verify(embeddings, ["a", "a", "a", "b"]).same_pairs == 3
    alone = verification.verify(embeddings, ["a", "b", "c", "d"])
    assert (alone.same_pairs, alone.auc, alone.accepted) == (0, None, None)
    assert verification.verify(embeddings, ["a"] * 4).threshold is None


def test_files_with_the_same_shot():
    shots = verification.same_shots(["a", "b", "c", "d", "e"], ["", "a", "b", "elsewhere", "elsewhere"])
    assert shots[0] == shots[1] == shots[2] != shots[3] == shots[4]
    both = verification.same_shots(["a", "b", "c"], ["b", "a", "a"])
    assert both[0] == both[1] == both[2]


# Whose photographs


def write_people(folder: Path) -> Path:
    """Six drawn people; the first has another shot and one file twice, and one file of the last is no picture."""
    folder.mkdir()
    rows = []

    def draw(file: str, person: str, seed: int, **look: float) -> dict[str, str]:
        # Faces that a detector finds: level, without glasses.
        plain = {"yaw": 0.0, "pitch": 0.0, "glasses": 0.0, **look}
        parameters = sample_parameters(1, seed) | {name: torch.tensor([value]) for name, value in plain.items()}
        save_picture(to_photo(render(parameters, 256)), folder / file)
        return {"file": file, "person": person, "age": str(20 + 10 * seed), "female": str(seed % 2)}

    for seed in range(6):
        rows.append(draw(f"{seed}.png", f"p{seed:04}", seed) | {"source": "even" if seed % 2 == 0 else "odd"})
    rows.append(draw("0_later.png", "p0000", 0, yaw=12.0) | {"source": "even"})
    shutil.copy(folder / "0.png", folder / "0_again.png")
    rows.append(rows[0] | {"file": "0_again.png", "same_shot_as": "0.png"})
    (folder / "0_broken.png").write_text("no picture")
    rows.append(rows[0] | {"file": "0_broken.png"})
    table = folder.parent / "photos.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "person", "age", "female", "source", "same_shot_as"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return table


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """A table beside the folder `pictures`."""
    return write_people(tmp_path_factory.mktemp("people") / "pictures")


@pytest.fixture(scope="module")
def chosen(table) -> Chosen:
    """The first four people."""
    with table.open() as file:
        rows = list(csv.DictReader(file))
    return choose(of_people(rows, lambda person: person < "p0005"), 4, table.parent / "pictures", 256)


def test_people_come_in_order_and_what_cannot_be_used_is_told(chosen):
    assert [row["file"] for row in chosen.rows] == ["0.png", "0_again.png", "0_later.png", "1.png", "2.png", "3.png"]
    assert chosen.first == [0, 3, 4, 5]
    assert [file for file, _ in chosen.refused] == ["0_broken.png"]
    assert chosen.shots[0] == chosen.shots[1] != chosen.shots[2]
    assert all(picture.shape == (3, 256, 256) for picture in chosen.pictures)
    # Landmarks are in crop units: the recipe puts the eyes' middle above the crop's.
    for points in chosen.landmarks:
        left, right, *_ = eyes_and_mouth(points)
        assert points.shape == (478, 2)
        assert ((left + right) / 2).tolist() == pytest.approx([0.5, 0.48], abs=0.03)
    with pytest.raises(UsageError, match="Nobody"):
        of_people(chosen.rows, lambda person: person == "p9")
    with pytest.raises(UsageError, match="None of the 1 pictures"):
        choose({"a": [{"file": "lost.png", "person": "a"}]}, 1, Path("nowhere"), 256)


def test_groups_and_their_differences():
    rows = [{"female": str(i % 2), "age": str(20 + i), "skin_ita": str(60 - 10 * i), "source": "x"} for i in range(9)]
    rows.append({"female": "", "age": "", "skin_ita": "nan", "source": "y"})
    found = {f"{kind}: {label}": members.nonzero()[:, 0].tolist() for kind, label, members in
             photographs.group_members(rows)}  # fmt: skip
    assert found["sex: women"] == [1, 3, 5, 7]
    assert found["sex: men"] == [0, 2, 4, 6, 8]
    assert found["age: 20 to 22 years"] == [0, 1, 2]
    assert found["skin tone: darkest third"] == [6, 7, 8]
    assert found["source: y"] == [9]
    values = torch.tensor([1.0, 1.0, 1.0, 5.0])
    gap = difference_to_all(values, torch.tensor([True, True, True, False]))
    assert gap["mean"] == -1
    assert gap["low"] < -1 < gap["high"] <= 0
    assert difference_to_all(values, torch.ones(4, dtype=torch.bool)) == {"mean": 0, "low": 0, "high": 0}


# Measuring


def test_every_method_is_measured(drawn_folder, chosen, judge_folder, monkeypatch):
    monkeypatch.setattr(photographs, "FEWEST_IN_GROUP", 2)
    pipeline, judge = load(drawn_folder, "cpu"), FaceJudge.read(judge_folder)
    short = {"config": OptimisationConfig(steps=2, samples=20)}
    options = {"w": short, "w+": short, "idinvert": {"config": IDInvertConfig(steps=1)}}
    tuned = {"config": PTIConfig(steps=1)}
    options |= {"pti": tuned | {"pivot": pipeline.inverter("w", **short)}, "hyperstyle+pti": tuned}
    told: list[None] = []
    found = photographs.measure(pipeline, chosen, judge, 1, 2, 1, lambda: told.append(None), options)
    assert len(told) == photographs.work(pipeline, chosen, 1, 2, 1) == 4 + 5 + 2 + 1
    counts = {row["name"]: row["n"] for row in found["methods"]}
    quick = ("encoder", "step 1", "step 2", "step 3", "step 4", "step 5", "psp", "e4e", "restyle-psp", "restyle-e4e")
    assert counts == dict.fromkeys(quick, 4) | dict.fromkeys(("idinvert", "w", "w+", "pti", "hyperstyle+pti"), 1)
    assert (
        next(row["label"] for row in found["methods"] if row["name"] == "step 3") == "HyperStyle, 3 steps, as trained"
    )
    # The numbers are those of the networks.
    known = Known(pipeline, judge, chosen)
    targets = [known.target(place) for place in chosen.first]
    for name, steps in (("encoder", 0), ("step 3", 3)):
        drawn = [pipeline.draw(pipeline.invert(target, steps=steps)).clamp(-1, 1) for target in targets]
        measured = next(row["measured"] for row in found["methods"] if row["name"] == name)
        apart = [float(distance(judge.describe(a), judge.describe(b))) for a, b in zip(targets, drawn, strict=True)]
        assert measured["judge"]["mean"] == pytest.approx(np.mean(apart), rel=1e-3)
        alike = [float(metrics.identity(pipeline.models.identity, *pair)) for pair in zip(targets, drawn, strict=True)]
        assert measured["identity"]["mean"] == pytest.approx(np.mean(alike), rel=1e-3)
        squared = [float(metrics.l2(*pair)) for pair in zip(targets, drawn, strict=True)]
        assert measured["l2"]["mean"] == pytest.approx(np.mean(squared), rel=1e-3)
        assert set(measured) == {"judge", "within", "nearest", "identity", "l2", "psnr", "ms_ssim"}
    again, strangers = found["references"]
    assert (again["n"], strangers["n"]) == (1, 4)
    shots = distance(known.seen["judge"][:2], known.seen["judge"][2:3])
    assert again["measured"]["judge"]["mean"] == pytest.approx(float(shots.mean()), rel=1e-4)
    assert found["verification"]["judge"]["same_pairs"] == found["verification"]["identity"]["same_pairs"] == 2
    assert {f"{row['kind']}: {row['label']}": row["n"] for row in found["groups"]} == {
        "sex: women": 2, "sex: men": 2, "age: 20 to 30 years": 2, "source: even": 2, "source: odd": 2,
    } | {f"skin tone: {row['label']}": row["n"] for row in found["groups"] if row["kind"] == "skin tone"}  # fmt: skip
    page = photographs_page.to_markdown(found | {"minutes": 0.0}, "the command")
    for words in ("| Optimisation in W |", "*two different people*", "sex: women", "strangers within", "AUC"):
        assert words in page
    assert "no network here was trained with it" in page


def test_without_a_judge_its_columns_are_left_out(drawn_folder, chosen):
    pipeline, told = load(drawn_folder, "cpu"), []
    found = photographs.measure(pipeline, chosen, None, 0, 0, 0, lambda: told.append(None))
    assert len(told) == photographs.work(pipeline, chosen, 0, 0, 0) == 4
    assert set(found["methods"][0]["measured"]) == {"identity", "l2", "psnr", "ms_ssim"}
    assert (found["edits"], found["details"]) == ([], {})
    page = photographs_page.to_markdown(found | {"minutes": 0.0}, "the command")
    assert "No judge was named" in page
    assert "judge distance" not in page
    assert "## Edits" not in page  # on the photograph neither


def test_the_nearest_photograph_may_be_any_of_the_persons(drawn_folder, chosen, judge_folder):
    known = Known(load(drawn_folder, "cpu"), FaceJudge.read(judge_folder), chosen)
    itself = known.closeness(3, torch.cat([known.target(3), known.target(4)]))
    assert itself["nearest"].tolist() == [1, 0]
    assert itself["judge"][0] == pytest.approx(0, abs=1e-4)
    assert itself["within"][0] == 1
    assert known.closeness(0, known.target(2))["nearest"].tolist() == [1]


def face(**look: float) -> Tensor:
    plain = {"yaw": 0.0, "pitch": 0.0, "glasses": 0.0, "beard": 0.0, "moustache": 0.0, "mouth_open": 0.0, **look}
    parameters = {name: torch.tensor([one.neutral]) for name, one in BY_NAME.items()}
    return render(parameters | {name: torch.tensor([float(value)]) for name, value in plain.items()}, 256)


@pytest.mark.parametrize(("trait", "low", "high"), [("yaw", -15, 15), ("smile", -0.2, 0.9), ("mouth_open", 0.1, 0.9)])
def test_landmarks_read_the_way_a_slider_means(trait, low, high):
    before, after = (landmark_reading(to_photo(face(**{trait: value}))) for value in (low, high))
    assert before is not None
    assert after is not None
    assert after[trait] - before[trait] > (10 if trait == "yaw" else 0.05)
    assert landmark_reading(to_photo(torch.zeros(1, 3, 64, 64))) is None


def test_edits_are_read_and_counted(drawn_folder, chosen, monkeypatch):
    """With a reader whose smile follows the red of the picture, and landmarks that follow its green."""
    pipeline = load(drawn_folder, "cpu")
    traits = network_traits(pipeline)
    names = [trait.name for trait in traits]
    assert names == list(BY_NAME)
    known, smile, age = Known(pipeline, None, chosen), names.index("smile"), names.index("age")

    def read(picture: Tensor) -> Tensor:
        columns = torch.zeros(len(picture), len(names))
        columns[:, smile], columns[:, age] = picture[:, 0].mean((1, 2)), -picture[:, 0].mean((1, 2)) / 2
        return columns

    class Reader(torch.nn.Module):
        config = pipeline.models.attributes.config
        forward = staticmethod(read)

    object.__setattr__(pipeline.models, "attributes", Reader())
    monkeypatch.setattr(photograph_edits, "landmark_reading", lambda picture: green(picture, names))
    told: list[None] = []
    rows = photograph_edits.measure_edits(pipeline, known, [0, 3], traits, lambda: told.append(None))
    assert len(told) == 2
    assert [(row["name"], row["strength"]) for row in rows] == [
        ("", 0.0), ("smile", -3.0), ("smile", 3.0), ("age", -3.0), ("age", 3.0),
    ]  # fmt: skip
    reds, greens = [], []
    for place in (0, 3):
        inversion = pipeline.invert(known.target(place))
        pair = [pipeline.draw(inversion, edits).clamp(-1, 1) for edits in ({}, {"smile": 3.0})]
        pooled = [pool_to(one, Reader.config.input_size)[:, 0].mean() for one in pair]
        reds.append(float(pooled[1] - pooled[0]))
        greens.append(np.subtract(*(green(to_photo(one), names)["smile"] for one in reversed(pair))))
    unit = (BY_NAME["smile"].high - BY_NAME["smile"].low) / 3.4
    row = rows[2]
    assert row["network"]["change"]["mean"] == pytest.approx(np.mean(reds) * unit, rel=1e-3)
    assert row["network"]["right"]["mean"] == np.mean(np.array(reds) > 0)
    assert row["network"]["unit"] == "fraction"
    assert row["landmarks"]["change"]["mean"] == pytest.approx(np.mean(greens), rel=1e-3)
    assert row["landmarks"]["right"]["mean"] == np.mean(np.array(greens) > 0)
    assert row["leak"]["age"] == pytest.approx(np.mean(np.abs(reds)) / 2 / 3.4, rel=1e-3)
    assert row["drift"]["age"] == pytest.approx(-np.mean(reds) / 2 / 3.4, rel=1e-3)
    assert row["leak"]["yaw"] == 0
    assert "smile" not in row["leak"]
    assert "landmarks" not in rows[4]  # age cannot be told from them


def green(picture, names: list[str]) -> dict[str, float]:
    return dict.fromkeys(names, float(np.asarray(picture, float)[..., 1].mean()))


def test_a_network_whose_numbers_nobody_named_reads_no_edit(tiny, chosen):
    assert network_traits(tiny) == ()
    rows = photograph_edits.measure_edits(tiny, Known(tiny, None, chosen), [0], (), lambda: None)
    assert all("network" not in row for row in rows)
    assert rows[1]["landmarks"] == {"n": 0, "unit": "fraction"}  # noise has no face
    page = "\n".join(photographs_page._edits({"edits": rows, "traits": []}))
    assert "| smile | -3 |  |  | no face found |" in page


def stand_in(columns: int, traits: tuple[Trait, ...] = (), crop: str = "ffhq") -> Any:
    """What is asked of a pipeline about the numbers its attribute network gives, and about its pictures."""
    reader = SimpleNamespace(config=SimpleNamespace(out_dim=columns))
    domain = SimpleNamespace(name="cars", traits=traits, crop=crop, resolution=512)
    return SimpleNamespace(domain=domain, models=SimpleNamespace(attributes=reader))


def test_a_domains_own_traits_come_first():
    assert network_traits(stand_in(len(TRAITS), TRAITS)) == TRAITS
    assert network_traits(stand_in(len(TRAITS) + 1, TRAITS)) == ()
    assert network_traits(stand_in(len(BY_NAME), TRAITS)) == ()


def test_only_faces_are_measured():
    assert aligned_px(stand_in(1)) == 512
    with pytest.raises(UsageError, match="does not look for faces"):
        aligned_px(stand_in(1, crop="whole"))


# The command


@pytest.fixture
def run(capsys) -> Callable[..., tuple[int, str, str]]:
    def run(*words: object) -> tuple[int, str, str]:
        code = main(["evaluate", *(str(word) for word in words)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_the_command_writes_a_page(run, drawn_folder, table, judge_folder, tmp_path):
    out = tmp_path / "docs" / "page.md"
    words = ("--domain", drawn_folder, "--data", table.parent / "pictures", "--table", table, "--people", ":p0003")
    words = (*words, "--slow-n", 0, "--edited", 1, "--detailed", 1, "--judge", judge_folder)
    code, shown, said = run(*words, "--out", out)
    assert (code, shown) == (0, f"{out}\n")
    assert said.startswith("Note: 0_broken.png is left out: ")
    page, numbers = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    command = "--data pictures --table photos.csv --people :p0003 --n 200 --slow-n 0 --edited 1 --detailed 1"
    command += " --judge model"
    assert command in page
    assert command in numbers["command"]
    assert "5 photographs of 3 people" in page
    assert "Pictures that could not be used: 1." in page
    assert (numbers["people"], numbers["pictures"], numbers["refused"]) == (3, 5, 1)
    for heading in ("How alike", "Who it works for", "Telling people apart", "Edits", "What else moves",
                    "Edits on the photograph", "Against the goals"):  # fmt: skip
        assert f"{heading}\n" in page
    run(*words, "--out", tmp_path / "again.md")
    again = json.loads((tmp_path / "again.json").read_text())
    assert {key: numbers[key] for key in ("methods", "groups", "edits", "details")} == {
        key: again[key] for key in ("methods", "groups", "edits", "details")
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--people", "p1:"], "add --table"),
        (["--judge", "model"], "add --table"),
        (["--table", "photos.csv"], "--data FOLDER"),
        (["--table", "photos.csv", "--data", "nowhere"], "no folder nowhere"),
        (["--table", "nowhere.csv", "--data", "."], "nowhere.csv cannot be read"),
        (["--table", "photos.csv", "--data", ".", "--people", "a:b:c"], "no range of people"),
        (["--table", "photos.csv", "--data", ".", "--people", "z:"], "Nobody"),
        (["--table", "photos.csv", "--data", ".", "--methods", "all"], "leave --methods out"),
        (["--table", "photos.csv", "--data", ".", "--judge", "."], "npm pack @vladmandic/face-api"),
    ],
)
def test_what_the_command_refuses(run, tiny_folder, table, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    shutil.copy(table, tmp_path / "photos.csv")
    code, out, said = run("--domain", tiny_folder, *words)
    assert (code, out) == (2, "")
    assert sentence in said
    assert len(said.strip().splitlines()) == 1
