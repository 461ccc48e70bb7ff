"""Rows: nothing lost, nothing doubled, documents apart, any row found from its number alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import DataError, SettingError
from unmask.tokens.rows import PACKINGS, Rows, Vocabulary, positions

PAD, UNKNOWN, CLS, SEP, MASK = range(5)
ORDINARY = 5  # the first ordinary id
SIZE = 5000


@dataclass
class MemoryShard:
    """A shard in memory, of documents given as lists of words, each a list of token ids."""

    documents: list[list[list[int]]]
    weight: float = 1.0
    split: str = "train"
    source: str = "s"
    tokens: np.ndarray = field(init=False)
    document_starts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        flat = [[token for word in document for token in word] for document in self.documents]
        self.tokens = np.array([token for document in flat for token in document], dtype=np.uint16)
        self.document_starts = np.cumsum([0, *map(len, flat)])
        self._starts = np.array(
            [n == 0 for document in self.documents for word in document for n in range(len(word))], dtype=bool
        )

    def word_starts(self, places: np.ndarray) -> np.ndarray:
        return self._starts[places]


class MemoryStore:
    def __init__(self, *shards: MemoryShard, cls_id: int | None = CLS, sep_id: int | None = SEP) -> None:
        self._shards = shards
        ids = [i for i in (PAD, UNKNOWN, CLS, SEP, MASK) if i in (PAD, UNKNOWN, MASK, cls_id, sep_id)]
        names = {"mask_id": MASK, "pad_id": PAD, "cls_id": cls_id, "sep_id": sep_id}
        self._tokenizer = SimpleNamespace(**names, special_ids=ids, vocabulary_size=SIZE)
        self.vocabulary_size, self.token_counts = SIZE, np.ones(SIZE, dtype=np.int64)

    def tokenizer(self) -> SimpleNamespace:
        return self._tokenizer

    def shards(self, split: str) -> list[MemoryShard]:
        return [shard for shard in self._shards if shard.split == split]


def numbered(lengths_of_words: list[list[list[int]]]) -> list[MemoryShard]:
    """Shards whose tokens are all different, so that a token tells where it came from."""
    shards, token = [], ORDINARY
    for documents in lengths_of_words:
        made = []
        for words in documents:
            ends = token + np.cumsum(words)
            made.append([list(range(end - length, end)) for end, length in zip(ends.tolist(), words, strict=True)])
            token = int(ends[-1])
        shards.append(MemoryShard(made, source=f"s{len(shards)}"))
    return shards


corpora = st.lists(
    st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=30), min_size=1, max_size=12), min_size=1, max_size=3
).map(numbered)
frames = st.sampled_from([(CLS, SEP), (CLS, None), (None, SEP), (None, None)])


@given(corpora, st.integers(8, 40), st.sampled_from(PACKINGS), frames)
def test_rows_lose_no_token_and_double_none(shards, row_length, packing, frame):
    rows = Rows(MemoryStore(*shards, cls_id=frame[0], sep_id=frame[1]), "train", row_length, packing)
    tokens = rows.take(np.arange(rows.distinct)).tokens
    stored = np.concatenate([shard.tokens for shard in shards])
    assert tokens[tokens >= ORDINARY].tolist() == stored.tolist()


@given(corpora, st.integers(8, 40), st.sampled_from(PACKINGS), frames)
def test_a_group_is_one_documents_piece_in_its_frame_and_pieces_give_the_documents_back(
    shards, row_length, packing, frame
):
    cls_id, sep_id = frame
    rows = Rows(MemoryStore(*shards, cls_id=cls_id, sep_id=sep_id), "train", row_length, packing)
    batch = rows.take(np.arange(rows.distinct))
    documents = {
        (s, d): list(chain(*words)) for s, shard in enumerate(shards) for d, words in enumerate(shard.documents)
    }
    home = {token: document for document, tokens in documents.items() for token in tokens}
    found: dict[tuple[int, int], list[int]] = {}
    for tokens, groups in zip(batch.tokens, batch.groups, strict=True):
        assert (tokens[groups == 0] == PAD).all()
        real = groups[groups > 0]
        assert (np.diff(real) >= 0).all()
        assert set(real) == set(range(1, real.max() + 1))
        for group in range(1, real.max() + 1):
            piece = tokens[groups == group].tolist()
            assert cls_id is None or piece.pop(0) == cls_id
            assert sep_id is None or piece.pop() == sep_id
            (document,) = {home[token] for token in piece}  # one document, and no frame token inside
            found.setdefault(document, []).extend(piece)
    assert found == documents


@given(corpora, st.integers(8, 40))
def test_packed_rows_are_padded_only_where_a_cut_fell_into_a_joint_or_the_shard_ended(shards, row_length):
    rows = Rows(MemoryStore(*shards), "train", row_length, "packed")
    padding = (rows.take(np.arange(rows.distinct)).groups == 0).sum(axis=1)
    lasts = np.cumsum([shard.rows for shard in rows._shards]) - 1
    assert (np.delete(padding, lasts) <= 4).all()  # a joint of two tokens at each end
    streams = [len(shard.tokens) + 2 * (len(shard.documents) - 1) for shard in shards]
    assert rows.distinct == sum(-(-stream // (row_length - 2)) for stream in streams)


@given(corpora, st.integers(8, 40))
def test_document_rows_hold_one_document_and_long_ones_are_cut_evenly(shards, row_length):
    rows = Rows(MemoryStore(*shards), "train", row_length, "document")
    batch = rows.take(np.arange(rows.distinct))
    assert batch.groups.max() == 1
    counts = iter((batch.tokens >= ORDINARY).sum(axis=1))
    for shard in shards:
        for words in shard.documents:
            length = sum(map(len, words))
            sizes = [int(next(counts)) for _ in range(-(-length // (row_length - 2)))]
            assert sum(sizes) == length
            assert max(sizes) - min(sizes) <= 1


@given(corpora, st.integers(8, 40), st.sampled_from(PACKINGS), frames)
def test_words_number_the_words_of_a_row_and_nothing_else(shards, row_length, packing, frame):
    rows = Rows(MemoryStore(*shards, cls_id=frame[0], sep_id=frame[1]), "train", row_length, packing)
    batch = rows.take(np.arange(rows.distinct))
    home = {t: w for shard in shards for words in shard.documents for w in map(tuple, words) for t in w}
    for tokens, words in zip(batch.tokens, batch.words, strict=True):
        assert ((words > 0) == (tokens >= ORDINARY)).all()
        real = [(int(number), home[int(token)]) for number, token in zip(words, tokens, strict=True) if number]
        for (number, word), (following, next_word) in pairwise(real):
            assert following == number + (word != next_word)


def test_a_special_token_inside_a_text_is_no_word_and_divides_none():
    shard = MemoryShard([[[10, 11], [UNKNOWN], [12, UNKNOWN, 13]]])
    batch = Rows(MemoryStore(shard), "train", 12).take(np.array([0]))
    assert batch.tokens[0].tolist() == [CLS, 10, 11, UNKNOWN, 12, UNKNOWN, 13, SEP, PAD, PAD, PAD, PAD]
    assert batch.words[0].tolist() == [0, 1, 1, 0, 2, 0, 3, 0, 0, 0, 0, 0]


def test_a_cut_inside_a_joint_leaves_one_frame_not_two():
    def row(number: int, first: int) -> tuple[list[int], list[int]]:
        shard = MemoryShard([[[t] for t in range(10, 10 + first)], [[t] for t in range(30, 40)]])
        batch = Rows(MemoryStore(shard), "train", 8).take(np.array([number]))
        return batch.tokens[0].tolist(), batch.groups[0].tolist()

    assert row(0, 6) == ([CLS, 10, 11, 12, 13, 14, 15, SEP], [1] * 8)  # the cut before the joint
    assert row(1, 6) == ([CLS, 30, 31, 32, 33, SEP, PAD, PAD], [1] * 6 + [0, 0])
    assert row(0, 5) == ([CLS, 10, 11, 12, 13, 14, SEP, PAD], [1] * 7 + [0])  # the cut inside it
    assert row(1, 5) == ([CLS, 30, 31, 32, 33, 34, SEP, PAD], [1] * 7 + [0])
    assert row(0, 4) == ([CLS, 10, 11, 12, 13, SEP, PAD, PAD], [1] * 6 + [0, 0])  # the cut after it
    assert row(1, 4) == ([CLS, 30, 31, 32, 33, 34, 35, SEP], [1] * 8)
    assert row(0, 3) == ([CLS, 10, 11, 12, SEP, CLS, 30, SEP], [1] * 5 + [2] * 3)


@given(corpora, st.sampled_from(PACKINGS), st.randoms())
def test_a_row_is_the_same_in_any_company(shards, packing, random):
    rows = Rows(MemoryStore(*shards), "train", 16, packing)
    numbers = [random.randrange(3 * rows.distinct) for _ in range(20)]
    together = rows.take(np.array(numbers))
    for place, number in enumerate(numbers):
        alone = rows.take(np.array([number]))
        for part in ("numbers", "tokens", "groups", "words"):
            assert (getattr(alone, part)[0] == getattr(together, part)[place]).all()


@given(corpora, st.integers(0, 5), st.integers(0, 2**32))
def test_an_epoch_is_every_row_once(shards, epoch, seed):
    rows = Rows(MemoryStore(*shards), "train", 8, seed=seed)
    numbers = rows.order(epoch, np.arange(len(rows)))
    assert sorted(numbers) == list(range(rows.distinct))


def test_epochs_and_seeds_have_orders_of_their_own():
    shards = numbered([[[3] * 400]])
    orders = {
        tuple(Rows(MemoryStore(*shards), "train", 8, seed=seed).order(epoch, np.arange(200)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


@given(st.floats(0.1, 3.5), st.integers(0, 4))
@settings(max_examples=50)
def test_a_weight_multiplies_the_rows_of_its_source_with_copies_numbered_apart(weight, epoch):
    plain, weighted = numbered([[[2] * 90], [[3] * 70]])
    weighted.weight = weight
    rows = Rows(MemoryStore(plain, weighted), "train", 8)
    numbers = rows.order(epoch, np.arange(len(rows)))
    assert len(set(numbers)) == len(numbers)  # copies have numbers of their own
    real = np.bincount(numbers % rows.distinct, minlength=rows.distinct)
    first, second = rows._firsts[1:]
    assert (real[:first] == 1).all()
    assert real[first:].sum() == max(1, round(weight * (second - first)))
    assert np.ptp(real[first:]) <= 1


def test_a_source_of_weight_a_quarter_is_seen_once_in_four_epochs():
    (shard,) = numbered([[[6] * 40]])
    shard.weight = 0.25
    rows = Rows(MemoryStore(shard), "train", 8)
    seen = np.concatenate([rows.order(epoch, np.arange(len(rows))) for epoch in range(4)])
    assert sorted(seen % rows.distinct) == list(range(rows.distinct))


def test_weights_do_not_touch_validation():
    (shard,) = numbered([[[6] * 40]])
    shard.weight, shard.split = 0.25, "validation"
    rows = Rows(MemoryStore(shard), "validation", 8)
    assert len(rows) == rows.distinct == 40


def test_positions_restart_in_each_group():
    groups = np.array([[1, 1, 1, 2, 2, 3, 0, 0], [1, 2, 2, 2, 2, 2, 2, 2]])
    assert positions(groups).tolist() == [[0, 1, 2, 0, 1, 0, 0, 1], [0, 0, 1, 2, 3, 4, 5, 6]]


def test_ordinary_ids_are_all_but_the_special_ones():
    vocabulary = Vocabulary(8, mask_id=6, pad_id=0, cls_id=None, sep_id=3, special_ids=(0, 3, 6))
    assert vocabulary.ordinary_ids.tolist() == [1, 2, 4, 5, 7]
    assert vocabulary.frame == 1


def test_a_row_too_short_names_the_shortest():
    with pytest.raises(SettingError, match=r"data.row_length=4: a row needs at least 8 tokens; data.row_length=128"):
        Rows(MemoryStore(*numbered([[[1]]])), "train", 4)


def test_an_unknown_packing_is_answered_with_the_nearest():
    with pytest.raises(SettingError, match="unknown packing 'pack'; did you mean 'packed'"):
        Rows(MemoryStore(*numbered([[[1]]])), "train", 16, "pack")


def test_a_split_without_documents_is_refused():
    with pytest.raises(DataError, match="no documents to take rows from in its validation split: prepare more text"):
        Rows(MemoryStore(*numbered([[[1]]])), "validation", 16)
