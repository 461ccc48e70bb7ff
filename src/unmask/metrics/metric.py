"""What every metric is: two sums and their quotient.

Shapes: N masked tokens, W masked words, V vocabulary.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Scored:
    """What a model made of masked tokens; every word among them is here with all of its tokens."""

    losses: np.ndarray
    """(N,) nats: -log of the probability of the true token"""
    targets: np.ndarray
    """(N,) the true tokens"""
    predicted: np.ndarray
    """(N,) the model's first choice"""
    words: np.ndarray
    """(N,) the number of the word each token belongs to, in range(W)"""
    characters: np.ndarray
    """(W,) characters of each word"""
    references: Sequence[str]
    """the texts that hold the words"""
    hypotheses: Sequence[str]
    """the same texts with the model's first choices in their places"""
    token_counts: np.ndarray | None = None
    """(V,) how often each token stood in the training text, where that is known"""


class Metric(ABC):
    """`total` over `count`; a subclass says in `update` what is added to them. Lower is better unless it says so."""

    higher_is_better = False

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0.0

    @abstractmethod
    def update(self, scored: Scored) -> None:
        """Add the sums of some masked tokens."""

    def compute(self) -> float:
        """The figure of everything added so far; nan when nothing was."""
        return self.total / self.count if self.count else math.nan

    def state(self) -> dict[str, float]:
        """The sums, to be sent to another process."""
        return {"total": self.total, "count": self.count}

    def merge(self, state: Mapping[str, float]) -> None:
        """Add the sums of another process."""
        self.total += state["total"]
        self.count += state["count"]
