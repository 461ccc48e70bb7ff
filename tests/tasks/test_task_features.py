"""Batches of rows of unlike lengths: every row once an epoch, padded to the longest, the same again on resume."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.batches import IGNORE
from unmask.tasks.features import ROUND_UP, Feature, FeatureBatches, by_length, collated


def feature(length, number=0, places=1):
    return Feature(
        number,
        np.full(length, 7, np.int32),
        np.zeros(length, np.int8),
        np.arange(places),
        np.arange(places),
        np.zeros(places, int),
    )


def features(lengths):
    return [feature(length, number) for number, length in enumerate(lengths)]


LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=90)


@given(LENGTHS, st.integers(1, 16), st.integers(0, 3))
def test_an_epoch_has_every_row_once(lengths, batch_size, epoch):
    batches = FeatureBatches(features(lengths), batch_size, 0, 0)
    count = len(lengths)
    assert sorted(batches.at(epoch * count, count).numbers.tolist()) == list(range(count))


@given(LENGTHS, st.integers(1, 16), st.integers(0, 200), st.integers(1, 20), st.integers(1, 20))
def test_a_step_does_not_depend_on_how_the_steps_before_were_cut(lengths, batch_size, sample, one, other):
    """What makes a resumed run, and one on several processes, see the same rows."""
    made = lambda: FeatureBatches(features(lengths), batch_size, 5, 0)  # noqa: E731
    whole = made().at(sample, one + other).numbers.tolist()
    again = made()
    again.at(0, 3)
    assert again.at(sample, one).numbers.tolist() + again.at(sample + one, other).numbers.tolist() == whole


def test_two_epochs_and_two_seeds_have_other_orders():
    rows = features([5] * 64)
    orders = {
        tuple(FeatureBatches(rows, 8, seed, 0).at(sample, 64).numbers.tolist())
        for seed, sample in [(0, 0), (0, 64), (1, 0)]
    }
    assert len(orders) == 3


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_rows_of_about_one_length_come_together_although_epochs_do_not_end_with_batches(epoch):
    lengths = np.random.default_rng(0).integers(1, 200, 1003)
    batches = FeatureBatches(features(lengths), 16, 0, 0)
    first = -(-epoch * 1003 // 16) * 16  # the first step that begins in this epoch
    spans = [np.ptp(lengths[batches.at(first + 16 * step, 16).numbers]) for step in range(60)]
    assert np.mean(spans) < 10  # drawn at random they would span some 180
    starts = [lengths[batches.at(first + 16 * step, 16).numbers].mean() for step in range(60)]
    assert np.abs(np.diff(starts)).mean() > 30, "lengths come in an order of their own"


def test_rows_are_padded_to_the_longest_of_their_batch_and_no_further():
    batch = collated(features([3, 11, 5]), np.arange(3), pad_id=9)
    assert batch.inputs.shape == (3, 16)
    assert ROUND_UP > 16 - 11
    assert batch.groups.sum(1).tolist() == [3, 11, 5]
    assert (batch.inputs[batch.groups == 0] == 9).all()
    assert batch.figures == {"padding": round(1 - 19 / 48, 4)}


def test_places_that_a_row_does_not_have_ask_nothing():
    batch = collated([feature(4, places=1), feature(4, places=3)], np.arange(2), 0)
    assert batch.targets.tolist() == [[0, IGNORE, IGNORE], [0, 1, 2]]


@given(LENGTHS, st.integers(1, 300))
def test_batches_for_prediction_hold_every_row_and_not_too_many_tokens(lengths, tokens):
    batches = by_length(features(lengths), tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for numbers in batches:
        assert len(numbers) == 1 or max(lengths[number] for number in numbers) * len(numbers) <= tokens
