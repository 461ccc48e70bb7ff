"""Spans of whole words of geometric length (SpanBERT; Joshi et al. 2020, sec. 3.1: p = 0.2, at most 10 words).

A row is divided into spans, and spans are then chosen with equal chances. Every word ends a span with probability p,
which is what makes lengths geometric; as that draw has no memory, cutting a run after each 10 words gives the lengths
min(geometric, 10) with nothing sequential to compute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.config import require
from unmask.masking.selections.whole_word import first_columns
from unmask.seeding import keys as mixed
from unmask.seeding import uniforms
from unmask.tokens.rows import RowBatch


@dataclass(frozen=True)
class Span:
    """Spans of neighbouring words of one document."""

    stop: float = 0.2
    """probability that a span ends after each of its words; 0.2 gives 3.8 words on average"""
    longest: int = 10
    """words in the longest span"""

    def __post_init__(self) -> None:
        require(0 < self.stop <= 1, f"masking.selection.stop={self.stop}: a probability above 0 up to 1, e.g. 0.2")
        require(self.longest >= 1, f"masking.selection.longest={self.longest}: at least 1 word, e.g. 10")

    def scores(self, batch: RowBatch, keys: np.ndarray) -> np.ndarray:
        """A score a span, from its first token: uint64 (B,T) keys to float64 (B,T)."""
        start = span_starts(batch, uniforms(keys), self.stop, self.longest)
        column = np.broadcast_to(np.arange(start.shape[1]), start.shape)
        first = np.maximum.accumulate(np.where(start, column, 0), axis=1)
        # Mixed once more: the keys themselves have decided where spans start.
        return uniforms(mixed(np.take_along_axis(keys, first, axis=1)))


def span_starts(batch: RowBatch, draws: np.ndarray, stop: float, longest: int) -> np.ndarray:
    """Where spans begin: bool (B,T), from draws in [0, 1) (B,T) of which the one at a word's first token counts."""
    words, groups = batch.words, batch.groups
    column = np.broadcast_to(np.arange(words.shape[1]), words.shape)
    word_start = (column == first_columns(words)) & (words > 0)
    # What is not maskable interrupts a run of words, and so does another document.
    broken = np.ones(words.shape, dtype=bool)
    broken[:, 1:] = (words[:, :-1] == 0) | (groups[:, 1:] != groups[:, :-1])
    run_start = word_start & (broken | (draws < stop))
    nth = np.cumsum(word_start, axis=1)  # words of the row so far
    since = nth - np.maximum.accumulate(np.where(run_start, nth, 0), axis=1)  # words since the run began
    return word_start & (since % longest == 0)
