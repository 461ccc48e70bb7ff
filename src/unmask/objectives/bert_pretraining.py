"""The pretraining of BERT: masked language modelling, and a question about the two segments of each row.

Over `data.packing=pairs` the question is whether the second follows the first (next sentence prediction; Devlin et al.
2019, sec. 3.1), over `swapped` in which order they stand (Lan et al. 2020, "ALBERT", sec. 3.1, which found it harder
and better).

Shapes: B rows, T tokens, K places asked in a row, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.batches import IGNORE, Batch
from unmask.layers.linear import Linear
from unmask.objectives.masked_language_modeling import MaskedObjective


@dataclass(frozen=True)
class BertPretraining:
    """Masked language modelling and next sentence (data.packing=pairs) or sentence order (swapped), added up."""

    pairs: ClassVar = True
    gaps: ClassVar = False
    causal_rows: ClassVar = False

    def build(
        self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None = None, mask_id: int | None = None
    ) -> PairedObjective:
        """The encoder with both heads; with token_counts (V,) the output bias starts at the corpus's frequencies."""
        return PairedObjective(encoder, vocabulary_size, token_counts)


class PairHead(nn.Module):
    """Dense and tanh over the first place of a row (BERT's pooler), then two logits (the released BERT code)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pooler, self.output = Linear(width, width), Linear(width, 2)
        for layer in (self.pooler, self.output):
            nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.06, b=0.06)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (B,D) of [CLS] -> logits (B,2) in float32: the pair is as it says, or it was changed."""
        return self.output(torch.tanh(self.pooler(hidden))).float()


class PairedObjective(MaskedObjective):
    """An encoder with two heads; fills and is evaluated like masked language modelling, without the second."""

    weights: ClassVar = {"masked": 1.0, "pair": 1.0}

    def __init__(self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None) -> None:
        super().__init__(encoder, vocabulary_size, token_counts)
        self.pair = PairHead(encoder.width)

    def counts(self, batch: Batch) -> dict[str, int]:
        """How many tokens, and how many pairs, the summed losses are to be divided by."""
        return super().counts(batch) | {"pair": len(batch)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The summed cross-entropies in nats over the asked tokens and over the labels of the pairs."""
        assert batch.labels is not None  # Run.checked refuses rows that are no pairs
        places = torch.cat([torch.zeros_like(batch.places[:, :1]), batch.places], dim=1)  # (B,1+K)
        # An encoder that knows no types finds the border at the [SEP].
        segments = {"types": batch.types} if hasattr(self.encoder, "type_embedding") else {}
        hidden = self.encoder(batch.inputs, batch.groups, batch.positions, places, **segments)  # (B,1+K,D)
        targets = batch.targets.gather(1, batch.places).flatten()
        embedding = self.encoder.embedding.weight
        return {
            "masked": self.head.loss(hidden[:, 1:].flatten(0, 1), embedding, targets, IGNORE),
            "pair": F.cross_entropy(self.pair(hidden[:, 0]), batch.labels, reduction="sum"),
        }
