"""Edit directions: how they are found, measured, written and read."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from hyperstyle.editing import DirectionEdits, EditRow
from hyperstyle.editing.directions import Direction, write_directions
from hyperstyle.editing.interfacegan import choose_conditions, extremes, fit_boundary, kept_share, project_out
from hyperstyle.errors import (
    BadStrength,
    CannotWrite,
    ForeignWeights,
    ShapeMismatch,
    UnknownEdit,
    WeightsCorrupt,
    WeightsMissing,
)
from hyperstyle.synthetic.parameters import TRAITS, Z_DIM, sample_parameters, to_z
from hyperstyle.training.directions import (
    SLIDERS,
    DirectionsConfig,
    Effect,
    Slider,
    find_end,
    fit_directions,
    leak_per_effect,
)
from hyperstyle.traits import column

ROWS = [
    EditRow("smile", "Smile", "expression", "fraction", -3, 3),
    EditRow("age", "Age", "identity", "years", -2, 2.5, conditioned_on=("smile",), leak={"beard": 0.1}),
]
VECTORS = {
    "smile": Direction(torch.arange(4.0)),
    "age": Direction(torch.ones(4), torch.tensor([1.0, 0.0, 0.0, 0.0])),
}


@pytest.fixture
def folder(tmp_path):
    write_directions(tmp_path / "edits", ROWS, VECTORS, "tiny", {"seed": 1})
    return tmp_path / "edits"


# On disk


def test_rows_come_back_as_written(folder):
    edits = DirectionEdits(folder)
    assert [row.name for row in edits.rows] == ["smile", "age"]
    age = edits.row("age")
    assert (age.conditioned_on, age.leak, age.domain, age.norm) == (("smile",), {"beard": 0.1}, "tiny", 1.0)


def test_shifts_are_multiples_of_the_vector(folder):
    edits = DirectionEdits(folder)
    assert torch.equal(edits.shift("smile", 2.0), 2 * torch.arange(4.0).reshape(1, 1, 4))
    assert not edits.shift("smile", 0.0).any()
    assert torch.equal(edits.shift("age", 1.0), torch.tensor([[[1.0, 0, 0, 0]]]))
    assert torch.equal(edits.shift("age", 1.0, conditioned=False), torch.ones(1, 1, 4))


def test_directions_in_w_plus_keep_their_layers(tmp_path):
    row = EditRow("yaw", "Turn", "pose", "degrees", -3, 3, space="w+")
    vector = torch.randn(6, 4)
    write_directions(tmp_path, [row], {"yaw": Direction(vector)}, "tiny")
    assert torch.allclose(DirectionEdits(tmp_path).shift("yaw", -1.0), -vector[None])


def test_an_unknown_edit_suggests_the_nearest(folder):
    with pytest.raises(UnknownEdit, match="did you mean 'smile'"):
        DirectionEdits(folder).shift("smiel", 1.0)


@pytest.mark.parametrize("strength", [float("nan"), float("-inf"), 1e9, -12.1, "1", None])
def test_absurd_strengths_are_refused(folder, strength):
    with pytest.raises(BadStrength, match="'smile'"):
        DirectionEdits(folder).shift("smile", strength)


def test_strengths_a_little_outside_the_range_are_allowed(folder):
    assert DirectionEdits(folder).shift("smile", 5.0).any()


def test_a_missing_or_damaged_manifest_is_reported(folder, tmp_path):
    with pytest.raises(WeightsMissing):
        DirectionEdits(tmp_path / "nothing")
    manifest = folder / "manifest.json"
    good = json.loads(manifest.read_text())
    manifest.write_text("{")
    with pytest.raises(WeightsCorrupt, match="JSON"):
        DirectionEdits(folder)
    manifest.write_text("{}")
    with pytest.raises(ForeignWeights):
        DirectionEdits(folder)
    manifest.write_text(json.dumps({**good, "version": 99}))
    with pytest.raises(ForeignWeights, match="99"):
        DirectionEdits(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"minimum": "low"},
        {"minimum": 5.0},
        {"space": "z"},
        {"file": "../secret.safetensors"},
        {"leak": {"beard": "much"}},
        {"colour": "red"},
        {"name": 3},
        {"maximum": None},
    ],
)
def test_a_row_that_makes_no_sense_is_refused(folder, change):
    manifest = folder / "manifest.json"
    record = json.loads(manifest.read_text())
    record["directions"][0].update(change)
    manifest.write_text(json.dumps(record))
    with pytest.raises(WeightsCorrupt):
        DirectionEdits(folder)


def test_a_swapped_or_missing_tensor_file_is_noticed(folder):
    (folder / "smile.safetensors").write_bytes((folder / "age.safetensors").read_bytes())
    (folder / "age.safetensors").unlink()
    edits = DirectionEdits(folder)
    with pytest.raises(WeightsCorrupt, match="manifest"):
        edits.shift("smile", 1.0)
    with pytest.raises(WeightsMissing):
        edits.shift("age", 1.0)


def test_a_place_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite):
        write_directions(tmp_path / "file" / "edits", ROWS, VECTORS, "tiny")


# The mathematics


def test_the_svm_finds_the_direction_that_makes_the_labels():
    g = torch.Generator().manual_seed(0)
    true = F.normalize(torch.randn(16, generator=g), dim=0)
    w = torch.randn(3000, 16, generator=g) + 5
    values = w @ true
    boundary = fit_boundary(w, *extremes(values))
    assert float(boundary.normal @ true) > 0.97
    assert boundary.accuracy > 0.97
    assert float(boundary.normal.norm()) == pytest.approx(1, abs=1e-5)


def test_extremes_are_the_ends_and_never_overlap():
    low, high = extremes(torch.arange(100.0), 0.2)
    assert (int(low.sum()), int(high.sum())) == (20, 20)
    assert not (low & high).any()
    worn = torch.tensor([0.0] * 70 + [1.0] * 30)
    low, high = extremes(worn, 0.25)
    assert torch.equal(high, worn == 1)
    assert torch.equal(low, worn == 0)


def test_a_property_nobody_has_is_refused():
    with pytest.raises(ShapeMismatch):
        fit_boundary(torch.randn(50, 4), torch.ones(50, dtype=torch.bool), torch.zeros(50, dtype=torch.bool))


def test_projecting_out_leaves_nothing_along_the_others():
    g = torch.Generator().manual_seed(1)
    normal, a, b = (F.normalize(torch.randn(8, generator=g), dim=0) for _ in range(3))
    rest = project_out(normal, [a, b])
    assert abs(float(rest @ a)) < 1e-6
    assert abs(float(rest @ b)) < 1e-6
    assert float(rest @ normal) == pytest.approx(kept_share(normal, [a, b]), abs=1e-5)
    assert torch.allclose(project_out(normal, []), normal)
    with pytest.raises(ShapeMismatch):
        project_out(a + b, [a, b])


def test_conditions_are_the_large_leaks_as_long_as_enough_is_left():
    e = torch.eye(4)
    normals = {"age": F.normalize(e[0] + 0.4 * e[1] + 2.5 * e[2], dim=0), "beard": e[1], "yaw": e[2], "hair_grey": e[3]}
    leak = {"beard": 0.3, "yaw": 0.9, "hair_grey": 0.8, "smile": 0.7, "age": 1.0}
    # yaw would leave too little; grey hair belongs to age; there is no normal for smile.
    assert choose_conditions("age", normals, leak, keep=("hair_grey",)) == ("beard",)
    assert choose_conditions("age", normals, {"beard": 0.05}) == ()


def test_a_range_ends_where_the_effect_saturates_or_the_person_changes():
    def saturating(strength: float) -> tuple[float, float]:
        return max(-10.0, min(strength, 2.0)), 1.0

    assert find_end(saturating, 0.0, 0.5, 3.5, 0.3, 0.4) == 2.0
    assert find_end(saturating, 0.0, -0.5, 3.5, 0.3, 0.4) == -3.5
    assert find_end(lambda s: (s, 1 - 0.2 * abs(s)), 0.0, 1.0, 4.0, 0.3, 0.5) == 2.0
    assert find_end(lambda s: (0.0, 0.0), 0.0, 1.0, 4.0, 0.3, 0.5) == 1.0


# A world that is linear, so that the true directions are known


class LinearGenerator:
    """`w` is a rotation of `z`, and the picture's pixels are `z` itself, scaled down."""

    num_ws = 3

    def __init__(self) -> None:
        g = torch.Generator().manual_seed(0)
        self.rotation = torch.linalg.qr(torch.randn(Z_DIM, Z_DIM, generator=g))[0]
        self.w_avg = torch.zeros(Z_DIM)

    def map(self, z, truncation_psi=1.0):
        return z @ self.rotation

    def to_styles(self, w_plus):
        assert w_plus.shape[1:] == (self.num_ws, Z_DIM)
        return (w_plus[:, 0],)

    def render(self, styles, resolution=None):
        z = styles[0] @ self.rotation.T
        return F.pad(z, (0, 48 - Z_DIM)).reshape(-1, 3, 4, 4) / 10


