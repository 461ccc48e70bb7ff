"""Randomness without state: pure functions of what they belong to, uniform, and bijective where they permute."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unmask.seeding import keys, permuted, text_key, uniforms

_MASK = (1 << 64) - 1


def splitmix(words: list[int]) -> int:
    """The mixer in plain whole numbers, as Steele, Lea and Flood print it."""
    state = 0
    for word in words:
        state = ((state ^ word) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5))
def test_keys_are_splitmix_of_the_words_in_order(words: list[int]):
    assert int(keys(*words)) == splitmix(words)


@given(st.integers(0, 2**32), st.integers(0, 100), st.integers(0, 1000))
def test_a_key_does_not_depend_on_the_batch_it_is_computed_in(seed: int, epoch: int, first: int):
    rows, positions = np.arange(first, first + 7), np.arange(16)
    together = keys(seed, epoch, rows[:, None], positions[None, :])
    assert together.shape == (7, 16)
    assert together.dtype == np.uint64
    for number, row in enumerate(rows):
        assert (keys(seed, epoch, row, positions) == together[number]).all()


def test_keys_of_different_places_differ():
    made = keys(7, 0, np.arange(1000)[:, None], np.arange(128)[None, :])
    assert np.unique(made).size == made.size
    assert int(keys(1, 2)) != int(keys(2, 1))


def test_uniforms_lie_in_the_unit_interval_and_fill_it_evenly():
    drawn = uniforms(keys(3, np.arange(200_000)))
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = np.histogram(drawn, bins=100, range=(0, 1))[0]
    # Chi-square with 99 degrees of freedom: over 160 happens by chance once in ten thousand seeds, and the seed stands.
    assert ((counts - 2000) ** 2 / 2000).sum() < 160
    assert uniforms(np.array([2**64 - 1], dtype=np.uint64))[0] < 1


@given(st.integers(1, 3000), st.integers(0, 2**63 - 1), st.integers(0, 50))
def test_a_permutation_takes_every_number_to_its_own_place(size: int, seed: int, epoch: int):
    assert (np.sort(permuted(np.arange(size), size, seed, epoch)) == np.arange(size)).all()


@given(st.integers(1, 10**12), st.integers(0, 1000))
def test_a_permutation_of_any_size_stays_in_range_and_is_computed_one_by_one(size: int, seed: int):
    index = np.unique(np.linspace(0, size - 1, 20).astype(np.int64))
    places = permuted(index, size, seed)
    assert ((places >= 0) & (places < size)).all()
    assert np.unique(places).size == index.size
    assert [int(permuted(np.array([number]), size, seed)[0]) for number in index] == places.tolist()


def test_another_epoch_is_another_order():
    first, second = (permuted(np.arange(1000), 1000, 5, epoch) for epoch in (0, 1))
    assert (first == second).mean() < 0.02
    assert (first == np.arange(1000)).mean() < 0.02


def test_text_keys_are_the_same_in_every_process():
    code = "from unmask.seeding import text_key; print(text_key('wörd', 3, '\\ud800'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == text_key("wörd", 3, "\ud800")


def test_text_keys_tell_where_one_part_ends():
    assert text_key("ab", "c") != text_key("a", "bc")
