"""What flows through the corpus tower."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """A text with a name. `id` is unique in a corpus and stable between runs; `source` is the tag of its source."""

    id: str
    text: str
    source: str


@dataclass(frozen=True)
class Problem:
    """Something in a source that is no document: `Problem("notes.jsonl:17", "unreadable_line", "no JSON: ...")`."""

    where: str
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"
