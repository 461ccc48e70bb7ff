"""Learning curves: one or several runs as a picture, or as text in a terminal.

    plot([Path("runs/a"), Path("runs/b")], Path("curves.png"), x="tokens")
    print(terminal([Path("runs/a")]))

Training loss is drawn thin and smoothed over a raw haze, validation loss with markers, the unigram line (what guessing
by frequency alone would cost) dashed; one colour a run, and names stand at the ends of their curves.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unmask.errors import DataError
from unmask.training import journal

X = Literal["seconds", "steps", "tokens"]
METRICS, MASKED = "metrics.jsonl", "masked_loss"
_KEYS = {"seconds": "seconds", "steps": "step", "tokens": "tokens"}
# Okabe and Ito's palette, told apart with any colour vision; blue first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, FAINT, GRID = "#333333", "#767676", "#E6E6E6"
_TERMINAL_COLOURS = ("blue", "orange", "green", "magenta", "yellow", "cyan", "white")
_SYMBOLS = "●▲■◆★+x"
_POINTS = 150  # of a smoothed curve: more is not seen


@dataclass(frozen=True)
class Curves:
    """The losses of one run over x; arrays of equal length in pairs, empty where the run has none."""

    name: str
    training_x: np.ndarray
    training: np.ndarray
    validation_x: np.ndarray
    validation: np.ndarray
    unigram: float | None

    @property
    def smoothed(self) -> tuple[np.ndarray, np.ndarray]:
        """Training loss as the means of at most `_POINTS` equal stretches: (x, loss)."""
        count = min(_POINTS, len(self.training))
        if count == 0:
            return self.training_x, self.training
        edges = np.linspace(0, len(self.training), count + 1).astype(int)
        sizes = np.diff(edges)
        mean = lambda values: np.add.reduceat(values, edges[:-1]) / sizes  # noqa: E731
        return mean(self.training_x), mean(self.training)

    @property
    def end(self) -> tuple[float, float] | None:
        """Where the name stands: the last validation point, else the last of training; None for an empty run."""
        xs, ys = (self.validation_x, self.validation) if len(self.validation) else self.smoothed
        return (float(xs[-1]), float(ys[-1])) if len(ys) else None


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The records of a run's metrics.jsonl in order, each with the loss of its masked tokens under MASKED; a last line
    that a kill cut short is passed over.

    DataError when the run has none, or another line cannot be read.
    """
    path = Path(run) / METRICS
    if not path.exists():
        raise DataError(f"{run} is no run with figures: {METRICS} is not in it")
    records = [record for record in journal.read(path) if isinstance(record, dict)]
    return [record | _masked(record) for record in records]


def _masked(record: Mapping[str, Any]) -> dict[str, Any]:
    """A loss of several parts is no measure of the masked tokens, and not what the unigram line compares with."""
    loss = record.get("losses", {}).get("masked", record.get("loss"))
    return {} if loss is None else {MASKED: loss}


def series(records: Sequence[dict[str, Any]], x: str, y: str) -> tuple[np.ndarray, np.ndarray]:
    """Two keys of the records that have both, as float64 arrays (n,), (n,); what is not finite is left out."""
    pairs = [(record[x], record[y]) for record in records if _number(record.get(x)) and _number(record.get(y))]
    both = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def curves(run: Path, x: X = "steps", name: str | None = None) -> Curves:
    """The curves of one run; DataError when it has no figures yet."""
    records, key = read_metrics(run), _KEYS[x]
    unigram = [record["unigram_loss"] for record in records if _number(record.get("unigram_loss"))]
    made = Curves(
        name or Path(run).resolve().name,
        *series(records, key, MASKED),
        *series(records, key, "validation_loss"),
        unigram[-1] if unigram else None,
    )
    if made.end is None:
        raise DataError(f"{run} has no figures yet: let it run for some steps")
    return made


