"""A labeller with its loss, and how fast each part of it learns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from unmask.batches import IGNORE
from unmask.tasks.features import Loss, TaskBatch

# The layer that a parameter belongs to, in our classes and those of transformers.
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.|_l(\d+)(?:_reverse)?$")


@dataclass(frozen=True)
class Pace:
    """How fast the parts of a model learn beside each other."""

    layer_decay: float = 1.0
    """each layer learns at this share of the rate of the one above"""
    frozen_layers: int = 0
    """the lowest layers, and the embeddings below them, that do not learn"""
    embedding_rate: float = 1.0
    """the tables of embeddings learn at so many times their rate"""


class TaskObjective(nn.Module):
    """A labeller with its loss, as `fit` trains it."""

    weights = {"task": 1.0}  # noqa: RUF012 (the contract of objectives)

    def __init__(self, model: nn.Module, loss: Loss | None, pace: Pace) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        depths = depths_of([name for name, _ in self.named_parameters()])
        top = max(depths.values())
        self.rates = {name: pace.layer_decay ** (top - depth) for name, depth in depths.items()}
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(depths[name] > pace.frozen_layers or pace.frozen_layers == 0)
            if depths[name] == 0 and parameter.dim() > 1:
                self.rates[name] *= pace.embedding_rate

    def counts(self, batch: TaskBatch) -> dict[str, int]:
        """How many things are asked: places with one target each, or rows, where targets are shares."""
        asked = int((batch.targets != IGNORE).sum()) if batch.targets.dim() == 2 else len(batch)
        return {"task": max(1, asked)}

    def forward(self, batch: TaskBatch) -> dict[str, Tensor]:
        """The summed loss."""
        assert self.loss is not None
        return {"task": self.loss(batch.through(self.model), batch.targets)}


def depths_of(names: Sequence[str]) -> dict[str, int]:
    """How high each parameter stands: 0 for embeddings, n for the n-th layer, one more than the last layer's above."""
    layers = {name: int(found[1] or found[2]) + 1 for name in names if (found := _LAYER.search(name))}
    top = max(layers.values(), default=0) + 1
    below = re.compile(r"embed|\.wte\.|\.wpe\.")
    return {name: layers.get(name, 0 if below.search(name) else top) for name in names}
