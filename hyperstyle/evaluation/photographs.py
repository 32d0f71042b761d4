"""Photographs of people nobody trained on: how alike they come back, for whom, and what edits make of them.

    table + folder --people.choose--> aligned photographs --measure--> plain data --photographs_page--> a page

One picture of each person is inverted; all of them say who is who. Everything counts people, so that one with many
pictures weighs no more than one with a single picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyperstyle import metrics, verification
from hyperstyle.device import describe_machine
from hyperstyle.evaluation.face_judge import SAME_PERSON, FaceJudge
from hyperstyle.evaluation.people import Chosen, Known, Values
from hyperstyle.evaluation.photograph_details import measure_details
from hyperstyle.evaluation.photograph_edits import measure_edits, network_traits
from hyperstyle.evaluation.tables import difference_to_all, interval
from hyperstyle.inversion import METHODS, Inverter
from hyperstyle.pipeline import HyperStyle
from hyperstyle.training.photo_traits import TRAITS, trait_table
from hyperstyle.traits import column

LAST_STEP = 5
"""HyperStyle is measured after every step up to this one, or up to the last one it was trained for if that is later."""
FEWEST_IN_GROUP = 3


def measure(
    pipeline: HyperStyle,
    chosen: Chosen,
    judge: FaceJudge | None = None,
    slow_n: int = 4,
    edited: int = 40,
    detailed: int = 20,
    on_person: Callable[[], None] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Answer every question.

    Args:
        pipeline: A domain that inverts faces.
        chosen: From `choose`.
        judge: See `Known`.
        slow_n: People whom methods that take minutes are tried on; 0 leaves these methods out.
        edited: People whose faces are edited, at most.
        detailed: People whose edits are also drawn on their photographs, at most; 0 leaves that out.
        on_person: Called `work` times.
        options: Further options by method, as `pipeline.inverter` takes them.

    Returns:
        Plain data, ready for JSON and for `photographs_page.to_markdown`.
    """
    told = on_person or (lambda: None)
    known, steps = Known(pipeline, judge, chosen), pipeline.domain.refinement_steps
    methods = measure_methods(pipeline, chosen, known, slow_n, told, options or {})
    trained = methods[f"step {steps}" if steps else "encoder"]
    traits = network_traits(pipeline)
    return {
        "domain": pipeline.domain.name,
        "device": str(pipeline.device),
        "machine": describe_machine(pipeline.device),
        "judged": judge is not None,
        "trained_steps": steps,
        "people": len(chosen.first),
        "pictures": len(chosen.rows),
        "refused": len(chosen.refused),
        "who": _who([chosen.rows[place] for place in chosen.first]),
        "methods": [
            {"name": name, "label": _label(name, steps), **_summary(values)} for name, values in methods.items()
        ],
        "references": _references(known, chosen),
        "groups": _groups(known, chosen, trained),
        "verification": {
            name: asdict(verification.verify_similarity(similarity, chosen.people, chosen.shots))
            for name, similarity in known.similarities().items()
        },
        "traits": [trait.name for trait in traits],
        "edits": measure_edits(pipeline, known, chosen.first[:edited], traits, told),
        "details": measure_details(pipeline, known, chosen.first[:detailed], traits, told),
    }


def work(pipeline: HyperStyle, chosen: Chosen, slow_n: int, edited: int, detailed: int) -> int:
    """How often `measure` reports a person as done."""
    count = len(chosen.first)
    slow = [name for name in pipeline.methods if METHODS[name].descends]
    moved = min(edited, count) + min(detailed, count) if pipeline.edits else 0
    return count + min(slow_n, count) * len(slow) + moved


