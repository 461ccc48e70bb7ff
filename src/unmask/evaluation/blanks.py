"""Held-out text with blanks: which words are blanked depends on the text alone.

A word is blanked when the hash of (document, character offset) falls below the share, so every tokenizer and every
model is asked for the same words. Each token that overlaps such a word becomes [MASK], all of them. A word that the
tokenizer can write only with a special token (an unknown one, as a rule) is left as it is.

Shapes: R rows, T tokens in a row, N masked tokens, W masked words, n tokens of one document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from unmask.config import require
from unmask.errors import DataError
from unmask.evaluation.documents import sampled
from unmask.seeding import keys, text_key, uniforms
from unmask.tokens.rows import SHORTEST, Vocabulary
from unmask.tokens.words import word_spans

if TYPE_CHECKING:
    from unmask.corpus import Document
    from unmask.tokens.tokenizer import Encoded, Tokenizer

ENCODED_AT_ONCE = 16
"""Documents given to the tokenizer together; they bound the memory."""

FEWEST = 20
"""Documents that share a limited number of tokens, at least."""

TOKEN_CHARACTERS = 8
"""More characters than tokens have on average: how much text is enough for a number of tokens."""


@dataclass(frozen=True, eq=False)
class Blanks:
    """Texts with masked words, as rows a model can read. Places and words are in the order of the text."""

    tokenizer: Tokenizer
    tokens: np.ndarray
    """(R,T) int64, [MASK] where something is asked"""
    groups: np.ndarray
    """(R,T) int64: 1, and 0 in the padding"""
    rows: np.ndarray
    """(N,) where the masked tokens stand: their rows"""
    columns: np.ndarray
    """(N,) and columns"""
    targets: np.ndarray
    """(N,) what stood there"""
    words: np.ndarray
    """(N,) the word each belongs to, in range(W)"""
    documents: np.ndarray
    """(W,) the text each word stands in"""
    spans: np.ndarray
    """(W,2) characters [start, end) of its text that the word's tokens write"""
    characters: np.ndarray
    """(W,) characters of the word itself"""
    texts: tuple[str, ...]
    sources: tuple[str, ...]
    """the source of each text"""

    def __len__(self) -> int:
        return len(self.targets)

    def written(self, words: Sequence[int] | np.ndarray, tokens: np.ndarray) -> list[str]:
        """How these tokens (N,) write some of the words; a blank that decoding puts into the true word is left out."""
        chosen = np.asarray(words, dtype=np.int64)
        edges = zip(
            *(np.searchsorted(self.words, chosen, side=side).tolist() for side in ("left", "right")), strict=True
        )
        return [self._joined(self._decoded(tokens[a:b]), self._decoded(self.targets[a:b])) for a, b in edges]

    def restored(self, words: Sequence[int] | np.ndarray, tokens: np.ndarray) -> list[str]:
        """The texts with some of their words (ascending) as these tokens (N,) write them, the others as they are."""
        chosen = np.asarray(words, dtype=np.int64)
        edges = np.searchsorted(self.documents[chosen], np.arange(len(self.texts) + 1)).tolist()
        spans, written = self.spans[chosen].tolist(), self.written(chosen, tokens)
        pairs = zip(self.texts, edges, edges[1:], strict=False)
        return [replaced(text, spans[a:b], written[a:b]) for text, a, b in pairs]

    def _decoded(self, tokens: np.ndarray) -> str:
        return self.tokenizer.decode(tokens.tolist()).strip()

    @staticmethod
    def _joined(said: str, true: str) -> str:
        return "".join(said.split()) if len(true.split()) > 1 else said


def replaced(text: str, spans: list[list[int]], words: list[str]) -> str:
    """The text with words instead of its spans (ascending, apart)."""
    pieces, end = [], 0
    for (start, stop), word in zip(spans, words, strict=True):
        pieces += [text[end:start], word]
        end = stop
    return "".join([*pieces, text[end:]])


