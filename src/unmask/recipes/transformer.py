"""Recipes for the plain Transformer."""

from __future__ import annotations

from unmask.architectures.transformer import Transformer, prenorm
from unmask.run import Run


def transformer() -> Run:
    """The Transformer encoder as in the paper, 7 M parameters, saved as stock BERT; say data.source and a budget."""
    return Run(name="transformer", architecture=Transformer())


def transformer_prenorm() -> Run:
    """The same with the norm before each part, saved as stock RoBERTa-PreLayerNorm."""
    return Run(name="transformer-prenorm", architecture=prenorm())
