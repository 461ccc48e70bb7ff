"""Writing a token store: shards from any process, then all else, the manifest last.

writer = StoreWriter(folder, tokenizer)
with writer.shard("part-0", "train", "wiki") as shard:
    shard.add(ids, word_starts, sentence_starts)
store = writer.finish({"wiki": 1.0}, validation_documents, report)
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask import sealed
from unmask.tokens.store import (
    FORMAT,
    MANIFEST,
    SPLITS,
    TOKEN_COUNTS,
    VALIDATION_TEXTS,
    VERSION,
    Store,
    fingerprint_of,
)
from unmask.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from unmask.corpus import Document


class ShardWriter:
    """Writes one shard, document by document; its files stand under their name only when it was closed in order."""

    def __init__(self, folder: Path, dtype: str) -> None:
        self.folder = folder
        self._unfinished = folder.with_name(folder.name + ".unfinished")
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished.mkdir(parents=True)
        self._dtype = np.dtype(dtype)
        self._tokens = (self._unfinished / "tokens.bin").open("wb")
        self._words = (self._unfinished / "word_starts.bin").open("wb")
        self._bits = np.zeros(0, bool)  # fewer than eight that wait for a full byte
        self._document_ends = [np.zeros(1, "<i8")]
        self._sentences: list[np.ndarray] = []
        self.counts = {"documents": 0, "sentences": 0, "words": 0, "tokens": 0}

    def add(self, ids: np.ndarray, word_starts: np.ndarray, sentence_starts: np.ndarray) -> None:
        """Append a document: its token ids (n,), word starts bool (n,), and sentence starts as indices below n.

        A document without tokens is not kept: nothing could be learned from it.
        """
        self.add_all(ids, word_starts, sentence_starts, np.array([len(ids)]))

    def add_all(
        self, ids: np.ndarray, word_starts: np.ndarray, sentence_starts: np.ndarray, lengths: np.ndarray
    ) -> None:
        """Append documents that follow each other, of `lengths` tokens each: int64 (documents,)."""
        assert len(ids) == len(word_starts) == lengths.sum()
        ends = np.cumsum(lengths[lengths > 0])
        sentences = np.union1d(np.concatenate([[0], ends])[: len(ends)], sentence_starts).astype("<i8")
        self._tokens.write(np.ascontiguousarray(ids, self._dtype).data)
        bits = np.concatenate([self._bits, word_starts])
        full = len(bits) // 8 * 8
        self._words.write(np.packbits(bits[:full], bitorder="little").data)
        self._bits = bits[full:]
        self._sentences.append(sentences + self.counts["tokens"])
        self._document_ends.append((ends + self.counts["tokens"]).astype("<i8"))
        self.counts["documents"] += len(ends)
        self.counts["sentences"] += len(sentences)
        self.counts["words"] += int(word_starts.sum())
        self.counts["tokens"] += len(ids)

    def close(self) -> dict[str, int]:
        """Finish the shard and give it its name; the counts of documents, sentences, words and tokens."""
        self._words.write(np.packbits(self._bits, bitorder="little").data)
        for name, numbers in (("document_starts", self._document_ends), ("sentence_starts", self._sentences)):
            with (self._unfinished / f"{name}.bin").open("wb") as file:
                file.writelines(part.data for part in numbers)
        self.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._unfinished.rename(self.folder)
        return self.counts

    def abandon(self) -> None:
        """Close the files; without `close` the shard does not come to stand under its name."""
        self._tokens.close()
        self._words.close()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


class StoreWriter:
    """Writes a store into a folder: shards in any order and from any process, then the manifest.

    Shards are recorded as `finish` finds them through `shard` or `record`; their order in the store is that of names.
    """

    def __init__(self, folder: str | Path, tokenizer: Tokenizer, *, segmenter: str | None = None) -> None:
        self.folder = Path(folder)
        self.tokenizer = tokenizer
        self.segmenter = segmenter
        self.dtype = dtype_for(tokenizer.vocabulary_size)
        self._entries: list[dict[str, Any]] = []
        self._open: list[tuple[str, str, str, ShardWriter]] = []

    def shard(self, name: str, split: str, source: str) -> ShardWriter:
        """A writer for a new shard of this store."""
        writer = ShardWriter(self.folder / "shards" / name, self.dtype)
        self._open.append((name, split, source, writer))
        return writer

    def record(self, name: str, split: str, source: str, counts: Mapping[str, int]) -> None:
        """Name a shard that another process wrote into this store's folder."""
        assert split in SPLITS, split
        self._entries.append({"name": name, "split": split, "source": source, "counts": dict(counts)})

    def finish(
        self,
        sources: Mapping[str, float],
        validation: Iterable[Document] = (),
        report: Mapping[str, Any] | None = None,
        inputs: str = "",
    ) -> Store:
        """Write tokenizer, validation texts, token counts and, last, the manifest; then open what was written.

        `sources` gives the sampling weight of each source tag; `inputs` is a fingerprint of what the store was made of.
        """
        for name, split, source, writer in self._open:
            self.record(name, split, source, writer.counts)
        entries = sorted((e for e in self._entries if e["counts"]["tokens"]), key=lambda e: e["name"])
        self.tokenizer.save(self.folder / "tokenizer")
        write_documents(self.folder / VALIDATION_TEXTS, validation)
        self._token_counts(entries).tofile(self.folder / TOKEN_COUNTS)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "inputs": inputs,
            "dtype": self.dtype,
            "vocabulary_size": self.tokenizer.vocabulary_size,
            "tokenizer": self.tokenizer.fingerprint,
            "segmenter": self.segmenter,
            "sources": dict(sources),
            "shards": entries,
            "report": dict(report or {}),
            "files": {name: _entry(self.folder / name) for name in self._files(entries)},
        }
        write_last(self.folder / MANIFEST, manifest | {"fingerprint": fingerprint_of(manifest)})
        return Store.open(self.folder, verify=False)

    def _files(self, entries: list[dict[str, Any]]) -> list[str]:
        parts = ("tokens", "word_starts", "document_starts", "sentence_starts")
        shards = [f"shards/{entry['name']}/{part}.bin" for entry in entries for part in parts]
        tokenizer = sorted(f"tokenizer/{path.name}" for path in (self.folder / "tokenizer").iterdir())
        return [*tokenizer, VALIDATION_TEXTS, TOKEN_COUNTS, *shards]

    def _token_counts(self, entries: list[dict[str, Any]]) -> np.ndarray:
        counts = np.zeros(self.tokenizer.vocabulary_size, "<i8")
        for entry in entries:
            if entry["split"] == "train":
                tokens = np.memmap(self.folder / "shards" / entry["name"] / "tokens.bin", self.dtype, "r")
                for start in range(0, len(tokens), 1 << 24):
                    counts += np.bincount(tokens[start : start + (1 << 24)], minlength=len(counts))
        return counts


def dtype_for(vocabulary_size: int) -> str:
    """The narrowest type that holds every id: "<u2" up to 65,536 tokens, "<u4" above."""
    return "<u2" if vocabulary_size <= 1 << 16 else "<u4"


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """Documents as a jsonl.zst file of id, text and source."""
    import zstandard

    with path.open("wb") as packed, zstandard.ZstdCompressor(level=6).stream_writer(packed) as plain:
        for document in documents:
            line = json.dumps({"id": document.id, "text": document.text, "source": document.source}, ensure_ascii=False)
            plain.write(line.encode("utf-8", "surrogatepass") + b"\n")


def write_last(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON so that it stands under its name only when it is whole and on the disk."""
    unfinished = path.with_name(path.name + ".unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _entry(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "xxh3": sealed.hashed(path)}
