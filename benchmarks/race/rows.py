"""The text, prepared once for all, and its rows as `run_mlm.py` lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from unmask.tokens.store import Store

WORDS = 16_384


def prepared(texts: Sequence[str], words: int = WORDS) -> Store:
    """The store of the texts below stores/, with a WordPiece tokenizer; made now or before."""
    from unmask import stages
    from unmask.corpus.settings import CorpusSettings
    from unmask.tokens.training import TokenizerSettings

    return stages.prepared(list(texts), CorpusSettings(), TokenizerSettings(kind="wordpiece", vocabulary_size=words))


def grouped(store: Store, row_length: int) -> Path:
    """The file of the rows that `group_texts` of run_mlm.py makes of the training documents: int64 (rows, row_length).

    All documents, each in [CLS] and [SEP], in one stream that is cut every `row_length` tokens; the rest is dropped.
    """
    folder = Path(store.folder)
    path = folder.with_name(f"{folder.name}.grouped-{row_length}.npy")
    if not path.is_file():
        stream = _stream(store)
        np.save(path, stream[: len(stream) // row_length * row_length].reshape(-1, row_length))
    return path


def _stream(store: Store) -> np.ndarray:
    tokenizer, parts = store.tokenizer(), []
    frame = np.array([tokenizer.cls_id, tokenizer.sep_id], dtype=np.int64)
    for shard in store.shards("train"):
        starts = np.asarray(shard.document_starts)
        edges = np.column_stack([starts[:-1], starts[1:]]).ravel()
        framed = np.insert(np.asarray(shard.tokens, dtype=np.int64), edges, np.tile(frame, len(starts) - 1))
        parts.append(framed)
    return np.concatenate(parts)