def plot(runs: Sequence[Path], to: Path, x: X = "steps") -> Path:
    """Draw the learning curves of the runs into a PNG and return its path."""
    # The object interface draws without a display and leaves the caller's matplotlib state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = _all(runs, x)
    figure = Figure(figsize=(8, 4.5), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    factor, label = axis_unit(x, max(_last_x(each) for each in drawn))
    for number, each in enumerate(drawn):
        _draw(axes, each, COLOURS[number % len(COLOURS)], factor)
    _draw_unigram_lines(axes, drawn)
    _dress(axes, drawn, label)
    _draw_names(axes, drawn, factor)
    to = Path(to)
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, metadata={"Software": "unmask"})
    return to


def _loss(drawn: Sequence[Curves]) -> str:
    """What is drawn: a loss that has a unigram line is of masked tokens, another is its task's own."""
    return "loss, nats per masked token" if all(each.unigram is not None for each in drawn) else "loss"


def terminal(runs: Sequence[Path], x: X = "steps", width: int = 80, height: int = 20) -> str:
    """The same curves as text, `width` columns wide; coloured on a terminal only."""
    import plotext

    drawn = _all(runs, x)
    last = max(_last_x(each) for each in drawn)
    factor, label = axis_unit(x, last)
    figure = plotext.figure.clear().plot_size(width, height)  # plotext has one figure a process
    for number, each in enumerate(drawn):
        colour, symbol = _TERMINAL_COLOURS[number % len(_TERMINAL_COLOURS)], _SYMBOLS[number % len(_SYMBOLS)]
        for (xs, ys), mark in ((each.smoothed, "braille"), ((each.validation_x, each.validation), symbol)):
            if len(ys):
                signal = figure.signal((xs * factor).tolist(), ys.tolist(), marker=plotext.marker(mark, colour))
                figure.draw(signal.lines() if mark == "braille" else signal)
    for value in _unigram_values(drawn):
        figure.line(value, pixel="gray", style="dotted")
    ticks = _ticks(last * factor)
    figure.ruler("x").ticks(ticks, [f"{tick:g}" for tick in ticks]).lim(0, last * factor)
    figure.label(label, "x").title(_loss(drawn))
    return f"{figure.build().string(colorless=not _coloured()).rstrip()}\n{_key(drawn)}"


def _key(drawn: Sequence[Curves]) -> str:
    """What the marks mean, in a line below the terminal's plot, where it covers no curve."""
    names = []
    for number, each in enumerate(drawn):
        symbol = _SYMBOLS[number % len(_SYMBOLS)] if len(each.validation) else "⣀"
        name = each.name if len(drawn) > 1 else "validation" if len(each.validation) else "training"
        names += [f"{symbol} {name} {each.end[1]:.2f}"] if each.end else []
    training = ["⣀ training"] if any(len(each.validation) for each in drawn) else []
    lines = [f"┈ unigram line {value:.2f}" for value in _unigram_values(drawn)]
    return "  " + "   ".join([*training, *names, *lines])


def _ticks(last: float, most: int = 6) -> list[float]:
    """At most `most` round numbers from 0 to `last`: steps of 1, 2 or 5 times a power of ten."""
    if last <= 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(last / most))
    step = next(times * power for times in (1, 2, 5, 10, 20) if last / (times * power) < most)
    return [number * step for number in range(int(last / step) + 1)]


# ---------------------------------------------------------------- drawing


def _all(runs: Sequence[Path], x: X) -> list[Curves]:
    return [curves(run, x, name) for run, name in zip(runs, _names(runs), strict=True)]


def _names(runs: Sequence[Path]) -> list[str]:
    """The folders' names, with the folder above where two are the same."""
    paths = [Path(run).resolve() for run in runs]
    names = [path.name for path in paths]
    return [
        name if names.count(name) == 1 else f"{path.parent.name}/{name}"
        for path, name in zip(paths, names, strict=True)
    ]


