"""Whole words by their part of speech: those that carry meaning more often than those that bind them.

Words are drawn by weight without replacement, as tokens are in `frequency_weighted`. The part of speech of a word is
looked up, not guessed from its sentence: a text that the user gives, tagged by hand or machine, tells which tag each
word mostly has (`tokens/lexicon.py`). What the look-up needs is made once from the file and the tokenizer: a weight
for every token that is a word by itself, for every tagged word of several tokens by the hash of their ids, and for all
other words by their last token.

Shapes: B rows, T tokens in a row, V vocabulary, M tagged words of several tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from unmask.config import require
from unmask.errors import SettingError
from unmask.masking.selections.whole_word import first_columns
from unmask.seeding import keys as mixed
from unmask.seeding import uniforms
from unmask.tokens.lexicon import Lexicon
from unmask.tokens.rows import RowBatch, Vocabulary
from unmask.tokens.tokenizer import Tokenizer

_EXAMPLE = "e.g. masking.selection.weights=NOUN:2,VERB:2,ADP:0.5"


@dataclass(frozen=True)
class PartOfSpeechWeighted:
    """Whole words, nouns and verbs more often than the small words between them, by a tagged text that you give."""

    tagged: str | None = None
    """the tagged text that tells the parts of speech: CoNLL-U, word TAB tag, or word/TAG and word_TAG"""
    weights: str = "NOUN:2,PROPN:2,VERB:2,ADJ:2,ADV:2"
    """how much the words of a tag weigh, parted by commas; 1 for all others. A name stands for all tags that begin with
    it (nn for nn, nns and nn-tl), the longest counts"""

    def __post_init__(self) -> None:
        parsed_weights(self.weights)

    @property
    def fingerprint(self) -> str:
        """A hash of what the tagged text says; an error of one line for a file or weights that cannot be used."""
        lexicon = self._lexicon()
        weights_of(lexicon, self.weights)
        return lexicon.fingerprint

    def scores(self, batch: RowBatch, keys: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """A score a word, its time in the race: uint64 (B,T) keys to float64 (B,T)."""
        draws = np.take_along_axis(uniforms(keys), first_columns(batch.words), axis=1)
        return -np.log1p(-draws) / _word_weights(self, vocabulary).at(batch.tokens, batch.words)

    def _lexicon(self) -> Lexicon:
        if self.tagged is None:
            raise SettingError(
                "masking.selection=part_of_speech_weighted learns the parts of speech from a tagged text: "
                "masking.selection.tagged=FILE (CoNLL-U, or word/TAG) is needed"
            )
        return _read(self.tagged, Path(self.tagged).stat().st_mtime_ns if Path(self.tagged).exists() else 0)


@lru_cache(maxsize=1)
def _read(path: str, changed: int) -> Lexicon:
    """The lexicon of a file as it is now: looked at when a run starts, and needed at its first batch."""
    return Lexicon.read(path)


def parsed_weights(text: str) -> dict[str, float]:
    """ "NOUN:2,ADP:0.5" as a dict; SettingError for anything else, and for weights that are not above 0."""
    weights = {}
    for part in text.split(","):
        tag, _, number = part.strip().rpartition(":")
        try:
            weights[tag] = float(number)
        except ValueError:
            tag = ""
        require(tag != "", f"masking.selection.weights: '{part.strip()}' is no TAG:WEIGHT; {_EXAMPLE}")
        require(
            0 < weights[tag] < math.inf,
            f"masking.selection.weights: the weight of {tag} must be above 0; small ones make a tag rare, {_EXAMPLE}",
        )
    return weights


def weights_of(lexicon: Lexicon, text: str) -> dict[str, float]:
    """The weight of each tag of a lexicon: that of the longest name it begins with, else 1.

    SettingError for a name that no tag begins with.
    """
    given = parsed_weights(text)
    for name in given:
        require(
            any(tag.startswith(name) for tag in lexicon.tags),
            f"masking.selection.weights: no tag of the tagged text begins with '{name}'; "
            f"it has {', '.join(lexicon.tags[:12])}{', ...' if len(lexicon.tags) > 12 else ''}",
        )
    return {
        tag: given[max(names, key=len)] if (names := [name for name in given if tag.startswith(name)]) else 1.0
        for tag in lexicon.tags
    }


@dataclass(frozen=True, eq=False)
class WordWeights:
    """What words weigh, by their tokens."""

    alone: np.ndarray  # (V,) a word of this token alone
    last: np.ndarray  # (V,) a word not listed that ends in this token
    blank: np.ndarray  # (V,) tokens that write nothing, which count for no word
    names: np.ndarray  # (M,) uint64 ascending, the hashes of words of several tokens
    named: np.ndarray  # (M,) and their weights

    @classmethod
    def of(cls, lexicon: Lexicon, weights: dict[str, float], tokenizer: Tokenizer) -> WordWeights:
        """From the tags of words and the weights of tags."""
        texts = tokenizer.texts
        names, named = _names(tokenizer, list(lexicon.forms))
        of_form = np.array([weights[tag] for tag in lexicon.forms.values()])
        return cls(
            alone=np.array([weights[lexicon.tag(text)] for text in texts]),
            last=np.array([weights[lexicon.tag_by_ending(text)] for text in texts]),
            blank=np.array([not text for text in texts]),
            names=names,
            named=of_form[named],
        )

    def at(self, tokens: np.ndarray, words: np.ndarray) -> np.ndarray:
        """The weight of the word that each token belongs to: tokens, words (B,T) to float64 (B,T)."""
        column = np.broadcast_to(np.arange(words.shape[1]), words.shape)
        first, end = first_columns(words), last_columns(words)
        written = ~self.blank[tokens]
        final = np.take_along_axis(np.maximum.accumulate(np.where(written, column, 0), axis=1), end, axis=1)
        final = np.maximum(final, first)  # where a row begins inside a word with nothing but blanks
        name = _hashes(np.where(written, mixed(tokens, column - first), np.uint64(0)), first, end)
        place = np.minimum(np.searchsorted(self.names, name), len(self.names) - 1)
        token = np.take_along_axis(tokens, final, axis=1)
        several = np.where(self.names[place] == name, self.named[place], self.last[token])
        return np.where(final == first, self.alone[token], several)


@lru_cache(maxsize=4)
def _word_weights(selection: PartOfSpeechWeighted, vocabulary: Vocabulary) -> WordWeights:
    """Made at the first batch of a run and kept for the others."""
    assert vocabulary.tokenizer is not None
    lexicon = selection._lexicon()
    return WordWeights.of(lexicon, weights_of(lexicon, selection.weights), vocabulary.tokenizer)


def _hashes(marks: np.ndarray, first: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The sum of uint64 marks (B,T) over the word of each token; it wraps round, and so do the differences."""
    sums = np.cumsum(marks, axis=1, dtype=np.uint64)
    before = np.take_along_axis(sums - marks, first, axis=1)
    return np.take_along_axis(sums, end, axis=1) - before


def _names(tokenizer: Tokenizer, forms: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The hash of each form's tokens, behind a blank and without, ascending, and the number of the form: (M,) each.

    Of forms with the same tokens the first counts.
    """
    blank = np.array([not text for text in tokenizer.texts])
    written = [f"{before}{form}" for before in ("", " ") for form in forms]
    ids = [encoded.ids[~blank[encoded.ids]] for encoded in tokenizer.encode(written, literal=True)]
    lengths = np.array([len(some) for some in ids])
    starts = np.cumsum(lengths) - lengths
    place = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed(np.concatenate(ids), place), dtype=np.uint64)])
    names, number = np.unique(sums[starts + lengths] - sums[starts], return_index=True)
    return names, number % len(forms)


def last_columns(units: np.ndarray) -> np.ndarray:
    """The column where the unit (a run of equal numbers) of each token ends: int64 (B,T) to (B,T)."""
    return units.shape[1] - 1 - first_columns(units[:, ::-1])[:, ::-1]
