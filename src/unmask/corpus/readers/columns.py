"""What the readers of tables share: the column that holds the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unmask.corpus.documents import Document, Problem
from unmask.corpus.sources import Part
from unmask.errors import DataError


def text_or_problem(value: Any, part: Part, number: int) -> Document | Problem:
    """The cell at a line or row as a document; null is an empty text, and what is no text is a problem."""
    if value is None or isinstance(value, str):
        return Document(part.id_at(number), value or "", part.tag)
    return Problem(
        part.place(number),
        "unreadable_line",
        f"column '{part.settings.column}' holds no text but {type(value).__name__}",
    )


def wrong_column(where: str, column: str, known: Iterable[str]) -> DataError:
    """The error for a table without the column, naming those that it has."""
    names = ", ".join(map(str, known)) or "none"
    return DataError(f"{where}: no column '{column}' (it has: {names}); name one of them with corpus.column=NAME")
