"""Training a tokenizer on text, and checking what came out.

    tokenizer = train_tokenizer(documents, TokenizerSettings(kind="bpe", vocabulary_size=8192))
    check_tokenizer(tokenizer, texts)   -> {"round_trip": 1.0, "unknown_rate": 0.0, "frequent_words_whole": 0.93, ...}

The same documents give the same tokenizer in any order, on any number of threads.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import tokenizers
from tokenizers import AddedToken, processors

from unmask.config import require
from unmask.errors import DataError
from unmask.seeding import text_key
from unmask.tokens import SEGMENTERS, TOKENIZERS
from unmask.tokens.extension import extended
from unmask.tokens.tokenizer import ROLES, Tokenizer
from unmask.tokens.words import word_spans

BLOCK = 8192
"""Characters of a document that are sampled together."""


@dataclass(frozen=True)
class TokenizerSettings:
    """How text becomes tokens."""

    kind: str = "wordpiece"
    "one of: wordpiece, bpe (byte-level), unigram, word, character"
    vocabulary_size: int = 16384
    "tokens in the vocabulary, special ones included"
    lowercase: bool = False
    "lower-case the text; wordpiece and word strip accents with it, as BERT does"
    minimum_frequency: int = 2
    "times that a token (wordpiece, bpe), word or character must occur to get its own entry"
    sample_characters: int = 50_000_000
    "train on a random sample of the corpus of at most this many characters"
    special_tokens: tuple[str, ...] = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    "padding, unknown, start, separator, mask: in this order"
    segmenter: str | None = None
    "Chinese words for whole-word masks: none (each character is a word) or jieba"
    folder: str | None = None
    "use the tokenizer of this Hugging Face folder; nothing is trained then"
    new_tokens: int = 0
    "add so many tokens to that of tokenizer.folder: pieces that often stand side by side in the text, joined"

    def __post_init__(self) -> None:
        TOKENIZERS[self.kind]
        if self.segmenter is not None:
            SEGMENTERS[self.segmenter]
        size, special = self.vocabulary_size, self.special_tokens
        require(16 <= size < 2**31, f"tokenizer.vocabulary_size={size}: at least 16 is needed")
        least = 256 + len(special)
        require(self.kind != "bpe" or size >= least, f"tokenizer.vocabulary_size={size}: bpe needs at least {least}")
        require(
            self.minimum_frequency >= 1, f"tokenizer.minimum_frequency={self.minimum_frequency}: 1 or more is needed"
        )
        require(
            self.sample_characters >= 1000,
            f"tokenizer.sample_characters={self.sample_characters}: 1000 or more is needed",
        )
        require(self.new_tokens >= 0, f"tokenizer.new_tokens={self.new_tokens}: 0 or more is needed")
        require(
            self.folder is not None or not self.new_tokens,
            f"tokenizer.new_tokens={self.new_tokens} adds to a tokenizer: name it with tokenizer.folder=FOLDER",
        )
        require(
            len(special) == len(ROLES) == len(set(special)) and all(special),
            f"tokenizer.special_tokens={','.join(special)}: five different names are needed (padding, unknown, start, "
            "separator, mask)",
        )


class HasText(Protocol):
    """What is needed of a document here."""

    @property
    def id(self) -> str: ...

    @property
    def text(self) -> str: ...


def train_tokenizer(documents: Iterable[HasText], settings: TokenizerSettings) -> Tokenizer:
    """Train on a sample of the documents; or load `settings.folder`, and the documents are not read.

    DataError when there is no text.
    """
    if settings.folder is not None and not settings.new_tokens:
        return Tokenizer.load(settings.folder)
    return train_on_sample(sample(documents, settings.sample_characters), settings)


def train_on_sample(texts: Sequence[str], settings: TokenizerSettings) -> Tokenizer:
    """Train on all of these texts; or load `settings.folder`, and add what `settings.new_tokens` asks for."""
    given = None if settings.folder is None else Tokenizer.load(settings.folder)
    if given is not None and not settings.new_tokens:
        return given
    if not any(text.strip() for text in texts):
        raise DataError("no text to train a tokenizer on; give a source that holds text")
    if given is not None:
        return extended(given, texts, settings.new_tokens, settings.minimum_frequency)
    backend = TOKENIZERS.load(settings.kind)(texts, settings)
    return Tokenizer(_framed(backend, settings), dict(zip(ROLES, settings.special_tokens, strict=True)))


def _framed(backend: tokenizers.Tokenizer, settings: TokenizerSettings) -> tokenizers.Tokenizer:
    """The special tokens marked as such, and [CLS] A [SEP] (B [SEP]) for those who ask for special tokens."""
    *others, mask = settings.special_tokens
    cls, sep = settings.special_tokens[2:4]
    # Where a token holds the blank before its word, the mask swallows that blank, as the masked word would have.
    takes_blank = settings.kind in ("bpe", "unigram")
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in others])
    backend.add_special_tokens([AddedToken(mask, special=True, normalized=False, lstrip=takes_blank)])
    ids = [(name, backend.token_to_id(name)) for name in (cls, sep)]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}", pair=f"{cls} $A {sep} $B:1 {sep}:1", special_tokens=ids
    )
    return backend


# ---------------------------------------------------------------- the sample


def sample(documents: Iterable[HasText], characters: int) -> list[str]:
    """About `characters` of the documents in blocks of about BLOCK, chosen and ordered by a hash of document and place.

    One pass; memory bounded by the sample; what is chosen does not depend on the order of the documents.
    """
    held: list[tuple[int, str]] = []  # a heap: the block with the largest hash on top
    size = 0
    for document in documents:
        for number, block in enumerate(_blocks(document.text)):
            key = -text_key("tokenizer sample", document.id, number)
            if size >= characters and key <= held[0][0]:
                continue
            heapq.heappush(held, (key, block))
            size += len(block)
            while size - len(held[0][1]) >= characters:
                size -= len(heapq.heappop(held)[1])
    return [block for _, block in sorted(held, reverse=True)]


def _blocks(text: str) -> Iterator[str]:
    """The text in blocks of BLOCK characters or a little more, cut behind a blank if there is one near."""
    start = 0
    while start < len(text):
        end = start + BLOCK
        if end < len(text):
            blank = re.compile(r"\s").search(text, end, end + 200)
            end = blank.end() if blank else end
        yield text[start:end]
        start = end


# ---------------------------------------------------------------- the checks


def check_tokenizer(tokenizer: Tokenizer, sample_texts: Sequence[str]) -> dict[str, float]:
    """What a tokenizer does to some texts; shares are between 0 and 1.

    round_trip            share of the lines that come back, blanks and case aside
    unknown_rate          share of the tokens that are unknown
    frequent_words_whole  share of the 1,000 most frequent words that are one token
    tokens_per_word, bytes_per_token
    """
    encoded = tokenizer.encode(sample_texts)
    tokens = max(1, sum(len(item) for item in encoded))
    unknown = sum(int((item.ids == tokenizer.unknown_id).sum()) for item in encoded)
    counts = _word_counts(sample_texts)
    lines = [line for text in sample_texts for line in text.split("\n") if line.strip()][:2000]
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in sample_texts)
    return {
        "round_trip": _share(map(_same, lines, map(tokenizer.decode, (item.ids for item in tokenizer.encode(lines))))),
        "unknown_rate": round(unknown / tokens, 6),
        "frequent_words_whole": _share(_whole(tokenizer, [word for word, _ in counts.most_common(1000)])),
        "tokens_per_word": round(tokens / max(1, counts.total()), 4),
        "bytes_per_token": round(size / tokens, 4),
    }


def _word_counts(texts: Sequence[str]) -> Counter[str]:
    return Counter(text[start:end] for text in texts for start, end in word_spans(text).tolist())


def _share(holds: Iterable[bool]) -> float:
    values = list(holds)
    return round(sum(values) / max(1, len(values)), 4)


def _same(text: str, restored: str) -> bool:
    return "".join(text.lower().split()) == "".join(restored.lower().split())


def _whole(tokenizer: Tokenizer, words: list[str]) -> Iterator[bool]:
    """Whether each word behind a blank is one token (a blank of its own not counted)."""
    for item in tokenizer.encode([f" {word}" for word in words]):
        yield sum(bool(tokenizer.token(i).strip("Ġ▁ ")) for i in item.ids) == 1
