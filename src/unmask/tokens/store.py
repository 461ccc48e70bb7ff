"""The token store: memory-mapped shards of token ids with all that later stages ask of the text, and a manifest.

    store = Store.open("store")                   # DataError when it is cut short or altered
    shard = store.shards("train")[0]
    shard.tokens[a:b], shard.word_starts(places), shard.document_starts, shard.sentence_starts

A shard holds one split of one source. Its files: tokens.bin (uint16, or uint32 above 65,536 tokens), word_starts.bin
(one bit a token, the lowest bit first), document_starts.bin and sentence_starts.bin (int64, indices of tokens; the
first has the shard's end as its last entry). The manifest is written last (`writing.py`): without it there is no store.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from unmask import sealed
from unmask.errors import DataError
from unmask.menu import unknown
from unmask.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from unmask.corpus import Document

FORMAT = "unmask-store"
VERSION = 1
SPLITS = ("train", "validation")
MANIFEST = "manifest.json"
VALIDATION_TEXTS = "validation.jsonl.zst"
TOKEN_COUNTS = "token_counts.bin"

_HASHED_WHOLE = 1 << 30
"""Bytes: opening a store up to this size reads all of it (a tenth of a second); a larger one only its small files."""
_SMALL = 1 << 24
_PREPARE_AGAIN = "prepare the store again"


@dataclass(frozen=True, eq=False)
class Shard:
    """Documents of one split and one source, one after the other; arrays are mapped, read only, on first use."""

    folder: Path
    name: str
    split: str
    source: str
    weight: float
    dtype: str
    counts: Mapping[str, int]

    @cached_property
    def tokens(self) -> np.ndarray:
        """Token ids of all documents: uint16 or uint32 (n,)."""
        return np.memmap(self.folder / "tokens.bin", self.dtype, "r")

    @cached_property
    def document_starts(self) -> np.ndarray:
        """Where each document starts, and the end of the last: int64 (documents + 1,)."""
        return np.memmap(self.folder / "document_starts.bin", "<i8", "r")

    @cached_property
    def sentence_starts(self) -> np.ndarray:
        """Tokens with which a sentence starts, ascending; every document starts one: int64 (sentences,)."""
        return np.memmap(self.folder / "sentence_starts.bin", "<i8", "r")

    @cached_property
    def _word_bits(self) -> np.ndarray:
        return np.memmap(self.folder / "word_starts.bin", np.uint8, "r")

    def word_starts(self, places: np.ndarray) -> np.ndarray:
        """Whether the tokens at these places (any shape) start a word: bool of the same shape."""
        return (self._word_bits[places >> 3] >> (places & 7).astype(np.uint8) & 1).view(bool)

    def __len__(self) -> int:
        """The number of tokens."""
        return self.counts["tokens"]


class Store:
    """A prepared store, read only. Made by `unmask.prepare`; opened with `Store.open`."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool | None = None) -> Store:
        """Open a store: DataError, naming the file and the mend, when it is missing, cut short or altered.

        Sizes are always checked. Hashes are checked of everything when `verify` is true or the store is under a
        gigabyte, otherwise of the small files; with `verify` false of none.
        """
        path = Path(folder)
        manifest = read_manifest(path)
        sizes = manifest["files"]
        whole = sum(entry["size"] for entry in sizes.values()) <= _HASHED_WHOLE
        for name, entry in sizes.items():
            hashed = verify if verify is not None else whole or entry["size"] <= _SMALL
            _check_file(path / name, entry, hashed=hashed)
        return cls(path, manifest)

    def shards(self, split: str) -> list[Shard]:
        """The shards of a split, in a fixed order."""
        if split not in SPLITS:
            raise DataError(unknown("split", split, list(SPLITS)))
        return [shard for shard in self._shards if shard.split == split]

    @cached_property
    def _shards(self) -> list[Shard]:
        dtype, weights = self.manifest["dtype"], self.manifest["sources"]
        return [
            Shard(
                folder=self.folder / "shards" / entry["name"],
                name=entry["name"],
                split=entry["split"],
                source=entry["source"],
                weight=weights[entry["source"]],
                dtype=dtype,
                counts=entry["counts"],
            )
            for entry in self.manifest["shards"]
        ]

    def count(self, what: str, split: str) -> int:
        """How many documents, sentences, words or tokens a split has."""
        return sum(shard.counts[what] for shard in self.shards(split))

    def beginning(self, split: str, most: int) -> tuple[np.ndarray, np.ndarray]:
        """At most about `most` tokens of a split, the beginning of each shard, and the document of each: int64 (n,),
        (n,)."""
        shards = self.shards(split)
        share = min(1.0, most / max(1, sum(map(len, shards))))
        tokens, documents, before = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
        for shard in shards:
            stop = int(share * len(shard))
            starts = np.asarray(shard.document_starts)
            tokens.append(np.asarray(shard.tokens[:stop]).astype(np.int64))
            documents.append(np.repeat(np.arange(len(starts) - 1), np.diff(starts))[:stop] + before)
            before += len(starts) - 1
        return np.concatenate(tokens), np.concatenate(documents)

    def documents(self, split: str = "validation") -> Iterator[Document]:
        """The documents of the validation split with their texts; those of the training split are not kept."""
        if split != "validation":
            raise DataError(f"{self.folder} keeps the texts of its validation documents only, not of '{split}'")
        return read_documents(self.folder / VALIDATION_TEXTS)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the store."""
        return Tokenizer.load(self.folder / "tokenizer")

    @property
    def vocabulary_size(self) -> int:
        return self.manifest["vocabulary_size"]

    @property
    def report(self) -> dict[str, Any]:
        """What preparation counted: see `summary.table`."""
        return self.manifest["report"]

    @property
    def fingerprint(self) -> str:
        """A hash of the manifest, and so of everything in the store."""
        return self.manifest["fingerprint"]

    @cached_property
    def token_counts(self) -> np.ndarray:
        """How often each token occurs in the training split: int64 (V,)."""
        return np.fromfile(self.folder / TOKEN_COUNTS, "<i8")


# ---------------------------------------------------------------- reading


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a store; DataError when there is none or it is not what was written."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise DataError(f"{folder}: no such store; make it with: unmask prepare SOURCE --to {folder}")
    if not path.is_file():
        raise DataError(
            f"{folder} is no store, it holds no {MANIFEST}; make one with: unmask prepare SOURCE --to STORE"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise DataError(f"{path} is cut short or altered; {_PREPARE_AGAIN}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path} is not the manifest of a token store; give a folder made by unmask prepare")
    if manifest.get("version") != VERSION:
        raise DataError(
            f"{folder} has format version {manifest.get('version')}, this unmask reads {VERSION}; {_PREPARE_AGAIN}"
        )
    if manifest.get("fingerprint") != fingerprint_of(manifest):
        raise DataError(f"{path} was altered; {_PREPARE_AGAIN}")
    return manifest


def read_documents(path: Path) -> Iterator[Document]:
    """Documents from a jsonl.zst file of id, text and source."""
    import zstandard

    from unmask.corpus import Document

    with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as plain:
        for line in io.TextIOWrapper(plain, encoding="utf-8", errors="surrogatepass", newline="\n"):
            yield Document(**json.loads(line))


def _check_file(path: Path, entry: Mapping[str, Any], *, hashed: bool) -> None:
    size = path.stat().st_size if path.is_file() else None
    if size is None:
        raise DataError(f"{path} is missing; {_PREPARE_AGAIN}")
    if size != entry["size"]:
        how = "is cut short" if size < entry["size"] else "was altered"
        raise DataError(f"{path} {how} ({size:,} of {entry['size']:,} bytes); {_PREPARE_AGAIN}")
    if hashed and sealed.hashed(path) != entry["xxh3"]:
        raise DataError(f"{path} was altered (its hash differs); {_PREPARE_AGAIN}")


def fingerprint_of(manifest: Mapping[str, Any]) -> str:
    """The hash of a manifest's content, whatever fingerprint stands in it."""
    content = {key: value for key, value in manifest.items() if key != "fingerprint"}
    return xxhash.xxh3_128_hexdigest(json.dumps(content, ensure_ascii=False, sort_keys=True).encode())
