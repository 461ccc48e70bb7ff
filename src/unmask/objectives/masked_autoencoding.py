"""The text masked autoencoder (He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", section 3): the
encoder reads the visible tokens alone, at their true positions; a shallow decoder restores the hidden ones.

The encoder never meets [MASK], and a step costs less the more is left out: with 12 layers of 384, a decoder of one
layer and rows of 512, half of the tokens take 0.55 of the operations of masked language modelling, a quarter 0.36.

Shapes: B rows, T tokens, S visible tokens of the row that has most, K places asked in a row, D the encoder's width,
E the decoder's, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from unmask.batches import IGNORE, Batch
from unmask.config import require
from unmask.layers.attention import SelfAttention, Visible, at, sight
from unmask.layers.feedforward import GatedFeedForward
from unmask.layers.neighbours import OFFSETS, turned_heads
from unmask.layers.norms import Norm
from unmask.layers.positions import Angles, angles
from unmask.layers.sizes import check_heads
from unmask.objectives.masked_language_modeling import MaskedObjective, by_row

MOST_LAYERS = 4
THETA = 10_000.0  # the rotary base of Su et al. 2021


@dataclass(frozen=True)
class MaskedAutoencoding:
    """The encoder reads the visible tokens alone, a shallow decoder restores the hidden ones (MAE).

    Every asked token is hidden: masking.mask_share and masking.random_share have no part in it.
    """

    pairs: ClassVar = False
    gaps: ClassVar = True
    causal_rows: ClassVar = False

    decoder_layers: int = 1
    """transformer layers of the decoder, 1 to 4"""
    decoder_width: int = 0
    """channels of a hidden state in the decoder; 0: as many as in the encoder"""
    decoder_heads: int = 0
    """attention heads of the decoder, to be given with decoder_width; 0: as many as in the encoder"""

    def __post_init__(self) -> None:
        layers, width, heads = self.decoder_layers, self.decoder_width, self.decoder_heads
        require(1 <= layers <= MOST_LAYERS, f"objective.decoder_layers={layers}: 1 to {MOST_LAYERS} are needed")
        require(
            min(width, heads) >= 0 and (width > 0) == (heads > 0),
            f"objective.decoder_width={width} and objective.decoder_heads={heads} go together: give both, e.g. 256 "
            "and 4, or leave both at 0 to take the encoder's",
        )
        if width:
            check_heads(heads, width, rotary=True, prefix="objective.decoder_")

    def build(
        self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None = None, mask_id: int | None = None
    ) -> AutoencoderObjective:
        """The encoder with a decoder and a head; without mask_id only the places that are asked count as hidden."""
        return AutoencoderObjective(self, encoder, vocabulary_size, token_counts, mask_id)


@dataclass(frozen=True)
class Autoencoder:
    """What a folder of this kind of model holds: the settings of its encoder and of its decoder."""

    encoder: Any
    decoder: MaskedAutoencoding

    layout: ClassVar = "unmask-masked-autoencoder"

    @property
    def layers(self) -> int:
        """Transformer layers of the encoder."""
        return self.encoder.layers

    @property
    def positions(self) -> int:
        """The longest row."""
        return self.encoder.positions

    def build(self, vocabulary_size: int) -> Any:
        """The encoder alone, with random weights (seed torch first)."""
        return self.encoder.build(vocabulary_size)


class AutoencoderObjective(MaskedObjective):
    """An encoder of visible tokens, a decoder of hidden ones, and a head tied to the encoder's embedding."""

    def __init__(
        self,
        settings: MaskedAutoencoding,
        encoder: Any,
        vocabulary_size: int,
        token_counts: Tensor | None,
        mask_id: int | None,
    ) -> None:
        super().__init__(encoder, vocabulary_size, token_counts)
        assert encoder.config.packed_rows  # Run.checked refuses those that do not honour positions
        heads, width = settings.decoder_heads or encoder.config.heads, settings.decoder_width or encoder.width
        check_heads(heads, width, rotary=True, prefix="objective.decoder_")
        self.decoder = Decoder(settings.decoder_layers, encoder.width, width, heads)
        if not self.decoder.mask.is_meta:  # transformers builds models without numbers before it loads them
            self.decoder.look_around(_some_hidden(encoder, vocabulary_size))
        self.settings, self.mask_id = settings, mask_id

    @property
    def config(self) -> Autoencoder:
        """The settings of both, as the folder of a model keeps them."""
        return Autoencoder(self.encoder.config, self.settings)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The summed cross-entropy in nats over the asked tokens, all of which are hidden."""
        masked = self._masked(batch.inputs) | (batch.targets != IGNORE)
        decoded = self._decoded(batch.inputs, batch.groups, batch.positions, masked, batch.places)  # (B,K,D)
        targets = batch.targets.gather(1, batch.places)
        embedding = self.encoder.embedding.weight
        return {"masked": self.head.loss(decoded.flatten(0, 1), embedding, targets.flatten(), IGNORE)}

    def predict(self, tokens: Tensor, groups: Tensor, positions: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Logits (N,V) in float32 at the places (rows[n], columns[n]) of tokens (B,T).

        All of these places are left out, whatever stands there, and every [MASK].
        """
        masked = self._masked(tokens).index_put((rows, columns), torch.ones_like(rows, dtype=torch.bool))
        places, slots = by_row(rows, columns, len(tokens))
        decoded = self._decoded(tokens, groups, positions, masked, places)  # (B,K,D)
        return self.head(decoded[rows, slots], self.encoder.embedding.weight)

    def logits(self, tokens: Tensor, groups: Tensor, positions: Tensor) -> Tensor:
        """Logits (B,T,V) in float32 at every place, with nothing left out but each [MASK]."""
        decoded = self._decoded(tokens, groups, positions, self._masked(tokens), None)
        return self.head(decoded, self.encoder.embedding.weight)

    def _masked(self, tokens: Tensor) -> Tensor:
        """Where [MASK] stands: bool (B,T)."""
        return torch.zeros_like(tokens, dtype=torch.bool) if self.mask_id is None else tokens == self.mask_id

    def _decoded(
        self, tokens: Tensor, groups: Tensor, positions: Tensor, masked: Tensor, places: Tensor | None
    ) -> Tensor:
        """tokens, groups, positions, masked (B,T) -> (B,K,D) at the places, or (B,T,D) everywhere."""
        seen = gathered(tokens, groups, positions, ~masked & (groups > 0))
        encoded = self.encoder(seen.tokens, seen.groups, seen.positions)  # (B,S,D)
        return self.decoder(encoded, seen.slots, groups, positions, places)