def read_attributes(pictures):
    return pictures.flatten(1)[:, :Z_DIM] * 10


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    generator = LinearGenerator()
    folder = tmp_path_factory.mktemp("world")
    config = DirectionsConfig(n_fit=4000, n_measure=24, n_range=8, batch=64)
    chosen = tuple(s for s in SLIDERS if s.name in ("yaw", "smile", "beard", "femininity", "glasses", "age"))
    progress = []
    rows = fit_directions(
        generator,
        read_attributes,
        folder,
        config,
        domain="linear",
        input_size=4,
        sliders=chosen,
        on_progress=lambda *now: progress.append(now),
    )
    return SimpleNamespace(generator=generator, folder=folder, rows={r.name: r for r in rows}, progress=progress)


@pytest.mark.parametrize("name", ["yaw", "smile", "beard", "femininity", "glasses", "age"])
def test_directions_of_a_linear_world_are_the_true_ones(world, name):
    vector = DirectionEdits(world.folder).shift(name, 1.0)[0, 0]
    true = world.generator.rotation[column(TRAITS, name)]
    assert float(F.normalize(vector, dim=0) @ true) > 0.9


def test_effects_are_measured_in_true_units(world):
    # Strength 1 is one standard deviation of the property (15 degrees of yaw, 18 years), less what the SVM misses.
    spread = to_z(sample_parameters(4000, 0)).std(0)
    for name in ("yaw", "age", "smile"):
        expected = float(spread[column(TRAITS, name)]) * TRAITS[column(TRAITS, name)].per_z
        assert world.rows[name].effect_per_unit == pytest.approx(expected, rel=0.12)


