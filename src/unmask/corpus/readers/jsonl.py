"""JSON Lines: an object a line, its text under one key."""

from __future__ import annotations

import json
from collections.abc import Iterator

from unmask.corpus import files
from unmask.corpus.documents import Document, Problem
from unmask.corpus.readers.columns import text_or_problem, wrong_column
from unmask.corpus.sources import Part


class JsonLinesReader:
    """.jsonl and .ndjson. Ids are name:LINE; blank lines are no documents."""

    textual = True

    def read(self, part: Part) -> Iterator[Document | Problem]:
        """The documents of the part; DataError when the first object that can be read lacks the column."""
        column, seen = part.settings.column, False
        encoding = files.encoding_of(part.path, part.settings.encoding)
        for number, line in enumerate(files.lines(part.path, encoding, part.start, part.stop), part.first):
            if not line.strip():
                continue
            where = part.place(number)
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Problem(where, "unreadable_line", f"not JSON ({error})")
                continue
            if not isinstance(row, dict):
                yield Problem(where, "unreadable_line", "a JSON value that is no object")
            elif column in row:
                seen = True
                yield text_or_problem(row[column], part, number)
            elif seen:
                yield Problem(where, "unreadable_line", f"no column '{column}'")
            else:
                raise wrong_column(where, column, row)
