"""Recipes for the recurrent architectures."""

from __future__ import annotations

from unmask.architectures.recurrent import Gru, Lstm
from unmask.config import changed
from unmask.run import Run
from unmask.training.optimizers.muon import Muon

# The cells go by Adam, for which the default of embeddings and norms is high.
_OPTIMIZER = Muon(adam_learning_rate=3e-3)


def lstm() -> Run:
    """A bidirectional LSTM of 8 M parameters, a document a row; say data.source and training.minutes."""
    return changed(Run(name="lstm"), data={"packing": "document"}, architecture=Lstm(), optimizer=_OPTIMIZER)


def gru() -> Run:
    """A bidirectional GRU of 7 M parameters, a document a row; say data.source and training.minutes."""
    return changed(Run(name="gru"), data={"packing": "document"}, architecture=Gru(), optimizer=_OPTIMIZER)
