"""The doctor tells a run that learns from one that stands, diverges, overfits or waits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unmask.doctor import Diagnosis, diagnose
from unmask.sealed import seal


def write_run(
    folder: Path,
    losses,
    validation=None,
    *,
    unigram: float | None = 6.5,
    every: int = 100,
    waited: float = 0.0,
    finished: bool = True,
    learning_rate: float = 1e-3,
) -> Path:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    validation = losses if validation is None else validation
    lines = []
    for step, loss in enumerate(losses, start=1):
        record = {"step": step, "seconds": float(step), "loss": None if loss is None else float(loss)}
        record |= {"waited_seconds": waited, "learning_rate": learning_rate, "peak_share": 0.4}
        if step % every == 0:
            record |= {"validation_loss": float(validation[step - 1]), "unigram_loss": unigram}
        lines.append(json.dumps(record) + "\n")
    (folder / "metrics.jsonl").write_text("".join(lines))
    if finished:
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text("{}")
    return folder


def falling(end: float, steps: int = 1000) -> np.ndarray:
    return end + (9.5 - end) * np.exp(-np.arange(steps) / 120)


def finding(diagnosis: Diagnosis, words: str):
    found = [each for each in diagnosis.findings if words in each.what]
    assert len(found) == 1, [each.what for each in diagnosis.findings]
    return found[0]


def test_a_run_that_learned_is_healthy(tmp_path: Path) -> None:
    found = diagnose(write_run(tmp_path / "r", falling(3.5)))
    assert found.kind == "run"
    assert found.healthy, found.findings
    assert finding(found, "nats under the unigram line 6.50").level == "ok"
    assert found.figures["peak_share"] == 0.4


def test_a_loss_at_the_unigram_line_is_the_plateau(tmp_path: Path) -> None:
    found = finding(diagnose(write_run(tmp_path / "r", falling(6.48))), "stands at the unigram line 6.50")
    assert found.level == "warning"
    assert found.mend.startswith("a learning rate too low or too high (its peak was 0.001)")
    assert "repeat" in found.mend


def test_a_plateau_after_few_steps_is_first_blamed_on_them(tmp_path: Path) -> None:
    losses = np.linspace(9.5, 6.45, 200)
    found = finding(diagnose(write_run(tmp_path / "r", losses)), "stands at the unigram line")
    assert found.mend.startswith("too few steps (200): train longer")


def test_a_plateau_with_a_restless_loss_is_first_blamed_on_a_high_learning_rate(tmp_path: Path) -> None:
    losses = falling(6.5) + np.random.default_rng(0).normal(0, 1.0, 1000)
    run = write_run(tmp_path / "r", losses, falling(6.48), learning_rate=0.1)
    found = finding(diagnose(run), "stands at the unigram line")
    assert found.mend.startswith("a learning rate too high (its peak was 0.1)")


def test_a_run_without_unigram_line_is_not_compared_with_one(tmp_path: Path) -> None:
    found = diagnose(write_run(tmp_path / "r", falling(6.48), unigram=None))
    assert not any("unigram" in each.what for each in found.findings)


def test_a_loss_that_rises_has_diverged(tmp_path: Path) -> None:
    losses = np.concatenate([falling(4.0, 500), np.linspace(4.0, 8.0, 500)])
    assert finding(diagnose(write_run(tmp_path / "r", losses)), "the run diverged").level == "warning"


def test_a_validation_loss_that_rises_while_training_falls_is_overfitting(tmp_path: Path) -> None:
    validation = np.concatenate([falling(4.0, 500), np.linspace(4.0, 4.6, 500)])
    found = finding(diagnose(write_run(tmp_path / "r", falling(2.0), validation)), "rose from")
    assert found.level == "warning"
    assert "by heart" in found.mend


def test_a_loss_that_still_falls_asks_for_more(tmp_path: Path) -> None:
    found = finding(diagnose(write_run(tmp_path / "r", np.linspace(9, 4, 1000))), "still fell by")
    assert found.level == "note"


def test_a_loss_that_is_no_number_is_named_by_its_step(tmp_path: Path) -> None:
    losses = [*falling(4.0, 300), None]
    found = finding(diagnose(write_run(tmp_path / "r", losses, finished=False)), "no number at step 301")
    assert found.level == "warning"


@pytest.mark.parametrize(("waited", "level"), [(0.01, "ok"), (0.4, "warning")])
def test_waiting_for_data_is_judged_by_its_share(tmp_path: Path, waited: float, level: str) -> None:
    found = diagnose(write_run(tmp_path / "r", falling(3.5), waited=waited))
    assert finding(found, f"waited for data {waited:.1%}").level == level


def test_an_unfinished_run_is_told_how_to_go_on(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", falling(3.5), finished=False)
    found = diagnose(run)
    assert finding(found, "not finished: 1,000 steps").level == "note"
    assert found.next_step == f"unmask pretrain --resume {run}"


def test_an_unfinished_run_of_fine_tuning_is_gone_on_with_by_its_own_verb(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", falling(3.5), finished=False)
    (run / "run.json").write_text(json.dumps({"run": {"task": {"kind": "classification"}}}))
    assert diagnose(run).next_step == f"unmask finetune --resume {run}"


def test_a_run_that_has_not_begun_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    found = diagnose(tmp_path)
    assert finding(found, "metrics.jsonl is not in it").level == "warning"


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", falling(3.5))
    for step in (100, 200):
        folder = run / "checkpoints" / f"step-{step}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"0123456789")
        seal(folder)
    (run / "checkpoints" / "step-200" / "model.safetensors").write_bytes(b"01234")
    found = diagnose(run)
    assert finding(found, "step-200 is broken (model.safetensors has 5 of 10 bytes)").level == "warning"
    assert not any("step-100" in each.what for each in found.findings)
