"""The recipe for the encoder of our own."""

from __future__ import annotations

from unmask.architectures.unmask import Unmask
from unmask.run import Run


def unmask() -> Run:
    """An encoder of our own, 8 M parameters: a ModernBERT with what races found since; say data.source and a budget.

    No stock class reads it. The settings of its parts: unmask list settings unmask
    """
    return Run(name="unmask", architecture=Unmask())
