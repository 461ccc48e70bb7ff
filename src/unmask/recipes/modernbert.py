"""Recipes for the ModernBERT architecture."""

from __future__ import annotations

from unmask.architectures.modernbert import mini
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
        architecture=mini(),
        training={"minutes": 5.0},
    )