def test_conditioning_removes_what_leaks(world):
    beard = world.rows["beard"]
    assert all(abs(beard.leak.get(key, 0)) <= abs(beard.plain_leak[key]) + 0.02 for key in beard.conditioned_on)


def test_a_conditioned_vector_is_kept_only_where_it_is_cleaner(world):
    for row in world.rows.values():
        direction = DirectionEdits(world.folder).direction(row.name)
        assert (direction.conditioned is None) == (row.conditioned_on == ())
    quiet, loud = Effect(2.0, {"a": 0.3, "b": 0.4}), Effect(1.0, {"a": 0.3, "b": 0.4})
    assert leak_per_effect(quiet) == pytest.approx(0.25)
    assert leak_per_effect(loud) == pytest.approx(0.5)
    assert leak_per_effect(loud, keep=("b",)) == pytest.approx(0.3)


def test_rows_say_what_they_are(world):
    yaw = world.rows["yaw"]
    assert (yaw.unit, yaw.group, yaw.domain, yaw.space) == ("degrees", "pose", "linear", "w")
    assert "1907.10786" in yaw.source
    assert yaw.minimum <= -2
    assert yaw.maximum >= 2
    assert world.progress[-1][0] == world.progress[-1][1]


def test_the_identity_network_limits_how_far_an_edit_goes(tmp_path):
    """A "person" who is recognised only while the head is turned little."""
    generator = LinearGenerator()
    place = column(TRAITS, "yaw")

    def recognise(pictures):
        angle = read_attributes(pictures)[:, place]
        return torch.stack([torch.cos(angle), torch.sin(angle)], 1)

    rows = fit_directions(
        generator,
        read_attributes,
        tmp_path,
        DirectionsConfig(n_fit=2000, n_measure=8, n_range=8, identity=0.6),
        domain="linear",
        input_size=4,
        identity=recognise,
        sliders=(Slider("yaw", "Turn", "Turns."),),
    )
    assert rows[0].maximum <= 1.5
