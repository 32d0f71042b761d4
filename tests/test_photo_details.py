"""Edits on the photograph, measured: what can be worked out by hand, which goals hold, and how the page says it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hyperstyle.errors import extra_missing
from hyperstyle.evaluation import photograph_details, photographs_page
from hyperstyle.evaluation.people import Chosen, Known
from hyperstyle.evaluation.photograph_details import Goal, Pair, Reading, check_goals, compare, measure_details
from hyperstyle.evaluation.tables import share
from hyperstyle.pipeline import HyperStyle
from hyperstyle.traits import Trait

TRAITS = (Trait("age", 20, 80, "years", "identity"), Trait("smile", 0, 1, "fraction", "expression"))
SIDE = 64
EDITS = ("smile", "age")


def reading(likeness: float | None = 0.5, age: float = 0.0, **values: Any) -> Reading:
    """Of a face with a smile of 0.2 whose landmarks all lie at (100, 100)."""
    told: dict[str, Any] = {"sharpness": 0.2, "outside": 3.0, "features": None, "landmarks": {"smile": 0.2}}
    return Reading(likeness, torch.tensor([age, 0.0]), **({"points": np.full((478, 2), 100.0)} | told | values))


def moved(x: float, y: float = 0.0) -> np.ndarray:
    return np.full((478, 2), (100.0 + x, 100.0 + y))


def test_what_detail_changes_is_counted_by_hand():
    """Two people: with detail, an edit goes 3/4 as far, and everything else by known amounts."""
    before = [Pair(reading(0.6), reading(0.0, sharpness=0.4, outside=0.0)) for _ in range(2)]
    after = [
        Pair(reading(0.6, 0.10, points=moved(5)), reading(0.3, 0.05, points=moved(5, 2), sharpness=0.4, outside=0.5)),
        Pair(reading(0.5, 0.30, points=moved(5)), reading(0.7, 0.25, points=moved(1), sharpness=0.2, outside=1.5)),
    ]
    row = compare("age", before, after, TRAITS, "judge")
    assert row["likeness"]["plain"]["mean"] == pytest.approx(0.55)
    assert row["likeness"]["detail"]["mean"] == pytest.approx(0.5)
    assert row["likeness"]["farther"] == 1
    assert row["network"]["plain"]["mean"] == pytest.approx(0.2 * 60)
    assert row["network"]["detail"]["mean"] == pytest.approx(0.15 * 60)
    assert row["network"]["share"]["mean"] == pytest.approx(0.75)
    assert row["network"]["unit"] == "years"
    assert "landmarks" not in row
    assert row["apart_px"]["mean"] == pytest.approx((2 + 4) / 2)
    assert row["sharpness"]["plain"]["mean"] == pytest.approx(0.5)
    assert row["sharpness"]["detail"]["mean"] == pytest.approx(0.75)
    assert (row["outside"]["plain"]["mean"], row["outside"]["detail"]["mean"]) == (3.0, 1.0)
    assert "frechet" not in row
    assert compare("age", before, after, TRAITS, "identity")["likeness"]["farther"] == 1  # the first, by a cosine
    assert "likeness" not in compare("age", before, after, TRAITS, "")


def test_a_photo_that_differs_from_its_reconstruction_all_over_is_no_ghost():
    """What counts is how far things move, not where they were."""
    before = [Pair(reading(points=moved(0)), reading(points=moved(3, 4), landmarks={"smile": 0.6}))]
    after = [Pair(reading(points=moved(9), landmarks={"smile": 0.4}), reading(points=moved(12, 4)))]
    row = compare("smile", before, after, (), "judge")
    assert row["apart_px"]["mean"] == 0
    assert row["landmarks"]["plain"]["mean"] == pytest.approx(0.2)
    assert row["landmarks"]["detail"]["mean"] == pytest.approx(-0.4)
    assert row["landmarks"]["share"]["mean"] == pytest.approx(-2)
    assert "network" not in row


def test_people_that_cannot_be_read_are_left_out():
    nothing = {"points": None, "landmarks": None, "sharpness": None, "outside": None}
    before = [Pair(reading(), reading())] * 2
    after = [Pair(reading(), reading(**nothing)), Pair(reading(), reading(points=moved(1), landmarks={"smile": 0.5}))]
    row = compare("smile", before, after, (), "judge")
    assert [row[name]["n"] for name in ("apart_px", "landmarks")] == [1, 1]
    assert (row["n"], row["sharpness"]["plain"]["n"], row["sharpness"]["detail"]["n"]) == (2, 2, 1)
    assert row["landmarks"]["share"] is None  # the plain edit moved nothing
    alone = compare("smile", before[:1], after[:1], (), "judge")
    assert alone["landmarks"] == {"n": 0, "unit": "fraction"}
    assert alone["apart_px"] == alone["outside"]["detail"] == {"n": 0}
    page = "\n".join(
        photographs_page._details(details([looked("smile", 2, 2.0, row), looked("smile", 2, -2.0, alone)]))
    )
    assert "1.00 [1.00, 1.00] (1)" in page
    assert "| no face found |" in page
    assert "| not measured |" in page


def test_the_share_of_a_change_is_one_of_sums():
    found = share(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 6.0]))
    assert found is not None
    assert found["mean"] == 0.75
    assert (found["low"], found["high"]) == pytest.approx((1 / 2, 5 / 6))
    assert share(torch.ones(2), torch.tensor([1.0, -1.0])) is None
    # Resamples whose sum is 0 say nothing.
    assert share(torch.ones(2), torch.tensor([0.0, 2.0]))["high"] < float("inf")


def test_naturalness_is_a_distance_to_others():
    real = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    pairs = [Pair(reading(features=one + 3), reading(features=one)) for one in real]
    row = compare("age", pairs, pairs, TRAITS, "judge", real)
    assert row["frechet"]["plain"] == pytest.approx(4 * 9, rel=1e-4)
    assert row["frechet"]["detail"] == pytest.approx(0, abs=1e-4)
    assert "frechet" not in compare("age", pairs[:1], pairs[:1], TRAITS, "judge", real)


# Goals


def numbers(**values: float) -> dict[str, Any]:
    """A row that keeps to every goal, but for these values."""
    told = {"judge": 0.1, "network": 0.95, "apart_px": 1.0, "sharpness": 1.0, "outside": 0.2} | values
    both = {name: {"plain": {"mean": 9.0}, "detail": {"mean": value, "n": 1}} for name, value in told.items()}
    shares = {name: {"share": {"mean": told[name]}} for name in ("network", "landmarks") if name in told}
    return {"likeness": both.pop("judge"), **both, "apart_px": {"mean": told["apart_px"]}, **shares}


def looked(name: str, thirds: int, strength: float, row: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "thirds": thirds, "strength": strength, **row}


def details(rows: list[dict[str, Any]], metric: str = "judge", features: bool = True) -> dict[str, Any]:
    goals = check_goals([row for row in rows if row["name"]], metric)
    same = {"n": 2, "mean": 1.0, "low": 1.0, "high": 1.0}
    return {"metric": metric, "features": features, "same": same, "rows": rows, "goals": goals}


def test_goals_hold_where_both_ends_keep_to_them():
    rows = [
        looked("", 0, 0.0, numbers(judge=5.0)),
        looked("yaw", 1, -1.0, numbers(apart_px=9.0)),
        looked("yaw", 2, -2.0, numbers(judge=0.30, landmarks=1.2, sharpness=1.1, apart_px=1.5)),
        looked("yaw", 2, 2.0, numbers(judge=0.29, landmarks=0.89, sharpness=0.9, outside=1.0)),
        looked("hair_grey", 2, 2.0, numbers(judge=0.26)),
        looked("light_x", 2, 2.0, numbers(judge=0.9, network=0.5)),
    ]
    found = {(one["edit"], one["goal"]): one for one in check_goals(rows, "judge")}
    held = {key: one["holds"] for key, one in found.items()}
    assert held == {
        ("yaw", "judge"): True, ("yaw", "network"): True, ("yaw", "landmarks"): False, ("yaw", "apart_px"): True,
        ("yaw", "sharpness"): True, ("yaw", "outside"): False,
        ("hair_grey", "judge"): False, ("hair_grey", "network"): True, ("hair_grey", "apart_px"): True,
        ("hair_grey", "sharpness"): True, ("hair_grey", "outside"): True,
        ("light_x", "network"): False, ("light_x", "apart_px"): True, ("light_x", "sharpness"): True,
        ("light_x", "outside"): True,
    }  # fmt: skip
    assert found["yaw", "judge"]["values"] == [0.30, 0.29]
    lines = photographs_page._goals(details(rows))[1].splitlines()
    assert [line.split(":")[0] for line in lines] == ["- **yaw**", "- **hair_grey**", "- **light_x**"]
    assert "4 of 6 hold" in lines[0]
    assert "Does not hold: share of the change by landmarks 1.200 and 0.890 (at least 0.9); change outside" in lines[0]
    assert "in grey levels 0.200 and 1.000 (below 1)." in lines[0]
    assert "Holds: judge distance 0.300 and 0.290 (at most 0.3);" in lines[0]
    assert "sharpness 1.000 (0.9 to 1.1)" in lines[2]
    assert ("hair_grey", "judge") not in {(one["edit"], one["goal"]) for one in check_goals(rows, "identity")}
    assert "no judge was named" in photographs_page._goals(details(rows, "identity"))[0]


@pytest.mark.parametrize(
    ("edit", "farthest"),
    [("smile", 0.2), ("brow_raise", 0.2), ("pitch", 0.3), ("beard", 0.25), ("hair_length", 0.25), ("skin_tone", None)],
)
def test_how_far_from_the_photo_an_edit_may_lead(edit, farthest):
    judged = [goal for goal in photograph_details.goals_of(edit) if goal.name == "judge"]
    assert judged == ([] if farthest is None else [Goal("judge", most=farthest)])


# From pictures


class Features:
    """Features that are the mean colours."""

    def __init__(self, head: bool) -> None:
        assert head

    def to(self, device: torch.device) -> Features:
        return self

    def eval(self) -> Features:
        return self

    def describe(self, faces: Tensor) -> Tensor:
        return faces.mean((2, 3))


class Plain:
    """A carrier that carries nothing."""

    def __init__(self, photo: Image.Image, rebuilt: Image.Image, landmarks: np.ndarray) -> None:
        assert photo.size == rebuilt.size
        assert landmarks.shape == (478, 2)

    def carry(self, edited: Image.Image) -> Image.Image:
        return edited


@pytest.fixture
def chosen() -> Chosen:
    """Four pictures of three people, with landmarks all over the middle."""
    random = np.random.default_rng(0)
    found = Chosen()
    for file, person in (("a", "p0"), ("b", "p1"), ("c", "p2"), ("d", "p2")):
        found.rows.append({"file": file, "person": person})
        found.pictures.append(random.integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8))
        found.landmarks.append(random.uniform(0.3, 0.7, (478, 2)))
    return found


@pytest.fixture
def found_points(monkeypatch) -> None:
    """A face everywhere, whose landmarks follow the picture's brightness."""

    def find_faces(picture: Image.Image) -> list[Any]:
        points = np.zeros((478, 3))
        points[:, :2] = np.arange(956).reshape(478, 2) / 956 * picture.width
        points[0, 2] = 1.0
        shift = np.asarray(picture).mean() / 255 * picture.width
        box = (0, 0, picture.width, picture.height)
        return [type("Found", (), {"points": points, "landmarks": points[:, :2] + shift, "box": box})]

    monkeypatch.setattr(photograph_details, "find_faces", find_faces)
    monkeypatch.setattr(photograph_details, "read_landmarks", lambda points, side: dict.fromkeys(("smile",), 0.0))
    monkeypatch.setattr(photograph_details, "PhotographFeatures", Features)
    empty = np.zeros((32, 32), dtype=np.float32)
    monkeypatch.setattr(photograph_details, "person_mask", lambda picture: empty)


