"""Which rows of mixed length go through a model together, where nothing is learned: of like length, so many tokens."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

BATCH_TOKENS, BATCH_TOKENS_CUDA = 2048, 65536
"""Tokens that go through a model together, padding included: what stays in a processor's cache, what fills a GPU."""

LOGITS_AT_ONCE = 1 << 24
"""Logits asked for in one call: 64 MB in float32."""

PADDING = 1 / 8
"""How much longer than its shortest row the longest of a batch may be ..."""

ENOUGH = 256
"""... once the batch has this many tokens, padding included: below, each batch costs more than what it would pad."""


def batch_tokens_on(device: str) -> int:
    """How many tokens suit a device."""
    return BATCH_TOKENS if device == "cpu" else BATCH_TOKENS_CUDA


def batches(lengths: np.ndarray, tokens: int, rows: int = sys.maxsize) -> Iterator[np.ndarray]:
    """The numbers of rows of these lengths (N,) that go together: of like length, the longest last.

    At most `rows` of them, at most `tokens` tokens with their padding, at least one row.
    """
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order]
    start = 0
    while start < len(order):
        some = ordered[start : start + min(rows, max(1, tokens // int(ordered[start])))]
        padded = some * np.arange(1, len(some) + 1)
        like = int(np.searchsorted(some, (1 + PADDING) * some[0], side="right"))
        like = max(like, int(np.searchsorted(padded, ENOUGH, side="right")))
        fitting = max(1, min(like, int(np.searchsorted(padded, tokens, side="right"))))
        yield order[start : start + fitting]
        start += fitting
