"""How fast this machine trains a size: a few real steps of small models say it for all.

    speed = measured(Setup.of(run, store, device))        about ten seconds, once in a process
    speed.step_seconds(Size(6, 256), rows=32)

A step is learning (forward, backward, gradients collected), which is linear in layers and in rows, and the update,
which is linear in layers alone. Two depths and two row counts give these lines at each measured width; between widths,
and beyond the widest, seconds follow a power of the width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from unmask.batches import Batch, Batches
from unmask.scaling.sizes import Size
from unmask.tokens.pairs import laid_out
from unmask.training.memory import keep_large_blocks
from unmask.training.precision import Masters, chosen_dtype

if TYPE_CHECKING:
    from unmask.masking import Masking
    from unmask.run import Run
    from unmask.tokens.store import Store

SECONDS = 10.0
"""About how long all steps together may take."""
_ENOUGH = 3  # steps of one shape, the first of all not counted


class Shapes(NamedTuple):
    """What is measured: each width with each depth and each number of rows."""

    widths: tuple[int, ...]
    layers: tuple[int, int]
    rows: tuple[int, int]


ON_PROCESSOR = Shapes(widths=(128, 256, 512), layers=(2, 4), rows=(8, 32))
ON_GPU = Shapes(widths=(256, 512, 1024), layers=(2, 4), rows=(32, 256))
"""A GPU waits for its next operation where there is little to do, which only larger shapes show."""


class Timed(NamedTuple):
    """The seconds of one measured shape."""

    layers: int
    width: int
    rows: int
    learning: float
    update: float


@dataclass(frozen=True)
class Setup:
    """On what, and over which rows, steps are measured."""

    store: Store
    masking: Masking
    row_length: int
    packing: str
    device: torch.device
    dtype: torch.dtype
    threads: int

    @classmethod
    def of(cls, run: Run, store: Store, device: torch.device) -> Setup:
        """As a run over a store would train on a device."""
        dtype = chosen_dtype(run.training.precision, device)
        threads = run.training.threads or torch.get_num_threads()
        return cls(store, run.masking, run.data.row_length, run.data.packing, device, dtype, threads)

    @property
    def shapes(self) -> Shapes:
        """What is measured on its device."""
        return ON_PROCESSOR if self.device.type == "cpu" else ON_GPU

    @property
    def key(self) -> tuple[Any, ...]:
        """What the seconds depend on."""
        words = (self.store.vocabulary_size, self.row_length, self.packing, self.masking.mean_ratio)
        return (*words, str(self.device), self.dtype, self.threads)

    def batch(self, rows: int) -> Batch:
        """The first rows of the training text, masked at the mean ratio."""
        laid = laid_out(self.store, "train", self.row_length, self.packing, seed=0)
        return Batches(laid, self.masking, seed=0).at(0, rows, self.masking.mean_ratio).to(self.device)


@dataclass(frozen=True)
class Speed:
    """Seconds of any size, from those of the measured ones."""

    timed: tuple[Timed, ...]

    def learning_seconds(self, size: Size, rows: int) -> float:
        """Forward and backward of so many rows."""
        terms = _terms(size.layers, rows)
        return self._at(size.width, lambda width: float(_line(self._of(width), "learning", _terms) @ terms))

    def update_seconds(self, size: Size) -> float:
        """The optimizer's step and the weights published."""
        terms = _depth(size.layers, 0)
        return self._at(size.width, lambda width: float(_line(self._of(width), "update", _depth) @ terms))

    def step_seconds(self, size: Size, rows: int) -> float:
        """Both together: a step of so many rows."""
        return self.learning_seconds(size, rows) + self.update_seconds(size)

    def _of(self, width: int) -> list[Timed]:
        return [timed for timed in self.timed if timed.width == width]

    def _at(self, width: int, seconds: Callable[[int], float]) -> float:
        """Seconds at a width from those at the measured widths: a power law between two neighbours, and beyond the last
        that of the last two."""
        known = sorted({timed.width for timed in self.timed})
        logs = np.log(known), np.log([max(1e-9, seconds(one)) for one in known])
        return math.exp(interpolated(math.log(width), *logs))


def interpolated(x: float, xs: np.ndarray, ys: np.ndarray) -> float:
    """Piecewise linear through points (n,) with ascending xs, the outermost pieces drawn on."""
    if len(xs) == 1:
        return float(ys[0])
    piece = int(np.clip(np.searchsorted(xs, x) - 1, 0, len(xs) - 2))
    share = (x - xs[piece]) / (xs[piece + 1] - xs[piece])
    return float(ys[piece] + share * (ys[piece + 1] - ys[piece]))


def _terms(layers: int, rows: int) -> np.ndarray:
    return np.array([1.0, layers, rows, layers * rows])


def _depth(layers: int, rows: int) -> np.ndarray:
    return np.array([1.0, layers])


def _line(timed: Iterable[Timed], what: str, terms: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """Coefficients of the terms, none below zero, with the least squares of relative errors."""
    from scipy.optimize import nnls

    seconds = [(terms(one.layers, one.rows), max(1e-9, getattr(one, what))) for one in timed]
    return nnls(np.array([row / value for row, value in seconds]), np.ones(len(seconds)))[0]


# ---------------------------------------------------------------- measuring

_known: dict[tuple[Any, ...], Speed] = {}


def measured(setup: Setup) -> Speed:
    """The speed of this machine, measured by real steps once in a process for each setup."""
    if setup.key not in _known:
        _known[setup.key] = Speed(tuple(_all_timed(setup, setup.shapes)))
    return _known[setup.key]


def _all_timed(setup: Setup, shapes: Shapes) -> Iterable[Timed]:
    torch.set_num_threads(setup.threads)
    keep_large_blocks()
    batches = [setup.batch(rows) for rows in shapes.rows]
    share = SECONDS / (len(shapes.widths) * len(shapes.layers) * len(shapes.rows))
    for width, layers in product(shapes.widths, shapes.layers):
        step = _step(Size(layers, width), setup)
        for batch in batches:
            learning, update = _median(partial(step, batch), share)
            yield Timed(layers, width, len(batch), learning, update)


def _step(size: Size, setup: Setup) -> Callable[[Batch], tuple[float, float]]:
    """A training step of a size: from a batch to the seconds of learning and of the update. The weights are random, and
    stay so: all calls are alike."""
    from unmask.objectives.masked_language_modeling import MaskedLanguageModeling

    vocabulary_size = setup.store.vocabulary_size
    objective = MaskedLanguageModeling().build(size.architecture.build(vocabulary_size), vocabulary_size)
    masters = Masters(objective.to(setup.device), setup.dtype)
    optimizer = size.optimizer.build(masters, objective)

    def step(batch: Batch) -> tuple[float, float]:
        started = _now(setup.device)
        (objective(batch)["masked"] / objective.counts(batch)["masked"]).backward()
        masters.collect(first=True)
        learned = _now(setup.device)
        float(torch.linalg.vector_norm(masters.gradients))
        optimizer.step(0.0)  # no time is saved by a rate of zero, and losses stay finite
        masters.publish()
        return learned - started, _now(setup.device) - learned

    return step


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _median(step: Callable[[], tuple[float, float]], seconds: float) -> Sequence[float]:
    """The median seconds of each part of a step over a few of them, fewer where they take more than their share."""
    step()
    taken = [step()]
    while len(taken) < _ENOUGH and np.sum(taken) < seconds:
        taken.append(step())
    return np.median(taken, axis=0).tolist()
