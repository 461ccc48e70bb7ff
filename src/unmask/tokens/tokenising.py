"""One split of one part of the corpus to one shard: the work of a worker process."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from unmask.corpus import CollectedPart, Document
from unmask.corpus.processes import advance
from unmask.tokens import words
from unmask.tokens.sentences import sentence_starts
from unmask.tokens.tokenizer import Encoded, Tokenizer
from unmask.tokens.words import Segmenter
from unmask.tokens.writing import ShardWriter, write_last

BATCH = 1 << 18
"""Characters encoded at once, at least a document."""


@dataclass(frozen=True)
class ShardTask:
    """What to tokenise, with what, and where it goes; `record` holds the counts once the shard is finished."""

    part: CollectedPart
    split: Any
    tokenizer: Path
    segmenter: str | None
    shard: Path
    dtype: str
    record: Path

    def counts(self) -> dict[str, int]:
        """The counts of the finished shard."""
        return json.loads(self.record.read_text(encoding="utf-8"))


def tokenise(task: ShardTask) -> None:
    """Write the task's shard and then its record."""
    tokenizer, segmenter = _loaded(task.tokenizer), words.segmenter(task.segmenter)
    counts = {"characters": 0, "bytes": 0, "without_tokens": 0}
    with ShardWriter(task.shard, task.dtype) as shard:
        for batch in batches(task.part.documents(task.split)):
            for text, encoded, starts in encoded_batch(tokenizer, [d.text for d in batch], segmenter):
                shard.add(encoded.ids, starts, sentence_tokens(text, encoded))
                counts["bytes"] += len(text.encode())
                counts["without_tokens"] += not len(encoded)
            characters = sum(len(document.text) for document in batch)
            counts["characters"] += characters
            advance(characters)
    write_last(task.record, shard.counts | counts)


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder)


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in lists of at least BATCH characters, the last one aside."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def encoded_batch(
    tokenizer: Tokenizer, texts: list[str], segmenter: Segmenter | None
) -> Iterator[tuple[str, Encoded, np.ndarray]]:
    """(text, its tokens, word starts bool (n,)) of each text; special tokens spelled out in a text are only text."""
    starts = words.word_starts("\n".join(texts), segmenter)  # no word crosses a line break
    first = 0
    for text, encoded in zip(texts, tokenizer.encode(texts, literal=True), strict=True):
        yield text, encoded, tokenizer.word_starts_from(starts[first : first + len(text)], encoded)
        first += len(text) + 1


def sentence_tokens(text: str, encoded: Encoded) -> np.ndarray:
    """Indices of the tokens that hold the first character of a sentence: int64 (sentences,)."""
    tokens = np.searchsorted(encoded.ends, sentence_starts(text), side="right")
    return np.unique(tokens[tokens < len(encoded)])
