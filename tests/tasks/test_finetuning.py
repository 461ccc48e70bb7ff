"""The whole way: examples, training, the best checkpoint, a folder that answers; stopped and gone on with."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load_file

import unmask
from unmask.config import from_dict, overridden, to_dict
from unmask.errors import DataError, ModelError, SettingError, Stopped
from unmask.tasks import finetuning
from unmask.tasks.application import Application
from unmask.tasks.finetuning import finetune, held_out, resume, together
from unmask.tasks.models import Base
from unmask.tasks.objective import Pace, TaskObjective
from unmask.tasks.settings import Finetuning, TaskData, long_enough
from unmask.tasks.tables import Row
from unmask.training.schedules import Budget


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


@pytest.mark.parametrize(
    ("model", "task"),
    [
        ("modernbert", "classification"),
        ("modernbert", "token_classification"),
        ("modernbert", "question_answering"),
        ("gpt2", "classification"),
        pytest.param("gpt2", "token_classification", marks=pytest.mark.slow),
    ],
)
def test_a_tiny_model_learns_a_task_and_beats_what_knows_no_context(model, task, tuning, tmp_path):
    run = tuning(model, task, f"training.epochs={12 if model == 'gpt2' else 6}", "tuning.learning_rate=0.01")
    done = finetune(run, tmp_path / "run")
    figures, aim = done.figures["validation"], run.task.aim
    assert figures[aim] > (0.9 if task == "classification" else 0.7)
    simplest = min(figures[aim] for figures in done.baselines.values())
    assert figures[aim] > simplest
    assert max(record[aim] for record in metrics(tmp_path / "run") if aim in record) == pytest.approx(figures[aim])
    assert (tmp_path / "run" / "report" / "errors.jsonl").exists()
    assert "| this model, validation |" in (tmp_path / "run" / "report" / "README.md").read_text()


@pytest.mark.parametrize("model", ["bert", "gpt2"])
def test_a_run_stopped_at_step_13_and_resumed_equals_one_never_stopped(model, tuning, stop_at, tmp_path):
    run = tuning(model, "classification", "training.epochs=2.5", "tuning.dropout=0.2")
    finetune(run, tmp_path / "whole")
    with pytest.raises(Stopped, match=r"stopped at step 13, .*: unmask finetune --resume .*parts"):
        finetune(run, tmp_path / "parts", stop_at(13))
    with pytest.raises(ModelError, match=r"parts is not finished: go on with unmask finetune --resume"):
        Application.load(tmp_path / "parts")
    resume(tmp_path / "parts")
    for name, tensor in weights(tmp_path / "whole").items():
        assert tensor.equal(weights(tmp_path / "parts")[name]), name
    clocks = {"seconds", "tokens_per_second", "peak_share", "waited_seconds"}
    one, other = (
        [{k: v for k, v in record.items() if k not in clocks} for record in metrics(tmp_path / part)]
        for part in ("whole", "parts")
    )
    assert one == other


def test_the_best_checkpoint_is_published_and_training_ends_when_it_is_waited_for_in_vain(
    tuning, tmp_path, monkeypatch
):
    """The metric is made to fall after the second evaluation."""
    values = iter([0.5, 0.9, 0.8, 0.7, 0.6, 0.5])
    monkeypatch.setattr(
        finetuning, "_evaluated", lambda *given: ({"validation_loss": 1.0, "accuracy": next(values)}, None)
    )
    run = tuning("modernbert", "classification", "tuning.patience=2", "training.epochs=4", "training.keep=9")
    finetune(run, tmp_path / "run")
    evaluated = [record["step"] for record in metrics(tmp_path / "run") if "accuracy" in record]
    assert len(evaluated) == 4
    best = load_file(tmp_path / "run" / "checkpoints" / f"step-{evaluated[1]}" / "model.safetensors")
    assert all(tensor.equal(best[name]) for name, tensor in weights(tmp_path / "run").items())
    assert json.loads((tmp_path / "run" / "model" / "figures.json").read_text())["step"] == evaluated[1]


def test_several_seeds_give_mean_and_spread_and_the_best_one_answers(tuning, tmp_path):
    run = tuning("modernbert", "classification", "training.epochs=0.5", "training.evaluations=1")
    done = finetune(run, tmp_path / "run", seeds=2)
    each = [json.loads((tmp_path / "run" / f"seed-{n}" / "model" / "figures.json").read_text()) for n in (0, 1)]
    values = [one["figures"]["validation"]["accuracy"] for one in each]
    assert done.figures["validation"]["accuracy"] == pytest.approx(np.mean(values))
    assert done.figures["validation"]["accuracy_spread"] == pytest.approx(np.std(values, ddof=1))
    best = Application.load(tmp_path / "run").model.base.folder
    assert best.parent.name == f"seed-{int(values[1] > values[0])}"
    assert resume(tmp_path / "run").figures == done.figures


def test_a_stop_in_one_of_several_seeds_names_what_goes_on_with_all(tuning, stop_at, tmp_path):
    run = tuning("bert", "classification", "training.epochs=0.5", "training.evaluations=1")
    with pytest.raises(
        Stopped, match=r"^stopped in seed 0, which is saved; go on with: unmask finetune --resume .*/all$"
    ):
        finetune(run, tmp_path / "all", stop_at(2), seeds=2)


def test_mean_and_spread_of_nested_figures():
    found = together([{"a": {"x": 1.0}}, {"a": {"x": 3.0}}])
    assert found == {"a": {"x": 2.0, "x_spread": pytest.approx(2**0.5)}}


def test_test_files_have_names_and_figures_of_their_own(tuning, files, tmp_path):
    settings = [f"data.test=near:{files / 'dev.tsv'},far:{files / 'train.tsv'}", "training.epochs=1"]
    done = finetune(tuning("modernbert", "classification", *settings), tmp_path / "run")
    assert list(done.figures) == ["validation", "test.near", "test.far"]
    assert done.figures["test.near"] == done.figures["validation"]


def test_several_test_files_without_names_are_refused():
    with pytest.raises(SettingError, match=r"data.test=a.tsv,b.tsv: several files are given as NAME:FILE,NAME:FILE"):
        assert TaskData(test="a.tsv,b.tsv").tests


def test_frozen_layers_stay_as_they_are_and_others_learn(tuning, tmp_path, folder_of):
    run = tuning("bert", "classification", "tuning.frozen_layers=1", "training.epochs=0.5", "training.evaluations=1")
    finetune(run, tmp_path / "run")
    before, after = load_file(folder_of("bert") / "model.safetensors"), weights(tmp_path / "run")
    shared = {name for name in before if name in after and name.startswith("bert.")}
    frozen = {name for name in shared if ".embeddings." in name or ".layer.0." in name}
    assert frozen
    assert all(before[name].equal(after[name]) for name in frozen)
    assert not any(before[name].equal(after[name]) for name in shared - frozen if name.endswith("dense.weight"))


def test_each_layer_learns_at_a_share_of_the_rate_of_the_one_above(folder_of):
    made = Base.of(folder_of("bert")).labeller("row", ("x", "y"), "auto", 0.0, None)
    rates = TaskObjective(made.module, lambda logits, targets: logits.sum(), Pace(layer_decay=0.5)).rates
    assert rates["model.head.output.weight"] == 1
    assert rates["model.encoder.layers.1.attention.output.weight"] == 0.5
    assert rates["model.encoder.layers.0.attention.output.weight"] == 0.25
    assert rates["model.encoder.embedding.weight"] == 0.125


def test_embeddings_may_learn_faster_than_the_layers_above_them(folder_of):
    made = Base.of(folder_of("bert")).labeller("row", ("x", "y"), "auto", 0.0, None)
    rates = TaskObjective(made.module, lambda logits, targets: logits.sum(), Pace(0.5, embedding_rate=10)).rates
    assert rates["model.encoder.embedding.weight"] == 1.25
    assert rates["model.encoder.embedding_norm.weight"] == 0.125  # no table
    assert rates["model.encoder.layers.0.attention.output.weight"] == 0.25


def test_the_embeddings_of_a_run_learn_at_the_rate_that_is_asked(tuning, tmp_path, folder_of):
    moved = {}
    for faster in (1, 20):
        given = (f"tuning.embedding_rate={faster}", "training.epochs=0.5", "training.evaluations=1")
        finetune(tuning("bert", "classification", *given), tmp_path / str(faster))
        before, after = load_file(folder_of("bert") / "model.safetensors"), weights(tmp_path / str(faster))
        name = "bert.embeddings.word_embeddings.weight"
        moved[faster] = float((after[name] - before[name]).abs().max())
    assert moved[20] > 5 * moved[1] > 0


def test_a_tenth_is_held_out_by_the_text_so_that_equal_texts_go_together():
    rows = [Row(f"text {number % 500}", None, "x", f"f:{number}") for number in range(1000)]
    train, validation = held_out(rows, lambda row: row.text)
    assert 50 <= len(validation) <= 150
    assert not {row.text for row in train} & {row.text for row in validation}
    with pytest.raises(DataError, match=r"1 training examples are too few to hold some out: give data.validation=FILE"):
        held_out(rows[:1], lambda row: row.text)
    alike = [Row("one text", None, "x", f"f:{number}") for number in range(30)]
    with pytest.raises(DataError, match=r"30 training examples of 1 different texts are too few to hold some out"):
        held_out(alike, lambda row: row.text)


def test_a_run_is_saved_and_reloads_exactly(tuning):
    run = tuning("modernbert", "token_classification", "tuning.layer_decay=0.9")
    assert from_dict(Finetuning, json.loads(json.dumps(to_dict(run)))) == run


def test_a_learning_rate_that_is_not_set_follows_the_width():
    run = Finetuning()
    assert run.tuning.rate(768) == pytest.approx(5e-5)
    assert run.tuning.rate(384) == pytest.approx(1e-4)
    assert overridden(run, ["tuning.learning_rate=2e-5"]).tuning.rate(384) == 2e-5


@pytest.mark.parametrize(
    ("optimizer", "task", "start", "pairs", "wanted"),
    [
        ("muon", "classification", "pretrained", False, (2, 10)),
        ("muon", "classification", "pretrained", True, (3, 1)),
        ("muon", "regression", "pretrained", True, (3, 1)),
        ("muon", "token_classification", "pretrained", False, (6, 1)),
        ("muon", "question_answering", "pretrained", False, (1, 1)),
        ("muon", "sequence_to_sequence", "pretrained", False, (6, 10)),
        ("adamw", "token_classification", "pretrained", False, (1, 1)),
        (None, "classification", "pretrained", False, (1, 1)),
        ("muon", "classification", "random", False, (4, 1)),
        ("adamw", "token_classification", "random", False, (6, 1)),
        (None, "sequence_to_sequence", "random", False, (6, 1)),
    ],
)
def test_how_fast_an_encoder_learns_goes_by_what_has_trained_it(tmp_path, optimizer, task, start, pairs, wanted):
    model = tmp_path / "run" / "model"
    (model / "encoder").mkdir(parents=True)
    if optimizer is not None:
        (tmp_path / "run" / "run.json").write_text(json.dumps({"run": {"optimizer": {"name": optimizer}}}))
    run = overridden(Finetuning(start=start), [f"task={task}"])
    for base in (model, model / "encoder"):
        usual = finetuning._usual(run, base, pairs)
        assert (usual.times, usual.embedding_rate) == wanted
    times = wanted[0]
    assert run.tuning.rate(256, times) == pytest.approx(1.5e-4 * times)
    assert overridden(run, ["tuning.lora_rank=8"]).tuning.rate(256, times) == pytest.approx(1.5e-3)


def test_a_mistake_leaves_no_folder_in_the_way(tuning, tmp_path):
    bad = tuning("modernbert", "classification", "data.test=missing.tsv")
    with pytest.raises(DataError, match=r"missing.tsv: no such file"):
        finetune(bad, tmp_path / "run")
    with pytest.raises(DataError):
        finetune(bad, tmp_path / "seeds", seeds=2)
    assert not list(tmp_path.iterdir())
    finetune(tuning("modernbert", "classification", "training.epochs=0.2"), tmp_path / "run")
    with pytest.raises(SettingError, match=r"run exists already: go on with --resume"):
        finetune(bad, tmp_path / "run")


def test_what_is_no_fine_tuning_run_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"is not a run folder: it has no run\.json\. Start one with: unmask finetune"):
        resume(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"run": {"name": "x"}}))
    with pytest.raises(ModelError, match=r"is of a pretraining run: go on with unmask pretrain --resume"):
        resume(tmp_path)


def test_pretraining_does_not_go_on_with_a_run_of_fine_tuning(tuning, tmp_path):
    folder = tmp_path / "run"
    finetune(tuning("modernbert", "classification", "training.epochs=0.2"), folder)
    with pytest.raises(
        ModelError, match=r"run\.json is of a fine-tuning run: go on with unmask finetune --resume \S+/run$"
    ):
        unmask.resume(folder)


@pytest.mark.parametrize("rest", ["tuning.frozen_layers=1", "tuning.lora_rank=8"])
def test_embeddings_that_rest_have_no_rate_of_their_own(rest):
    with pytest.raises(SettingError, match=r"^tuning\.embedding_rate=5\.0: embeddings do not learn with tuning"):
        overridden(Finetuning(), [rest, "tuning.embedding_rate=5"])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("tuning.embedding_rate=0", "tuning.embedding_rate=0.0: more than 0, or none, is needed"),
        ("tuning.layer_decay=0", "tuning.layer_decay=0.0: above 0, up to 1, is needed"),
        ("tuning.dropout=1", "tuning.dropout=1.0: from 0 up to 1 is needed"),
        ("tuning.patience=0", "tuning.patience=0: at least 1, or none, is needed"),
        ("tuning.learning_rate=0", "tuning.learning_rate=0.0: more than 0, or none, is needed"),
        ("tuning.frozen_layers=-1", "tuning.frozen_layers=-1: 0 or more is needed"),
        ("data.row_length=3", "data.row_length=3: at least 8, or none, is needed"),
        ("task.long=never", "task.long=never: one of cut, windows is needed"),
        ("task.pooling=max", "task.pooling=max: one of auto, cls, mean is needed"),
        ("task.metric=f2", "unknown figure 'f2'; did you mean 'f1'?"),
        ("task.class_weights=all", "task.class_weights=all: one of none, balanced is needed"),
        ("task=sorting", "unknown task 'sorting'"),
    ],
)
def test_a_setting_out_of_range_is_refused(setting, words):
    with pytest.raises(SettingError, match=words.replace("?", r"\?")):
        overridden(Finetuning(), [setting])


def test_what_is_missing_is_said():
    with pytest.raises(SettingError, match=r"which model\? unmask finetune MODEL TASK data.train=FILE"):
        Finetuning().checked()
    with pytest.raises(SettingError, match=r"data.train=FILE \(the examples to learn from\) is needed"):
        Finetuning(model="x").checked()


def test_a_run_that_is_stopped_beside_its_training_says_how_to_go_on_and_does(tuning, tmp_path, monkeypatch):
    run = tuning("bert", "classification", "training.steps=1", "training.evaluations=1")
    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "publish", lambda *given: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Stopped, match=r"stopped before its end; go on with: unmask finetune --resume .*run$"):
            finetune(run, tmp_path / "run")
    assert resume(tmp_path / "run").figures["validation"]["accuracy"] >= 0


@pytest.mark.parametrize(("rows", "epochs"), [(20_000, 3), (2_134, 3), (2_133, 4), (500, 13), (200, 32), (1, 6_400)])
def test_few_examples_are_read_more_often(rows, epochs):
    training = Finetuning().training
    long = long_enough(training, rows)
    assert long.budget == Budget(epochs=epochs)
    assert long == replace(training, epochs=epochs)
    assert epochs == 3 or (epochs - 1) * rows < 200 * training.batch_size <= epochs * rows


@pytest.mark.parametrize("budget", ["epochs=0.5", "steps=7", "minutes=1"])
def test_a_budget_that_is_set_is_kept_however_few_the_examples(budget):
    training = overridden(Finetuning(), [f"training.{budget}"]).training
    assert long_enough(training, 3) == training
