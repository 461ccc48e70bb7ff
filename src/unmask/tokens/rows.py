"""Documents cut into rows of one length, any row found by arithmetic: eight bytes a document are held, no row is.

packed     the documents of a shard stand in one stream, [SEP][CLS] between neighbours; row r is the r-th slice of
           `row_length - 2` of it, framed by [CLS] and [SEP]. Only the last row of a shard is padded.
document   a document a row, a long one cut evenly into several; framed and padded.

Rows never cross shards, so each has one source. A document's piece in a row, its [CLS] and [SEP] included, is a group:
attention and positions know nothing outside it. Where a cut falls inside a [SEP][CLS] joint, the frame stands for it
and the row is that much shorter.

Shapes: B rows, T tokens in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.config import require
from unmask.errors import DataError
from unmask.menu import unknown
from unmask.seeding import permuted

if TYPE_CHECKING:
    from unmask.tokens.store import Shard, Store
    from unmask.tokens.tokenizer import Tokenizer

PACKINGS = ("packed", "document")
SHORTEST = 8
"""The shortest row in tokens: with its frame it still holds six."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What rows, masks and random tokens need to know of tokens: which id is what, and how often each stands in the
    training text, (V,) int64 where it is known; what they write the `tokenizer` knows. `cls_id` and `sep_id` are None
    where there is none."""

    size: int
    mask_id: int
    pad_id: int
    cls_id: int | None
    sep_id: int | None
    special_ids: tuple[int, ...]
    token_counts: np.ndarray | None = None
    tokenizer: Tokenizer | None = None

    @classmethod
    def of(cls, tokenizer: Tokenizer, token_counts: np.ndarray | None = None) -> Vocabulary:
        special = tuple(int(i) for i in tokenizer.special_ids)
        ids = (tokenizer.mask_id, tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id)
        return cls(tokenizer.vocabulary_size, *ids, special, token_counts, tokenizer)

    @cached_property
    def is_special(self) -> np.ndarray:
        """Whether each id is special: bool (V,)."""
        table = np.zeros(self.size, dtype=bool)
        table[[i for i in self.special_ids if i < self.size]] = True
        return table

    @cached_property
    def ordinary_ids(self) -> np.ndarray:
        """Every id that is not special, ascending: int64 (V - specials,)."""
        return np.flatnonzero(~self.is_special)

    @property
    def before(self) -> int:
        """Frame tokens at the start of a row: 1 with a [CLS], else 0."""
        return int(self.cls_id is not None)

    @property
    def after(self) -> int:
        """Frame tokens at the end of a row: 1 with a [SEP], else 0."""
        return int(self.sep_id is not None)

    @property
    def frame(self) -> int:
        """Frame tokens of a row, and of the joint between two documents: 2, 1 or 0."""
        return self.before + self.after


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Rows before masking. `numbers` and `labels` are int64 (B,), everything else is int64 (B,T).

    `numbers` name the rows. `groups`: equal numbers see each other, 1 upwards in each row, 0 is padding.
    `words`: 0 where nothing can be masked, else the number of the word inside the row. A word's continuation at the
    start of a row has a number of its own. `types` and `labels` are those of pairs (`pairs.py`), None for other rows.
    """

    numbers: np.ndarray
    tokens: np.ndarray
    groups: np.ndarray
    words: np.ndarray
    types: np.ndarray | None = None
    labels: np.ndarray | None = None


