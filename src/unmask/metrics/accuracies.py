"""How often the model's first choice is right."""

from __future__ import annotations

import numpy as np

from unmask.metrics.metric import Metric, Scored


class TokenAccuracy(Metric):
    """The share of masked tokens restored."""

    higher_is_better = True

    def update(self, scored: Scored) -> None:
        self.total += int((scored.predicted == scored.targets).sum())
        self.count += len(scored.targets)


class WordAccuracy(Metric):
    """The share of masked words restored; a word is right when all of its tokens are."""

    higher_is_better = True

    def update(self, scored: Scored) -> None:
        asked = np.unique(scored.words)
        wrong = np.unique(scored.words[scored.predicted != scored.targets])
        self.total += len(asked) - len(wrong)
        self.count += len(asked)
