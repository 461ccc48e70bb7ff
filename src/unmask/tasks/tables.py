"""Tables of examples: .tsv (tabs, no quoting), .csv (quoted), .jsonl, each also compressed.

Columns are named by settings, or by their number (from 1) in a table without a header line; what is not named is
looked for among the usual names.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask.corpus import files
from unmask.errors import DataError

JSON_SUFFIXES, TABLE_SUFFIXES = (".jsonl", ".ndjson"), (".tsv", ".csv")
TEXTS = (
    *("sentence1", "sentence", "text", "premise", "question1", "#1 String", "query", "review", "body", "content"),
    *("source", "document"),
)
SECONDS = ("sentence2", "#2 String", "hypothesis", "question2", "text2", "text_b")
LABELS = ("label", "labels", "Quality", "class", "category", "gold_label", "target")
SCORES = ("score", "similarity", "label", "rating", "target")
# A question in front of a sentence (QNLI) or a passage: the two are a pair.
_QUESTIONS = ("question",)


@dataclass(frozen=True)
class Columns:
    """Where a table holds what; None: not asked, or looked for."""

    text: str | None = None
    second: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Row:
    """One example of a table: its texts, what stands in the label column (None without one), and where it stands."""

    text: str
    second: str | None
    label: Any
    place: str
    """path:line, for messages"""


def suffix_of(path: str | Path) -> str:
    """The suffix of a path below that of its compression: ".tsv" of train.tsv.gz."""
    name = Path(path)
    return Path(name.stem if files.compression(name) else name.name).suffix.lower()


def read_rows(path: str, columns: Columns, labels: Sequence[str] | None) -> list[Row]:
    """The examples of a file. labels: the usual names of the label column; None: it is not needed, and read if it is
    named or there under the name `label`.

    DataError, with file and line, for a missing column, a line that cannot be read, an empty text, and an empty file.
    """
    rows = [
        Row(
            text_in(record, found.text, place), _second(record, found.second, place), _label(record, found.label), place
        )
        for record, found, place in _found(path, columns, labels)
    ]
    if not rows:
        raise DataError(f"{path} holds no examples: at least one line below the header is needed")
    return rows


def _found(
    path: str, columns: Columns, labels: Sequence[str] | None
) -> Iterator[tuple[Mapping[str, Any], Columns, str]]:
    found = None
    for number, record in records(path, columns):
        place = f"{path}:{number}"
        if found is None:
            found = resolved(record, columns, labels, place)
        yield record, found, place


def resolved(record: Mapping[str, Any], columns: Columns, labels: Sequence[str] | None, place: str) -> Columns:
    """The columns as the first record has them; DataError naming those it has when one is missing."""
    names = list(record)
    question = next((name for name in _QUESTIONS if name in record and "sentence" in record), None)
    text = _chosen(columns.text, (*((question,) if question else ()), *TEXTS), names, "text", place)
    second = columns.second
    if second is None:
        usual = ("sentence",) if text == question and question else SECONDS
        second = next((name for name in usual if name in record and name != text), None)
    else:
        second = _chosen(second, (), names, "second", place)
    label = columns.label
    if label is not None or labels is not None:
        label = _chosen(label, labels or (), names, "label", place)
    else:
        label = next((name for name in LABELS[:2] if name in record), None)
    return Columns(text, second, label)


def _chosen(named: str | None, usual: Sequence[str], known: Sequence[str], setting: str, place: str) -> str:
    if named is not None:
        if named in known:
            return named
        raise DataError(f"{place}: no column '{named}' (it has: {_listed(known)}): name one with data.{setting}=COLUMN")
    for name in usual:
        if name in known:
            return name
    raise DataError(
        f"{place}: no {setting} column is known (it has: {_listed(known)}): name it with data.{setting}=COLUMN, "
        "or by its number where there is no header line"
    )


def _listed(names: Sequence[str]) -> str:
    shown = [name[:30] for name in names[:8]]
    return ", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


# ---------------------------------------------------------------- records


def records(path: str, columns: Columns) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line number, record) of a file, by its suffix."""
    suffix = suffix_of(path)
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; give a .tsv, .csv or .jsonl file of examples")
    if suffix in JSON_SUFFIXES:
        return json_records(path)
    if suffix in TABLE_SUFFIXES:
        return _table_records(path, suffix, columns)
    raise DataError(
        f"{path}: examples with one label each are read from .tsv, .csv or .jsonl (also .gz, .zst), not '{suffix}'; "
        "a file of words with tags is for the task token_classification"
    )


def json_records(path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line number, object) of a .jsonl file, blank lines passed over; DataError for what is no object."""
    for number, line in enumerate(files.text_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number} is not JSON ({error}): a JSON object a line is needed") from None
        if not isinstance(record, dict):
            raise DataError(f"{path}:{number} holds a {type(record).__name__}: a JSON object a line is needed")
        yield number, record


def _table_records(path: str, suffix: str, columns: Columns) -> Iterator[tuple[int, Mapping[str, str]]]:
    csv.field_size_limit(1 << 30)
    dialect: Any = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if suffix == ".tsv" else {"delimiter": ","}
    # Line ends are given back, as a quoted cell may hold some.
    rows = csv.reader((line + "\n" for line in files.text_lines(path)), **dialect)
    header = next(rows, None)
    if header is None:
        return
    numbered = _numbered(columns, header)
    names = [str(number) for number in range(1, len(header) + 1)] if numbered else [name.strip() for name in header]
    if numbered:
        yield 1, dict(zip(names, header, strict=True))
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise DataError(f"{path}:{line} cannot be read ({error}); mend the line") from None
        if row is None:
            return
        if row and row != [""]:
            if len(row) != len(names):
                raise DataError(
                    f"{path}:{line} has {len(row)} columns where the first line has {len(names)}; mend the line"
                )
            yield line, dict(zip(names, row, strict=True))


def _numbered(columns: Columns, header: Sequence[str]) -> bool:
    """Whether columns are named by their numbers, as the table has no header line."""
    named = [name for name in (columns.text, columns.second, columns.label) if name is not None]
    # One of them may stand in the first line all the same: a label is often 0 or 1.
    return bool(named) and all(name.isdecimal() for name in named) and not set(named) <= set(header)


# ---------------------------------------------------------------- cells


def text_in(record: Mapping[str, Any], column: str | None, place: str) -> str:
    """The text of a cell; DataError when it is empty or none."""
    value = record.get(column or "")
    if not isinstance(value, str):
        raise DataError(f"{place}: '{column}' holds {_kind(value)} where a text is needed")
    if not value.strip():
        raise DataError(f"{place}: '{column}' is empty: a text is needed; fill it in or remove the line")
    return value.strip()


def _second(record: Mapping[str, Any], column: str | None, place: str) -> str | None:
    return None if column is None else text_in(record, column, place)


def _label(record: Mapping[str, Any], column: str | None) -> Any:
    value = None if column is None else record.get(column)
    return value.strip() if isinstance(value, str) else value


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
