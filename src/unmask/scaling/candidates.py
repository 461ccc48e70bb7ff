"""What each size would come to in the time there is."""

from __future__ import annotations

from dataclasses import dataclass

from unmask.scaling.law import Law, Lines, Scale
from unmask.scaling.sizes import SIZES, Size, rows
from unmask.scaling.speed import Speed

_ROUNDS = 20  # batch and tokens follow each other; they agree after a few
_FORWARD = 1 / 3  # of the operations of learning, which an evaluation runs


@dataclass(frozen=True)
class Plan:
    """The time there is, and what it is spent on."""

    seconds: float
    row_length: int
    unique: int
    """tokens of the training text"""
    evaluated: int
    """tokens that are read to evaluate while training"""


@dataclass(frozen=True)
class Candidate:
    """A size with its batch, and what is expected of it."""

    size: Size
    rows: int
    step_seconds: float
    tokens: float
    """read in all"""
    loss: float
    """expected held-out loss in nats a token"""


def candidates(law: Law, lines: Lines, speed: Speed, plan: Plan) -> list[Candidate]:
    """Every size, the lowest expected loss first."""
    made = [_candidate(size, law, lines, speed, plan) for size in SIZES]
    return sorted(made, key=lambda candidate: candidate.loss)


def _candidate(size: Size, law: Law, lines: Lines, speed: Speed, plan: Plan) -> Candidate:
    count, tokens = paced(size, speed, plan)
    scale = Scale(size.parameters, max(1.0, tokens), plan.unique)
    return Candidate(size, count, speed.step_seconds(size, count), tokens, float(law.loss(scale, lines)))


def paced(size: Size, speed: Speed, plan: Plan) -> tuple[int, float]:
    """Rows in a step of a size, and the tokens it reads in the time there is; each follows from the other."""
    count = rows(1, plan.row_length)
    for _ in range(_ROUNDS):
        count = rows(max(1.0, _tokens_read(size, count, speed, plan)), plan.row_length)
    return count, _tokens_read(size, count, speed, plan)


def _tokens_read(size: Size, count: int, speed: Speed, plan: Plan) -> float:
    """Tokens of all steps that fit beside the evaluations."""
    a_step = count * plan.row_length
    evaluating = plan.evaluated / a_step * speed.learning_seconds(size, count) * _FORWARD
    return max(0.0, plan.seconds - evaluating) / speed.step_seconds(size, count) * a_step
