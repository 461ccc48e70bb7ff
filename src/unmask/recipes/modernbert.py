"""Recipes for the ModernBERT architecture."""

from __future__ import annotations

from unmask.architectures.modernbert import ModernBert
from unmask.config import changed
from unmask.run import Run


def modernbert() -> Run:
    """A ModernBERT of 8 M parameters on your text, loadable by transformers; say data.source and training.minutes."""
    return Run(name="modernbert")


def demo() -> Run:
    """Five minutes on the documentation inside the installed Python packages: no download, two CPU cores."""
    return changed(
        Run(name="demo"),
        data={"source": "python-docs", "language": "en"},
        tokenizer={"vocabulary_size": 8192},
        # What five minutes are enough for (docs/log.md, "A smaller demo"), with the rates that recipe auto gives it.
        architecture=ModernBert(layers=4, width=192, heads=3, feedforward=384),
        optimizer={"adam_learning_rate": 1.15e-3},
        training={"minutes": 5.0},
    )
