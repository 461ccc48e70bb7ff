"""What is expected of each size in a given time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unmask.scaling.candidates import MOST_A_PARAMETER, Plan, candidates
from unmask.scaling.law import Law, Lines, Scale
from unmask.scaling.sizes import SIZES, rows

LAW = Law(level=-0.3, size_cost=0.15, size_power=0.5, size_growth=0.15, gain=0.25, start=0.2)
LINES = Lines(unigram=7.3, ngram=6.0)
PLAN = Plan(seconds=600, row_length=128, unique=1_000_000_000, evaluated=200_000)


def test_every_size_is_considered_and_the_lowest_loss_comes_first(speed):
    found = candidates(LAW, LINES, speed, replace(PLAN, seconds=60))
    assert {candidate.size for candidate in found} == set(SIZES)
    assert [candidate.loss for candidate in found] == sorted(candidate.loss for candidate in found)
    for candidate in found:
        scale = Scale(candidate.size.parameters, max(1.0, candidate.tokens), PLAN.unique)
        assert candidate.loss == pytest.approx(LAW.loss(scale, LINES))


def test_what_is_read_fills_the_time_beside_the_evaluations(speed):
    for candidate in candidates(LAW, LINES, speed, PLAN):
        assert candidate.steps == pytest.approx(candidate.tokens / (candidate.rows * PLAN.row_length))
        training = candidate.steps * speed.step_seconds(candidate.size, candidate.rows)
        a_token = speed.learning_seconds(candidate.size, candidate.rows) / (candidate.rows * PLAN.row_length)
        assert training + PLAN.evaluated * a_token / 3 == pytest.approx(PLAN.seconds)


def test_a_batch_that_grows_takes_more_steps_for_fewer_tokens(speed):
    plan = replace(PLAN, batch_start=0.5, batch_ramp=1.0, evaluated=0)
    for candidate in candidates(LAW, LINES, speed, plan)[:5]:
        half, full = (speed.step_seconds(candidate.size, rows) for rows in (candidate.rows // 2, candidate.rows))
        assert plan.seconds / full < candidate.steps < plan.seconds / half
        rows_a_step = candidate.tokens / candidate.steps / plan.row_length
        assert candidate.rows / 2 < rows_a_step < candidate.rows


def test_the_rows_at_each_moment_are_those_that_training_takes():
    plan = replace(PLAN, batch_start=0.125, batch_ramp=0.5)
    assert plan.growing(64) == [8, 16, 24, 32, 40, 48, 56, 64] + 8 * [64]


def test_batch_and_tokens_agree_with_the_rule(speed):
    for candidate in candidates(LAW, LINES, speed, PLAN):
        assert abs(rows(candidate.tokens, PLAN.row_length) - candidate.rows) <= 8


def test_more_time_never_chooses_a_smaller_model_and_ends_lower(speed):
    best = [candidates(LAW, LINES, speed, replace(PLAN, seconds=60 * minutes))[0] for minutes in (1, 10, 100, 1000)]
    sizes = [candidate.size.parameters for candidate in best]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert [candidate.loss for candidate in best] == sorted((candidate.loss for candidate in best), reverse=True)


def test_a_size_that_would_read_too_much_for_its_parameters_is_left_out(speed):
    plan = replace(PLAN, seconds=1e6)
    found = candidates(LAW, LINES, speed, plan)
    smallest = min(candidate.size.parameters for candidate in found)
    assert 0 < len(found) < len(SIZES)
    assert all(size in {candidate.size for candidate in found} for size in SIZES if size.parameters >= smallest)
    assert all(candidate.tokens <= MOST_A_PARAMETER * candidate.size.parameters for candidate in found)
    again = candidates(LAW, LINES, speed, replace(plan, unique=1_000_000))  # read again, which counts less
    assert len(again) > len(found)
    (largest,) = candidates(LAW, LINES, speed, replace(PLAN, seconds=1e12, unique=10**15))
    assert largest.size == SIZES[-1]


def test_a_small_text_read_many_times_is_worth_less_than_a_large_one(speed):
    small = candidates(LAW, LINES, speed, replace(PLAN, seconds=6000, unique=300_000))
    large = candidates(LAW, LINES, speed, replace(PLAN, seconds=6000))
    assert small[0].loss > large[0].loss + 0.01


def test_a_time_that_the_evaluations_eat_up_leaves_no_tokens(speed):
    found = candidates(LAW, LINES, speed, replace(PLAN, seconds=0.1))
    assert all(candidate.tokens == 0 for candidate in found)
