"""The settings of masking, and the masking of rows by them.

Shapes: B rows, T tokens in a row, K places asked in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from unmask.config import choice, require
from unmask.masking.corruption import corrupted
from unmask.masking.schedules import DRAWS, SCHEDULES
from unmask.masking.selections import SELECTIONS
from unmask.masking.units import chosen_places, place_count
from unmask.seeding import keys, uniforms
from unmask.tokens.rows import RowBatch, Vocabulary

# Independent streams of hashes: what is chosen, and how many in a row when that is drawn.
CHOICE, AMOUNT = 1, 2


class Masked(NamedTuple):
    """Rows after masking, int64: what the model reads, what it must say (IGNORE elsewhere), and where.

    Unused `places` point at a position whose target is IGNORE.
    """

    inputs: np.ndarray
    """(B,T)"""
    targets: np.ndarray
    """(B,T)"""
    places: np.ndarray
    """(B,K)"""


@dataclass(frozen=True)
class Masking:
    """Which tokens are masked, how many, and what replaces them."""

    selection: Any = choice(SELECTIONS, "whole_word")
    ratio: float = 0.3
    """share of a row's tokens that is asked, between 0 and 1 (at the start of training; all the way when it is set
    without `ratio_end` and `schedule`)"""
    ratio_end: float | None = 0.15
    """the share at the end of training; none: `ratio` all the way"""
    schedule: str = "linear"
    """how the share moves from `ratio` to `ratio_end`: constant (stays at `ratio`), linear, cosine; or each row
    draws its own between the two: uniform, or cosine_law (low ones more often, 0.36 of the way up on average)"""
    mask_share: float = 0.8
    """share of the asked tokens that the model sees as [MASK]"""
    random_share: float = 0.1
    """share of the asked tokens replaced by a random ordinary token; the rest is left as it is"""
    static: bool = False
    """the same masks in every epoch (pairs are drawn anew in each, and so are their masks)"""

    def __post_init__(self) -> None:
        for name in ("ratio", "ratio_end"):
            value = getattr(self, name)
            require(
                value is None or 0 < value < 1,
                f"masking.{name}={value}: the share of masked tokens lies between 0 and 1, e.g. masking.{name}=0.3",
            )
        for name in ("mask_share", "random_share"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"masking.{name}={value}: a share lies between 0 and 1, e.g. masking.{name}=0.1")
        require(
            self.mask_share + self.random_share <= 1 + 1e-9,
            f"masking.mask_share={self.mask_share} and masking.random_share={self.random_share} add up to more than 1: "
            "lower one of them",
        )
        SCHEDULES[self.schedule]  # refuses an unknown name with the nearest one

    def completed(self, names: set[str]) -> Masking:
        """With `ratio` alone assigned it is the share all the way, whatever end a recipe has; where rows draw theirs it
        is still one of two bounds."""
        alone = "ratio" in names and not names & {"ratio_end", "schedule"}
        return replace(self, ratio_end=None) if alone and self.schedule not in DRAWS else self

    @property
    def mean_ratio(self) -> float:
        """The share of tokens that is asked on average over training."""
        middles = (np.arange(100) + 0.5) / 100
        if self.schedule in DRAWS:
            low, high = sorted((self.ratio, self.end))
            return float(low + (high - low) * DRAWS[self.schedule](middles).mean())
        return float(np.mean([self.ratio_at(progress) for progress in middles]))

    @property
    def end(self) -> float:
        """The ratio at the end of training."""
        return self.ratio if self.ratio_end is None else self.ratio_end

    @property
    def fingerprint(self) -> str | None:
        """A hash of the file that the selection goes by; None where it reads none."""
        return getattr(self.selection, "fingerprint", None)

    def ratio_at(self, progress: float) -> float:
        """The ratio of a step that is `progress` (0 to 1) through training; rows that draw their own: the highest."""
        return SCHEDULES.load(self.schedule)(self.ratio, self.end, min(max(progress, 0.0), 1.0))

    def apply(
        self, batch: RowBatch, ratio: float, epoch: int | np.ndarray, seed: int, vocabulary: Vocabulary
    ) -> Masked:
        """Mask whole units of each row, lowest scores first, as many as fit into round(ratio * real tokens).

        `epoch` is one number or one a row (B,). Each row with a token that can be masked gets at least one mask, and
        tokens with `words` 0 (special ones, padding) none.
        """
        epoch = np.broadcast_to(np.asarray(0 if self.static else epoch, dtype=np.int64), batch.numbers.shape)
        rows, columns = batch.numbers[:, None], np.arange(batch.tokens.shape[1])[None, :]
        scores = self.selection.scores(batch, keys(seed, CHOICE, epoch[:, None], rows, columns), vocabulary)
        limits = self._limits(batch, ratio, epoch, seed)
        places, used = chosen_places(scores, batch.words > 0, limits, place_count(batch.tokens.shape[1], ratio))
        shares = (self.mask_share, self.random_share)
        inputs, targets = corrupted(batch, places, used, shares, epoch, seed, vocabulary)
        return Masked(inputs, targets, places)

    def _limits(self, batch: RowBatch, ratio: float, epoch: np.ndarray, seed: int) -> np.ndarray:
        """How many tokens at most are masked in each row: (B,), by its own real tokens, at least one."""
        real = np.count_nonzero(batch.groups, axis=1)
        ratios: float | np.ndarray = ratio
        if self.schedule in DRAWS:
            low, draws = min(self.ratio, self.end), uniforms(keys(seed, AMOUNT, epoch, batch.numbers))
            ratios = low + (ratio - low) * DRAWS[self.schedule](draws)
        return np.maximum(1, np.rint(ratios * real)).astype(np.int64)
