"""Hashes of words and of runs of words, beside plain Python that does the same with strings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.corpus.shingles import shingles, units
from unmask.corpus.signatures import PERMUTATIONS, band_keys, bands, signatures, similarity

WORDS = st.lists(st.sampled_from(["a", "b", "Ab", "ab", "long-word", "é", "x" * 130, "x" * 131]), max_size=12)
TEXTS = st.lists(WORDS.map(" ".join) | st.text(max_size=20), max_size=6)


def reference_units(text: str) -> list[str]:
    """Words between spaces, Han characters alone."""
    spaced = "".join(f" {c} " if "\u4e00" <= c <= "\u9fff" else c for c in text.lower())
    return spaced.split()


@given(st.lists(WORDS.map(" ".join) | st.text("ab 中文\n\t", max_size=20), max_size=6))
def test_units_are_words_and_han_characters(texts: list[str]) -> None:
    hashed = units(texts)
    wanted = [reference_units(text) for text in texts]
    assert hashed.counts.tolist() == [len(found) for found in wanted]
    flat = [unit for found in wanted for unit in found]
    assert len(set(hashed.hashes.tolist())) == len(set(flat))
    assert len(set(zip(flat, hashed.hashes.tolist(), strict=True))) == len(set(flat))


@given(TEXTS, st.integers(1, 6), st.booleans())
def test_shingles_stay_inside_their_text(texts: list[str], length: int, short: bool) -> None:
    together = shingles(units(texts), length, short)
    for number, text in enumerate(texts):
        alone = shingles(units([text]), length, short)
        start, stop = together.starts[number : number + 2]
        np.testing.assert_array_equal(together.hashes[start:stop], alone.hashes)


@given(TEXTS, st.integers(1, 6))
def test_a_text_has_a_shingle_for_every_run(texts: list[str], length: int) -> None:
    hashed = units(texts)
    assert shingles(hashed, length, short=False).counts.tolist() == np.maximum(hashed.counts - length + 1, 0).tolist()
    short = shingles(hashed, length, short=True).counts
    assert short.tolist() == np.maximum(hashed.counts - length + 1, np.minimum(hashed.counts, 1)).tolist()


def test_the_order_of_words_counts() -> None:
    one, other = (shingles(units([text]), 2, short=False).hashes for text in ("a b", "b a"))
    assert one[0] != other[0]


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.6, 0.8, 0.95])
def test_signatures_estimate_the_jaccard_similarity(shared: float) -> None:
    draw = np.random.default_rng(0)
    errors = []
    for _ in range(20):
        left = [f"w{n}" for n in draw.integers(0, 10**9, 600)]
        right = left[: int(600 * shared)] + [f"w{n}" for n in draw.integers(0, 10**9, 600 - int(600 * shared))]
        sets = [{tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (left, right)]
        true = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        rows = signatures(units([" ".join(left), " ".join(right)]))
        errors.append(similarity(rows[:1], rows[1:])[0] - true)
    # Binomial with 128 draws, mean of 20: a standard error below 0.01.
    assert abs(np.mean(errors)) < 0.03
    assert np.std(errors) < 2.5 * np.sqrt(max(shared * (1 - shared), 0.01) / PERMUTATIONS)


@given(st.floats(0.3, 1.0))
def test_the_bands_find_nearly_all_pairs_at_the_threshold(threshold: float) -> None:
    count, width = bands(threshold)
    assert count * width <= PERMUTATIONS
    assert 1 - (1 - threshold**width) ** count >= 0.95


def test_documents_share_a_band_key_only_where_they_agree_in_the_whole_band() -> None:
    rows = np.zeros((3, PERMUTATIONS), dtype=np.uint16)
    rows[1, 7] = 1
    rows[2, 8] = 1
    first, second = (band_keys(rows, band, 8) for band in (0, 1))
    assert first[0] == first[2] != first[1]
    assert second[0] == second[1] != second[2]
    assert first[0] != second[0]