def make_blanks(
    tokenizer: Tokenizer,
    documents: Iterable[Document],
    row_length: int,
    share: float = 0.15,
    limit_tokens: int | None = None,
) -> Blanks:
    """Blank a share of the words of documents and cut them into rows [CLS] ... [SEP], at word starts.

    With `limit_tokens` documents are drawn by a hash of their ids, a twentieth of the limit at most from the beginning
    of each, until their rows hold so many tokens. SettingError for a share or row length that cannot be, DataError when
    the documents hold no words.
    """
    require(0 < share < 1, f"share={share}: the share of blanked words lies between 0 and 1, e.g. 0.15")
    require(row_length >= SHORTEST, f"row_length={row_length}: a row needs at least {SHORTEST} tokens, e.g. 128")
    vocabulary = Vocabulary.of(tokenizer)
    capacity = row_length - vocabulary.frame
    if limit_tokens is None:
        made = [
            _blanked(document, encoded, vocabulary, capacity, share, None)
            for document, encoded in _encoded(tokenizer, documents)
        ]
    else:
        made = _limited(tokenizer, documents, vocabulary, capacity, share, limit_tokens)
    if not any(len(blanked.places) for blanked in made):
        raise DataError("no words to blank in the text to evaluate on: give some that has words")
    return _together(made, tokenizer, vocabulary, row_length)


