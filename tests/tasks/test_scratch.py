"""Starting from random weights: drawn as the class of the model draws them; nothing is left of the pretraining."""

import json

import pytest
import torch
import transformers as hf

from unmask import weights as folders
from unmask.errors import SettingError
from unmask.tasks.decoding import Decoding
from unmask.tasks.embedder import EmbeddingModel
from unmask.tasks.finetuning import finetune
from unmask.tasks.models import Base
from unmask.tasks.scratch import draw_weights
from unmask.tasks.sequences import SequenceModel


def drawn(module, folder, seed=7):
    torch.manual_seed(seed)
    draw_weights(module, folder)
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["modernbert", "bert", "lstm"])
def test_an_encoder_of_ours_is_what_its_architecture_builds(name, folder_of, tokenizer):
    base = Base.of(folder_of(name))
    state = drawn(base.labeller("row", ("no", "yes"), "auto", 0.0, None).module, base.folder)
    torch.manual_seed(7)
    built = folders.architecture_in(base.folder).build(tokenizer.vocabulary_size).state_dict()
    assert same({key: state[f"encoder.{key}"] for key in built}, built)
    assert not same(built, folders.load_encoder(base.folder).state_dict())


def test_a_stock_model_is_what_its_class_makes_of_the_configuration(folder_of):
    base = Base.of(folder_of("gpt2"))
    labels = ("a", "b", "c")
    state = drawn(base.labeller("token", labels, "auto", 0.0, None).module, base.folder)
    torch.manual_seed(7)
    stock = hf.GPT2ForTokenClassification(hf.AutoConfig.from_pretrained(base.folder, num_labels=3))
    assert same({key.removeprefix("module."): tensor for key, tensor in state.items()}, stock.state_dict())


def test_a_model_that_writes_loses_its_trained_head_as_well(folder_of):
    base = Base.of(folder_of("modernbert"))
    model = SequenceModel.of(base, Decoding())
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    after = drawn(model.module, base.folder)
    assert [name for name in before if before[name].dim() > 1 and torch.equal(before[name], after[name])] == []
    assert any(name.startswith("head.") for name in before)


@pytest.mark.parametrize("name", ["modernbert", "distilbert"])
def test_vectors_start_from_another_encoder(name, folder_of):
    model = EmbeddingModel.load(folder_of(name))
    before = model.embed(["the film was good"])
    drawn(model.module, model.base.folder)
    assert abs(model.embed(["the film was good"]) - before).max() > 1e-2


def test_a_seed_draws_the_same_weights_and_another_seed_others(folder_of):
    base = Base.of(folder_of("modernbert"))
    module = base.labeller("row", ("no", "yes"), "auto", 0.0, None).module
    assert same(drawn(module, base.folder, 1), drawn(module, base.folder, 1))
    assert not same(drawn(module, base.folder, 1), drawn(module, base.folder, 2))


def test_a_run_from_random_weights_says_so_and_comes_to_other_weights(tuning, tmp_path, capsys):
    steps = ("training.steps=2", "training.evaluations=1")
    first = finetune(tuning("modernbert", "classification", "start=random", *steps), tmp_path / "random")
    assert "all weights start at random" in capsys.readouterr().err
    other = finetune(tuning("modernbert", "classification", *steps), tmp_path / "pretrained")
    assert json.loads((first.folder / "run.json").read_text())["run"]["start"] == "random"
    ones, others = (folders.read_weights(each.folder / "model") for each in (first, other))
    name = "model.embeddings.tok_embeddings.weight"
    assert (ones[name] - others[name]).abs().mean() > 0.02  # the noise of the pretrained ones is 0.05


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["start=nothing"], r"^start=nothing: one of pretrained, random is needed$"),
        (["start=random", "tuning.lora_rank=4"], r"^start=random: random weights must learn; leave tuning.lora_rank"),
        (["start=random", "tuning.frozen_layers=1"], r"^start=random: random weights must learn; leave tuning"),
    ],
)
def test_what_cannot_start_so_is_refused(settings, words, tuning):
    with pytest.raises(SettingError, match=words):
        tuning("modernbert", "classification", *settings).checked()
