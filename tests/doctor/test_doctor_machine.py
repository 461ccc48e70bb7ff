"""Estimates follow from the operations of a model: doubled text takes doubled time, a counted step agrees."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unmask.doctor.machine import Estimate, duration, estimates, operations_per_token
from unmask.recipes import RECIPES


def estimate(tokens: int, name: str) -> Estimate:
    return next(each for each in estimates(tokens) if each.recipe == name)


def test_a_pass_over_double_the_text_takes_double_the_time() -> None:
    once, twice = estimate(10**6, "modernbert"), estimate(2 * 10**6, "modernbert")
    assert once.passes == twice.passes == 1
    assert twice.seconds == pytest.approx(2 * once.seconds)


def test_a_budget_in_minutes_is_kept_and_double_the_text_is_seen_half_as_often() -> None:
    once, twice = estimate(10**6, "demo"), estimate(2 * 10**6, "demo")
    assert once.seconds == twice.seconds == 300
    assert once.passes == pytest.approx(2 * twice.passes, rel=0.01)


def test_text_that_goes_by_too_often_is_warned_of() -> None:
    assert estimate(1000, "demo").finding.level == "warning"
    assert "by heart" in estimate(1000, "demo").finding.mend


@pytest.mark.parametrize(("recipe", "ratio"), [("demo", 0.25), ("mae", 0.5), ("mae", 0.75)])
def test_the_operations_agree_with_those_that_a_step_really_runs(recipe: str, ratio: float) -> None:
    """Counted by PyTorch over forward and backward of one small batch."""
    from unmask.batches import Batch
    from unmask.masking import place_count
    from unmask.training.throughput import counted_flops

    run = RECIPES.load(recipe)()
    run = replace(run, masking=replace(run.masking, ratio=ratio, ratio_end=None))
    size, rows, length = 2048, 4, run.data.row_length
    torch.manual_seed(0)
    objective = run.objective.build(run.architecture.build(size), size)
    asked = place_count(length, ratio)
    tokens = torch.randint(5, size, (rows, length))
    places = torch.arange(asked).expand(rows, asked)
    batch = Batch(
        numbers=torch.arange(rows),
        inputs=tokens,
        targets=torch.full_like(tokens, -100).scatter(1, places, tokens[:, :asked]),
        groups=torch.ones_like(tokens),
        positions=torch.arange(length).expand(rows, length),
        places=places,
        maskable=torch.full((rows,), length),
        ratio=ratio,
    )
    counted = counted_flops(lambda: sum(objective(batch).values()).backward())
    predicted, parameters = operations_per_token(run, size)
    assert parameters == sum(weight.numel() for weight in objective.parameters())
    assert predicted * rows * length == pytest.approx(counted, rel=0.35)


def test_rates_that_move_or_are_drawn_count_by_their_mean() -> None:
    drawn = RECIPES.load("diffusion")()
    fixed = replace(drawn, masking=replace(drawn.masking, ratio=0.5, ratio_end=None, schedule="constant"))
    assert operations_per_token(drawn, 2048)[0] == pytest.approx(operations_per_token(fixed, 2048)[0], rel=1e-3)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "1 second"), (90, "90 seconds"), (600, "10.0 minutes"), (10**5, "27.8 hours")]
)
def test_durations_are_shown_in_the_unit_of_a_person(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