def _limited(
    tokenizer: Tokenizer,
    documents: Iterable[Document],
    vocabulary: Vocabulary,
    capacity: int,
    share: float,
    limit: int,
) -> list[_Blanked]:
    """Blanked documents of about `limit` tokens together."""
    each = max(capacity, limit // FEWEST)
    some = sampled(documents, TOKEN_CHARACTERS * limit, TOKEN_CHARACTERS * each)
    made: list[_Blanked] = []
    left = limit
    for document, encoded in _encoded(tokenizer, some):
        if left <= 0:
            break
        made.append(_blanked(document, encoded, vocabulary, capacity, share, min(left, each)))
        left -= len(made[-1].ids)
    return made


# ---------------------------------------------------------------- one document


@dataclass(frozen=True, eq=False)
class _Blanked:
    """One document: its tokens, where rows begin, and what is blanked, numbered within the document."""

    text: str
    source: str
    ids: np.ndarray  # (n,)
    cuts: list[int]  # where rows begin, and n
    places: np.ndarray  # tokens to mask
    words: np.ndarray  # the word of each place
    spans: np.ndarray  # (words,2)
    characters: np.ndarray  # (words,)


def _encoded(tokenizer: Tokenizer, documents: Iterable[Document]) -> Iterator[tuple[Document, Encoded]]:
    documents = iter(documents)
    while some := list(islice(documents, ENCODED_AT_ONCE)):
        yield from zip(some, tokenizer.encode([document.text for document in some], literal=True), strict=True)


def _blanked(
    document: Document, encoded: Encoded, vocabulary: Vocabulary, capacity: int, share: float, limit: int | None
) -> _Blanked:
    spans = word_spans(document.text)
    chosen = chosen_words(document.id, spans[:, 0], share)
    first, stop = overlapped(spans, encoded.starts, encoded.ends)
    word_of = np.where(first < stop, first, -1)
    begins = np.flatnonzero((word_of >= 0) & (word_of != np.concatenate([[-1], word_of[:-1]])))
    cuts = _cuts(begins, len(encoded.ids), capacity, limit)
    end = cuts[-1]
    ids, first, stop = encoded.ids[:end].astype(np.int64), first[:end], stop[:end]

    # The first blanked word that each token overlaps, among the blanked ones; `ordinal` counts those before a word.
    ordinal = np.concatenate([[0], np.cumsum(chosen)])
    hit, word = ordinal[stop] > ordinal[first], ordinal[first]
    spoiled = np.unique(word[hit & vocabulary.is_special[ids]])
    places = np.flatnonzero(hit & ~np.isin(word, spoiled))
    kept, words = np.unique(word[places], return_inverse=True)
    itself = spans[np.flatnonzero(chosen)[kept]]
    text = document.text if end == len(encoded.ids) else document.text[: int(encoded.ends[:end].max(initial=0))]
    written = _written_spans(text, words, encoded.starts[places], encoded.ends[places], len(kept))
    return _Blanked(text, document.source, ids, cuts, places, words, written, itself[:, 1] - itself[:, 0])


def chosen_words(document: str, starts: np.ndarray, share: float) -> np.ndarray:
    """Which words are blanked, from the document's id and their character offsets (W,): bool (W,), at least one."""
    draws = uniforms(keys(text_key(document), starts))
    return (draws < share) | (draws == draws.min(initial=1.0))


def overlapped(spans: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The words [first, stop) that tokens overlap: from word spans (W,2) and token offsets (n,), (n,) to (n,), (n,)."""
    first = np.searchsorted(spans[:, 1], starts, side="right")
    return first, np.maximum(first, np.searchsorted(spans[:, 0], ends, side="left"))


def _cuts(begins: np.ndarray, length: int, capacity: int, limit: int | None) -> list[int]:
    """Where rows of at most `capacity` tokens begin, and where the last one ends; a word longer than a row is cut."""
    cuts = [0]
    while cuts[-1] < length and (limit is None or cuts[-1] < limit):
        full = cuts[-1] + capacity
        last = int(begins[np.searchsorted(begins, full, side="right") - 1]) if len(begins) else 0
        cuts.append(length if full >= length else last if last > cuts[-1] else full)
    return cuts


def _written_spans(text: str, words: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int) -> np.ndarray:
    """The characters that each word's tokens write, less blanks before and after, never overlapping: (count,2)."""
    spans = np.zeros((count, 2), dtype=np.int64)
    low, high = np.full(count, len(text)), np.zeros(count, dtype=np.int64)
    np.minimum.at(low, words, starts)
    np.maximum.at(high, words, ends)
    before = 0
    for word, (start, end) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        start = max(start, before)
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        before = max(start, start + len(piece.strip()))
        spans[word] = start, before
    return spans


# ---------------------------------------------------------------- all of them


def _together(made: list[_Blanked], tokenizer: Tokenizer, vocabulary: Vocabulary, row_length: int) -> Blanks:
    firsts, lengths, rows, columns = [], [], [], []
    tokens_before = rows_before = 0
    for blanked in made:
        cuts = np.asarray(blanked.cuts)
        row = np.searchsorted(cuts, blanked.places, side="right") - 1
        rows.append(row + rows_before)
        columns.append(blanked.places - cuts[row] + vocabulary.before)
        firsts.append(cuts[:-1] + tokens_before)
        lengths.append(np.diff(cuts))
        tokens_before += len(blanked.ids)
        rows_before += len(cuts) - 1
    counts = [len(blanked.spans) for blanked in made]
    words_before = np.repeat(np.cumsum([0, *counts[:-1]]), [len(blanked.places) for blanked in made])
    ids = np.concatenate([blanked.ids for blanked in made])
    tokens, groups = framed(ids, np.concatenate(firsts), np.concatenate(lengths), vocabulary, row_length)
    row, column = np.concatenate(rows), np.concatenate(columns)
    targets = tokens[row, column]
    tokens[row, column] = vocabulary.mask_id
    return Blanks(
        tokenizer=tokenizer,
        tokens=tokens,
        groups=groups,
        rows=row,
        columns=column,
        targets=targets,
        words=np.concatenate([blanked.words for blanked in made]) + words_before,
        documents=np.repeat(np.arange(len(made)), counts),
        spans=np.concatenate([blanked.spans for blanked in made]),
        characters=np.concatenate([blanked.characters for blanked in made]).astype(np.int64),
        texts=tuple(blanked.text for blanked in made),
        sources=tuple(blanked.source for blanked in made),
    )


def framed(
    ids: np.ndarray, firsts: np.ndarray, lengths: np.ndarray, vocabulary: Vocabulary, row_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and groups (R,T) of rows that begin at `firsts` (R,) in the ids and hold `lengths` (R,) of them."""
    inner = np.arange(row_length) - vocabulary.before
    inside = (inner >= 0) & (inner < lengths[:, None])
    tokens = np.full(inside.shape, vocabulary.pad_id, dtype=np.int64)
    tokens[inside] = ids[(firsts[:, None] + inner)[inside]]
    if vocabulary.cls_id is not None:
        tokens[:, 0] = vocabulary.cls_id
    if vocabulary.sep_id is not None:
        tokens[np.arange(len(lengths)), lengths + vocabulary.before] = vocabulary.sep_id
    return tokens, (inner < lengths[:, None] + vocabulary.after).astype(np.int64)
