"""A run: whether its loss has left the unigram line, whether it diverged or overfits, and what held it up."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.doctor.diagnosis import Diagnosis, Finding, ordered
from unmask.errors import UnmaskError
from unmask.report.curves import MASKED, read_metrics, series
from unmask.sealed import fault

PLATEAU = 0.15
"""A loss nearer to the unigram line than this (nats) has learned frequencies and little else."""
DIVERGED = 0.5
"""The mean of the last tenth of the losses above the best tenth, in nats."""
OVERFITTED = 0.05
"""The last validation loss above the best, in nats."""
FALLING = 0.1
"""The fall of the validation loss over its last interval, in nats, that promises more."""
FEW_STEPS = 500
WAITED = 0.1

Records = Sequence[dict[str, Any]]


def examine(target: str) -> Diagnosis:
    """The findings on a run folder."""
    folder = Path(target)
    resume = f"unmask {_verb(folder)} --resume {target}"
    try:
        records = read_metrics(folder)
    except UnmaskError as error:
        return Diagnosis("run", target, (Finding("warning", str(error), f"begin it: {resume}"),), resume)
    done = (folder / "model" / "config.json").is_file()
    findings = [*_checkpoints(folder / "checkpoints"), *_finished(done, records, resume)]
    if records:
        course = _course(records)
        rate = _learning_rate(records)
        findings += [
            *_finite(records),
            *_unigram(course, rate),
            *_diverged(course),
            *_validation(course),
            *_waited(records),
        ]
    step = f"unmask plot {target}" if done else resume
    return Diagnosis("run", target, ordered(findings), step, _figures(records))


def _verb(folder: Path) -> str:
    """What goes on with a run: one of fine-tuning has a task."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError):
        return "pretrain"
    return "finetune" if "task" in run else "pretrain"


@dataclass(frozen=True)
class _Course:
    """The losses of a run: over its steps (n,), and at its evaluations (e,)."""

    steps: np.ndarray
    losses: np.ndarray
    evaluated: np.ndarray
    validation: np.ndarray
    unigram: float | None

    @property
    def best(self) -> int:
        """Which evaluation had the lowest loss."""
        return int(self.validation.argmin())


def _course(records: Records) -> _Course:
    lines = series(records, "step", "unigram_loss")[1]
    return _Course(
        *series(records, "step", MASKED),
        *series(records, "step", "validation_loss"),
        float(lines[-1]) if len(lines) else None,
    )


def _checkpoints(folder: Path) -> list[Finding]:
    broken = [(path, fault(path)) for path in sorted(folder.glob("step-*"))]
    mend = "the one before it is used; delete the folder"
    return [Finding("warning", f"{path.name} is broken ({why})", mend) for path, why in broken if why]


def _finished(done: bool, records: Records, resume: str) -> list[Finding]:
    steps = records[-1].get("step", 0) if records else 0
    if done:
        return [Finding("ok", f"finished after {steps:,} steps")]
    return [Finding("note", f"not finished: {steps:,} steps are recorded", f"go on with: {resume}")]


def _finite(records: Records) -> list[Finding]:
    """A loss that is no number is recorded as null."""
    bad = [record["step"] for record in records if "loss" in record and not _is_finite(record["loss"])]
    if not bad:
        return []
    mend = "go on from the last good checkpoint with a lower optimizer.learning_rate, or training.precision=fp32"
    return [Finding("warning", f"the loss is no number at step {bad[0]:,}", mend)]


def _unigram(course: _Course, learning_rate: float | None) -> list[Finding]:
    if course.unigram is None or not len(course.validation):
        return []
    loss, line = float(course.validation[course.best]), course.unigram
    if line - loss >= PLATEAU:
        return [
            Finding("ok", f"the validation loss {loss:.2f} is {line - loss:.2f} nats under the unigram line {line:.2f}")
        ]
    what = (
        f"the validation loss {loss:.2f} stands at the unigram line {line:.2f}: the model has learned frequencies only"
    )
    return [Finding("warning", what, _plateau_causes(course, learning_rate))]


def _plateau_causes(course: _Course, learning_rate: float | None) -> str:
    """The likely causes of the plateau, the likeliest first."""
    steps = int(course.steps[-1]) if len(course.steps) else 0
    shown = "" if learning_rate is None else f" (its peak was {learning_rate:g})"
    restless = len(course.losses) >= 20 and _spread(course.losses) > 0.5
    causes = [f"too few steps ({steps:,}): train longer"] if steps < FEW_STEPS else []
    causes.append(
        f"a learning rate too high{shown}: the loss jumps about, divide optimizer.learning_rate by 3"
        if restless
        else f"a learning rate too low or too high{shown}: try 3 times and a third of optimizer.learning_rate"
    )
    causes.append("lines or documents that repeat: unmask doctor STORE")
    if steps >= FEW_STEPS:
        causes.append("too few steps for a model of this size: train longer")
    return "; or ".join(causes)


def _diverged(course: _Course) -> list[Finding]:
    if len(course.losses) < 20:
        return []
    tenths = np.array([part.mean() for part in np.array_split(course.losses, 10)])
    rise = float(tenths[-1] - tenths.min())
    if rise < DIVERGED:
        return []
    what = f"the training loss rose by {rise:.2f} nats from its best to {tenths[-1]:.2f}: the run diverged"
    return [Finding("warning", what, "lower optimizer.learning_rate, warm up longer, or clip (training.clip=1)")]


def _validation(course: _Course) -> list[Finding]:
    """Whether the validation loss rises again, or still falls."""
    if len(course.validation) < 3:
        return []
    last, best = float(course.validation[-1]), float(course.validation[course.best])
    if last - best > OVERFITTED and course.losses[-max(1, len(course.losses) // 10) :].mean() < last:
        what = f"the validation loss rose from {best:.2f} at step {int(course.evaluated[course.best]):,} to {last:.2f}"
        return [Finding("warning", what, "the model learns its text by heart: give more text, or train less")]
    fall = float(course.validation[-2]) - last
    if fall > FALLING:
        return [Finding("note", f"the validation loss still fell by {fall:.2f} at the end", "training longer will pay")]
    return []


def _waited(records: Records) -> list[Finding]:
    """The share of time in which training waited for its data."""
    waited, seconds = series(records, "step", "waited_seconds")[1], series(records, "step", "seconds")[1]
    if not len(waited) or not len(seconds) or seconds[-1] <= 0:
        return []
    share = float(waited.sum() / seconds[-1])
    what = f"training waited for data {share:.1%} of the time"
    if share <= WAITED:
        return [Finding("ok", what)]
    return [Finding("warning", what, "put the store on a local, fast disk, or leave a core free with training.threads")]


def _learning_rate(records: Records) -> float | None:
    rates = series(records, "step", "learning_rate")[1]
    return float(rates.max()) if len(rates) else None


def _figures(records: Records) -> dict[str, Any]:
    keys = ("step", "seconds", "tokens", "loss", "validation_loss", "unigram_loss", "word_accuracy")
    last = {key: value for key in keys for record in records if (value := record.get(key)) is not None}
    for key in ("peak_share", "tokens_per_second"):
        values = series(records, "step", key)[1]
        last |= {key: float(np.median(values))} if len(values) else {}
    return last


def _spread(losses: np.ndarray) -> float:
    """How much neighbouring losses differ, in nats, in the second half of the run."""
    return float(np.abs(np.diff(losses[len(losses) // 2 :])).mean())


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
