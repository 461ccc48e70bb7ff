"""The folder of a fine-tuned model: where it is, and what it says of its task.

application_folder("runs/wiki-sst2")   -> runs/wiki-sst2/model, or that of its best seed; None where there is no task
settings_of(folder)                    -> the task, and how it reads files

Nothing here imports torch but a task that is asked for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.config import from_dict
from unmask.errors import ModelError
from unmask.tasks import TASKS
from unmask.tasks.sentence_folder import MODULES
from unmask.tasks.settings import TaskData

if TYPE_CHECKING:
    from unmask.tasks.task import Task

SETTINGS = "task.json"
SEARCH, SEEDS = "search.json", "seeds.json"
"""What says, in a folder of several runs, which of them is the best."""
_OF_KINDS = {"row": "classification", "token": "token_classification", "span": "question_answering"}


def application_folder(name: str | Path) -> Path | None:
    """The model folder of a fine-tuned run (the best one of a search or of several seeds) or of a stock folder with a
    task's head; None for everything else."""
    folder = _best(_best(Path(name), SEARCH), SEEDS)
    if not (folder / "run.json").exists() and not (folder / "config.json").exists():
        return None
    if _is_unfinished_task(folder):
        raise ModelError(f"{folder} is not finished: go on with unmask finetune --resume {folder}")
    found = folder if (folder / "config.json").exists() else folder / "model"
    if (found / SETTINGS).exists() or (found / MODULES).exists():
        return found
    if not (found / "config.json").exists():
        return None
    return found if _kind_of(found) is not None else None


def task_of(name: str | Path) -> Task:
    """The task of a fine-tuned run or folder; ModelError where there is none."""
    return settings_of(required(name))[0]


def required(name: str | Path) -> Path:
    """The folder with a task's head; ModelError, one line, where there is none."""
    if (folder := application_folder(name)) is None:
        from unmask.models import resolved  # here, for it imports torch

        resolved(name)
        raise ModelError(f"{name} has no head for a task: fine-tune it first with unmask finetune {name} TASK")
    return folder


def _best(folder: Path, record: str) -> Path:
    """The run that stands for those in a folder; the folder itself when it has no such record."""
    if not (folder / record).is_file():
        return folder
    best = json.loads((folder / record).read_text(encoding="utf-8")).get("best")
    if best is None:
        raise ModelError(f"{folder} is not finished: go on with unmask finetune --resume {folder}")
    return folder / best


def _is_unfinished_task(folder: Path) -> bool:
    run = folder / "run.json"
    if not run.exists() or (folder / "config.json").exists() or (folder / "model").exists():
        return False
    return "task" in json.loads(run.read_text(encoding="utf-8")).get("run", {})


def _kind_of(folder: Path) -> str | None:
    """What the head of a folder labels, by the class that its config.json names."""
    from unmask.weights.labelled import ENDINGS  # here, for it imports torch

    named = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or [""]
    return next((kind for kind, ending in ENDINGS.items() if named[0].endswith(ending)), None)


def settings_of(folder: Path) -> tuple[Task, TaskData]:
    """What task.json says, or for a stock folder what its config.json lets one guess."""
    path = folder / SETTINGS
    if not path.exists() and (folder / MODULES).exists():
        return TASKS.load("embeddings")(), TaskData()
    if not path.exists():
        kind = _kind_of(folder)
        problem = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("problem_type")
        name = "regression" if problem == "regression" else _OF_KINDS[str(kind)]
        many = {"multi_label": True} if problem == "multi_label_classification" else {}
        return from_dict(TASKS.load(name), many), TaskData()
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return from_dict(TASKS.load(said["task"]), said["settings"]), from_dict(TaskData, said["data"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} cannot be read ({error}); take the folder as unmask finetune wrote it") from None
