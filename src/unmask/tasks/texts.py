"""What tasks with one answer a text (or a pair of texts) have in common."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from unmask.batches import IGNORE
from unmask.config import require
from unmask.errors import DataError
from unmask.tasks.features import Feature
from unmask.tasks.framing import Frame, cut, windows
from unmask.tasks.tables import Columns, Row, read_rows
from unmask.tasks.task import Answer, Task
from unmask.tokens.tokenizer import Tokenizer
from unmask.weights.labelled import POOLINGS

LONG = ("cut", "windows")


class TextTask(Task):
    """One answer for a text or a pair of texts."""

    kind: ClassVar = "row"
    usual_labels: ClassVar[tuple[str, ...]]
    long: str
    pooling: str

    def __post_init__(self) -> None:
        require(self.long in LONG, f"task.long={self.long}: one of {', '.join(LONG)} is needed")
        known = ("auto", *POOLINGS)
        require(self.pooling in known, f"task.pooling={self.pooling}: one of {', '.join(known)} is needed")

    def read(self, path: str, columns: Columns, labelled: bool = True) -> list[Row]:
        return read_rows(path, columns, self.usual_labels if labelled else None)

    def of_texts(self, texts: Sequence[str]) -> list[Row]:
        """A tab parts the two texts of a pair."""
        rows = []
        for number, line in enumerate(texts, start=1):
            first, tab, second = line.partition("\t")
            if not first.strip() or (tab and not second.strip()):
                raise DataError(f"text {number} is empty: give a text, or two parted by a tab")
            rows.append(Row(first.strip(), second.strip() if tab else None, None, f"text {number}"))
        return rows

    def features(
        self, examples: Sequence[Row], labels: Sequence[str], tokenizer: Tokenizer, frame: Frame, limit: int
    ) -> tuple[list[Feature], int]:
        first = tokenizer.encode([row.text for row in examples], literal=True)
        second = tokenizer.encode([row.second or "" for row in examples], literal=True)
        made, shortened = [], 0
        for number, row in enumerate(examples):
            pair = row.second is not None
            texts = (first[number].ids, second[number].ids if pair else None)
            target, place = self.target(row, labels), np.array([self.place(frame, *texts)])
            parts = list(_parts(*texts, frame.room(limit, pair), self.long))
            shortened += sum(map(_size, parts[0])) < sum(map(_size, texts)) and len(parts) == 1
            for part in parts:
                made.append(Feature(number, *frame.row(*part), place, target[None], np.zeros(1, np.int64)))
        return made, shortened

    def place(self, frame: Frame, first: np.ndarray, second: np.ndarray | None) -> int:
        """The column at which a row is read; heads of whole rows read where their class does."""
        return 0

    def target(self, row: Row, labels: Sequence[str]) -> np.ndarray:
        """What is asked of an example: () or (L,); IGNORE where its label is not known."""
        return np.array(IGNORE)

    def together(self, count: int, features: Sequence[Feature], logits: Sequence[np.ndarray]) -> np.ndarray:
        """The logits (n,L) of the examples: the mean of their windows'."""
        numbers = np.array([feature.example for feature in features])
        each = np.stack([logit[0] for logit in logits]).astype(np.float64)
        sums = np.zeros((count, each.shape[1]))
        np.add.at(sums, numbers, each)
        return sums / np.bincount(numbers, minlength=count)[:, None]


def _size(tokens: np.ndarray | None) -> int:
    return 0 if tokens is None else len(tokens)


def _parts(
    first: np.ndarray, second: np.ndarray | None, room: int, long: str
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """What of an example each of its rows holds: windows over the (first) text, or the beginning of it."""
    if second is None:
        spans = windows(len(first), room)
        yield from ((first[start:stop], None) for start, stop in (spans if long == "windows" else spans[:1]))
    elif long == "windows" and len(second) <= room // 2:
        spans = windows(len(first), room - len(second))
        yield from ((first[start:stop], second) for start, stop in spans)
    else:
        kept = cut(len(first), len(second), room)
        yield first[: kept[0]], second[: kept[1]]


# ---------------------------------------------------------------- reports


def write_errors(path: Path, wrong: Iterable[tuple[Row, Answer]]) -> int:
    """Examples that were answered wrongly, an object a line; how many there are."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row, answer in wrong:
            texts = {"text": row.text} | ({} if row.second is None else {"second": row.second})
            record = {"place": row.place, **texts, "truth": row.label, **answer}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count


def write_table(path: Path, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> None:
    """A table as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def markdown(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table as lines of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
