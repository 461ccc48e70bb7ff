"""The clock that stands still while a contestant is asked, and the questions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.race.legs import Course
    from unmask.evaluation.masked import Predict


class Clock:
    """Seconds since a moment (of `time.time`), less those in which it stood still."""

    def __init__(self, began: float) -> None:
        self._origin = time.perf_counter() - (time.time() - began)
        self._still: float | None = None

    def seconds(self) -> float:
        """What it shows."""
        now = time.perf_counter() if self._still is None else self._still
        return now - self._origin

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still meanwhile."""
        self._still = time.perf_counter()
        try:
            yield
        finally:
            self._origin += time.perf_counter() - self._still
            self._still = None


@dataclass(frozen=True)
class Finish:
    """What a contestant leaves: how it predicts, and what it was."""

    predict: Predict
    parameters: int
    steps: int
    tokens: int
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Track:
    """A contestant's way through its minutes. It calls `begin` before its first step and `step` after each, and stops
    when `over`."""

    course: Course
    budget: float
    """seconds"""
    clock: Clock
    curve: list[dict[str, float]] = field(default_factory=list)
    began: float = 0.0
    """seconds until the first step"""

    def begin(self) -> None:
        """Everything is built: the questions are made, for which the clock stands still."""
        with self.clock.stopped():
            self._quick = self._blanks(self.course.quick_tokens)
        self.began = self.clock.seconds()

    @property
    def left(self) -> float:
        """Seconds."""
        return self.budget - self.clock.seconds()

    @property
    def over(self) -> bool:
        return self.left <= 0

    @property
    def progress(self) -> float:
        """The share of the time between the first step and the end that has passed, in [0, 1]."""
        return min(1.0, max(0.0, (self.clock.seconds() - self.began) / (self.budget - self.began)))

    def step(self, predict: Predict, steps: int, tokens: int) -> None:
        """A step is done: asks when a mark was passed. At most one question a step; the end asks for itself."""
        due = int(self.course.marks * self.clock.seconds() / self.budget)
        asked = self.curve[-1]["mark"] if self.curve else 0
        if asked < due < self.course.marks:
            self._ask(predict, due, steps, tokens)

    def finish(self, made: Finish) -> dict[str, Any]:
        """What is known of the leg at its end."""
        self._ask(made.predict, self.course.marks, made.steps, made.tokens)
        seconds = self.curve[-1]["seconds"]
        return {
            "settings": made.settings,
            "parameters": made.parameters,
            "steps": made.steps,
            "tokens": made.tokens,
            "seconds": seconds,
            "seconds_to_first_step": round(self.began, 2),
            "tokens_per_second": round(made.tokens / (seconds - self.began), 1),
            "curve": self.curve,
            "figures": self._figures(made.predict),
        }

    def _ask(self, predict: Predict, mark: int, steps: int, tokens: int) -> None:
        from unmask.evaluation.masked import restored_tokens

        _wait_for_gpu()  # what it was told to do is the contestant's time
        with self.clock.stopped():
            loss = float(restored_tokens(self._quick, predict)[0].mean())
            seconds = round(self.clock.seconds(), 2)
        self.curve.append({"mark": mark, "seconds": seconds, "step": steps, "tokens": tokens, "loss": loss})

    def _figures(self, predict: Predict) -> dict[str, Any]:
        from unmask.evaluation.masked import score_blanks
        from unmask.tokens.store import Store

        counts = Store.open(self.course.store, verify=False).token_counts
        figures = score_blanks(self._blanks(self.course.whole_tokens), predict, counts)
        return {name: value for name, value in figures.items() if name != "sources"}

    def _blanks(self, tokens: int) -> Any:
        from benchmarks.race.legs import ROW_LENGTH
        from unmask.evaluation.blanks import make_blanks
        from unmask.tokens.store import Store

        store = Store.open(self.course.store, verify=False)
        return make_blanks(store.tokenizer(), store.documents("validation"), ROW_LENGTH, limit_tokens=tokens)


def _wait_for_gpu() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


Contestant = Callable[[Any, Track], Finish]
"""Takes a leg and its track, trains until the track is over."""
