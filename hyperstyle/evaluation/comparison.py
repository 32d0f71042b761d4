"""Inversion methods side by side: how close, how fast, and what is left of the person once the face is edited.

Editability is read at the change an edit achieves, never at its nominal strength: a method whose edits do nothing keeps
every identity. The attribute network says how far an edit got, in the attribute's unit, and what else moved.

Source: the comparison of HyperStyle (arXiv 2111.15666), section 5.1; latent editing consistency is e4e's (2102.02766).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from hyperstyle import metrics
from hyperstyle.device import describe_machine, forget_peak_memory, peak_memory_mb
from hyperstyle.errors import UsageError
from hyperstyle.evaluation.targets import FIRST_HELD_OUT_SEED, batches, held_out_face
from hyperstyle.inversion import METHODS, Inverter
from hyperstyle.latents import Inversion
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.resizing import pool_to
from hyperstyle.pipeline import HyperStyle
from hyperstyle.synthetic.parameters import TRAITS, sample_parameters, to_z
from hyperstyle.synthetic.renderer import render
from hyperstyle.traits import Trait, column, range_shares

Split = Literal["in-domain", "beyond"]

EDITS = ("yaw", "smile", "age")  # those of the paper's figure, where the domain has them
SHARES = (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0)  # of the slider's range
CYCLE_SHARE = 0.5
LAST_STEP = 10  # of the refinement curve, as in the paper's figure
EDITED_FACES = 40  # three edits at eight strengths take far longer than an inversion
STEPPED_FACES = 64  # of the refinement curve
CYCLED_EDITS = EDITS[:1]
CYCLED_FACES = 1  # of methods that descend: each is another inversion, which takes them a minute
FEWEST_FOR_FRECHET = 16  # of fewer pictures a distribution cannot be told
READ_FACES = 64
_JUDGE = "a network that was trained from nothing for this comparison, and that no loss has ever asked"
_KNOWN = "the domain's identity network, which encoders and hypernetwork were trained with"


@dataclass
class Curve:
    """One edit on one method's inversions, a row per face and a column per strength.

    Attributes:
        strengths: (S,) nominal.
        change: (N, S) of the edited attribute, in its unit.
        identity: (N, S) likeness of the edited picture to the target; empty without an identity network.
        leak: (N, S) mean movement of all other attributes, as a share of their range.
    """

    strengths: list[float]
    change: Tensor
    identity: Tensor
    leak: Tensor


@dataclass
class MethodResult:
    """What was measured of one method.

    Attributes:
        label: What people read.
        quality: By metric (N,).
        seconds, peak_mb: (N,) for one face at a time.
        features: (N, C) of the reconstructions, for the Frechet distance; empty without an attribute network.
        curves: By edit, of the first faces.
        cycle: By edit (M,): L2 between the reconstruction, and what is left after editing it, inverting the edited
            picture again and editing back.
        consistency: By edit (M,): the same in latents, as a share of the edit's length (e4e's latent editing
            consistency).
    """

    label: str = ""
    quality: dict[str, Tensor] = field(default_factory=dict)
    seconds: Tensor = field(default_factory=lambda: torch.zeros(0))
    peak_mb: Tensor = field(default_factory=lambda: torch.zeros(0))
    features: Tensor = field(default_factory=lambda: torch.zeros(0))
    curves: dict[str, Curve] = field(default_factory=dict)
    cycle: dict[str, Tensor] = field(default_factory=dict)
    consistency: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """What takes part.

    Attributes:
        label: What people read.
        pipeline: Draws and edits what was found.
        inverter: Finds it.
        descends: Whether that takes long.
    """

    label: str
    pipeline: HyperStyle
    inverter: Inverter
    descends: bool = False


@dataclass
class Comparison:
    """All methods on the same faces.

    Attributes:
        domain, split, n, seed, machine, device, perceptual, identity: What the numbers depend on. `split` is "photos"
            for a folder of the user's; `perceptual` names the network behind `lpips`, `identity` the one that says
            who a face is.
        trained_steps: Refinement steps that the domain's hypernetwork was trained for.
        methods: By name.
        target_features: (N, C) of the targets; empty without an attribute network.
        reader_error: By edit: mean error of the network that reads attributes, in the attribute's unit, on pictures of
            known parameters; empty where there are none.
        steps: HyperStyle's quality by metric (N,) after the encoder (0) and after every refinement step; empty where
            HyperStyle is not among the methods.
        units: By edit: unit of its change.
    """

    domain: str
    split: str
    n: int
    seed: int | None
    device: str
    machine: dict[str, Any]
    perceptual: str
    identity: str
    trained_steps: int
    methods: dict[str, MethodResult]
    target_features: Tensor = field(default_factory=lambda: torch.zeros(0))
    reader_error: dict[str, float] = field(default_factory=dict)
    steps: list[dict[str, Tensor]] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)

    def frechet(self, name: str) -> float | None:
        """Frechet distance of a method's reconstructions from the targets; None for too few pictures."""
        if len(self.target_features) < FEWEST_FOR_FRECHET:
            return None
        return metrics.frechet_distance(self.target_features, self.methods[name].features)


