"""What a person sees while a model learns: a live panel on a terminal, a line now and then elsewhere, or nothing.

    display = Display()
    display.start(run, model_parameters=3_900_000, budget=("minutes", 5.0))
    display.step({"step": 1, "seconds": 0.4, "tokens": 16384, "loss": 9.0, "tokens_per_second": 41e3, ...})
    display.evaluation({"step": 100, "validation_loss": 5.1, "word_accuracy": 0.2}, ("a [MASK] day", "a fine day"))
    display.close()

It takes the records of `metrics.jsonl` as they are and knows nothing of models; whatever a record lacks is not shown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from unmask import console

REFRESH_SECONDS = 0.25
PLAIN_SECONDS = 10.0
_BARS = "▁▂▃▄▅▆▇█"
_CURVE_POINTS = 30


class Curve:
    """The losses of a whole run in at most `2 * points` numbers: neighbours are averaged when room runs out."""

    def __init__(self, points: int = _CURVE_POINTS) -> None:
        self.points = points
        self.values: list[float] = []
        self._sum, self._count, self._stride = 0.0, 0, 1

    def add(self, value: float) -> None:
        """Take one more loss; one that is not finite is left out."""
        if not abs(value) < float("inf"):
            return
        self._sum, self._count = self._sum + value, self._count + 1
        if self._count == self._stride:
            self.values.append(self._sum / self._count)
            self._sum, self._count = 0.0, 0
        if len(self.values) == 2 * self.points:
            self.values = [(a + b) / 2 for a, b in zip(self.values[::2], self.values[1::2], strict=True)]
            self._stride *= 2

    def drawn(self) -> str:
        """The curve in block characters, oldest first, at most `points` wide."""
        group = 2 if len(self.values) > self.points else 1
        values = [sum(part) / len(part) for part in _grouped(self.values, group)]
        if not values:
            return ""
        low = min(values)
        span = max(values) - low or 1.0
        return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in values)


class Display:
    """Shows a run on standard error: live on a terminal, plain lines elsewhere, nothing with `--quiet`."""

    def __init__(self, headline: tuple[str, str] = ("words right", "word_accuracy")) -> None:
        """headline: the share that is shown as the result of an evaluation, as (words for it, its key)."""
        self.headline = headline
        self.samples: list[tuple[str, str]] = []
        self._curve = Curve()
        self._title, self._budget = "", ("", 0.0)
        self._record: dict[str, Any] = {}
        self._evaluated: dict[str, Any] = {}
        self._live: Live | None = None
        self._shown = float("-inf")

    def start(self, run: Any, model_parameters: int, budget: tuple[str, float]) -> None:
        """Begin. `run.name` is the title; `budget` is what ends the run, as (unit, amount).

        The units are "minutes", "steps", "tokens", "epochs" and "flops".
        """
        self._budget = budget
        name = getattr(run, "name", "") or "run"
        self._title = (
            f"[bold]{escape(name)}[/bold] [dim]· {compact(model_parameters)} parameters · {_amount(budget)}[/dim]"
        )
        if console.quiet():
            return
        if console.live(sys.stderr):
            self._live = Live(self._panel(), console=console.progress_console(), auto_refresh=False)
            self._live.start(refresh=True)
        else:
            console.say(self._title)

    def step(self, record: Mapping[str, Any]) -> None:
        """One training step: a record of `metrics.jsonl`."""
        self._record = {**self._record, **record}
        if (loss := record.get("loss")) is not None:
            self._curve.add(loss)
        self._refresh()

    def evaluation(self, record: Mapping[str, Any], sample: tuple[str, str] | None = None) -> None:
        """Figures on held-out documents, and one sentence of them: (masked, restored)."""
        self._evaluated = dict(record)
        if sample is not None:
            self.samples.append(sample)
        if self._live is not None:
            self._refresh(now=True)
        elif not console.quiet():
            console.say(escape(_evaluation_line({**self._record, **record}, self.headline)))
            if sample is not None:
                console.say(escape(sentence(*sample).plain.rstrip()))

    def message(self, text: str) -> None:
        """Something to say that stays on the screen above the panel (plain text)."""
        if self._live is not None:
            self._live.console.print(escape(text))
        else:
            console.say(escape(text))

    def close(self, final_table: RenderableType | None = None) -> None:
        """End the panel; harmless when it has ended. `final_table` goes to standard output, being a result."""
        if self._live is not None:
            self._live.update(self._panel(), refresh=True)
            self._live.stop()
            self._live = None
        if final_table is not None:
            console.console().print(final_table)

    def _refresh(self, now: bool = False) -> None:
        wait = REFRESH_SECONDS if self._live is not None else PLAIN_SECONDS
        if not now and time.monotonic() - self._shown < wait:
            return
        self._shown = time.monotonic()
        if self._live is not None:
            self._live.update(self._panel(), refresh=True)
        elif not console.quiet():
            console.say(escape(_step_line(self._record, self._budget)))

    def _panel(self) -> Group:
        parts: list[RenderableType] = ["", self._title, ""]
        parts.append(_figures(self._record, self._evaluated, self._curve, self.headline))
        parts += ["", _progress(self._record, self._budget)]
        if self.samples:
            masked, restored = self.samples[-1]
            before = Text("  " + " ".join(masked.split()), "dim", no_wrap=True, overflow="ellipsis")
            parts += ["", before, sentence(masked, restored)]
        return Group(*parts, "")


# ---------------------------------------------------------------- how far, how long


def progress(record: Mapping[str, Any], budget: tuple[str, float]) -> float:
    """The share of the budget that is used, 0 to 1: the record's own `progress`, else from its counts."""
    unit, amount = budget
    if record.get("progress") is not None:
        return min(1.0, float(record["progress"]))
    used = {
        "minutes": record.get("seconds", 0.0) / 60,
        "steps": record.get("step", 0),
        "tokens": record.get("tokens", 0),
        "flops": record.get("flops", 0.0),
        "epochs": record.get("epoch", 0.0),
    }.get(unit, 0.0)
    return min(1.0, used / amount) if amount else 0.0


