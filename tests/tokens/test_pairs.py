"""Pairs: on a marked corpus, where each token tells where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.batches import IGNORE, Batches
from unmask.errors import DataError, SettingError
from unmask.masking import Masking
from unmask.tokens.pairs import CHANGED, FOLLOWS, PAIRINGS, Pairs, laid_out
from unmask.tokens.rows import RowBatch, Rows

PAD, UNKNOWN, CLS, SEP, MASK = range(5)
ORDINARY = 5


@dataclass
class MarkedShard:
    """A shard of documents given as the lengths of their sentences, whose tokens count on from `first`."""

    documents: list[list[int]]
    source: str
    first: int
    weight: float = 1.0
    tokens: np.ndarray = field(init=False)
    document_starts: np.ndarray = field(init=False)
    sentence_starts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        lengths = [length for document in self.documents for length in document]
        self.tokens = np.arange(self.first, self.first + sum(lengths))
        self.document_starts = np.cumsum([0, *map(sum, self.documents)])
        self.sentence_starts = np.cumsum([0, *lengths])[:-1]

    def word_starts(self, places: np.ndarray) -> np.ndarray:
        return self.tokens[places] % 3 == 0


class MarkedStore:
    """Shards by source; `home` says of each token its source, document and whether a sentence starts with it."""

    def __init__(self, *shards: tuple[str, list[list[int]]], frame: bool = True) -> None:
        self.made, first, self.home = [], ORDINARY, {}
        for number, (source, documents) in enumerate(shards):
            shard = MarkedShard(documents, source, first)
            first += len(shard.tokens)
            self.made.append(shard)
            owner = np.searchsorted(shard.document_starts, np.arange(len(shard.tokens)), side="right")
            starts = set(shard.sentence_starts.tolist())
            for place, token in enumerate(shard.tokens.tolist()):
                self.home[token] = (source, (number, int(owner[place])), place in starts)
        names = {"mask_id": MASK, "pad_id": PAD, "cls_id": CLS if frame else None, "sep_id": SEP if frame else None}
        self._tokenizer = SimpleNamespace(**names, special_ids=list(range(5)), vocabulary_size=first)
        self.token_counts = np.ones(first, dtype=np.int64)

    def tokenizer(self) -> SimpleNamespace:
        return self._tokenizer

    def shards(self, split: str) -> list[MarkedShard]:
        return self.made


# Every document has two sentences that fit into the shortest row, so that it gives pairs whatever the row's length.
documents = st.lists(st.lists(st.integers(1, 9), max_size=30).map(lambda more: [2, 2, *more]), min_size=2, max_size=8)
stores = st.lists(st.tuples(st.sampled_from("ab"), documents), min_size=1, max_size=4).map(lambda s: MarkedStore(*s))


def halves(batch: RowBatch) -> list[tuple[list[int], list[int], int]]:
    """The tokens of the two segments of each row, and its label."""
    assert batch.labels is not None
    found = []
    for tokens, label in zip(batch.tokens.tolist(), batch.labels.tolist(), strict=True):
        first = tokens.index(SEP)
        second = tokens.index(SEP, first + 1)
        found.append((tokens[1:first], tokens[first + 1 : second], label))
    return found


def consecutive(tokens: list[int]) -> bool:
    return tokens == list(range(tokens[0], tokens[0] + len(tokens)))


@given(stores, st.integers(12, 60), st.sampled_from(PAIRINGS), st.integers(0, 3), st.integers(0, 99))
def test_labels_say_what_the_marks_of_the_tokens_say(store, row_length, packing, epoch, seed):
    pairs = Pairs(store, "train", row_length, packing, seed)
    batch = pairs.take(pairs.order(epoch, np.arange(len(pairs))))
    for one, two, label in halves(batch):
        assert one
        assert two
        assert consecutive(one)
        assert consecutive(two)
        before, after = (two, one) if packing == "swapped" and label == CHANGED else (one, two)
        (source, document, _), (other_source, other, starts) = store.home[before[-1]], store.home[after[0]]
        assert starts  # the second segment begins with a sentence
        assert store.home[before[0]][1] == document  # neither leaves its document
        assert store.home[after[-1]][1] == other
        if packing == "pairs" and label == CHANGED:
            assert document != other
            assert source == other_source
        else:
            assert label in (FOLLOWS, CHANGED)
            assert before[-1] + 1 == after[0]
            assert document == other


@given(stores, st.integers(8, 60), st.sampled_from(PAIRINGS))
def test_a_pair_is_framed_typed_and_padded_as_bert_reads_it(store, row_length, packing):
    pairs = Pairs(store, "train", row_length, packing)
    batch = pairs.take(pairs.order(0, np.arange(len(pairs))))
    for number, (one, two, _) in enumerate(halves(batch)):
        padding = row_length - len(one) - len(two) - 3
        assert batch.tokens[number].tolist() == [CLS, *one, SEP, *two, SEP] + [PAD] * padding
        assert batch.types[number].tolist() == [0] * (len(one) + 2) + [1] * (len(two) + 1) + [0] * padding
        assert batch.groups[number].tolist() == [1] * (row_length - padding) + [0] * padding
        words, word = [0], 0
        for segment in (one, two):
            for place, token in enumerate(segment):
                word += place == 0 or token % 3 == 0
                words.append(word)
            words.append(0)
        assert batch.words[number].tolist() == words + [0] * padding


@given(stores, st.sampled_from(PAIRINGS), st.integers(0, 4), st.randoms())
@settings(max_examples=50)
def test_a_pair_is_the_same_in_any_company(store, packing, epoch, random):
    pairs = Pairs(store, "train", 24, packing)
    numbers = pairs.order(epoch, np.arange(len(pairs)))
    random.shuffle(places := list(range(len(numbers))))
    together = pairs.take(numbers)
    for place in places[:10]:
        alone = pairs.take(numbers[[place]])
        for part in ("numbers", "tokens", "groups", "words", "types", "labels"):
            assert (getattr(alone, part)[0] == getattr(together, part)[place]).all()


@given(stores, st.integers(0, 3))
@settings(max_examples=50)
def test_each_epoch_takes_every_piece_once_under_numbers_of_its_own(store, epoch):
    for shard in store.made:
        shard.weight = 2.5 if shard.source == "a" else 1.0
    pairs = Pairs(store, "train", 24)
    one, next_one = (pairs.order(number, np.arange(len(pairs))) for number in (epoch, epoch + 1))
    assert len({*one.tolist(), *next_one.tolist()}) == 2 * len(pairs)
    pieces = np.bincount(one % pairs._span % pairs.distinct, minlength=pairs.distinct)
    assert (pieces >= 1).all()
    assert (pieces <= 3).all()


@pytest.fixture(scope="module")
def large() -> MarkedStore:
    """Sixty documents of various lengths, two sources."""
    draws = np.random.default_rng(0)

    def some(count: int) -> list[list[int]]:
        return [draws.integers(3, 12, draws.integers(20, 60)).tolist() for _ in range(count)]

    return MarkedStore(("a", some(40)), ("b", some(5)), ("b", some(15)))


def drawn(store: MarkedStore, packing: str, epochs: int = 20) -> tuple[Pairs, RowBatch]:
    pairs = Pairs(store, "train", 48, packing)
    numbers = [pairs.order(epoch, np.arange(len(pairs))) for epoch in range(epochs)]
    return pairs, pairs.take(np.concatenate(numbers))


@pytest.mark.parametrize("packing", PAIRINGS)
def test_half_of_the_pairs_are_true_neighbours_and_each_piece_is_both_in_turn(large, packing):
    pairs, batch = drawn(large, packing)
    changed = batch.labels.astype(bool)
    assert abs(changed.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(len(changed))
    piece = batch.numbers % pairs._span % pairs.distinct
    share = np.bincount(piece, changed) / np.bincount(piece)
    assert np.abs(share - 0.5).max() < 4.5 * 0.5 / np.sqrt(20)


def test_the_other_document_is_any_of_its_source_by_its_number_of_pieces(large):
    _, batch = drawn(large, "pairs", 60)
    others = [two[0] for _, two, label in halves(batch) if label == CHANGED]
    found: dict[tuple[int, int], int] = {}
    for token in others:
        found[large.home[token][1]] = found.get(large.home[token][1], 0) + 1
    pairs = Pairs(large, "train", 48)
    first, _ = pairs._neighbours(np.arange(pairs.distinct), np.zeros(pairs.distinct))
    pieces: dict[tuple[int, int], int] = {}
    for home, start in zip(first.home, first.start, strict=True):
        document = large.home[int(pairs._shards[home].shard.tokens[start])][1]
        pieces[document] = pieces.get(document, 0) + 1
    assert found.keys() == pieces.keys()
    for shards in ((0,), (1, 2)):  # each source by itself
        asked = {document: count for document, count in found.items() if document[0] in shards}
        total, sum_pieces = sum(asked.values()), sum(pieces[document] for document in asked)
        for document, count in asked.items():
            expected = total * pieces[document] / sum_pieces
            assert abs(count - expected) < 5.5 * np.sqrt(expected)


def test_lengths_do_not_give_the_label_away(large):
    _, batch = drawn(large, "pairs")
    lengths = np.array([(len(one), len(two)) for one, two, _ in halves(batch)])
    changed = batch.labels == CHANGED
    for part in (0, 1):
        true, other = lengths[~changed, part], lengths[changed, part]
        assert other.mean() == pytest.approx(true.mean(), rel=0.05)
        assert other.std() == pytest.approx(true.std(), rel=0.1)


def test_pieces_are_cut_at_any_of_their_sentences():
    """One piece of four sentences and another document: three cuts, each as likely."""
    store = MarkedStore(("a", [[3, 3, 3, 3], [3, 3]]))
    pairs = Pairs(store, "train", 32, "swapped")
    batch = pairs.take(np.concatenate([pairs.order(epoch, np.arange(2)) for epoch in range(900)]))
    cuts = [max(one[0], two[0]) - ORDINARY for one, two, _ in halves(batch) if min(one[0], two[0]) == ORDINARY]
    share = np.bincount(cuts, minlength=12)[[3, 6, 9]] / 900
    assert share.sum() == pytest.approx(1)
    assert np.abs(share - 1 / 3).max() < 4.5 * np.sqrt(2 / 9 / 900)


def test_a_source_of_one_document_is_contrasted_with_another_source():
    store = MarkedStore(("a", [[4, 4, 4]]), ("b", [[4, 4], [4, 4]]))
    pairs = Pairs(store, "train", 20)
    batch = pairs.take(np.concatenate([pairs.order(epoch, np.arange(len(pairs))) for epoch in range(30)]))
    crossed = {(store.home[one[0]][0], store.home[two[0]][0]) for one, two, label in halves(batch) if label == CHANGED}
    assert crossed == {("a", "b"), ("b", "b")}


def test_documents_of_one_sentence_are_left_out():
    store = MarkedStore(("a", [[6], [3, 3], [9], [2, 2]]))
    pairs = Pairs(store, "train", 16)
    assert pairs.distinct == 2


@pytest.mark.parametrize("shown", [[[6], [3], [9]], [[6], [3, 3], [9]]])
def test_documents_of_single_sentences_are_refused_with_what_fits_instead(shown):
    words = r"data.packing=pairs needs two documents of several sentences at least, and there are [01]: "
    with pytest.raises(DataError, match=words + r"take data.packing=packed, or prepare whole documents"):
        Pairs(MarkedStore(("a", shown)), "train", 16)


def test_a_tokenizer_without_a_frame_is_refused():
    with pytest.raises(SettingError, match=r"data.packing=swapped needs a tokenizer with \[CLS\] and \[SEP\]"):
        Pairs(MarkedStore(("a", [[3, 3], [3, 3]]), frame=False), "train", 16, "swapped")


@pytest.mark.parametrize(
    ("packing", "kind"), [("packed", Rows), ("document", Rows), ("pairs", Pairs), ("swapped", Pairs)]
)
def test_a_packing_is_laid_out_by_its_name(packing, kind):
    assert type(laid_out(MarkedStore(("a", [[3, 3], [3, 3]])), "train", 16, packing, 0)) is kind


def test_an_unknown_packing_is_answered_with_the_nearest_of_all():
    with pytest.raises(SettingError, match="unknown packing 'pair'; did you mean 'pairs'"):
        laid_out(MarkedStore(("a", [[3, 3], [3, 3]])), "train", 16, "pair", 0)


def test_batches_carry_types_and_labels_into_their_parts_and_never_mask_the_frame(large):
    batches = Batches(Pairs(large, "train", 48), Masking(), seed=0)
    batch = batches.at(0, 32, 0.3)
    taken = batches.rows.take(batch.numbers.numpy())
    assert batch.types is not None
    assert batch.types.tolist() == taken.types.tolist()
    assert batch.labels.tolist() == taken.labels.tolist()
    part = batch.part(5, 9).to("cpu")
    assert part.types.tolist() == taken.types[5:9].tolist()
    assert part.labels.tolist() == taken.labels[5:9].tolist()
    asked = batch.targets.numpy() != IGNORE
    assert asked.any(axis=1).all()
    assert (taken.tokens[asked] >= ORDINARY).all()
    assert batch.maskable.tolist() == [len(one) + len(two) for one, two, _ in halves(taken)]