class Rows:
    """The rows of one split of a store. `len(rows)` is an epoch.

    A training source of weight w gives w times its rows to an epoch: with w below 1 epochs take turns through it, with
    w above 1 a row comes several times, as copies with numbers (and so masks) of their own.

    Raises SettingError for a row length or packing that cannot be, DataError when the split holds no documents.
    """

    def __init__(self, store: Store, split: str, row_length: int, packing: str = "packed", seed: int = 0) -> None:
        require(
            row_length >= SHORTEST,
            f"data.row_length={row_length}: a row needs at least {SHORTEST} tokens; data.row_length=128 is common",
        )
        self.row_length, self.packing, self.seed, self.split = row_length, packing, seed, split
        self.vocabulary = Vocabulary.of(store.tokenizer(), store.token_counts)
        self._shards = self._laid_out(store.shards(split))
        counts = np.array([shard.rows for shard in self._shards], dtype=np.int64)
        weights = np.array([shard.shard.weight if split == "train" else 1.0 for shard in self._shards])
        taken = np.where((counts > 0) & (weights > 0), np.maximum(1, np.rint(weights * counts)), 0).astype(np.int64)
        self._firsts = np.concatenate([[0], np.cumsum(counts)])  # physical rows before each shard
        self._taken = np.concatenate([[0], np.cumsum(taken)])  # rows of an epoch before each shard
        if not self._taken[-1]:
            raise DataError(f"the store has no documents to take rows from in its {split} split: prepare more text")

    def _laid_out(self, shards: list[Shard]) -> list[Any]:
        """Each shard with its rows; the shards may come in another order."""
        require(self.packing in PACKINGS, unknown("packing", self.packing, list(PACKINGS)))
        layout, frame = _Packed if self.packing == "packed" else Apart, self.vocabulary.frame
        return [layout(shard, self.row_length - frame, frame) for shard in shards]

    def __len__(self) -> int:
        return int(self._taken[-1])

    @property
    def distinct(self) -> int:
        """How many different rows there are, whatever the weights."""
        return int(self._firsts[-1])

    def order(self, epoch: int, index: np.ndarray) -> np.ndarray:
        """The row numbers at places `index` (each in range(len)) of an epoch: a permutation by (seed, epoch)."""
        place = permuted(np.asarray(index, dtype=np.int64), len(self), self.seed, epoch)
        shard = np.searchsorted(self._taken, place, side="right") - 1
        count = np.diff(self._firsts)[shard]
        place = place - self._taken[shard]
        row = (place + epoch * np.diff(self._taken)[shard]) % count
        return self._firsts[shard] + row + place // count * self.distinct

    def take(self, numbers: np.ndarray) -> RowBatch:
        """The rows of these numbers (B,), in any order and from any epoch."""
        numbers = np.asarray(numbers, dtype=np.int64)
        row = numbers % self.distinct
        home = np.searchsorted(self._firsts, row, side="right") - 1
        tokens = np.empty((len(row), self.row_length), dtype=np.int64)
        groups, words = np.empty_like(tokens), np.empty_like(tokens)
        for number in np.unique(home):
            here = np.flatnonzero(home == number)
            pieces = self._shards[number].pieces(row[here] - self._firsts[number])
            tokens[here], groups[here], words[here] = _filled(pieces, self.row_length, self.vocabulary)
        return RowBatch(numbers, tokens, groups, words)


def positions(groups: np.ndarray) -> np.ndarray:
    """Positions that restart in each group: int64 (B,T) to (B,T)."""
    column = np.broadcast_to(np.arange(groups.shape[1]), groups.shape)
    first = np.ones(groups.shape, dtype=bool)
    first[:, 1:] = groups[:, 1:] != groups[:, :-1]
    return column - np.maximum.accumulate(np.where(first, column, 0), axis=1)