def seconds_left(record: Mapping[str, Any], budget: tuple[str, float]) -> float | None:
    """The time that the rest of the budget will take, in seconds; None until that can be told."""
    done = progress(record, budget)
    if not done or "seconds" not in record:
        return None
    if budget[0] == "minutes":
        return max(0.0, budget[1] * 60 - record["seconds"])
    return record["seconds"] * (1 - done) / done


def compact(number: float) -> str:
    """A count in at most four characters and its unit: 3.9 M."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.1f}{unit}" if scaled < 100 else f"{scaled:.0f}{unit}"
    return f"{number:.0f}"


def clock(seconds: float | None) -> str:
    """Seconds as 2:05 or 1:02:05, a dash when unknown."""
    if seconds is None:
        return "–:––"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


# ---------------------------------------------------------------- parts of the panel


def _figures(record: Mapping[str, Any], evaluated: Mapping[str, Any], curve: Curve, headline: tuple[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_row("  loss", Text(_decimal(record.get("loss"), 3), "bold"), Text(curve.drawn(), "cyan"))
    held_out = f"held out, loss {_decimal(evaluated.get('validation_loss'), 3)}" if evaluated else "held out"
    label, key = headline
    grid.add_row(f"  {label}", Text(_share(evaluated.get(key)), "bold green"), Text(held_out, "dim"))
    speed = record.get("tokens_per_second")
    grid.add_row("  tokens/s", "–" if speed is None else f"{speed:,.0f}", Text(_peak(record), "dim"))
    return grid


def _progress(record: Mapping[str, Any], budget: tuple[str, float]) -> Table:
    done = progress(record, budget)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    bar = ProgressBar(total=1.0, completed=done, width=36, complete_style="cyan", finished_style="green")
    indented = Table.grid()
    indented.add_row("  ", bar)
    step = f"step {record['step']:,}" if "step" in record else ""
    grid.add_row(indented, f"{100 * done:.0f} %", f"{clock(seconds_left(record, budget))} left  [dim]{step}[/dim]")
    return grid


def sentence(masked: str, restored: str) -> Text:
    """A restored sentence on one line, the words that stood masked in bold."""
    known, words = masked.split(), restored.split()
    aligned = len(known) == len(words)
    line = Text("  ", no_wrap=True, overflow="ellipsis")
    for number, word in enumerate(words):
        line.append(word, "bold green" if aligned and known[number] != word else "").append(" ")
    return line


def _step_line(record: Mapping[str, Any], budget: tuple[str, float]) -> str:
    parts = [f"step {record.get('step', 0):>6,}", f"loss {_decimal(record.get('loss'), 3)}"]
    if record.get("tokens_per_second") is not None:
        parts.append(f"{record['tokens_per_second']:,.0f} tokens/s")
    parts += [part for part in (_peak(record),) if part]
    return "  ".join([*parts, f"{100 * progress(record, budget):.0f} %", f"{clock(seconds_left(record, budget))} left"])


def _evaluation_line(record: Mapping[str, Any], headline: tuple[str, str]) -> str:
    loss, (label, key) = _decimal(record.get("validation_loss"), 3), headline
    return f"step {record.get('step', 0):>6,}  held out: loss {loss}  {label} {_share(record.get(key))}"


def _peak(record: Mapping[str, Any]) -> str:
    share = record.get("peak_share")
    return "" if share is None else f"{100 * share:.0f} % of the machine's peak"


def _decimal(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _amount(budget: tuple[str, float]) -> str:
    unit, amount = budget
    unit = unit if amount != 1 else unit.removesuffix("s")
    return f"{compact(amount)} {unit}" if amount >= 10_000 else f"{amount:g} {unit}"


def _grouped(values: list[float], size: int) -> list[list[float]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
