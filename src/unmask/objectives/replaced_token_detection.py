"""Replaced-token detection (Clark et al. 2020, "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than
Generators"): a small generator restores the masked tokens, what it draws takes their places, and the encoder says of
every token whether it was replaced. It learns from all tokens of a row where masked language modelling learns from few.

The two share their embeddings (section 3.2): all that an encoder adds up and norms before its first layer. The
generator, narrower, projects them. Nothing flows back through what was drawn (section 3.1).

Shapes: B rows, T tokens, K places asked in a row, D the encoder's width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.architectures.projected import Projected
from unmask.batches import IGNORE, Batch
from unmask.config import require
from unmask.layers.linear import Linear
from unmask.objectives.masked_language_modeling import MaskedObjective

SHARED = ("embedding", "position_embedding", "type_embedding", "embedding_norm")
"""The parts of an encoder before its first layer, those that it has."""


@dataclass(frozen=True)
class ReplacedTokenDetection:
    """A small generator fills the blanks, the encoder says of each token whether it was replaced (ELECTRA).

    Meant for masking.mask_share=1 and masking.random_share=0, as in the recipe `electra`. `model/` holds the encoder
    and its detecting head, `model/generator/` the generator, which fills, scores and is evaluated.
    """

    pairs: ClassVar = False
    gaps: ClassVar = False
    causal_rows: ClassVar = False

    generator_share: float = 0.5
    """how wide the generator is beside the encoder, above 0 up to 1: its heads (at least one, of as many channels each)
    and with them all its channels"""
    generator_layers: int = 0
    """layers of the generator; 0: as many as the encoder has"""
    replaced_weight: float = 50.0
    """what the detection loss counts beside the generator's"""

    def __post_init__(self) -> None:
        share, layers, weight = self.generator_share, self.generator_layers, self.replaced_weight
        require(0 < share <= 1, f"objective.generator_share={share}: above 0 up to 1 is needed, e.g. 0.25")
        require(layers >= 0, f"objective.generator_layers={layers}: at least 1 is needed, or 0 for the encoder's")
        require(weight > 0, f"objective.replaced_weight={weight}: more than 0 is needed, e.g. 50")

    def build(
        self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None = None, mask_id: int | None = None
    ) -> DetectionObjective:
        """The encoder with its head and a generator; with token_counts (V,) the generator's output bias starts at the
        corpus's frequencies."""
        settings = narrowed(encoder.config, self.generator_share, self.generator_layers)
        narrow = Projected(settings, encoder.embedding.embedding_dim).build(vocabulary_size)
        for name in SHARED:
            if hasattr(encoder, name):
                setattr(narrow, name, getattr(encoder, name))
        return DetectionObjective(
            encoder, GeneratorObjective(narrow, vocabulary_size, token_counts), self.replaced_weight
        )


def narrowed(architecture: Any, share: float, layers: int = 0) -> Any:
    """The settings of an encoder with a share of the channels; the channels of a head stay as they are."""
    if hasattr(architecture, "heads"):
        share = max(1, round(share * architecture.heads)) / architecture.heads
    sizes = {
        name: max(1, round(share * getattr(architecture, name)))
        for name in ("heads", "width", "feedforward", "state")
        if hasattr(architecture, name)
    }
    return replace(architecture, layers=layers or architecture.layers, **sizes)


@dataclass(frozen=True)
class Detection:
    """What the folder of such a model holds: the settings of the encoder, and of the generator in a folder below."""

    encoder: Any
    generator: Projected

    @property
    def layout(self) -> str:
        """How the encoder is saved: as stock ELECTRA where it is BERT, else in its own layout."""
        return self.saved.layout

    @property
    def saved(self) -> Any:
        """The encoder as that layout has it: ELECTRA's embeddings say their width."""
        return Projected(self.encoder, self.encoder.width) if self.encoder.layout == "bert" else self.encoder

    @property
    def positions(self) -> int:
        """The longest row."""
        return self.encoder.positions


class GeneratorObjective(MaskedObjective):
    """Masked language modelling over an encoder whose embeddings have a width of their own."""

    @property
    def config(self) -> Projected:
        """What its folder keeps: the settings of the encoder and the width of the embeddings."""
        return Projected(self.encoder.config, self.encoder.embedding.embedding_dim)


class ReplacedHead(nn.Module):
    """Dense, GELU, then one logit (the released ELECTRA code)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense, self.output = Linear(width, width), Linear(width, 1)
        for layer in (self.dense, self.output):
            nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.04, b=0.04)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (B,T,D) -> logits (B,T) in float32 that a token was replaced."""
        return self.output(F.gelu(self.dense(hidden))).float().squeeze(-1)


class DetectionObjective(nn.Module):
    """The encoder that detects, and the generator that tempts it; predictions of tokens are the generator's."""

    def __init__(self, encoder: Any, generator: GeneratorObjective, replaced_weight: float) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.replaced = ReplacedHead(encoder.width)
        self.generator = generator
        self.weights = {"masked": 1.0, "replaced": replaced_weight}

    @property
    def config(self) -> Detection:
        """The settings of both, as the folder of a model keeps them."""
        return Detection(self.encoder.config, self.generator.config)

    def counts(self, batch: Batch) -> dict[str, int]:
        """How many tokens are asked of the generator, and how many are judged: all but padding."""
        return self.generator.counts(batch) | {"replaced": int((batch.groups > 0).sum())}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The summed cross-entropies in nats: of the asked tokens, and of replaced against original over all tokens."""
        assert batch.draws is not None
        targets = batch.targets.gather(1, batch.places)  # (B,K)
        hidden = self.generator.encoder(batch.inputs, batch.groups, batch.positions, batch.places).flatten(0, 1)
        head, embedding = self.generator.head, self.encoder.embedding.weight
        drawn = head.sample(hidden, embedding, batch.draws.gather(1, batch.places).flatten()).view_as(targets)
        tokens = filled(batch.inputs, batch.places, drawn, targets != IGNORE)
        return {
            "masked": head.loss(hidden, embedding, targets.flatten(), IGNORE),
            "replaced": self._detection(batch, tokens),
        }

    def _detection(self, batch: Batch, tokens: Tensor) -> Tensor:
        """The summed cross-entropy over the tokens (B,T) that are no padding."""
        logits = self.replaced(self.encoder(tokens, batch.groups, batch.positions))
        labels, judged = replacements(batch, tokens), batch.groups > 0
        return F.binary_cross_entropy_with_logits(logits, labels.float(), judged.float(), reduction="sum")

    def predict(self, tokens: Tensor, groups: Tensor, positions: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The generator's logits (N,V) in float32 at the places (rows[n], columns[n]) of tokens (B,T)."""
        return self.generator.predict(tokens, groups, positions, rows, columns)

    def logits(self, tokens: Tensor, groups: Tensor, positions: Tensor) -> Tensor:
        """The generator's logits (B,T,V) in float32 at every place of tokens, groups, positions (B,T)."""
        return self.generator.logits(tokens, groups, positions)


def filled(inputs: Tensor, places: Tensor, drawn: Tensor, asked: Tensor) -> Tensor:
    """inputs (B,T) with the drawn tokens (B,K) at those of the places (B,K) that are asked (B,K)."""
    # A place that is not used keeps what stands there; it is none that is asked.
    return inputs.scatter(1, places, torch.where(asked, drawn, inputs.gather(1, places)))


def replacements(batch: Batch, tokens: Tensor) -> Tensor:
    """Where tokens (B,T) differ from the text: bool (B,T). A drawn token that is the true one is an original."""
    return tokens != torch.where(batch.targets == IGNORE, batch.inputs, batch.targets)
