"""The law: what held-out loss a size reaches on so many tokens, on text whose lines are known.

    law = Law(level=-0.6, size_cost=0.14, size_power=0.5, size_growth=0.2, gain=0.3, start=0.2)
    law.loss(Scale(parameters=4e6, tokens=3e6, unique=17e6), Lines(unigram=7.3, ngram=5.9))      in nats
    fitted([Point(scale, lines, loss), ...])

Texts differ in how much of them can be known, so the law speaks of the way between two lines that are counted on the
text itself: its height is 1 at the unigram line (guessing by frequency) and 0 at the line of an n-gram filler, below 0
where a model knows more than neighbouring tokens tell.

    read = tokens / 1 M + start
    height = level - gain ln(read) + size_cost (parameters / 1 M)^-size_power read^size_growth

A law of N parameters of matrices (embedding left out) and D tokens, of which repeated ones count less
(`effective_tokens`), as those of Kaplan et al. 2020 and Hoffmann et al. 2022, but for runs of minutes. In these losses
fall along a straight line in ln D: no bend shows that says where they would end. What a size lacks grows with what it
has read, where Hoffmann et al. (eq. 2) have a constant: what sets a large model apart shows the later, the more both
have read. And a run begins with something, embeddings from counts, as if it had read `start` already (docs/scaling.md
has the runs, and the forms that were tried).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

MILLION = 1e6
HUBER = 5e-3
"""Residuals of the log loss from which on they count linearly, as in Hoffmann et al. 2022, section 3.3, but 5e-3 where
they have 1e-3: two seeds of our short runs differ by 3.5e-3, and with less the fit is but a median of few runs."""
REPEATS = 15.4
"""Half-life of repeated tokens in epochs, R*_D of Muennighoff et al. 2023, "Scaling Data-Constrained Language Models",
section 6: for causal models. A masked model gets new masks in each epoch, so it may well be higher here."""
_ENDLESS = 600.0  # a logarithm that is never reached and does not overflow
_STARTS = ((-0.5,), (-2.5, -1.0), (0.3, 0.6), (0.05, 0.2), (0.2, 0.5), (-3.0, -1.0))
_BOUNDS = ((-4.0, 4.0), (-8.0, 3.0), (0.05, 2.0), (0.0, 0.6), (0.01, 2.0), (-7.0, 2.0))


class Scale(NamedTuple):
    """What a run puts in; numbers, or arrays (n,) for n runs."""

    parameters: Any
    """of matrices, the embedding left out"""
    tokens: Any
    """read in all"""
    unique: Any
    """of the training text"""


class Lines(NamedTuple):
    """Two losses on held-out text that need no training, in nats a token; numbers, or arrays (n,) for n texts."""

    unigram: Any
    """guessing by frequency"""
    ngram: Any
    """an n-gram filler's"""


class Point(NamedTuple):
    """A run that was done."""

    scale: Scale
    lines: Lines
    loss: float


@dataclass(frozen=True)
class Law:
    """Height as a function of parameters and tokens, see the top of the file; of arrays it makes arrays."""

    level: float
    """the height of an endless model after a million tokens"""
    size_cost: float
    """what a model of a million parameters lacks after a million tokens"""
    size_power: float
    size_growth: float
    """the power of tokens by which what a model lacks grows"""
    gain: float
    """what an endless model gains while its tokens grow e-fold"""
    start: float
    """millions of tokens that what a run begins with is worth"""

    def height(self, scale: Scale) -> Any:
        """Between the lines: 1 at the unigram line, which no run stays above, 0 at the n-gram line."""
        lacks = self.size_cost * (scale.parameters / MILLION) ** -self.size_power
        read = np.minimum(effective_tokens(scale.tokens, scale.unique) / MILLION + self.start, self._full(lacks))
        return np.minimum(1.0, self.level - self.gain * np.log(read) + lacks * read**self.size_growth)

    def _full(self, lacks: Any) -> Any:
        """Millions of tokens after which a size gains nothing: what it lacks would grow faster than what it learns."""
        if self.size_growth == 0:
            return math.inf
        return np.exp(np.minimum(np.log(self.gain / (self.size_growth * lacks)) / self.size_growth, _ENDLESS))

    def loss(self, scale: Scale, lines: Lines) -> Any:
        """Expected held-out loss in nats a token; never below zero."""
        return np.maximum(0.0, lines.ngram + (lines.unigram - lines.ngram) * self.height(scale))


def effective_tokens(tokens: Any, unique: Any) -> Any:
    """What tokens are worth of which only so many differ (Muennighoff et al. 2023, eq. 5): each further epoch a little
    less than the one before, and all of them together never more than 1 + R* epochs."""
    repeats = np.maximum(0.0, tokens / unique - 1)
    first = np.minimum(tokens, unique)
    return first + first * REPEATS * -np.expm1(-repeats / REPEATS)


# ---------------------------------------------------------------- fitting


def fitted(points: Sequence[Point], near: Law | None = None) -> Law:
    """The law under which the points are likeliest: Huber's loss of the difference of log losses, L-BFGS from many
    starts (Hoffmann et al. 2022, section 3.3), or from one law alone that is known to be near."""
    from scipy.optimize import minimize

    columns, starts = _columns(points), list(product(*_STARTS)) if near is None else [_numbers(near)]
    found = [minimize(_misfit, start, columns, method="L-BFGS-B", bounds=_BOUNDS) for start in starts]
    return _law(min(found, key=lambda result: result.fun).x)


def _numbers(law: Law) -> tuple[float, ...]:
    """What is searched for: logarithms of what may be small."""
    return (law.level, math.log(law.size_cost), law.size_power, law.size_growth, law.gain, math.log(law.start))


def _law(numbers: np.ndarray) -> Law:
    level, log_size, size_power, size_growth, gain, log_start = map(float, numbers)
    return Law(level, math.exp(log_size), size_power, size_growth, gain, math.exp(log_start))


def _columns(points: Sequence[Point]) -> tuple[Scale, Lines, np.ndarray]:
    """The points as arrays (n,)."""
    scale, lines = (np.array([point[part] for point in points], dtype=float).T for part in (0, 1))
    return Scale(*scale), Lines(*lines), np.array([point.loss for point in points])


def _misfit(numbers: np.ndarray, scale: Scale, lines: Lines, losses: np.ndarray) -> float:
    off = np.log(np.maximum(_law(numbers).loss(scale, lines), 1e-3) / losses)
    near = np.abs(off) <= HUBER
    return float(np.where(near, off**2 / 2, HUBER * (np.abs(off) - HUBER / 2)).sum() / HUBER**2)


def residuals(law: Law, points: Sequence[Point]) -> list[float]:
    """Loss minus what the law expects of each point, in nats."""
    return [float(point.loss - law.loss(point.scale, point.lines)) for point in points]


def left_out(points: Sequence[Point], law: Law) -> list[float]:
    """Loss of each point minus what the law fitted to all others expects of it, in nats. law: that of all points."""
    return [
        residuals(fitted([*points[:number], *points[number + 1 :]], near=law), [point])[0]
        for number, point in enumerate(points)
    ]


def root_mean_square(values: Sequence[float]) -> float:
    """The usual size of an error; 0 for none."""
    return float(np.sqrt(np.mean(np.square(values)))) if values else 0.0


def rounded(law: Law) -> Law:
    """With four significant digits: more are not known."""
    return Law(*(float(f"{number:.4g}") for number in astuple(law)))
