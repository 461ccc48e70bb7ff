"""Whole words: all tokens of a word are masked, or none (Cui et al. 2021, "Whole Word Masking for Chinese BERT")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.seeding import uniforms
from unmask.tokens.rows import RowBatch, Vocabulary


@dataclass(frozen=True)
class WholeWord:
    """Each word as a whole, long or short equally likely."""

    def scores(self, batch: RowBatch, keys: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """A score a word, that of its first token: uint64 (B,T) keys to float64 (B,T)."""
        return np.take_along_axis(uniforms(keys), first_columns(batch.words), axis=1)


def first_columns(units: np.ndarray) -> np.ndarray:
    """The column where the unit (a run of equal numbers) of each token begins: int64 (B,T) to (B,T)."""
    column = np.broadcast_to(np.arange(units.shape[1]), units.shape)
    first = np.ones(units.shape, dtype=bool)
    first[:, 1:] = units[:, 1:] != units[:, :-1]
    return np.maximum.accumulate(np.where(first, column, 0), axis=1)
