"""Classification of texts and pairs of texts: one label of several, or any number of labels.

Shapes: N examples, L labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unmask import console
from unmask.batches import IGNORE
from unmask.config import require
from unmask.errors import DataError
from unmask.menu import unknown
from unmask.tasks.baselines import of_labels, tfidf_logistic
from unmask.tasks.features import Feature
from unmask.tasks.tables import LABELS, Row
from unmask.tasks.task import Answer, Figures, Loss
from unmask.tasks.texts import TextTask, markdown, write_errors, write_table

WEIGHTS = ("none", "balanced")
FIGURES = ("accuracy", "macro_f1", "micro_f1", "f1", "matthews")
RARE = 10
"""One label this many times as frequent as another is worth a word."""


@dataclass(frozen=True)
class Classification(TextTask):
    """Labels for a text or a pair: sentiment, topic, paraphrase, entailment; accuracy, F1, Matthews."""

    multi_label: bool = False
    """an example may have any number of labels: a list in .jsonl, parted by task.separator in tables"""
    separator: str = ","
    """between the labels of one example in a table"""
    class_weights: str = "none"
    """balanced: the loss of rare labels counts more, so that all labels count alike together"""
    long: str = "cut"
    """a text longer than a row: cut, or windows (all of it is read, and the mean of the windows' logits decides)"""
    pooling: str = "auto"
    """what of a row the head reads: cls, mean or auto, which takes what the architecture does best"""
    metric: str | None = None
    """the figure that the best checkpoint has most of; none: accuracy, or micro_f1 for many labels"""

    usual_labels: ClassVar = LABELS

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.class_weights in WEIGHTS,
            f"task.class_weights={self.class_weights}: one of {', '.join(WEIGHTS)} is needed",
        )
        require(bool(self.separator), "task.separator= is empty: give what parts labels, e.g. task.separator=;")
        if self.metric is not None:
            require(self.metric in FIGURES, f"task.metric: {unknown('figure', self.metric, list(FIGURES))}")

    @property
    def aim(self) -> str:
        return self.metric or ("micro_f1" if self.multi_label else "accuracy")

    @property
    def problem_type(self) -> str:
        return "multi_label_classification" if self.multi_label else "single_label_classification"

    # ------------------------------------------------------------ examples

    def labels(self, examples: Sequence[Row]) -> tuple[str, ...]:
        found = {label for row in examples for label in self.truth(row)}
        if len(found) < 2:
            only = f"every example has the label '{next(iter(found))}'" if found else "no example has a label"
            raise DataError(f"{_file(examples[0])}: {only}; at least two labels are needed to learn a difference")
        whole = all(label.lstrip("-").isdecimal() for label in found)
        return tuple(sorted(found, key=int if whole else str))

    def check(self, examples: Sequence[Row], labels: Sequence[str]) -> None:
        for row in examples:
            for label in self.truth(row):
                if label not in labels:
                    shown = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
                    raise DataError(
                        f"{row.place}: the label '{label}' is not one of those that the model knows ({shown}); "
                        "mend the label, or train on examples of it"
                    )

    def warn(self, examples: Sequence[Row]) -> None:
        counts = Counter(label for row in examples for label in self.truth(row)).most_common()
        (most, many), (least, few) = counts[0], counts[-1]
        if many > RARE * few and not self.multi_label and self.class_weights == "none":
            console.warn(
                f"{many / len(examples):.0%} of the training examples have the label '{most}', "
                f"{few / len(examples):.1%} '{least}': look at macro_f1 beside accuracy; "
                "task.class_weights=balanced makes rare labels count more"
            )

    def truth(self, row: Row) -> tuple[str, ...]:
        """The labels of an example; DataError when it has none where one is needed."""
        value = row.label
        if self.multi_label:
            parts = value if isinstance(value, list) else str(value or "").split(self.separator)
            return tuple(sorted({str(part).strip() for part in parts} - {""}))
        if value is None or isinstance(value, (list, dict)) or str(value) == "":
            raise DataError(
                f"{row.place}: the label is {repr(value) if value else 'missing'}; one label is needed"
                + ("; for several set task.multi_label=true" if isinstance(value, list) else "")
            )
        return (str(value),)

    def target(self, row: Row, labels: Sequence[str]) -> np.ndarray:
        if row.label is None:
            return np.zeros(len(labels), np.float32) if self.multi_label else np.array(IGNORE)
        numbers = [labels.index(label) for label in self.truth(row)]
        if not self.multi_label:
            return np.array(numbers[0])
        target = np.zeros(len(labels), np.float32)
        target[numbers] = 1
        return target

    # ------------------------------------------------------------ learning and answering

    def loss(self, examples: Sequence[Row], labels: Sequence[str]) -> Loss:
        if self.multi_label:
            return _of_many
        weights = None
        if self.class_weights == "balanced":
            counts = Counter(self.truth(row)[0] for row in examples)
            weights = torch.tensor([len(examples) / (len(labels) * counts[label]) for label in labels])
        return lambda logits, targets: _of_one(logits, targets, weights)

    def answers(
        self, examples: Sequence[Row], features: Sequence[Feature], logits: Sequence[np.ndarray], labels: Sequence[str]
    ) -> list[Answer]:
        together = self.together(len(examples), features, logits)
        if self.multi_label:
            return [_several(scores, labels) for scores in 1 / (1 + np.exp(-together))]
        exponentials = np.exp(together - together.max(1, keepdims=True))
        return [_single(scores, labels) for scores in exponentials / exponentials.sum(1, keepdims=True)]

    # ------------------------------------------------------------ how good it is

    def figures(self, examples: Sequence[Row], answers: Sequence[Answer], labels: Sequence[str]) -> Figures:
        said = [tuple(answer["labels"]) if self.multi_label else (answer["label"],) for answer in answers]
        return of_labels([self.truth(row) for row in examples], said, labels, self.multi_label)

    def baselines(self, train: Sequence[Row], examples: Sequence[Row], labels: Sequence[str]) -> Mapping[str, Figures]:
        truths = [self.truth(row) for row in examples]
        known = [self.truth(row) for row in train]
        guessed = tfidf_logistic(train, known, examples, labels, self.multi_label)
        return {
            "most frequent label": self.guessed(train, examples, labels),
            "TF-IDF and logistic regression": of_labels(truths, guessed, labels, self.multi_label),
        }

    def guessed(self, known: Sequence[Row], examples: Sequence[Row], labels: Sequence[str]) -> Figures:
        """The figures of always saying what most of the known examples have."""
        truths = [self.truth(row) for row in examples]
        most = Counter(self.truth(row) for row in known).most_common(1)[0][0]
        return of_labels(truths, [most] * len(truths), labels, self.multi_label)

    def report(
        self, folder: Path, examples: Sequence[Row], answers: Sequence[Answer], labels: Sequence[str]
    ) -> list[str]:
        truths = [self.truth(row) for row in examples]
        said = [tuple(answer["labels"]) if self.multi_label else (answer["label"],) for answer in answers]
        missed = [number for number, truth in enumerate(truths) if set(truth) != set(said[number])]
        if not self.multi_label:  # the surest ones first
            missed.sort(key=lambda number: -answers[number]["score"])
        count = write_errors(folder / "errors.jsonl", ((examples[number], answers[number]) for number in missed))
        lines = [f"{count:,} of {len(examples):,} examples are answered wrongly; they stand in `errors.jsonl`."]
        if self.multi_label:
            return lines
        pairs = Counter(zip((truth[0] for truth in truths), (label[0] for label in said), strict=True))
        rows = [[truth, *(pairs[truth, label] for label in labels)] for truth in labels]
        write_table(folder / "confusion.csv", ["truth \\ answer", *labels], rows)
        if len(labels) <= 20:
            lines += ["", "A row for each true label, a column for each answer:", ""]
            lines += markdown(["truth \\ answer", *labels], rows)
        return lines


def _of_one(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Cross-entropy, summed; each label weighted, if weights (L,) are given."""
    weights = None if weights is None else weights.to(logits.device)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), weights, ignore_index=IGNORE, reduction="sum")


def _of_many(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over labels, summed over examples."""
    return F.binary_cross_entropy_with_logits(logits, targets.float(), reduction="none").mean(-1).sum()


def _single(scores: np.ndarray, labels: Sequence[str]) -> Answer:
    best = int(scores.argmax())
    return {"label": labels[best], "score": float(scores[best]), "scores": _named(scores, labels)}


def _several(scores: np.ndarray, labels: Sequence[str]) -> Answer:
    chosen = [label for label, score in zip(labels, scores, strict=True) if score >= 0.5]
    return {"labels": chosen, "scores": _named(scores, labels)}


def _named(scores: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    return {label: round(float(score), 6) for label, score in zip(labels, scores, strict=True)}


def _file(row: Row) -> str:
    return row.place.rpartition(":")[0]
