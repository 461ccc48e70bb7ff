"""Rare tokens more often than frequent ones, after Zhang et al. 2023, "Weighted Sampling for Masked Language Modeling".

A token that stands c times in the training text weighs max(c, least) ** -power, and tokens of a row are drawn by weight
without replacement. That is the exponential race: each token gets an exponential time divided by its weight, and the
earliest are taken (Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir"). The logarithms of these
times are the negated scores of the Gumbel-top-k trick (Kool et al. 2019, "Stochastic Beams and Where to Find Them").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.config import require
from unmask.seeding import uniforms
from unmask.tokens.rows import RowBatch, Vocabulary


@dataclass(frozen=True)
class FrequencyWeighted:
    """Each token on its own, rare ones more often, by how often they stand in the training text."""

    power: float = 0.5
    """how much frequency counts: with 0 not at all, with 0.5 a token seen 100 times as often weighs a tenth"""
    least: int = 10
    """tokens seen fewer times than this weigh alike, so that typing errors do not take all masks"""

    def __post_init__(self) -> None:
        power, least = self.power, self.least
        require(0 <= power <= 2, f"masking.selection.power={power}: a number from 0 to 2, e.g. 0.5")
        require(least >= 1, f"masking.selection.least={least}: at least 1, e.g. 10")

    def scores(self, batch: RowBatch, keys: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """A score a token, its time in the race: uint64 (B,T) keys to float64 (B,T)."""
        assert vocabulary.token_counts is not None
        rarity = np.maximum(vocabulary.token_counts, self.least) ** self.power  # (V,) one over the weight
        return -np.log1p(-uniforms(keys)) * rarity[batch.tokens]