def _draw(axes: Any, each: Curves, colour: str, factor: float) -> None:
    if len(each.training) > _POINTS:
        axes.plot(each.training_x * factor, each.training, color=colour, linewidth=0.5, alpha=0.18, zorder=1)
    xs, ys = each.smoothed
    axes.plot(xs * factor, ys, color=colour, linewidth=1.0, alpha=0.75, zorder=2)
    axes.plot(
        each.validation_x * factor, each.validation, color=colour, linewidth=1.8, zorder=3,
        marker="o", markersize=5, markeredgecolor="white", markeredgewidth=0.8,
    )  # fmt: skip


def _draw_unigram_lines(axes: Any, drawn: Sequence[Curves]) -> None:
    for value in _unigram_values(drawn):
        axes.axhline(value, color=FAINT, linewidth=1.1, linestyle=(0, (5, 3)), zorder=1)
        axes.annotate(
            f"unigram line {value:.2f}", (1, value), xycoords=("axes fraction", "data"), xytext=(-4, 4),
            textcoords="offset points", ha="right", va="bottom", color=FAINT, fontsize=8.5,
        )  # fmt: skip


def _draw_names(axes: Any, drawn: Sequence[Curves], factor: float) -> None:
    """Names at the right edge, each at the height of its curve's end, pushed apart where they would overlap."""
    ends = [end for each in drawn if (end := each.end)]
    low, high = axes.get_ylim()
    heights = apart([y for _, y in ends], (high - low) * 0.055)
    for number, (each, (x, y), height) in enumerate(zip(drawn, ends, heights, strict=True)):
        text = f"{each.name}  {y:.2f}" if len(drawn) > 1 else f"{y:.2f}"
        axes.annotate(
            text, (x * factor, y), xytext=(1.012, height), textcoords=axes.get_yaxis_transform(), va="center",
            color=COLOURS[number % len(COLOURS)], fontsize=9, fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def _dress(axes: Any, drawn: Sequence[Curves], label: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    dress(axes, label, _loss(drawn), drawn[0].name if len(drawn) == 1 else "Learning curves")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=label == "steps"))
    colour = COLOURS[0] if len(drawn) == 1 else INK
    key = [Line2D([], [], color=colour, linewidth=1.0, alpha=0.75, label="training")]
    if any(len(each.validation) for each in drawn):
        key.append(Line2D([], [], color=colour, linewidth=1.8, marker="o", markersize=5, label="validation"))
    axes.legend(handles=key, frameon=False, fontsize=9, labelcolor=INK, loc="best")


def dress(axes: Any, across: str, up: str, title: str) -> None:
    """Name the axes and the picture, with nothing drawn but lines to read heights by."""
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(up, color=INK)
    axes.set_title(title, loc="left", color=INK, fontweight="bold")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.set_xlim(left=0)


def apart(values: Sequence[float], distance: float) -> list[float]:
    """The values moved up as little as is needed to stand at least `distance` from each other."""
    moved = list(values)
    order = sorted(range(len(values)), key=lambda number: values[number])
    for below, above in itertools.pairwise(order):
        moved[above] = max(moved[above], moved[below] + distance)
    return moved


def _unigram_values(drawn: Sequence[Curves]) -> list[float]:
    """The unigram losses, those that would be drawn on top of each other once."""
    return sorted({round(each.unigram, 2) for each in drawn if each.unigram is not None})


def _last_x(each: Curves) -> float:
    return float(max([*each.training_x[-1:], *each.validation_x[-1:]]))


def axis_unit(x: X, last: float) -> tuple[float, str]:
    """The factor and the label that show x in a unit a person reads."""
    if x == "steps":
        return 1.0, "steps"
    scales = {
        "seconds": ((7200, 1 / 3600, "hours"), (180, 1 / 60, "minutes"), (0, 1.0, "seconds")),
        "tokens": ((1e9, 1e-9, "billion tokens"), (1e6, 1e-6, "million tokens"), (0, 1.0, "tokens")),
    }[x]
    return next((factor, label) for least, factor, label in scales if last >= least)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _coloured() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
