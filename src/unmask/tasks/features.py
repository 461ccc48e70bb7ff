"""What a model reads of an example, and batches of it: rows of unlike lengths, padded to the longest of their batch.

    batches = FeatureBatches(features, batch_size=32, seed=0, pad_id=0)
    batch = batches.at(sample=0, count=32)          rows 0..31 of the endless sequence

`at` is a pure function of its arguments and the seed, so `fit` resumes exactly. Rows of about one length come together.

Shapes: B rows, T tokens in the longest, K places asked in a row, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask.batches import IGNORE
from unmask.devices import sent
from unmask.seeding import keys
from unmask.tokens.batching import batches

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits (B,K,L) float32, targets (B,K) or (B,K,L)) -> the summed loss over what is asked"""
ROUND_UP = 8
"""Rows are padded to a multiple of this, so that few shapes occur."""
POOL = 64
"""Batches whose rows are sorted by length together; their order in it is drawn."""
_ORDER, _BATCHES = 11, 12  # streams of hashes beside those of rows and masks


@dataclass(frozen=True, eq=False)
class Feature:
    """One row of an example; a long example has several, one a window."""

    example: int
    """the number of its example"""
    tokens: np.ndarray
    """(n,) ids, special ones included"""
    types: np.ndarray
    """(n,) 1 for the second text of a pair, else 0"""
    places: np.ndarray
    """(k,) columns that are asked"""
    targets: np.ndarray
    """(k,) whole numbers, IGNORE where nothing is asked, or (k,L) shares"""
    asked: np.ndarray
    """(k,...) what of the example each place stands for: the number of a word; characters (k,2); 0 for the whole"""


@dataclass(frozen=True)
class TaskBatch:
    """Rows of a task as tensors."""

    numbers: Tensor
    """(B,) the rows' numbers, to name them by"""
    inputs: Tensor
    """(B,T) token ids"""
    groups: Tensor
    """(B,T) 1, and 0 for padding"""
    positions: Tensor
    """(B,T)"""
    types: Tensor
    """(B,T) 1 for the second text of a pair"""
    places: Tensor
    """(B,K) columns asked; unused ones point at column 0 and their target is IGNORE"""
    targets: Tensor
    """(B,K) or (B,K,L)"""

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and their length: what decides how many operations a batch takes."""
        return len(self), self.inputs.shape[1]

    def through(self, module: Any) -> Tensor:
        """What a module makes of the rows: logits (B,K,L)."""
        return module(self.inputs, self.groups, self.positions, self.places, self.types)

    @property
    def figures(self) -> dict[str, float]:
        """What metrics.jsonl says of it."""
        return {"padding": round(1 - float((self.groups > 0).float().mean()), 4)}

    def to(self, device: torch.device | str) -> TaskBatch:
        """The same batch on a device."""
        return TaskBatch(**{field.name: sent(getattr(self, field.name), device) for field in fields(self)})

    def part(self, start: int, stop: int) -> TaskBatch:
        """Rows start..stop alone: a micro-batch."""
        return TaskBatch(**{field.name: getattr(self, field.name)[start:stop] for field in fields(self)})


def collated(features: Sequence[Feature], numbers: np.ndarray, pad_id: int, multiple: int = ROUND_UP) -> TaskBatch:
    """Features as one batch, padded to the longest of them and on to a multiple; `numbers` (B,) name them."""
    longest = max(len(feature.tokens) for feature in features)
    width = -(-longest // multiple) * multiple
    most = max(len(feature.places) for feature in features)
    targets = [_filled(feature.targets, most, IGNORE) for feature in features]
    arrays = (
        np.asarray(numbers, np.int64),
        np.stack([_filled(feature.tokens, width, pad_id) for feature in features]).astype(np.int64),
        np.stack([_filled(np.ones(len(feature.tokens), np.int64), width, 0) for feature in features]),
        np.tile(np.arange(width), (len(features), 1)),
        np.stack([_filled(feature.types, width, 0) for feature in features]).astype(np.int64),
        np.stack([_filled(feature.places, most, 0) for feature in features]).astype(np.int64),
        np.stack(targets),
    )
    return TaskBatch(*map(torch.from_numpy, arrays))


def _filled(values: np.ndarray, size: int, filler: int) -> np.ndarray:
    """values (n,...) with `filler` behind, (size,...)."""
    result = np.full((size, *values.shape[1:]), filler, values.dtype)
    result[: len(values)] = values
    return result


class FeatureBatches:
    """The endless sequence of a task's rows: each epoch all of them, in an order of its own."""

    def __init__(self, features: Sequence[Feature], batch_size: int, seed: int, pad_id: int) -> None:
        self.rows, self.batch_size, self.seed, self.pad_id = features, batch_size, seed, pad_id
        self._lengths = np.array([len(feature.tokens) for feature in features])
        self._order = lru_cache(maxsize=3)(self._ordered)

    def at(self, sample: int, count: int, ratio: float = 0.0, progress: float = 1.0) -> Any:
        """Rows sample..sample+count of the sequence; they may span epochs. Nothing is masked: neither the ratio
        nor the progress is used."""
        place = np.arange(sample, sample + count, dtype=np.int64)
        epochs = place // len(self.rows)
        numbers = np.concatenate([self._order(int(e))[place[epochs == e] % len(self.rows)] for e in np.unique(epochs)])
        return self._collated(numbers)

    def _collated(self, numbers: np.ndarray) -> Any:
        return collated([self.rows[number] for number in numbers], numbers, self.pad_id)

    def _ordered(self, epoch: int) -> np.ndarray:
        """The numbers of all rows (n,): drawn, then in each pool of batches sorted by length, and the batches drawn."""
        count, size = len(self.rows), self.batch_size
        drawn = np.argsort(keys(self.seed, _ORDER, epoch, np.arange(count)), kind="stable")
        # Steps go on over the end of an epoch: its first batch may have begun in the one before.
        first = min(-epoch * count % size, count)
        whole = first + (count - first) // size * size
        parts = [drawn[:first]]
        for start in range(first, whole, POOL * size):
            pool = drawn[start : min(start + POOL * size, whole)]
            batches = pool[np.argsort(self._lengths[pool], kind="stable")].reshape(-1, size)
            parts.append(batches[np.argsort(keys(self.seed, _BATCHES, epoch, start, np.arange(len(batches))))].ravel())
        return np.concatenate([*parts, drawn[whole:]])


def by_length(features: Sequence[Feature], tokens: int) -> list[np.ndarray]:
    """Numbers of the features in batches of at most `tokens` tokens, padding included, the longest first: what does not
    fit into memory fails at once."""
    lengths = np.array([len(feature.tokens) for feature in features], np.int64)
    return list(batches(lengths, tokens))[::-1]


def without_targets(feature: Feature) -> Feature:
    """The same row of which nothing is known."""
    return replace(feature, targets=np.full_like(feature.targets, IGNORE))