# ---------------------------------------------------------------- where a row stands in its shard


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Where rows stand: stream places [begin, end) (B,) and the documents `first` and `last` (B,) they lie in."""

    shard: Shard
    starts: np.ndarray  # (documents+1,) where each document starts in the stream
    begin: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray


class _Packed:
    """A shard as one stream with `joint` tokens between documents, in slices of `capacity`."""

    def __init__(self, shard: Shard, capacity: int, joint: int) -> None:
        self.shard, self.capacity, self.joint = shard, capacity, joint
        self.starts = _stream_starts(shard, joint)
        self.length = int(self.starts[-1]) - joint if len(self.starts) > 1 else 0
        self.rows = -(-self.length // capacity)

    def pieces(self, row: np.ndarray) -> _Pieces:
        begin = row * self.capacity
        end = np.minimum(begin + self.capacity, self.length)
        first, last = self._document(begin), self._document(end - 1)
        # A cut inside a joint: the row starts with the next document, and ends with the one before.
        late = begin >= self.starts[first + 1] - self.joint
        first = first + late
        begin = np.where(late, self.starts[first], begin)
        end = np.minimum(end, self.starts[last + 1] - self.joint)
        return _Pieces(self.shard, self.starts, begin, np.maximum(begin, end), first, last)

    def _document(self, place: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.starts, place, side="right") - 1


class Apart:
    """A shard with a document a row; one of more than `capacity` tokens in as few even pieces as hold it."""

    def __init__(self, shard: Shard, capacity: int, joint: int) -> None:
        self.shard = shard
        self.starts = _stream_starts(shard, joint)
        self.lengths: np.ndarray = np.diff(np.asarray(shard.document_starts))
        self.cuts: np.ndarray = -(-self.lengths // capacity)  # (documents,) pieces of each
        self.firsts = np.concatenate([[0], np.cumsum(self.cuts)])
        self.rows = int(self.firsts[-1])

    def pieces(self, row: np.ndarray) -> _Pieces:
        document = np.searchsorted(self.firsts, row, side="right") - 1
        piece, count, length = row - self.firsts[document], self.cuts[document], self.lengths[document]
        start = self.starts[document]
        begin, end = start + piece * length // count, start + (piece + 1) * length // count
        return _Pieces(self.shard, self.starts, begin, end, document, document)


def _stream_starts(shard: Shard, joint: int) -> np.ndarray:
    starts = np.asarray(shard.document_starts, dtype=np.int64)
    return starts + joint * np.arange(len(starts))


# ---------------------------------------------------------------- what stands in it


def _filled(pieces: _Pieces, row_length: int, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, groups and words (B,T) of rows of one shard."""
    length = pieces.end - pieces.begin  # (B,)
    inner = np.arange(row_length) - vocabulary.before  # (T,) place behind the frame's [CLS]
    inside = (inner >= 0) & (inner < length[:, None])  # (B,T)
    row, document = _later_documents(pieces)
    # Columns of the later documents' first frame token; with no [CLS] it is their first token.
    column = pieces.starts[document] - pieces.begin[row]
    later = np.zeros(inside.shape, dtype=np.int64)
    later[row, column] = 1
    later = np.cumsum(later, axis=1)  # documents of the row that have begun

    index = pieces.begin[:, None] + inner - vocabulary.frame * (pieces.first[:, None] + later)
    source = np.take(pieces.shard.tokens, np.clip(index, 0, len(pieces.shard.tokens) - 1)).astype(np.int64)
    tokens = np.where(inside, source, vocabulary.pad_id)
    framed = inside | ((inner >= -vocabulary.before) & (inner < length[:, None] + vocabulary.after))
    groups = np.where(framed, later + 1, 0)
    joints = np.zeros(inside.shape, dtype=bool)
    if vocabulary.cls_id is not None:
        tokens[:, 0] = tokens[row, column] = vocabulary.cls_id
        joints[row, column] = True
    if vocabulary.sep_id is not None:
        closing = vocabulary.before + length
        tokens[np.arange(len(length)), closing] = vocabulary.sep_id
        tokens[row, column - 1] = vocabulary.sep_id
        joints[row, column - 1] = True
    return tokens, groups, _words(tokens, groups, inside & ~joints, index, pieces, vocabulary)


def _later_documents(pieces: _Pieces) -> tuple[np.ndarray, np.ndarray]:
    """Each document that starts inside a row, but for the row's first: (row in the batch, document), flat."""
    count = np.maximum(pieces.last - pieces.first, 0)
    row = np.repeat(np.arange(len(count)), count)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return row, pieces.first[row] + 1 + nth


def _words(
    tokens: np.ndarray,
    groups: np.ndarray,
    real: np.ndarray,
    index: np.ndarray,
    pieces: _Pieces,
    vocabulary: Vocabulary,
) -> np.ndarray:
    """The number of the word each token belongs to, 0 where nothing can be masked: int64 (B,T)."""
    starts = np.zeros(tokens.shape, dtype=bool)
    starts[real] = pieces.shard.word_starts(index[real])
    return word_numbers(real & ~vocabulary.is_special[tokens], starts, groups)


def word_numbers(maskable: np.ndarray, starts: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The number of the word of each maskable token from where words start, 0 elsewhere: bool (B,T) to int64 (B,T).

    `starts` is changed.
    """
    # A token that follows none of its group's (a frame, a special token, another document) begins a word as well.
    starts[:, 0] = True
    starts[:, 1:] |= ~maskable[:, :-1] | (groups[:, 1:] != groups[:, :-1])
    return np.where(maskable, np.cumsum(starts & maskable, axis=1), 0)