def measure_methods(
    pipeline: HyperStyle,
    chosen: Chosen,
    known: Known,
    slow_n: int,
    told: Callable[[], None],
    options: Mapping[str, Mapping[str, Any]],
) -> dict[str, Values]:
    """Invert one photograph of each person with every method.

    Returns:
        By method, in this order: "encoder", "step 1", ... of HyperStyle, then those of `pipeline.methods`.
    """
    last = max(LAST_STEP, pipeline.domain.refinement_steps)
    ours = pipeline.inverter("hyperstyle", steps=last)
    others = {
        name: pipeline.inverter(name, **options.get(name, {}))
        for name in pipeline.methods
        if name not in ("encoder", "hyperstyle")
    }
    quick = {name: inverter for name, inverter in others.items() if not METHODS[name].descends}
    found: dict[str, dict[str, list[Tensor]]] = {}

    def note(place: int, names: Sequence[str], drawn: Tensor) -> None:
        for metric, values in _quality(known, place, drawn).items():
            for name, value in zip(names, values, strict=True):
                found.setdefault(name, {}).setdefault(metric, []).append(value)

    for place in chosen.first:
        target = known.target(place)
        pictures: list[Tensor] = []
        ours.invert(target, lambda _, picture, seen=pictures: seen.append(picture))  # type: ignore[misc]
        pictures += [_rebuilt(pipeline, inverter, target) for inverter in quick.values()]
        steps = ["encoder", *(f"step {step}" for step in range(1, last + 1))]
        note(place, [*steps, *quick], torch.cat(pictures))
        told()
    for name, inverter in others.items():
        for place in chosen.first[:slow_n] if METHODS[name].descends else []:
            note(place, [name], _rebuilt(pipeline, inverter, known.target(place)))
            told()
    return {
        name: {metric: torch.stack(values) for metric, values in quality.items()} for name, quality in found.items()
    }


def _rebuilt(pipeline: HyperStyle, inverter: Inverter, target: Tensor) -> Tensor:
    return pipeline.draw(inverter.invert(target), remember=False)


@torch.inference_mode()
def _quality(known: Known, place: int, drawn: Tensor) -> Values:
    """Every metric of several pictures (B, 3, H, W) against one photograph: (B,) each."""
    drawn = drawn.clamp(-1, 1)
    target = known.target(place).expand_as(drawn)
    compared = {"l2": metrics.l2, "psnr": metrics.psnr, "ms_ssim": metrics.ms_ssim}
    return known.closeness(place, drawn) | {name: compare(target, drawn).cpu() for name, compare in compared.items()}


def _label(name: str, trained: int) -> str:
    """What people read."""
    if not name.startswith("step "):
        return METHODS[name].label
    step = int(name.removeprefix("step "))
    return f"HyperStyle, {step} step{'s' * (step > 1)}{', as trained' * (step == trained)}"


def _summary(values: Values) -> dict[str, Any]:
    """How many people, and every metric's mean with its interval."""
    return {"n": len(next(iter(values.values()))), "measured": {name: interval(one) for name, one in values.items()}}


