"""What a fresh objective begins with, beside random weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.start import Start
    from unmask.tokens.store import Store


def begin(start: Start, objective: Any, store: Store, seed: int) -> None:
    """Give a fresh objective the weights of start.model, or the embeddings of start.vectors or of counts."""
    if start.model is not None:
        from unmask.start.folder import begin_from

        begin_from(objective, Path(start.model), store)
    elif start.vectors is not None:
        from unmask.start.vectors import begin_from_vectors

        begin_from_vectors(objective.encoder.embedding, Path(start.vectors), store.tokenizer(), seed)
    elif start.embeddings == "counts":
        from unmask.start.counts import begin_from_counts

        begin_from_counts(objective.encoder.embedding, store, seed)
