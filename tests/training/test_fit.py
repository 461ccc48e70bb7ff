"""What a training step promises, on a tiny model."""

import itertools
import json
import math
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from unmask import run as runs
from unmask.config import changed, overridden, to_dict
from unmask.errors import SettingError, Stopped, UnmaskError
from unmask.objectives.masked_language_modeling import MaskedObjective
from unmask.training import checkpoint, fit


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder):
    return [record["loss"] for record in metrics(folder)]


def test_a_model_learns_far_below_the_unigram_line(run, tmp_path):
    run = changed(run, training={"steps": 150, "batch_size": 32}, masking={"ratio": 0.15, "ratio_end": None})
    outcome = runs.pretrain(run, tmp_path / "run")
    assert outcome.figures["loss"] < outcome.figures["unigram_loss"] - 1.0
    assert outcome.figures["word_accuracy"] > 0.6
    assert len(outcome.samples) == 5


def test_training_begins_at_the_unigram_line(run, tmp_path):
    runs.pretrain(changed(run, training={"steps": 1, "evaluations": 1}), tmp_path / "run")
    record = metrics(tmp_path / "run")[0]
    assert record["loss"] == pytest.approx(record["unigram_loss"], abs=0.4)


def test_every_step_is_recorded_once_with_the_promised_names(run, tmp_path):
    runs.pretrain(run, tmp_path / "run")
    records = metrics(tmp_path / "run")
    assert [record["step"] for record in records] == list(range(1, 13))
    names = {"step", "seconds", "tokens", "loss", "learning_rate", "tokens_per_second", "peak_share"}
    assert all(names <= record.keys() for record in records)
    assert [record["step"] for record in records if "validation_loss" in record] == [6, 12]


def test_micro_batches_change_nothing_but_the_order_of_sums(run, tmp_path):
    runs.pretrain(run, tmp_path / "at_once")
    runs.pretrain(changed(run, training={"micro_batch": 5}), tmp_path / "in_parts")
    assert losses(tmp_path / "in_parts") == pytest.approx(losses(tmp_path / "at_once"), abs=1e-5)


def test_two_processes_see_the_batches_and_masks_of_one(run, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(to_dict(changed(run, training={"batch_size": 15}))))
    runs.pretrain(runs.saved(path), tmp_path / "one")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "unmask.cli",
        "pretrain", str(path), "--to", str(tmp_path / "two"), "--quiet",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    assert [r["tokens"] for r in metrics(tmp_path / "two")] == [r["tokens"] for r in metrics(tmp_path / "one")]
    one, two = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_loss_that_is_not_finite_names_the_rows_and_keeps_the_last_checkpoint(run, tmp_path, monkeypatch, ahead):
    monkeypatch.setattr("unmask.training.fit.runs_ahead", lambda device: ahead)
    honest, calls = MaskedObjective.forward, []

    def poisoned(self, batch):
        result = honest(self, batch)
        calls.append(len(batch))
        if len(calls) > 5 and bool((batch.numbers == poisoned.row).any()):
            result["masked"] = result["masked"] * math.nan
        elif len(calls) == 6:
            poisoned.row = int(batch.numbers[3])
            result["masked"] = result["masked"] * math.nan
        return result

    poisoned.row = -1
    monkeypatch.setattr(MaskedObjective, "forward", poisoned)
    with pytest.raises(UnmaskError) as caught:
        runs.pretrain(changed(run, training={"checkpoint_every": 2}), tmp_path / "run")
    words = str(caught.value)
    assert f"step 6: the loss is not finite (rows {poisoned.row})" in words
    assert f"the last good checkpoint is {tmp_path / 'run' / 'checkpoints' / 'step-4'}" in words
    assert "lower optimizer.learning_rate" in words
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").step == 4


def test_a_device_that_runs_ahead_is_read_a_step_later_and_records_the_same(run, tmp_path, monkeypatch):
    run = changed(run, training={"steps": 5, "evaluations": 1, "clip": 0.1, "micro_batch": 9})
    runs.pretrain(run, tmp_path / "read")
    monkeypatch.setattr("unmask.training.fit.runs_ahead", lambda device: True)
    told, at = [], []
    honest = fit.Underway.read
    monkeypatch.setattr(fit.Underway, "read", lambda self: told.append(at[-1]) or honest(self))
    started = fit.Fit._learn
    monkeypatch.setattr(fit.Fit, "_learn", lambda self, *given: at.append(self.spent.step + 1) or started(self, *given))
    runs.pretrain(run, tmp_path / "unread")
    assert told == [2, 3, 4, 5, 5]  # the numbers of a step are asked for when the next one is under way
    assert losses(tmp_path / "unread") == pytest.approx(losses(tmp_path / "read"), rel=1e-5)
    for name in ("tokens", "flops", "learning_rate", "masked_share"):
        assert [r[name] for r in metrics(tmp_path / "unread")] == [r[name] for r in metrics(tmp_path / "read")]


