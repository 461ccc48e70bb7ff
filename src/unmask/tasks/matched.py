"""Tables of texts that belong together: texts alone, pairs, pairs with a score, triplets, a history and what came next.

{"anchor": "...", "positive": "...", "negative": "..."}      query and answer, a hard negative if there is one
{"sentence1": "...", "sentence2": "...", "score": 4.2}       how alike two texts are
{"history": ["...", "..."], "next": "..."}                   what was read, and what was read then
{"text": "..."}                                              nothing is known of it
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unmask.errors import DataError
from unmask.tasks.tables import SECONDS, TEXTS, Columns, records, text_in

FIRSTS = ("anchor", "history", *TEXTS)
MATCHES = ("positive", "next", "answer", *SECONDS)
NEGATIVES = ("negative", "hard_negative")
SIMILARITIES = ("score", "similarity")


@dataclass(frozen=True)
class Match:
    """One example: a text (or several, a history), what belongs to it, what does not, how alike the first two are."""

    first: tuple[str, ...]
    second: str | None
    negative: str | None
    score: float | None
    place: str
    """path:line, for messages"""

    @property
    def text(self) -> str:
        """The first text, a history as lines."""
        return "\n".join(self.first)

    @property
    def form(self) -> str:
        """texts, pairs, triplets or scored."""
        if self.second is None:
            return "texts"
        return "scored" if self.score is not None else "pairs" if self.negative is None else "triplets"


def read_matches(path: str, columns: Columns) -> list[Match]:
    """The examples of a .tsv, .csv or .jsonl file; DataError, with file and line, for what cannot be one."""
    found, matches = None, []
    for number, record in records(path, columns):
        place = f"{path}:{number}"
        found = found or _columns(list(record), columns, place)
        matches.append(_match(record, *found, place))
    if not matches:
        raise DataError(f"{path} holds no examples: at least one line below the header is needed")
    return matches


def _columns(names: Sequence[str], columns: Columns, place: str) -> tuple[str, str | None, str | None, str | None]:
    """The columns of first, second and negative texts and of scores, as the first record has them."""
    for setting, wanted in (("text", columns.text), ("second", columns.second), ("label", columns.label)):
        if wanted is not None and wanted not in names:
            raise DataError(f"{place}: no column '{wanted}' (it has: {', '.join(names)}): set data.{setting}=COLUMN")
    first = columns.text or _usual(FIRSTS, names)
    if first is None:
        raise DataError(f"{place}: no text column is known (it has: {', '.join(names)}): name it with data.text=COLUMN")
    second = columns.second or _usual(MATCHES, [name for name in names if name != first])
    negative = _usual(NEGATIVES, names)
    return first, second, negative, columns.label or (_usual(SIMILARITIES, names) if second else None)


def _usual(usual: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in usual if name in names), None)


def _match(
    record: Mapping[str, Any], first: str, second: str | None, negative: str | None, score: str | None, place: str
) -> Match:
    value = record.get(first)
    several = value if isinstance(value, list) else [value]
    if not several:
        raise DataError(f"{place}: '{first}' is an empty list: at least one text is needed")
    return Match(
        tuple(text_in({first: each}, first, place) for each in several),
        None if second is None else text_in(record, second, place),
        None if negative is None else text_in(record, negative, place),
        None if score is None else _number(record.get(score), place),
        place,
    )


def _number(value: Any, place: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise DataError(f"{place}: {value!r} is no number; the score of a pair is one")
    return number
