"""BERT (Devlin et al. 2019): a post-norm encoder with learned positions, token types and biases. Saved and loaded in
the layout of the stock class (`unmask.weights`).

Shapes: B rows, T tokens, K places, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unmask.layers.attention import SelfAttention, Visible, at, sight
from unmask.layers.feedforward import FeedForward
from unmask.layers.heads import BertHead
from unmask.layers.linear import projection
from unmask.layers.neighbours import OFFSETS, looking, unmoved, waved_heads
from unmask.layers.norms import ShiftedNorm
from unmask.layers.positions import WAVE, sinusoids, wave_frequencies
from unmask.layers.prefix import LayerMemory, PrefixView
from unmask.layers.sizes import check_heads, check_sizes


@dataclass(frozen=True)
class Bert:
    """The BERT encoder, without dropout; its named sizes are bert-tiny (4 M parameters) to bert-large (335 M)."""

    layers: int = 4
    """transformer layers"""
    width: int = 256
    """channels of a hidden state"""
    heads: int = 4
    """attention heads; divides the width"""
    feedforward: int = 1024
    """channels inside the feed-forward layer"""
    positions: int = 512
    """the longest row: each position is learned"""
    types: int = 2
    """kinds of segments that a token can belong to"""

    layout: ClassVar = "bert"
    packed_rows: ClassVar = True
    takes_view: ClassVar = True

    def __post_init__(self) -> None:
        check_sizes(self, "layers", "width", "heads", "feedforward", "positions", "types")
        check_heads(self.heads, self.width)

    def build(self, vocabulary_size: int, embedding_width: int | None = None) -> BertEncoder:
        """The encoder with random weights (seed torch first); with an embedding_width its embeddings have so many
        channels, and are projected to the width of the rest."""
        return BertEncoder(self, vocabulary_size, embedding_width or self.width)


# The sizes of Turc et al. 2019, "Well-Read Students Learn Better", and of Devlin et al. 2019; parameters with their
# 30,522 words.


def tiny() -> Bert:
    """2 layers of 128: 4.4 M parameters."""
    return Bert(layers=2, width=128, heads=2, feedforward=512)


def mini() -> Bert:
    """4 layers of 256: 11 M parameters."""
    return Bert(layers=4, width=256, heads=4, feedforward=1024)


def small() -> Bert:
    """4 layers of 512: 29 M parameters."""
    return Bert(layers=4, width=512, heads=8, feedforward=2048)


def medium() -> Bert:
    """8 layers of 512: 41 M parameters."""
    return Bert(layers=8, width=512, heads=8, feedforward=2048)


def base() -> Bert:
    """12 layers of 768, the published base: 109 M parameters."""
    return Bert(layers=12, width=768, heads=12, feedforward=3072)


def large() -> Bert:
    """24 layers of 1,024, the published large: 335 M parameters."""
    return Bert(layers=24, width=1024, heads=16, feedforward=4096)


class BertEncoder(nn.Module):
    """Tokens in, hidden states out; knows no loss and no mask."""

    prediction_head: ClassVar = BertHead

    def __init__(self, config: Bert, vocabulary_size: int, embedding_width: int) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        self.embedding = nn.Embedding(vocabulary_size, embedding_width)
        self.position_embedding = nn.Embedding(config.positions, embedding_width)
        self.type_embedding = nn.Embedding(config.types, embedding_width)
        self.embedding_norm = ShiftedNorm(embedding_width)
        self.embedding_projection = projection(embedding_width, config.width, bias=True)
        self.layers = nn.ModuleList(
            PostNormLayer(config.width, config.heads, config.feedforward) for _ in range(config.layers)
        )
        self.apply(start)
        look_around(self)

    def forward(
        self,
        tokens: Tensor,
        groups: Tensor,
        positions: Tensor,
        places: Tensor | None = None,
        types: Tensor | None = None,
        view: PrefixView | None = None,
    ) -> Tensor:
        """tokens, groups, positions (B,T) -> hidden (B,T,D); with places (B,K) only there, (B,K,D), at less cost.

        types (B,T): the segment that each token belongs to, 0 everywhere unless given. view: who sees whom, other than
        by groups alone.
        """
        of_type = self.type_embedding.weight[0] if types is None else self.type_embedding(types)
        embedded = self.embedding_norm(self.embedding(tokens) + of_type + self.position_embedding(positions))
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
        return hidden


class PostNormLayer(nn.Module):
    """attention, add, norm; feed-forward, add, norm."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, bias=True)
        self.attention_norm = ShiftedNorm(width)
        self.feedforward = FeedForward(width, feedforward)
        self.feedforward_norm = ShiftedNorm(width)

    def forward(
        self, hidden: Tensor, visible: Visible, places: Tensor | None, memory: LayerMemory | None = None
    ) -> Tensor:
        """hidden (B,T,D) -> (B,T,D), or (B,K,D) when only places (B,K) are asked of this layer."""
        attended = self.attention(hidden, None, visible, places, memory)
        hidden = self.attention_norm((hidden if places is None else at(hidden, places)) + attended)
        return self.feedforward_norm(hidden + self.feedforward(hidden))


@torch.no_grad()
def start(module: nn.Module) -> None:
    """Truncated normal of 0.02 and biases of 0, as in the released BERT code; for `Module.apply`."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


TOKEN = 0.06  # standard deviation of the token embeddings that waves are added to
_NEARBY = 128  # positions in which waves are told from tokens


@torch.no_grad()
def look_around(encoder: Any) -> None:
    """Start the positions of a fresh encoder as waves, learned or not, and the heads of its first layers with a look at
    the neighbours by them; values and feed-forward layers start blind to the waves, which say nothing of the word.

    encoder: .embedding (V,E), .position_embedding, .embedding_projection where E is not the width, .layers
    """
    table, tokens = encoder.position_embedding, encoder.embedding.weight
    width, heads = encoder.width, encoder.config.heads
    waves = min(width // heads, width // 4) // 2 * 2
    if waves == 0:
        return
    sines = sinusoids(encoder.config.positions, tokens.shape[1])
    if isinstance(table, nn.Embedding):
        table.weight.copy_(sines)
    tokens.mul_(TOKEN / 0.02)
    directions = torch.linalg.svd(sines[:_NEARBY], full_matrices=False).Vh[:waves]
    unmoved(tokens, directions, left=0.1)
    pairs = torch.arange(waves // 2)
    if not isinstance(encoder.embedding_projection, nn.Identity):
        pairs, directions = _through(encoder.embedding_projection.weight, directions, waves), torch.eye(waves, width)
    frequencies, part = wave_frequencies(tokens.shape[1])[pairs], WAVE / (WAVE**2 + TOKEN**2) ** 0.5
    for number, layer in enumerate(encoder.layers):
        unmoved(layer.attention.projection.weight[2 * width :], directions)
        unmoved(layer.feedforward.projection.weight, directions)
        if number < looking(len(encoder.layers)):
            waved_heads(layer.attention, frequencies, part, OFFSETS[number])


def _through(weight: Tensor, directions: Tensor, waves: int) -> Tensor:
    """Let a projection (W,E) hand on some of the waves as its first channels, and tokens as the others; the pairs of
    channels that it hands on (waves/2,)."""
    width, embedding_width = weight.shape
    pairs = torch.arange(waves // 2) * max(1, embedding_width // width)
    weight.mul_(embedding_width**-0.5 / 0.02)
    unmoved(weight, directions)
    weight[:waves] = 0
    rows = torch.arange(0, waves, 2)
    weight[rows, 2 * pairs] = weight[rows + 1, 2 * pairs + 1] = 1
    return pairs
