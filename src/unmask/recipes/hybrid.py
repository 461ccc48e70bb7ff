"""The recipe for the hybrid of causal and masked language modelling."""

from __future__ import annotations

from unmask.config import changed
from unmask.objectives.hybrid import Hybrid
from unmask.run import Run


def hybrid() -> Run:
    """A ModernBERT of 8 M parameters that begins with rows read left to right and ends with masked ones (GPT-BERT).

    The end is an ordinary ModernBERT. Another encoder: architecture=bert; a longer beginning: objective.until=0.5
    """
    return changed(Run(name="hybrid"), objective=Hybrid())
