"""Masked language modelling (Devlin et al. 2019): restore the tokens that were hidden, and be scored on those alone.

Shapes: B rows, T tokens, K places asked in a row, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unmask.batches import IGNORE, Batch


@dataclass(frozen=True)
class MaskedLanguageModeling:
    """Cross-entropy on the hidden tokens; the vocabulary projection runs on the asked places only."""

    pairs: ClassVar = False
    """whether rows must be pairs of segments"""
    gaps: ClassVar = False
    """whether the encoder reads rows with tokens left out, so that it must honour positions"""
    causal_rows: ClassVar = False
    """whether some rows are read left to right, so that the encoder must take a view"""

    def build(
        self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None = None, mask_id: int | None = None
    ) -> MaskedObjective:
        """The encoder with its head; with token_counts (V,) the output bias starts at the corpus's frequencies.

        mask_id: the token that stands for a hidden one, for objectives that treat it unlike others.
        """
        return MaskedObjective(encoder, vocabulary_size, token_counts)


class MaskedObjective(nn.Module):
    """An encoder and a prediction head tied to its token embedding."""

    weights: Mapping[str, float] = {"masked": 1.0}

    def __init__(self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.head = encoder.prediction_head(encoder.width, vocabulary_size, encoder.embedding.embedding_dim)
        self.head.start()
        if token_counts is not None:
            self.head.start_at(token_counts)

    @property
    def config(self) -> Any:
        """What the folder of a model keeps of it: here the settings of the encoder."""
        return self.encoder.config

    def counts(self, batch: Batch) -> dict[str, int]:
        """How many tokens are asked, over which the summed loss is to be divided."""
        return {"masked": int((batch.targets != IGNORE).sum())}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The summed cross-entropy in nats over the asked tokens."""
        hidden = self.encoder(batch.inputs, batch.groups, batch.positions, batch.places)  # (B,K,D)
        targets = batch.targets.gather(1, batch.places)
        embedding = self.encoder.embedding.weight
        return {"masked": self.head.loss(hidden.flatten(0, 1), embedding, targets.flatten(), IGNORE)}

    def predict(self, tokens: Tensor, groups: Tensor, positions: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Logits (N,V) in float32 at the places (rows[n], columns[n]) of tokens (B,T)."""
        places, slots = by_row(rows, columns, len(tokens))
        hidden = self.encoder(tokens, groups, positions, places)  # (B,K,D)
        return self.head(hidden[rows, slots], self.encoder.embedding.weight)

    def logits(self, tokens: Tensor, groups: Tensor, positions: Tensor) -> Tensor:
        """Logits (B,T,V) in float32 at every place of tokens, groups, positions (B,T)."""
        return self.head(self.encoder(tokens, groups, positions), self.encoder.embedding.weight)


def by_row(rows: Tensor, columns: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Places (N,), (N,) of `count` rows as places (B,K), K the most in a row, and where each stands in them (N,)."""
    asked = torch.bincount(rows, minlength=count)
    order = rows.argsort(stable=True)
    slots = torch.empty_like(rows)
    slots[order] = torch.arange(len(rows), device=rows.device) - (asked.cumsum(0) - asked)[rows[order]]
    places = rows.new_zeros(count, max(1, int(asked.max())))
    places[rows, slots] = columns
    return places, slots
