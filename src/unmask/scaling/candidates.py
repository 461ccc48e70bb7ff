"""What each size would come to in the time there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from unmask.scaling.law import Law, Lines, Scale, effective_tokens
from unmask.scaling.sizes import SIZES, Size, rows
from unmask.scaling.speed import Speed
from unmask.training.schedules import ramped

if TYPE_CHECKING:
    from unmask.run import Run
    from unmask.tokens.store import Store

_ROUNDS = 20  # batch and tokens follow each other; they agree after a few
_FORWARD = 1 / 3  # of the operations of learning, which an evaluation runs
_MOMENTS = 16  # at which a growing batch is looked at
MOST_A_PARAMETER = 60
"""Tokens for each parameter of a size beyond which it is not considered: 2x128 was the best size with 34 of them, and
far from it with 150 (docs/scaling.md). Causal models are best off with about 20 (Hoffmann et al. 2022)."""


@dataclass(frozen=True)
class Plan:
    """The time there is, and what it is spent on."""

    seconds: float
    row_length: int
    unique: int
    """tokens of the training text"""
    evaluated: int
    """tokens that are read to evaluate while training"""
    batch_start: float = 1.0
    """the first steps take this share of the rows ..."""
    batch_ramp: float = 0.0
    """... and grow to all of them over this share of the time"""

    @classmethod
    def of(cls, run: Run, store: Store) -> Plan:
        """That of a run by the clock over a store."""
        training, unique = run.training, store.count("tokens", "train")
        assert training.minutes is not None
        evaluated = training.evaluations * (run.evaluation.tokens or store.count("tokens", "validation"))
        grows = training.batch_start, training.batch_ramp
        return cls(60 * training.minutes, run.data.row_length, unique, evaluated, *grows)

    def growing(self, rows: int) -> list[int]:
        """Rows in a step at even moments of the time."""
        moments = ((number + 0.5) / _MOMENTS for number in range(_MOMENTS))
        return [ramped(rows, self.batch_start, self.batch_ramp, moment) for moment in moments]


@dataclass(frozen=True)
class Candidate:
    """A size with its batch, and what is expected of it."""

    size: Size
    rows: int
    """in a step, at the end of a batch that grows"""
    step_seconds: float
    """of a step of so many rows"""
    steps: float
    tokens: float
    """read in all"""
    loss: float
    """expected held-out loss in nats a token"""

    def a_parameter(self, unique: int) -> float:
        """Tokens for each parameter, those that are read again counting less."""
        return float(effective_tokens(self.tokens, unique)) / self.size.parameters


def candidates(law: Law, lines: Lines, speed: Speed, plan: Plan) -> list[Candidate]:
    """Every size that is not too small for what it would read, the lowest expected loss first."""
    made = [_candidate(size, law, lines, speed, plan) for size in SIZES]
    roomy = [candidate for candidate in made if candidate.a_parameter(plan.unique) <= MOST_A_PARAMETER]
    return sorted(roomy or made[-1:], key=lambda candidate: candidate.loss)


def _candidate(size: Size, law: Law, lines: Lines, speed: Speed, plan: Plan) -> Candidate:
    pace = paced(size, speed, plan)
    loss = float(law.loss(Scale(size.parameters, max(1.0, pace.tokens), plan.unique), lines))
    return Candidate(size, pace.rows, speed.step_seconds(size, pace.rows), pace.steps, pace.tokens, loss)


class Pace(NamedTuple):
    """What a size does in the time there is."""

    rows: int
    """in a step, at the end of a batch that grows"""
    steps: float
    tokens: float


def paced(size: Size, speed: Speed, plan: Plan) -> Pace:
    """Rows in a step of a size, and what it reads in the time there is; each follows from the other."""
    pace = _pace(size, rows(1, plan.row_length), speed, plan)
    for _ in range(_ROUNDS):
        pace = _pace(size, rows(max(1.0, pace.tokens), plan.row_length), speed, plan)
    return pace


def _pace(size: Size, count: int, speed: Speed, plan: Plan) -> Pace:
    """The steps of so many rows that fit beside the evaluations."""
    a_token = speed.learning_seconds(size, count) * _FORWARD / (count * plan.row_length)
    seconds = max(0.0, plan.seconds - plan.evaluated * a_token) / _MOMENTS
    growing = plan.growing(count)
    steps = [seconds / speed.step_seconds(size, some) for some in growing]
    tokens = sum(some * number for some, number in zip(growing, steps, strict=True)) * plan.row_length
    return Pace(count, sum(steps), tokens)
