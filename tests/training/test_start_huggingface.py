"""Masked language models of transformers that we have no class of: begun with, trained, saved, loaded again.

The references are the stock classes themselves, with random weights.
"""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file

from unmask import run as runs
from unmask.architectures import huggingface
from unmask.architectures.huggingface import HuggingFace
from unmask.batches import IGNORE, Batches
from unmask.config import changed
from unmask.errors import ModelError, SettingError, Stopped
from unmask.models import load
from unmask.objectives.masked_autoencoding import MaskedAutoencoding
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.recipes.continued import continued
from unmask.start.folder import architecture_of, begin_from
from unmask.tokens.pairs import laid_out
from unmask.training.optimizers.muon import hidden_matrices
from unmask.training.precision import Masters

pytestmark = pytest.mark.usefixtures("known_peak")

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
POSITIONS = 65  # of RoBERTa's family the one of padding is not for tokens
KINDS = {
    "roberta": (transformers.RobertaConfig, {"max_position_embeddings": POSITIONS}, 64),
    "xlm-roberta": (transformers.XLMRobertaConfig, {"max_position_embeddings": POSITIONS}, 64),
    "distilbert": (transformers.DistilBertConfig, {"max_position_embeddings": 64}, 64),
    "electra": (transformers.ElectraConfig, {"embedding_size": 24, "max_position_embeddings": 64}, 64),
    "deberta-v2": (
        transformers.DebertaV2Config,
        {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
        512,
    ),
}


def stock_config(kind, store, **changes):
    config_class, settings, _ = KINDS[kind]
    tokenizer = store.tokenizer()
    ids = {"pad_token_id": tokenizer.pad_id, "bos_token_id": tokenizer.cls_id, "eos_token_id": tokenizer.sep_id}
    return config_class(**SIZES | ids | {"vocab_size": store.vocabulary_size} | settings | changes)


def saved(folder, kind, store, model_class=transformers.AutoModelForMaskedLM, **changes):
    """A folder of a stock model with random weights, large enough to be felt, and the tokenizer of the store."""
    torch.manual_seed(5)
    model = model_class.from_config(stock_config(kind, store, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    store.tokenizer().save(folder)
    return folder, model


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def run(run):
    return changed(run, data={"packing": "document"}, training={"steps": 3, "evaluations": 1})


def begun(folder, store):
    """The objective of a run that starts from the folder."""
    size = store.vocabulary_size
    objective = MaskedLanguageModeling().build(architecture_of(folder).build(size), size, torch.ones(size))
    begin_from(objective, folder, store)
    return objective


def batch_of(store, run):
    return Batches(laid_out(store, "train", 32, "document", run.seed), run.masking, run.seed).at(0, 8, 0.3)


def test_it_begins_with_the_loss_and_the_logits_of_the_stock_class(kind, run, store, tmp_path):
    folder, model = saved(tmp_path / "stock", kind, store)
    objective, batch = begun(folder, store).eval(), batch_of(store, run)
    labels = batch.targets.where(batch.targets != IGNORE, -100)
    with torch.no_grad():
        expected = model(input_ids=batch.inputs, attention_mask=(batch.groups > 0).long(), labels=labels)
        loss = objective(batch)["masked"].item() / objective.counts(batch)["masked"]
        row, column = (batch.targets != IGNORE).nonzero(as_tuple=True)
        logits = objective.predict(batch.inputs, batch.groups, batch.positions, row, column)
    assert loss == pytest.approx(expected.loss.item(), abs=1e-5)
    torch.testing.assert_close(logits, expected.logits[row, column], atol=1e-5, rtol=1e-5)
    assert objective.config.positions == KINDS[kind][2]


def test_its_trained_folder_gives_the_same_logits_in_the_stock_class(kind, run, store, tmp_path):
    folder, model = saved(tmp_path / "stock", kind, store)
    outcome = runs.pretrain(changed(run, start={"model": str(folder)}), tmp_path / "run")
    trained, report = transformers.AutoModelForMaskedLM.from_pretrained(
        outcome.folder / "model", output_loading_info=True
    )
    assert type(trained) is type(model)
    assert not any(report[part] for part in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    before, after = dict(model.named_parameters()), dict(trained.named_parameters())
    assert before.keys() == after.keys()
    assert sum(not before[name].equal(after[name]) for name in before) > len(before) / 2
    batch = batch_of(store, run)
    row, column = batch.groups.nonzero(as_tuple=True)
    with torch.no_grad():
        expected = trained(input_ids=batch.inputs, attention_mask=(batch.groups > 0).long()).logits[row, column]
    logits = load(outcome.folder).predict(batch.inputs, batch.groups, row, column)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["roberta", "deberta-v2"])
def test_a_run_stopped_and_resumed_without_the_folder_equals_one_never_stopped(kind, run, store, tmp_path, stop_at):
    folder, _ = saved(tmp_path / "stock", kind, store)
    run = changed(run, start={"model": str(folder)})
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "parts", stop_at(2))
    folder.rename(tmp_path / "moved")
    runs.resume(tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    for name, tensor in whole.items():
        assert tensor.equal(parts[name]), name


def test_bf16_gives_about_the_loss_of_float32_and_a_gradient_for_every_weight(kind, run, store, tmp_path):
    objective, batch = begun(saved(tmp_path / "stock", kind, store)[0], store).eval(), batch_of(store, run)
    precise = objective(batch)["masked"].item()
    masters = Masters(objective, torch.bfloat16)
    loss = objective(batch)["masked"]
    loss.backward()
    masters.collect(first=True)
    assert loss.item() == pytest.approx(precise, rel=0.02)
    still = [name for name, gradient in masters.gradient_views.items() if not gradient.any()]
    assert all("key" in name and "bias" in name for name in still)  # softmax does not feel the bias of keys


def test_muon_takes_the_matrices_of_layers_and_leaves_tables_and_projections(kind, store, tmp_path):
    objective = begun(saved(tmp_path / "stock", kind, store)[0], store)
    taken, weights = hidden_matrices(objective), dict(objective.named_parameters())
    assert taken.keys() <= weights.keys()
    assert all(weights[name].dim() == 2 and store.vocabulary_size not in weights[name].shape for name in taken)
    # query, key, value, output, and two of the feed-forward; DeBERTa's keys and queries of positions
    assert sum("layer.0" in name for name in taken) == (8 if kind == "deberta-v2" else 6)


def test_a_projection_that_is_not_tied_is_no_hidden_matrix_either(store, tmp_path):
    folder, model = saved(tmp_path / "stock", "distilbert", store, tie_word_embeddings=False)
    objective = begun(folder, store)
    assert objective.encoder.projection.weight.equal(model.vocab_projector.weight)
    assert "encoder.model.vocab_projector.weight" in dict(objective.named_parameters())
    assert "encoder.model.vocab_projector.weight" not in hidden_matrices(objective)


def test_logits_in_chunks_give_the_same_loss_and_gradients(run, store, tmp_path, monkeypatch):
    folder, _ = saved(tmp_path / "stock", "electra", store)
    found = []
    for chunk in (1 << 30, 7 * store.vocabulary_size):
        monkeypatch.setattr(huggingface, "CHUNK_LOGITS", chunk)
        objective, batch = begun(folder, store).eval(), batch_of(store, run)
        loss = objective(batch)["masked"]
        loss.backward()
        found.append((loss.detach(), objective.encoder.embedding.weight.grad))
    torch.testing.assert_close(found[0], found[1])


# ---------------------------------------------------------------- the run around it


def test_a_folder_as_recipe_reads_a_document_a_row_and_learns_by_adam(store, tmp_path):
    folder, _ = saved(tmp_path / "roberta-tiny", "roberta", store)
    run = continued(str(folder))
    assert isinstance(run.architecture, HuggingFace)
    assert (run.name, run.data.packing, run.data.row_length) == ("roberta-tiny-continued", "document", 64)
    assert run.optimizer.learning_rate == 1e-4
    assert json.loads(run.architecture.config)["hidden_size"] == 32
    assert run.architecture.layers == 2


def refused(run, folder, error, said):
    with pytest.raises(error, match=said):
        runs.settled(changed(run, start={"model": str(folder)}))


def test_what_is_no_masked_language_model_is_refused(run, store, tmp_path):
    config = transformers.GPT2Config(n_embd=16, n_layer=1, n_head=1, vocab_size=store.vocabulary_size)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    refused(run, tmp_path / "gpt2", ModelError, r"gpt2 holds a 'gpt2' model, which has no masked-LM head: give a BERT")


def test_an_encoder_without_its_head_is_refused_before_anything_is_made(run, store, tmp_path):
    folder, _ = saved(tmp_path / "encoder", "roberta", store, transformers.AutoModel)
    said = r"lacks weights of its masked-LM model: lm_head\.\S+.*; an encoder saved without its head cannot fill blanks"
    refused(run, folder, ModelError, said)
    with pytest.raises(ModelError):
        runs.pretrain(changed(run, start={"model": str(folder)}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_that_a_stock_class_cannot_serve_are_named(run, store, tmp_path):
    folder, _ = saved(tmp_path / "stock", "roberta", store)
    packed = changed(run, data={"packing": "packed"})
    said = r"^data\.packing=packed: architecture=huggingface cannot keep .*; set data\.packing=document$"
    refused(packed, folder, SettingError, said)
    refused(
        changed(run, objective=MaskedAutoencoding()), folder, SettingError, "architecture=huggingface cannot be told"
    )
    with pytest.raises(
        SettingError, match=r"^architecture=huggingface is that of a model folder: set start\.model=FOLDER$"
    ):
        changed(run, architecture=HuggingFace()).checked()
    objective, batch = begun(folder, store), batch_of(store, run)
    groups = batch.groups.clone()
    groups[0, 5:9] = 2
    with pytest.raises(
        SettingError, match=r"^data\.packing=packed: a roberta model of transformers .*; set data\.pack"
    ):
        objective.encoder(batch.inputs, groups, batch.positions)


def test_a_model_of_fewer_tokens_than_the_store_is_refused(store, tmp_path):
    folder, _ = saved(tmp_path / "stock", "roberta", store, vocab_size=store.vocabulary_size - 1)
    with pytest.raises(ModelError, match=r"^the store has \d+ tokens but the model only \d+: prepare the text with"):
        architecture_of(folder).build(store.vocabulary_size)
