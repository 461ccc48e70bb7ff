"""An encoder of our own: a ModernBERT with what races to a loss have found since, which no stock class can hold.

Each part is a setting, so that its worth can be measured: squared rectifiers (So et al. 2021, "Primer"), normed queries
and keys (Henry et al. 2020), outputs that start at zero (Zhang et al. 2019, "Fixup", section 3), the embeddings mixed
in again before every layer, skips from early to late layers (Ronneberger et al. 2015, "U-Net"), values that a token
brings by itself, and capped logits (Gemma 2, 2024, section 2). For causal models most of them were put together in
modded-nanogpt (Jordan et al. 2024), to which those without a paper belong.

Shapes: B rows, T tokens, K places, D width, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unmask.architectures.modernbert import look_around, sights
from unmask.config import require
from unmask.layers.attention import Visible, at
from unmask.layers.feedforward import GatedFeedForward, SquaredFeedForward
from unmask.layers.heads import CappedHead, PredictionHead
from unmask.layers.linear import projection
from unmask.layers.normed_attention import NormedAttention
from unmask.layers.norms import Norm
from unmask.layers.positions import Angles
from unmask.layers.prefix import LayerMemory, PrefixView
from unmask.layers.sizes import check_heads, check_sizes
from unmask.menu import unknown

FEEDFORWARDS = {"squared": SquaredFeedForward, "gated": GatedFeedForward}


@dataclass(frozen=True)
class Unmask:
    """A pre-norm encoder with rotary positions, local layers and newer parts, each a setting; in a layout of ours."""

    layers: int = 6
    """transformer layers"""
    width: int = 256
    """channels of a hidden state"""
    heads: int = 4
    """attention heads; divides the width"""
    feedforward: int = 768
    """channels inside the feed-forward layer; a gated one of two thirds has as many weights"""
    window: int = 128
    """local layers see this many tokens, half of them on each side"""
    global_every: int = 3
    """one layer in this many sees the whole row; 1 makes every layer global"""
    positions: int = 8192
    """the longest row the model is meant for"""
    activation: str = "squared"
    """the feed-forward layer: squared (rectified and squared, two matrices) or gated (GeGLU, three)"""
    look_norm: bool = True
    """whether queries and keys are normed, each head for itself"""
    zero_outputs: bool = True
    """whether what layers write starts at zero, so that a fresh encoder hands on its embeddings"""
    embedding_skip: bool = True
    """whether the embeddings are mixed into the input of every layer, by two learned numbers each"""
    layer_skips: bool = False
    """whether late layers get the output of early ones added, the last that of the first, by a learned number each"""
    value_embeddings: int = 0
    """how many layers have a table of values, a row for each token: the last one, then every second before it; each
    table is as large as the embedding"""
    cap: float = 0.0
    """logits are held between minus and plus this, by tanh, before the bias is added; 0: as they are"""

    layout: ClassVar = "unmask-encoder"
    packed_rows: ClassVar = True
    takes_view: ClassVar = True
    local_theta: ClassVar = 10_000.0
    global_theta: ClassVar = 160_000.0

    def __post_init__(self) -> None:
        check_sizes(self, "layers", "width", "heads", "feedforward", "window", "global_every", "positions")
        check_heads(self.heads, self.width, rotary=True)
        known = list(FEEDFORWARDS)
        require(self.activation in known, f"architecture.activation: {unknown('activation', self.activation, known)}")
        most = (self.layers + 1) // 2
        require(
            0 <= self.value_embeddings <= most,
            f"architecture.value_embeddings={self.value_embeddings}: of {self.layers} layers 0 to {most} can have them",
        )
        require(self.cap >= 0, f"architecture.cap={self.cap:g}: 0 or more is needed")

    def build(self, vocabulary_size: int, embedding_width: int | None = None) -> UnmaskEncoder:
        """The encoder with random weights (seed torch first); with an embedding_width its embeddings have so many
        channels, and are projected to the width of the rest."""
        return UnmaskEncoder(self, vocabulary_size, embedding_width or self.width)

    def is_global(self, layer: int) -> bool:
        """Whether a layer (from 0) sees the whole row."""
        return layer % self.global_every == 0

    def mirrored(self, layer: int) -> int | None:
        """The early layer whose output a late one gets, none for the early ones and the one right behind the middle."""
        early = self.layers - 1 - layer
        return early if self.layer_skips and early < layer - 1 else None

    @property
    def valued(self) -> tuple[int, ...]:
        """The layers that have a table of values, the last first."""
        return tuple(range(self.layers - 1, -1, -2))[: self.value_embeddings]


def small() -> Unmask:
    """12 layers of 384: 24 M parameters with 16,384 words, hours on a laptop or minutes on a GPU."""
    return Unmask(layers=12, width=384, heads=6, feedforward=1152)


def base() -> Unmask:
    """22 layers of 768: 149 M parameters with 50,368 words, as many as ModernBERT-base."""
    return Unmask(layers=22, width=768, heads=12, feedforward=1728)


class UnmaskEncoder(nn.Module):
    """Tokens in, hidden states out; knows no loss and no mask."""

    def __init__(self, config: Unmask, vocabulary_size: int, embedding_width: int) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        self.embedding = nn.Embedding(vocabulary_size, embedding_width)
        self.embedding_norm = Norm(embedding_width)
        self.embedding_projection = projection(embedding_width, config.width, bias=False)
        self.layers = nn.ModuleList(Layer(config, first=number == 0) for number in range(config.layers))
        self.value_embeddings = nn.ModuleList(nn.Embedding(vocabulary_size, config.width) for _ in config.valued)
        self.final_norm = Norm(config.width)
        # Numbers of layers, each a vector: matrices would be rounded to bf16.
        if config.embedding_skip and config.layers > 1:
            self.residual_share = nn.Parameter(torch.ones(config.layers - 1))
            self.embedding_share = nn.Parameter(torch.full((config.layers - 1,), 0.1))
        if config.layer_skips:
            self.skip_share = nn.Parameter(torch.zeros(config.layers))
        self.apply(self._start)
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
        embedded = self.embedding_projection(self.embedding_norm(self.embedding(tokens)))
        seen = sights(self.config, groups, positions, embedded.dtype, view)
        states = [embedded]  # then the output of each layer
        for number, layer in enumerate(self.layers):
            asked = places if number == len(self.layers) - 1 else None
            memory = None if view is None else view.memory(number)
            by, visible = seen[self.config.is_global(number)]
            entering = self._entering(number, states)
            states.append(layer(entering, by, visible, asked, memory, self._values(number, tokens)))
        return self.finish(states[-1])

    @property
    def taps(self) -> tuple[nn.Module, ...]:
        """The parts whose outputs are the hidden states, in order: the embeddings, then each layer."""
        return (self.embedding_projection, *self.layers)

    def finish(self, hidden: Tensor) -> Tensor:
        """A layer's output (..., D) as the head reads it (..., D)."""
        return self.final_norm(hidden)

    def prediction_head(self, hidden_width: int, vocabulary_size: int, width: int) -> PredictionHead:
        """The head of masked language modelling, with capped logits where they are to be."""
        sizes = (hidden_width, vocabulary_size, width)
        return CappedHead(*sizes, cap=self.config.cap) if self.config.cap else PredictionHead(*sizes)

    def _entering(self, number: int, states: list[Tensor]) -> Tensor:
        """What a layer reads: the state before it, with the embeddings and an early state mixed in. states: the
        embeddings, then the outputs of the layers before it, (B,T,D) each."""
        hidden, early = states[-1], self.config.mirrored(number)
        if number > 0 and self.config.embedding_skip:
            hidden = self.residual_share[number - 1] * hidden + self.embedding_share[number - 1] * states[0]
        if early is not None:
            hidden = hidden + self.skip_share[number] * states[early + 1]
        return hidden

    def _values(self, number: int, tokens: Tensor) -> Tensor | None:
        """What the tokens (B,T) add to the values of a layer by themselves: (B,T,D)."""
        valued = self.config.valued
        return self.value_embeddings[valued.index(number)](tokens) if number in valued else None

    @torch.no_grad()
    def _start(self, module: nn.Module) -> None:
        """Truncated normal of 0.02; what writes to the residual stream is zero, or divided by sqrt(2 layers).

        For `Module.apply`, which comes to a layer after its parts.
        """
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.trunc_normal_(module.weight, std=0.02, a=-0.06, b=0.06)
        if isinstance(module, Layer):
            share = 0.0 if self.config.zero_outputs else (2 * self.config.layers) ** -0.5
            for output in (module.attention.output, module.feedforward.output):
                output.weight.mul_(share)


class Layer(nn.Module):
    """norm, attention, add; norm, feed-forward, add. The first layer's first norm is the embedding's."""

    def __init__(self, config: Unmask, first: bool) -> None:
        super().__init__()
        self.attention_norm = nn.Identity() if first else Norm(config.width)
        self.attention = NormedAttention(config.width, config.heads, config.look_norm)
        self.feedforward_norm = Norm(config.width)
        self.feedforward: Any = FEEDFORWARDS[config.activation](config.width, config.feedforward)

    def forward(
        self,
        hidden: Tensor,
        by: Angles,
        visible: Visible,
        places: Tensor | None,
        memory: LayerMemory | None = None,
        values: Tensor | None = None,
    ) -> Tensor:
        """hidden (B,T,D) -> (B,T,D), or (B,K,D) when only places (B,K) are asked of this layer; values (B,T,D) are
        added to those of its attention."""
        attended = self.attention(self.attention_norm(hidden), by, visible, places, memory, values)
        hidden = (hidden if places is None else at(hidden, places)) + attended
        return hidden + self.feedforward(self.feedforward_norm(hidden))
