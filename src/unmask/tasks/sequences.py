"""An encoder and its head for masked tokens as a model that writes: trained and asked by the prefix view.

A feature's types say what its tokens are: 0 the source, 1 the target, 2 the blanks that ask for it one by one.

Shapes: B rows, T tokens, K places asked in a row, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unmask import weights as folders
from unmask.batches import IGNORE
from unmask.errors import ModelError
from unmask.layers.prefix import PrefixView
from unmask.objectives.masked_language_modeling import MaskedObjective
from unmask.tasks.decoding import Decoding, Writer, written
from unmask.tasks.features import Feature, Loss, TaskBatch, by_length, collated
from unmask.tasks.framing import Frame
from unmask.tasks.models import Base, TaskModel
from unmask.tasks.objective import Pace, TaskObjective
from unmask.tokens.tokenizer import Tokenizer

SOURCE, TARGET, BLANK = 0, 1, 2
TOKENS = 4096
"""Tokens of sources that are read at once."""


@dataclass(frozen=True)
class Said:
    """What a model wrote for a source, and, where the target is known, how unlikely it found that."""

    text: str
    score: float
    loss: float = 0.0
    """summed, in nats"""
    asked: int = 0
    """tokens of the target"""


def prefix_view(groups: Tensor, types: Tensor) -> PrefixView:
    """The view of rows of a source, a target and blanks: groups, types (B,T)."""
    target, blank = types == TARGET, types == BLANK
    source = ((groups > 0) & (types == SOURCE)).long()
    numbers = target.cumsum(1) * target + blank.cumsum(1) * blank  # from 1
    positions = (source.cumsum(1) - 1) * source + (numbers > 0) * (source.sum(1, keepdim=True) + numbers - 1)
    return PrefixView(groups, positions, 2 * numbers - blank.long())


def row_of(source: np.ndarray, target: np.ndarray, mask_id: int, example: int) -> Feature:
    """The row that asks for every token of a target (m,), its end included, behind a source (n,)."""
    tokens = np.concatenate([source, target[:-1], np.full(len(target), mask_id)]).astype(np.int32)
    sizes = len(source), len(target) - 1, len(target)
    types = np.repeat([SOURCE, TARGET, BLANK], sizes).astype(np.int8)
    places = np.arange(len(tokens) - len(target), len(tokens))
    return Feature(example, tokens, types, places, target.astype(np.int64), np.arange(len(target)))


def unanswered(source: np.ndarray, example: int) -> Feature:
    """The row of a source (n,) whose target is not known."""
    nothing = np.zeros(0, np.int64)
    return Feature(example, source.astype(np.int32), np.zeros(len(source), np.int8), nothing, nothing, nothing)


def end_of(frame: Frame) -> int:
    """The token that ends a target: the one behind the second text of a pair; ModelError without one."""
    if not frame.pair_suffix:
        raise ModelError("the tokenizer puts no token behind a text, by which a target could end: add [SEP] to it")
    return frame.pair_suffix[0]


class WritingObjective(TaskObjective):
    """Cross-entropy of each token of the target, asked by its blank."""

    def __init__(self, model: SequenceModel, pace: Pace) -> None:
        super().__init__(model.module, None, pace)
        self._dropout = model.dropout

    def forward(self, batch: TaskBatch) -> dict[str, Tensor]:
        hidden = F.dropout(states(self.model, batch), self._dropout, self.training)
        return {"task": _loss(self.model, hidden, batch.targets)}


def states(module: Any, batch: TaskBatch) -> Tensor:
    """What the encoder makes of the blanks: (B,K,D)."""
    view = prefix_view(batch.groups, batch.types)
    return module.encoder(batch.inputs, batch.groups, view.positions, batch.places, view=view)


def _loss(module: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """The summed cross-entropy of hidden (..., K, D) against targets (..., K)."""
    flat, embedding = hidden.reshape(-1, hidden.shape[-1]), module.encoder.embedding.weight
    return module.head.loss(flat, embedding, targets.flatten(), IGNORE)


@dataclass
class SequenceModel(TaskModel):
    """A masked language model that writes; its folder is that of a masked language model."""

    decoding: Decoding = Decoding()
    dropout: float = 0.0

    @classmethod
    def of(cls, base: Base, decoding: Decoding, dropout: float = 0.0) -> SequenceModel:
        """The model of a folder, in evaluation mode; ModelError for one that cannot take the prefix view."""
        base = replace(base, tokenizer=Tokenizer.load(base.folder))
        module: Any = _loaded(base.folder)
        return cls(base, module, (), None, decoding, dropout)

    @property
    def limit(self) -> int:
        return self._objective.encoder.config.positions

    @property
    def _objective(self) -> MaskedObjective:
        return self.module  # type: ignore[return-value]

    def objective(self, loss: Loss | None, pace: Pace) -> WritingObjective:
        return WritingObjective(self, pace)

    def outputs(
        self, features: Sequence[Feature], device: torch.device | str, done: Callable[[int], None] | None = None
    ) -> list[Said]:
        """What is written for each feature."""
        result: list[Said] = [Said("", 0.0)] * len(features)
        for numbers in by_length(features, TOKENS):
            chosen = [features[number] for number in numbers]
            with torch.inference_mode():
                losses = self._losses(chosen, numbers, device)
                for number, found, loss in zip(numbers, self._written(chosen, device), losses, strict=True):
                    text = self.base.tokenizer.decode(found.tokens).strip()
                    result[number] = Said(text, found.score, loss, len(features[number].targets))
            if done is not None:
                done(len(numbers))
        return result

    def _written(self, features: Sequence[Feature], device: torch.device | str) -> list[Any]:
        tokenizer = self.base.tokenizer
        sources = [unanswered(feature.tokens[feature.types == SOURCE], feature.example) for feature in features]
        batch = collated(sources, np.arange(len(sources)), self.base.pad_id).to(device)
        writer = Writer(self.module, batch.inputs, batch.groups, tokenizer.mask_id)
        end, banned = end_of(self.base.frame), tokenizer.special_ids.tolist()
        return written(writer, len(sources), self.decoding, end, banned, tokenizer.mask_id)

    def _losses(self, features: Sequence[Feature], numbers: np.ndarray, device: torch.device | str) -> list[float]:
        """The loss of each row's target; 0 where it is not known."""
        if not any(len(feature.targets) for feature in features):
            return [0.0] * len(features)
        batch = collated(features, numbers, self.base.pad_id).to(device)
        hidden = states(self.module, batch)
        return [float(_loss(self.module, *row)) for row in zip(hidden, batch.targets, strict=True)]

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write the folder of the masked language model, tokenizer included. weights: by the module's names."""
        special = self.base.special_ids | {"mask": self.base.tokenizer.mask_id}
        folders.save_objective(folder, self._objective.config, weights, special)
        self.base.tokenizer.save(folder, self.limit)

    def weights(self, folder: Path) -> Mapping[str, Tensor]:
        return folders.weights_in(folder) or {}


def _loaded(folder: Path) -> MaskedObjective:
    """Our class with the weights of a folder, head included."""
    read = folders.settings_of(folder)
    kind = folders.config_of(folder).get("model_type")
    if read is None or not getattr(read.architecture, "takes_view", False) or not read.layout.readable(folder):
        raise ModelError(
            f"{folder} holds a '{kind}' model, which cannot write behind a source: give a BERT, ModernBERT or "
            "RoBERTa-PreLayerNorm with its head for masked tokens"
        )
    folders.weights_in(folder)  # refuses an encoder without its head
    objective = read.layout.objective(read.architecture, read.config)
    folders.load_weights(objective, folder)
    return objective.eval()
