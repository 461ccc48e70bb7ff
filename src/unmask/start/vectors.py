"""Word vectors as a start of the token embeddings (word2vec, GloVe, fastText: text, also .gz).

A vector belongs to the token that its word becomes, alone, by the tokenizer itself: its normalizer decides about case,
its own spelling of word starts is found by asking with a space before the word too. Where several words become one
token the first has it: files are sorted by frequency. Pieces of words keep their random start.

The vectors are centred (what all words share tells none from another), brought to the model's width, and scaled to the
spread of the random start. To fewer channels: the directions of most variance (PCA). To more: a random rotation, which
keeps all angles and lengths.

Shapes: n tokens found, d channels of the file, D width of the model, V vocabulary.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor, nn

from unmask import console
from unmask.errors import DataError
from unmask.tokens.tokenizer import Tokenizer

BLOCK = 4096
"""Lines of the file whose words are tokenised together."""


def found(path: str | Path) -> Path:
    """The whole path of a file of word vectors; DataError when there is none."""
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise DataError(f"{path}: no such file of word vectors")
    return file


@torch.no_grad()
def begin_from_vectors(embedding: nn.Embedding, path: Path, tokenizer: Tokenizer, seed: int) -> int:
    """Start an embedding (V,D) from the word vectors of a file, and say how many tokens had one; their number.

    DataError when the file cannot be read, a line has another number of channels, or no token is found in it.
    """
    vectors = vectors_of(path, tokenizer)
    if not vectors:
        raise DataError(f"{path}: none of its words is a token of the vocabulary; take vectors of the text's language")
    tokens = torch.tensor(list(vectors))
    given = torch.from_numpy(np.stack(list(vectors.values()))).double()  # (n,d)
    width, spread = embedding.embedding_dim, float(embedding.weight.double().std())
    embedding.weight[tokens.to(embedding.weight.device)] = fitted(given, width, spread, seed).to(embedding.weight)
    share = len(vectors) / tokenizer.vocabulary_size
    console.say(
        f"{len(vectors):,} of {tokenizer.vocabulary_size:,} tokens ({share:.0%}) start from {path}, "
        f"{_how(given.shape[1], width)}; the others at random"
    )
    return len(vectors)


def vectors_of(path: Path, tokenizer: Tokenizer) -> dict[int, np.ndarray]:
    """The vector (d,) float32 of each token that is a word of the file, in the order of the file.

    DataError for a file that cannot be read, and for a line that is no vector or has another number of channels.
    """
    vectors: dict[int, np.ndarray] = {}
    special = set(tokenizer.special_ids.tolist())
    try:
        with _opened(path) as file:
            for block in _blocks(_numbered(file, path)):
                for token, line in _tokens(tokenizer, block):
                    if token not in special and token not in vectors:
                        vectors[token] = line.vector()
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}): give a text file of word vectors, plain or .gz") from None
    return vectors


def fitted(vectors: Tensor, width: int, spread: float, seed: int = 0) -> Tensor:
    """Vectors (n,d) float64 -> (n,D): centred, by PCA or a random rotation, with a standard deviation of `spread`."""
    centred = vectors - vectors.mean(0)
    channels = vectors.shape[1]
    if channels > width:
        _, directions = torch.linalg.eigh(centred.T @ centred)  # columns, by ascending variance
        centred = centred @ directions[:, -width:].flip(1)
    elif channels < width:
        draw = torch.randn(width, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        centred = centred @ torch.linalg.qr(draw).Q.T
    size = centred.std(correction=0)
    return centred * (spread / size) if size > 0 else centred


def _how(channels: int, width: int) -> str:
    if channels == width:
        return f"{width} channels as they are"
    return f"{channels} channels brought to {width} by {'PCA' if channels > width else 'a random rotation'}"


# ---------------------------------------------------------------- the file


class _Line:
    """A word and its numbers, read when they are wanted."""

    def __init__(self, word: str, numbers: list[str], where: str) -> None:
        self.word, self._numbers, self._where = word, numbers, where

    def vector(self) -> np.ndarray:
        """float32 (d,); DataError when these are no numbers."""
        try:
            vector = np.array(self._numbers, dtype=np.float32)
        except ValueError:
            vector = np.array([np.nan])
        if not np.isfinite(vector).all():
            raise DataError(f"{self._where}: a word and its numbers are needed, parted by spaces")
        return vector


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="\n")
    return path.open(encoding="utf-8", errors="replace", newline="\n")


def _numbered(file: IO[str], path: Path) -> Iterator[_Line]:
    """The lines; the first may give the count of words and of channels, and says otherwise how many there are."""
    channels = None
    for number, text in enumerate(file, start=1):
        parts = text.rstrip().split(" ")
        if number == 1 and len(parts) == 2 and all(part.isdigit() for part in parts):
            channels = int(parts[1])
            continue
        channels = channels or len(parts) - 1
        if channels < 2 or len(parts) <= channels:
            raise DataError(
                f"{path}, line {number}: {len(parts) - 1} numbers stand behind the word, {channels} are needed"
            )
        # A word may hold spaces (GloVe has some), so the numbers are counted from the end.
        yield _Line(" ".join(parts[:-channels]), parts[-channels:], f"{path}, line {number}")


def _blocks(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    while block := list(islice(lines, BLOCK)):
        yield block


def _tokens(tokenizer: Tokenizer, block: list[_Line]) -> Iterator[tuple[int, _Line]]:
    """(token, line) for each word that is one token, at the start of a text or behind a space."""
    for before in (" ", ""):
        encoded = tokenizer.encode([before + line.word for line in block], literal=True)
        for line, tokens in zip(block, encoded, strict=True):
            if len(tokens) == 1 and line.word:
                yield int(tokens.ids[0]), line
