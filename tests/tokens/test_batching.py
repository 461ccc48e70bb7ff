"""Rows of mixed length in batches: all of them, so many tokens, and hardly any padding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unmask.tokens.batching import ENOUGH, PADDING, batches


@given(st.lists(st.integers(1, 90), min_size=1, max_size=60), st.integers(1, 900), st.integers(1, 20))
def test_batches_hold_every_row_once_and_hardly_any_padding(lengths, tokens, rows):
    given_lengths = np.array(lengths)
    made = list(batches(given_lengths, tokens, rows))
    assert sorted(np.concatenate(made).tolist()) == list(range(len(lengths)))
    for numbers in made:
        inside = given_lengths[numbers]
        assert len(numbers) <= rows
        assert len(numbers) == 1 or len(numbers) * inside.max() <= tokens
        small = len(numbers) * inside.max() <= ENOUGH
        assert small or inside.max() <= (1 + PADDING) * inside.min()


def test_short_rows_of_unlike_length_share_a_batch():
    assert len(list(batches(np.arange(3, 9), tokens=2048))) == 1
