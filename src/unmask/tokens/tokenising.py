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
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.units import Encoder
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
    encoder, segmenter = _encoder(task.tokenizer), words.segmenter(task.segmenter)
    counts = {"characters": 0, "bytes": 0, "without_tokens": 0}
    with ShardWriter(task.shard, task.dtype) as shard:
        for batch in batches(task.part.documents(task.split)):
            texts = [document.text for document in batch]
            tokens = tokenised(encoder, texts, segmenter)
            shard.add_all(tokens.ids, tokens.word_starts, tokens.sentence_starts, tokens.lengths)
            characters = sum(map(len, texts))
            counts["characters"] += characters
            counts["bytes"] += sum(len(text.encode()) for text in texts)
            counts["without_tokens"] += int((tokens.lengths == 0).sum())
            advance(characters)
    write_last(task.record, shard.counts | counts)


@lru_cache(maxsize=1)
def _encoder(folder: Path) -> Encoder:
    return Encoder(Tokenizer.load(folder))


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


@dataclass(frozen=True)
class Tokens:
    """Some texts as tokens, one after the other: n tokens, d texts."""

    ids: np.ndarray
    """int32 (n,)"""
    word_starts: np.ndarray
    """bool (n,)"""
    sentence_starts: np.ndarray
    """indices of tokens, ascending: int64 (sentences,)"""
    lengths: np.ndarray
    """tokens of each text: int64 (d,)"""


def tokenised(encoder: Encoder, texts: list[str], segmenter: Segmenter | None) -> Tokens:
    """Some texts as tokens; special tokens spelled out in a text are only text.

    The texts are treated as the lines of one: neither words nor sentences cross a line break.
    """
    joined = "\n".join(texts)
    encoded, lengths = encoder.encode(texts)
    word_starts = encoder.tokenizer.word_starts_from(words.word_starts(joined, segmenter), encoded)
    sentences = np.searchsorted(encoded.ends, sentence_starts(joined), side="right")
    return Tokens(encoded.ids, word_starts, np.unique(sentences[sentences < len(encoded)]), lengths)
