"""Recurrent encoders: a row is read from both ends, so a masked token is restored from all that stands before it and
all that follows. Peters et al. 2018 (ELMo) is the nearest kin; here the directions are joined in every layer.

Shapes: B rows, T tokens, K places, D width, S channels of a state in one direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from unmask.config import require
from unmask.layers.attention import at
from unmask.layers.heads import PredictionHead
from unmask.layers.linear import projection
from unmask.layers.norms import Norm
from unmask.layers.recurrent import Recurrence, row_lengths
from unmask.layers.sizes import check_sizes


@dataclass(frozen=True)
class _Recurrent:
    layers: int = 2
    """recurrent layers, each in both directions"""
    width: int = 256
    """channels of a token, going in and coming out"""
    state: int = 320
    """channels of a layer's state in one direction"""
    dropout: float = 0.0
    """share of channels dropped between layers while training"""
    positions: int = 8192
    """the longest row the model is meant for"""

    packed_rows: ClassVar = False
    takes_view: ClassVar = False
    cell: ClassVar[type[nn.LSTM] | type[nn.GRU]]

    def __post_init__(self) -> None:
        check_sizes(self, "layers", "width", "state", "positions")
        require(0 <= self.dropout < 1, f"architecture.dropout={self.dropout}: from 0 up to 1 is needed")

    def build(self, vocabulary_size: int, embedding_width: int | None = None) -> RecurrentEncoder:
        """The encoder with random weights (seed torch first); with an embedding_width its embeddings have so many
        channels, and are projected to the width of the rest."""
        return RecurrentEncoder(self, vocabulary_size, embedding_width or self.width)


@dataclass(frozen=True)
class Lstm(_Recurrent):
    """A bidirectional LSTM; with the settings as they are about as large as modernbert-mini."""

    layout: ClassVar = "unmask-lstm"
    cell = nn.LSTM


@dataclass(frozen=True)
class Gru(_Recurrent):
    """A bidirectional GRU: three gates where the LSTM has four."""

    layout: ClassVar = "unmask-gru"
    cell = nn.GRU


class RecurrentEncoder(nn.Module):
    """Tokens in, hidden states out; knows no loss and no mask. A row is one document, then padding."""

    prediction_head: ClassVar = PredictionHead

    def __init__(self, config: _Recurrent, vocabulary_size: int, embedding_width: int) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        self.embedding = nn.Embedding(vocabulary_size, embedding_width)
        self.embedding_norm = Norm(embedding_width)
        self.embedding_projection = projection(embedding_width, config.width, bias=False)
        self.recurrence = Recurrence(config.cell, config.width, config.state, config.layers, config.dropout)
        self.projection = nn.Linear(2 * config.state, config.width, bias=False)
        self.final_norm = Norm(config.width)
        for module in (self.embedding, self.embedding_projection, self.projection):
            if not isinstance(module, nn.Identity):
                nn.init.trunc_normal_(module.weight, std=0.02, a=-0.06, b=0.06)  # type: ignore[arg-type]
        self.recurrence.start()

    def forward(self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor | None = None) -> Tensor:
        """tokens, groups (B,T) -> hidden (B,T,D), or (B,K,D) at places (B,K). Order is all it knows of positions.

        SettingError when a row holds several groups.
        """
        embedded = self.embedding_projection(self.embedding_norm(self.embedding(tokens)))
        hidden = self.recurrence(embedded, row_lengths(groups))  # (B,T,2S)
        if places is not None:
            hidden = at(hidden, places)
        return self.finish(hidden)

    @property
    def taps(self) -> tuple[nn.Module, ...]:
        """The parts whose outputs are the hidden states, in order: the embeddings (B,T,D), then each layer (B,T,2S)."""
        return (self.embedding_projection, self.recurrence.between, self.recurrence)

    def finish(self, hidden: Tensor) -> Tensor:
        """A layer's output (..., 2S) as the head reads it (..., D)."""
        return self.final_norm(self.projection(hidden))
