"""The `start` section of a run: the weights it begins with, where they are not all random."""

from __future__ import annotations

from dataclasses import dataclass

from unmask.config import require
from unmask.menu import unknown

EMBEDDINGS = ["counts", "random"]


@dataclass(frozen=True)
class Start:
    """What a run starts from. Weights that nothing is said of are random."""

    model: str | None = None
    """go on from this masked language model: a run folder, a Hugging Face folder or a Hub name. Architecture and
    tokenizer are its, the objective is the run's; weights that it lacks are named and start at random"""
    vectors: str | None = None
    """start the token embeddings from word vectors: a text file of word2vec or GloVe, also .gz"""

    embeddings: str = "counts"
    """where token embeddings begin that neither of them brings: counts (from what stands near each token in the
    training text, counted in seconds) or random"""

    def __post_init__(self) -> None:
        require(self.embeddings in EMBEDDINGS, f"start.embeddings: {unknown('start', self.embeddings, EMBEDDINGS)}")
        require(
            self.model is None or self.vectors is None,
            "start.model brings its own embeddings: leave out start.vectors, or start.model",
        )

    @property
    def named(self) -> str | None:
        """The file or folder that it starts from, if any."""
        return self.model or self.vectors
