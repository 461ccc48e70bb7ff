"""The hybrid of causal and masked language modelling (Charpentier and Samuel 2024, "GPT or BERT: why not both?"): one
encoder and one head, some rows read left to right and all their tokens asked, the others masked.

A causal row asks for three to six times as many tokens as a masked one, and the next word is the easier lesson, so a
model may begin with causal rows alone and end with masked ones: what is left is a masked language model like any other.

That needs a bridge, because a masked model answers at the masked place itself, not at the place before. GPT-BERT moves
its masked answers to the place before, and can then be read by nothing but its own code. Here the causal rows move
instead: each asked token gets a [MASK] of its own behind the row, at the token's position, which sees what stands
before it and is seen by nobody (`layers.prefix`). So masked rows go on with what causal ones have taught of [MASK], its
neighbours and the head, and whoever loads the folder never knows. The price is a row that is longer by what is asked;
`asked_at=before` saves it and asks at the token before, as GPT-BERT's causal rows do.

Shapes: B rows, T tokens, K places asked in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from unmask.batches import IGNORE, Batch, place_count
from unmask.config import require
from unmask.layers.prefix import PrefixView
from unmask.menu import unknown
from unmask.objectives.masked_language_modeling import MaskedObjective

ASKED_AT = ("blank", "before")


@dataclass(frozen=True)
class Hybrid:
    """Causal rows, each token asked from those before it, beside masked ones (GPT-BERT); at first all, at last none.

    A constant share, as published: objective.causal=0.0625 objective.causal_end=0.0625
    """

    pairs: ClassVar = False
    gaps: ClassVar = False
    causal_rows: ClassVar = True

    causal: float = 1.0
    """share of rows that are read left to right at the start of training"""
    causal_end: float = 0.0
    """that share once `until` is over"""
    until: float = 0.3
    """share of the budget in which the one becomes the other, in a straight line; 0: `causal_end` all the way"""
    asked: float = 1.0
    """share of a causal row's tokens that are asked, above 0; less of them cost less"""
    asked_at: str = "blank"
    """where a token of a causal row is asked: blank (a [MASK] of its own behind the row) or before (at the token before
    it: cheaper, but not where masked tokens are asked)"""

    def __post_init__(self) -> None:
        for name in ("causal", "causal_end", "until"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"objective.{name}={value}: a share from 0 to 1 is needed")
        require(0 < self.asked <= 1, f"objective.asked={self.asked}: a share above 0, up to 1, is needed")
        where = self.asked_at
        require(where in ASKED_AT, f"objective.asked_at: {unknown('place', where, list(ASKED_AT))}")

    def causal_share(self, progress: float) -> float:
        """The share of rows that are causal in a step that is `progress` (0 to 1) through training."""
        along = min(1.0, progress / self.until) if self.until else 1.0
        return self.causal + (self.causal_end - self.causal) * along

    def build(
        self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None = None, mask_id: int | None = None
    ) -> HybridObjective:
        """The encoder with the head of masked language modelling, saved and loaded like it. mask_id: what blanks are
        made of; without it only masked rows can be learned from."""
        return HybridObjective(self, encoder, vocabulary_size, token_counts, mask_id)


class HybridObjective(MaskedObjective):
    """Masked language modelling of which some rows are causal; fills, scores and is saved like it."""

    def __init__(
        self,
        settings: Hybrid,
        encoder: Any,
        vocabulary_size: int,
        token_counts: Tensor | None,
        mask_id: int | None,
    ) -> None:
        super().__init__(encoder, vocabulary_size, token_counts)
        self.settings, self.mask_id = settings, mask_id

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The summed cross-entropy in nats over the asked tokens of both kinds of rows, each counted alike."""
        if batch.causal is None or not bool(batch.causal.any()):
            return super().forward(batch)
        loss = self._causal(batch.rows(batch.causal))
        if not bool(batch.causal.all()):
            loss = loss + super().forward(batch.rows(~batch.causal))["masked"]
        return {"masked": loss}

    def _causal(self, batch: Batch) -> Tensor:
        """The summed cross-entropy over the asked tokens of causal rows."""
        columns = asked_columns(batch.targets, self.settings.asked)
        if self.settings.asked_at == "blank":
            assert self.mask_id is not None
            seen = with_blanks(batch, columns, self.mask_id)
        else:
            seen = left_to_right(batch, columns)
        hidden = self.encoder(
            seen.tokens, seen.view.groups, seen.view.positions, seen.places, view=seen.view
        )  # (B,K,D)
        targets = batch.targets.gather(1, columns)
        return self.head.loss(hidden.flatten(0, 1), self.encoder.embedding.weight, targets.flatten(), IGNORE)


class CausalRows(NamedTuple):
    """What an encoder reads of causal rows, and where it is asked."""

    tokens: Tensor
    """(B,T), or (B,T+K) with blanks"""
    view: PrefixView
    places: Tensor
    """(B,K)"""


def asked_columns(targets: Tensor, share: float) -> Tensor:
    """The columns (B,K) of what is asked, targets (B,T) that are not IGNORE; K follows from T and the share alone, and
    what is left of it points at columns where nothing is asked, if there are any."""
    count = place_count(targets.shape[1], share)
    return (targets == IGNORE).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]


def with_blanks(batch: Batch, columns: Tensor, mask_id: int) -> CausalRows:
    """The rows with a blank for each of the columns (B,K) behind them, at which it is asked."""
    behind = torch.arange(columns.shape[1], device=columns.device) + batch.inputs.shape[1]
    turns = 2 * (batch.positions + 1)  # of tokens; that of the blank which asks for a token comes right before
    tokens = torch.cat([batch.inputs, torch.full_like(columns, mask_id)], 1)
    groups, positions = (torch.cat([each, each.gather(1, columns)], 1) for each in (batch.groups, batch.positions))
    view = PrefixView(groups, positions, torch.cat([turns, turns.gather(1, columns) - 1], 1))
    return CausalRows(tokens, view, behind.expand_as(columns))


def left_to_right(batch: Batch, columns: Tensor) -> CausalRows:
    """The rows as they are, each of the columns (B,K) asked at the one before it, which is of the same group."""
    view = PrefixView(batch.groups, batch.positions, 2 * (batch.positions + 1))
    return CausalRows(batch.inputs, view, (columns - 1).clamp(min=0))
