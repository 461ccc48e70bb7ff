"""The recipe for the bag of words: what context is worth without its order."""

from __future__ import annotations

from unmask.architectures.bag_of_words import Cbow
from unmask.run import Run


def cbow() -> Run:
    """A continuous bag of words of 4 M parameters, to compare with: the words around a blank without their order."""
    return Run(name="cbow", architecture=Cbow())
