"""The spool: cleaned documents on disk with what later stages need to know of each, in chunks of bounded size.

    folder/0000.zst            the documents: length of id, length of text (uint32), id, text (UTF-8), and so on
    folder/0000.keys.npy       uint64 (n,)      hash of the text
    folder/0000.sizes.npy      uint32 (n, 2)    characters, words
    folder/0000.signatures.npy uint16 (n, 128)
    folder/0000.grams.npy      uint64 (g,)      a sample of the hashes of 13-grams, those of document i at
    folder/0000.gram_starts.npy int64 (n+1,)    gram_starts[i]:gram_starts[i+1]
    folder/tally.json          what was read and dropped; written last

A folder is filled under another name and renamed: one that is there is whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from unmask.corpus import shingles, signatures
from unmask.seeding import text_key

CHUNK_CHARACTERS = 16_000_000
_BATCH_CHARACTERS = 1_000_000
_BATCH_DOCUMENTS = 4096
_LENGTHS = struct.Struct("<II")
_GRAM_SAMPLE = np.uint64(15)
"""Kept are the 13-grams whose hash has zeros here, 1 in 16: the same ones in every document."""


@dataclass(frozen=True)
class Chunk:
    """One chunk of a spool: `stem` is its path without suffixes."""

    stem: Path

    def array(self, name: str) -> np.ndarray:
        """A column of the chunk, mapped, not loaded."""
        return np.load(f"{self.stem}.{name}.npy", mmap_mode="r")

    def documents(self) -> Iterator[tuple[str, str]]:
        """(id, text) of the documents in order."""
        with open(f"{self.stem}.zst", "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            while head := stream.read(_LENGTHS.size):
                name, text = _LENGTHS.unpack(head)
                yield stream.read(name).decode("utf-8"), stream.read(text).decode("utf-8")


class SpoolWriter:
    """Writes documents into `folder`, a chunk after the other. `add` each document, then `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.chunks = folder, 0
        self._file: Any = None
        self._batch: list[str] = []
        self._batch_characters = self._chunk_characters = 0
        self._columns: dict[str, list[np.ndarray]] = {}

    def add(self, name: str, text: str) -> None:
        """Append one document."""
        if self._file is None:
            self._file = self._opened()
        name_bytes, text_bytes = name.encode("utf-8", "replace"), text.encode("utf-8")
        self._file.write(_LENGTHS.pack(len(name_bytes), len(text_bytes)) + name_bytes + text_bytes)
        self._batch.append(text)
        self._batch_characters += len(text)
        self._chunk_characters += len(text)
        if self._batch_characters >= _BATCH_CHARACTERS or len(self._batch) >= _BATCH_DOCUMENTS:
            self._measure()
        if self._chunk_characters >= CHUNK_CHARACTERS:
            self.close()

    def close(self) -> None:
        """Finish the chunk that is open, if one is."""
        if self._file is None:
            return
        self._measure()
        self._file.close()
        for name, pieces in self._columns.items():
            np.save(f"{self._stem}.{name}.npy", np.concatenate(pieces))
        starts = np.concatenate(([0], np.cumsum(np.concatenate(self._columns["gram_starts"]))))
        np.save(f"{self._stem}.gram_starts.npy", starts.astype(np.int64))
        self.chunks += 1
        self._file, self._columns, self._chunk_characters = None, {}, 0

    @property
    def _stem(self) -> Path:
        return self.folder / f"{self.chunks:04d}"

    def _opened(self) -> Any:
        return zstandard.ZstdCompressor(level=1).stream_writer(open(f"{self._stem}.zst", "wb"))

    def _measure(self) -> None:
        if self._batch:
            for name, column in columns(self._batch).items():
                self._columns.setdefault(name, []).append(column)
        self._batch, self._batch_characters = [], 0


def columns(texts: list[str]) -> dict[str, np.ndarray]:
    """What the spool keeps of each text; under "gram_starts" the number of grams of each, for the writer to sum."""
    hashed = shingles.units(texts)
    grams = shingles.shingles(hashed, shingles.GRAM, short=False)
    sampled = (grams.hashes & _GRAM_SAMPLE) == 0
    before = np.concatenate(([0], np.cumsum(sampled)))
    return {
        "keys": np.array([text_key(text) for text in texts], dtype=np.uint64),
        "sizes": np.stack(([len(text) for text in texts], hashed.counts), axis=1).astype(np.uint32),
        "signatures": signatures.signatures(hashed),
        "grams": grams.hashes[sampled],
        "gram_starts": np.diff(before[grams.starts]),
    }
