"""Spans of whole words of geometric length (SpanBERT; Joshi et al. 2020, sec. 3.1: p = 0.2, at most 10 words).

A row is divided into spans, and spans are then chosen with equal chances. A span ends early where its document does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unmask.config import require
from unmask.masking.selections.whole_word import first_columns
from unmask.seeding import keys as mixed
from unmask.seeding import uniforms
from unmask.tokens.rows import RowBatch, Vocabulary


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

    def scores(self, batch: RowBatch, keys: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """A score a span, from its first token: uint64 (B,T) keys to float64 (B,T)."""
        start = span_starts(batch, span_lengths(uniforms(keys), self.stop, self.longest))
        column = np.broadcast_to(np.arange(start.shape[1]), start.shape)
        first = np.maximum.accumulate(np.where(start, column, 0), axis=1)
        # Mixed once more: the keys themselves have decided how long spans are.
        return uniforms(mixed(np.take_along_axis(keys, first, axis=1)))


def span_lengths(draws: np.ndarray, stop: float, longest: int) -> np.ndarray:
    """Lengths in words, geometric among those up to `longest`, from draws in [0, 1): int64 of the same shape."""
    if stop == 1:
        return np.ones(draws.shape, dtype=np.int64)
    within = -math.expm1(longest * math.log1p(-stop))  # the share of an endless geometric distribution up to `longest`
    return np.clip(np.ceil(np.log1p(-draws * within) / math.log1p(-stop)), 1, longest).astype(np.int64)


def span_starts(batch: RowBatch, lengths: np.ndarray) -> np.ndarray:
    """Where spans begin: bool (B,T); `lengths` (B,T) are those of the first, second, ... span of each row."""
    words, groups = batch.words, batch.groups
    column = np.broadcast_to(np.arange(words.shape[1]), words.shape)
    word_start = (column == first_columns(words)) & (words > 0)
    nth = np.cumsum(word_start, axis=1) - 1  # words of the row before this one
    begins = np.zeros((len(words), words.shape[1] + 1), dtype=bool)  # whether a span begins with the row's nth word
    np.put_along_axis(begins, np.minimum(np.cumsum(lengths, axis=1) - lengths, words.shape[1]), True, axis=1)
    # What is not maskable interrupts a span, and so does another document.
    broken = np.ones(words.shape, dtype=bool)
    broken[:, 1:] = (words[:, :-1] == 0) | (groups[:, 1:] != groups[:, :-1])
    return word_start & (broken | np.take_along_axis(begins, np.maximum(nth, 0), axis=1))
