"""Replaced-token detection: the paper's loss by hand, what is drawn, what counts as replaced, what is shared."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.recurrent import Lstm
from unmask.architectures.transformer import Transformer
from unmask.batches import IGNORE, Batch
from unmask.config import overridden
from unmask.errors import SettingError
from unmask.layers.heads import PredictionHead
from unmask.masking import Masking
from unmask.objectives.replaced_token_detection import (
    DetectionObjective,
    GeneratorObjective,
    ReplacedTokenDetection,
    narrowed,
    replacements,
)
from unmask.recipes import RECIPES
from unmask.run import Run

V = 40
MASKS_ALONE = Masking(ratio=0.15, ratio_end=None, mask_share=1.0, random_share=0.0)
SIZES = {"layers": 2, "width": 16, "heads": 2, "feedforward": 24, "positions": 64}
ENCODERS = {
    "bert": Bert(**SIZES),
    "modernbert": ModernBert(**SIZES),
    "transformer": Transformer(**SIZES),
    "prenorm": Transformer(**SIZES, norm="pre", position_kind="learned"),
    "lstm": Lstm(layers=2, width=16, state=12, positions=64),
}


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


def of_one_row() -> Batch:
    """Five tokens and one of padding; 0 and 2 are asked at columns 1 and 3, and the draws are 0.3 and 0.6."""
    targets = torch.full((1, 6), IGNORE)
    targets[0, 1], targets[0, 3] = 0, 2
    draws = torch.full((1, 6), 0.99)
    draws[0, 1], draws[0, 3] = 0.3, 0.6
    return Batch(
        numbers=torch.arange(1),
        inputs=torch.tensor([[3, 1, 3, 1, 3, 0]]),
        targets=targets,
        groups=torch.tensor([[1, 1, 1, 1, 1, 0]]),
        positions=torch.arange(6)[None],
        places=torch.tensor([[1, 3, 0]]),
        maskable=torch.tensor([3]),
        ratio=0.5,
        draws=draws,
    )


def test_the_loss_is_that_of_the_paper_on_an_example_worked_out_by_hand():
    """The generator gives 1/2, 1/4, 1/8, 1/8, the encoder holds every token for replaced with probability 1/4.

    Cumulated: 0.5, 0.75, 0.875, 1. The draw 0.3 gives token 0, the true one, so an original; 0.6 gives token 1 where 2
    was true, so a replacement. Generator: 1 bit and 3 bits. Encoder, over the five tokens: once -log(1/4), four times
    -log(3/4). With the paper's weight (its equation of the combined loss, section 3.1): 4/2 bits + 50 times a fifth.
    """
    objective = DetectionObjective(OneState(4), GeneratorObjective(OneState(4), 4, None), 50.0)
    with torch.no_grad():
        objective.generator.head.bias.copy_(torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 8]).log())
        objective.replaced.output.weight.zero_()
        objective.replaced.output.bias.fill_(math.log(1 / 3))
    batch = of_one_row()
    losses, counts = objective(batch), objective.counts(batch)
    assert losses["masked"].item() == pytest.approx(4 * math.log(2), rel=1e-6)
    assert losses["replaced"].item() == pytest.approx(math.log(4) + 4 * math.log(4 / 3), rel=1e-6)
    assert counts == {"masked": 2, "replaced": 5}
    combined = sum(objective.weights[part] * losses[part].item() / counts[part] for part in losses)
    assert combined == pytest.approx(2 * math.log(2) + 50 * (math.log(4) + 4 * math.log(4 / 3)) / 5, rel=1e-6)


@pytest.fixture(params=ENCODERS)
def objective(request):
    torch.manual_seed(0)
    return ReplacedTokenDetection().build(ENCODERS[request.param].build(V), V, torch.arange(V))


def test_both_losses_equal_the_formulas_written_out_in_numpy(objective, batch_of):
    """From the logits of the two models: log softmax, a draw from its cumulation, then binary cross-entropy."""
    batch = batch_of(9, MASKS_ALONE)
    with torch.no_grad():
        losses = objective(batch)
        logits = objective.generator.logits(batch.inputs, batch.groups, batch.positions).double().numpy()
        log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        tokens, targets = batch.inputs.clone().numpy(), batch.targets.numpy()
        masked, replaced = 0.0, np.zeros(tokens.shape)
        for row, column in zip(*np.nonzero(targets != IGNORE), strict=True):
            masked -= log_probabilities[row, column, targets[row, column]]
            cumulative = np.exp(log_probabilities[row, column]).cumsum()
            tokens[row, column] = np.searchsorted(cumulative, float(batch.draws[row, column]), side="right")
            replaced[row, column] = tokens[row, column] != targets[row, column]
        hidden = objective.encoder(torch.from_numpy(tokens), batch.groups, batch.positions)
        detection = 1 / (1 + np.exp(-objective.replaced(hidden).double().numpy()))
    assert replaced.sum() > 0
    each = -(replaced * np.log(detection) + (1 - replaced) * np.log(1 - detection))
    assert losses["masked"].item() == pytest.approx(masked, rel=1e-5)
    assert losses["replaced"].item() == pytest.approx(each[batch.groups.numpy() > 0].sum(), rel=1e-5)


def test_a_drawn_token_that_is_the_true_one_counts_as_original():
    batch = of_one_row()
    true, other = torch.tensor([[3, 0, 3, 2, 3, 0]]), torch.tensor([[3, 0, 3, 1, 3, 0]])
    assert not replacements(batch, true).any()
    assert replacements(batch, other).nonzero().tolist() == [[0, 3]]


def test_what_is_drawn_follows_from_the_batch_alone(objective, batch_of):
    batch = batch_of(6, MASKS_ALONE)
    first = objective(batch)
    torch.manual_seed(99)
    again, others = objective(batch), objective(replace(batch, draws=1 - batch.draws))
    assert first["replaced"].equal(again["replaced"])
    assert not first["replaced"].equal(others["replaced"])


def test_nothing_flows_from_the_detection_into_the_generator_but_through_the_embeddings(objective, batch_of):
    objective(batch_of(6, MASKS_ALONE))["replaced"].backward()
    shared = {id(parameter) for parameter in objective.encoder.parameters()}
    for name, parameter in objective.generator.named_parameters():
        assert (parameter.grad is not None) == (id(parameter) in shared), name


def test_the_two_share_all_that_comes_before_the_first_layer(objective):
    theirs = dict(objective.generator.encoder.named_parameters())
    embeddings = [name for name in dict(objective.encoder.named_parameters()) if "embedding" in name]
    for name in embeddings:
        assert theirs[name] is objective.encoder.get_parameter(name), name
    own = {
        name for name, parameter in theirs.items() if all(parameter is not p for p in objective.encoder.parameters())
    }
    assert {name.split(".")[0] for name in theirs} - {name.split(".")[0] for name in own} == {
        name.split(".")[0] for name in embeddings
    }


def test_the_generator_has_a_share_of_the_heads_and_of_all_channels():
    assert narrowed(Bert(), 0.25) == replace(Bert(), width=64, heads=1, feedforward=256)
    assert narrowed(ModernBert(heads=4, width=256), 0.5, layers=3) == replace(
        ModernBert(), layers=3, width=128, heads=2, feedforward=256
    )
    assert narrowed(Bert(width=32, heads=2, feedforward=64), 0.1).width == 16  # one head at least
    assert narrowed(Lstm(width=256, state=320), 0.25) == replace(Lstm(), width=64, state=80)


def test_a_generator_as_wide_as_the_encoder_needs_no_projection(batch_of):
    objective = ReplacedTokenDetection(generator_share=1.0).build(Bert(**SIZES).build(V), V)
    assert not any("embedding_projection" in name for name, _ in objective.named_parameters())
    assert all(loss.isfinite() for loss in objective(batch_of(3, MASKS_ALONE)).values())


def test_predictions_are_those_of_the_generator(objective, batch_of):
    batch = batch_of(4, MASKS_ALONE)
    rows, columns = (batch.targets != IGNORE).nonzero(as_tuple=True)
    with torch.no_grad():
        everywhere = objective.logits(batch.inputs, batch.groups, batch.positions)
        found = objective.predict(batch.inputs, batch.groups, batch.positions, rows, columns)
        state = objective.generator.encoder(batch.inputs, batch.groups, batch.positions)[rows, columns]
        by_hand = objective.generator.head(state, objective.encoder.embedding.weight)
    torch.testing.assert_close(found, everywhere[rows, columns], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found, by_hand, atol=1e-5, rtol=1e-4)


def test_the_recipe_is_a_bert_that_shows_masks_alone_at_fifteen_percent():
    run = RECIPES.load("electra")()
    assert isinstance(run.architecture, Bert)
    assert run.objective == ReplacedTokenDetection(generator_share=0.5, generator_layers=0, replaced_weight=50.0)
    assert (run.masking.ratio, run.masking.end, run.masking.mask_share) == (0.15, 0.15, 1.0)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("generator_share=0", "objective.generator_share=0.0: above 0 up to 1 is needed, e.g. 0.25"),
        ("generator_share=2", "objective.generator_share=2.0: above 0 up to 1 is needed, e.g. 0.25"),
        ("generator_layers=-1", "objective.generator_layers=-1: at least 1 is needed, or 0 for the encoder's"),
        ("replaced_weight=0", "objective.replaced_weight=0.0: more than 0 is needed, e.g. 50"),
    ],
)
def test_settings_that_make_no_generator_are_refused_in_one_line(setting, said):
    with pytest.raises(SettingError) as error:
        overridden(Run(), ["objective=replaced_token_detection", f"objective.{setting}"])
    assert str(error.value) == said
