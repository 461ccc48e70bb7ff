"""A number for a text or a pair of texts: similarity, a rating."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from unmask.config import require
from unmask.errors import DataError
from unmask.menu import unknown
from unmask.tasks.baselines import of_numbers, tfidf_numbers
from unmask.tasks.features import Feature
from unmask.tasks.tables import SCORES, Row
from unmask.tasks.task import Answer, Figures, Loss
from unmask.tasks.texts import TextTask, write_errors

FIGURES = ("pearson", "spearman")
LISTED = 100
"""The answers furthest from the truth that the report lists."""


@dataclass(frozen=True)
class Regression(TextTask):
    """A number for a text or a pair: similarity (STS-B), ratings; Pearson and Spearman correlations, mean error."""

    long: str = "cut"
    """a text longer than a row: cut, or windows (all of it is read, and the mean of the windows' answers counts)"""
    pooling: str = "auto"
    """what of a row the head reads: cls, mean or auto, which takes what the architecture does best"""
    metric: str = "spearman"
    """the figure that the best checkpoint has most of: pearson or spearman"""

    problem: ClassVar = "regression"
    usual_labels: ClassVar = SCORES

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.metric in FIGURES, f"task.metric: {unknown('figure', self.metric, list(FIGURES))}")

    @property
    def aim(self) -> str:
        return self.metric

    def labels(self, examples: Sequence[Row]) -> tuple[str, ...]:
        numbers = {truth(row) for row in examples}
        if len(numbers) < 2:
            raise DataError(
                f"{examples[0].place.rpartition(':')[0]}: every example has the number {numbers.pop():g}; "
                "at least two different ones are needed to learn a difference"
            )
        return ("score",)

    def check(self, examples: Sequence[Row], labels: Sequence[str]) -> None:
        if len(labels) != 1:
            raise DataError(f"{examples[0].place}: the model gives {len(labels)} labels, not a number; take another")
        for row in examples:
            truth(row)

    def target(self, row: Row, labels: Sequence[str]) -> np.ndarray:
        return np.array([math.nan if row.label is None else truth(row)], np.float32)

    def loss(self, examples: Sequence[Row], labels: Sequence[str]) -> Loss:
        """Squared errors, in units of the training numbers' variance."""
        variance = float(np.var([truth(row) for row in examples])) or 1.0

        def squared(logits: Tensor, targets: Tensor) -> Tensor:
            return ((logits - targets) ** 2).sum() / variance

        return squared

    def start(self, examples: Sequence[Row], labels: Sequence[str]) -> np.ndarray:
        """The mean of the training numbers."""
        return np.array([np.mean([truth(row) for row in examples])], np.float32)

    def answers(
        self, examples: Sequence[Row], features: Sequence[Feature], logits: Sequence[np.ndarray], labels: Sequence[str]
    ) -> list[Answer]:
        return [{"score": float(score)} for score in self.together(len(examples), features, logits)[:, 0]]

    def figures(self, examples: Sequence[Row], answers: Sequence[Answer], labels: Sequence[str]) -> Figures:
        return of_numbers([truth(row) for row in examples], [answer["score"] for answer in answers])

    def baselines(self, train: Sequence[Row], examples: Sequence[Row], labels: Sequence[str]) -> Mapping[str, Figures]:
        truths = [truth(row) for row in examples]
        name, guessed = tfidf_numbers(train, [truth(row) for row in train], examples)
        return {name: of_numbers(truths, guessed)}

    def report(
        self, folder: Path, examples: Sequence[Row], answers: Sequence[Answer], labels: Sequence[str]
    ) -> list[str]:
        errors = [abs(truth(row) - answer["score"]) for row, answer in zip(examples, answers, strict=True)]
        worst = np.argsort(-np.array(errors), kind="stable")[:LISTED]
        write_errors(folder / "errors.jsonl", ((examples[number], answers[number]) for number in worst))
        return [f"The {len(worst)} answers furthest from the truth stand in `errors.jsonl`."]


def truth(row: Row) -> float:
    """The number of an example; DataError when what stands there is none."""
    try:
        number = float(row.label)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(row.label, bool):
        raise DataError(f"{row.place}: {row.label!r} is no number; the task regression needs one an example")
    return number
