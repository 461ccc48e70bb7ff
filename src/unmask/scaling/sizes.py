"""The sizes that are chosen among, and the rules that give batch and learning rates.

    size = Size(6, 256)
    rows(3_000_000, 128)              rows in a step of a run that will read 3 M tokens
    size.optimizer, size.architecture

One size after the other is about one and a third to two and a half times as large as the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from unmask.architectures.modernbert import ModernBert
from unmask.training.optimizers.muon import Muon

HEAD_CHANNELS = 64

# Tuned at 6 layers of 256 (docs/log.md, "Rates and masks after the new start").
_TUNED_WIDTH, _ADAM_RATE = 256, 1e-3
# A batch that grows to 64 rows of 128 is as good as the best fixed one at 0.4 and at 1 M tokens (docs/log.md, "How many
# rows in a step"); fixed ones of 32 were right for about two million ("Learning rates of the demo"), its mean.
_STEP_TOKENS, _AT_TOKENS = 64 * 128, 2_000_000
_FEWEST, _MOST, _MULTIPLE = 16, 1024, 8


@dataclass(frozen=True)
class Size:
    """A ModernBERT by its depth and width."""

    layers: int
    width: int

    def __str__(self) -> str:
        return f"{self.layers}x{self.width}"

    @property
    def architecture(self) -> ModernBert:
        """Heads of 64 channels, twice the width inside the feed-forward layer."""
        heads = max(1, self.width // HEAD_CHANNELS)
        return ModernBert(layers=self.layers, width=self.width, heads=heads, feedforward=2 * self.width)

    @property
    def parameters(self) -> int:
        """Weights of the matrices, the embedding left out, as scaling laws count them: attention takes 4 width^2 a
        layer, the gated feed-forward layer 6, the head 1."""
        return (10 * self.layers + 1) * self.width**2

    @property
    def optimizer(self) -> Muon:
        """Muon's defaults, the rate of embeddings by width.

        Muon's update has the same size in every direction whatever the width, so its rate stays (Jordan et al. 2024).
        That of embeddings, norms and biases, which go by Adam, falls with the root of the width, as in nanochat:
        between the constant of standard training and the 1/width of hidden matrices (Yang et al. 2022, table 3).
        """
        rate = _ADAM_RATE * (_TUNED_WIDTH / self.width) ** 0.5
        return Muon(adam_learning_rate=float(f"{rate:.3g}"))


SIZES = tuple(
    Size(layers, width)
    for layers, width in [
        *((2, 128), (4, 128), (4, 192), (6, 256), (8, 320), (8, 384), (12, 384), (12, 512), (16, 512)),
        *((12, 768), (16, 768), (22, 768), (24, 1024)),
    ]
)
"""From tiny to larger than base, ascending by parameters."""


def rows(tokens: float, row_length: int) -> int:
    """Rows in a step, at the end of a batch that grows, of a run that will read so many tokens: a multiple of 8,
    from 16 to 1,024 rows.

    The batch up to which more rows save as many steps grows with the root of the tokens (Zhang et al. 2024, "How Does
    Critical Batch Size Scale in Pre-training?", and Bergsma et al. 2025, "Power Lines", find exponents of 0.4 to 0.5);
    the factor is from our own trials.
    """
    wanted = _STEP_TOKENS * (tokens / _AT_TOKENS) ** 0.5 / row_length
    return max(_FEWEST, min(_MOST, _MULTIPLE * round(wanted / _MULTIPLE)))
