"""The recipe that is decided when it is run."""

from __future__ import annotations

from unmask.run import Run


def auto() -> Run:
    """Size, batch and rates for your text, time and machine (ModernBERT); say data.source and training.minutes."""
    return Run(name="auto", auto=True)
