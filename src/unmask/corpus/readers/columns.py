"""What the readers of tables share: the column that holds the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unmask.corpus.documents import Document, Problem
from unmask.errors import DataError


def text_or_problem(value: Any, where: str, column: str, tag: str) -> Document | Problem:
    """A cell as a document; null is an empty text, and what is no text is a problem."""
    if value is None or isinstance(value, str):
        return Document(where, value or "", tag)
    return Problem(where, "unreadable_line", f"column '{column}' holds no text but {type(value).__name__}")


def wrong_column(where: str, column: str, known: Iterable[str]) -> DataError:
    """The error for a table without the column, naming those that it has."""
    names = ", ".join(map(str, known)) or "none"
    return DataError(f"{where}: no column '{column}' (it has: {names}); name one of them with column=NAME")