def compare(
    pipeline: HyperStyle,
    methods: Sequence[str],
    split: Split = "beyond",
    n: int = 20,
    seed: int = 0,
    targets: Iterable[Tensor] | None = None,
    on_face: Callable[[str, int], None] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Comparison:
    """Invert the same faces with several methods, measure, edit, and measure again.

    Args:
        pipeline: The domain.
        methods: Names from `pipeline.methods`.
        split: Which of the renderer's pictures.
        n: How many.
        seed: Added to the first held-out seed.
        targets: Faces of the caller's own instead, each (1, 3, *domain.picture_hw) in [-1, 1].
        on_face: Called with the method's name and how many faces it has done.
        options: Further options by method, as `pipeline.inverter` takes them.

    Raises:
        UsageError: There is no such method; or no face.
    """
    inverters = {name: pipeline.inverter(name, **(options or {}).get(name, {})) for name in methods}
    contenders = {
        name: Contender(METHODS[name].label, pipeline, inverter, METHODS[name].descends)
        for name, inverter in inverters.items()
    }
    return compare_contenders(pipeline, contenders, split, n, seed, targets, on_face)


def compare_contenders(
    pipeline: HyperStyle,
    contenders: Mapping[str, Contender],
    split: Split = "beyond",
    n: int = 20,
    seed: int = 0,
    targets: Iterable[Tensor] | None = None,
    on_face: Callable[[str, int], None] | None = None,
    reader_error: Mapping[str, float] | None = None,
) -> Comparison:
    """As `compare`, for whatever inverts: methods with other options, other networks.

    `reader_error` is what `read_error` says where that is known already.
    """
    if targets is None:
        first, size = FIRST_HELD_OUT_SEED + seed, pipeline.domain.resolution
        faces = [held_out_face(size, first + i, split == "beyond").to(pipeline.device) for i in range(n)]
    else:
        faces = [face.to(pipeline.device) for face in targets]
    if not faces:
        raise UsageError("There is no face to compare methods on.")
    known, reader = pipeline.judge, pipeline.models.attributes
    if reader_error is None:
        known_truth = targets is None and reader is not None and pipeline.domain.traits == TRAITS
        reader_error = read_error(pipeline, FIRST_HELD_OUT_SEED + seed) if known_truth else {}
    return Comparison(
        domain=pipeline.domain.name,
        split=split if targets is None else "photos",
        n=len(faces),
        seed=seed if targets is None else None,
        device=str(pipeline.device),
        machine=describe_machine(pipeline.device),
        perceptual="LPIPS" if pipeline.models.lpips is not None else "features of the domain's attribute network",
        identity=_KNOWN if known is pipeline.models.identity else _JUDGE,
        trained_steps=pipeline.domain.refinement_steps,
        methods={
            name: _measure(one, faces, known, partial(on_face, name) if on_face else lambda _: None)
            for name, one in contenders.items()
        },
        target_features=_features(pipeline, faces),
        reader_error=dict(reader_error),
        steps=refinement_curve(pipeline, faces[:STEPPED_FACES], known) if "hyperstyle" in contenders else [],
        units={trait.name: trait.unit for trait in _edited_traits(pipeline).values()},
    )


def read_error(pipeline: HyperStyle, seed: int, n: int = READ_FACES) -> dict[str, float]:
    """Mean error of the attribute network on held-out pictures of known parameters, by edit, in its unit.

    For domains that the renderer draws.
    """
    reader = pipeline.models.attributes
    assert reader is not None  # the caller has looked
    found = []
    wanted = []
    for count, batch_seed in batches(n, seed):
        parameters = sample_parameters(count, batch_seed)
        picture = render(parameters, pipeline.domain.resolution).to(pipeline.device)
        with torch.inference_mode():
            found.append(reader(pool_to(picture, reader.config.input_size)).cpu())
        wanted.append(to_z(parameters))
    error = (torch.cat(found) - torch.cat(wanted)).abs().mean(0)
    traits = _edited_traits(pipeline)
    return {name: float(error[column(TRAITS, name)]) * trait.per_z for name, trait in traits.items()}


def _edited_traits(pipeline: HyperStyle) -> dict[str, Trait]:
    """Those of `EDITS` that the domain has and whose effect somebody reads, by name, in the sliders' order."""
    if pipeline.models.attributes is None:
        return {}
    traits = {trait.name: trait for trait in pipeline.domain.traits if trait.name in EDITS}
    return {row.name: traits[row.name] for row in pipeline.edits if row.name in traits}


def _features(pipeline: HyperStyle, pictures: Sequence[Tensor]) -> Tensor:
    """(N, C) for pictures (1, 3, H, W) each; empty without an attribute network."""
    reader = pipeline.models.attributes
    if reader is None:
        return torch.zeros(0)
    with torch.inference_mode():
        return torch.cat([metrics.features(reader, picture.clamp(-1, 1)).cpu() for picture in pictures])


def refinement_curve(
    pipeline: HyperStyle, faces: Sequence[Tensor], known: EmbeddingNetwork | None, steps: int = LAST_STEP
) -> list[dict[str, Tensor]]:
    """Measure HyperStyle after each of its steps, also beyond those it was trained for.

    Args:
        pipeline: The domain.
        faces: Each (1, 3, *domain.picture_hw) in [-1, 1].
        known: Says who a face is; None leaves identity out.
        steps: The last one.

    Returns:
        By step, from 0 (the encoder): metric -> (N,).
    """
    found: list[dict[str, list[Tensor]]] = [{} for _ in range(steps + 1)]
    inverter = pipeline.inverter("hyperstyle", steps=steps)
    for face in faces:

        def measure(step: int, drawn: Tensor, face: Tensor = face) -> None:
            for metric, values in _quality(pipeline, face, drawn, known).items():
                found[step].setdefault(metric, []).append(values)

        inverter.invert(face, measure)
    return [{metric: torch.cat(values) for metric, values in one.items()} for one in found]


def _quality(pipeline: HyperStyle, face: Tensor, drawn: Tensor, known: EmbeddingNetwork | None) -> dict[str, Tensor]:
    """What `HyperStyle.measure_each` says, with the comparison's own judge of identity, on the CPU."""
    measured = pipeline.measure_each(face, drawn)
    if known is not None:
        measured["identity"] = metrics.identity(known, face, drawn.clamp(-1, 1))
    return {"lpips" if metric == "perceptual" else metric: values.cpu() for metric, values in measured.items()}


def _measure(
    contender: Contender, faces: Sequence[Tensor], known: EmbeddingNetwork | None, on_face: Callable[[int], None]
) -> MethodResult:
    pipeline, inverter = contender.pipeline, contender.inverter
    if not contender.descends:
        inverter.invert(faces[0])  # the first call allocates, which a page pays only once
    quality: dict[str, list[Tensor]] = {}
    seconds, peaks, inversions, features = [], [], [], []
    for number, face in enumerate(faces):
        forget_peak_memory(pipeline.device)
        started_s = time.perf_counter()
        inversion = inverter.invert(face)
        if pipeline.device.type == "cuda":
            torch.cuda.synchronize(pipeline.device)
        seconds.append(time.perf_counter() - started_s)
        peaks.append(peak_memory_mb(pipeline.device))
        inversions.append(inversion)
        drawn = pipeline.draw(inversion)
        features.append(_features(pipeline, [drawn]))
        for metric, values in _quality(pipeline, face, drawn, known).items():
            quality.setdefault(metric, []).append(values)
        on_face(number + 1)
    result = MethodResult(
        contender.label,
        {metric: torch.cat(values) for metric, values in quality.items()},
        torch.tensor(seconds),
        torch.tensor(peaks),
        torch.cat(features),
    )
    faces, inversions = faces[:EDITED_FACES], inversions[:EDITED_FACES]
    traits = _edited_traits(pipeline)
    for edit in pipeline.edits:
        if edit.name in traits:
            trait = traits[edit.name]
            result.curves[edit.name] = _curve(pipeline, trait, edit.minimum, edit.maximum, faces, inversions, known)
        if edit.name in result.curves and edit.name in CYCLED_EDITS:
            cycled = inversions[:CYCLED_FACES] if contender.descends else inversions
            strength = CYCLE_SHARE * edit.maximum
            pairs = [_cycle(pipeline, inverter.invert, one, edit.name, strength) for one in cycled]
            result.cycle[edit.name] = torch.cat([pair[0] for pair in pairs])
            result.consistency[edit.name] = torch.cat([pair[1] for pair in pairs])
    return result


def _curve(
    pipeline: HyperStyle,
    trait: Trait,
    low: float,
    high: float,
    faces: Sequence[Tensor],
    inversions: Sequence[Inversion],
    known: EmbeddingNetwork | None,
) -> Curve:
    """Achieved change, likeness and leak over the slider's range."""
    reader = pipeline.models.attributes
    assert reader is not None  # the caller has looked
    place = column(pipeline.domain.traits, trait.name)
    strengths = [share * (high if share > 0 else -low) for share in SHARES]
    changes, likeness, leaks = [], [], []
    with torch.inference_mode():
        for face, inversion in zip(faces, inversions, strict=True):
            pictures = [pipeline.draw(inversion, {trait.name: strength}) for strength in (0.0, *strengths)]
            drawn = torch.cat(pictures).clamp(-1, 1)
            read = reader(pool_to(drawn, reader.config.input_size)).cpu()
            moved = read[1:] - read[:1]
            changes.append(moved[:, place] * trait.per_z)
            others = range_shares(moved.abs())
            others[:, place] = 0
            leaks.append(others.sum(1) / (others.shape[1] - 1))
            if known is not None:
                likeness.append(metrics.identity(known, face.expand_as(drawn[1:]), drawn[1:]).cpu())
    identity = torch.stack(likeness) if likeness else torch.zeros(0)
    return Curve(strengths, torch.stack(changes), identity, torch.stack(leaks))


def _cycle(
    pipeline: HyperStyle, invert: Callable[[Tensor], Inversion], inversion: Inversion, name: str, strength: float
) -> tuple[Tensor, Tensor]:
    """Edit, invert what came out, edit back: how far from the reconstruction (1,), and in latents (1,).

    The latter is relative to the edit's length.
    """
    plain = pipeline.draw(inversion)
    again = invert(pipeline.draw(inversion, {name: strength}).clamp(-1, 1).clone())
    there, back = pipeline.edit_latent(inversion, {name: strength}), pipeline.edit_latent(again, {name: -strength})
    start = inversion.w_plus.to(there)
    length = (there - start).flatten(1).norm(dim=1)
    drift = (back - start).flatten(1).norm(dim=1) / length.clamp_min(1e-9)
    return metrics.l2(plain, pipeline.draw(again, {name: -strength})).cpu(), drift.cpu()


def matched_change(results: Mapping[str, MethodResult], edit: str) -> float:
    """The largest change, upwards, that every method achieves on average: where they are compared."""
    reached = [result.curves[edit].change.mean(0).max() for result in results.values()]
    return float(torch.stack(reached).min())


def identity_at(curve: Curve, change: float) -> Tensor:
    """Likeness of each face where its edit achieves a change, between the strengths that were drawn: (N,).

    A face whose edit never gets so far counts with its strongest edit.
    """
    zero = len([strength for strength in curve.strengths if strength < 0])
    values = []
    for changes, likeness in zip(curve.change[:, zero:], curve.identity[:, zero:], strict=True):
        reached = (changes >= change).nonzero()
        if len(reached) == 0:
            values.append(likeness[-1])
            continue
        after = int(reached[0])
        if after == 0:
            values.append(likeness[0])
            continue
        share = (change - changes[after - 1]) / (changes[after] - changes[after - 1]).clamp_min(1e-9)
        values.append(torch.lerp(likeness[after - 1], likeness[after], share))
    return torch.stack(values)
