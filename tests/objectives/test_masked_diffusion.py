"""Masked diffusion: the weights of LLaDA and MDLM, by hand and in the mean."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.architectures.modernbert import ModernBert
from unmask.batches import IGNORE, Batch
from unmask.config import overridden
from unmask.errors import SettingError
from unmask.layers.heads import PredictionHead
from unmask.masking import Masking
from unmask.objectives.masked_diffusion import MaskedDiffusion
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.recipes import RECIPES
from unmask.run import Run

V = 40


class OneState(nn.Module):
    """An encoder that gives every place the same hidden state, and whose embedding is zero: logits are the bias."""

    prediction_head = PredictionHead

    def __init__(self, vocabulary_size: int, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(vocabulary_size, width)
        nn.init.zeros_(self.embedding.weight)

    def forward(self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor | None = None) -> Tensor:
        shape = tokens.shape if places is None else places.shape
        return torch.ones(*shape, self.width)


def of_two_rows() -> Batch:
    """[CLS] a b c d [SEP] with a and b asked; [CLS] a b c [SEP] [PAD] with c asked. a is token 0, d token 3."""
    targets = torch.full((2, 6), IGNORE)
    targets[0, 1], targets[0, 2], targets[1, 3] = 0, 1, 2
    groups = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]])
    return Batch(
        numbers=torch.arange(2),
        inputs=torch.zeros(2, 6, dtype=torch.long),
        targets=targets,
        groups=groups,
        positions=torch.arange(6).expand(2, 6),
        places=torch.tensor([[1, 2, 0], [3, 0, 0]]),
        maskable=torch.tensor([4, 3]),
        ratio=0.5,
    )


def knowing(probabilities: list[float], weighting: str):
    """An objective that gives every place these probabilities."""
    objective = MaskedDiffusion(weighting).build(OneState(len(probabilities)), len(probabilities))
    with torch.no_grad():
        objective.head.bias.copy_(torch.tensor(probabilities).log())
    return objective


def test_the_masked_share_of_a_batch_is_what_is_asked_of_what_could_be():
    assert of_two_rows().masked_share == 3 / 7


def test_each_row_counts_by_the_inverse_of_its_masked_share():
    """With probabilities 1/2, 1/4, 1/8, 1/8 a token costs 1, 2, 3, 3 bits.

    The first row asks 2 of its 4 tokens: (1 + 2) / (2/4) = 6 bits. The second asks 1 of 3: 3 / (1/3) = 9 bits. Over
    the seven tokens of both rows: 15/7 bits a token.
    """
    objective, batch = knowing([1 / 2, 1 / 4, 1 / 8, 1 / 8], "mdlm"), of_two_rows()
    assert objective(batch)["masked"].item() == pytest.approx(15 * math.log(2), rel=1e-6)
    assert objective.counts(batch) == {"masked": 7}


def test_without_weights_each_masked_token_counts_alike():
    objective, batch = knowing([1 / 2, 1 / 4, 1 / 8, 1 / 8], "none"), of_two_rows()
    assert objective(batch)["masked"].item() == pytest.approx(6 * math.log(2), rel=1e-6)
    assert objective.counts(batch) == {"masked": 3}


def test_the_weighted_loss_is_in_the_mean_the_loss_of_all_tokens(batch_of):
    """Of a model to which the context says nothing, every rate gives the cross-entropy of the rows' tokens."""
    masking = Masking(ratio=0.99, ratio_end=0.01, schedule="uniform", mask_share=1.0, random_share=0.0)
    probabilities = torch.arange(1, V + 1) / (V * (V + 1) / 2)
    objective, batch = knowing(probabilities.tolist(), "mdlm"), batch_of(4000, masking)
    tokens = torch.where(batch.targets == IGNORE, batch.inputs, batch.targets)
    # [MASK] (4) is never a true token: where it still stands it was restored above.
    ordinary = tokens[tokens > 4]
    assert objective.counts(batch) == {"masked": len(ordinary)}
    with torch.no_grad():
        mean = objective(batch)["masked"].item() / len(ordinary)
    assert mean == pytest.approx(-probabilities.log()[ordinary].mean().item(), rel=0.01)


def test_gradients_equal_those_of_the_formula_written_out(batch_of):
    """LLaDA's sum of cross-entropies over t, in plain torch, over the whole logits."""
    torch.manual_seed(0)
    encoder = ModernBert(layers=2, width=16, heads=2, feedforward=24, positions=64).build(V)
    objective = MaskedDiffusion().build(encoder, V, torch.arange(V))
    batch = batch_of(9, Masking(ratio=0.9, ratio_end=0.1, schedule="uniform"))
    hidden = encoder(batch.inputs, batch.groups, batch.positions)
    logits = objective.head(hidden, encoder.embedding.weight)
    formula = torch.zeros(())
    for targets, of_row, able in zip(batch.targets, logits, batch.maskable, strict=True):
        asked = targets != IGNORE
        formula = formula + F.cross_entropy(of_row[asked], targets[asked], reduction="sum") / (asked.sum() / able)
    weights = list(objective.parameters())
    ours = objective(batch)["masked"]
    torch.testing.assert_close(ours, formula)
    for mine, theirs in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(formula, weights), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-4, rtol=1e-4)


def test_at_one_rate_for_all_rows_the_unweighted_loss_is_that_of_masked_language_modelling(batch_of):
    batch = batch_of(9, Masking())
    losses = []
    for settings in (MaskedDiffusion("none"), MaskedLanguageModeling()):
        torch.manual_seed(0)
        encoder = ModernBert(layers=2, width=16, heads=2, feedforward=24, positions=64).build(V)
        losses.append(settings.build(encoder, V)(batch)["masked"])
    torch.testing.assert_close(*losses)


def test_a_row_in_which_nothing_can_be_masked_adds_nothing():
    objective, batch = knowing([0.25] * 4, "mdlm"), of_two_rows()
    empty = replace(batch, targets=torch.full_like(batch.targets, IGNORE), maskable=torch.tensor([0, 0])).part(0, 1)
    loss = objective(empty)["masked"]
    loss.backward()
    assert loss.item() == 0.0
    assert objective.counts(empty) == {"masked": 0}


def test_the_recipe_masks_every_share_and_shows_masks_alone():
    run = RECIPES.load("diffusion")()
    assert isinstance(run.objective, MaskedDiffusion)
    assert (run.masking.schedule, run.masking.mask_share, run.masking.random_share) == ("uniform", 1.0, 0.0)
    assert run.masking.ratio > 0.99
    assert run.masking.end < 0.01


def test_an_unknown_weighting_is_answered_with_the_nearest():
    with pytest.raises(SettingError, match=r"objective.weighting: unknown weighting 'mdml'; did you mean 'mdlm'\?"):
        overridden(Run(), ["objective=masked_diffusion", "objective.weighting=mdml"])
