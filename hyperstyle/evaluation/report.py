"""Everything at once: what the renderer knows, methods side by side, the ablation, and what was tried besides."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperstyle.evaluation import ablations, comparison_page, world
from hyperstyle.evaluation.comparison import (
    Comparison,
    Contender,
    Split,
    compare,
    compare_contenders,
    identity_at,
    matched_change,
)
from hyperstyle.evaluation.tables import interval, show, table
from hyperstyle.inversion import METHODS
from hyperstyle.inversion.optimisation import OptimisationConfig
from hyperstyle.pipeline import HyperStyle

PASSES = 10  # as in the paper's table
WORLD_PICTURES = 64  # per question about the renderer's world; more are for telling methods apart
LONG = OptimisationConfig(steps=1500, latent_noise=0.0)

_PARTS = {
    "world": "the renderer's world",
    "quick": "methods without gradients",
    "slow": "all methods",
    "tried": "what was tried",
    "ablations": "the ablation",
}

Progress = Callable[[str], None]
Options = Mapping[str, Mapping[str, Any]]


@dataclass
class Report:
    """All results.

    Attributes:
        world: From `world.evaluate`.
        quick: Methods that take no gradients.
        slow: All methods, on fewer faces; None where that was left out.
        tried: What might bring HyperStyle's edits past those of optimisation in W+, on the same faces.
        ablations: Hypernetworks that differ in one thing; None where the domain has none.
        minutes: What each of these took.
    """

    world: dict[str, Any]
    quick: Comparison
    slow: Comparison | None = None
    tried: Comparison | None = None
    ablations: Comparison | None = None
    minutes: dict[str, float] = field(default_factory=dict)

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """Those that were made, by the name of their files."""
        made = {"quick": self.quick, "slow": self.slow, "tried": self.tried, "ablations": self.ablations}
        return {name: one for name, one in made.items() if one is not None}


def report(
    pipeline: HyperStyle,
    n: int = 24,
    slow_n: int = 1,
    seed: int = 0,
    faces: int = world.DETECTED_FACES,
    split: Split = "beyond",
    on_part: Progress = lambda _: None,
    options: Options | None = None,
) -> Report:
    """Measure everything.

    Args:
        pipeline: A domain drawn by this project's renderer.
        n: Pictures that methods are compared on; questions about the renderer's world get at most `WORLD_PICTURES`.
        slow_n: Faces for methods that descend; 0 leaves them out.
        seed: Added to the first held-out seed.
        faces: Portraits shown to the face detector; 0 for none.
        split: Which pictures methods are compared on.
        on_part: Called with each part's name when it is done; see `parts`.
        options: Further options by method, as `compare` takes them.

    Raises:
        UsageError: The domain's generator was not made for the renderer's parameters.
    """
    started_s = time.perf_counter()
    minutes: dict[str, float] = {}

    def done(part: str) -> None:
        nonlocal started_s
        now_s = time.perf_counter()
        minutes[part] = (now_s - started_s) / 60
        started_s = now_s
        if part != "world":  # its questions are reported one by one
            on_part(part)

    known = world.evaluate(pipeline, min(n, WORLD_PICTURES), seed, faces, on_part)
    done("world")
    result = Report(known, compare(pipeline, _quick(pipeline), split, n, seed), minutes=minutes)
    done("quick")
    if slow_n:
        result.slow = compare(pipeline, pipeline.methods, split, slow_n, seed, options=options)
        done("slow")
        result.tried = compare_contenders(
            pipeline, attempts(pipeline, options or {}), split, slow_n, seed, reader_error=result.quick.reader_error
        )
        result.tried.methods = {
            "hyperstyle": result.slow.methods["hyperstyle"],
            "w+": result.slow.methods["w+"],
            "polish": result.slow.methods["hyperstyle+pti"],
            **result.tried.methods,
        }
        done("tried")
    result.ablations = ablations.compare_ablations(pipeline, split, n, seed, result.quick.reader_error)
    done("ablations")
    return result


def parts(faces: int, slow_n: int) -> int:
    """How often `report` calls back."""
    return len(world.QUESTIONS) + bool(faces) + (4 if slow_n else 2)


def attempts(pipeline: HyperStyle, options: Options) -> dict[str, Contender]:
    """What was tried where optimisation in W+ keeps more of a person under edits than HyperStyle: name -> contender.

    Those two, and the polish of HyperStyle's result, are methods of their own and measured with the others.
    """

    def contender(method: str, label: str, **more: Any) -> Contender:
        inverter = pipeline.inverter(method, **{**options.get(method, {}), **more})
        return Contender(label, pipeline, inverter, METHODS[method].descends)

    return {
        "more-steps": contender("hyperstyle", f"HyperStyle, {PASSES} steps", steps=PASSES),
        "longer": contender("w+", f"Optimisation in W+, {LONG.steps} steps without noise", config=LONG),
    }


def to_markdown(result: Report, command: str, figures: Mapping[str, list[str]]) -> str:
    """Write the results as a page.

    Args:
        result: From `report`.
        command: The command that made them, shown at the top.
        figures: Paths of figures, from the page, by the name of the comparison they show.
    """
    quick = result.quick

    def shown(name: str) -> list[str]:
        return [f"![{path}]({path})" for path in figures.get(name, [])]

    page = [
        world.to_markdown(result.world, command).rstrip(),
        "## Methods compared",
        comparison_page.pictures(quick),
        *comparison_page.closeness(quick),
        "### What is left of the person after an edit",
        *comparison_page.editability(quick),
        *shown("quick"),
        "### HyperStyle, step by step",
        *comparison_page.step_by_step(quick),
        "### Beside the paper",
        *comparison_page.beside_the_paper(quick),
    ]
    if result.slow is not None:
        page += [
            "## With methods that descend",
            comparison_page.pictures(result.slow),
            *comparison_page.closeness(result.slow, explain=False),
            "### Their edits",
            *comparison_page.editability(result.slow, explain=False),
            *shown("slow"),
            "### Their place beside the paper",
            *comparison_page.beside_the_paper(result.slow),
        ]
        page += ["## Goals", *goals(result)]
    if result.tried is not None:
        page += [
            "## Tried",
            "The paper's figure has HyperStyle's edits keep more of a person than those of optimisation in W+, whose "
            "latents leave the part of the space that was trained. Three things that might restore that order: more "
            "refinement steps, a polish of HyperStyle's result for the one face, and an optimisation as long as the "
            "paper's and free of the noise that holds it near the mapping network's latents.",
            *comparison_page.editability(result.tried, explain=False),
            *shown("tried"),
        ]
    if result.ablations is not None:
        page += ["## Ablation", comparison_page.pictures(result.ablations), *ablations.sections(result.ablations)]
        page += shown("ablations")
    parts = ", ".join(f"{_PARTS[name]} {minutes:.1f}" for name, minutes in result.minutes.items())
    page.append(f"All of this took {sum(result.minutes.values()):.0f} minutes: {parts}.")
    return "\n\n".join(page) + "\n"


def goals(result: Report) -> list[str]:
    """What the project set out to reach in this domain, and by how much each line is met or missed."""
    slow = result.slow
    if slow is None or "identity" not in slow.methods["hyperstyle"].quality:
        return []
    ours = slow.methods["hyperstyle"]
    rows = [["every encoder is beaten in identity, L2, LPIPS and MS-SSIM, intervals apart", *_apart(result.quick)]]
    if "pti" in slow.methods:
        other = slow.methods["pti"]
        below = 1 - float(ours.quality["identity"].mean() / other.quality["identity"].mean())
        faster = float(other.seconds.median() / ours.seconds.median())
        rows.append(["identity within 10% of PTI's", _yes(below <= 0.1), f"{below:.1%} below"])
        rows.append(["in less than 1/50 of its time", _yes(faster > 50), f"1/{faster:.0f}"])
    for name, source in (("e4e", result.quick), ("w+", slow)):
        if name not in source.methods:
            continue
        for edit in source.methods[name].curves:
            change = matched_change(source.methods, edit)
            pair = [identity_at(source.methods[key].curves[edit], change) for key in ("hyperstyle", name)]
            gain = interval(pair[0] - pair[1])
            what = f"{edit} by {change:.3g} {source.units[edit]} keeps at least the identity of {METHODS[name].label}"
            rows.append([what, _yes(gain["mean"] >= 0), show(gain, 3)])
    return [
        table(["goal", "reached", "by how much"], rows),
        "Differences of identity are means over faces, each with its own pair, and their 95% intervals.",
    ]


def _apart(quick: Comparison) -> list[str]:
    """Whether HyperStyle's interval lies clear of every encoder's in every metric; names those where it does not."""
    ours = quick.methods["hyperstyle"].quality
    missed = []
    for name, result in quick.methods.items():
        if not METHODS[name].needs:
            continue
        for metric, sign in (("identity", 1), ("ms_ssim", 1), ("lpips", -1), ("l2", -1)):
            if metric not in ours:
                continue
            a, b = interval(sign * ours[metric]), interval(sign * result.quality[metric])
            if a["low"] <= b["high"]:
                missed.append(f"{metric} of {result.label}" + (" (better)" if b["mean"] > a["mean"] else " (overlap)"))
    return [_yes(not missed), ", ".join(missed) or "all apart"]


def _quick(pipeline: HyperStyle) -> list[str]:
    return [name for name in pipeline.methods if not METHODS[name].descends]


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
