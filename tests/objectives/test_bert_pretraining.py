"""BERT's pretraining: the sum of two losses, each as the stock class computes it."""

from __future__ import annotations

import pytest
import torch
from transformers import BertForMaskedLM, BertForPreTraining

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.batches import IGNORE
from unmask.config import changed
from unmask.errors import SettingError
from unmask.masking import Masking
from unmask.objectives.bert_pretraining import BertPretraining
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.recipes import RECIPES
from unmask.run import Run
from unmask.weights import load_objective, load_weights, save_objective

V = 40
IDS = {"pad": 0, "cls": 2, "sep": 3}
BERT = Bert(layers=2, width=16, heads=2, feedforward=24, positions=64)


def built(architecture=BERT):
    torch.manual_seed(0)
    objective = BertPretraining().build(architecture.build(V), V, torch.arange(V))
    with torch.no_grad():  # biases that are not zero, or a lost one would not show
        for name, weight in objective.named_parameters():
            if name.endswith("bias"):
                weight.add_(torch.randn_like(weight) * 0.1)
    return objective


def test_both_losses_equal_those_of_the_stock_class(tmp_path, batch_of):
    objective, batch = built(), batch_of(9, Masking())
    save_objective(tmp_path, BERT, objective.state_dict(), IDS)
    stock = BertForPreTraining.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        given = stock(input_ids=batch.inputs, attention_mask=batch.groups, token_type_ids=batch.types)
    tokens = torch.nn.functional.cross_entropy(
        given.prediction_logits.flatten(0, 1), batch.targets.flatten(), reduction="sum", ignore_index=IGNORE
    )
    pairs = torch.nn.functional.cross_entropy(given.seq_relationship_logits, batch.labels, reduction="sum")
    losses = objective(batch)
    torch.testing.assert_close(losses["masked"], tokens)
    torch.testing.assert_close(losses["pair"], pairs)
    assert objective.counts(batch) == {"masked": int((batch.targets != IGNORE).sum()), "pair": 9}


def test_a_saved_folder_is_a_masked_language_model_for_stock_and_for_us(tmp_path, batch_of):
    objective, batch = built(), batch_of(5, Masking())
    save_objective(tmp_path, BERT, objective.state_dict(), IDS)
    rows, columns = (batch.groups > 0).nonzero(as_tuple=True)
    given = (batch.inputs, batch.groups, batch.positions, rows, columns)
    with torch.no_grad():
        logits = objective.predict(*given)
        torch.testing.assert_close(load_objective(tmp_path).predict(*given), logits)
        stock = BertForMaskedLM.from_pretrained(tmp_path).eval()
        theirs = stock(input_ids=batch.inputs, attention_mask=batch.groups).logits[rows, columns]
    torch.testing.assert_close(theirs, logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", [BERT, ModernBert(layers=2, width=16, heads=2, feedforward=24, positions=64)])
def test_a_checkpoint_gives_back_both_heads(tmp_path, architecture):
    objective = built(architecture)
    save_objective(tmp_path, architecture, objective.state_dict(), IDS)
    fresh = BertPretraining().build(architecture.build(V), V)
    load_weights(fresh, tmp_path)
    for name, tensor in objective.state_dict().items():
        assert tensor.equal(fresh.state_dict()[name]), name


def test_a_model_trained_with_pairs_is_loaded_for_masked_words_without_a_warning(tmp_path, capsys):
    architecture = ModernBert(layers=2, width=16, heads=2, feedforward=24, positions=64)
    save_objective(tmp_path, architecture, built(architecture).state_dict(), IDS)
    fresh = MaskedLanguageModeling().build(architecture.build(V), V)
    load_weights(fresh, tmp_path)
    assert capsys.readouterr().err == ""


def test_the_segment_of_a_token_has_a_part_in_the_loss(batch_of):
    objective, batch = built(), batch_of(5, Masking())
    other = objective(batch.part(0, 5))
    moved = objective(type(batch)(**{**vars(batch), "types": 1 - batch.types}))
    assert abs(moved["masked"].item() - other["masked"].item()) > 1e-3


def test_rows_that_are_no_pairs_are_refused_with_the_setting():
    run = changed(Run(), data={"source": "texts"}, objective=BertPretraining(), training={"steps": 1})
    with pytest.raises(
        SettingError,
        match=r"objective=bert_pretraining needs pairs of segments: set data.packing=pairs .* or data.packing=swapped",
    ):
        run.checked()
    assert changed(run, data={"packing": "swapped"}).checked()


def test_the_recipe_asks_both_questions_of_a_bert():
    run = RECIPES.load("bert-pretraining")()
    assert isinstance(run.architecture, Bert)
    assert isinstance(run.objective, BertPretraining)
    assert run.data.packing == "pairs"
