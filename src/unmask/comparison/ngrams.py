"""An n-gram filler: what stands between two tokens, by counts. A baseline that is no neural network.

    filler = Ngrams.of(store)
    filler.predict(tokens, groups, rows, columns)      as a model does: log-probabilities (N,V)

Interpolation in the manner of Jelinek and Mercer (1980): beginning with the unigram frequencies, each table of
contexts mixes in what followed, preceded or stood between its tokens, p <- (1 - w) p + w count / total. The tables go
from the least to the most telling: next token, last token, next two, last two, last and next. How much a context is
believed, w, depends on how often it was seen for each of its fillers (Chen and Goodman 1996, section 4.1); it is found
by expectation maximisation on documents that are not counted, with some of their tokens hidden.

A context with a hidden token, or one that was never seen, is passed over. So several neighbouring blanks and the
pieces of one word are filled each by itself from what is visible, as a masked language model does in one pass.

Shapes: n tokens of text, N places asked, V vocabulary, C contexts of a table, E its (context, filler) pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.config import require
from unmask.metrics.losses import unigram_mass
from unmask.seeding import keys, uniforms

if TYPE_CHECKING:
    from torch import Tensor

    from unmask.tokens.store import Store
    from unmask.tokens.tokenizer import Tokenizer

CONTEXTS = ((1,), (-1,), (1, 2), (-2, -1), (-1, 1))
"""The tables: where their tokens stand, seen from the place asked."""

MOST_TOKENS = 20_000_000
"""Tokens of training text that are counted; they bound the memory, to about two gigabytes."""

HELD_OUT_EVERY, MOST_HELD_OUT = 20, 300_000
"""Every so manieth document is not counted but used to find the weights, this many tokens of them."""

HIDDEN = 0.15
"""The share of the held-out tokens that contexts do not see, as in an evaluation."""

BUCKETS, ROUNDS = 16, 30
LARGEST_VOCABULARY = 1 << 21  # three tokens are one int64

Around = Callable[[int], np.ndarray]
"""From an offset to the tokens (N,) that stand there, -1 where nothing is seen."""


@dataclass(frozen=True, eq=False)
class Table:
    """How often each token stood in each context of one shape."""

    offsets: tuple[int, ...]
    size: int
    """V"""
    pairs: np.ndarray
    """(E,) int64, ascending: a context times V plus its filler"""
    counts: np.ndarray
    """(E,) how often"""
    believed: np.ndarray
    """(BUCKETS,) the weights by bucket"""

    @cached_property
    def contexts(self) -> np.ndarray:
        """Every context once, ascending: int64 (C,)."""
        return self._grouped[0]

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the pairs of each context begin, and the end of the last: int64 (C+1,)."""
        return np.append(self._grouped[1], len(self.pairs))

    @cached_property
    def _grouped(self) -> tuple[np.ndarray, np.ndarray]:
        found = np.unique(self.pairs // self.size, return_index=True)
        return found[0], found[1]

    @cached_property
    def totals(self) -> np.ndarray:
        """How often each context was seen: float64 (C,)."""
        return np.add.reduceat(self.counts, self.starts[:-1]).astype(np.float64) if len(self.counts) else np.zeros(0)

    @cached_property
    def buckets(self) -> np.ndarray:
        """The bucket of each context by its mean count for a filler, two to a doubling: int64 (C,)."""
        return np.minimum(2 * np.log2(self.totals / np.diff(self.starts)), BUCKETS - 1).astype(np.int64)

    def found(self, around: Around) -> np.ndarray:
        """The number of the context at each place, -1 where it is not seen whole or was never counted: int64 (N,)."""
        context, seen = self._context(around)
        if not len(self.contexts):
            return np.full(len(context), -1)
        number = np.minimum(np.searchsorted(self.contexts, context), len(self.contexts) - 1)
        return np.where(seen & (self.contexts[number] == context), number, -1)

    def share(self, number: np.ndarray, words: np.ndarray) -> np.ndarray:
        """count / total of words (N,) in contexts (N,), 0 where there is none: float64 (N,)."""
        if not len(self.pairs):
            return np.zeros(len(words))
        wanted = self.contexts[number] * self.size + words
        place = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        counted = np.where(self.pairs[place] == wanted, self.counts[place], 0)
        return np.where(number >= 0, counted / self.totals[number], 0.0)

    def weight(self, number: np.ndarray) -> np.ndarray:
        """How much contexts (N,) are believed, 0 where there is none: float64 (N,)."""
        if not len(self.contexts):
            return np.zeros(len(number))
        return np.where(number >= 0, self.believed[self.buckets[number]], 0.0)

    def mixed_into(self, distribution: np.ndarray, around: Around) -> None:
        """Interpolate the distributions (N,V) in place."""
        number = self.found(around)
        weight = self.weight(number)
        distribution *= (1 - weight)[:, None].astype(distribution.dtype)
        rows = np.flatnonzero(number >= 0)
        first, stop = self.starts[number[rows]], self.starts[number[rows] + 1]
        lengths = stop - first
        entries = np.repeat(first - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        factor = np.repeat(weight[rows] / self.totals[number[rows]], lengths)
        distribution[np.repeat(rows, lengths), self.pairs[entries] % self.size] += factor * self.counts[entries]

    def _context(self, around: Around) -> tuple[np.ndarray, np.ndarray]:
        """Contexts as numbers (N,), and whether all of their tokens are seen (N,)."""
        tokens = [around(offset) for offset in self.offsets]
        number = tokens[0].astype(np.int64)
        for more in tokens[1:]:
            number = number * self.size + more
        return number, np.all([token >= 0 for token in tokens], axis=0)


@dataclass(frozen=True, eq=False)
class Ngrams:
    """The filler: a model as judges know it, without weights."""

    tokenizer: Tokenizer
    unigram: np.ndarray
    """(V,) probabilities that no context is needed for"""
    tables: tuple[Table, ...]
    row_limit: int = 1 << 30
    device: str = "cpu"

    @classmethod
    def of(cls, store: Store, most_tokens: int = MOST_TOKENS) -> Ngrams:
        """Counted and weighted on the training split of a store; SettingError for a vocabulary of over two million."""
        size = store.vocabulary_size
        require(
            size <= LARGEST_VOCABULARY, f"n-grams take at most {LARGEST_VOCABULARY:,} tokens, the store has {size:,}"
        )
        unigram = (store.token_counts + 1.0) / unigram_mass(store.token_counts)
        tokens, documents = store.beginning("train", most_tokens)
        held = documents % HELD_OUT_EVERY == 0
        counted = tokens[~held], documents[~held]
        tables = [_counted(offsets, size, *counted) for offsets in CONTEXTS]
        held_out = tokens[held][:MOST_HELD_OUT], documents[held][:MOST_HELD_OUT]
        return cls(store.tokenizer(), unigram, tuple(_believed(tables, unigram, *held_out)))

    @property
    def parameters(self) -> int:
        """How many counts are kept."""
        return len(self.unigram) + sum(len(table.counts) for table in self.tables)

    def predict(self, tokens: Tensor, groups: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Log-probabilities at the asked places: (B,T), (B,T), (N,), (N,) -> float32 (N,V)."""
        import torch

        found = self.probabilities(tokens.numpy(), groups.numpy(), rows.numpy(), columns.numpy())
        return torch.from_numpy(np.log(found, out=found))

    def probabilities(
        self, tokens: np.ndarray, groups: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """The distribution at each asked place: (B,T), (B,T), (N,), (N,) -> float32 (N,V)."""
        around = self._around(tokens, groups, rows, columns)
        distribution = np.tile(self.unigram.astype(np.float32), (len(rows), 1))
        for table in self.tables:
            table.mixed_into(distribution, around)
        return distribution

    def _around(self, tokens: np.ndarray, groups: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Around:
        unseen = (self.tokenizer.mask_id, self.tokenizer.pad_id, self.tokenizer.cls_id, self.tokenizer.sep_id)
        visible = np.where(np.isin(tokens, [one for one in unseen if one is not None]), -1, tokens)

        def at(offset: int) -> np.ndarray:
            place = columns + offset
            inside = (place >= 0) & (place < tokens.shape[1])
            place = np.where(inside, place, columns)
            return np.where(inside & (groups[rows, place] == groups[rows, columns]), visible[rows, place], -1)

        return at


# ---------------------------------------------------------------- counting


def _counted(offsets: tuple[int, ...], size: int, tokens: np.ndarray, documents: np.ndarray) -> Table:
    around = _text(tokens, documents)
    table = Table(offsets, size, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(BUCKETS))
    context, seen = table._context(around)
    pairs, counts = np.unique(context[seen] * size + tokens[seen], return_counts=True)
    return replace(table, pairs=pairs, counts=counts)


def _text(tokens: np.ndarray, documents: np.ndarray) -> Around:
    """What stands around each token of a text, inside its document."""

    def at(offset: int) -> np.ndarray:
        place = np.arange(len(tokens)) + offset
        inside = (place >= 0) & (place < len(tokens))
        place = np.where(inside, place, 0)
        return np.where(inside & (documents[place] == documents), tokens[place], -1)

    return at


# ---------------------------------------------------------------- weighting


def _believed(tables: list[Table], unigram: np.ndarray, tokens: np.ndarray, documents: np.ndarray) -> list[Table]:
    """The tables with weights under which held-out text is likeliest, found one after the other."""
    hidden = uniforms(keys(np.arange(len(tokens)))) < HIDDEN
    around = _text(np.where(hidden, -1, tokens), documents)
    below, made = unigram[tokens], []
    for table in tables:
        number = table.found(around)
        here = number >= 0
        share = table.share(number, tokens)
        believed = np.full(BUCKETS, 0.5)
        if here.any():
            believed = maximised(below[here], share[here], table.buckets[number[here]])
        made.append(replace(table, believed=believed))
        weight = made[-1].weight(number)
        below = (1 - weight) * below + weight * share
    return made


def maximised(below: np.ndarray, above: np.ndarray, buckets: np.ndarray) -> np.ndarray:
    """The weight w of each bucket under which prod((1 - w) below + w above) over its places (N,) is largest.

    Expectation maximisation from 0.5; a place more of each outcome is assumed, so that no weight is 0 or 1.
    """
    weights = np.full(BUCKETS, 0.5)
    counts = np.bincount(buckets, minlength=BUCKETS)
    for _ in range(ROUNDS):
        taken = weights[buckets] * above
        sure: Any = taken / (taken + (1 - weights[buckets]) * below)
        weights = (np.bincount(buckets, sure, minlength=BUCKETS) + 1) / (counts + 2)
    return weights