@pytest.mark.usefixtures("found_points")
def test_a_carrier_that_carries_nothing_differs_by_nothing(tiny: HyperStyle, chosen, monkeypatch):
    """On photographs that the generator draws to the last bit: shares of 1, 0 px, and one column like the other."""
    monkeypatch.setattr(photograph_details, "DetailCarrier", Plain)
    monkeypatch.setattr("hyperstyle.pipeline.DETAIL_GAIN", {})
    known = Known(tiny, None, chosen)
    inversion = tiny.invert(known.target(0))
    rebuilt = tiny.render(inversion)
    chosen.pictures[0] = np.asarray(rebuilt).transpose(2, 0, 1)
    monkeypatch.setattr(tiny, "invert", lambda target: inversion)
    told: list[None] = []
    traits = tuple(Trait(name, -1, 1, "fraction", "") for name in ("smile", "age", "c", "d", "e", "f"))
    found = measure_details(tiny, known, [0], traits, lambda: told.append(None))
    assert len(told) == 1
    assert found["same"]["mean"] == 1
    assert found["metric"] == "identity"
    plain, *rows = found["rows"]
    assert [(row["name"], row["thirds"], row["strength"]) for row in rows] == [
        (name, thirds, pytest.approx(end * thirds)) for name in EDITS for end in (-1, 1) for thirds in (1, 2, 3)
    ]
    assert plain["likeness"]["detail"]["mean"] == pytest.approx(plain["likeness"]["plain"]["mean"])
    assert plain["outside"]["detail"]["mean"] == 0
    for row in rows:
        assert row["likeness"]["plain"] == row["likeness"]["detail"]
        assert row["likeness"]["farther"] == 0
        assert row["network"]["share"]["mean"] == pytest.approx(1)
        assert row["apart_px"]["mean"] == 0
        assert row["sharpness"]["plain"] == row["sharpness"]["detail"]
        assert row["outside"]["plain"] == row["outside"]["detail"]
        assert row["outside"]["plain"]["mean"] > 0
    # The whole range is further than a third of it, by the network's own reading.
    assert abs(rows[2]["network"]["plain"]["mean"]) > abs(rows[0]["network"]["plain"]["mean"]) > 0


