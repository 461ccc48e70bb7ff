"""Two text files of which line i of one belongs to line i of the other: PATH.SOURCE and PATH.TARGET, such as train.en
and train.de, each also compressed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from unmask.corpus import files
from unmask.errors import DataError
from unmask.tasks.tables import JSON_SUFFIXES, TABLE_SUFFIXES, Columns, Row, suffix_of

COMPRESSIONS = ("", ".gz", ".zst", ".bz2", ".xz")


def is_table(path: str) -> bool:
    """Whether a path is that of a table, by its suffix."""
    return suffix_of(path) in (*JSON_SUFFIXES, *TABLE_SUFFIXES)


def read_parallel(path: str, columns: Columns, labelled: bool) -> list[Row]:
    """The examples of PATH.<columns.text> and PATH.<columns.label>; unlabelled those of the first alone, or of a text
    file of sources.

    DataError for a file that is missing, files of unlike length, and empty lines.
    """
    if not labelled:
        source = _found(path, columns.text) or (path if Path(path).is_file() else None)
        if source is None:
            raise DataError(f"{path}: no such file; give a .tsv, .csv or .jsonl file, or a text file of sources")
        return [Row(_text(line, source, n), None, None, f"{source}:{n}") for n, line in _lines(source)]
    source, target = (_found(path, column) for column in (columns.text, columns.label))
    if source is None or target is None:
        raise DataError(
            f"{path} is neither a table (.tsv, .csv, .jsonl) nor the beginning of two text files: for train.en and "
            "train.de set data.train=train data.text=en data.label=de"
        )
    rows = []
    for one, other in zip_longest(_lines(source), _lines(target)):
        if one is None or other is None:
            number = (one or other or (0, ""))[0]
            raise DataError(
                f"{source} and {target}: line {number} is in one of them alone; "
                "line i of one must belong to line i of the other"
            )
        rows.append(Row(_text(one[1], source, one[0]), None, _text(other[1], target, one[0]), f"{source}:{one[0]}"))
    return rows


def _found(path: str, column: str | None) -> str | None:
    names = [f"{path}.{column}{suffix}" for suffix in COMPRESSIONS] if column else []
    return next((name for name in names if Path(name).is_file()), None)


def _lines(path: str) -> Iterator[tuple[int, str]]:
    return enumerate(files.text_lines(path), start=1)


def _text(line: str, path: str, number: int) -> str:
    if not line.strip():
        raise DataError(f"{path}:{number} is empty: a text is needed; remove the line from both files")
    return line.strip()
