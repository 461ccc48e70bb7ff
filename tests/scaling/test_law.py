"""The law: its shape, what repeated text is worth, and whether fitting finds again what made the points."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.scaling.fit import known
from unmask.scaling.law import (
    REPEATS,
    Law,
    Lines,
    Point,
    Scale,
    effective_tokens,
    fitted,
    left_out,
    residuals,
    root_mean_square,
    rounded,
)
from unmask.scaling.sizes import SIZES

TRUE = Law(level=-0.3, size_cost=0.15, size_power=0.5, size_growth=0.15, gain=0.25, start=0.2)
LINES = Lines(unigram=7.3, ngram=6.0)
UNIQUE = 1e9
SCALES = [Scale(n, d, UNIQUE) for n in (3e5, 1.5e6, 4e6, 12e6) for d in (1e6, 2e6, 4e6, 8e6)]


def points(noise: float = 0.0) -> list[Point]:
    draw = np.random.default_rng(0)
    return [Point(scale, LINES, TRUE.loss(scale, LINES) + noise * draw.standard_normal()) for scale in SCALES]


def test_the_law_is_a_line_in_what_was_read_and_what_a_size_lacks():
    # By hand: 4 M parameters, 8 M tokens of as many different ones.
    height = -0.3 - 0.25 * math.log(8.2) + 0.15 * 4**-0.5 * 8.2**0.15
    assert TRUE.height(Scale(4e6, 8e6, 8e6)) == pytest.approx(height)
    assert TRUE.loss(Scale(4e6, 8e6, 8e6), LINES) == pytest.approx(6.0 + 1.3 * height)


def test_a_size_that_is_full_neither_gains_nor_loses():
    # By hand: the slope in ln R is -0.25 + 0.2 * 0.5 R^0.2, which is 0 where R^0.2 is 2.5.
    small = replace(TRUE, size_cost=0.5, size_power=0.05, size_growth=0.2)
    full = 1e6 * 2.5**5
    heights = small.height(Scale(1e6, full * np.array([0.5, 1.0, 1.5, 100.0]), 1e12))
    assert heights[0] > heights[1]
    assert heights[1:] == pytest.approx(heights[1], abs=1e-3)
    never = replace(TRUE, size_growth=0.0)
    assert never.height(Scale(1e6, 1e10, 1e12)) < never.height(Scale(1e6, 1e9, 1e12))


@given(st.sampled_from(SIZES), st.floats(1e5, 1e11), st.floats(1.1, 10))
def test_of_the_sizes_there_are_none_is_expected_to_lose_by_reading_more_or_being_larger(size, tokens, more):
    law, unique = known().law, 1e12
    loss = law.loss(Scale(size.parameters, tokens, unique), LINES)
    assert law.loss(Scale(size.parameters, more * tokens, unique), LINES) <= loss + 1e-9
    assert law.loss(Scale(more * size.parameters, tokens, unique), LINES) <= loss + 1e-9


@given(st.floats(1e3, 1e10), st.floats(1e3, 1e12), st.floats(1e3, 1e12), st.floats(1.1, 10))
def test_more_of_anything_never_costs_and_no_loss_stands_above_the_unigram_line(parameters, tokens, unique, more):
    loss = TRUE.loss(Scale(parameters, tokens, unique), LINES)
    assert 0 <= loss <= LINES.unigram
    for scale in (Scale(more * parameters, tokens, unique), Scale(parameters, more * tokens, unique)):
        assert TRUE.loss(scale, LINES) <= loss + 1e-9
    assert TRUE.loss(Scale(parameters, tokens, more * unique), LINES) <= loss + 1e-9


@given(st.floats(1, 1e9), st.floats(0.01, 1))
def test_tokens_of_the_first_epoch_count_in_full(unique, share):
    assert effective_tokens(share * unique, unique) == pytest.approx(share * unique)


def test_repeated_tokens_count_less_and_less():
    # Muennighoff et al. 2023, eq. 5, by hand for four epochs: U + U R* (1 - exp(-3 / R*)).
    assert effective_tokens(4e6, 1e6) == pytest.approx(1e6 * (1 + 15.4 * (1 - math.exp(-3 / 15.4))))
    assert effective_tokens(4e6, 1e6) > 0.9 * 4e6
    assert effective_tokens(1e12, 1e6) == pytest.approx((1 + REPEATS) * 1e6)


def test_fitting_finds_the_law_that_made_the_points():
    found = fitted(points())
    unseen = [Scale(3e7, 3e7, UNIQUE), Scale(1e6, 1.6e7, UNIQUE), Scale(4e6, 5e5, UNIQUE)]
    for scale in [*SCALES, *unseen]:
        assert found.loss(scale, LINES) == pytest.approx(TRUE.loss(scale, LINES), abs=0.01)


def test_fitting_finds_a_gap_that_grows_and_what_a_run_begins_with():
    found = fitted(points())
    assert found.size_growth == pytest.approx(TRUE.size_growth, abs=0.05)
    assert found.start == pytest.approx(TRUE.start, abs=0.1)


def test_one_run_that_went_wrong_moves_the_law_little():
    spoiled = points()
    spoiled[5] = spoiled[5]._replace(loss=spoiled[5].loss + 0.5)
    off = residuals(fitted(spoiled), spoiled)
    assert off[5] == pytest.approx(0.5, abs=0.02)
    assert root_mean_square([one for number, one in enumerate(off) if number != 5]) < 0.01


def test_the_error_for_runs_left_out_is_that_of_the_noise():
    noisy = points(noise=0.01)
    assert 0.005 < root_mean_square(left_out(noisy, fitted(noisy))) < 0.03


def test_points_of_several_texts_lie_on_one_law_between_their_own_lines():
    easy = Lines(unigram=6.5, ngram=4.0)
    mixed = [Point(s, LINES if n % 2 else easy, TRUE.loss(s, LINES if n % 2 else easy)) for n, s in enumerate(SCALES)]
    assert root_mean_square(residuals(fitted(mixed), mixed)) < 0.01


def test_the_usual_error_is_the_root_of_the_mean_square():
    assert root_mean_square([3.0, -4.0]) == pytest.approx(math.sqrt(12.5))
    assert root_mean_square([]) == 0.0


def test_rounding_keeps_four_digits():
    assert rounded(Law(-1.23456, 0.0123456, 1, 0, 3, 0.2)) == Law(-1.235, 0.01235, 1, 0, 3, 0.2)
