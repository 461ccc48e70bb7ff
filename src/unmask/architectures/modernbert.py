"""ModernBERT (Warner et al. 2024, "Smarter, Better, Faster, Longer"): a pre-norm encoder with rotary positions, GeGLU
and local attention in two layers of three. Saved and loaded in the layout of the stock class (`unmask.weights`).

Shapes: B rows, T tokens, K places, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unmask.devices import runs_ahead
from unmask.layers.attention import SelfAttention, Visible, at, sight
from unmask.layers.feedforward import GatedFeedForward
from unmask.layers.heads import PredictionHead
from unmask.layers.linear import projection
from unmask.layers.neighbours import OFFSETS, looking, turned_heads
from unmask.layers.norms import Norm
from unmask.layers.positions import Angles, angles
from unmask.layers.prefix import LayerMemory, PrefixView
from unmask.layers.sizes import check_heads, check_sizes


@dataclass(frozen=True)
class ModernBert:
    """The ModernBERT encoder; its named sizes are modernbert-tiny (2 M parameters) to modernbert-large (400 M)."""

    layers: int = 6
    """transformer layers"""
    width: int = 256
    """channels of a hidden state"""
    heads: int = 4
    """attention heads; divides the width"""
    feedforward: int = 512
    """channels inside the feed-forward layer"""
    window: int = 128
    """local layers see this many tokens, half of them on each side"""
    global_every: int = 3
    """one layer in this many sees the whole row; 1 makes every layer global"""
    positions: int = 8192
    """the longest row the model is meant for"""
    local_theta: float = 10_000.0
    """rotary base of local layers"""
    global_theta: float = 160_000.0
    """rotary base of global layers"""

    layout: ClassVar = "modernbert"
    packed_rows: ClassVar = True
    takes_view: ClassVar = True

    def __post_init__(self) -> None:
        check_sizes(self, "layers", "width", "heads", "feedforward", "window", "global_every", "positions")
        check_heads(self.heads, self.width, rotary=True)

    def build(self, vocabulary_size: int, embedding_width: int | None = None) -> ModernBertEncoder:
        """The encoder with random weights (seed torch first); with an embedding_width its embeddings have so many
        channels, and are projected to the width of the rest."""
        return ModernBertEncoder(self, vocabulary_size, embedding_width or self.width)

    def is_global(self, layer: int) -> bool:
        """Whether a layer (from 0) sees the whole row."""
        return layer % self.global_every == 0


def tiny() -> ModernBert:
    """4 layers of 128: 2.6 M parameters with 16,384 words, for tests and the smallest corpora."""
    return ModernBert(layers=4, width=128, heads=2, feedforward=256)


def mini() -> ModernBert:
    """6 layers of 256: 8 M parameters, minutes on a laptop."""
    return ModernBert(layers=6, width=256, heads=4, feedforward=512)


def small() -> ModernBert:
    """12 layers of 384: 22 M parameters, hours on a laptop or minutes on a GPU."""
    return ModernBert(layers=12, width=384, heads=6, feedforward=768)


def medium() -> ModernBert:
    """16 layers of 512: 50 M parameters."""
    return ModernBert(layers=16, width=512, heads=8, feedforward=1024)


def base() -> ModernBert:
    """22 layers of 768, the published base: 149 M parameters with its 50,368 words."""
    return ModernBert(layers=22, width=768, heads=12, feedforward=1152)


def large() -> ModernBert:
    """28 layers of 1,024, the published large: 395 M parameters with its 50,368 words."""
    return ModernBert(layers=28, width=1024, heads=16, feedforward=2624)


class ModernBertEncoder(nn.Module):
    """Tokens in, hidden states out; knows no loss and no mask."""

    prediction_head: ClassVar = PredictionHead

    def __init__(self, config: ModernBert, vocabulary_size: int, embedding_width: int) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        self.embedding = nn.Embedding(vocabulary_size, embedding_width)
        self.embedding_norm = Norm(embedding_width)
        self.embedding_projection = projection(embedding_width, config.width, bias=False)
        self.layers = nn.ModuleList(Layer(config, first=number == 0) for number in range(config.layers))
        self.final_norm = Norm(config.width)
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
        hidden = self.embedding_projection(self.embedding_norm(self.embedding(tokens)))
        seen = sights(self.config, groups, positions, hidden.dtype, view)
        for number, layer in enumerate(self.layers):
            last = number == len(self.layers) - 1
            memory = None if view is None else view.memory(number)
            hidden = layer(hidden, *seen[self.config.is_global(number)], places if last else None, memory)
        return self.finish(hidden)

    @property
    def taps(self) -> tuple[nn.Module, ...]:
        """The parts whose outputs are the hidden states, in order: the embeddings, then each layer."""
        return (self.embedding_projection, *self.layers)

    def finish(self, hidden: Tensor) -> Tensor:
        """A layer's output (..., D) as the head reads it (..., D)."""
        return self.final_norm(hidden)

    @torch.no_grad()
    def _start(self, module: nn.Module) -> None:
        """Truncated normal of 0.02; what writes to the residual stream is divided by sqrt(2 layers) (stock code)."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.trunc_normal_(module.weight, std=0.02, a=-0.06, b=0.06)
        if isinstance(module, Layer):
            for output in (module.attention.output, module.feedforward.output):
                output.weight.mul_((2 * self.config.layers) ** -0.5)


def sights(
    config: Any, groups: Tensor, positions: Tensor, dtype: torch.dtype, view: PrefixView | None
) -> dict[bool, tuple[Angles, Visible]]:
    """For global (True) and local layers of a ModernBERT's settings: the angles of the positions and who sees whom.

    groups, positions (B,T); view: who sees whom, other than by groups alone.
    """
    channels = config.width // config.heads
    # When all rows count alike, one set of angles serves them all; a GPU would have to be waited for to know.
    alike = not runs_ahead(positions.device) and bool((positions == positions[:1]).all())
    distinct = positions[:1] if alike else positions
    result = {}
    for is_global in {config.is_global(number) for number in range(config.layers)}:
        theta, window = _reach(config, is_global)
        seen = sight(groups, positions, dtype, window) if view is None else view.visible(dtype, window)
        result[is_global] = (angles(distinct, channels, theta, dtype), seen)
    return result


@torch.no_grad()
def look_around(encoder: Any) -> None:
    """Start the heads of the first layers with a look at the neighbours, by something that all tokens share.

    encoder: .config, .embedding (V,E), .embedding_projection, and .layers, the first of which has no norm of its own.
    """
    config = encoder.config
    shared = torch.where(torch.rand(encoder.embedding.embedding_dim) < 0.5, -1.0, 1.0)
    encoder.embedding.weight.add_(0.02 * shared)
    common = encoder.embedding_projection(shared / 2**0.5)  # half of what the embedding's norm hands on
    for number, offsets in enumerate(OFFSETS[: looking(config.layers)]):
        theta, _ = _reach(config, config.is_global(number))
        part = common.norm() if number == 0 else (config.width / 2) ** 0.5  # later layers have a norm of their own
        turned_heads(encoder.layers[number].attention, common / common.norm(), part, theta, offsets)


def _reach(config: Any, is_global: bool) -> tuple[float, int | None]:
    """The rotary base and the window of global or local layers."""
    return (config.global_theta, None) if is_global else (config.local_theta, config.window)


class Layer(nn.Module):
    """norm, attention, add; norm, feed-forward, add. The first layer's first norm is the embedding's."""

    def __init__(self, config: ModernBert, first: bool) -> None:
        super().__init__()
        self.attention_norm = nn.Identity() if first else Norm(config.width)
        self.attention = SelfAttention(config.width, config.heads)
        self.feedforward_norm = Norm(config.width)
        self.feedforward = GatedFeedForward(config.width, config.feedforward)

    def forward(
        self,
        hidden: Tensor,
        by: Angles,
        visible: Visible,
        places: Tensor | None,
        memory: LayerMemory | None = None,
    ) -> Tensor:
        """hidden (B,T,D) -> (B,T,D), or (B,K,D) when only places (B,K) are asked of this layer."""
        attended = self.attention(self.attention_norm(hidden), by, visible, places, memory)
        hidden = (hidden if places is None else at(hidden, places)) + attended
        return hidden + self.feedforward(self.feedforward_norm(hidden))
