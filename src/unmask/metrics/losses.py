"""Figures of the probability given to the true tokens."""

from __future__ import annotations

import math

import numpy as np

from unmask.metrics.metric import Metric, Scored


class Loss(Metric):
    """Nats per masked token."""

    def update(self, scored: Scored) -> None:
        self.total += float(scored.losses.sum())
        self.count += len(scored.losses)


class Perplexity(Loss):
    """exp(nats per masked token): among how many equally likely tokens the model still hesitates."""

    def compute(self) -> float:
        loss = super().compute()
        return math.exp(loss) if loss < 700 else math.inf if loss >= 700 else math.nan


class BitsPerCharacter(Metric):
    """The loss in bits over the characters of the masked words, comparable across tokenizers."""

    def update(self, scored: Scored) -> None:
        self.total += float(scored.losses.sum()) / math.log(2)
        self.count += int(scored.characters.sum())


class UnigramLoss(Metric):
    """The loss of one who knows only how often each token stood in the training text (with one added to each count).

    nan where those counts are not known.
    """

    def update(self, scored: Scored) -> None:
        if scored.token_counts is None:
            return
        counts = scored.token_counts[scored.targets] + 1.0
        self.total += float((math.log(unigram_mass(scored.token_counts)) - np.log(counts)).sum())
        self.count += len(scored.targets)


def unigram_mass(token_counts: np.ndarray) -> float:
    """The sum of all counts (V,) with one added to each."""
    return float(token_counts.sum()) + len(token_counts)
