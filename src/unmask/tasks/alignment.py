"""Words and the pieces a tokenizer makes of them: one routine for training and prediction.

A word is answered at its first piece. A text is encoded as a whole, as in pretraining; only where a piece holds the
beginnings of two words (北京 as one piece, for tags a character; `don't` where the tags part do and n't) the words
concerned are encoded one by one, so that each has a piece of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unmask.tokens.tokenizer import Encoded, Tokenizer


class Aligned(NamedTuple):
    """A text as pieces (n,), and the first piece of each word (w,), -1 for a word that the tokenizer leaves out."""

    ids: np.ndarray
    first: np.ndarray


def aligned(tokenizer: Tokenizer, text: str, spans: np.ndarray, encoded: Encoded) -> Aligned:
    """The pieces of a text so that no two words begin in one. spans: int32 (w,2), the words' [start, end) in order,
    without overlap; encoded: the whole text."""
    starts, ends = without_blanks(text, encoded)
    straddled = _straddled(spans, starts, ends)
    parts = [np.stack([encoded.ids, starts, ends])]
    if straddled.any():
        inside = np.zeros(len(encoded), bool)
        for word in np.flatnonzero(straddled):
            inside |= (starts < spans[word, 1]) & (ends > spans[word, 0])
        parts = [parts[0][:, ~inside]]
        for word, again in _encoded_alone(tokenizer, text, spans, straddled):
            parts.append(np.stack([again.ids, again.starts + spans[word, 0], again.ends + spans[word, 0]]))
    pieces = np.concatenate(parts, axis=1)
    pieces = pieces[:, np.argsort(pieces[1], kind="stable")]
    return Aligned(pieces[0], _first(spans, pieces[1], pieces[2]))


def without_blanks(text: str, encoded: Encoded) -> tuple[np.ndarray, np.ndarray]:
    """Where each piece starts and ends, without the blanks that some tokenizers count to the piece behind them."""
    blank = np.fromiter((character.isspace() for character in text), bool, len(text))
    runs = np.arange(len(text) + 1)
    for place in np.flatnonzero(blank)[::-1]:
        runs[place] = runs[place + 1]
    return np.minimum(runs[encoded.starts], encoded.ends), encoded.ends


def _straddled(spans: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Whether a word shares a piece with another: bool (w,)."""
    # Words are in order, so those that a piece touches are neighbours: from the first that ends behind its start to the
    # last that starts before its end.
    low = np.searchsorted(spans[:, 1], starts, side="right")
    high = np.searchsorted(spans[:, 0], ends, side="left")
    result = np.zeros(len(spans), bool)
    for one, other in zip(low, high, strict=True):
        if other - one > 1:
            result[one:other] = True
    return result


def _encoded_alone(tokenizer: Tokenizer, text: str, spans: np.ndarray, chosen: np.ndarray):
    numbers = np.flatnonzero(chosen)
    return zip(numbers, tokenizer.encode([text[a:b] for a, b in spans[numbers]], literal=True), strict=True)


def _first(spans: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The first piece of each word that has any, else -1."""
    result = np.full(len(spans), -1, np.int64)
    word = np.searchsorted(spans[:, 1], starts, side="right")
    for piece in range(len(starts) - 1, -1, -1):
        at = word[piece]
        if at < len(spans) and ends[piece] > spans[at, 0] and ends[piece] > starts[piece]:
            result[at] = piece
    return result
