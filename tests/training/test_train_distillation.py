"""A teacher, a student that learns from it, and a folder that is that of any masked language model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, GPT2Config

import unmask
from unmask import run as runs
from unmask.architectures.modernbert import ModernBert
from unmask.config import changed, overridden
from unmask.errors import ModelError, SettingError, Stopped
from unmask.objectives.distillation import Distillation
from unmask.recipes.distillation import student
from unmask.run import Run
from unmask.tokens.training import TokenizerSettings, train_tokenizer

pytestmark = pytest.mark.usefixtures("known_peak")

ARCHITECTURE = ModernBert(layers=4, width=32, heads=2, feedforward=48, positions=64, global_every=2)
TEXT = "the dog barks loudly . the cat meows loudly ."


@pytest.fixture(scope="module")
def teacher(store, tmp_path_factory):
    """The run folder of a teacher of four layers, trained on the store."""
    folder = tmp_path_factory.mktemp("teacher") / "farm"
    run = changed(
        Run(name="farm"),
        data={"store": str(store.folder), "row_length": 32},
        architecture=ARCHITECTURE,
        training={"steps": 60, "batch_size": 32, "precision": "fp32", "threads": 1, "evaluations": 0},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unmask.stages.peak_flops", lambda *given: 1e12)
        runs.pretrain(run, folder)
    return folder


@pytest.fixture
def distilled(run, teacher):
    """Twelve steps of a student with two of the teacher's layers."""
    return changed(
        run,
        architecture=replace(ARCHITECTURE, layers=2),
        objective=Distillation(teacher=str(teacher)),
    )


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def log_shares(folder):
    """What a model thinks of every token of a text, each of them masked: (tokens, V)."""
    model = unmask.load(folder)
    ids = torch.from_numpy(model.tokenizer.encode([TEXT])[0].ids).long()
    places = torch.arange(len(ids))
    rows = ids.repeat(len(ids), 1).scatter(1, places[:, None], model.mask_id)
    return model.predict(rows, torch.ones_like(rows), places, places).log_softmax(-1)


def distance(teacher, student):
    theirs, ours = log_shares(teacher), log_shares(student)
    return torch.nn.functional.kl_div(ours, theirs, reduction="batchmean", log_target=True).item()


# ---------------------------------------------------------------- learning


def test_a_student_from_scratch_comes_to_answer_like_its_teacher(distilled, teacher, tmp_path):
    only_soft = ["objective.from_teacher=false", "objective.hard_weight=0", "objective.soft_weight=1"]
    for steps, name in ((1, "new"), (80, "taught")):
        run = changed(overridden(distilled, only_soft), training={"steps": steps, "evaluations": 0, "batch_size": 32})
        runs.pretrain(run, tmp_path / name)
    course = losses(tmp_path / "taught")
    assert sum(course[-10:]) < 0.3 * sum(course[:10])
    assert distance(teacher, tmp_path / "taught") < 0.3 * distance(teacher, tmp_path / "new")


def test_hidden_states_and_relations_are_learned_beside_the_answers(distilled, tmp_path):
    run = overridden(distilled, ["objective.hidden_weight=1", "objective.relation_weight=1", "training.evaluations=0"])
    runs.pretrain(changed(run, training={"steps": 30}), tmp_path / "run")
    course = losses(tmp_path / "run")
    assert sum(course[-5:]) < 0.9 * sum(course[:5])


def test_bf16_learns_like_float32(distilled, tmp_path):
    run = changed(distilled, training={"steps": 3, "evaluations": 0})
    runs.pretrain(run, tmp_path / "fp32")
    runs.pretrain(changed(run, training={"precision": "bf16"}), tmp_path / "bf16")
    assert losses(tmp_path / "bf16") == pytest.approx(losses(tmp_path / "fp32"), abs=0.1)


