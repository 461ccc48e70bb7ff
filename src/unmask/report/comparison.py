"""The picture of a comparison: validation loss against time, a colour for each recipe.

Seeds are thin, their mean is thick; what no neural network scores is a horizontal line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unmask.report.curves import COLOURS, FAINT, apart, axis_unit, dress, read_metrics, series

Curve = tuple[np.ndarray, np.ndarray]
"""Seconds and losses (n,), (n,)."""

_DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)))
"""Tell recipes of one colour apart."""


def plot_comparison(runs: Mapping[str, Sequence[Path]], lines: Mapping[str, float], to: Path) -> Path | None:
    """Draw the runs of each recipe and the horizontal lines into a PNG; None when no run was evaluated on its way."""
    return plot_losses({name: [_curve(folder) for folder in folders] for name, folders in runs.items()}, lines, to)


def plot_losses(
    curves: Mapping[str, Sequence[Curve]],
    lines: Mapping[str, float],
    to: Path,
    title: str = "Validation loss against time",
) -> Path | None:
    """Draw the curves of each name, one a seed, and the horizontal lines into a PNG; None where no curve has points."""
    # The object interface draws without a display and leaves the caller's matplotlib state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = {name: [curve for curve in some if len(curve[0])] for name, some in curves.items()}
    drawn = {name: some for name, some in drawn.items() if some}
    if not drawn:
        return None
    figure = Figure(figsize=(8, 5), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    factor, label = axis_unit("seconds", max(float(xs[-1]) for some in drawn.values() for xs, _ in some))
    ends = [_draw(axes, number, some, factor) for number, some in enumerate(drawn.values())]
    _draw_lines(axes, lines)
    dress(axes, label, "validation loss, nats per masked token", title)
    _name(axes, list(drawn), ends)
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, metadata={"Software": "unmask"})
    return to


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The means of x and of y over curves, evaluation by evaluation, as far as all of them go."""
    shortest = min(len(xs) for xs, _ in curves)
    xs, ys = (np.mean([curve[side][:shortest] for curve in curves], axis=0) for side in (0, 1))
    return xs, ys


def _curve(folder: Path) -> Curve:
    return series(read_metrics(folder), "seconds", "validation_loss")


def _style(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": _DASHES[number // len(COLOURS) % len(_DASHES)]}


def _draw(axes: Any, number: int, curves: Sequence[Curve], factor: float) -> tuple[float, float]:
    """One recipe; where its mean ends."""
    for xs, ys in curves if len(curves) > 1 else ():
        axes.plot(xs * factor, ys, linewidth=0.7, alpha=0.5, zorder=2, **_style(number))
    xs, ys = mean_curve(curves)
    axes.plot(xs * factor, ys, linewidth=1.9, marker="o", markersize=3.5, zorder=3, **_style(number))
    return float(xs[-1] * factor), float(ys[-1])


def _draw_lines(axes: Any, lines: Mapping[str, float]) -> None:
    for name, value in lines.items():
        axes.axhline(value, color=FAINT, linewidth=1.1, linestyle=(0, (5, 3)), zorder=1)
        axes.annotate(
            f"{name} {value:.2f}", (1, value), xycoords=("axes fraction", "data"), xytext=(-4, 3),
            textcoords="offset points", ha="right", va="bottom", color=FAINT, fontsize=8.5, zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
        )  # fmt: skip


def _name(axes: Any, names: Sequence[str], ends: Sequence[tuple[float, float]]) -> None:
    low, high = axes.get_ylim()
    heights = apart([y for _, y in ends], (high - low) * 0.045)
    for number, (name, (x, y), height) in enumerate(zip(names, ends, heights, strict=True)):
        axes.annotate(
            f"{name}  {y:.2f}", (x, y), xytext=(1.012, height), textcoords=axes.get_yaxis_transform(), va="center",
            color=_style(number)["color"], fontsize=8.5, fontweight="bold", annotation_clip=False,
        )  # fmt: skip
