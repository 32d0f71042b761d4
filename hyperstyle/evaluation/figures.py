"""Figures of a comparison. Needs Matplotlib, which MediaPipe brings along."""

from __future__ import annotations

from pathlib import Path

from hyperstyle.evaluation.comparison import Comparison
from hyperstyle.inversion import METHODS
from hyperstyle.synthetic.parameters import BY_NAME

SIZE_IN = (4.2, 3.4)  # of one panel, in inches


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
            panel.plot(curve.change.mean(0), curve.identity.mean(0), marker="o", ms=3, label=METHODS[name].label)
        panel.set_xlabel(f"{edit}: achieved change ({BY_NAME[edit].unit})")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("identity of the edited picture")
    panels[-1].legend(fontsize=7)
    _save(figure, path)
    return True


def draw_tradeoff(comparison: Comparison, path: Path) -> bool:
    """Draw likeness against seconds, a dot per method; returns whether there was anything to draw."""
    if not all("identity" in result.quality for result in comparison.methods.values()):
        return False
    figure, (panel,) = _canvas(1)
    for name, result in comparison.methods.items():
        x, y = float(result.seconds.median()), float(result.quality["identity"].mean())
        panel.scatter([x], [y])
        panel.annotate(METHODS[name].label, (x, y), textcoords="offset points", xytext=(5, 4), fontsize=7)
    panel.set_xscale("log")
    panel.set_xlabel("seconds for one face")
    panel.set_ylabel("identity")
    panel.grid(alpha=0.3)
    panel.margins(0.2)
    _save(figure, path)
    return True


def _canvas(panels: int):  # type: ignore[no-untyped-def]
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE_IN[0] * panels, SIZE_IN[1]), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _save(figure, path: Path) -> None:  # type: ignore[no-untyped-def]
    figure.savefig(path, dpi=110)
