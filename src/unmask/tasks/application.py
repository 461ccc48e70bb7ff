"""A fine-tuned model at work.

application = Application.load("runs/wiki-sst2")
application.predict(["A gorgeous, witty, seductive movie."])   -> [{"label": "1", "score": 0.99, ...}]
application.evaluate("test.tsv")                               -> {"accuracy": 0.91, ...}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unmask import console
from unmask.config import from_dict
from unmask.errors import ModelError
from unmask.layers.packed import PackedLinears
from unmask.models import resolved
from unmask.tasks import TASKS
from unmask.tasks.features import Feature
from unmask.tasks.models import TaskModel
from unmask.tasks.sentence_folder import MODULES
from unmask.tasks.settings import TaskData
from unmask.tasks.task import Answer, Task
from unmask.weights.labelled import ENDINGS

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
    return _settings(_required(name))[0]


def _required(name: str | Path) -> Path:
    """The folder with a task's head; ModelError, one line, where there is none."""
    if (folder := application_folder(name)) is None:
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
    named = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or [""]
    return next((kind for kind, ending in ENDINGS.items() if named[0].endswith(ending)), None)


@dataclass(frozen=True)
class Application:
    """A fine-tuned model with its task and how it reads files."""

    task: Task
    model: TaskModel
    data: TaskData
    device: str

    @classmethod
    def load(cls, name: str | Path, device: str | None = None) -> Application:
        """A fine-tuned run, its model folder, or a stock folder with a head for labels or answers.

        ModelError, one line, for everything else.
        """
        folder = _required(name)
        task, data = _settings(folder)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model = task.loaded(folder)
        model.module.to(device)
        return cls(task, model, data, device)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return self.model.labels

    def predict(self, texts: str | Sequence[str], done: Callable[[int], None] | None = None) -> list[Answer]:
        """Answers for texts (of a pair with a tab between), in their order. done: told of rows as they are ready."""
        return self.answers(self.task.of_texts([texts] if isinstance(texts, str) else texts), done)

    def predict_file(
        self, path: str, done: Callable[[int], None] | None = None, **columns: str | None
    ) -> tuple[list[Any], list[Answer]]:
        """The examples of a file, whether they are labelled or not, and the answers."""
        data = replace(self.data, **{"label": None, **columns})
        examples = self.task.read(path, data.columns, labelled=False)
        return examples, self.answers(examples, done)

    def evaluate(self, path: str, done: Callable[[int], None] | None = None, **columns: str | None) -> dict[str, Any]:
        """The figures on a file of labelled examples; DataError when its labels are not those of the model."""
        examples = self.task.read(path, replace(self.data, **columns).columns)
        self.task.check(examples, self.labels)
        figures = self.task.figures(examples, self.answers(examples, done), self.labels)
        return {**figures, "examples": len(examples)}

    def answers(self, examples: Sequence[Any], done: Callable[[int], None] | None = None) -> list[Answer]:
        """Answers for examples, in their order."""
        return self.task.answers(examples, *self.outputs(examples, done), self.labels)

    def outputs(
        self, examples: Sequence[Any], done: Callable[[int], None] | None = None
    ) -> tuple[list[Feature], list[Any]]:
        """The rows of examples, and what the model says of each: logits (K,L)."""
        base, limit = self.model.base, self.model.limit
        limit = min(self.data.row_length or limit, limit)
        features, shortened = self.task.features(examples, self.labels, base.tokenizer, base.frame, limit)
        if shortened:
            console.warn(f"{shortened:,} of {len(examples):,} texts are longer than {limit} tokens and were cut")
        with torch.inference_mode(), PackedLinears():
            return features, self.model.outputs(features, self.device, done)


def _settings(folder: Path) -> tuple[Task, TaskData]:
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
