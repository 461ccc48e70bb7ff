"""Schedules: what the learning rate and the batch size are at a share of the budget, and how the budget is spent.

Every schedule is a function of progress, a number in [0, 1]: of steps, epochs, tokens, minutes or operations alike, so
a run of thirty minutes ends its decay when the thirty minutes are over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from unmask.config import require
from unmask.menu import Menu

SCHEDULES = Menu(
    "schedule",
    {
        "trapezoid": "unmask.training.schedules:Trapezoid",
        "linear": "unmask.training.schedules:Linear",
        "cosine": "unmask.training.schedules:Cosine",
    },
)


def _warmed(progress: float, warmup: float) -> float:
    return 1.0 if warmup == 0 else min(1.0, (progress + 1e-4) / warmup)


def _check(warmup: float, final: float) -> None:
    require(0 <= warmup < 1, f"training.schedule.warmup={warmup}: a share of the budget, from 0 up to 1, is needed")
    require(0 <= final <= 1, f"training.schedule.final={final}: a share of the peak, from 0 to 1, is needed")


@dataclass(frozen=True)
class Trapezoid:
    """Warm up, stay, decay linearly (also called warm-up-stable-decay; Hägele et al. 2024)."""

    warmup: float = 0.02
    """share of the budget in which the learning rate rises"""
    decay: float = 0.6
    """share of the budget, at its end, in which the learning rate falls"""
    final: float = 0.0
    """the last learning rate, as a share of the peak"""

    def __post_init__(self) -> None:
        _check(self.warmup, self.final)
        require(
            0 <= self.decay <= 1 - self.warmup,
            f"training.schedule.decay={self.decay}: from 0 to 1 - warmup = {1 - self.warmup:g} is needed",
        )

    def multiplier(self, progress: float) -> float:
        """The learning rate as a share of its peak."""
        if progress > 1 - self.decay:
            left = max(0.0, 1 - progress) / self.decay
            return self.final + (1 - self.final) * left
        return _warmed(progress, self.warmup)


@dataclass(frozen=True)
class Linear:
    """Warm up, then fall linearly to the end."""

    warmup: float = 0.06
    """share of the budget in which the learning rate rises"""
    final: float = 0.0
    """the last learning rate, as a share of the peak"""

    def __post_init__(self) -> None:
        _check(self.warmup, self.final)

    def multiplier(self, progress: float) -> float:
        """The learning rate as a share of its peak."""
        left = min(1.0, max(0.0, 1 - progress) / (1 - self.warmup))
        return min(_warmed(progress, self.warmup), self.final + (1 - self.final) * left)


@dataclass(frozen=True)
class Cosine:
    """Warm up, then follow half a cosine (Loshchilov and Hutter 2017)."""

    warmup: float = 0.06
    """share of the budget in which the learning rate rises"""
    final: float = 0.0
    """the last learning rate, as a share of the peak"""

    def __post_init__(self) -> None:
        _check(self.warmup, self.final)

    def multiplier(self, progress: float) -> float:
        """The learning rate as a share of its peak."""
        if progress < self.warmup:
            return _warmed(progress, self.warmup)
        along = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * along)) / 2


@dataclass(frozen=True)
class Spent:
    """What a run has used so far. `samples` counts rows of the endless sequence, `tokens` those that are no padding,
    `flops` the floating-point operations of matrix products, forward and backward."""

    step: int = 0
    samples: int = 0
    tokens: int = 0
    seconds: float = 0.0
    flops: float = 0.0


@dataclass(frozen=True)
class Budget:
    """How long to train: exactly one of the five."""

    steps: int | None = None
    epochs: float | None = None
    tokens: int | None = None
    minutes: float | None = None
    flops: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        require(
            len(given) == 1,
            f"training: one of steps, epochs, tokens, minutes, flops is needed, {' and '.join(given) or 'none'} given"
            + ("; set the others to none" if len(given) > 1 else ", e.g. training.minutes=30" if not given else ""),
        )
        for name, value in given.items():
            require(value > 0, f"training.{name}={value}: more than 0 is needed")

    def progress(self, spent: Spent, rows: int) -> float:
        """The share of the budget that is spent, in [0, 1]; `rows` is the number of rows in an epoch."""
        if self.steps is not None:
            share = spent.step / self.steps
        elif self.epochs is not None:
            share = spent.samples / (self.epochs * rows)
        elif self.tokens is not None:
            share = spent.tokens / self.tokens
        elif self.flops is not None:
            share = spent.flops / self.flops
        else:
            assert self.minutes is not None
            share = spent.seconds / (60 * self.minutes)
        return min(1.0, share)

    def __str__(self) -> str:
        name, value = next((name, value) for name, value in vars(self).items() if value is not None)
        return f"{value:g} {name}" if isinstance(value, float) else f"{value:,} {name}"


def ramped(batch_size: int, start: float, ramp: float, progress: float) -> int:
    """Rows in the next step: from `start` of the batch size, linearly to all of it over the first `ramp` of the budget.

    Small batches at first take more steps for the same tokens (Smith et al. 2018; GPT-BERT, Charpentier and Samuel
    2024, section 3). A multiple of 8 rows, so that few shapes occur, and 8 of them at least.
    """
    if progress >= ramp or start >= 1:
        return batch_size
    share = start + (1 - start) * progress / ramp
    return min(batch_size, max(8, 8 * round(batch_size * share / 8)))
