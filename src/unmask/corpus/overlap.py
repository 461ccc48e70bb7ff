"""How much of the held-out text was seen in training, word for word: the share of its 13-grams (GPT-3, appendix C)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unmask.corpus.catalogue import Catalogue, Verdict

_MOST = 1 << 21
"""Held-out 13-grams that are looked for; of more a sample is taken, by hash."""


def ngram_overlap(catalogue: Catalogue) -> float | None:
    """The share of distinct validation 13-grams that occur in training; None when there are none to look for.

    Both sides are samples by hash (`spool`), so a 13-gram is in both or in neither.
    """
    wanted = _distinct(catalogue)
    if not len(wanted):
        return None
    found = np.zeros(len(wanted), dtype=bool)
    for grams in _grams(catalogue, Verdict.TRAIN):
        places = np.minimum(np.searchsorted(wanted, grams), len(wanted) - 1)
        found[places[wanted[places] == grams]] = True
    return float(found.mean())


def _distinct(catalogue: Catalogue) -> np.ndarray:
    """The validation 13-grams, sorted; while they are too many, half of them by the next bit of the hash."""
    wanted, shift = np.zeros(0, dtype=np.uint64), 0
    for grams in _grams(catalogue, Verdict.VALIDATION):
        wanted = np.union1d(wanted, grams[_sampled(grams, shift)])
        while len(wanted) > _MOST:
            shift += 1
            wanted = wanted[_sampled(wanted, shift)]
    return wanted


def _sampled(grams: np.ndarray, shift: int) -> np.ndarray:
    # The upper bits: the lower ones were used to sample once already.
    return grams >> np.uint64(64 - shift) == 0 if shift else np.ones(len(grams), dtype=bool)


def _grams(catalogue: Catalogue, verdict: Verdict) -> Iterator[np.ndarray]:
    """The sampled 13-grams of the documents with a verdict, a chunk at a time."""
    for number, chunk in enumerate(catalogue.chunks):
        lengths = np.diff(chunk.array("gram_starts"))
        yield np.asarray(chunk.array("grams"))[np.repeat(catalogue.of_chunk(number) == verdict, lengths)]
