"""Hashes of words and of runs of words, for many texts at once: what deduplication and overlap are made of.

A *unit* is a run of characters between spaces, or a single character of a script written without spaces (Han, kana,
Thai, ...). `U` units in all texts of a batch; `C` characters in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask.seeding import keys

SHINGLE = 5
"""Units in a shingle of the near-duplicate search."""

GRAM = 13
"""Units in the n-grams whose overlap between the splits is reported."""

# Thai and Lao; Myanmar; Khmer; CJK radicals to Yi (with kana); compatibility ideographs; wide planes.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0xA4CF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_SPACE, _LETTER, _SINGLE = 0, 1, 2
_POSITIONS = keys(0x756E6974, np.arange(64)) | np.uint64(1)


def _classes() -> np.ndarray:
    table = np.full(0x110000, _LETTER, dtype=np.uint8)
    for first, last in _UNSPACED:
        table[first : last + 1] = _SINGLE
    spaces = [*range(0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
    table[spaces] = _SPACE
    return table


_CLASS = _classes()


@dataclass(frozen=True)
class Units:
    """The units of some texts: `hashes` uint64 (U,), those of text i at `starts[i]:starts[i + 1]`."""

    hashes: np.ndarray
    starts: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Units in each text."""
        return np.diff(self.starts)


def units(texts: Sequence[str]) -> Units:
    """Hash the units of texts, letters in lower case; vectorised over all of them."""
    lowered = [text.lower() for text in texts]
    joined = "\n".join(lowered)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)  # (C,)
    kinds = _CLASS[points]
    before = np.concatenate(([_SPACE], kinds[:-1])) if len(kinds) else kinds
    begins = (kinds != _SPACE) & ((before != _LETTER) | (kinds == _SINGLE))
    places = np.flatnonzero(begins)  # (U,)
    return Units(_hashed(points, kinds, places), _boundaries(lowered, places))


def shingles(hashed: Units, length: int, short: bool) -> Units:
    """Hashes of every run of `length` units that lies inside one text.

    A text with fewer units gets the hash of all of them when `short`, or else nothing.
    """
    count = len(hashed.hashes)
    runs = _runs(hashed.hashes, length)
    inside = np.arange(count) + length <= np.repeat(hashed.starts[1:], hashed.counts)
    if short:
        lone = np.flatnonzero((hashed.counts < length) & (hashed.counts > 0))
        first = hashed.starts[lone]
        inside[first] = True
        runs[first] = [
            _whole(hashed.hashes[start : start + number])
            for start, number in zip(first, hashed.counts[lone], strict=True)
        ]
    before = np.concatenate(([0], np.cumsum(inside)))
    return Units(keys(runs[inside]), before[hashed.starts])


def _hashed(points: np.ndarray, kinds: np.ndarray, places: np.ndarray) -> np.ndarray:
    """One hash a unit: its characters weighted by their places (modulo 64), summed, mixed."""
    if not len(places):
        return np.zeros(0, dtype=np.uint64)
    lengths = np.diff(np.append(places, len(points)))
    offsets = np.arange(places[0], len(points)) - np.repeat(places, lengths)
    with np.errstate(over="ignore"):
        weighted = points[places[0] :].astype(np.uint64) * _POSITIONS[offsets & 63]
        weighted[kinds[places[0] :] == _SPACE] = 0
        return keys(np.add.reduceat(weighted, places - places[0]))


def _boundaries(texts: Sequence[str], places: np.ndarray) -> np.ndarray:
    """(texts + 1,): the number of the first unit of each text, and of all units."""
    ends = np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)
    return np.searchsorted(places, np.concatenate(([0], ends)))


def _runs(hashes: np.ndarray, length: int) -> np.ndarray:
    """(U,): position i combines units i to i + length - 1; meaningless where fewer are left."""
    runs = np.zeros_like(hashes)
    with np.errstate(over="ignore"):
        for offset in range(min(length, len(hashes))):
            runs[: len(hashes) - offset] += hashes[offset:] * _POSITIONS[offset]
    return runs


def _whole(hashes: np.ndarray) -> np.uint64:
    return _runs(hashes, len(hashes))[0]