class Gathered(NamedTuple):
    """The visible tokens of each row in their order, then padding; and where each token of the whole row went."""

    tokens: Tensor
    """(B,S)"""
    groups: Tensor
    """(B,S), 0 is padding"""
    positions: Tensor
    """(B,S), the true ones"""
    slots: Tensor
    """(B,T) columns of the above, -1 for tokens that are not visible"""


def gathered(tokens: Tensor, groups: Tensor, positions: Tensor, visible: Tensor) -> Gathered:
    """The visible tokens alone: tokens, groups, positions, visible (B,T) -> each (B,S), S at least 1.

    Rows with fewer visible tokens than others are padded with token 0, so that no hidden token is read anywhere.
    """
    longest = max(1, int(visible.sum(1).max()))
    columns = visible.logical_not().to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]  # (B,S)
    kept = visible.gather(1, columns)
    seen = (each.gather(1, columns).where(kept, 0) for each in (tokens, groups, positions))
    return Gathered(*seen, slots=(visible.cumsum(1) - 1).where(visible, -1))


class Decoder(nn.Module):
    """Encoded tokens at the visible places, one learned vector at all others; then a few global layers."""

    def __init__(self, layers: int, encoder_width: int, width: int, heads: int) -> None:
        super().__init__()
        self.channels = width // heads
        self.projection = nn.Linear(encoder_width, width, bias=False)
        self.mask = nn.Parameter(torch.zeros(width))
        self.layers = nn.ModuleList(DecoderLayer(width, heads) for _ in range(layers))
        self.final_norm = Norm(width)
        self.output = nn.Linear(width, encoder_width, bias=False) if width != encoder_width else nn.Identity()
        self._start()

    def forward(
        self, encoded: Tensor, slots: Tensor, groups: Tensor, positions: Tensor, places: Tensor | None
    ) -> Tensor:
        """encoded (B,S,D), slots, groups, positions (B,T) -> (B,T,D); with places (B,K) only there, (B,K,D)."""
        known = at(self.projection(encoded), slots.clamp(min=0))  # (B,T,E)
        hidden = torch.where((slots >= 0)[..., None], known, self.mask.to(known.dtype))
        by, visible = angles(positions, self.channels, THETA, hidden.dtype), sight(groups, positions, hidden.dtype)
        for number, layer in enumerate(self.layers):
            last = number == len(self.layers) - 1
            hidden = layer(hidden, by, visible, places if last else None)
        return self.output(self.final_norm(hidden))

    @torch.no_grad()
    def look_around(self, encoded: Tensor) -> None:
        """Start the heads with a look at the neighbours, by what all hidden states (N,D) of the encoder share; what
        stands for hidden tokens starts with as much of that as they have."""
        known = self.projection(encoded)
        common = known.mean(0)
        length, shared = known.norm(dim=1).mean(), common.norm()
        own = torch.randn_like(common)
        own -= (own @ common) / shared**2 * common
        self.mask.copy_(common + own * ((length**2 - shared**2).sqrt() / own.norm()))
        part = float(self.mask.numel() ** 0.5 * shared / length)
        for layer, offsets in zip(self.layers, OFFSETS, strict=False):
            turned_heads(layer.attention, common / shared, part, THETA, offsets)  # type: ignore[arg-type]

    @torch.no_grad()
    def _start(self) -> None:
        """Truncated normal of 0.02; what writes to the residual stream is divided by sqrt(2 layers)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02, a=-0.06, b=0.06)
        for layer in self.layers:
            for output in (layer.attention.output, layer.feedforward.output):  # type: ignore[union-attr]
                output.weight.mul_((2 * len(self.layers)) ** -0.5)  # type: ignore[union-attr,operator]


class DecoderLayer(nn.Module):
    """norm, attention, add; norm, feed-forward of twice the width, add."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = Norm(width)
        self.attention = SelfAttention(width, heads)
        self.feedforward_norm = Norm(width)
        self.feedforward = GatedFeedForward(width, 2 * width)

    def forward(self, hidden: Tensor, by: Angles, visible: Visible, places: Tensor | None) -> Tensor:
        """hidden (B,T,E) -> (B,T,E), or (B,K,E) when only places (B,K) are asked of this layer."""
        attended = self.attention(self.attention_norm(hidden), by, visible, places)
        hidden = (hidden if places is None else at(hidden, places)) + attended
        return hidden + self.feedforward(self.feedforward_norm(hidden))


@torch.no_grad()
def _some_hidden(encoder: Any, vocabulary_size: int) -> Tensor:
    """Hidden states (N,D) of random tokens."""
    tokens = torch.randint(vocabulary_size, (8, min(64, encoder.config.positions)))
    positions = torch.arange(tokens.shape[1]).expand_as(tokens)
    return encoder(tokens, torch.ones_like(tokens), positions).flatten(0, 1)
