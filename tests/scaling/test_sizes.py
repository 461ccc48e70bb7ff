"""The ladder of sizes, and the rules for batch and rates."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.architectures.modernbert import ModernBert, base, mini, small
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.recipes.modernbert import demo
from unmask.scaling.sizes import SIZES, Size, rows
from unmask.training.optimizers.muon import Muon, hidden_matrices


@pytest.mark.parametrize("size", SIZES[:4], ids=str)
def test_the_parameters_are_those_of_the_hidden_matrices(size):
    objective = MaskedLanguageModeling().build(size.architecture.build(64), 64)
    weights = dict(objective.named_parameters())
    assert size.parameters == sum(weights[name].numel() for name in hidden_matrices(objective))


def test_each_size_is_larger_than_the_one_before():
    ratios = [after.parameters / before.parameters for before, after in pairwise(SIZES)]
    assert all(1.3 < ratio < 2.7 for ratio in ratios)
    assert all(isinstance(size.architecture, ModernBert) for size in SIZES)


def test_the_named_sizes_of_modernbert_are_among_them():
    assert Size(6, 256).architecture == mini()
    assert Size(12, 384).architecture == small()
    assert Size(22, 768).architecture.heads == base().heads


def test_at_the_tuned_width_the_rates_are_those_of_muon():
    assert Size(6, 256).optimizer == Muon()


def test_the_rate_of_embeddings_falls_with_the_root_of_the_width_and_that_of_matrices_stays():
    wide, narrow = Size(6, 1024).optimizer, Size(6, 64).optimizer
    assert wide.adam_learning_rate == pytest.approx(Muon().adam_learning_rate / 2)
    assert narrow.adam_learning_rate == pytest.approx(Muon().adam_learning_rate * 2)
    assert wide.learning_rate == narrow.learning_rate == Muon().learning_rate


def test_the_batch_grows_with_the_root_of_the_tokens():
    assert rows(2_000_000, 128) == 64
    assert rows(8_000_000, 128) == 128
    assert rows(32_000_000, 256) == 128
    assert rows(8_000_000, 512) == 32


@given(st.floats(1, 1e13), st.sampled_from([32, 128, 512]))
def test_a_batch_is_a_multiple_of_eight_within_bounds(tokens, row_length):
    count = rows(tokens, row_length)
    assert count % 8 == 0
    assert 16 <= count <= 1024
    assert rows(2 * tokens, row_length) >= count


def test_the_demo_has_the_rates_of_its_size():
    size, run = Size(4, 192), demo()
    assert (run.architecture, run.optimizer) == (size.architecture, size.optimizer)
