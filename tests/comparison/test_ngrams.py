"""The n-gram filler: a distribution at every place, counts by hand, weights that are the likeliest."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from unmask.comparison.baselines import Unigram
from unmask.comparison.ngrams import BUCKETS, Ngrams, maximised
from unmask.evaluation.blanks import make_blanks
from unmask.evaluation.masked import score_blanks


@pytest.fixture(scope="module")
def filler(farm):
    return Ngrams.of(farm)


def asked(filler, text):
    """The distribution (V,) at each [MASK] of a text, all asked at once."""
    ids = filler.tokenizer.encode([text])[0].ids.astype(np.int64)
    tokens = np.concatenate([[filler.tokenizer.cls_id], ids, [filler.tokenizer.sep_id]])[None]
    return filler.probabilities(tokens, np.ones_like(tokens), *np.nonzero(tokens == filler.tokenizer.mask_id))


def word(filler, text):
    (only,) = filler.tokenizer.encode([text])[0].ids
    return int(only)


@pytest.mark.parametrize("text", ["the dog [MASK] loudly .", "[MASK]", "the [MASK] [MASK] [MASK] .", ". [MASK] zzz"])
def test_probabilities_sum_to_one_whatever_is_seen_around(filler, text):
    np.testing.assert_allclose(asked(filler, text).sum(1), np.ones(text.count("[MASK]")), atol=1e-5)


def test_both_sides_are_used(filler):
    """Between `the` and `barks` stands a dog, between `the` and `meows` a cat; one side alone cannot tell."""
    for animal, says in (("dog", "barks"), ("cat", "meows")):
        found = asked(filler, f"the [MASK] {says}")[0]
        assert int(found.argmax()) == word(filler, animal)
        assert found.max() > 0.8
    assert asked(filler, "the [MASK]")[0].max() < 0.5


def test_where_nothing_is_seen_it_is_the_unigram(filler, farm):
    expected = (farm.token_counts + 1) / (farm.token_counts.sum() + len(farm.token_counts))
    np.testing.assert_allclose(asked(filler, "[MASK]")[0], expected, rtol=1e-4)


def test_a_hidden_neighbour_is_no_context(filler):
    """What is asked beside a blank is what is asked at the row's end: neither side of it is known."""
    np.testing.assert_array_equal(asked(filler, "loudly . [MASK] [MASK]")[0], asked(filler, "loudly . [MASK]")[0])


def test_an_interpolation_by_hand(filler):
    """After `the`, before nothing: (1 - w) unigram + w count / total, of the table of last tokens alone."""
    table = next(table for table in filler.tables if table.offsets == (-1,))
    the, dog = word(filler, "the"), word(filler, "dog")
    here = table.pairs // table.size == the
    total, counted = table.counts[here].sum(), table.counts[table.pairs == the * table.size + dog].sum()
    bucket = min(int(2 * np.log2(total / here.sum())), BUCKETS - 1)
    weight = table.believed[bucket]
    expected = (1 - weight) * filler.unigram[dog] + weight * counted / total
    assert asked(filler, "the [MASK]")[0][dog] == pytest.approx(expected, rel=1e-4)


def test_counts_are_those_of_the_documents_that_are_not_held_out(filler, farm):
    """Six animals are drawn: each `the` is followed by one, and documents 0, 20, 40, ... are left out."""
    table = next(table for table in filler.tables if table.offsets == (-1,))
    (shard,) = farm.shards("train")
    starts = np.asarray(shard.document_starts)
    expected: dict[tuple[int, int], int] = {}
    for number in range(len(starts) - 1):
        if number % 20:
            tokens = shard.tokens[starts[number] : starts[number + 1]].tolist()
            for pair in itertools.pairwise(tokens):
                expected[pair] = expected.get(pair, 0) + 1
    found = zip((table.pairs // table.size).tolist(), (table.pairs % table.size).tolist(), strict=True)
    assert dict(zip(found, table.counts.tolist(), strict=True)) == expected


def test_the_filler_is_far_under_the_unigram_line_and_the_unigram_is_on_it(filler, farm):
    blanks = make_blanks(farm.tokenizer(), farm.documents("validation"), 32)
    line = score_blanks(blanks, Unigram.of(farm).predict, farm.token_counts)
    assert line["loss"] == pytest.approx(line["unigram_loss"], rel=1e-5)
    figures = score_blanks(blanks, filler.predict, farm.token_counts)
    assert figures["loss"] < line["loss"] - 1
    assert figures["word_accuracy"] > line["word_accuracy"]


def test_a_store_of_one_document_gives_the_unigram(filler, farm, monkeypatch):
    monkeypatch.setattr("unmask.comparison.ngrams.HELD_OUT_EVERY", 1)
    alone = Ngrams.of(farm)
    np.testing.assert_allclose(asked(alone, "the [MASK] barks")[0], alone.unigram, rtol=1e-4)


@given(
    share=some.floats(0.02, 0.98),
    below=some.lists(some.floats(0.01, 1), min_size=5, max_size=20),
)
def test_the_weight_found_is_the_likeliest(share, below):
    """Against a search over all weights, with the two imagined places counted in."""
    below = np.asarray(below)
    above = np.where(np.arange(len(below)) < share * len(below), 0.9, 0.0)
    buckets = np.zeros(len(below), dtype=np.int64)
    weight = maximised(below, above, buckets)[0]

    def likelihood(w):
        return np.log((1 - w) * below + w * above).sum() + np.log(w) + np.log(1 - w)

    best = max(likelihood(w) for w in np.linspace(0.001, 0.999, 999))
    assert likelihood(weight) > best - 0.05
