"""A fine-tuned model at work.

application = Application.load("runs/wiki-sst2")
application.predict(["A gorgeous, witty, seductive movie."])   -> [{"label": "1", "score": 0.99, ...}]
application.evaluate("test.tsv")                               -> {"accuracy": 0.91, ...}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unmask import console
from unmask.devices import best_device
from unmask.layers.packed import PackedLinears
from unmask.tasks.features import Feature
from unmask.tasks.folders import required, settings_of
from unmask.tasks.models import TaskModel
from unmask.tasks.settings import TaskData
from unmask.tasks.task import Answer, Task


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
        folder = required(name)
        task, data = settings_of(folder)
        device = device or best_device()
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
