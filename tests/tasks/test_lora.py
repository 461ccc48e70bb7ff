"""Adapters change nothing at first, learn beside an encoder that stays, and end in a folder of the stock class."""

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from unmask.errors import MissingExtra, ModelError, SettingError, Stopped
from unmask.tasks.application import Application
from unmask.tasks.finetuning import finetune, resume
from unmask.tasks.lora import adapted
from unmask.tasks.models import Base

MODELS = ("modernbert", "bert", "gpt2", "distilbert")


def logits(application, text):
    model = application.model
    features, _ = application.task.features(
        application.task.of_texts([text]), model.labels, model.base.tokenizer, model.base.frame, model.limit
    )
    return model.outputs(features, "cpu")[0]


def test_adapters_change_nothing_before_they_have_learned(folder_of):
    for name in MODELS:
        torch.manual_seed(0)
        made = Base.of(folder_of(name)).labeller("row", ("x", "y"), "auto", 0.0, None)
        made.module.eval()
        rows = made.base.frame.row(np.arange(10, 20))[0][None]
        given = [
            torch.as_tensor(each, dtype=torch.long) for each in (rows, rows * 0 + 1, [range(rows.shape[1])], [[0]])
        ]
        with torch.no_grad():
            before = made.module(*given)
            after = adapted(made, rank=2).module.eval()(*given)
        assert torch.equal(before, after), name


@pytest.mark.parametrize("name", MODELS)
def test_a_run_with_adapters_ends_in_a_stock_folder_that_differs_by_low_rank(name, tuning, tmp_path, folder_of):
    run = tuning(name, "classification", "tuning.lora_rank=2", "training.epochs=1", "tuning.learning_rate=0.02")
    finetune(run, tmp_path / "run")
    folder = tmp_path / "run" / "model"
    before, after = (load_file(place / "model.safetensors") for place in (folder_of(name), folder))
    shared = [key for key in before if key in after and not key.startswith("head.")]
    changed = [key for key in shared if not torch.equal(before[key], after[key])]
    assert len(changed) >= 8, "four linear layers in each of two layers"
    ranks = [torch.linalg.matrix_rank(after[key] - before[key], atol=1e-5).item() for key in changed]
    assert max(ranks) <= (6 if name == "bert" else 2), "queries, keys and values of BERT are three of one in ours"
    application = Application.load(folder, device="cpu")
    base = application.model.base
    row = base.frame.row(base.tokenizer.encode(["the film was good"])[0].ids)[0].tolist()
    stock = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = stock(input_ids=torch.tensor([row])).logits[0].numpy()
    assert np.allclose(logits(application, "the film was good")[0], expected, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_stopped_run_with_adapters_equals_one_never_stopped(precision, tuning, stop_at, tmp_path):
    settings = ["tuning.lora_rank=2", "training.epochs=1", f"training.precision={precision}"]
    run = tuning("modernbert", "classification", *settings)
    finetune(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        finetune(run, tmp_path / "parts", stop_at(6))
    resume(tmp_path / "parts")
    one, other = (load_file(tmp_path / part / "model" / "model.safetensors") for part in ("whole", "parts"))
    assert all(tensor.equal(other[key]) for key, tensor in one.items())


def test_what_has_no_adapters_is_named(folder_of, monkeypatch):
    made = Base.of(folder_of("lstm")).labeller("row", ("x", "y"), "auto", 0.0, None)
    with pytest.raises(ModelError, match=r"no adapters can be put on this model: leave tuning.lora_rank=none"):
        adapted(made, rank=2)
    made = Base.of(folder_of("bert")).labeller("row", ("x", "y"), "auto", 0.0, None)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r"peft is needed for tuning.lora_rank: pip install 'unmask\[lora\]'"):
        adapted(made, rank=2)


def test_a_rank_below_one_is_refused(tuning):
    with pytest.raises(SettingError, match=r"tuning.lora_rank=0: at least 1, or none, is needed"):
        tuning("bert", "classification", "tuning.lora_rank=0")