@pytest.mark.usefixtures("found_points")
def test_what_is_measured_is_what_people_get(tiny: HyperStyle, chosen):
    known = Known(tiny, None, chosen)
    found = measure_details(tiny, known, [0, 1], (), lambda: None)
    assert found["same"] == {"n": 2, "mean": 1, "low": 1, "high": 1}
    assert all("network" not in row and "landmarks" in row for row in found["rows"] if row["name"] == "smile")
    # One result, drawn by the pipeline itself on crops of the domain's own size.
    small = replace(chosen, pictures=[picture[:, ::2, ::2] for picture in chosen.pictures])
    known = Known(tiny, None, small)
    end = next(row for row in measure_details(tiny, known, [0], (), lambda: None)["rows"] if row["strength"] == 3)
    crop = known.crop(0)
    inversion = tiny.invert(known.target(0))
    drawn = tiny.edit(photograph_details._as_face(crop, known.landmarks(0)), inversion, {"smile": 3.0})
    gap = np.abs(np.asarray(drawn, float) - np.asarray(crop, float)).mean()
    assert end["outside"]["detail"]["mean"] == pytest.approx(gap, rel=1e-4)
    # Numbers survive the file, and the page has everything.
    assert json.loads(json.dumps(found)) == found
    page = "\n\n".join([*photographs_page._details(found), *photographs_page._goals(found)])
    looks = ("| no edit |  | 2 |", "| smile | -1 | 2 |", "own identity, plain", "Frechet distance, plain")
    for words in ("2 of 2 crops come back bit for bit", *looks, "- **smile**", "- **age**"):
        assert words in page
    # Naturalness is held against the third person's two pictures.
    features = torch.cat([known.target(place) for place in (2, 3)]).mean((2, 3))
    photos = torch.cat([known.target(place) for place in (0, 1)]).mean((2, 3))
    small_found = measure_details(tiny, known, [0, 1], (), lambda: None)
    expected = photograph_details.metrics.frechet_distance(photos, features)
    assert small_found["rows"][0]["frechet"]["detail"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.usefixtures("found_points")
def test_without_its_packages_naturalness_is_left_out(tiny: HyperStyle, chosen, monkeypatch):
    def lacking(head: bool) -> None:
        raise extra_missing("Training on photographs", "train")

    known = Known(tiny, None, chosen)
    few = measure_details(tiny, known, [0], (), lambda: None)
    assert few["features"]
    assert "that takes two people" in "\n".join(photographs_page._details(few))
    monkeypatch.setattr(photograph_details, "PhotographFeatures", lacking)
    found = measure_details(tiny, known, [0, 1], (), lambda: None)
    assert not found["features"]
    assert all("frechet" not in row for row in found["rows"])
    page = "\n".join(photographs_page._details(found))
    assert "packages with its network are not installed" in page
    assert "Frechet" not in page


def test_nobody_to_draw_on_leaves_the_section_out(tiny: HyperStyle, chosen):
    assert measure_details(tiny, Known(tiny, None, chosen), [], (), lambda: None) == {}


def test_outside_the_head_begins_beyond_a_margin(monkeypatch):
    person = np.zeros((SIDE, SIDE), dtype=np.float32)
    person[20:40, 20:40] = 1
    monkeypatch.setattr(photograph_details, "person_mask", lambda picture: person)
    outside = photograph_details.outside_head(Image.new("RGB", (SIDE, SIDE)))
    expected = np.ones((SIDE, SIDE), dtype=bool)
    expected[17:43, 17:43] = False  # 12 px of 256 are 3 of 64
    assert np.array_equal(outside, expected)
    person[:] = 1
    assert photograph_details.outside_head(Image.new("RGB", (SIDE, SIDE))) is None
