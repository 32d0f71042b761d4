"""The page about people's photographs: tables, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hyperstyle.evaluation.face_judge import SAME_PERSON
from hyperstyle.evaluation.photograph_details import GOAL_THIRDS, LANDMARKS_PX, THIRDS
from hyperstyle.evaluation.tables import Interval, show, table
from hyperstyle.verification import FALSE_ACCEPT_RATE

_COLUMNS = {
    "judge": "judge distance",
    "within": f"within {SAME_PERSON:g}",
    "nearest": "nearest is right",
    "identity": "own identity",
    "l2": "L2",
    "psnr": "PSNR (dB)",
    "ms_ssim": "MS-SSIM",
}
_DIGITS = {"judge": 3, "identity": 3, "l2": 4, "psnr": 2, "ms_ssim": 3}  # the others are shares
_JUDGE = (
    "Judge distance: between photograph and picture as dlib's face recognition network describes them; it is used for "
    "evaluation only and no network here was trained with it. Two pictures of one person are expected within "
    f"{SAME_PERSON:g}. Nearest is right: of all these photographs, the one nearest to the picture shows this person. "
    "The judge has a weakness of its own: of 31 synthetic faces of dark-skinned women, half of the pairs lie within "
    "that distance too, of 31 light-skinned ones 18%."
)
_NO_JUDGE = (
    "No judge was named (`--judge`), so likeness is what the domain's own identity network says, which the other "
    "networks were trained with."
)


def to_markdown(results: Mapping[str, Any], command: str) -> str:
    """Write the results as a page.

    Args:
        results: From `photographs.measure`, and `minutes` that everything took.
        command: The command that made them, shown at the top.
    """
    page = [
        f"# People's photographs: `{results['domain']}`",
        f"```\n{command}\n```",
        _who(results),
        "## How alike",
        *_methods(results),
        "## Who it works for",
        *_groups(results),
        "## Telling people apart",
        *_verification(results),
    ]
    if results["edits"]:
        page += ["## Edits", *_edits(results), "### What else moves", *_leaks(results)]
    if results["details"]:
        page += ["## Edits on the photograph", *_details(results["details"])]
        page += ["### Against the goals", *_goals(results["details"])]
    page.append(f"All of this took {results['minutes']:.1f} minutes.")
    return "\n\n".join(page) + "\n"


def _who(results: Mapping[str, Any]) -> str:
    """Which photographs, of whom, and what the numbers depend on."""
    who, machine = results["who"], results["machine"]
    parts = [
        f"{results['pictures']} photographs of {results['people']} people; one of each person, the first by file name, "
        f"is inverted. Pictures that could not be used: {results['refused']}."
    ]
    described = []
    if who["women"] is not None:
        described.append(f"{who['women']:.0%} are women")
    if who["median_age"] is not None:
        described.append(f"the median age is {who['median_age']:.0f}")
    if described:
        parts.append(f"As the table says, {' and '.join(described)}.")
    if who["sources"]:
        parts.append(f"Sources: {', '.join(f'{name} {count}' for name, count in who['sources'].items())}.")
    parts.append(
        "Square brackets are 95% bootstrap intervals of the mean over people. "
        f"Device: {results['device']}, {machine['threads']} threads, PyTorch {machine['torch']}. Numbers for programs: "
        "the JSON file beside this page."
    )
    return " ".join(parts)


def _methods(results: Mapping[str, Any]) -> list[str]:
    """Every method, and what photographs alone would score."""
    columns = _there(results["methods"])
    rows = [[one["label"], str(one["n"]), *_cells(one["measured"], columns)] for one in results["methods"]]
    rows += [[f"*{one['label']}*", str(one["n"]), *_cells(one["measured"], columns)] for one in results["references"]]
    steps = results["trained_steps"]
    return [
        table(["", "people", *(_COLUMNS[name] for name in columns)], rows),
        _JUDGE if results["judged"] else _NO_JUDGE,
        "Own identity: cosine similarity of the domain's identity network. L2: mean squared difference in the [-1, 1] "
        "scale. The last rows compare photographs with photographs, never two files of one shot: what a person's "
        f"other photograph scores, and a stranger's. HyperStyle was trained for {steps} steps.",
    ]


def _groups(results: Mapping[str, Any]) -> list[str]:
    """The trained number of steps by groups of people, and how each differs from everybody."""
    groups = results["groups"]
    if not groups:
        return ["The table says too little about these people to divide them into groups."]
    columns = _there(groups)
    headings = ["group", "people", *(_COLUMNS[name] for name in columns)]
    judged = ["strangers within"] if results["judged"] else []
    rows, differences = [], []
    for one in groups:
        name = [f"{one['kind']}: {one['label']}", str(one["n"])]
        strangers = [f"{one['strangers_within']:.1%}"] if judged else []
        rows.append([*name, *_cells(one["measured"], columns), *strangers])
        differences.append([*name, *_cells(one["difference"], columns, signed=True)])
    parts = [
        f"HyperStyle, {results['trained_steps']} steps. Sex (above or below .5 of the column `female`), age and source "
        "are the table's; skin tone is measured on the cheeks, so light counts too.",
        table([*headings, *judged], rows),
        "Less everybody's mean; a bracket that holds 0 is no difference that these people could show:",
        table(headings, differences),
    ]
    if judged:
        parts.append(
            f"Strangers within: share of pairs of two people of the group whose photographs lie within {SAME_PERSON:g} "
            "of each other. Where it is high the judge tells these people apart badly, and its distances flatter."
        )
    return parts


def _verification(results: Mapping[str, Any]) -> list[str]:
    """Whether the identity network and the judge recognise people."""
    labels = {"identity": "the domain's identity network (cosine)", "judge": "the judge (distance)"}
    rows = []
    for name, label in labels.items():
        if name not in results["verification"]:
            continue
        one, sign = results["verification"][name], -1 if name == "judge" else 1
        numbers = [one["same_mean"], one["stranger_mean"], one["threshold"]]
        rows.append(
            [
                label,
                _number(one["auc"], 4),
                *(_number(None if value is None else sign * value, 3) for value in numbers),
                "" if one["accepted"] is None else f"{one['accepted']:.0%}",
            ]
        )
    if not rows:
        return ["The domain has no identity network, and no judge was named."]
    counts = next(iter(results["verification"].values()))
    headings = ["", "AUC", "one person", "two people", "threshold", "one person beyond it"]
    text = (
        f"{counts['same_pairs']} pairs of one person in different shots against {counts['stranger_pairs']} pairs of "
        "two people, all photographs. AUC: how often a pair of one person is more alike than a pair of strangers. "
        f"Threshold: what one pair of strangers in {1 / FALSE_ACCEPT_RATE:.0f} passes."
    )
    if counts["stranger_pairs"] < 1 / FALSE_ACCEPT_RATE:
        text += " There are fewer pairs than that, so it is the most alike of them."
    return [table(headings, rows), text]


def _edits(results: Mapping[str, Any]) -> list[str]:
    """Whether edits go the right way, and who it still is."""
    headings = ["edit", "strength", "right way", "change", "right way, landmarks", "change, landmarks"]
    read_by = "It is read by MediaPipe's landmarks on the edited picture, where they can tell. "
    if results["traits"]:
        read_by = (
            "It is read by the domain's attribute network and, where landmarks can tell, by MediaPipe's on the edited "
            "picture too, in a unit of their own. "
        )
    return [
        table([*headings, _COLUMNS["judge"], _COLUMNS["identity"]], [_edit_row(one) for one in results["edits"]]),
        f"Every slider at both ends of its range, on HyperStyle's inversions of {results['edits'][0]['n']} people. "
        f"Right way: share of people for whom the property moves as the slider says. {read_by}In round brackets: in "
        "how many pictures a face was found, where not in all. Distance and identity are to the photograph.",
    ]


def _edit_row(one: Mapping[str, Any]) -> list[str]:
    found = [one["name"] or "no edit", f"{one['strength']:+g}" if one["name"] else ""]
    for reader in ("network", "landmarks"):
        read = one.get(reader)
        if read is None:
            found += ["", ""]
        elif not read["n"]:
            found += ["no face found", ""]
        else:
            some = f" ({read['n']})" if read["n"] < one["n"] else ""
            found += [f"{_percent(read['right'])}{some}", f"{_signed(read['change'], 3)} {read['unit']}"]
    return [*found, *(show(one[name], 3) if name in one else "" for name in ("judge", "identity"))]


def _leaks(results: Mapping[str, Any]) -> list[str]:
    """How far each edit moves every other trait."""
    traits = results["traits"]
    if not traits:
        return ["The domain's attribute network does not say what its numbers mean, so this cannot be read."]
    ends: dict[str, list[Mapping[str, float]]] = {}
    for one in results["edits"][1:]:
        ends.setdefault(one["name"], []).append(one["leak"])
    moved = {
        edit: {name: sum(one[name] for one in leaks) / len(leaks) for name in leaks[0]} for edit, leaks in ends.items()
    }
    rows = [[name, *(f"{leak[name]:.1%}" if name in leak else "" for leak in moved.values())] for name in traits]
    means = [f"**{sum(leak.values()) / max(1, len(leak)):.1%}**" for leak in moved.values()]
    return [
        table(["trait", *moved], [*rows, ["**mean**", *means]]),
        "How far an edit (column) moves every other trait (row), whichever way: mean over people and both ends of the "
        "slider, as a share of the trait's range, read by the attribute network. The JSON file has each end, and "
        "the mean with its sign.",
    ]


def _details(details: Mapping[str, Any]) -> list[str]:
    """Every edit at every strength, plainly and on the photograph."""
    rows, metric = details["rows"], details["metric"]
    headings, cells = ["edit", "strength", "people"], [[*_look(one), str(one["n"])] for one in rows]
    if metric:
        headings += [f"{_COLUMNS[metric]}, plain", "with detail", "less alike with detail"]
        for row, one in zip(cells, rows, strict=True):
            row += [*_plain_and_detail(one, "likeness", 3), str(one["likeness"]["farther"]) if one["name"] else ""]
    headings += ["change, plain", "share with detail", "change by landmarks, plain", "share with detail"]
    for row, one in zip(cells, rows, strict=True):
        row += [*_kept(one, "network"), *_kept(one, "landmarks")]
    measured = any("frechet" in one for one in rows)
    picture = [
        *("edit", "strength", "landmarks apart (px)", "sharpness, plain", "with detail"),
        *("outside (grey levels), plain", "with detail"),
        *(("Frechet distance, plain", "with detail") if measured else ()),
    ]
    seen = [
        [
            *_look(one),
            _mean(one["apart_px"], one["n"], 2),
            *_plain_and_detail(one, "sharpness", 2),
            *_plain_and_detail(one, "outside", 2),
            *([f"{one['frechet'][which]:.1f}" for which in ("plain", "detail")] if measured else []),
        ]
        for one in rows
    ]
    same, n = details["same"]["mean"], details["same"]["n"]
    parts = [
        f"HyperStyle's inversions of {n} people. Plain: the generator's picture of the edit. With detail: the edit "
        "drawn on the photograph, where what the generator could not draw moves along. Every slider at "
        f"{len(THIRDS)} strengths up to each end of its range. Without edits {round(same * n)} of {n} crops come back "
        "bit for bit. In round brackets: how many people, where not all.",
        table(headings, cells),
        "No edit: the reconstruction, and with all of its detail the photograph itself. Likeness is to the photograph. "
        "Less alike with detail: how many people. Change: from the reconstruction, as the domain's attribute network "
        "or MediaPipe's landmarks read it. Share with detail: change from the photograph with detail, as a share of "
        "that.",
        table(picture, seen),
        f"Landmarks apart: mean distance, in px of a crop of {LANDMARKS_PX} px, between where MediaPipe's landmarks "
        "move from the photograph with detail and from the reconstruction without. Sharpness: of the face (variance of "
        "its Laplacian by its own variance), as a ratio to the photograph's; edits of light or colour change that "
        "contrast too. Outside: mean absolute difference to the "
        "photograph beyond the head and body in it, where a moved head or longer hair count too.",
    ]
    if measured:
        parts.append(
            "Frechet distance: of EfficientNet features, between the edited pictures and other people's photographs; "
            "with so few people it compares columns and rows here, and nothing else. It has no interval, because "
            "drawing people again would raise it by itself."
        )
    elif not details["features"]:
        parts.append(
            "Naturalness was not measured: the packages with its network are not installed (the extra `train`)."
        )
    else:
        parts.append("Naturalness was not measured: that takes two people, and two photographs of others.")
    return parts


_GOALS = {
    "judge": "judge distance",
    "network": "share of the change by the attribute network",
    "landmarks": "share of the change by landmarks",
    "apart_px": "landmarks apart in px",
    "sharpness": "sharpness",
    "outside": "change outside in grey levels",
}


def _goals(details: Mapping[str, Any]) -> list[str]:
    """What every edit on the photograph keeps to, and what not."""
    checks: dict[str, list[Mapping[str, Any]]] = {}
    for one in details["goals"]:
        checks.setdefault(one["edit"], []).append(one)
    lines = []
    for edit, of_one in checks.items():
        said = [f"- **{edit}**: {sum(one['holds'] for one in of_one)} of {len(of_one)} hold."]
        for word, holds in (("Holds", True), ("Does not hold", False)):
            which = [_goal(one) for one in of_one if one["holds"] == holds]
            said += [f"{word}: {'; '.join(which)}."] if which else []
        lines.append(" ".join(said))
    text = (
        f"With detail, at {GOAL_THIRDS} of {THIRDS[-1]} parts of the range, means at both ends: a goal holds when both "
        "keep to it."
    )
    if details["metric"] != "judge":
        text += " The goal of likeness is one of the judge's distance, and no judge was named (`--judge`)."
    return [text, "\n".join(lines)]


def _goal(one: Mapping[str, Any]) -> str:
    values = " and ".join(f"{value:.3f}" for value in one["values"])
    if one["least"] is None:
        wanted = f"{'below' if one['below'] else 'at most'} {one['most']:g}"
    else:
        wanted = f"at least {one['least']:g}" if one["most"] is None else f"{one['least']:g} to {one['most']:g}"
    return f"{_GOALS[one['goal']]} {values} ({wanted})"


def _look(one: Mapping[str, Any]) -> list[str]:
    return [one["name"] or "no edit", f"{one['strength']:+.3g}" if one["name"] else ""]


def _mean(value: Interval, of: int, digits: int) -> str:
    """A mean with its interval, and of how many people where not of all."""
    if not value["n"]:
        return "not measured"
    return show(value, digits) + (f" ({value['n']})" if value["n"] < of else "")


def _plain_and_detail(one: Mapping[str, Any], name: str, digits: int) -> list[str]:
    return [_mean(one[name][which], one["n"], digits) for which in ("plain", "detail")]


def _kept(one: Mapping[str, Any], reader: str) -> list[str]:
    """The plain change, and how much of it is there with detail."""
    read = one.get(reader)
    if read is None:
        return ["", ""]
    if not read["n"]:
        return ["no face found", ""]
    some = f" ({read['n']})" if read["n"] < one["n"] else ""
    change = f"{_signed(read['plain'], 3)} {read['unit']}{some}"
    return [change, "" if read["share"] is None else _percent(read["share"])]


def _there(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Metrics that were measured, in the order of the columns."""
    return [name for name in _COLUMNS if any(name in row["measured"] for row in rows)]


def _cells(measured: Mapping[str, Interval], columns: Sequence[str], signed: bool = False) -> list[str]:
    found = []
    for name in columns:
        if name not in measured:
            found.append("")
        elif name not in _DIGITS:
            found.append(_percent(measured[name], signed))
        else:
            found.append((_signed if signed else show)(measured[name], _DIGITS[name]))
    return found


def _percent(value: Interval, signed: bool = False) -> str:
    mean = f"{100 * value['mean']:+.0f}%" if signed else f"{value['mean']:.0%}"
    return f"{mean} [{100 * value['low']:.0f}, {100 * value['high']:.0f}]"


def _signed(value: Interval, digits: int) -> str:
    return f"{value['mean']:+.{digits}f} [{value['low']:+.{digits}f}, {value['high']:+.{digits}f}]"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
