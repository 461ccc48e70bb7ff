"""Pairs of neighbouring texts out of the store: does the second follow the first, or in which order do they stand?

pairs     [CLS] A [SEP] B [SEP]; half of the time B is what follows A in its document, half of the time what follows
          some place in another document of the same source (Devlin et al. 2019, sec. 3.1, task 2)
swapped   B always follows A; half of the time the two change places (Lan et al. 2020, "ALBERT", sec. 3.1)

Documents are cut evenly into pieces that fill a row, each piece is cut at one of its sentences, drawn anew in each
epoch. Pieces of a single sentence have nothing to be cut at and are left out. Eight bytes a piece are held, no row is.

Shapes: B rows, T tokens in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unmask.config import require
from unmask.errors import DataError, SettingError
from unmask.menu import unknown
from unmask.seeding import keys, uniforms
from unmask.tokens.rows import PACKINGS, Apart, RowBatch, Rows, word_numbers

if TYPE_CHECKING:
    from unmask.tokens.store import Shard, Store

PAIRINGS = ("pairs", "swapped")
FOLLOWS, CHANGED = 0, 1
"""Labels, as transformers has them: B follows A; B is from elsewhere, or the two were swapped."""

# Independent streams of hashes (masking has 1 to 4): where a piece is cut, whether it is changed, by which other piece,
# and where that is cut.
CUT, CHANGE, PARTNER, PARTNER_CUT = 5, 6, 7, 8


@dataclass(frozen=True, eq=False)
class Segments:
    """One stretch of tokens a row: `length` (B,) of them from `start` (B,), in the shards of number `home` (B,)."""

    home: np.ndarray
    start: np.ndarray
    length: np.ndarray

    def where(self, chosen: np.ndarray, other: Segments) -> Segments:
        """Those of this where `chosen` (B,), else those of the other."""
        mine, theirs = (vars(one).values() for one in (self, other))
        return Segments(*(np.where(chosen, one, two) for one, two in zip(mine, theirs, strict=True)))


def laid_out(store: Store, split: str, row_length: int, packing: str, seed: int) -> Rows:
    """Rows or Pairs, as `data.packing` says; SettingError with the nearest name when it says something else."""
    require(packing in (*PACKINGS, *PAIRINGS), unknown("packing", packing, [*PACKINGS, *PAIRINGS]))
    kind = Pairs if packing in PAIRINGS else Rows
    return kind(store, split, row_length, packing, seed)


class Pairs(Rows):
    """Rows of two segments with `types` (1 for B and its [SEP]) and `labels`, numbered anew in each epoch.

    A number therefore stands for a pair as it was drawn in its epoch, and `take` is a function of numbers alone.

    Raises what Rows raises, SettingError for a tokenizer without [CLS] and [SEP], and DataError when fewer than two
    documents have neighbouring sentences.
    """

    def __init__(self, store: Store, split: str, row_length: int, packing: str = "pairs", seed: int = 0) -> None:
        require(packing in PAIRINGS, unknown("pairing", packing, list(PAIRINGS)))
        super().__init__(store, split, row_length, packing, seed)
        copies = -(-np.diff(self._taken) // np.maximum(np.diff(self._firsts), 1))  # of the rows of each shard
        self._span = self.distinct * int(copies.max())
        self._around = _source_ranges(self._shards, self._firsts)

    def _laid_out(self, shards: list[Shard]) -> list[_Paired]:
        if self.vocabulary.frame != 2:
            raise SettingError(
                f"data.packing={self.packing} needs a tokenizer with [CLS] and [SEP]: take one, or data.packing=packed"
            )
        found = [_Paired(shard, self.row_length - 3) for shard in sorted(shards, key=lambda shard: shard.source)]
        documents = sum(shard.documents for shard in found)
        if shards and documents < 2:
            raise DataError(
                f"data.packing={self.packing} needs two documents of several sentences at least, and there are "
                f"{documents}: take data.packing=packed, or prepare whole documents (corpus.documents=file)"
            )
        return found

    def order(self, epoch: int, index: np.ndarray) -> np.ndarray:
        """The row numbers at places `index` (each in range(len)) of an epoch; no two epochs share one."""
        return super().order(epoch, index) + epoch * self._span

    def take(self, numbers: np.ndarray) -> RowBatch:
        """The pairs of these numbers (B,), in any order and from any epoch."""
        numbers = np.asarray(numbers, dtype=np.int64)
        row = numbers % self._span % self.distinct
        first, second = self._neighbours(row, self._draws(CUT, numbers))
        changed = self._draws(CHANGE, numbers) < 0.5
        if self.packing == "swapped":
            first, second = _fitted(first, second, self.row_length - 3)
            first, second = second.where(changed, first), first.where(changed, second)
        else:
            second = self._elsewhere(row, numbers, second.length).where(changed, second)
            first, second = _fitted(first, second, self.row_length - 3)
        return self._framed(numbers, first, second, np.where(changed, CHANGED, FOLLOWS))

    def _draws(self, stream: int, numbers: np.ndarray) -> np.ndarray:
        return uniforms(keys(self.seed, stream, numbers))

    def _home(self, row: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._firsts, row, side="right") - 1

    def _neighbours(self, row: np.ndarray, draws: np.ndarray) -> tuple[Segments, Segments]:
        """The two parts of pieces (B,), cut by the draws."""
        home = self._home(row)
        places = np.empty((3, len(row)), dtype=np.int64)
        for number in np.unique(home):
            here = home == number
            places[:, here] = self._shards[number].cut(row[here] - self._firsts[number], draws[here])
        begin, cut, end = places
        return Segments(home, begin, cut - begin), Segments(home, cut, end - cut)

    def _elsewhere(self, row: np.ndarray, numbers: np.ndarray, lengths: np.ndarray) -> Segments:
        """What follows a cut in another document, up to the sentence's end that is nearest to these lengths (B,)."""
        partner = self._partner(row, self._draws(PARTNER, numbers))
        _, second = self._neighbours(partner, self._draws(PARTNER_CUT, numbers))
        length = np.empty_like(lengths)
        for number in np.unique(second.home):
            here = second.home == number
            length[here] = self._shards[number].ending(second.start[here], lengths[here]) - second.start[here]
        return Segments(second.home, second.start, length)

    def _partner(self, row: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """A row of another document of the same source, all equally likely; of another source where it has no other."""
        home = self._home(row)
        own = np.empty((2, len(row)), dtype=np.int64)
        for number in np.unique(home):
            here = home == number
            own[:, here] = self._shards[number].siblings(row[here] - self._firsts[number]) + self._firsts[number]
        low, high = self._around[home].T
        alone = high - low == own[1] - own[0]
        low, high = np.where(alone, 0, low), np.where(alone, self.distinct, high)
        place = low + (draws * (high - low - (own[1] - own[0]))).astype(np.int64)
        return place + np.where(place >= own[0], own[1] - own[0], 0)

    def _framed(self, numbers: np.ndarray, first: Segments, second: Segments, labels: np.ndarray) -> RowBatch:
        """[CLS] first [SEP] second [SEP], padded."""
        shape = (len(numbers), self.row_length)
        tokens = np.full(shape, self.vocabulary.pad_id, dtype=np.int64)
        starts, real = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        column, rows = np.arange(self.row_length), np.arange(len(numbers))
        middle, last = 1 + first.length, 2 + first.length + second.length  # where the two [SEP] stand
        for segment, offset in ((first, np.ones_like(middle)), (second, middle + 1)):
            inner = column - offset[:, None]
            inside = (inner >= 0) & (inner < segment.length[:, None])
            for number in np.unique(segment.home):
                here = inside & (segment.home == number)[:, None]
                places = (segment.start[:, None] + inner)[here]
                tokens[here] = self._shards[number].shard.tokens[places]
                starts[here] = self._shards[number].shard.word_starts(places)
            real |= inside
        tokens[:, 0] = _given(self.vocabulary.cls_id)
        tokens[rows, middle] = tokens[rows, last] = _given(self.vocabulary.sep_id)
        groups = (column <= last[:, None]).astype(np.int64)
        words = word_numbers(real & ~self.vocabulary.is_special[tokens], starts, groups)
        types = ((column > middle[:, None]) & (groups > 0)).astype(np.int64)
        return RowBatch(numbers, tokens, groups, words, types, labels)


def _given(token: int | None) -> int:
    assert token is not None  # a tokenizer without it was refused
    return token


def _fitted(first: Segments, second: Segments, room: int) -> tuple[Segments, Segments]:
    """Both shortened where they do not fit together: the first at its start and the second at its end, so that what
    stood side by side still does, and neither to less than half of the room unless it was shorter."""
    kept = np.minimum(first.length, np.maximum(room - second.length, room - room // 2))
    after = np.minimum(second.length, room - kept)
    return Segments(first.home, first.start + first.length - kept, kept), Segments(second.home, second.start, after)


def _source_ranges(shards: list[_Paired], firsts: np.ndarray) -> np.ndarray:
    """The rows [low, high) of the source of each shard (shards,2); shards of a source stand side by side."""
    sources = [shard.shard.source for shard in shards]
    places = [[n for n, other in enumerate(sources) if other == source] for source in sources]
    return np.array([[firsts[same[0]], firsts[same[-1] + 1]] for same in places])


class _Paired:
    """The pieces of a shard that hold two sentences or more. A piece begins and ends with a sentence."""

    def __init__(self, shard: Shard, capacity: int) -> None:
        self.shard, self._sentences = shard, np.asarray(shard.sentence_starts)
        self._documents: np.ndarray = np.asarray(shard.document_starts, dtype=np.int64)
        self._evenly = Apart(shard, capacity, joint=0)
        first, last = self._sentences_of(np.arange(self._evenly.rows))
        self._kept = np.flatnonzero(last - first > 1)
        self.rows = len(self._kept)
        self.documents = len(np.unique(self._evenly.pieces(self._kept).first))

    def cut(self, row: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where pieces (B,) begin, where the draws cut them, all sentences alike, and where they end: tokens (B,)."""
        first, last = self._sentences_of(self._kept[row])
        middle = first + 1 + (draws * (last - first - 1)).astype(np.int64)
        return self._place(first), self._place(middle), self._place(last)

    def siblings(self, row: np.ndarray) -> np.ndarray:
        """The rows [low, high) of the document of each row (B,): int64 (2,B)."""
        document = self._evenly.pieces(self._kept[row]).first
        return np.searchsorted(self._kept, self._evenly.firsts[np.stack([document, document + 1])])

    def ending(self, start: np.ndarray, length: np.ndarray) -> np.ndarray:
        """The end of the sentence that ends nearest to `length` tokens behind `start`, in the same document: (B,)."""
        end = self._documents[np.searchsorted(self._documents, start, side="right")]
        aim = np.minimum(start + length, end)
        above = np.searchsorted(self._sentences, aim)
        high, low = self._place(above), self._place(above - 1)
        return np.where((low <= start) | (high - aim <= aim - low), high, low)

    def _sentences_of(self, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first sentence of pieces, and the one that follows their last."""
        pieces = self._evenly.pieces(piece)
        return np.searchsorted(self._sentences, pieces.begin), np.searchsorted(self._sentences, pieces.end)

    def _place(self, sentence: np.ndarray) -> np.ndarray:
        """Where sentences (B,) start; where the one behind the last would."""
        within = np.minimum(sentence, len(self._sentences) - 1)
        return np.where(sentence < len(self._sentences), self._sentences[within], self._documents[-1])
