"""A run that goes on from a model folder of a layout of ours: what it takes over, what is new, what is refused."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from unmask import run as runs
from unmask import stages
from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.recurrent import Gru
from unmask.architectures.transformer import Transformer
from unmask.batches import Batches
from unmask.config import changed
from unmask.errors import DataError, ModelError, SettingError, Stopped
from unmask.objectives.bert_pretraining import BertPretraining
from unmask.objectives.masked_autoencoding import MaskedAutoencoding
from unmask.objectives.masked_diffusion import MaskedDiffusion
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.recipes.continued import continued, name_of
from unmask.start import Start
from unmask.start.folder import put
from unmask.tokens.pairs import laid_out
from unmask.tokens.tokenizer import Tokenizer
from unmask.weights import load_objective, save_encoder, save_objective

SIZES = {"layers": 2, "width": 32, "heads": 2, "feedforward": 48, "positions": 64}
ENCODERS = {
    "bert": Bert(**SIZES),
    "modernbert": ModernBert(**SIZES, global_every=2),
    "transformer": Transformer(**SIZES, norm="pre", position_kind="learned"),
    "gru": Gru(layers=1, width=32, state=20, positions=64),
}


def saved(folder, store, objective):
    """A model folder with the tokenizer of the store."""
    tokenizer = store.tokenizer()
    ids = {"pad": tokenizer.pad_id, "cls": tokenizer.cls_id, "sep": tokenizer.sep_id, "mask": tokenizer.mask_id}
    folder.mkdir()
    save_objective(folder, objective.config, dict(objective.named_parameters()), ids)
    tokenizer.save(folder)
    return folder


def made(store, architecture, settings=None, rows=None):
    """An objective with random weights unlike those of any run."""
    torch.manual_seed(99)
    rows = rows or store.vocabulary_size
    return (settings or MaskedLanguageModeling()).build(
        architecture.build(rows), rows, mask_id=store.tokenizer().mask_id
    )


def begun(run, store, tmp_path):
    """The objective as a run begins with it."""
    run = runs.settled(run)
    objective = stages.objective(run, store, stages.Machine(torch.device("cpu"), torch.float32, 1))
    stages.begin(run, tmp_path / "run", store, objective)
    return dict(objective.named_parameters())


def started(run, folder, **sections):
    return changed(run, start={"model": str(folder)}, **sections)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_run_begins_with_the_architecture_and_the_very_weights_of_the_folder(name, run, store, tmp_path):
    objective = made(store, ENCODERS[name])
    folder = saved(tmp_path / "before", store, objective)
    run = started(run, folder, data={"packing": "document"})
    assert runs.settled(run).architecture == ENCODERS[name]
    weights = begun(run, store, tmp_path)
    for key, tensor in objective.named_parameters():
        assert weights[key].equal(tensor), key


def test_settling_twice_changes_nothing(run, store, tmp_path, capfd):
    folder = saved(tmp_path / "before", store, made(store, ENCODERS["bert"]))
    once = runs.settled(started(run, folder))
    assert f"the architecture is that of {folder}: bert" in capfd.readouterr().err
    assert runs.settled(once) == once
    assert "architecture" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "packing", "new", "unused"),
    [
        (MaskedLanguageModeling(), MaskedDiffusion(), "packed", "", ""),
        (MaskedLanguageModeling(), BertPretraining(), "pairs", "pair (4 weights)", ""),
        (MaskedLanguageModeling(), MaskedAutoencoding(), "packed", "decoder (9 weights)", ""),
        (BertPretraining(), BertPretraining(), "pairs", "", ""),
        (BertPretraining(), MaskedLanguageModeling(), "packed", "", "pair (4 weights)"),
        (MaskedAutoencoding(), MaskedLanguageModeling(), "packed", "", "decoder (9 weights)"),
        (MaskedAutoencoding(), MaskedAutoencoding(), "packed", "", ""),
    ],
)
def test_another_objective_keeps_what_both_have_and_names_the_rest(
    before, after, packing, new, unused, run, store, tmp_path, capfd
):
    objective = made(store, ENCODERS["bert"], before)
    folder = saved(tmp_path / "before", store, objective)
    weights = begun(started(run, folder, objective=after, data={"packing": packing}), store, tmp_path)
    assert ENCODERS["bert"] == runs.settled(started(run, folder)).architecture
    for key in dict(objective.named_parameters()).keys() & weights.keys():
        assert weights[key].equal(dict(objective.named_parameters())[key]), key
    said = " ".join(capfd.readouterr().err.split())
    assert (f"new and random: {new}" in said) if new else "random" not in said
    assert (f"weights without a place in this run: {unused}" in said) if unused else "without" not in said


def test_rows_of_the_embedding_that_no_token_has_are_left_out(run, store, tmp_path):
    objective = made(store, ENCODERS["bert"], rows=store.vocabulary_size + 8)
    folder = saved(tmp_path / "before", store, objective)
    weights = begun(started(run, folder), store, tmp_path)
    cut = objective.encoder.embedding.weight[: store.vocabulary_size]
    assert weights["encoder.embedding.weight"].equal(cut)
    assert weights["head.bias"].shape == (store.vocabulary_size,)


@pytest.mark.usefixtures("known_peak")
def test_a_run_goes_on_where_the_former_ended_and_resumes_without_its_folder(run, store, tmp_path, stop_at):
    runs.pretrain(changed(run, training={"evaluations": 1}), tmp_path / "before")
    run = started(run, tmp_path / "before", training={"steps": 4, "evaluations": 1})
    runs.pretrain(run, tmp_path / "whole")
    batch = Batches(laid_out(store, "train", 32, "packed", run.seed), run.masking, run.seed).at(
        0, 16, run.masking.ratio
    )
    objective = load_objective(tmp_path / "before" / "model")
    loss = objective(batch)["masked"].item() / objective.counts(batch)["masked"]
    first = json.loads((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()[0])["loss"]
    assert first == pytest.approx(loss, abs=1e-5)
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "parts", stop_at(2))
    (tmp_path / "before").rename(tmp_path / "moved")
    runs.resume(tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    for name, tensor in whole.items():
        assert tensor.equal(parts[name]), name


# ---------------------------------------------------------------- what is refused


def refused(run, store, folder, tmp_path, error, said):
    with pytest.raises(error, match=said):
        begun(started(run, folder), store, tmp_path)


def test_an_encoder_without_its_head_is_refused(run, store, tmp_path):
    objective, folder = made(store, ENCODERS["bert"]), tmp_path / "encoder"
    folder.mkdir()
    save_encoder(folder, ENCODERS["bert"], objective.state_dict(), {"pad": 0, "cls": 2, "sep": 3})
    store.tokenizer().save(folder)
    said = r"^\S+ is an encoder saved without its head, not a masked language model: give the folder of the \.\.\.For"
    refused(run, store, folder, tmp_path, ModelError, said)


def test_a_folder_that_is_missing_or_damaged_is_refused(run, store, tmp_path):
    refused(run, store, tmp_path / "nowhere", tmp_path, ModelError, "no such folder")
    folder = saved(tmp_path / "before", store, made(store, ENCODERS["bert"]))
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refused(run, store, folder, tmp_path, ModelError, r"model\.safetensors is damaged")


@pytest.mark.parametrize(
    "lost", ["bert.embeddings.position_embeddings.weight", "bert.encoder.layer.1.attention.self.key.bias"]
)
def test_a_weight_that_is_lacking_is_named(lost, run, store, tmp_path):
    folder = saved(tmp_path / "before", store, made(store, ENCODERS["bert"]))
    weights = load_file(folder / "model.safetensors")
    del weights[lost]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    refused(
        run,
        store,
        folder,
        tmp_path,
        ModelError,
        r"^\S+ lacks weights of its model: encoder\.\S+; copy or save it again$",
    )


def test_a_decoder_of_another_size_is_refused(run, store, tmp_path):
    folder = saved(tmp_path / "before", store, made(store, ENCODERS["bert"], MaskedAutoencoding()))
    run = changed(run, objective=MaskedAutoencoding(decoder_width=16, decoder_heads=2))
    said = r"^\S+: decoder\.\S+ has shape \(.*\), this run has \(.*\): set the sizes of the model it starts from$"
    refused(run, store, folder, tmp_path, ModelError, said)


def test_a_store_of_another_tokenizer_is_refused_with_the_command_that_makes_one(run, store, tmp_path):
    folder = saved(tmp_path / "before", store, made(store, ENCODERS["bert"]))
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"lowercase": false', '"lowercase": true'))
    assert Tokenizer.load(folder).fingerprint != store.tokenizer().fingerprint
    said = rf"unmask prepare TEXTS --to STORE tokenizer\.folder={folder}, then data\.store=STORE$"
    refused(run, store, folder, tmp_path, DataError, said)


def test_a_model_brings_its_own_embeddings():
    with pytest.raises(SettingError, match=r"^start\.model brings its own embeddings: leave out start\.vectors, or"):
        Start(model="runs/a", vectors="glove.txt")


# ---------------------------------------------------------------- unmask pretrain FOLDER


def test_text_is_prepared_with_the_tokenizer_of_the_model(run, store, tmp_path):
    folder = saved(tmp_path / "before", store, made(store, ENCODERS["bert"]))
    of_text = runs.settled(started(run, folder, data={"source": "texts/", "store": None}))
    assert of_text.tokenizer.folder == str(folder)
    assert runs.settled(started(run, folder)).tokenizer.folder is None


def test_a_folder_as_recipe_lowers_the_rates_of_the_run_that_made_it(run, store, tmp_path):
    folder = saved(tmp_path / "before", store, made(store, ENCODERS["gru"]))
    stranger = continued(str(folder))
    assert (stranger.name, stranger.optimizer.learning_rate) == ("before-continued", 1e-4)
    assert (stranger.data.packing, stranger.data.row_length) == ("document", 64)
    assert (stranger.training.batch_start, stranger.training.batch_ramp) == (1, 0)
    (folder / "run.json").write_text(json.dumps({"run": {"optimizer": {"name": "muon", "learning_rate": 0.02}}}))
    ours = continued(str(folder)).optimizer
    assert (ours.learning_rate, ours.adam_learning_rate) == (0.006, 0.0003)


@pytest.mark.parametrize("path", ["runs/a", "runs/a/", "runs/a/model", "/x/a/checkpoints/step-70", "someone/a"])
def test_a_continued_run_is_named_after_the_run_before(path):
    assert name_of(path) == "a"


def test_weights_are_put_into_any_objective_that_has_their_names(store):
    teacher, student = made(store, ENCODERS["bert"]), made(store, replace(ENCODERS["bert"], layers=1))
    weights = {name: 2 * tensor for name, tensor in teacher.named_parameters()}
    new, unused = put(student, weights, "teacher")
    assert new == []
    assert unused == sorted(name for name in weights if ".layers.1." in name)
    assert student.encoder.embedding.weight.equal(2 * teacher.encoder.embedding.weight)
