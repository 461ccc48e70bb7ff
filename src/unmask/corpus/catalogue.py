"""The catalogue: all documents of a spool as columns, and what was decided about each.

Documents are numbered in corpus order. A column stays on disk and is gone through a chunk at a time; what is held in
memory for each document is its verdict, a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum

import numpy as np

from unmask.corpus.spool import Chunk

_AT_ONCE = 1 << 22
"""Documents whose keys are compared at a time; more are gone through in several passes."""


class Verdict(IntEnum):
    """What becomes of a document; from 2 on it is dropped, for the reason of that name."""

    TRAIN = 0
    VALIDATION = 1
    EXACT_DUPLICATE = 2
    NEAR_DUPLICATE = 3
    NEAR_DUPLICATE_OF_VALIDATION = 4


class Catalogue:
    """The chunks of a spool in order; `offsets[i]` is the number of the first document of chunk i."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = list(chunks)
        lengths = [len(chunk.array("keys")) for chunk in self.chunks]
        self.offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        self.verdicts = np.zeros(int(self.offsets[-1]), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.verdicts)

    def of_chunk(self, number: int) -> np.ndarray:
        """The verdicts of a chunk: a view that can be written."""
        return self.verdicts[self.offsets[number] : self.offsets[number + 1]]

    def kept(self, number: int) -> np.ndarray:
        """bool, of a chunk: not dropped."""
        return self.of_chunk(number) <= Verdict.VALIDATION

    def rows(self, column: str, numbers: np.ndarray) -> np.ndarray:
        """The rows of a column for some documents, in the order of `numbers`."""
        owners = np.searchsorted(self.offsets, numbers, side="right") - 1
        first = self.chunks[0].array(column)
        found = np.empty((len(numbers), *first.shape[1:]), dtype=first.dtype)
        for owner in np.unique(owners):
            mine = owners == owner
            found[mine] = self.chunks[owner].array(column)[numbers[mine] - self.offsets[owner]]
        return found

    def groups(self, keys_of: Callable[[Chunk], np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(numbers, groups): kept documents that share a key with another, sorted by group and then by number.

        Memory is bounded: where there are many documents, the keys are taken in several passes by their remainder.
        """
        passes = np.uint64(-(-len(self) // _AT_ONCE) or 1)
        for remainder in range(int(passes)):
            keys, numbers = [], []
            for number, chunk in enumerate(self.chunks):
                values = keys_of(chunk)
                wanted = np.flatnonzero(self.kept(number) & (values % passes == remainder))
                keys.append(values[wanted])
                numbers.append(wanted + self.offsets[number])
            if keys:
                yield _grouped(np.concatenate(keys), np.concatenate(numbers))


def _grouped(keys: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(keys, kind="stable")  # stable: inside a group the numbers stay in corpus order
    keys, numbers = keys[order], numbers[order]
    return in_company(numbers, np.cumsum(np.concatenate(([False], keys[1:] != keys[:-1]))) if len(keys) else keys)


def in_company(numbers: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without those that are alone in their group."""
    same = groups[1:] == groups[:-1]
    shared = np.concatenate((same, [False])) | np.concatenate(([False], same)) if len(groups) else same
    return numbers[: len(shared)][shared], groups[: len(shared)][shared]


def first_of_group(groups: np.ndarray) -> np.ndarray:
    """bool (n,): where a group begins."""
    return np.concatenate(([True], groups[1:] != groups[:-1])) if len(groups) else np.zeros(0, dtype=bool)
