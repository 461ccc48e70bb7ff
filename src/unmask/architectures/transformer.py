"""The encoder of "Attention is all you need" (Vaswani et al. 2017), with the norm after each part as in the paper or
before it (Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture").

Beside the paper: GELU for ReLU, no dropout, and a norm over the embeddings, so that it can be saved as a stock class:
post-norm as BERT, pre-norm as RoBERTa-PreLayerNorm, a sinusoidal table written where they keep a learned one.

Shapes: B rows, T tokens, K places, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from unmask.architectures.bert import PostNormLayer, look_around, start
from unmask.config import require
from unmask.layers.attention import SelfAttention, Visible, at, sight
from unmask.layers.feedforward import FeedForward
from unmask.layers.heads import BertHead
from unmask.layers.linear import projection
from unmask.layers.norms import ShiftedNorm
from unmask.layers.positions import SinusoidalPositions
from unmask.layers.prefix import LayerMemory, PrefixView
from unmask.layers.sizes import check_heads, check_sizes
from unmask.menu import unknown

NORMS, POSITION_KINDS = ("post", "pre"), ("sinusoidal", "learned")


@dataclass(frozen=True)
class Transformer:
    """The Transformer encoder, post-norm with sinusoidal positions as in the paper unless said otherwise."""

    layers: int = 4
    """transformer layers"""
    width: int = 256
    """channels of a hidden state"""
    heads: int = 4
    """attention heads; divides the width"""
    feedforward: int = 1024
    """channels inside the feed-forward layer"""
    positions: int = 512
    """the longest row"""
    norm: str = "post"
    """where layer norm stands: post (after each sum, saved as BERT) or pre (before each part, saved as
    RoBERTa-PreLayerNorm)"""
    position_kind: str = "sinusoidal"
    """sinusoidal (fixed waves) or learned (a vector for each position)"""

    packed_rows: ClassVar = True
    takes_view: ClassVar = True

    def __post_init__(self) -> None:
        check_sizes(self, "layers", "width", "heads", "feedforward", "positions")
        check_heads(self.heads, self.width)
        for name, known in (("norm", NORMS), ("position_kind", POSITION_KINDS)):
            value = getattr(self, name)
            require(value in known, f"architecture.{name}: {unknown(name, value, list(known))}")

    @property
    def layout(self) -> str:
        """How it is saved."""
        return "bert" if self.norm == "post" else "roberta-prelayernorm"

    def build(self, vocabulary_size: int, embedding_width: int | None = None) -> TransformerEncoder:
        """The encoder with random weights (seed torch first); with an embedding_width its embeddings have so many
        channels, and are projected to the width of the rest."""
        return TransformerEncoder(self, vocabulary_size, embedding_width or self.width)


def base() -> Transformer:
    """6 layers of 512, the encoder of the paper's base model: 19 M parameters and the embedding."""
    return Transformer(layers=6, width=512, heads=8, feedforward=2048)


def prenorm() -> Transformer:
    """4 layers of 256 with the norm before each part."""
    return Transformer(norm="pre")


class TransformerEncoder(nn.Module):
    """Tokens in, hidden states out; knows no loss and no mask."""

    prediction_head: ClassVar = BertHead

    def __init__(self, config: Transformer, vocabulary_size: int, embedding_width: int) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        learned, post = config.position_kind == "learned", config.norm == "post"
        self.embedding = nn.Embedding(vocabulary_size, embedding_width)
        self.position_embedding = (nn.Embedding if learned else SinusoidalPositions)(config.positions, embedding_width)
        self.embedding_norm = ShiftedNorm(embedding_width)
        self.embedding_projection = projection(embedding_width, config.width, bias=True)
        layer = PostNormLayer if post else PreNormLayer
        sizes = (config.width, config.heads, config.feedforward)
        self.layers = nn.ModuleList(layer(*sizes) for _ in range(config.layers))
        self.final_norm = nn.Identity() if post else ShiftedNorm(config.width)
        self.apply(start)
        look_around(self)

    def forward(
        self,
        tokens: Tensor,
        groups: Tensor,
        positions: Tensor,
        places: Tensor | None = None,
        view: PrefixView | None = None,
    ) -> Tensor:
        """tokens, groups, positions (B,T) -> hidden (B,T,D); with places (B,K) only there, (B,K,D), at less cost.

        view: who sees whom, other than by groups alone.
        """
        embedded = self.embedding(tokens)
        embedded = self.embedding_norm(embedded + self.position_embedding(positions).to(embedded.dtype))
        hidden = self.embedding_projection(embedded)
        dtype = hidden.dtype
        visible = sight(groups, positions, dtype) if view is None else view.visible(dtype)
        for number, layer in enumerate(self.layers):
            last = number == len(self.layers) - 1
            memory = None if view is None else view.memory(number)
            hidden = layer(hidden, visible, places if last else None, memory)
        return self.finish(hidden)

    @property
    def taps(self) -> tuple[nn.Module, ...]:
        """The parts whose outputs are the hidden states, in order: the embeddings, then each layer."""
        return (self.embedding_projection, *self.layers)

    def finish(self, hidden: Tensor) -> Tensor:
        """A layer's output (..., D) as the head reads it (..., D)."""
        return self.final_norm(hidden)


class PreNormLayer(nn.Module):
    """norm, attention, add; norm, feed-forward, add."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.attention_norm = ShiftedNorm(width)
        self.attention = SelfAttention(width, heads, bias=True)
        self.feedforward_norm = ShiftedNorm(width)
        self.feedforward = FeedForward(width, feedforward)

    def forward(
        self, hidden: Tensor, visible: Visible, places: Tensor | None, memory: LayerMemory | None = None
    ) -> Tensor:
        """hidden (B,T,D) -> (B,T,D), or (B,K,D) when only places (B,K) are asked of this layer."""
        attended = self.attention(self.attention_norm(hidden), None, visible, places, memory)
        hidden = (hidden if places is None else at(hidden, places)) + attended
        return hidden + self.feedforward(self.feedforward_norm(hidden))
