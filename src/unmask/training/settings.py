"""The `training` section of a run."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from unmask.config import choice, require
from unmask.menu import unknown
from unmask.training.schedules import SCHEDULES, Budget

COMPILE: list[str] = ["auto", "on", "off"]


@dataclass(frozen=True)
class Training:
    """How long, in what portions, and on what a model is trained."""

    steps: int | None = None
    """end after this many optimizer steps"""
    epochs: float | None = None
    """end after this many passes over the rows; fine-tuning without any budget makes 3, of few examples more"""
    tokens: int | None = None
    """end after this many tokens (padding not counted)"""
    minutes: float | None = None
    """end after this many minutes of wall-clock time; the schedules follow the clock"""
    flops: float | None = None
    """end after this many floating-point operations of matrix products, forward and backward, e.g. 1e15"""
    batch_size: int = 64
    """rows in a step, over all processes"""
    batch_start: float = 1.0
    """the first steps take this share of the batch size ..."""
    batch_ramp: float = 0.0
    """... and grow to all of it over this share of the budget"""
    micro_batch: int | None = None
    """rows that go through the model at once; none: all of a process's share"""
    schedule: Any = choice(SCHEDULES, "trapezoid")
    clip: float = 1.0
    """gradients longer than this are shortened to it; 0 never"""
    precision: str = "auto"
    """auto, bf16 or fp32; auto takes bf16 where the processor multiplies it natively"""
    checkpoint_every: int | None = None
    """steps between checkpoints; none: one at each evaluation"""
    keep: int = 2
    """how many of the newest checkpoints are kept, beside the one with the lowest validation loss"""
    evaluations: int = 10
    """evaluations over the run, evenly spaced, the last at its end; 0 for none"""
    threads: int | None = None
    """CPU threads; none: one a core"""
    device: str = "auto"
    """auto, cpu, cuda, ...; auto takes the first GPU when there is one"""
    compile: str = "auto"
    """auto, on or off: whether the layers are compiled (torch.compile); auto does so to pretrain on a GPU"""
    tensorboard: bool = False
    """write TensorBoard files beside metrics.jsonl (extra: tensorboard)"""

    def __post_init__(self) -> None:
        for name in ("batch_size", "keep"):
            require(getattr(self, name) > 0, f"training.{name}={getattr(self, name)}: at least 1 is needed")
        for name in ("micro_batch", "checkpoint_every", "threads"):
            value = getattr(self, name)
            require(value is None or value > 0, f"training.{name}={value}: at least 1, or none, is needed")
        for name in ("batch_start", "batch_ramp"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"training.{name}={value}: a share from 0 to 1 is needed")
        require(self.compile in COMPILE, f"training.compile: {unknown('choice', self.compile, COMPILE)}")
        require(self.clip >= 0, f"training.clip={self.clip}: 0 (never) or more is needed")
        require(self.evaluations >= 0, f"training.evaluations={self.evaluations}: 0 or more is needed")

    def completed(self, names: set[str]) -> Training:
        """A budget that is assigned takes the place of the one that a recipe or a task has."""
        budgets = set(self.budgets)
        given = any(getattr(self, name) is not None for name in budgets & names)
        return replace(self, **dict.fromkeys(budgets - names)) if given else self

    @property
    def mean_batch(self) -> float:
        """Rows in a step, the mean over the run."""
        return self.batch_size * (1 - self.batch_ramp * (1 - self.batch_start) / 2)

    @property
    def budgets(self) -> dict[str, float | None]:
        """The five, of which one is to be given."""
        return {field.name: getattr(self, field.name) for field in fields(Budget)}

    @property
    def budget(self) -> Budget:
        """How long to train; SettingError unless exactly one of the five is given."""
        return Budget(self.steps, self.epochs, self.tokens, self.minutes, self.flops)
