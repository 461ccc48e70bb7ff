"""Every architecture of the menu through the whole of training: steps, checkpoints, resuming, loading, scoring."""

import json
import math
from dataclasses import fields, replace

import pytest
import torch
from safetensors.torch import load_file

from unmask import run as runs
from unmask.batches import Batches
from unmask.config import changed, overridden
from unmask.errors import SettingError, Stopped
from unmask.models import load, positions
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.tokens.rows import Rows
from unmask.weights import load_weights

pytestmark = pytest.mark.usefixtures("known_peak")


def settled(run, architecture):
    """Three steps of an architecture, with dropout where it knows one, in rows that it takes."""
    if any(field.name == "dropout" for field in fields(architecture)):
        architecture = replace(architecture, dropout=0.2)
    packing = "packed" if architecture.packed_rows else "document"
    return changed(run, architecture=architecture, data={"packing": packing}, training={"steps": 3, "evaluations": 1})


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_trains_saves_and_predicts_the_same_when_loaded(run, store, small_architecture, tmp_path):
    run = settled(run, small_architecture)
    outcome = runs.pretrain(run, tmp_path / "run")
    assert len(losses(tmp_path / "run")) == 3
    assert all(map(math.isfinite, [*losses(tmp_path / "run"), outcome.figures["loss"]]))
    model = load(tmp_path / "run")
    objective = MaskedLanguageModeling().build(run.architecture.build(store.vocabulary_size), store.vocabulary_size)
    load_weights(objective, tmp_path / "run" / "checkpoints" / "step-3")
    rows = Rows(store, "validation", 32, "document")
    batch = Batches(rows, run.masking, 0).at(0, 4, 0.15)
    row, column = torch.tensor([0, 1, 3]), torch.tensor([4, 9, 2])
    with torch.no_grad():
        expected = objective.eval().predict(batch.inputs, batch.groups, positions(batch.groups), row, column)
    torch.testing.assert_close(model.predict(batch.inputs, batch.groups, row, column), expected, atol=1e-5, rtol=1e-5)
    assert model.row_limit == small_architecture.positions


def test_its_folder_fills_blanks_in_the_pipeline_of_transformers(run, small_architecture, tmp_path):
    from transformers import pipeline

    run = changed(settled(run, small_architecture), training={"steps": 1})
    runs.pretrain(run, tmp_path / "run")
    found = pipeline("fill-mask", model=str(tmp_path / "run" / "model"))("the dog [MASK] loudly .")
    ours = load(tmp_path / "run").fill("the dog [MASK] loudly .", top_k=5)
    assert [answer["token_str"] for answer in found] == [answer["token_str"] for answer in ours]


def test_a_run_stopped_and_resumed_equals_one_never_stopped(run, small_architecture, tmp_path, stop_at):
    run = settled(run, small_architecture)
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "parts", stop_at(2))
    runs.resume(tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    for name, tensor in whole.items():
        assert tensor.equal(parts[name]), name


def test_bf16_trains_like_float32(run, small_architecture, tmp_path):
    run = changed(settled(run, small_architecture), training={"evaluations": 0})
    runs.pretrain(run, tmp_path / "fp32")
    runs.pretrain(changed(run, training={"precision": "bf16"}), tmp_path / "bf16")
    assert losses(tmp_path / "bf16") == pytest.approx(losses(tmp_path / "fp32"), abs=0.1)


def test_packed_rows_are_refused_before_anything_is_made_where_documents_would_mix(run, small_architecture, tmp_path):
    run = overridden(changed(run, architecture=small_architecture), ["data.packing=packed"])
    if small_architecture.packed_rows:
        assert run.checked() is run
        return
    with pytest.raises(
        SettingError, match=r"^data\.packing=packed: architecture=\w+ cannot .*; set data\.packing=document$"
    ):
        runs.pretrain(run, tmp_path / "run")
    assert not (tmp_path / "run").exists()
