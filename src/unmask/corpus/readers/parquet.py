"""Parquet: a column of text, read a batch of rows at a time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from unmask.corpus import files
from unmask.corpus.documents import Document, Problem
from unmask.corpus.readers.columns import text_or_problem, wrong_column
from unmask.corpus.sources import Part
from unmask.errors import DataError

_ROWS = 1024


class ParquetReader:
    """.parquet. Ids are name:ROW, counted from 1."""

    textual = False

    def read(self, part: Part) -> Iterator[Document | Problem]:
        """The documents of the part's row groups; DataError when the column is missing or holds no text."""
        with _opened(part.path) as table:
            column = part.settings.column
            if column not in table.schema_arrow.names:
                raise wrong_column(part.path, column, table.schema_arrow.names)
            groups = list(range(part.start, table.num_row_groups if part.stop is None else part.stop))
            number = part.first
            # One thread: the parts themselves are read in parallel.
            for batch in table.iter_batches(_ROWS, row_groups=groups, columns=[column], use_threads=False):
                for value in batch.column(0).to_pylist():
                    yield text_or_problem(value, part, number)
                    number += 1
            files.Meter.read += part.size


def row_group_ranges(path: str, size: int) -> Iterator[tuple[int, int, int, int]]:
    """(first group, group after the last, number of the first row, bytes) of ranges of about `size` bytes."""
    with _opened(path) as table:
        start, row, rows, held = 0, 1, 0, 0
        for group in range(table.num_row_groups):
            described = table.metadata.row_group(group)
            held += sum(described.column(c).total_compressed_size for c in range(described.num_columns))
            rows += described.num_rows
            if held >= size or group == table.num_row_groups - 1:
                yield start, group + 1, row, held
                start, row, rows, held = group + 1, row + rows, 0, 0


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    with _seekable(path) as source:
        try:
            table = pyarrow.parquet.ParquetFile(source)
        except pyarrow.ArrowInvalid as error:
            raise DataError(f"{path}: no parquet file, or one cut short ({str(error).splitlines()[0]})") from None
        with table:
            yield table


@contextmanager
def _seekable(path: str) -> Iterator[BinaryIO | str]:
    """The file, or where it is compressed as a whole, a temporary copy that is not."""
    if not files.compression(path):
        yield path
        return
    with tempfile.TemporaryFile() as copy, files.open_plain(path) as stream:
        shutil.copyfileobj(stream, copy, 1 << 20)
        copy.seek(0)
        yield copy
