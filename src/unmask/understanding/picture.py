"""Pictures: an explanation (each token's part, the word's way through the layers), and the probes of all layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unmask.understanding.explain import Explanation
from unmask.understanding.probing import Probed
from unmask.understanding.shades import AGAINST, FOR, TITLES

MOST = 30
"""Tokens in the picture: of a longer text those with the largest parts."""
_INK, _GRID = "#333333", "#E6E6E6"
_FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei")


def draw(found: Explanation, to: Path) -> Path:
    """Draw the explanation into a PNG and return its path."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = _columns(found)
    panels = len(found.attributions) + bool(found.lens)
    with rc_context({"font.family": _fonts(), "axes.unicode_minus": False}):
        figure = Figure(figsize=(2.1 + 2.3 * panels, 1.5 + 0.24 * len(columns)), dpi=160, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, squeeze=False, width_ratios=[1] * panels)[0]
        for number, (name, values) in enumerate(found.attributions.items()):
            _bars(axes[number], found, columns, name, values, named=number == 0)
        if found.lens:
            _layers(axes[-1], found)
        shown = found.text if len(found.text) <= 90 else found.text[:87] + "..."
        figure.suptitle(
            f"{shown}\n{found.target}  {found.told}".replace("$", r"\$"),
            x=0.01, ha="left", color=_INK, fontsize=11,
        )  # fmt: skip
        figure.savefig(to, metadata={"Software": "unmask"})
    return to


def _columns(found: Explanation) -> list[int]:
    """The tokens that are drawn, in the order of the text."""
    parts = sum(np.abs(values) / max(1e-12, float(np.abs(values).max())) for values in found.attributions.values())
    return sorted(np.argsort(-np.asarray(parts), kind="stable")[:MOST].tolist())


def _bars(axes: Any, found: Explanation, columns: list[int], name: str, values: np.ndarray, named: bool) -> None:
    chosen, at = values[columns], np.arange(len(columns))
    colours = [tuple(channel / 255 for channel in (FOR if value >= 0 else AGAINST)) for value in chosen]
    axes.barh(at, chosen, color=colours, height=0.75)
    axes.invert_yaxis()
    axes.set_yticks(at, [found.tokens[column].strip().replace("$", r"\$") for column in columns] if named else [])
    for label, column in zip(axes.get_yticklabels(), columns, strict=False):
        label.set_fontweight("bold" if column in found.places else "normal")
    axes.axvline(0, color=_INK, linewidth=0.8)
    _dress(axes, TITLES[name], "share" if name == "rollout" else found.unit, "x")


def _layers(axes: Any, found: Explanation) -> None:
    numbers = np.arange(found.first_layer, found.first_layer + len(found.lens))
    axes.plot(numbers, [100 * each.probability for each in found.lens], color="#0072B2", marker="o", markersize=4)
    axes.set_ylim(bottom=0)
    axes.set_xticks(numbers[:: max(1, len(numbers) // 6)])
    axes.yaxis.tick_right()
    _dress(axes, "layer by layer", "layer", "y")
    axes.set_ylabel(f"% {found.target}".replace("$", r"\$"), color=_INK, fontsize=9)
    axes.yaxis.set_label_position("right")


def _dress(axes: Any, title: str, label: str, grid: str) -> None:
    axes.set_title(title, fontsize=9.5, color=_INK, loc="left")
    axes.set_xlabel(label, color=_INK, fontsize=9)
    axes.grid(axis=grid, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=0, labelsize=9)
    axes.spines[:].set_visible(False)


def _fonts() -> list[str]:
    """The fonts of this machine that have Latin and Chinese letters; matplotlib takes each letter from the first."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return [name for name in _FONTS if name in there] or ["sans-serif"]


def draw_probed(found: Probed, title: str, to: Path) -> Path:
    """Draw what the probes of each layer get right into a PNG and return its path."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    numbers = [layer.number for layer in found.layers]
    with rc_context({"font.family": _fonts()}):
        figure = Figure(figsize=(7, 4), dpi=160, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        lines = (
            ("task", [layer.accuracy for layer in found.layers], "#0072B2", "-"),
            ("control task", [layer.control for layer in found.layers], "#D55E00", "--"),
        )
        for name, shares, colour, style in lines:
            axes.plot(numbers, [100 * share for share in shares], style, color=colour, marker="o", markersize=4)
            axes.annotate(
                name, (numbers[-1], 100 * shares[-1]), xytext=(8, 0), textcoords="offset points", va="center",
                color=colour, fontsize=9, fontweight="bold", annotation_clip=False,
            )  # fmt: skip
        axes.axhline(100 * found.majority, color="#767676", linewidth=1.1, linestyle=(0, (5, 3)))
        axes.annotate(
            f"majority {100 * found.majority:.1f} %", (0, 100 * found.majority), xytext=(2, 4),
            textcoords="offset points", color="#767676", fontsize=8.5,
        )  # fmt: skip
        axes.set_ylim(0, 100)
        axes.set_xticks(numbers[:: max(1, len(numbers) // 12)])
        axes.set_ylabel("% right", color=_INK, fontsize=9)
        _dress(axes, title.replace("$", r"\$"), "layer (0: embeddings)", "y")
        to.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(to, metadata={"Software": "unmask"})
    return to
