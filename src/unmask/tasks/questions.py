"""Questions about a text with answers in it: SQuAD's .json (1.1 and 2.0), and .jsonl with a question a line.

    {"data": [{"paragraphs": [{"context": "...", "qas": [{"id": "1", "question": "...",
     "answers": [{"text": "Paris", "answer_start": 13}], "is_impossible": false}]}]}]}

    {"question": "...", "context": "...", "answers": [{"text": "Paris", "answer_start": 13}]}
    {"question": "...", "context": "...", "answers": {"text": ["Paris"], "answer_start": [13]}}

A question with an empty list of answers has none in its text. Offsets are in characters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unmask.corpus.files import text_lines
from unmask.errors import DataError
from unmask.tasks.tables import JSON_SUFFIXES, Columns, json_records, suffix_of

SHOWN = 40
"""Characters of a text that a message shows."""


class Gold(NamedTuple):
    """An answer that is right, and the character it starts at."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """The character behind it."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class Question:
    """A question about a text."""

    text: str
    """the question"""
    context: str
    answers: tuple[Gold, ...] | None
    """those that are right; empty: the text does not say; None: not known"""
    place: str
    """where it stands, for messages"""
    name: str
    """its id, or where it stands"""


def read_questions(path: str, columns: Columns, labelled: bool) -> list[Question]:
    """The questions of a file. columns: of .jsonl the question (text), the context (second), the answers (label).

    DataError, with file and record, for what is no such file, for a question or a context that is missing or empty, and
    for answers that do not stand where they are said to.
    """
    suffix = suffix_of(path)
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; give a .json file of SQuAD's form, or .jsonl with a question a line")
    if suffix == ".json":
        found = list(_of_squad(path, labelled))
    elif suffix in JSON_SUFFIXES:
        found = [_of_record(record, columns, f"{path}:{number}", labelled) for number, record in json_records(path)]
    else:
        raise DataError(
            f"{path}: questions are read from .json (SQuAD's form) or .jsonl (also .gz, .zst), not '{suffix}'"
        )
    if not found:
        raise DataError(f"{path} holds no questions")
    return found


def typed(text: str, place: str) -> Question:
    """A question and its context as a person types them, a tab between; DataError when one is missing."""
    question, _, context = text.partition("\t")
    if not question.strip() or not context.strip():
        raise DataError(f"{place} is not a question and its context: give both, with a tab between")
    return Question(question.strip(), context.strip(), None, place, place)


# ---------------------------------------------------------------- SQuAD's form


def _of_squad(path: str, labelled: bool) -> Iterator[Question]:
    try:
        whole = json.loads("\n".join(text_lines(path)))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); a file with a question a line is to be called .jsonl") from None
    for at, article in enumerate(_list(whole, "data", path, "an object with a list 'data', as SQuAD has it,")):
        inside = f"{path}: data[{at}]"
        for number, paragraph in enumerate(_list(article, "paragraphs", inside, "a list 'paragraphs'")):
            here = f"{inside}.paragraphs[{number}]"
            context = _text(paragraph, "context", here)
            for each, record in enumerate(_list(paragraph, "qas", here, "a list 'qas'")):
                place = f"{here}.qas[{each}]"
                question = _text(record, "question", place).strip()
                answers = _answers(record, "answers", context, place, labelled)
                yield Question(question, context, answers, place, str(record.get("id", place)))


def _list(record: Any, key: str, place: str, wanted: str) -> list[Any]:
    found = record.get(key) if isinstance(record, dict) else None
    if not isinstance(found, list):
        held = f"only {', '.join(list(record)[:6])}" if isinstance(record, dict) and record else _kind(record)
        raise DataError(f"{place} holds {held} where {wanted} is needed")
    return found


# ---------------------------------------------------------------- records


def _of_record(record: Mapping[str, Any], columns: Columns, place: str, labelled: bool) -> Question:
    question = _text(record, columns.text or "question", place).strip()
    context = _text(record, columns.second or "context", place)
    answers = _answers(record, columns.label or "answers", context, place, labelled)
    return Question(question, context, answers, place, str(record.get("id", place)))


def _text(record: Any, key: str, place: str) -> str:
    if not isinstance(record, dict) or key not in record:
        held = ", ".join(list(record)[:8]) if isinstance(record, dict) else _kind(record)
        raise DataError(f"{place}: no '{key}' (it has: {held}); a question and its context are needed")
    value = record[key]
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{place}: '{key}' holds {_kind(value)} where a text is needed")
    return value


def _answers(record: Mapping[str, Any], key: str, context: str, place: str, labelled: bool) -> tuple[Gold, ...] | None:
    """The gold answers, each once; None where there are none to be read and none are needed."""
    impossible, value = record.get("is_impossible") is True, record.get(key)
    if value is None and impossible:
        return ()
    if value is None:
        if labelled:
            raise DataError(f"{place}: no '{key}'; a list of answers is needed, an empty one where the text has none")
        return None
    pairs = list(_pairs(value, key, place))
    if pairs and impossible:
        raise DataError(f"{place} is_impossible and has answers: remove one or the other")
    return tuple(dict.fromkeys(_checked(text, start, context, place) for text, start in pairs))


def _pairs(value: Any, key: str, place: str) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict) and all(isinstance(value.get(name), list) for name in ("text", "answer_start")):
        if len(value["text"]) != len(value["answer_start"]):
            raise DataError(f"{place}: '{key}' has {len(value['text'])} texts, {len(value['answer_start'])} starts")
        yield from zip(value["text"], value["answer_start"], strict=True)
    elif isinstance(value, list) and all(isinstance(each, dict) for each in value):
        yield from ((each.get("text"), each.get("answer_start")) for each in value)
    else:
        raise DataError(f"{place}: '{key}' holds {_kind(value)} where a list of text and answer_start is needed")


def _checked(text: Any, start: Any, context: str, place: str) -> Gold:
    """An answer that stands in the context where it is said to."""
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{place}: an answer holds {_kind(text)} where a text is needed; leave it out if there is none")
    if isinstance(start, int) and not isinstance(start, bool) and start >= 0 and context.startswith(text, start):
        return Gold(text, start)
    there = list(occurrences(text, context))
    if not there:
        raise DataError(f"{place}: the answer '{_short(text)}' is not in the context; it is to be copied out of it")
    if not isinstance(start, int) or isinstance(start, bool):
        raise DataError(f"{place}: the answer '{_short(text)}' has no answer_start; it stands at character {there[0]}")
    found = context[start : start + len(text)] if start >= 0 else ""
    nearest = min(there, key=lambda at: abs(at - start))
    raise DataError(
        f"{place}: at character {start} of the context stands '{_short(found)}', not the answer '{_short(text)}'; "
        f"that stands at {nearest}: mend answer_start"
    )


def occurrences(text: str, context: str) -> Iterator[int]:
    """The characters at which a text (not empty) stands in its context."""
    at = context.find(text)
    while at >= 0:
        yield at
        at = context.find(text, at + 1)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "an empty text" if not value.strip() else f"the text '{_short(value)}'"
    return "nothing" if value is None else f"a {type(value).__name__}"


def known(questions: Sequence[Question]) -> list[tuple[Gold, ...]]:
    """The gold answers of questions; DataError for one of which they are not known."""
    for each in questions:
        if each.answers is None:
            raise DataError(f"{each.place} has no 'answers': they are needed to score a model")
    return [each.answers or () for each in questions]
