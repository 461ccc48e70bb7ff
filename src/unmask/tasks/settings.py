"""A `Finetuning` says everything about a fine-tuning run; saved as run.json, from which it can be done again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from unmask.config import choice, require, section
from unmask.errors import SettingError
from unmask.tasks import TASKS
from unmask.tasks.tables import Columns
from unmask.training.schedules import Linear
from unmask.training.settings import Training

WIDTH, RATE = 768, 5e-5
EPOCHS, FEW_STEPS = 3.0, 200
"""Passes over the examples where no budget is set, and the steps that few examples are to make at least."""
STARTS = ("pretrained", "random")


@dataclass(frozen=True)
class TaskData:
    """The files of examples."""

    train: str | None = None
    """examples to learn from"""
    validation: str | None = None
    """examples that choose the best checkpoint; none: a tenth of data.train is held out"""
    test: str | None = None
    """examples for the figures at the end: a file, or several as NAME:FILE,NAME:FILE"""
    text: str | None = None
    """the column of the text; none: a usual name is looked for; in a table without header line the column's number; of
    two text files (train.en, train.de, data.train=train) the ending of the sources"""
    second: str | None = None
    """the column of the second text of a pair; none: a usual name is looked for"""
    label: str | None = None
    """the column of the label, tag, number or target; none: a usual name is looked for; of two text files the ending of
    the targets"""
    row_length: int | None = 512
    """the longest row in tokens; none: as long as the model can read"""
    examples: int | None = None
    """read this many of the training examples, drawn by the seed; none: all"""

    def __post_init__(self) -> None:
        for name in ("row_length", "examples"):
            value = getattr(self, name)
            require(value is None or value >= 8, f"data.{name}={value}: at least 8, or none, is needed")

    @property
    def columns(self) -> Columns:
        """Where the files hold what."""
        return Columns(self.text, self.second, self.label)

    @property
    def tests(self) -> dict[str, str]:
        """The test files by name: "" where there is one alone."""
        parts = [part.strip() for part in (self.test or "").split(",") if part.strip()]
        named = [part.partition(":")[::2] if ":" in part else ("", part) for part in parts]
        if len(parts) > 1 and (len({name for name, _ in named}) < len(named) or any(not name for name, _ in named)):
            raise SettingError(f"data.test={self.test}: several files are given as NAME:FILE,NAME:FILE")
        return {name: path for name, path in named}


@dataclass(frozen=True)
class Tuning:
    """How the weights are changed: AdamW, with little at risk."""

    learning_rate: float | None = None
    """peak learning rate; none: 5e-5 for a width of 768, in inverse proportion to the width, and ten times that for
    adapters; with a model that Muon has trained twice that to classify single texts, three times to classify pairs
    or give numbers, with random weights four times, to tag or write six times with both"""
    weight_decay: float = 0.01
    """share of a matrix that is taken off, times the learning rate"""
    embedding_rate: float | None = None
    """the tables of embeddings learn at so many times the learning rate; none: 10 to classify single texts or to write
    with a model that Muon has trained, 1 elsewhere"""
    layer_decay: float = 1.0
    """each layer learns at this share of the rate of the one above it; 1 for all alike"""
    frozen_layers: int = 0
    """the lowest layers that do not learn, nor do the embeddings below them"""
    lora_rank: int | None = None
    """the encoder learns by adapters of this rank instead of its weights (LoRA; extra: lora); none: it learns itself"""
    dropout: float = 0.1
    """share of channels dropped before the head while training"""
    patience: int | None = None
    """end after this many evaluations in a row without a better one; none: never"""

    def __post_init__(self) -> None:
        rate = self.learning_rate
        require(rate is None or rate > 0, f"tuning.learning_rate={rate}: more than 0, or none, is needed")
        faster = self.embedding_rate
        require(faster is None or faster > 0, f"tuning.embedding_rate={faster}: more than 0, or none, is needed")
        require(
            faster is None or not self.rests,
            f"tuning.embedding_rate={faster}: embeddings do not learn with tuning.lora_rank or tuning.frozen_layers; "
            "leave it out",
        )
        require(0 < self.layer_decay <= 1, f"tuning.layer_decay={self.layer_decay}: above 0, up to 1, is needed")
        require(self.frozen_layers >= 0, f"tuning.frozen_layers={self.frozen_layers}: 0 or more is needed")
        require(0 <= self.dropout < 1, f"tuning.dropout={self.dropout}: from 0 up to 1 is needed")
        for name in ("patience", "lora_rank"):
            value = getattr(self, name)
            require(value is None or value > 0, f"tuning.{name}={value}: at least 1, or none, is needed")

    @property
    def rests(self) -> bool:
        """Whether the embeddings, and more, stay as they are."""
        return self.lora_rank is not None or self.frozen_layers > 0

    def rate(self, width: int, times: float = 1.0) -> float:
        """The peak learning rate for a model of this width, `times` what is usual. Adapters want ten times that of
        weights (Biderman et al. 2024, "LoRA Learns Less and Forgets Less", section 4)."""
        if self.learning_rate is not None:
            return self.learning_rate
        return RATE * WIDTH / width * (times if self.lora_rank is None else 10)


def _training() -> Training:
    return Training(batch_size=32, schedule=Linear(warmup=0.1), evaluations=6)


def long_enough(training: Training, rows: int) -> Training:
    """A budget where none is set: three passes over the rows, or as many whole ones as make 200 steps of them. Few
    examples want more passes, not fewer steps (Mosbach et al. 2021, "On the Stability of Fine-tuning BERT", section 6;
    trials of ours in docs/log.md)."""
    if any(value is not None for value in training.budgets.values()):
        return training
    return replace(training, epochs=max(EPOCHS, float(ceil(FEW_STEPS * training.batch_size / max(rows, 1)))))


@dataclass(frozen=True)
class Finetuning:
    """Everything that a fine-tuning run depends on."""

    name: str = "task"
    """names the run folder"""
    model: str = ""
    """what is fine-tuned: a run, a Hugging Face folder or a Hub name"""
    start: str = "pretrained"
    """pretrained: from the model's weights; random: from its architecture and tokenizer alone, to see what its weights
    are worth"""
    seed: int = 0
    """of the head's weights, the order of examples, and dropout"""
    task: Any = choice(TASKS, "classification")
    data: TaskData = section(TaskData)
    tuning: Tuning = section(Tuning)
    training: Training = field(default_factory=_training)
    """for how long: without any of the five budgets 3 epochs, of few examples as many as make 200 steps"""

    def checked(self) -> Finetuning:
        """Itself, when nothing is missing; SettingError names what is."""
        require(bool(self.model), "which model? unmask finetune MODEL TASK data.train=FILE")
        require(self.start in STARTS, f"start={self.start}: one of {', '.join(STARTS)} is needed")
        require(
            self.start == "pretrained" or not self.tuning.rests,
            "start=random: random weights must learn; leave tuning.lora_rank and tuning.frozen_layers out",
        )
        require(self.data.train is not None, "data.train=FILE (the examples to learn from) is needed")
        require(self.training.evaluations > 0, "training.evaluations=0: the best checkpoint is chosen by evaluations")
        assert long_enough(self.training, 1).budget  # refuses several
        assert isinstance(self.data.tests, dict)  # refuses several without names
        return self
