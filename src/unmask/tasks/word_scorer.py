"""A masked language model that is asked for a few words alone, with the interface of other models of tasks.

Shapes: B rows, T tokens, K places asked in a row, N of them in all, V vocabulary, U tokens asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask import models
from unmask import weights as folders
from unmask.objectives.masked_language_modeling import MaskedObjective
from unmask.tasks.features import Feature, Loss
from unmask.tasks.models import Base, TaskModel
from unmask.tasks.objective import Pace, TaskObjective
from unmask.tasks.prompts import Verbalizer


class WordScorer(nn.Module):
    """Log-probabilities of a few tokens at asked places, by the head that the model was trained with."""

    def __init__(self, model: models.Model, tokens: Sequence[int], stock: bool) -> None:
        super().__init__()
        self.module, self.stock, self._predict = model.module, stock, model.forward
        self.dtype = torch.float32
        """what the products of a stock model are computed in, by autocast"""
        self.register_buffer("asked", torch.tensor(tokens), persistent=False)

    def forward(
        self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor, types: Tensor | None = None
    ) -> Tensor:
        """tokens, groups, positions (B,T), places (B,K) -> log-probabilities among all tokens (B,K,U) in float32."""
        rows = torch.arange(len(places), device=places.device)[:, None].expand_as(places)
        lower = self.stock and self.dtype != torch.float32
        with torch.autocast(tokens.device.type, dtype=self.dtype, enabled=lower):
            logits = self._predict(tokens, groups, positions, rows.flatten(), places.flatten())  # (N,V)
        asked: Tensor = self.asked  # type: ignore[assignment]
        return logits.float().log_softmax(-1)[:, asked].view(*places.shape, len(asked))


@dataclass
class ClozeModel(TaskModel):
    """A masked language model with the words that it is asked for."""

    verbalizer: Verbalizer

    @classmethod
    def of(cls, base: Base, verbalizer: Verbalizer) -> Self:
        """In evaluation mode; ModelError when the folder holds no masked language model."""
        model = models.load(base.folder, device="cpu")
        stock = not isinstance(model.module, MaskedObjective)
        scorer = WordScorer(model, verbalizer.tokens, stock).eval()
        return cls(base, scorer, verbalizer.labels, None, verbalizer)

    def objective(self, loss: Loss | None, pace: Pace) -> TaskObjective:
        """Cross-entropy over the labels; the loss of the task is not asked."""

        def of_labels(logits: Tensor, targets: Tensor) -> Tensor:
            return F.cross_entropy(self.verbalizer.scores(logits), targets[:, 0], reduction="sum")

        return TaskObjective(self.module, of_labels, pace)

    def outputs(
        self, features: Sequence[Feature], device: torch.device | str, done: Callable[[int], None] | None = None
    ) -> list[Any]:
        """The scores (L,) float32 of its example for each feature; those of an example stand side by side."""
        logits, found = super().outputs(features, device, done), []
        each = len(self.verbalizer.lengths)
        for start in range(0, len(features), each):
            whole = torch.from_numpy(np.concatenate(logits[start : start + each]))[None]  # (1,S,U)
            found += [self.verbalizer.scores(whole)[0].numpy()] * each
        return found

    @property
    def limit(self) -> int:
        """The longest row in tokens."""
        inner = self.module.module
        return self.base.stock_limit(inner) if self.module.stock else inner.encoder.config.positions

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write the folder of a masked language model, tokenizer included, as pretraining does."""
        inner, module = {name.removeprefix("module."): tensor for name, tensor in weights.items()}, self.module.module
        if self.module.stock:
            held: dict[str, Tensor] = {}  # each tied weight once
            held.update(module.named_parameters())
            held.update(module.named_buffers())
            state = {name: inner.get(name, tensor).detach().cpu().contiguous() for name, tensor in held.items()}
            with models.hushed():
                module.save_pretrained(folder, state_dict=state)
        else:
            ids = {**self.base.special_ids, "mask": self.base.tokenizer.mask_id}
            folders.save_objective(folder, module.config, inner, ids)
        self.base.tokenizer.save(folder, min(self.limit, 1 << 20))

    def weights(self, folder: Path) -> Mapping[str, Tensor]:
        read = models.load(folder, device="cpu").module
        return {f"module.{name}": tensor for name, tensor in read.state_dict().items()}
