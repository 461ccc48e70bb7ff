"""Tokens one by one, each as likely as the others (BERT; Devlin et al. 2019, sec. 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.seeding import uniforms
from unmask.tokens.rows import RowBatch, Vocabulary


@dataclass(frozen=True)
class Uniform:
    """Each token on its own."""

    def scores(self, batch: RowBatch, keys: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """A score a token: uint64 (B,T) keys to float64 (B,T)."""
        return uniforms(keys)
