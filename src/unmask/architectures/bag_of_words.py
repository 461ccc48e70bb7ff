"""A continuous bag of words: what the tokens around a place tell of it when their order is not known.

Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space", section 3.1. A baseline to compare
encoders with. Unlike word2vec it predicts through the head and the full softmax that all encoders have here, and a
hidden neighbour counts as what it is, a [MASK] with an embedding of its own.

Shapes: B rows, T tokens, K places, W tokens around a place, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from unmask.layers.heads import PredictionHead
from unmask.layers.norms import Norm
from unmask.layers.sizes import check_sizes


@dataclass(frozen=True)
class Cbow:
    """A bag of the words around a place: the mean of their embeddings."""

    width: int = 256
    """channels of a token"""
    window: int = 5
    """how many tokens are read to each side"""
    positions: int = 8192
    """the longest row the model is meant for"""

    layout: ClassVar = "unmask-cbow"
    packed_rows: ClassVar = True
    takes_view: ClassVar = False
    layers: ClassVar = 0

    def __post_init__(self) -> None:
        check_sizes(self, "width", "window", "positions")

    def build(self, vocabulary_size: int) -> BagOfWords:
        """The encoder with random weights (seed torch first)."""
        return BagOfWords(self, vocabulary_size)


class BagOfWords(nn.Module):
    """Tokens in, hidden states out; the state of a place knows nothing of its own token."""

    prediction_head: ClassVar = PredictionHead

    def __init__(self, config: Cbow, vocabulary_size: int) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        self.embedding = nn.Embedding(vocabulary_size, config.width)
        self.norm = Norm(config.width)
        nn.init.trunc_normal_(self.embedding.weight, std=0.02, a=-0.06, b=0.06)

    def forward(self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor | None = None) -> Tensor:
        """tokens, groups (B,T) -> hidden (B,T,D), or (B,K,D) at places (B,K). Nothing is known of the order."""
        if places is None:
            places = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        columns, inside = around(places, self.config.window, tokens.shape[1])  # (B,K,W)
        near, home, at = (table.gather(1, columns.flatten(1)).view_as(columns) for table in (tokens, groups, positions))
        counted = inside & (home > 0) & (home == groups.gather(1, places)[..., None])
        # Where tokens are left out of the row, what stands near is not always near in the text.
        counted &= (at - positions.gather(1, places)[..., None]).abs() <= self.config.window
        counted = counted.to(self.embedding.weight.dtype)
        summed = torch.einsum("bkwd,bkw->bkd", self.embedding(near), counted)
        return self.finish(self.norm(summed / counted.sum(-1, keepdim=True).clamp(min=1)))

    @property
    def taps(self) -> tuple[nn.Module, ...]:
        """The parts whose outputs are the hidden states: here the mean over the words nearby, its only one."""
        return (self.norm,)

    def finish(self, hidden: Tensor) -> Tensor:
        """A layer's output (..., D) as the head reads it (..., D)."""
        return hidden


def around(places: Tensor, window: int, row_length: int) -> tuple[Tensor, Tensor]:
    """The columns up to `window` before and behind places (B,K): (B,K,W) held inside the row, and whether they were."""
    offsets = torch.cat([torch.arange(-window, 0), torch.arange(1, window + 1)]).to(places.device)
    columns = places[..., None] + offsets
    return columns.clamp(0, row_length - 1), (columns >= 0) & (columns < row_length)
