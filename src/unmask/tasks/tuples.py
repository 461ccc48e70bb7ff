"""Batches of examples that are several rows each: the first rows of all together, then the second rows of all.

Each of these columns is padded to its own longest row, so short queries beside long passages cost what they are.

Shapes: B examples, M rows of each, T tokens, K places asked in a row, L outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask.tasks.features import Feature, FeatureBatches, TaskBatch, collated

Example = tuple[Feature, ...]


@dataclass(frozen=True)
class TupleBatch:
    """Examples as M batches of one row each; what is asked of an example stands in its first row."""

    columns: tuple[TaskBatch, ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    @property
    def numbers(self) -> Tensor:
        """(B,) the examples' numbers, to name them by."""
        return self.columns[0].numbers

    @property
    def targets(self) -> Tensor:
        """(B,K) or (B,K,L), of the first rows."""
        return self.columns[0].targets

    @property
    def groups(self) -> Tensor:
        """Those of all rows, one after the other."""
        return torch.cat([column.groups.flatten() for column in self.columns])

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and their length, column by column: what decides how many operations a batch takes."""
        return tuple(size for column in self.columns for size in column.shape)

    @property
    def figures(self) -> dict[str, float]:
        """What metrics.jsonl says of it."""
        return {"padding": round(1 - float((self.groups > 0).float().mean()), 4)}

    def through(self, module: Any) -> Tensor:
        """What a module makes of the rows, those of an example side by side: (B, M·K, L)."""
        return torch.cat([column.through(module) for column in self.columns], dim=1)

    def to(self, device: torch.device | str) -> TupleBatch:
        """The same batch on a device."""
        return self._mapped(lambda column: column.to(device))

    def part(self, start: int, stop: int) -> TupleBatch:
        """Examples start..stop alone: a micro-batch."""
        return self._mapped(lambda column: column.part(start, stop))

    def _mapped(self, change: Callable[[TaskBatch], TaskBatch]) -> TupleBatch:
        return TupleBatch(tuple(map(change, self.columns)))


def tuples_collated(examples: Sequence[Example], numbers: np.ndarray, pad_id: int) -> TupleBatch:
    """Examples as one batch; `numbers` (B,) name them."""
    columns = zip(*examples, strict=True)
    return TupleBatch(tuple(collated(column, numbers, pad_id) for column in columns))


class TupleBatches(FeatureBatches):
    """The endless sequence of examples, those of about one length in all their rows together."""

    def __init__(self, examples: Sequence[Example], batch_size: int, seed: int, pad_id: int) -> None:
        super().__init__([example[0] for example in examples], batch_size, seed, pad_id)
        self.examples = examples
        self._lengths = np.array([sum(len(row.tokens) for row in example) for example in examples])

    def _collated(self, numbers: np.ndarray) -> TupleBatch:
        return tuples_collated([self.examples[number] for number in numbers], numbers, self.pad_id)
