"""A run that was stopped, at any moment and in any way, ends with the bits of one that never was."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from unmask import run as runs
from unmask.config import changed, overridden, to_dict
from unmask.distributed import World
from unmask.errors import DataError, ModelError, SettingError, Stopped, UnmaskError
from unmask.stopping import asked_to_stop


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(one, other):
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.equal(theirs[name]), name
    clocks = {"seconds", "tokens_per_second", "peak_share", "waited_seconds"}
    plain = [[{k: v for k, v in record.items() if k not in clocks} for record in metrics(run)] for run in (one, other)]
    for ours, theirs in zip(*plain, strict=True):
        assert ours == theirs


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize(
    "budget",
    [
        {"steps": 12},
        {"steps": None, "epochs": 2.5},
        {"steps": None, "tokens": 6000},
        {"steps": None, "flops": 1e9},
    ],
)
def test_a_run_stopped_at_step_7_and_resumed_equals_one_never_stopped(run, tmp_path, optimizer, budget, stop_at):
    run = overridden(
        changed(run, training=budget), [f"optimizer={optimizer}", "training.batch_start=0.5", "training.batch_ramp=0.5"]
    )
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped, match="stopped at step 7, which is saved; go on with: unmask pretrain --resume"):
        runs.pretrain(run, tmp_path / "parts", stop_at(7))
    runs.resume(tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_masks_by_part_of_speech_go_on_the_same_and_not_with_another_tagged_text(run, tmp_path, stop_at):
    tagged = tmp_path / "tagged.txt"
    tagged.write_text("the/DET dog/NOUN barks/VERB loudly/ADV ./PUNCT")
    run = overridden(
        run,
        [
            "masking.selection=part_of_speech_weighted",
            f"masking.selection.tagged={tagged}",
            "masking.selection.weights=NOUN:3,VERB:2,PUNCT:0.2",
        ],
    )
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "parts", stop_at(7))
    tagged.write_text("the/DET dog/VERB barks/NOUN loudly/ADV ./PUNCT")
    with pytest.raises(DataError, match=r"tagged.txt is not the text this run was started with: put that back, or"):
        runs.resume(tmp_path / "parts")
    tagged.write_text("the_DET dog_NOUN\nbarks_VERB loudly_ADV ._PUNCT")
    runs.resume(tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    with pytest.raises(DataError, match=r"nowhere.txt cannot be read"):
        runs.pretrain(overridden(run, [f"masking.selection.tagged={tmp_path / 'nowhere.txt'}"]), tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("kills", "precision", "threads"), [(2, "fp32", 1), pytest.param(10, "auto", 2, marks=pytest.mark.slow)]
)
def test_a_run_killed_at_random_moments_goes_on_to_the_same_bits(run, tmp_path, kills, precision, threads):
    run = changed(
        run,
        training={
            "steps": 90,
            "checkpoint_every": 5,
            "batch_size": 8,
            "precision": precision,
            "threads": threads,
        },
    )
    runs.pretrain(run, tmp_path / "whole")
    path, folder, draw = tmp_path / "run.json", tmp_path / "killed", random.Random(kills)
    path.write_text(json.dumps(to_dict(run)))
    command = [sys.executable, "-m", "unmask.cli", "pretrain", "--quiet"]
    for _ in range(kills):
        begun = (folder / "run.json").exists()
        process = subprocess.Popen(
            [*command, *(["--resume", str(folder)] if begun else [str(path), "--to", str(folder)])]
        )
        _wait_for(folder / "run.json", process)
        wanted = _lines(folder) + draw.randrange(12)  # as often in the middle of a step as of a checkpoint
        while process.poll() is None and _lines(folder) < wanted:
            time.sleep(0.002)
        time.sleep(draw.random() * 0.05)
        assert process.poll() is None, "it finished before it could be killed: take more steps"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (folder / "model").exists()
    runs.resume(folder)
    assert_same_run(tmp_path / "whole", folder)


def _lines(folder):
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _wait_for(path, process):
    while not path.exists() and process.poll() is None:
        time.sleep(0.01)


def test_ctrl_c_in_the_middle_saves_and_exits_with_run_me_again(run, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(to_dict(changed(run, training={"steps": 100_000}))))
    folder = tmp_path / "stopped"
    process = subprocess.Popen(
        [sys.executable, "-m", "unmask.cli", "pretrain", str(path), "--to", str(folder)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    while _lines(folder) < 3 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert f"go on with: unmask pretrain --resume {folder}" in " ".join(said.split())
    assert "Traceback" not in said
    assert len(list((folder / "checkpoints").glob("step-*"))) == 1


def test_a_checkpoint_cut_in_half_is_passed_over_for_the_one_before(run, tmp_path, capfd, stop_at):
    run = changed(run, training={"checkpoint_every": 3, "keep": 9})
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "broken", stop_at(7))
    newest = tmp_path / "broken" / "checkpoints" / "step-7" / "model.safetensors"
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    runs.resume(tmp_path / "broken")
    said = " ".join(capfd.readouterr().err.split())
    assert "step-7 is broken (model.safetensors has" in said
    assert "the one before it is used" in said
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_a_run_that_was_only_started_is_resumed_from_nothing(run, tmp_path):
    from unmask import stages

    stages.started(run, tmp_path / "run", World())
    assert os.listdir(tmp_path / "run") == ["run.json"]
    runs.resume(tmp_path / "run")
    runs.pretrain(run, tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_a_finished_run_is_not_trained_again(run, tmp_path):
    first = runs.pretrain(run, tmp_path / "run")
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert runs.resume(tmp_path / "run").figures == first.figures
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_an_existing_run_is_never_overwritten(run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious.txt").write_text("mine")
    with pytest.raises(SettingError, match=r"exists already: go on with --resume .*, or take another folder with --to"):
        runs.pretrain(run, tmp_path / "run")
    assert (tmp_path / "run" / "precious.txt").read_text() == "mine"


def test_a_mistake_leaves_no_folder_in_the_way_of_the_next_try(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnmaskError, match="no such"):
        runs.pretrain(changed(run, data={"store": None, "source": str(tmp_path / "nothere")}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_text_that_changed_is_prepared_anew_beside_the_old_store(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = changed(run, data={"store": None, "source": "farm.txt"}, tokenizer={"vocabulary_size": 64})
    run = changed(run, corpus={"documents": "lines"}, training={"steps": 2})
    lines = [f"the {animal} number {number} barks loudly ." for number in range(80) for animal in ("dog", "cat")]
    (tmp_path / "farm.txt").write_text("\n".join(lines))
    runs.pretrain(run, tmp_path / "first")
    runs.pretrain(run, tmp_path / "second")
    assert len(list((tmp_path / "stores").iterdir())) == 1
    (tmp_path / "farm.txt").write_text("\n".join([*lines, "one more line ."]))
    runs.pretrain(run, tmp_path / "third")
    assert len(list((tmp_path / "stores").iterdir())) == 2


def test_standard_input_is_prepared_first(run, tmp_path):
    with pytest.raises(SettingError, match="standard input is read once: unmask prepare - --to STORE first"):
        runs.pretrain(changed(run, data={"store": None, "source": "-"}), tmp_path / "run")


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"is not a run folder: it has no run\.json"):
        runs.resume(tmp_path)


def test_a_minutes_budget_is_kept_and_goes_on_at_the_saved_clock(run, tmp_path, stop_at):
    run = changed(run, training={"steps": None, "minutes": 0.1, "evaluations": 1})
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "run", stop_at(40))
    stopped_at = metrics(tmp_path / "run")[-1]["seconds"]
    runs.resume(tmp_path / "run")
    records = metrics(tmp_path / "run")
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    assert records[40]["seconds"] >= stopped_at
    assert 6.0 <= records[-1]["seconds"] < 8.0
    assert records[-1]["learning_rate"] < 0.05 * max(record["learning_rate"] for record in records)


def test_two_stop_signals_do_not_leave_the_handlers_behind():
    before = signal.getsignal(signal.SIGTERM)
    with asked_to_stop() as asked:
        signal.raise_signal(signal.SIGTERM)
        assert asked.is_set()
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before
