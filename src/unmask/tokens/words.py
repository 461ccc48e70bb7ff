"""What a word is: a property of the text alone, so that it is the same for every tokenizer and every model.

    word_spans("It's 3 o'clock.")  -> [[0, 4], [5, 6], [7, 14], [14, 15]]
    word_spans("我爱北京")           -> [[0, 1], [1, 2], [2, 3], [3, 4]]; with segmenter("jieba"): 我, 爱, 北京

A run of letters, digits and their marks is a word, inner apostrophes included; so is each Han character (kana and
hangul are letters) and each character of punctuation or any other symbol. Blanks and control characters belong to no
word. All of it is table look-ups over the code points: no Python per character.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from unmask.errors import MissingExtra
from unmask.tokens import SEGMENTERS

Segmenter = Callable[[str], Sequence[str]]
"""Splits a run of Han characters into words, which joined together give the run again."""

BLANK, LETTER, HAN, SYMBOL, MARK = range(5)

_HAN_RANGES = (
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3005),  # 々
    (0x3007, 0x3007),  # 〇
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3038, 0x303B),
    (0x3400, 0x4DBF),  # extension A
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),  # compatibility
    (0x20000, 0x323AF),  # extensions B to H
)

# Inside a word these belong to it: apostrophes, and the invisible joiners of Persian, Indic scripts and hyphenation.
_JOINERS = np.array([ord(c) for c in "'’＇\u00ad\u200c\u200d\u2060"], dtype=np.uint32)


def word_spans(text: str, segmenter: Segmenter | None = None) -> np.ndarray:
    """[start, end) of each word in characters, in order: int32 (N,2)."""
    points = code_points(text)
    starts = word_starts(text, segmenter)
    ends = _ends(word_kinds(points), starts)
    return np.stack([np.flatnonzero(starts), ends], axis=1).astype(np.int32)


def word_starts(text: str, segmenter: Segmenter | None = None) -> np.ndarray:
    """Whether a word starts at each character: bool (len(text),)."""
    points = code_points(text)
    kinds = word_kinds(points)
    starts = _starts(points, kinds)
    return starts if segmenter is None else _segmented(text, kinds, starts, segmenter)


def segmenter(name: str | None) -> Segmenter | None:
    """The segmenter of that name on the menu SEGMENTERS; None, where each Han character is a word, for None."""
    return None if name is None else SEGMENTERS.load(name)()


@lru_cache(maxsize=1)
def jieba_segmenter() -> Segmenter:
    """Chinese words by jieba's dictionary and hidden Markov model."""
    try:
        import jieba
    except ImportError:
        raise MissingExtra("jieba", extra="chinese", why="to find Chinese word boundaries") from None
    jieba.setLogLevel("WARNING")
    return jieba.lcut


def code_points(text: str) -> np.ndarray:
    """The text's characters as numbers: uint32 (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """The kind of every code point by its Unicode category: uint8 (0x110000,)."""
    kinds = {"L": LETTER, "N": LETTER, "M": MARK, "P": SYMBOL, "S": SYMBOL, "Z": BLANK, "C": BLANK}
    kinds |= {"Co": SYMBOL, "Cn": SYMBOL, "Cs": SYMBOL}  # private and unassigned characters stand for something
    categories = map(unicodedata.category, map(chr, range(0x110000)))
    table = np.fromiter((kinds.get(c) or kinds[c[0]] for c in categories), np.uint8, 0x110000)
    for first, last in _HAN_RANGES:
        table[first : last + 1] = HAN
    return table


def word_kinds(points: np.ndarray) -> np.ndarray:
    """The kind of each character: a mark takes that of the character it stands on, an inner joiner is a letter."""
    kinds = _table()[points]
    marks = kinds == MARK
    if marks.any():
        base = np.maximum.accumulate(np.where(marks, -1, np.arange(len(kinds))))
        kinds = np.where(base >= 0, kinds[base], BLANK).astype(np.uint8)
        kinds[marks & (kinds == BLANK)] = LETTER  # a mark on nothing is a word of its own
    letters = kinds == LETTER
    between = np.flatnonzero(~letters[1:-1] & letters[:-2] & letters[2:]) + 1
    kinds[between[np.isin(points[between], _JOINERS)]] = LETTER
    return kinds


def _starts(points: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    before = np.concatenate([np.zeros(min(1, len(kinds)), np.uint8), kinds[:-1]])
    single = ((kinds == HAN) | (kinds == SYMBOL)) & (_table()[points] != MARK)
    return single | ((kinds == LETTER) & (before != LETTER))


def _ends(kinds: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Where each word ends: before the next start, blank, or end of text."""
    inside = kinds != BLANK
    last = inside & np.concatenate([starts[1:] | ~inside[1:], np.ones(min(1, len(kinds)), bool)])
    return np.flatnonzero(last) + 1


def _segmented(text: str, kinds: np.ndarray, starts: np.ndarray, segmenter: Segmenter) -> np.ndarray:
    """The same starts, but runs of Han characters are divided by the segmenter."""
    starts = starts.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kinds == HAN, [False]]).astype(np.int8)))
    for first, end in edges.reshape(-1, 2):
        lengths = [len(word) for word in segmenter(text[first:end])]
        starts[first:end] = False
        starts[first + np.cumsum([0, *lengths[:-1]])] = True
    return starts