def test_a_full_disk_stops_the_run_and_leaves_the_checkpoints_whole(run, tmp_path, monkeypatch):
    run = changed(run, training={"checkpoint_every": 4})
    written, honest = [], checkpoint.save_file

    def full(tensors, path, *rest):
        written.append(path)
        if len(written) == 2:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        honest(tensors, path, *rest)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(Stopped, match=r"step-8 could not be written .*No space left.*; step-4 is whole\. Make room"):
        runs.pretrain(run, tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == ["step-4"]
    runs.resume(tmp_path / "run")
    runs.pretrain(run, tmp_path / "whole")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits a file's size, which needs a POSIX system")
def test_a_file_size_limit_of_the_system_is_told_in_one_line(run, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(to_dict(run)))
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000));"
        "from unmask.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "pretrain", str(path), "--to", str(tmp_path / "run"), "--quiet"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert "could not be written" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_named(run, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SettingError, match="cannot be written"):
        runs.pretrain(run, tmp_path / "run")


def test_a_run_under_a_file_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"cannot be written \(Not a directory\): take another folder with --to"):
        runs.pretrain(run, tmp_path / "file" / "run")


def test_old_checkpoints_go_but_the_best_stays(run, tmp_path):
    runs.pretrain(changed(run, training={"checkpoint_every": 1, "keep": 2, "evaluations": 4}), tmp_path / "run")
    records = [record for record in metrics(tmp_path / "run") if "validation_loss" in record]
    best = min(records, key=lambda record: record["validation_loss"])["step"]
    kept = {step for step, _ in checkpoint.listed(tmp_path / "run" / "checkpoints")}
    assert kept == {11, 12, best}


def test_a_budget_of_operations_ends_with_the_step_that_spends_it(run, tmp_path):
    """By hand: a product (R,C) of N rows is 2 N R C operations, and twice as many going back. All of the first layer,
    of the last what the asked places need."""
    runs.pretrain(changed(run, training={"steps": None, "flops": 3e8, "evaluations": 0}), tmp_path / "run")
    spent = [json.loads(line)["flops"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert spent[-2] < 3e8 <= spent[-1]
    steps = [after - before for before, after in itertools.pairwise([0, *spent])]
    assert max(steps) < 1.5 * min(steps)
    tokens, width, inner = 16 * 32, 32, 48
    layer = 2 * tokens * (4 * width * width + 3 * width * inner)  # without attention's own products
    assert 3 * layer < spent[0] < 3 * 4 * layer


def test_a_checkpoint_is_a_model_that_transformers_loads(run, tmp_path):
    from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

    runs.pretrain(run, tmp_path / "run")
    for folder in (tmp_path / "run" / "checkpoints" / "step-12", tmp_path / "run" / "model"):
        filler = pipeline(
            "fill-mask",
            model=AutoModelForMaskedLM.from_pretrained(folder),
            tokenizer=AutoTokenizer.from_pretrained(folder),
        )
        assert len(filler("the dog [MASK] loudly .")) == 5


def test_tensorboard_gets_the_same_figures(run, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    runs.pretrain(changed(run, training={"tensorboard": True}), tmp_path / "run")
    board = event_accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.value for event in board.Scalars("loss")] == pytest.approx(losses(tmp_path / "run"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["training.steps=none"], "one of steps, epochs, tokens, minutes, flops is needed, none given"),
        (["training.steps=3", "training.minutes=5"], "steps and minutes given; set the others to none"),
        (["training.steps=0"], r"training\.steps=0: more than 0"),
        (["data.row_length=128"], "longer than the model's 64 positions: lower it, or raise architecture.positions"),
        (["data.store=none"], r"data\.source=TEXTS \(prepared first\) or data\.store=STORE"),
        (["masking.ratio=1.2"], r"masking\.ratio=1\.2: the share of masked tokens lies between 0 and 1"),
        (["training.precision=fp8"], r"training\.precision=fp8: auto, bf16 or fp32"),
        (["architecture.heads=5"], r"architecture\.heads=5: must divide"),
        (["optimizer=lion"], "unknown optimizer 'lion'"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(run, tmp_path, settings, words):
    with pytest.raises(SettingError, match=words):
        runs.pretrain(overridden(run, settings), tmp_path / "run")
