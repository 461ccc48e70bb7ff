"""What one step of training reads, and the endless sequence of it.

    batches = Batches(rows, masking, seed)
    batch = batches.at(sample=0, count=128, ratio=0.3)     rows 0..127 of the sequence, masked

`at` is a pure function: to resume is to ask for the next sample, and rank r of n asks for its own part of the step.
Some rows may be causal: read left to right, and asked for tokens that are not hidden.

Shapes: B rows, T tokens in a row, K places asked in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unmask.devices import sent
from unmask.masking import Masking
from unmask.masking import place_count as place_count
from unmask.masking.corruption import IGNORE as IGNORE
from unmask.seeding import keys
from unmask.tokens.rows import RowBatch, Rows, positions

# A stream of hashes beside those of masking.
DRAWS = 5
PAIR = ("types", "labels")
"""What the rows of pairs have beside the others."""


@dataclass(frozen=True)
class Batch:
    """Masked rows as int64 tensors. `ratio` is the share that was to be masked, the highest where each row draws its
    own."""

    numbers: Tensor
    """(B,) the rows' numbers, to name them by"""
    inputs: Tensor
    """(B,T) token ids after masking"""
    targets: Tensor
    """(B,T) token ids, IGNORE where nothing is asked"""
    groups: Tensor
    """(B,T) equal numbers see each other, 0 is padding"""
    positions: Tensor
    """(B,T) restart in each group"""
    places: Tensor
    """(B,K) columns asked; unused ones point at a column whose target is IGNORE"""
    maskable: Tensor
    """(B,) how many tokens of the row could have been asked"""
    ratio: float
    types: Tensor | None = None
    """(B,T) 1 for the second segment of a pair, else 0; None where rows are no pairs"""
    labels: Tensor | None = None
    """(B,) 0 where the second segment of a pair follows the first, else 1; None where rows are no pairs"""
    draws: Tensor | None = None
    """(B,T) float32, uniform in [0, 1), by which an objective draws tokens: pure functions of (seed, epoch, row,
    position); None where nothing is drawn"""
    causal: Tensor | None = None
    """(B,) bool, which rows are read left to right: nothing is hidden in them, targets say what is asked, and `places`
    say nothing; None where none can be"""

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def masked_share(self) -> float:
        """The share of tokens that is asked among those that could have been: what `ratio` came to."""
        return int((self.targets != IGNORE).sum()) / max(1, int(self.maskable.sum()))

    @property
    def figures(self) -> dict[str, float]:
        """What metrics.jsonl says of it."""
        masked = {"masked_share": round(self.masked_share, 4)}
        return masked if self.causal is None else masked | {"causal_share": round(self._causal_rows / len(self), 4)}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, places asked, causal rows: batches of one run that are equal in these take equally many operations."""
        return len(self), self.places.shape[1], self._causal_rows

    @property
    def _causal_rows(self) -> int:
        return 0 if self.causal is None else int(self.causal.sum())

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device."""
        return self._mapped(lambda tensor: sent(tensor, device))

    def part(self, start: int, stop: int) -> Batch:
        """Rows start..stop alone, as views: a micro-batch."""
        return self._mapped(lambda tensor: tensor[start:stop])

    def rows(self, which: Tensor) -> Batch:
        """The rows (B,) bool that are asked for, alone."""
        return self._mapped(lambda tensor: tensor[which])

    def _mapped(self, change) -> Batch:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if isinstance(value, Tensor)})


class Causal(Protocol):
    """How many rows are causal, and how much is asked of them; `objectives.hybrid.Hybrid` is one."""

    @property
    def asked(self) -> float:
        """The share of a causal row's tokens that is asked."""
        ...

    def causal_share(self, progress: float) -> float:
        """The share of rows that are causal, `progress` (0 to 1) through training."""
        ...


class Batches:
    """The endless sequence of masked rows, and of causal ones: each epoch all rows in an order of its own."""

    def __init__(self, rows: Rows, masking: Masking, seed: int, causal: Causal | None = None) -> None:
        self.rows, self.masking, self.seed, self.causal = rows, masking, seed, causal

    def at(self, sample: int, count: int, ratio: float, progress: float = 1.0) -> Batch:
        """Rows sample..sample+count of the sequence, masked at this ratio, as many of them causal as suits a step that
        is `progress` through training; they may span epochs."""
        place = np.arange(sample, sample + count, dtype=np.int64)
        epoch = place // len(self.rows)
        taken = self.rows.take(self._numbers(place, epoch))
        masked = self.masking.apply(taken, ratio, epoch, self.seed, self.rows.vocabulary)
        maskable = np.count_nonzero(taken.words, axis=1)
        arrays = (taken.numbers, *masked[:2], taken.groups, positions(taken.groups), masked.places, maskable)
        pair = {name: torch.from_numpy(part) for name in PAIR if (part := getattr(taken, name)) is not None}
        draws = torch.from_numpy(self._draws(taken.numbers, epoch, taken.tokens.shape[1]))
        batch = Batch(*map(torch.from_numpy, arrays), ratio=ratio, draws=draws, **pair)
        return batch if self.causal is None else self._partly_causal(batch, taken, self.causal, progress)

    def _partly_causal(self, batch: Batch, taken: RowBatch, causal: Causal, progress: float) -> Batch:
        """The batch with some of its rows causal: those that are at a lower share are so at a higher one too."""
        assert batch.draws is not None
        chosen = batch.draws[:, 0] < causal.causal_share(progress)
        # The first token of a group has nothing before it to be told from.
        able = torch.from_numpy(taken.words > 0) & (batch.positions > 0)
        tokens = torch.from_numpy(taken.tokens)
        targets = tokens.where(lowest(batch.draws, able, causal.asked), IGNORE)
        inputs = tokens.where(chosen[:, None], batch.inputs)
        return replace(batch, inputs=inputs, targets=targets.where(chosen[:, None], batch.targets), causal=chosen)

    def _draws(self, numbers: np.ndarray, epoch: np.ndarray, length: int) -> np.ndarray:
        """What decides tokens that an objective draws: float32 (B,T)."""
        hashes = keys(self.seed, DRAWS, epoch[:, None], numbers[:, None], np.arange(length))
        return (hashes >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)

    def _numbers(self, place: np.ndarray, epoch: np.ndarray) -> np.ndarray:
        numbers = np.empty_like(place)
        for one in np.unique(epoch):
            here = epoch == one
            numbers[here] = self.rows.order(int(one), place[here] - one * len(self.rows))
        return numbers


def lowest(draws: Tensor, able: Tensor, share: float) -> Tensor:
    """The share of the able places of each row, at least one, that have the lowest draws: (B,T) to bool (B,T)."""
    limits = (able.sum(1, keepdim=True).double() * share).round().clamp(min=1)
    ranks = draws.where(able, 2.0).argsort(dim=1, stable=True).argsort(dim=1)
    return able & (ranks < limits)
