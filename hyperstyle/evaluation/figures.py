"""Figures of a comparison. Needs Matplotlib, which MediaPipe brings along."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hyperstyle.errors import extra_missing
from hyperstyle.evaluation.comparison import Comparison
from hyperstyle.files.whole import whole

SIZE_IN = (4.2, 3.4)  # of one panel, in inches
LEGEND_IN = 1.5
COLOURS = 10  # of Matplotlib's cycle
MARKERS = "osD^v<>pP*X"  # one more than colours, so that no two methods look alike


def draw_curves(comparison: Comparison, path: Path) -> bool:
    """Draw likeness against achieved change, a panel per edit and a line per method: the paper's figure.

    Args:
        comparison: From `compare`.
        path: Where to, a PNG.

    Returns:
        Whether there was anything to draw.
    """
    edits = list(next(iter(comparison.methods.values())).curves)
    known = all(result.curves[edit].identity.numel() for result in comparison.methods.values() for edit in edits)
    if not edits or not known:
        return False
    figure, panels = _canvas(len(edits))
    for panel, edit in zip(panels, edits, strict=True):
        for name, result in comparison.methods.items():
            curve = result.curves[edit]
            line = _line(list(comparison.methods), name)
            panel.plot(curve.change.mean(0), curve.identity.mean(0), label=result.label, **line)
        panel.set_xlabel(f"{edit}: achieved change ({comparison.units[edit]})")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("identity of the edited picture")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside right center", frameon=False)
    _save(figure, path)
    return True


def draw_tradeoff(comparison: Comparison, path: Path) -> bool:
    """Draw likeness against seconds, a dot per method; returns whether there was anything to draw."""
    if not all("identity" in result.quality for result in comparison.methods.values()):
        return False
    figure, (panel,) = _canvas(1)
    for name, result in comparison.methods.items():
        x, y = float(result.seconds.median()), float(result.quality["identity"].mean())
        line = _line(list(comparison.methods), name)
        panel.plot([x], [y], linestyle="", label=result.label, **{**line, "ms": 7})
    panel.set_xscale("log")
    panel.set_xlabel("seconds for one face")
    panel.set_ylabel("identity")
    panel.grid(alpha=0.3)
    panel.margins(0.2)
    figure.legend(fontsize=8, loc="outside right center", frameon=False)
    _save(figure, path)
    return True


def _line(names: Sequence[str], name: str) -> dict[str, Any]:
    """How a method is drawn: a colour and a marker of its own, the project's method above all others."""
    place = list(names).index(name)
    ours = name == "hyperstyle"
    return {
        "color": "black" if ours else f"C{place % COLOURS}",
        "marker": MARKERS[place % len(MARKERS)],
        "ms": 4,
        "lw": 2.5 if ours else 1.2,
        "zorder": 3 if ours else 2,
    }


def _canvas(panels: int):  # type: ignore[no-untyped-def]
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise extra_missing("Drawing figures", "evaluate") from None

    figure = Figure(figsize=(SIZE_IN[0] * panels + LEGEND_IN, SIZE_IN[1]), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _save(figure, path: Path) -> None:  # type: ignore[no-untyped-def]
    with whole(path) as part:
        figure.savefig(part, dpi=110, format="png")
