"""The finished model folder and its report: figures on held-out examples beside simple baselines, and what is wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from unmask import stages
from unmask.config import to_dict
from unmask.tasks import TASKS
from unmask.tasks.application import Application
from unmask.tasks.folders import SETTINGS
from unmask.tasks.models import TaskModel
from unmask.tasks.settings import Finetuning
from unmask.tasks.task import Task
from unmask.tasks.texts import markdown
from unmask.training.fit import Fit

FIGURES = "figures.json"


@dataclass(frozen=True)
class Published:
    """A finished run: its folder, the figures of each set of held-out examples, and those of simple answerers."""

    folder: Path
    figures: dict[str, Any]
    """{"validation": {name: figure}, "test": ..., "test.NAME": ...}"""
    baselines: dict[str, Any]
    """{baseline: {name: figure}}, on the last set of these"""
    aim: str = ""
    """the figure by which the best checkpoint was chosen"""

    @classmethod
    def found(cls, folder: Path) -> Published | None:
        """What a finished run came to; None for one that is not."""
        path = folder / "model" / FIGURES
        if not path.is_file():
            return None
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(folder, data["figures"], data["baselines"], data["aim"])


def publish(
    run: Finetuning,
    folder: Path,
    model: TaskModel,
    weights: Mapping[str, Tensor],
    train: Sequence[Any],
    sets: Mapping[str, Sequence[Any]],
    fit: Fit,
) -> Published:
    """Write model/ and report/, the figures taken from the files as a user would load them.

    sets: held-out examples by name; the last one is told of at length.
    """
    temporary = folder / ".model.writing"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    model.save(temporary, {name.removeprefix("model."): tensor for name, tensor in weights.items()})
    _write_settings(temporary, run, run.task)
    application = Application.load(temporary, device=str(fit.device))
    read = {name: application.outputs(examples) for name, examples in sets.items()}
    task = run.task.calibrated(sets["validation"], *read["validation"], model.labels)
    _write_settings(temporary, run, task)
    answers = {name: task.answers(sets[name], *read[name], model.labels) for name in sets}
    figures = {name: task.figures(sets[name], answers[name], model.labels) for name in sets}
    last = list(sets)[-1]
    baselines = dict(run.task.baselines(train, sets[last], model.labels))
    _write_report(run, folder / "report", model, figures, baselines, last, sets[last], answers[last])
    shutil.copy(folder / "report" / "README.md", temporary / "README.md")
    told = {"figures": figures, "baselines": baselines, "aim": run.task.aim, "step": fit.best[1]}
    stages.write_json(temporary / FIGURES, told)
    shutil.copy(folder / "run.json", temporary / "run.json")
    os.replace(temporary, folder / "model")
    return Published(folder, figures, baselines, run.task.aim)


def _write_settings(folder: Path, run: Finetuning, task: Task) -> None:
    settings = {"task": TASKS.name_of(task), "settings": to_dict(task), "data": to_dict(run.data)}
    stages.write_json(folder / SETTINGS, settings)


def _write_report(
    run: Finetuning,
    folder: Path,
    model: TaskModel,
    figures: Mapping[str, Mapping[str, float]],
    baselines: Mapping[str, Mapping[str, float]],
    last: str,
    examples: Sequence[Any],
    answers: Sequence[Any],
) -> None:
    """README.md with the figures, and what the task writes of wrong answers."""
    folder.mkdir(exist_ok=True)
    wrong = run.task.report(folder, examples, answers, model.labels)
    names = list(figures[last])
    rows = [[f"this model, {name}", *_shown(each, names)] for name, each in figures.items()]
    rows += [[f"{name}, {last}", *_shown(each, names)] for name, each in baselines.items()]
    lines = [f"# {run.name}: {TASKS.name_of(run.task).replace('_', ' ')}", ""]
    lines += [f"Fine-tuned from `{run.model}` with seed {run.seed}; the settings stand in `run.json`.", ""]
    lines += [*markdown(["", *names], rows), "", *wrong, ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _shown(figures: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{figures[name]:.4f}" if name in figures else "" for name in names]
