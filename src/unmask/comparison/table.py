"""The table of a comparison: a row for each recipe, means over its seeds, the best loss first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from unmask.training.display import compact

DASH = "–"


@dataclass(frozen=True)
class Mean:
    """A figure over the seeds of a recipe."""

    value: float
    spread: float | None
    """the standard deviation over seeds (n - 1), None for a single one"""


@dataclass(frozen=True)
class Row:
    """A recipe, or a baseline; a figure that it does not have is left out."""

    name: str
    seeds: int
    figures: Mapping[str, Mean]


@dataclass(frozen=True)
class Comparison:
    """Rows in the order of their loss, and what was the same for all."""

    rows: tuple[Row, ...]
    budget: str
    masked_tokens: int
    legs: Mapping[str, Mapping[str, Any]]
    """the figures of every leg by its key"""

    @classmethod
    def of(cls, named: Mapping[str, str], verdicts: Mapping[str, Mapping[str, Any]], budget: str) -> Comparison:
        """From the verdicts by leg, and the row that each leg belongs to."""
        legs = {key: flat(verdict) for key, verdict in verdicts.items()}
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for key, figures in legs.items():
            groups.setdefault(named[key], []).append(figures)
        rows = [Row(name, len(some), means(some)) for name, some in groups.items()]
        rows.sort(key=lambda row: row.figures["loss"].value)
        return cls(tuple(rows), budget, int(next(iter(legs.values()))["masked_tokens"]), legs)

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        rows = [
            {"name": row.name, "seeds": row.seeds}
            | {key: mean.value for key, mean in row.figures.items()}
            | {"spread": {key: mean.spread for key, mean in row.figures.items() if mean.spread is not None}}
            for row in self.rows
        ]
        return {"budget": self.budget, "masked_tokens": self.masked_tokens, "rows": rows, "legs": dict(self.legs)}


def flat(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a verdict as one dict from name to number."""
    names = ("parameters", "steps", "tokens", "minutes", "tokens_per_second", "peak_memory")
    whole = {name: value for name, value in verdict["figures"].items() if name != "sources"}
    found = whole | {name: verdict.get(name) for name in names}
    found["blimp"] = (verdict.get("blimp") or {}).get("accuracy")
    return {name: value for name, value in found.items() if value is not None}


def means(legs: Sequence[Mapping[str, Any]]) -> dict[str, Mean]:
    """The mean and the spread of every figure that all of some legs have."""
    shared = [name for name in legs[0] if all(name in leg for leg in legs)]
    values = {name: [float(leg[name]) for leg in legs] for name in shared}
    return {name: Mean(fmean(some), stdev(some) if len(some) > 1 else None) for name, some in values.items()}


# ---------------------------------------------------------------- as text


def percent(value: float, digits: int = 1) -> str:
    """A share in percent."""
    return f"{100 * value:.{digits}f} %"


SHOWN: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "loss": ("loss", lambda value: f"{value:.3f}"),
    "perplexity": ("perplexity", lambda value: f"{value:,.1f}"),
    "word_accuracy": ("words right", percent),
    "word_error_rate": ("word errors", lambda value: percent(value, 2)),
    "bits_per_character": ("bits/character", lambda value: f"{value:.3f}"),
    "blimp": ("BLiMP", percent),
    "parameters": ("size", compact),
    "tokens_per_second": ("tokens/s", compact),
    "tokens": ("tokens seen", compact),
    "minutes": ("minutes", lambda value: f"{value:.1f}"),
    "peak_memory": ("memory", lambda value: compact(value) + "B"),
}
"""Every column: its title, and how a figure is written."""

SURE = ("parameters", "tokens_per_second", "tokens", "minutes", "peak_memory")
"""What says more of the machine than of the recipe: shown without a spread."""

NARROW = ("loss", "word_accuracy", "word_error_rate", "blimp", "parameters", "tokens_per_second", "peak_memory")
"""What fits into 80 columns; spreads are shown for the first alone."""


def columns(made: Comparison, wanted: Iterable[str] = SHOWN) -> list[str]:
    """The figures that some row has."""
    return [name for name in wanted if any(name in row.figures for row in made.rows)]


def written(row: Row, name: str, spread: bool = True) -> str:
    """A figure of a row with its spread, a dash where there is none."""
    mean = row.figures.get(name)
    if mean is None or math.isnan(mean.value):
        return DASH
    write = SHOWN[name][1]
    if not spread or mean.spread is None or name in SURE:
        return write(mean.value)
    value, unit = write(mean.value), ""
    if value.endswith(" %"):
        value, unit = value.removesuffix(" %"), " %"
    return f"{value} ± {write(mean.spread).removesuffix(' %')}{unit}"


def explained(made: Comparison) -> str:
    """One line on what the figures are."""
    most = max(row.seeds for row in made.rows)
    over = f"means over {most} seeds, ± their standard deviation" if most > 1 else "one seed"
    return f"{made.budget} for each; {over}; loss in nats on the same {made.masked_tokens:,} masked tokens"


def markdown(made: Comparison, picture: str | None = None) -> str:
    """The whole table as Markdown."""
    names = columns(made)
    lines = [
        "# Comparison",
        "",
        f"{explained(made)[:1].upper()}{explained(made)[1:]}.",
        "",
        "| model | seeds | " + " | ".join(SHOWN[name][0] for name in names) + " |",
        "|---|" + "---:|" * (len(names) + 1),
    ]
    for row in made.rows:
        seeds = str(row.seeds) if "tokens_per_second" in row.figures else DASH
        lines.append(f"| {row.name} | {seeds} | " + " | ".join(written(row, name) for name in names) + " |")
    if picture:
        lines += ["", f"![validation loss against time]({picture})"]
    lines += [
        "",
        "Words right: masked words with every token restored. Word errors: of the restored text. Size: parameters, or "
        "counts that are kept. Tokens/s: the median of the steps. Memory: the peak of the training process.",
    ]
    return "\n".join(lines) + "\n"
