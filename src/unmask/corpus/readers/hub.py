"""Datasets of the Hugging Face hub, streamed through `datasets` (an extra)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from unmask.corpus.documents import Document, Problem
from unmask.corpus.readers.columns import text_or_problem, wrong_column
from unmask.corpus.sources import Part
from unmask.errors import DataError, MissingExtra


class HubReader:
    """NAME[:CONFIG] of a dataset, its training split. Ids are tag:ROW, counted from 1."""

    textual = False

    def read(self, part: Part) -> Iterator[Document | Problem]:
        """The rows of the split; DataError when there is no such dataset, split or column."""
        column = part.settings.column
        for number, row in enumerate(_streamed(part.path), 1):
            if column in row:
                yield text_or_problem(row[column], part, number)
            else:
                raise wrong_column(f"hf:{part.path}", column, row)


def require_datasets() -> None:
    """MissingExtra unless `datasets` is installed; asked before any process is started."""
    try:
        found = importlib.util.find_spec("datasets") is not None
    except ValueError:  # a module without a spec, or one whose import is blocked
        found = False
    if not found:
        raise MissingExtra("datasets", extra="hub", why="to read hf: sources")


def _streamed(name: str) -> Any:
    import datasets

    path, _, config = name.partition(":")
    try:
        splits = datasets.load_dataset(path, config or None, streaming=True)
    except Exception as error:  # datasets raises its own, the hub's, the network's, and ValueError
        raise DataError(f"hf:{name} cannot be loaded: {' '.join(str(error).split())[:300]}") from None
    if "train" not in splits:
        raise DataError(
            f"hf:{name} has no training split (it has: {', '.join(map(str, splits))}): take another dataset"
        )
    return splits["train"]
