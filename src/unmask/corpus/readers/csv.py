"""Comma-separated and tab-separated tables with a header line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from unmask.corpus import files
from unmask.corpus.documents import Document, Problem
from unmask.corpus.readers.columns import text_or_problem, wrong_column
from unmask.corpus.sources import Part


class TableReader:
    """.csv (quoted; commas, semicolons or tabs, by the header) and .tsv (tabs, no quoting). Ids are name:LINE."""

    textual = True

    def read(self, part: Part) -> Iterator[Document | Problem]:
        """The documents of the table; DataError when the header lacks the column."""
        encoding = files.encoding_of(part.path, part.settings.encoding)
        csv.field_size_limit(1 << 30)
        with io.TextIOWrapper(files.open_utf8(part.path, encoding), encoding="utf-8", newline="") as stream:
            yield from _rows(part, stream)


def _rows(part: Part, stream: io.TextIOWrapper) -> Iterator[Document | Problem]:
    header = stream.readline()
    rows = csv.reader(stream, **_dialect(part.path, header))
    names = next(csv.reader([header], **_dialect(part.path, header)), [])
    column = part.settings.column
    if column not in names:
        raise wrong_column(part.path, column, names)
    index = names.index(column)
    line = 2
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(part.place(line), "unreadable_line", str(error))
        else:
            if len(row) > index and len(row) <= len(names):
                yield text_or_problem(row[index], part, line)
            elif row:
                yield Problem(
                    part.place(line), "unreadable_line", f"{len(row)} cells where the header has {len(names)}"
                )
        line = rows.line_num + 2


def _dialect(path: str, header: str) -> dict:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if ".tsv" in suffixes[-2:]:
        return {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    return {"delimiter": max(",;\t", key=header.count)}
