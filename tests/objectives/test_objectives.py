"""The contract of every objective on the menu."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unmask.architectures.modernbert import ModernBert
from unmask.masking import Masking
from unmask.objectives import OBJECTIVES
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.teaching import OwnTeacher

V = 40
MASKINGS = {"all rows alike": Masking(), "each row its own": Masking(ratio=0.99, ratio_end=0.01, schedule="uniform")}


@pytest.fixture(params=OBJECTIVES)
def objective(request):
    torch.manual_seed(0)
    encoder = ModernBert(layers=2, width=16, heads=2, feedforward=24, positions=64).build(V)
    made = OBJECTIVES.load(request.param)().build(encoder, V, torch.arange(V))
    if hasattr(made, "teacher"):
        teacher = ModernBert(layers=1, width=24, heads=2, feedforward=24, positions=64).build(V)
        made.teacher = OwnTeacher(MaskedLanguageModeling().build(teacher, V).requires_grad_(False))
    return made


@pytest.fixture(params=MASKINGS)
def batch(request, batch_of):
    return batch_of(12, MASKINGS[request.param])


def gradients(objective, *batches):
    """Of the summed losses of all batches, each part by its weight."""
    objective.zero_grad(set_to_none=True)
    for batch in batches:
        losses = objective(batch)
        sum(objective.weights[part] * loss for part, loss in losses.items()).backward()
    return {name: weight.grad for name, weight in objective.named_parameters()}


def test_counts_and_losses_name_the_same_parts_and_each_has_a_weight(objective, batch):
    assert objective.counts(batch).keys() == objective(batch).keys() == objective.weights.keys()


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_counts_and_summed_losses_of_two_parts_add_up_to_the_whole(objective, batch, cut):
    one, other = batch.part(0, cut), batch.part(cut, len(batch))
    whole, losses = objective.counts(batch), objective(batch)
    for part in whole:
        assert objective.counts(one)[part] + objective.counts(other)[part] == whole[part]
        torch.testing.assert_close(objective(one)[part] + objective(other)[part], losses[part])


def test_gradients_of_micro_batches_add_up_to_those_of_the_whole(objective, batch):
    whole = gradients(objective, batch)
    parts = gradients(objective, *(batch.part(start, start + 5) for start in range(0, len(batch), 5)))
    for name, gradient in whole.items():
        assert torch.allclose(parts[name], gradient, atol=2e-4, rtol=1e-4), name


def test_every_weight_gets_a_gradient_that_is_finite_and_not_zero(objective, batch):
    for name, gradient in gradients(objective, batch).items():
        assert gradient is not None, name
        assert gradient.isfinite().all(), name
        assert gradient.abs().sum() > 0, name


def test_losses_are_finite_sums_in_float32_and_not_negative(objective, batch):
    for loss in objective(batch).values():
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert loss >= 0


def test_the_order_of_the_places_has_no_part_in_the_loss(objective, batch):
    """Unused places stand first then."""
    before, after = objective(batch), objective(replace(batch, places=batch.places.flip(1)))
    for part, loss in before.items():
        torch.testing.assert_close(after[part], loss)


def test_predictions_are_float32_logits_at_the_asked_places(objective, batch):
    rows, columns = (batch.groups > 0).nonzero(as_tuple=True)
    with torch.no_grad():
        logits = objective.predict(batch.inputs, batch.groups, batch.positions, rows[:7], columns[:7])
    assert logits.shape == (7, V)
    assert logits.dtype == torch.float32
