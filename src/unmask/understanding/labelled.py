"""Texts with labels, one for each word or one for the text: files as fine-tuning (`unmask.tasks`) reads them.

| file | label |
|---|---|
| `.conllu`, columns, lines of word/TAG, `.jsonl` with words or spans | of each word: `unmask.tasks.tagged` |
| `.tsv`, `.csv`, any other `.jsonl` | of the text: `unmask.tasks.tables` |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.errors import DataError
from unmask.tasks.tables import JSON_SUFFIXES, LABELS, TABLE_SUFFIXES, Columns, json_records, read_rows, suffix_of
from unmask.tasks.tagged import SPANS, WORDS, read_tagged


@dataclass(frozen=True, eq=False)
class Labelled:
    """A text with a label for each of its words, or one for all of it."""

    text: str
    spans: np.ndarray | None
    """(w,2) int32: characters [start, end) of each word; None: the label is the text's"""
    labels: tuple[str, ...]


def read_labelled(path: str, columns: Columns | None = None) -> Sequence[Labelled]:
    """The texts of a file; `columns` says where text and label stand, if not in the usual places.

    DataError, with file and line, for what cannot be read.
    """
    columns = columns or Columns()
    if not _has_texts(path):
        return [Labelled(each.text, each.spans, each.tags or ()) for each in read_tagged(path, columns, labelled=True)]
    rows = read_rows(path, columns, LABELS)
    for row in rows:
        if row.label is None or isinstance(row.label, (list, dict)) or str(row.label) == "":
            raise DataError(f"{row.place}: the label is {row.label or 'missing'}; one label is needed")
    return [Labelled(row.text, None, (str(row.label),)) for row in rows]


def _has_texts(path: str) -> bool:
    """Whether a file has a label for each text, and not for each word."""
    suffix = suffix_of(path)
    if suffix not in JSON_SUFFIXES or not Path(path).is_file():
        return suffix in TABLE_SUFFIXES
    _, first = next(json_records(path), (0, {}))
    return not any(isinstance(first.get(key), (list, dict)) for key in (*WORDS, *SPANS))