def test_the_folder_of_a_student_is_that_of_any_masked_language_model(distilled, tmp_path):
    runs.pretrain(distilled, tmp_path / "run")
    folder = tmp_path / "run" / "model"
    stock, told = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not any(told[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert stock.config.num_hidden_layers == 2
    for weights in (tmp_path / "run").rglob("model.safetensors"):
        assert load_file(weights).keys() == load_file(folder / "model.safetensors").keys()
    model = unmask.load(folder)
    ids = torch.from_numpy(model.tokenizer.encode([TEXT])[0].ids).long()[None]
    columns = torch.arange(ids.shape[1])
    with torch.no_grad():
        logits = stock.eval()(input_ids=ids).logits[0]
    ours = model.predict(ids, torch.ones_like(ids), torch.zeros_like(columns), columns)
    torch.testing.assert_close(ours, logits, atol=1e-4, rtol=0)


def test_a_student_stopped_and_resumed_equals_one_that_never_was(distilled, tmp_path, stop_at):
    distilled = overridden(distilled, ["objective.hidden_weight=1", "objective.relation_weight=1"])
    runs.pretrain(distilled, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(distilled, tmp_path / "parts", stop_at(7))
    runs.resume(tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    assert all(tensor.equal(parts[name]) for name, tensor in whole.items())


# ---------------------------------------------------------------- where it starts


def test_a_student_starts_with_chosen_layers_the_embedding_and_the_head(distilled, teacher, tmp_path, capsys):
    """A learning rate of next to nothing leaves the start as it is."""
    settings = ["objective.layers=0,3", "optimizer=adamw", "optimizer.learning_rate=1e-12", "training.steps=1"]
    runs.pretrain(overridden(distilled, settings), tmp_path / "run")
    assert f"the student starts with layers 0,3 and the embedding and the head of {teacher}" in capsys.readouterr().err
    theirs, ours = (load_file(folder / "model" / "model.safetensors") for folder in (teacher, tmp_path / "run"))
    for name, weight in ours.items():
        source = name.replace("model.layers.1.", "model.layers.3.")
        torch.testing.assert_close(weight, theirs[source], atol=1e-6, rtol=0)


# ---------------------------------------------------------------- what is refused


def refused(run, folder, *settings):
    with pytest.raises((SettingError, ModelError)) as error:
        runs.pretrain(overridden(run, settings), folder)
    assert not folder.exists()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_teacher_with_another_tokenizer_is_refused(distilled, teacher, store, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(teacher / "model", other)
    train_tokenizer(list(store.documents()), TokenizerSettings(vocabulary_size=50)).save(other)
    said = refused(distilled, tmp_path / "run", f"objective.teacher={other}")
    assert said == (
        f"the teacher {other} and the store {store.folder} have different tokenizers: prepare the text with the "
        f"teacher's, unmask prepare TEXTS --to STORE tokenizer.folder={other}"
    )


def test_a_teacher_that_is_no_masked_language_model_or_is_not_there_is_refused(distilled, teacher, tmp_path):
    gpt = tmp_path / "gpt"
    shutil.copytree(teacher / "model", gpt)
    GPT2Config(vocab_size=64, n_layer=1, n_embd=8, n_head=1).save_pretrained(gpt)
    said = refused(distilled, tmp_path / "run", f"objective.teacher={gpt}")
    assert f"{gpt} holds a 'gpt2' model, which has no masked-LM head: give a BERT, RoBERTa" in said
    missing = tmp_path / "missing" / "teacher"
    assert f"{missing}: no such folder" in refused(distilled, tmp_path / "run", f"objective.teacher={missing}")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["objective.layers=0,4"], "objective.layers=0,4: the teacher has 4 layers, 0 to 3"),
        (["objective.layers=0,1,2"], "objective.layers=0,1,2: the student has 2 layers, name as many"),
        (
            ["architecture.width=48", "objective.hidden_weight=1"],
            "objective.hidden_weight=1.0: hidden states of 32 (teacher) and 48 channels (student) cannot be compared; "
            "set it to 0, and objective.relation_weight=1 compares relations instead",
        ),
        (
            ["objective.relation_weight=1", "objective.relation_heads=5"],
            "objective.relation_heads=5: must divide the widths of the teacher (32) and the student (32)",
        ),
        (
            ["architecture=lstm", "data.packing=document", "architecture.width=32", "objective.relation_weight=1"],
            "objective.relation_weight=1.0: relations are compared between two of unmask's own ModernBERT, BERT or "
            "plain Transformer models; set it to 0 for the teacher {teacher}/model",
        ),
        (
            ["architecture=bert-tiny", "objective.layers=0,1"],
            "objective.layers=0,1: the layers of {teacher}/model do not fit the student's architecture; leave it out",
        ),
        (
            ["data.row_length=128", "architecture.positions=128"],
            "data.row_length=128 is longer than the 64 tokens the teacher {teacher}/model can read: lower it",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(distilled, teacher, tmp_path, settings, said):
    assert refused(distilled, tmp_path / "run", *settings) == said.format(teacher=teacher)


@pytest.mark.parametrize("how", ["moved", "changed"])
def test_a_teacher_that_was_moved_or_changed_is_refused_on_resume(distilled, teacher, tmp_path, stop_at, how):
    copy = tmp_path / "teacher"
    shutil.copytree(teacher / "model", copy)
    with pytest.raises(Stopped):
        runs.pretrain(overridden(distilled, [f"objective.teacher={copy}"]), tmp_path / "run", stop_at(3))
    if how == "moved":
        copy.rename(tmp_path / "elsewhere")
        said = f"the teacher of this run stood in {copy}, which is gone: put it back there"
    else:
        with (copy / "model.safetensors").open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\0")
        said = f"{copy} has changed since this run was started with it as teacher: put it back as it was"
    with pytest.raises(ModelError) as error:
        runs.resume(tmp_path / "run")
    assert str(error.value) == said


# ---------------------------------------------------------------- the run of a student


def test_without_a_recipe_the_student_is_half_the_teacher_over_the_same_store(teacher, store):
    run = student(teacher, settings=["training.steps=3"])
    assert (run.name, run.architecture) == ("farm-distilled", replace(ARCHITECTURE, layers=2))
    assert (run.data.store, run.data.row_length) == (str(store.folder), 32)
    assert run.objective == Distillation(teacher=str(teacher))
    assert student(teacher / "model").name == "farm-distilled"


def test_text_that_is_named_is_prepared_with_the_tokenizer_of_the_teacher(teacher):
    run = student(teacher, settings=["data.source=texts/"])
    assert (run.data.source, run.data.store) == ("texts/", None)
    assert Path(run.tokenizer.folder or "") == teacher / "model"


def test_distil_from_python_with_a_run_of_ones_own(distilled, teacher, tmp_path):
    outcome = unmask.distill(teacher, distilled, ["training.steps=2", "seed=3"], to=tmp_path / "run")
    saved = runs.saved(tmp_path / "run" / "run.json")
    assert (saved.name, saved.seed, saved.objective.teacher) == ("farm-farm", 3, str(teacher))
    assert outcome.figures["masked_tokens"] > 0
