"""Texts with labels: a label for each word (CoNLL-U, columns), or one for the text (a table with tabs).

| file | a line is | label |
|---|---|---|
| `.conllu` | a word of CoNLL-U | its column upos (4), or xpos (5), deprel (8) |
| `.tsv` | a text and its label, with or without a line of column names | the column `label`, or the last |
| any other | a word and its tag, blanks or tabs between; empty lines between sentences | the last column, or a number |

Files may be compressed (.gz, .bz2, .xz, .zst).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.corpus.files import compression, text_lines
from unmask.errors import DataError, SettingError
from unmask.menu import unknown

CONLLU = {"upos": 3, "xpos": 4, "deprel": 7}
TEXTS, LABEL = ("text", "sentence"), "label"


@dataclass(frozen=True, eq=False)
class Labelled:
    """A text with a label for each of its words, or one for all of it."""

    text: str
    spans: np.ndarray | None
    """(w,2) int64: characters [start, end) of each word; None: the label is the text's"""
    labels: tuple[str, ...]


def read_labelled(path: str, column: str | None = None) -> list[Labelled]:
    """The texts of a file; `column` says which one the label is, where it is not the usual one.

    DataError, with file and line, for what cannot be read.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; give words with tags (.conllu, columns) or a table of texts (.tsv)")
    name = Path(path)
    suffix = Path(name.stem if compression(name) else name.name).suffix
    reader = {".conllu": _conllu, ".tsv": _table}.get(suffix, _columns)
    found = list(reader(path, column))
    if not found:
        raise DataError(f"{path} holds no labelled text")
    return found


def _conllu(path: str, column: str | None) -> Iterator[Labelled]:
    """Sentences of CoNLL-U; blanks between words as SpaceAfter says, forms of several words by their words."""
    column = column or "upos"
    if column not in CONLLU:
        raise SettingError(unknown("column of CoNLL-U", column, CONLLU))
    for block in _blocks(path):
        words, labels, spaces = [], [], []
        for number, line in block:
            row = line.split("\t")
            if line.startswith("#") or not row[0].isdecimal():
                continue
            if len(row) != 10:
                raise DataError(f"{path}:{number} has {len(row)} columns, CoNLL-U has 10 with tabs between")
            words.append(row[1])
            labels.append(row[CONLLU[column]])
            spaces.append("SpaceAfter=No" not in row[9])
        if words:
            yield _sentence(words, labels, spaces)


def _columns(path: str, column: str | None) -> Iterator[Labelled]:
    """A word in the first column, its tag in the last, or in the column of that number, from 1."""
    if column is not None and not (column.isdecimal() and int(column) > 1):
        raise SettingError(f"label={column}: the columns of {path} have numbers, the tag's is 2 or more")
    at = -1 if column is None else int(column) - 1
    for block in _blocks(path):
        rows = [(number, line.split()) for number, line in block if not line.startswith(("# ", "-DOCSTART-"))]
        for number, row in rows:
            if len(row) < max(2, at + 1):
                raise DataError(f"{path}:{number} has {len(row)} columns: a word and its tag are needed")
        if rows:
            words, labels = [row[0] for _, row in rows], [row[at] for _, row in rows]
            yield _sentence(words, labels, [True] * len(rows))


def _table(path: str, column: str | None) -> Iterator[Labelled]:
    """A text and its label a line; the first line may name the columns."""
    text_at, label_at = 0, -1
    for number, line in enumerate(text_lines(path), start=1):
        row = line.rstrip("\r\n").split("\t")
        if number == 1:
            header = (column or LABEL) in row
            if column is not None and not header:
                raise SettingError(f"label={column}: {path} has the columns {', '.join(row)}")
            if header:
                label_at = row.index(column or LABEL)
                text_at = next((row.index(name) for name in TEXTS if name in row), int(label_at == 0))
                continue
        if not line.strip():
            continue
        if len(row) < 2 or max(text_at, label_at) >= len(row):
            raise DataError(f"{path}:{number} has {len(row)} columns: a text and its label, with a tab between")
        if not row[text_at].strip() or not row[label_at].strip():
            raise DataError(f"{path}:{number} lacks its {'label' if row[text_at].strip() else 'text'}")
        yield Labelled(row[text_at], None, (row[label_at],))


def _blocks(path: str) -> Iterator[list[tuple[int, str]]]:
    """The lines between empty ones, with their numbers."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(text_lines(path), start=1):
        if line.strip():
            block.append((number, line.rstrip("\r\n")))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _sentence(words: Sequence[str], labels: Sequence[str], spaces: Sequence[bool]) -> Labelled:
    """Words as a text; words of Chinese, Japanese or Thai characters alone are written without blanks."""
    if _written_together("".join(words)):
        spaces = [False] * len(words)
    text, spans = "", []
    for word, space in zip(words, spaces, strict=True):
        spans.append((len(text), len(text) + len(word)))
        text += word + " " * space
    return Labelled(text.rstrip(" "), np.array(spans, np.int64).reshape(-1, 2), tuple(labels))


def _written_together(text: str) -> bool:
    together = sum("\u0e00" <= character <= "\u0e7f" or "\u3040" <= character <= "\u9fff" for character in text)
    return 2 * together > len(text)