def _who(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Who is in the photographs, one row each, as far as the table says."""
    age, female = (values[~values.isnan()] for values in (_trait(rows, "age"), _trait(rows, "femininity")))
    sources = [row.get("source", "") for row in rows]
    return {
        "women": float((female > 0.5).float().mean()) if len(female) else None,
        "median_age": float(age.median()) if len(age) else None,
        "sources": {name: sources.count(name) for name in sorted(set(sources)) if name},
    }


def _trait(rows: list[dict[str, str]], name: str) -> Tensor:
    """(N,) one of `photo_traits.TRAITS` in its unit; NaN where it is not known."""
    return trait_table(rows)[:, column(TRAITS, name)]


def _references(known: Known, chosen: Chosen) -> list[dict[str, Any]]:
    """What the networks say about photographs alone: another shot of the same person, and other people."""
    people, shots = chosen.people, chosen.shots
    similar = known.similarities()
    same: dict[str, list[float]] = {}
    for first in chosen.first:
        of_one = [place for place, person in enumerate(people) if person == people[first]]
        together = [(a, b) for a in of_one for b in of_one if shots[a] != shots[b]]
        if together:
            for metric, value in _between(similar, together).items():
                same.setdefault(metric, []).append(value)
            if "judge" in similar:
                own = [_recognised(similar["judge"], a, people, shots) for a in dict.fromkeys(a for a, _ in together)]
                same.setdefault("nearest", []).append(float(np.mean(own)))
    other: dict[str, list[float]] = {}
    for first in chosen.first if len(chosen.first) > 1 else []:
        for metric, value in _between(similar, [(first, b) for b in chosen.first if b != first]).items():
            other.setdefault(metric, []).append(value)
    named = {"the same person in another photograph": same, "two different people": other}
    return [
        {"label": label, **_summary({metric: torch.tensor(one) for metric, one in values.items()})}
        for label, values in named.items()
        if values
    ]


def _between(similar: dict[str, Tensor], together: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Means over some pairs of photographs."""
    a, b = torch.tensor(together).t()
    means: dict[str, float] = {}
    if "judge" in similar:
        apart = -similar["judge"][a, b]
        means |= {"judge": float(apart.mean()), "within": float((apart <= SAME_PERSON).float().mean())}
    if "identity" in similar:
        means["identity"] = float(similar["identity"][a, b].mean())
    return means


def _recognised(similar: Tensor, place: int, people: Sequence[str], shots: Sequence[str]) -> bool:
    """Whether the photograph most like one, other than the same shot, shows the same person."""
    others = [other for other, shot in enumerate(shots) if shot != shots[place]]
    return people[max(others, key=lambda other: float(similar[place, other]))] == people[place]


# For whom


def _groups(known: Known, chosen: Chosen, values: Values) -> list[dict[str, Any]]:
    """The same measurements by groups of people; groups of fewer than `FEWEST_IN_GROUP` are left out."""
    similar = known.similarities().get("judge")
    first = torch.tensor(chosen.first)
    found = []
    for kind, label, members in group_members([chosen.rows[place] for place in chosen.first]):
        count = int(members.sum())
        if count < FEWEST_IN_GROUP:
            continue
        row: dict[str, Any] = {"kind": kind, "label": label}
        row |= _summary({metric: one[members] for metric, one in values.items()})
        row["difference"] = {metric: difference_to_all(one, members) for metric, one in values.items()}
        if similar is not None:
            inside = first[members]
            apart = -similar[inside][:, inside][torch.ones(count, count).triu(1).bool()]
            row["strangers_within"] = float((apart <= SAME_PERSON).float().mean())
        found.append(row)
    return found


def group_members(rows: list[dict[str, str]]) -> list[tuple[str, str, Tensor]]:
    """Divide people into groups, as far as the table and the pictures say who they are.

    Args:
        rows: One per person, with what alignment measured.

    Returns:
        Kind of group, its name, and (N,) bool who belongs to it.
    """
    female, age, tone = _trait(rows, "femininity"), _trait(rows, "age"), _trait(rows, "skin_tone")
    found = [("sex", "women", female > 0.5), ("sex", "men", female <= 0.5)]
    for members in _thirds(age):
        years = age[members]
        found.append(("age", f"{years.min():.0f} to {years.max():.0f} years" if len(years) else "", members))
    names = ("lightest third", "middle third", "darkest third")
    found += [("skin tone", name, members) for name, members in zip(names, _thirds(tone), strict=False)]
    sources = [row.get("source", "") for row in rows]
    for name in sorted(set(sources)) if len(set(sources)) > 1 else []:
        found.append(("source", name or "not named", torch.tensor([source == name for source in sources])))
    return found


def _thirds(values: Tensor) -> list[Tensor]:
    """Who is in the lower, middle and upper third (N,) bool; nothing where it is known of fewer than three."""
    known = values[~values.isnan()]
    if len(known) < 3:
        return []
    low, high = torch.quantile(known, torch.tensor([1 / 3, 2 / 3]))
    return [values <= low, (values > low) & (values <= high), values > high]
