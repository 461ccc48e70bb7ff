"""The settings of a corpus: how it is read, cleaned, deduplicated and split."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from unmask.config import require

DOCUMENTS = ("file", "paragraphs", "lines")
LARGEST_SHARE = 0.2


@dataclass(frozen=True)
class CorpusSettings:
    """From files to the documents that are kept; SettingError when a value is out of range."""

    documents: str = "file"
    """What a document of a plain text file is: file (all of it), paragraphs (split on blank lines), or lines."""
    column: str = "text"
    """The column, or JSON key, that holds the text."""
    encoding: str = "auto"
    """The encoding of text files; auto takes UTF-8, or else detects it, a file at a time, and says so."""
    skip_unreadable: bool = False
    """Skip and count lines that cannot be read, instead of stopping at the first."""
    nfc: bool = True
    """Compose characters (Unicode NFC), so that equal-looking letters are equal."""
    control_characters: bool = True
    """Remove control and invisible characters."""
    whitespace: bool = True
    """One space between words, no space at the ends of lines, at most one blank line between paragraphs."""
    minimum_characters: int = 1
    """Documents shorter than this after cleaning are dropped."""
    exact_duplicates: bool = True
    """Drop documents whose cleaned text was seen before."""
    near_duplicates: float = 0.8
    """Drop documents at least this similar (Jaccard of word 5-grams) to an earlier one; 0 keeps them."""
    validation_share: float = 0.05
    """Share of documents held out; raised, to 0.2 at most, until 50 documents or 200,000 words are held out."""

    def __post_init__(self) -> None:
        require(
            self.documents in DOCUMENTS, f"corpus.documents={self.documents}: one of {', '.join(DOCUMENTS)} is needed"
        )
        require(
            bool(self.column), "corpus.column= is empty: name the column that holds the text, e.g. corpus.column=text"
        )
        require(
            _known(self.encoding), f"corpus.encoding={self.encoding} is not known: use auto, or a name such as cp1252"
        )
        require(
            self.minimum_characters >= 1, f"corpus.minimum_characters={self.minimum_characters}: at least 1 is needed"
        )
        require(
            self.near_duplicates == 0 or 0.3 <= self.near_duplicates <= 1,
            f"corpus.near_duplicates={self.near_duplicates}: 0 (off) or a similarity from 0.3 to 1 is needed",
        )
        require(
            0 <= self.validation_share <= LARGEST_SHARE,
            f"corpus.validation_share={self.validation_share}: a share from 0 to {LARGEST_SHARE} is needed",
        )


def _known(encoding: str) -> bool:
    try:
        return encoding == "auto" or bool(codecs.lookup(encoding))
    except LookupError:
        return False
