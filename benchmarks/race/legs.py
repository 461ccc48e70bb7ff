"""Who runs, for how long, with what: the legs of the race and the order they come in.

A, B, C are other people's code (`trainer`, `clone`), every other contestant is a recipe of ours (`ours`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.race.ours import OURS
from unmask.config import require
from unmask.menu import unknown
from unmask.recipes import RECIPES

ROW_LENGTH = 128
SEARCH = "B-search"
PEERS = ("A", "B", "C", SEARCH)
TUNED = tuple(product((5e-4, 1e-3, 2e-3, 3e-3), (16, 32, 64)))
"""Learning rates and batches of which B takes the best."""
SEARCH_SIZE, SEARCH_MINUTES = "6x256", 5.0
MAIN, MAIN_MINUTES, SHORT_MINUTES, SEEDS = ("A", "B", "ours"), 20.0, 5.0, 2
FAMILIES = ("unmask", "mae", "hybrid", "electra", "diffusion")


@dataclass(frozen=True)
class Leg:
    """One contestant, trained once."""

    contestant: str
    size: str = SEARCH_SIZE
    """LAYERSxWIDTH"""
    minutes: float = MAIN_MINUTES
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    """learning_rate and batch of B, once they are known"""

    def __post_init__(self) -> None:
        require(bool(re.fullmatch(r"\d+x\d+", self.size)), f"size {self.size}: LAYERSxWIDTH is needed, e.g. 6x256")
        require(self.minutes > 0, f"minutes {self.minutes:g}: more than 0 are needed")

    @property
    def key(self) -> str:
        """Names its file. The settings of B follow from the search, so that only those of the search are in it."""
        tuned = "".join(f"-{value:g}" for value in self.settings.values()) if self.contestant == SEARCH else ""
        return f"{self.contestant}{tuned}-{self.size}-{self.minutes:g}m-{self.seed}"

    @property
    def layers(self) -> int:
        return int(self.size.partition("x")[0])

    @property
    def width(self) -> int:
        return int(self.size.partition("x")[2])


@dataclass(frozen=True)
class Course:
    """What all legs share: the text, and what is asked of it."""

    store: str
    rows: str
    """the file of `rows.grouped`, for those who read no store"""
    clone: str | None = None
    """the folder of C's repository"""
    marks: int = 20
    quick_tokens: int = 20_000
    """held-out text asked at every mark, and at the end"""
    whole_tokens: int = 200_000
    search: tuple[tuple[float, int], ...] = TUNED
    search_size: str = SEARCH_SIZE
    search_minutes: float = SEARCH_MINUTES

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return asdict(self)


def whole_race(clone: bool) -> list[Leg]:
    """The legs of the command without further words: the main ones, ours in a quarter of the time, the others."""
    main = planned(MAIN, SEARCH_SIZE, MAIN_MINUTES, SEEDS)
    short = planned(("ours",), SEARCH_SIZE, SHORT_MINUTES, SEEDS)
    others = ("ours-auto", *(("C",) if clone else ()), *FAMILIES)
    return [*main, *short, *planned(others, SEARCH_SIZE, SHORT_MINUTES, 1)]


def planned(contestants: Iterable[str], size: str, minutes: float, seeds: int) -> list[Leg]:
    """The legs of some contestants, seed by seed; SettingError for one that nobody knows."""
    require(seeds > 0, f"seeds {seeds}: 1 or more are needed")
    known = [*PEERS[:3], *OURS, *RECIPES]
    for name in contestants:
        require(name in known, unknown("contestant", name, known))
    return [Leg(name, size, minutes, seed) for seed in range(seeds) for name in contestants]


def with_search(legs: Sequence[Leg], course: Course) -> list[Leg]:
    """The legs with those before them from which B learns its settings; none where there is nothing to choose."""
    if all(leg.contestant != "B" for leg in legs):
        return list(legs)
    options = [{"learning_rate": rate, "batch": batch} for rate, batch in course.search]
    if len(options) == 1:
        return [tuned(leg, options[0]) for leg in legs]
    return [*(Leg(SEARCH, course.search_size, course.search_minutes, 0, option) for option in options), *legs]


def tuned(leg: Leg, settings: Mapping[str, Any]) -> Leg:
    """B with these settings; any other leg as it is."""
    return replace(leg, settings=settings) if leg.contestant == "B" else leg


def best_settings(records: Iterable[Mapping[str, Any]], course: Course) -> dict[str, Any]:
    """The settings with the lowest held-out loss among the legs of the search that are done."""
    made = [
        record
        for record in records
        if record["leg"]["contestant"] == SEARCH
        and record["leg"]["size"] == course.search_size
        and record["leg"]["minutes"] == course.search_minutes
    ]
    require(bool(made), "B takes the best settings of its search, and no leg of it is done: run B without --tables")
    return dict(min(made, key=lambda record: record["figures"]["loss"])["leg"]["settings"])


def file_of(leg: Leg, to: Path) -> Path:
    """Where a leg is kept."""
    return to / "legs" / f"{leg.key}.json"
