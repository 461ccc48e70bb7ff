"""Parts of speech from a tagged text: the tag that a word mostly has, and the tag of its like for a word never seen.

    lexicon = Lexicon.read("en_ewt-ud-train.conllu")
    lexicon.tag("the")          DET
    lexicon.tag("gromplings")   NOUN, as most words in -lings

A tagged text has one of three forms, found out line by line: CoNLL-U (ten columns parted by tabs, of which the tag is
UPOS), a word and its tag parted by a tab, or words with their tags on one line, word/TAG or word_TAG, as in Brown and
the People's Daily. Blank lines and lines that begin with "# " are passed over.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import xxhash

from unmask.corpus.files import text_lines
from unmask.errors import DataError

LONGEST_ENDING = 5
"""Characters of the longest ending that a word never seen is judged by."""

_COLUMNS = 10  # of CoNLL-U
_PLAIN_WORD = re.compile(r"\d+")  # in CoNLL-U 3-4 is several words written as one, and 3.1 is not written at all
# The People's Daily brackets compounds: [中央/n 电视台/n]nt
_WITH_TAG = re.compile(r"\[?(.+)[/_]([^/_\]]+)(?:\][^/_\]]*)?")
_FORMS = "CoNLL-U, a word and its tag parted by a tab, or word/TAG and word_TAG parted by blanks"


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The tags of words.

    `tags` has all tags, `forms` the tag that each word mostly has, both from frequent to rare; `endings` the tag that
    most words of an ending have, "" for all of them.
    """

    tags: tuple[str, ...]
    forms: Mapping[str, str]
    endings: Mapping[str, str]

    @classmethod
    def read(cls, path: str) -> Lexicon:
        """Learn from a tagged text, compressed or not; DataError, one line, when it is missing or no such text."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for (word, tag), count in Counter(tagged_words(path)).items():
            counts[word][tag] = count
        if not counts:
            raise DataError(f"{path} holds no words with tags: give a tagged text ({_FORMS})")
        frequent = sorted(counts, key=lambda word: -counts[word].total())
        forms = {word: counts[word].most_common(1)[0][0] for word in frequent}
        totals = sum(counts.values(), Counter())
        return cls(tuple(tag for tag, _ in totals.most_common()), forms, _endings(forms))

    def tag(self, word: str) -> str:
        """The tag that a word mostly has, else that of its lower case, else that of its ending."""
        return self.forms.get(word) or self.forms.get(word.lower()) or self.tag_by_ending(word)

    def tag_by_ending(self, word: str) -> str:
        """The tag that most words have which end like this one, by the longest ending that is known (cf. Brants 2000,
        "TnT", section 2.3)."""
        return next(self.endings[ending] for ending in _endings_of(word) if ending in self.endings)

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which tag a word has."""
        return xxhash.xxh3_64_hexdigest(repr((self.tags, list(self.forms.items()))).encode("utf-8", "surrogatepass"))


def tagged_words(path: str) -> Iterator[tuple[str, str]]:
    """Each word of a tagged text with its tag; DataError with file and line for a word without one."""
    for number, line in enumerate(text_lines(path), start=1):
        if line.strip() and not line.startswith("# "):
            try:
                yield from _of_columns(line.split("\t")) if "\t" in line else map(word_and_tag, line.split())
            except ValueError as error:
                raise DataError(f"{path}:{number}: {error}; a tagged text is {_FORMS}") from None


def _of_columns(columns: list[str]) -> Iterator[tuple[str, str]]:
    if len(columns) not in (2, _COLUMNS):
        raise ValueError(f"{len(columns)} columns")
    word, tag = columns if len(columns) == 2 else (columns[1], columns[3])
    if len(columns) == _COLUMNS and not _PLAIN_WORD.fullmatch(columns[0]):
        return
    if not word.strip() or not tag.strip():
        raise ValueError("no tag" if word.strip() else "no word")
    yield word.strip(), tag.strip()


def word_and_tag(item: str) -> tuple[str, str]:
    """A word and its tag, written as word/TAG or word_TAG; ValueError for anything else."""
    found = _WITH_TAG.fullmatch(item)
    if found is None:
        raise ValueError(f"'{item[:40]}' has no tag")
    return found[1], found[2]


def _endings(forms: Mapping[str, str]) -> dict[str, str]:
    """The tag that most words of each ending have; every word counts once, as frequent words are seldom new ones."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word, tag in forms.items():
        for ending in _endings_of(word):
            counts[ending][tag] += 1
    return {ending: tags.most_common(1)[0][0] for ending, tags in counts.items()}


def _endings_of(word: str) -> Iterator[str]:
    """The endings of a word in lower case, the longest first, the empty one last."""
    lowered = word.lower()
    for length in range(min(LONGEST_ENDING, len(lowered)), 0, -1):
        yield lowered[-length:]
    yield ""
