"""What a task is: formats, features, loss, figures and answers, beside an encoder that knows nothing of them.

A task is a frozen dataclass on the menu TASKS. Its methods are pure: whatever the training data say is in `labels`
(the names of the outputs) and `Loss` (what training computes). `unmask.tasks.finetuning` does the rest.

Shapes: B rows, K places asked in a row, L labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from unmask.tasks.features import Feature, FeatureBatches, Loss
from unmask.tasks.framing import Frame
from unmask.tasks.predicting import loss_of
from unmask.tasks.tables import Columns
from unmask.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from unmask.tasks.models import Base, TaskModel

__all__ = ["Answer", "Figures", "Loss", "Task"]

Figures = dict[str, float]
Answer = dict[str, Any]


class Task(ABC):
    """What an encoder is fine-tuned for. `kind`: what its head labels, "row", "token" or "span"."""

    kind: ClassVar[str]
    problem: ClassVar[str | None] = None
    question: ClassVar[str] = '"A text."'
    """what a person may type to ask a model of this task"""
    file: ClassVar[str] = "test.tsv"
    """what a file of its examples may be called"""

    @property
    @abstractmethod
    def aim(self) -> str:
        """The figure by which the best checkpoint is chosen; more of it is better."""

    @property
    def problem_type(self) -> str | None:
        """What transformers' config.json calls the kind of problem."""
        return self.problem

    # ------------------------------------------------------------ examples

    @abstractmethod
    def read(self, path: str, columns: Columns, labelled: bool = True) -> list[Any]:
        """The examples of a file; DataError, one line, for what cannot be one. Unlabelled ones need no labels."""

    @abstractmethod
    def of_texts(self, texts: Sequence[str]) -> list[Any]:
        """Unlabelled examples of plain texts, as a person types them."""

    @abstractmethod
    def labels(self, examples: Sequence[Any]) -> tuple[str, ...]:
        """The names of the outputs that training examples ask for; DataError when there is nothing to be learned."""

    @abstractmethod
    def check(self, examples: Sequence[Any], labels: Sequence[str]) -> None:
        """DataError, naming the line, when labelled examples do not fit the labels of a model."""

    def kept_together(self, example: Any) -> str:
        """A text by which examples are held out: those of one text go together."""
        return example.text

    def warn(self, examples: Sequence[Any]) -> None:  # noqa: B027 (a task may have nothing to say)
        """Say what a person should know of the training examples."""

    def settled(self, train: Sequence[Any], held_out: Sequence[Any]) -> Self:
        """The task with what its settings leave open decided by the examples; DataError when these do not fit."""
        return self

    # ------------------------------------------------------------ the model

    def model(self, base: Base, labels: Sequence[str], dropout: float) -> TaskModel:
        """What is trained: a pretrained model with a new head, by default one for labels (seed torch first)."""
        return base.labeller(self.kind, labels, getattr(self, "pooling", "auto"), dropout, self.problem_type)

    def loaded(self, folder: Path) -> TaskModel:
        """What the model's `save` wrote, ready to predict; ModelError when it cannot be loaded."""
        from unmask.tasks.models import TaskModel  # which needs this file

        return TaskModel.load(folder, self.kind)

    # ------------------------------------------------------------ to the model and back

    @abstractmethod
    def features(
        self, examples: Sequence[Any], labels: Sequence[str], tokenizer: Tokenizer, frame: Frame, limit: int
    ) -> tuple[list[Feature], int]:
        """The rows of the examples, each at most `limit` tokens, with what is asked; and how many examples were cut."""

    def batches(self, features: Sequence[Feature], batch_size: int, seed: int, pad_id: int) -> FeatureBatches:
        """The endless sequence of batches that is trained on."""
        return FeatureBatches(features, batch_size, seed, pad_id)

    def loss(self, examples: Sequence[Any], labels: Sequence[str]) -> Loss | None:
        """The loss, as the training examples shape it; None: the objective of the task's model has one of its own."""
        return None

    def mean_loss(self, loss: Loss | None, features: Sequence[Feature], outputs: Sequence[Any]) -> float | None:
        """The mean loss of held-out rows, None where it says nothing. outputs: (K,L) logits of each feature, or what
        the model gives."""
        assert loss is not None
        return loss_of(loss, features, outputs)

    def start(self, examples: Sequence[Any], labels: Sequence[str]) -> np.ndarray | None:
        """The bias (L,) that the last layer starts from; None: zeros."""
        return None

    def calibrated(
        self, examples: Sequence[Any], features: Sequence[Feature], logits: Sequence[Any], labels: Sequence[str]
    ) -> Task:
        """The task with what is chosen by the logits of validation examples, such as a threshold."""
        return self

    @abstractmethod
    def answers(
        self, examples: Sequence[Any], features: Sequence[Feature], logits: Sequence[Any], labels: Sequence[str]
    ) -> list[Answer]:
        """What a model says of each example, as JSON would hold it. logits: (K,L) of each feature, or what else the
        task's model gives as its `outputs`."""

    # ------------------------------------------------------------ how good it is

    @abstractmethod
    def figures(self, examples: Sequence[Any], answers: Sequence[Answer], labels: Sequence[str]) -> Figures:
        """The figures of answers to labelled examples; `aim` among them."""

    @abstractmethod
    def baselines(self, train: Sequence[Any], examples: Sequence[Any], labels: Sequence[str]) -> Mapping[str, Figures]:
        """The figures of simple answerers that know the training examples: what a model must beat."""

    @abstractmethod
    def report(
        self, folder: Path, examples: Sequence[Any], answers: Sequence[Answer], labels: Sequence[str]
    ) -> list[str]:
        """Write where a model is wrong into an existing folder; lines of Markdown that tell the most of it."""
