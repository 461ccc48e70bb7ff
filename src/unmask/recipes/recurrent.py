"""Recipes for the recurrent architectures."""

from __future__ import annotations

from unmask.architectures.recurrent import Gru, Lstm
from unmask.config import changed
from unmask.run import Run


def lstm() -> Run:
    """A bidirectional LSTM of 8 M parameters, a document a row; say data.source and training.minutes."""
    return changed(Run(name="lstm"), data={"packing": "document"}, architecture=Lstm())


def gru() -> Run:
    """A bidirectional GRU of 7 M parameters, a document a row; say data.source and training.minutes."""
    return changed(Run(name="gru"), data={"packing": "document"}, architecture=Gru())
