"""Duplicates: documents with the same text, and documents with nearly the same.

Near-duplicates are found by locality-sensitive hashing: documents that agree in all places of one band of their
signatures are candidates, and a candidate is dropped when its whole signature says that it is similar enough to an
earlier document (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unmask.corpus.catalogue import Catalogue, Verdict, first_of_group, in_company
from unmask.corpus.signatures import band_keys, bands, similarity

STRADDLE = 0.6
"""Across the split less similarity is allowed than inside it: a held-out text must be new."""

_ROUNDS = 64
_PAIRS = 1 << 16


def drop_exact(catalogue: Catalogue) -> None:
    """Of documents with equal text keep the first."""
    for numbers, groups in catalogue.groups(lambda chunk: np.asarray(chunk.array("keys"))):
        catalogue.verdicts[numbers[~first_of_group(groups)]] = Verdict.EXACT_DUPLICATE


def drop_near(catalogue: Catalogue, threshold: float) -> None:
    """Drop each document that is similar to an earlier one (Jaccard of shingles, estimated, at least `threshold`)."""
    for numbers, groups in _candidates(catalogue, threshold):
        _drop_like_leaders(catalogue, numbers, groups, threshold)


def drop_straddling(catalogue: Catalogue, threshold: float) -> None:
    """Drop each training document that is similar to a validation document."""
    for numbers, groups in _candidates(catalogue, threshold):
        held = catalogue.verdicts[numbers] == Verdict.VALIDATION
        for left, right in _opposite(numbers, groups, held):
            alike = _similar(catalogue, left, right, threshold)
            catalogue.verdicts[right[alike]] = Verdict.NEAR_DUPLICATE_OF_VALIDATION


def _candidates(catalogue: Catalogue, threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    count, width = bands(threshold)
    for band in range(count):
        yield from catalogue.groups(lambda chunk, band=band: band_keys(chunk.array("signatures"), band, width))


def _drop_like_leaders(catalogue: Catalogue, numbers: np.ndarray, groups: np.ndarray, threshold: float) -> None:
    """In every group at once: drop what is like the first, go on with the rest as a group of its own."""
    for _ in range(_ROUNDS):
        if not len(numbers):
            return
        leads = first_of_group(groups)
        leaders = numbers[leads][np.cumsum(leads) - 1]
        alike = np.zeros(len(numbers), dtype=bool)
        alike[~leads] = _similar(catalogue, leaders[~leads], numbers[~leads], threshold)
        catalogue.verdicts[numbers[alike]] = Verdict.NEAR_DUPLICATE
        rest = ~leads & ~alike
        numbers, groups = in_company(numbers[rest], groups[rest])


def _opposite(numbers: np.ndarray, groups: np.ndarray, held: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (validation, training) inside groups: the first validation document with all others, the next, ..."""
    held_numbers, held_groups = numbers[held], groups[held]
    begins = np.searchsorted(held_groups, groups[~held], side="left")
    ends = np.searchsorted(held_groups, groups[~held], side="right")
    training = numbers[~held]
    for turn in range(_ROUNDS):
        there = begins + turn < ends
        if not there.any():
            return
        yield held_numbers[begins[there] + turn], training[there]


def _similar(catalogue: Catalogue, left: np.ndarray, right: np.ndarray, threshold: float) -> np.ndarray:
    """bool (pairs,): estimated similarity at least the threshold, some pairs at a time."""
    found = [np.zeros(0, dtype=bool)]
    for start in range(0, len(left), _PAIRS):
        pair = slice(start, start + _PAIRS)
        rows = (catalogue.rows("signatures", side[pair]) for side in (left, right))
        found.append(similarity(*rows) >= threshold)
    return np.concatenate(found)
