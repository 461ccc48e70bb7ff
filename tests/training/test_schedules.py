"""Schedules as functions of the share of the budget that is spent."""

from dataclasses import make_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.config import overridden
from unmask.errors import SettingError
from unmask.run import Run
from unmask.tasks.settings import Finetuning
from unmask.training.schedules import SCHEDULES, Budget, Cosine, Linear, Spent, Trapezoid, ramped
from unmask.training.settings import Training


@pytest.mark.parametrize("name", list(SCHEDULES))
@given(progress=st.floats(0, 1))
def test_every_schedule_stays_between_zero_and_the_peak_and_ends_at_its_final_value(name, progress):
    schedule = SCHEDULES.load(name)(final=0.1)
    assert 0 <= schedule.multiplier(progress) <= 1
    assert schedule.multiplier(1.0) == pytest.approx(0.1)


def test_the_trapezoid_by_hand():
    schedule = Trapezoid(warmup=0.1, decay=0.4)
    shares = [schedule.multiplier(progress) for progress in (0.05, 0.1, 0.5, 0.6, 0.8, 0.9, 1.0)]
    assert shares == pytest.approx([0.501, 1, 1, 1, 0.5, 0.25, 0], abs=1e-9)


def test_linear_and_cosine_by_hand():
    assert Linear(warmup=0.0).multiplier(0.25) == pytest.approx(0.75)
    assert Cosine(warmup=0.0).multiplier(0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("assigned", "budget"),
    [
        ([], Budget(epochs=3.0)),
        (["training.minutes=5"], Budget(minutes=5.0)),
        (["training.epochs=2"], Budget(epochs=2.0)),
        (["training.minutes=none", "training.batch_size=8"], Budget(epochs=3.0)),
        (["training.epochs=none", "training.steps=4"], Budget(steps=4)),
    ],
)
def test_a_budget_that_is_assigned_takes_the_place_of_the_one_that_was_there(assigned, budget):
    start = make_dataclass("Start", [("training", Training, Training(epochs=3.0))], frozen=True)()
    assert overridden(start, assigned).training.budget == budget


def test_a_budget_is_one_of_five():
    spent = Spent(step=5, samples=50, tokens=500, seconds=30.0, flops=1e9)
    assert Budget(steps=10).progress(spent, rows=100) == 0.5
    assert Budget(epochs=2).progress(spent, rows=100) == 0.25
    assert Budget(tokens=1000).progress(spent, rows=100) == 0.5
    assert Budget(flops=2e9).progress(spent, rows=100) == 0.5
    assert Budget(minutes=1).progress(spent, rows=100) == 0.5
    with pytest.raises(SettingError, match="tokens, minutes, flops is needed, steps and tokens given"):
        Budget(steps=1, tokens=1)


@given(size=st.integers(1, 4096), start=st.floats(0.01, 1), ramp=st.floats(0.01, 1), progress=st.floats(0, 1))
def test_a_ramped_batch_has_rows_and_never_more_than_the_batch_size(size, start, ramp, progress):
    rows = ramped(size, start, ramp, progress)
    assert 1 <= rows <= size
    assert ramped(size, start, ramp, 1.0) == size


def test_a_batch_grows_linearly_in_steps_of_eight_rows():
    assert [ramped(64, 0.25, 0.5, progress) for progress in (0, 0.125, 0.25, 0.5, 0.9)] == [16, 32, 40, 64, 64]


def test_a_ramp_begins_with_eight_rows_where_there_are_as_many():
    assert [ramped(size, 0.125, 1.0, 0.0) for size in (4, 8, 32, 64, 128)] == [4, 8, 8, 8, 16]


@given(size=st.integers(8, 512), start=st.floats(0.1, 1), ramp=st.floats(0, 1))
def test_the_mean_batch_is_that_of_all_steps(size, start, ramp):
    training = Training(steps=1, batch_size=size, batch_start=start, batch_ramp=ramp)
    steps = [ramped(size, start, ramp, step / 1000) for step in range(1000)]
    assert abs(sum(steps) / len(steps) - training.mean_batch) <= 4.5  # rounded to 8 rows


def test_a_fresh_run_begins_with_few_rows_and_a_fine_tuning_does_not():
    assert (Run().training.batch_start, Run().training.batch_ramp) == (0.125, 1.0)
    assert Finetuning().training.mean_batch == Finetuning().training.batch_size
