"""From hidden states to the vocabulary, and to the labels of a task.

Shapes: D width, V vocabulary, L labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.layers.linear import Linear
from unmask.layers.losses import capped, chunk_terms, projected_cross_entropy
from unmask.layers.norms import Norm, ShiftedNorm
from unmask.layers.sampling import projected_sample


class PredictionHead(nn.Module):
    """Dense, GELU, norm, then the tied token embedding and a bias for each token.

    Devlin et al. 2019 (the released BERT code), without the biases that ModernBERT leaves out. The embedding is handed
    in at each call: tying is then nothing but using the same tensor. It has D channels, hidden states have H; mostly
    they are as many.
    """

    cap = 0.0
    terms = staticmethod(chunk_terms)

    def __init__(self, hidden_width: int, vocabulary_size: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_width, width, bias=False)
        self.norm = Norm(width)
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """hidden (..., H), embedding (V,D) -> logits (..., V) in float32."""
        return capped(F.linear(self.transformed(hidden), embedding).float(), self.cap) + self.bias

    def transformed(self, hidden: Tensor) -> Tensor:
        """hidden (..., H) as the embedding is compared with it (..., D)."""
        return self.norm(F.gelu(self.dense(hidden)))

    def loss(
        self, hidden: Tensor, embedding: Tensor, targets: Tensor, ignore: int, weights: Tensor | None = None
    ) -> Tensor:
        """The summed cross-entropy in nats of hidden (N,H) against targets (N,), each term times its weight (N,) if
        given; the logits are never held whole."""
        states = self.transformed(hidden)
        return projected_cross_entropy(states, embedding, self.bias, targets, ignore, weights, self.cap, self.terms)

    def start(self) -> None:
        """Draw its weights: truncated normal of 0.02, a bias of 0."""
        nn.init.trunc_normal_(self.dense.weight, std=0.02, a=-0.06, b=0.06)

    @torch.no_grad()
    def sample(self, hidden: Tensor, embedding: Tensor, draws: Tensor) -> Tensor:
        """Tokens (N,) drawn from the predictions at hidden (N,H), by draws (N,) that are uniform in [0, 1)."""
        return projected_sample(self.transformed(hidden), embedding, self.bias, draws, self.cap)

    @torch.no_grad()
    def start_at(self, token_counts: Tensor) -> None:
        """Start the bias at the log frequencies of the corpus, so that training begins at the unigram line.

        token_counts (V,): occurrences in the training text; each token is counted once more, so that none is zero.
        """
        frequencies = (token_counts.double() + 1) / (token_counts.sum() + len(token_counts))
        self.bias.copy_(frequencies.log().to(self.bias))


class CappedHead(PredictionHead):
    """The same with logits held between -cap and cap before the bias is added (Gemma 2, 2024, section 2): its context
    alone makes no token all but impossible or certain."""

    def __init__(self, hidden_width: int, vocabulary_size: int, width: int, cap: float) -> None:
        super().__init__(hidden_width, vocabulary_size, width)
        self.cap = cap


class BertHead(PredictionHead):
    """The same with the biases of the released BERT code."""

    def __init__(self, hidden_width: int, vocabulary_size: int, width: int) -> None:
        super().__init__(hidden_width, vocabulary_size, width)
        self.dense = Linear(hidden_width, width)
        self.norm = ShiftedNorm(width)
        nn.init.zeros_(self.dense.bias)


# ---------------------------------------------------------------- labels, as stock heads compute them


class LinearHead(nn.Module):
    """One linear layer, in float32 whatever it is given: `BertForTokenClassification` and most others."""

    def __init__(self, width: int, labels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, labels)
        _start(self.output)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) -> logits (..., L) in float32."""
        hidden = self.dropout(self.transformed(hidden)).float()
        return F.linear(hidden, self.output.weight.float(), self.output.bias)

    def transformed(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) as the last layer takes it (..., D)."""
        return hidden


class PooledHead(LinearHead):
    """Dense, tanh, then the labels: BERT's pooler and classifier (Devlin et al. 2019, the released code), RoBERTa's
    classification head."""

    def __init__(self, width: int, labels: int, dropout: float = 0.0) -> None:
        super().__init__(width, labels, dropout)
        self.dense = Linear(width, width)
        _start(self.dense)

    def transformed(self, hidden: Tensor) -> Tensor:
        return torch.tanh(self.dense(hidden))


class TransformedHead(LinearHead):
    """Dense, GELU, norm, then the labels: `ModernBertForSequenceClassification`, whose first part is that of the head
    for masked words and starts from it."""

    def __init__(self, width: int, labels: int, dropout: float = 0.0) -> None:
        super().__init__(width, labels, dropout)
        self.dense = nn.Linear(width, width, bias=False)
        self.norm = Norm(width)
        nn.init.trunc_normal_(self.dense.weight, std=0.02, a=-0.06, b=0.06)

    def transformed(self, hidden: Tensor) -> Tensor:
        return self.norm(F.gelu(self.dense(hidden)))


def _start(layer: nn.Linear) -> None:
    nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.06, b=0.06)
    nn.init.zeros_(layer.bias)
