"""The kinds of tokenizer: each function trains one from sample texts and settings, without special tokens' marks.

Determinism. The trainers of `tokenizers` keep their counts in hash tables whose order changes from run to run.
Byte-level BPE does not feel it; the others are held still here: WordPiece by naming the alphabet with its continuations
beforehand, Unigram by rounding the scores, word and character by counting here.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from unmask.tokens.words import code_points

if TYPE_CHECKING:
    from unmask.tokens.training import TokenizerSettings


APART = r" ?[\p{L}\p{N}\p{M}]+| ?[^\s\p{L}\p{N}\p{M}]"
"""Words and single symbols, each with the blank before it: no piece of a Unigram model reaches into the next word."""


def wordpiece(texts: Sequence[str], settings: TokenizerSettings) -> Tokenizer:
    """WordPiece as in BERT (Devlin et al. 2019): words and punctuation apart, each Chinese character a word."""
    unknown = settings.special_tokens[1]
    backend = Tokenizer(models.WordPiece(unk_token=unknown))  # type: ignore[call-arg]
    _as_bert(backend, settings)
    first, inner = _alphabet(backend, texts, settings)
    # Named as special tokens the continuations get their numbers beforehand: otherwise the order of a hash table
    # decides, and with it the ties between merges.
    trainer = trainers.WordPieceTrainer(
        vocab_size=settings.vocabulary_size,
        min_frequency=settings.minimum_frequency,
        special_tokens=[*settings.special_tokens, *(f"##{c}" for c in inner)],
        initial_alphabet=first,
        limit_alphabet=len(first),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    vocabulary = backend.get_vocab(with_added_tokens=False)
    made = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token=unknown))
    _as_bert(made, settings)
    made.decoder = decoders.WordPiece()
    return made


def bpe(texts: Sequence[str], settings: TokenizerSettings) -> Tokenizer:
    """Byte-level BPE as in GPT-2 and RoBERTa (Radford et al. 2019): nothing is ever unknown."""
    backend = Tokenizer(models.BPE())
    backend.normalizer = _composed(settings)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary_size,
        min_frequency=settings.minimum_frequency,
        special_tokens=list(settings.special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return backend


def unigram(texts: Sequence[str], settings: TokenizerSettings) -> Tokenizer:
    """Unigram language model (Kudo 2018): a blank belongs to the word behind it, runs of blanks count as one."""
    backend = Tokenizer(models.Unigram())
    _as_sentencepiece(backend, settings)
    trainer = trainers.UnigramTrainer(
        vocab_size=settings.vocabulary_size,
        special_tokens=list(settings.special_tokens),
        unk_token=settings.special_tokens[1],
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    pieces = json.loads(backend.to_str())["model"]["vocab"]
    made = Tokenizer(models.Unigram(_steady(pieces, len(settings.special_tokens)), 1, False))
    _as_sentencepiece(made, settings)
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    return made


def word(texts: Sequence[str], settings: TokenizerSettings) -> Tokenizer:
    """Whole words, the most frequent ones; every other word is unknown."""
    backend = Tokenizer(models.WordLevel({}, settings.special_tokens[1]))
    _as_bert(backend, settings)
    counts: Counter[str] = Counter()
    for text in texts:
        normal = backend.normalizer.normalize_str(text)
        counts.update(token for token, _ in backend.pre_tokenizer.pre_tokenize_str(normal))
    backend.model = models.WordLevel(_most_frequent(counts.items(), settings), settings.special_tokens[1])
    return backend


def character(texts: Sequence[str], settings: TokenizerSettings) -> Tokenizer:
    """Single characters, blanks too, the most frequent ones."""
    backend = Tokenizer(models.WordLevel({}, settings.special_tokens[1]))
    backend.normalizer = _composed(settings)
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    counts = _character_counts(map(backend.normalizer.normalize_str, texts))
    frequent = _most_frequent(((chr(c), int(counts[c])) for c in np.flatnonzero(counts)), settings)
    backend.model = models.WordLevel(frequent, settings.special_tokens[1])
    return backend


# ---------------------------------------------------------------- pipelines


def _as_bert(backend: Tokenizer, settings: TokenizerSettings) -> None:
    lowercase = settings.lowercase
    bert = normalizers.BertNormalizer(handle_chinese_chars=True, strip_accents=lowercase, lowercase=lowercase)
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), bert])
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()


def _as_sentencepiece(backend: Tokenizer, settings: TokenizerSettings) -> None:
    blanks = normalizers.Replace(Regex(r"\s+"), " ")
    backend.normalizer = normalizers.Sequence([_composed(settings), blanks])
    apart = pre_tokenizers.Split(Regex(APART), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [apart, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)]
    )


def _composed(settings: TokenizerSettings) -> normalizers.Normalizer:
    lower = [normalizers.Lowercase()] if settings.lowercase else []
    return normalizers.Sequence([normalizers.NFC(), *lower])


# ---------------------------------------------------------------- counting


def _most_frequent(counts: Iterable[tuple[str, int]], settings: TokenizerSettings) -> dict[str, int]:
    """The vocabulary: special tokens, then by falling count, equal ones by spelling."""
    room = settings.vocabulary_size - len(settings.special_tokens)
    frequent = [(token, count) for token, count in counts if count >= settings.minimum_frequency]
    frequent.sort(key=lambda item: (-item[1], item[0]))
    kept = [token for token, _ in frequent if token not in settings.special_tokens][:room]
    return {token: number for number, token in enumerate([*settings.special_tokens, *kept])}


def _character_counts(texts: Iterable[str]) -> np.ndarray:
    """How often each code point occurs: int64 (0x110000,)."""
    counts = np.zeros(0x110000, np.int64)
    for text in texts:
        points, times = np.unique(code_points(text), return_counts=True)
        counts[points] += times
    return counts


def _alphabet(backend: Tokenizer, texts: Sequence[str], settings: TokenizerSettings) -> tuple[list[str], list[str]]:
    """Characters that words hold, and those of them that words hold behind their first; half the vocabulary at most."""
    counts, inner = np.zeros(0x110000, np.int64), np.zeros(0x110000, np.int64)
    for text in texts:
        points = code_points(backend.normalizer.normalize_str(text))
        kinds = _bert_kinds()[points]
        np.add.at(counts, points[kinds != _BLANK], 1)
        np.add.at(inner, points[1:][(kinds[1:] == _INSIDE) & (kinds[:-1] == _INSIDE)], 1)
    ranked = np.argsort(-counts, kind="stable")
    frequent = ranked[counts[ranked] >= settings.minimum_frequency][: settings.vocabulary_size // 2]
    kept = np.zeros(0x110000, bool)
    kept[frequent] = True
    room = settings.vocabulary_size - len(settings.special_tokens) - len(frequent)
    inner_ranked = np.argsort(-np.where(kept, inner, 0), kind="stable")[: max(0, room)]
    continued = sorted(int(c) for c in inner_ranked if kept[c] and inner[c])
    return [chr(c) for c in sorted(frequent.tolist())], [chr(c) for c in continued]


_BLANK, _ALONE, _INSIDE = range(3)


@lru_cache(maxsize=1)
def _bert_kinds() -> np.ndarray:
    """How BertPreTokenizer sees every code point: a blank, punctuation that stands alone, or part of a word."""
    categories = [unicodedata.category(chr(point)) for point in range(0x110000)]
    kinds = np.fromiter((_ALONE if c[0] == "P" else _INSIDE for c in categories), np.uint8, 0x110000)
    kinds[[point for point in range(128) if categories[point][0] in "PS"]] = _ALONE
    kinds[[point for point in range(0x110000) if categories[point][0] == "Z" or chr(point).isspace()]] = _BLANK
    return kinds


def _steady(pieces: list[list], specials: int) -> list[tuple[str, float]]:
    """Unigram pieces whose scores and order no longer depend on the order in which threads added numbers.

    The trainer gives characters that fell out of its model the lowest score plus a step each, in the order of a hash
    table: they get the lowest score itself.
    """
    scored = [(piece, round(score, 6)) for piece, score in pieces[specials:]]
    lowest = min(score for _, score in scored)
    fallen = 1e-4 * (1 + sum(len(piece) == 1 for piece, _ in scored))
    level = [(piece, lowest if len(piece) == 1 and score < lowest + fallen else score) for piece, score in scored]
    return [(piece, 0.0) for piece, _ in pieces[:specials]] + sorted(level, key=lambda item: (-item[1], item[0]))
