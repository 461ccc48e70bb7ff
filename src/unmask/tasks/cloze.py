"""Classification by filling a blank: labels are words in a prompt, so that no new head is needed and no example is.

    application = zero_shot("runs/wiki", "It was [MASK].", "positive:great+good,negative:terrible")
    application.predict("A gorgeous film.")          -> [{"label": "positive", "score": 0.8, "scores": {...}}]

With a few examples the model is trained on the words themselves (Schick and Schuetze 2021, PET).

Shapes: N examples, S places of all word lengths together, U tokens of all words, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import torch
from torch.nn import functional as F

from unmask.batches import IGNORE
from unmask.config import require
from unmask.devices import best_device
from unmask.errors import DataError, SettingError
from unmask.tasks.classification import Classification
from unmask.tasks.features import Feature
from unmask.tasks.framing import Frame
from unmask.tasks.models import Base
from unmask.tasks.prompts import Prompt, Verbalizer
from unmask.tasks.settings import TaskData
from unmask.tasks.tables import Columns, Row
from unmask.tasks.task import Answer, Figures, Loss, Task
from unmask.tasks.tuples import Example, TupleBatches
from unmask.tasks.word_scorer import ClozeModel
from unmask.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from unmask.tasks.application import Application

CALIBRATIONS = ("none", "context", "texts")
NOTHING = ("N/A", "[MASK]", "")
"""Texts that say nothing (Zhao et al. 2021, "Calibrate Before Use", section 5)."""


@dataclass(frozen=True)
class Cloze(Task):
    """Labels as words in a prompt with a blank, from few examples or none; accuracy, F1, Matthews."""

    prompt: str = "It was [MASK]."
    """the text with a blank behind it; {text} and {second} say where the texts stand"""
    words: str | None = None
    """the words of each label: positive:great+good,negative:terrible; none: each label is its own word"""
    calibration: str | None = None
    """what the answers are freed of: context (what texts that say nothing get), texts (what the texts get together) or
    none; not set: context, and none where the model was trained on examples"""
    metric: str = "accuracy"
    """the figure that the best checkpoint has most of: accuracy, macro_f1 or matthews"""

    kind: ClassVar = "cloze"
    plain: ClassVar = Classification()

    def __post_init__(self) -> None:
        require(
            self.calibration in (None, *CALIBRATIONS),
            f"task.calibration={self.calibration}: one of {', '.join(CALIBRATIONS)} is needed",
        )
        known = ("accuracy", "macro_f1", "matthews")
        require(self.metric in known, f"task.metric={self.metric}: one of {', '.join(known)} is needed")

    @property
    def aim(self) -> str:
        return self.metric

    # ------------------------------------------------------------ examples

    def read(self, path: str, columns: Columns, labelled: bool = True) -> list[Row]:
        return self.plain.read(path, columns, labelled)

    def of_texts(self, texts: Sequence[str]) -> list[Row]:
        """A tab parts the two texts of a pair."""
        return self.plain.of_texts(texts)

    def labels(self, examples: Sequence[Row]) -> tuple[str, ...]:
        return self.plain.labels(examples)

    def check(self, examples: Sequence[Row], labels: Sequence[str]) -> None:
        self.plain.check(examples, labels)

    def settled(self, train: Sequence[Row], held_out: Sequence[Row]) -> Self:
        words = self.words or ",".join(self.plain.labels(train))
        return replace(self, words=words, calibration=self.calibration or "none")

    def verbalizer(self, tokenizer: Tokenizer) -> Verbalizer:
        """The words as tokens; SettingError when there are none or they do not fit the tokenizer."""
        if not self.words:
            raise SettingError("which labels? name their words, as in positive:great+good,negative:terrible")
        return Verbalizer.of(self.words, Prompt.of(self.prompt, tokenizer))

    # ------------------------------------------------------------ the model

    def model(self, base: Base, labels: Sequence[str], dropout: float) -> ClozeModel:
        found = self.verbalizer(Tokenizer.load(base.folder))
        for label in labels:
            if label not in found.labels:
                raise DataError(f"the label '{label}' has no word in task.words={self.words}: add {label}:WORD")
        return ClozeModel.of(base, found)

    def loaded(self, folder: Path) -> ClozeModel:
        return self.model(Base.of(folder), (), 0.0)

    # ------------------------------------------------------------ to the model and back

    def features(
        self, examples: Sequence[Row], labels: Sequence[str], tokenizer: Tokenizer, frame: Frame, limit: int
    ) -> tuple[list[Feature], int]:
        """A row an example for each length that words have; where answers are calibrated by context, the rows of texts
        that say nothing before them, their examples numbered below zero."""
        prompt, found = Prompt.of(self.prompt, tokenizer), self.verbalizer(tokenizer)
        nothing = NOTHING if self.calibration in (None, "context") else ()
        second = "" if examples and examples[0].second is not None else None  # of a pair both say nothing
        given = [Row(text, second, None, "nothing") for text in nothing]
        made, shortened = [], 0
        for number, row in enumerate([*given, *examples], start=-len(given)):
            truth = found.labels.index(str(row.label)) if str(row.label) in found.labels else IGNORE
            for masks in found.lengths:
                tokens, places, cut = prompt.row(row, masks, frame, limit)
                targets = np.full(masks, IGNORE)
                targets[0] = truth if masks == found.lengths[0] else IGNORE
                types = np.zeros(len(tokens), np.int8)
                made.append(Feature(number, tokens, types, places, targets, np.arange(masks)))
                shortened += cut and masks == found.lengths[0]
        return made, shortened

    def batches(self, features: Sequence[Feature], batch_size: int, seed: int, pad_id: int) -> TupleBatches:
        return TupleBatches(_examples(features), batch_size, seed, pad_id)

    def mean_loss(self, loss: Loss | None, features: Sequence[Feature], outputs: Sequence[np.ndarray]) -> float:
        """Cross-entropy over the labels, before any calibration."""
        rows = [number for number, feature in enumerate(features) if _first(feature) and feature.example >= 0]
        targets = torch.tensor([int(features[row].targets[0]) for row in rows])
        return float(F.cross_entropy(torch.from_numpy(np.stack([outputs[row] for row in rows])), targets))

    def answers(
        self, examples: Sequence[Row], features: Sequence[Feature], logits: Sequence[np.ndarray], labels: Sequence[str]
    ) -> list[Answer]:
        """logits: the scores (L,) of the example of each feature."""
        scored = {feature.example: scores for feature, scores in zip(features, logits, strict=True)}
        scores = np.stack([scored[number] for number in range(len(examples))]).astype(float)  # (N,L)
        told = {"context": [row for number, row in scored.items() if number < 0], "texts": scores}
        prior = told.get(self.calibration or "context", [])
        if len(prior):
            scores = scores - np.log(_shares(np.stack(list(prior)).astype(float)).mean(0))
        return [_answer(each, labels) for each in _shares(scores)]

    # ------------------------------------------------------------ how good it is

    def figures(self, examples: Sequence[Row], answers: Sequence[Answer], labels: Sequence[str]) -> Figures:
        return self.plain.figures(examples, answers, labels)

    def baselines(self, train: Sequence[Row], examples: Sequence[Row], labels: Sequence[str]) -> Mapping[str, Figures]:
        return self.plain.baselines(train, examples, labels)

    def guessed(self, examples: Sequence[Row], labels: Sequence[str]) -> Figures:
        """The figures of always saying the label that most of the examples have: what takes no model."""
        return self.plain.guessed(examples, examples, labels)

    def report(
        self, folder: Path, examples: Sequence[Row], answers: Sequence[Answer], labels: Sequence[str]
    ) -> list[str]:
        return self.plain.report(folder, examples, answers, labels)


def zero_shot(
    model: str | Path, prompt: str, words: str, calibration: str = "context", device: str | None = None
) -> Application:
    """A masked language model that answers by the words of labels, trained on no example of them.

    SettingError for a prompt without blank, words that the tokenizer does not know, fewer than two labels.
    """
    from unmask.tasks.application import Application  # which opens every task

    task = Cloze(prompt=prompt, words=words, calibration=calibration)
    made = task.model(Base.of(model), (), 0.0)
    device = device or best_device()
    made.module.to(device)
    return Application(task, made, TaskData(), device)


def _first(feature: Feature) -> bool:
    """Whether a feature is the first one of its example: the one that holds its label, or would."""
    return feature.targets[0] != IGNORE


def _examples(features: Sequence[Feature]) -> list[Example]:
    """The rows of each example, one a word length; those that say nothing are left out."""
    rows: dict[int, list[Feature]] = {}
    for feature in features:
        if feature.example >= 0:
            rows.setdefault(feature.example, []).append(feature)
    return [tuple(each) for each in rows.values()]


def _shares(scores: np.ndarray) -> np.ndarray:
    """exp(scores), each row of (N,L) brought to a sum of 1."""
    likely = np.exp(scores - scores.max(1, keepdims=True))
    return likely / likely.sum(1, keepdims=True)


def _answer(shares: np.ndarray, labels: Sequence[str]) -> Answer:
    best = int(shares.argmax())
    named = {label: round(float(share), 6) for label, share in zip(labels, shares, strict=True)}
    return {"label": labels[best], "score": float(shares[best]), "scores": named}
