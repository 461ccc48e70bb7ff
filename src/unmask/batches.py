"""What one step of training reads, and the endless sequence of it.

    batches = Batches(rows, masking, seed)
    batch = batches.at(sample=0, count=128, ratio=0.3)     rows 0..127 of the sequence, masked

`at` is a pure function: to resume is to ask for the next sample, and rank r of n asks for its own part of the step.

Shapes: B rows, T tokens in a row, K places asked in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from unmask.masking import Masking
from unmask.masking.corruption import IGNORE as IGNORE
from unmask.seeding import keys
from unmask.tokens.rows import Rows, positions

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

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def masked_share(self) -> float:
        """The share of tokens that is asked among those that could have been: what `ratio` came to."""
        return int((self.targets != IGNORE).sum()) / max(1, int(self.maskable.sum()))

    @property
    def figures(self) -> dict[str, float]:
        """What metrics.jsonl says of it."""
        return {"masked_share": round(self.masked_share, 4)}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and places asked: batches of one run that are equal in these take equally many operations."""
        return len(self), self.places.shape[1]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def part(self, start: int, stop: int) -> Batch:
        """Rows start..stop alone, as views: a micro-batch."""
        return self._mapped(lambda tensor: tensor[start:stop])

    def _mapped(self, change) -> Batch:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if isinstance(value, Tensor)})


class Batches:
    """The endless sequence of masked rows: each epoch all rows in an order of its own."""

    def __init__(self, rows: Rows, masking: Masking, seed: int) -> None:
        self.rows, self.masking, self.seed = rows, masking, seed

    def at(self, sample: int, count: int, ratio: float) -> Batch:
        """Rows sample..sample+count of the sequence, masked at this ratio; they may span epochs."""
        place = np.arange(sample, sample + count, dtype=np.int64)
        epoch = place // len(self.rows)
        taken = self.rows.take(self._numbers(place, epoch))
        masked = self.masking.apply(taken, ratio, epoch, self.seed, self.rows.vocabulary)
        maskable = np.count_nonzero(taken.words, axis=1)
        arrays = (taken.numbers, *masked[:2], taken.groups, positions(taken.groups), masked.places, maskable)
        pair = {name: torch.from_numpy(part) for name in PAIR if (part := getattr(taken, name)) is not None}
        draws = self._draws(taken.numbers, epoch, taken.tokens.shape[1])
        return Batch(*map(torch.from_numpy, arrays), ratio=ratio, draws=draws, **pair)

    def _draws(self, numbers: np.ndarray, epoch: np.ndarray, length: int) -> Tensor:
        """What decides tokens that an objective draws: float32 (B,T)."""
        hashes = keys(self.seed, DRAWS, epoch[:, None], numbers[:, None], np.arange(length))
        return torch.from_numpy((hashes >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24))

    def _numbers(self, place: np.ndarray, epoch: np.ndarray) -> np.ndarray:
        numbers = np.empty_like(place)
        for one in np.unique(epoch):
            here = epoch == one
            numbers[here] = self.rows.order(int(one), place[here] - one * len(self.rows))
        return numbers
