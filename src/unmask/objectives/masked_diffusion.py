"""Masked diffusion: restore what was hidden at every mask rate, from a token to nearly the whole row.

With rates drawn uniformly and every asked token seen as [MASK], the weighted loss is an upper bound, in nats per token,
on the negative log likelihood of a row written token by token in random order (Sahoo et al. 2024, "Simple and Effective
Masked Diffusion Language Models"; Nie et al. 2025, "Large Language Diffusion Models", eq. 3).

Shapes: B rows, T tokens, K places asked in a row, D width, V vocabulary, N tokens asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from unmask.batches import IGNORE, Batch
from unmask.config import require
from unmask.menu import unknown
from unmask.objectives.masked_language_modeling import MaskedObjective

WEIGHTINGS = ("mdlm", "none")


@dataclass(frozen=True)
class MaskedDiffusion:
    """Masked language modelling at mask rates drawn anew for each row; the same model, trained to restore any share.

    Meant for masking.schedule=uniform from near 0 to near 1 (weighting mdlm) or cosine_law (weighting none), with
    masking.mask_share=1: the recipe `diffusion` is the first.
    """

    pairs: ClassVar = False
    gaps: ClassVar = False
    causal_rows: ClassVar = False

    weighting: str = "mdlm"
    """mdlm (each row's loss is divided by its share of masked tokens, then by all tokens: the likelihood bound) or none
    (each masked token counts alike)"""

    def __post_init__(self) -> None:
        name = self.weighting
        require(name in WEIGHTINGS, f"objective.weighting: {unknown('weighting', name, list(WEIGHTINGS))}")

    def build(
        self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None = None, mask_id: int | None = None
    ) -> DiffusionObjective:
        """The encoder with the head of masked language modelling, saved and loaded like it."""
        return DiffusionObjective(encoder, vocabulary_size, token_counts, self.weighting)


class DiffusionObjective(MaskedObjective):
    """Masked language modelling whose rows ask very different numbers of tokens, and are weighted by it."""

    def __init__(self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None, weighting: str) -> None:
        super().__init__(encoder, vocabulary_size, token_counts)
        self.weighting = weighting

    def counts(self, batch: Batch) -> dict[str, int]:
        """What the summed loss is to be divided by: all tokens that could have been asked, or with weighting none those
        that are."""
        return {"masked": int(batch.maskable.sum())} if self.weighting == "mdlm" else super().counts(batch)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The summed cross-entropy in nats over the asked tokens, with weighting mdlm over their share in each row.

        The share is the one that was masked, not the one that was drawn: asked / maskable, an estimate of the same
        bound with less variance (Nie et al. 2025, eq. 6). Special tokens and padding are never masked nor counted.
        """
        targets = batch.targets.gather(1, batch.places)
        asked = targets != IGNORE  # (B,K)
        hidden = self.encoder(batch.inputs, batch.groups, batch.positions, batch.places)[asked]  # (N,D)
        weights = None
        if self.weighting == "mdlm":
            shares = asked.sum(1, keepdim=True) / batch.maskable[:, None]
            weights = (1 / shares).expand_as(asked)[asked]  # (N,)
        embedding = self.encoder.embedding.weight
        # Half of the places or more stand unused, so the projection runs without them at the price of a moving shape.
        return {"masked": self.head.loss(hidden, embedding, targets[asked], IGNORE, weights)}
