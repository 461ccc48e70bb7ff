"""Files of words with tags: CoNLL columns, CoNLL-U, word-tag columns, lines of word/TAG or word_TAG (Brown and the
People's Daily), and .jsonl with words or with character spans.

Every format becomes `Tagged`: a text, its words as character spans, and a tag for each. Where a file has words alone,
the text is made of them, with blanks between words unless it is of a script that has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unmask import console
from unmask.corpus import files
from unmask.errors import DataError
from unmask.tasks.schemes import Entity, is_of_entities, of_entities, to_bio
from unmask.tasks.tables import JSON_SUFFIXES, TABLE_SUFFIXES, Columns, json_records, suffix_of
from unmask.tokens.lexicon import word_and_tag
from unmask.tokens.words import word_spans

CONLLU_SUFFIXES = (".conllu", ".conll-u")
CONLLU_COLUMNS = {"upos": 3, "xpos": 4, "lemma": 2, "deprel": 7}
DOCUMENT = "-DOCSTART-"
SHOWN = 3
"""Lines that show whether each word stands with its tag on a line of many."""
_COMMENT = re.compile(r"# ?\w+ = ")
_NO_BLANKS = re.compile(r"[\u0e00-\u0e7f\u3040-\u9fff]")  # Thai, kana, Han
WORDS, TAGS, SPANS = ("words", "tokens"), ("tags", "ner_tags", "labels", "pos_tags"), ("spans", "entities", "label")


@dataclass(frozen=True, eq=False)
class Tagged:
    """A text with a tag for each word; tags None where they are not known."""

    text: str
    spans: np.ndarray
    """(w,2) int32: [start, end) of each word"""
    tags: tuple[str, ...] | None
    place: str
    """path:line, for messages"""


def read_tagged(path: str, columns: Columns, labelled: bool) -> list[Tagged]:
    """The examples of a file, entity tags in BIO whatever scheme they came in.

    DataError, with file and line, for what is no such file, a line without its tag, words and tags of different
    number, spans that do not match the text, and an empty file.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; give a file of words with tags, or .jsonl with words or spans")
    suffix = suffix_of(path)
    if suffix in JSON_SUFFIXES:
        found = _of_json(path, columns, labelled)
    elif suffix in CONLLU_SUFFIXES:
        found = list(_of_conllu(path, columns, labelled))
    elif suffix in TABLE_SUFFIXES:
        raise DataError(
            f"{path}: a table has one label a line, for the task classification or regression; token_classification "
            "needs a word and its tag a line (.txt, .conll, .conllu) or .jsonl"
        )
    else:
        found = _of_lines(path, columns, labelled)
    if not found:
        raise DataError(f"{path} holds no examples: a word and its tag a line, an empty line behind each sentence")
    return _in_bio(found)


def of_text(text: str, place: str) -> Tagged:
    """A plain text, in words as `unmask.tokens.words` finds them; DataError when it is empty."""
    if not text.strip():
        raise DataError(f"{place} is empty: give a text")
    return Tagged(text, word_spans(text), None, place)


def _in_bio(found: list[Tagged]) -> list[Tagged]:
    if not is_of_entities(tag for each in found for tag in each.tags or ()):
        return found
    return [each if each.tags is None else replace(each, tags=tuple(to_bio(each.tags))) for each in found]


# ---------------------------------------------------------------- lines and columns

Lines = list[tuple[int, str]]
"""Lines with their numbers."""


def _sentences(path: str) -> Iterator[Lines]:
    """The lines of each block between empty lines."""
    block: Lines = []
    for number, line in enumerate(files.text_lines(path), start=1):
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _of_lines(path: str, columns: Columns, labelled: bool) -> list[Tagged]:
    """A sentence a line, each word with its tag (word/TAG), when the first lines are so; else a word a line."""
    blocks = [[(at, line) for at, line in block if not _COMMENT.match(line)] for block in _sentences(path)]
    blocks = [block for block in blocks if block]
    numbered = columns.text is not None or columns.label is not None
    if blocks and not numbered and _is_inline(blocks[0][:SHOWN]):
        sentences = list(_of_inline(path, blocks))
    else:
        sentences = list(_of_columns(path, blocks, columns, labelled))
    separator = "" if _written_together(word for _, words, _ in sentences for word in words) else " "
    return [_of_words(words, tags, separator, place) for place, words, tags in sentences]


def _is_inline(lines: Lines) -> bool:
    try:
        return all("\t" not in line and all(map(word_and_tag, line.split())) for _, line in lines)
    except ValueError:
        return False


def _of_inline(path: str, blocks: Iterable[Lines]) -> Iterator[tuple[str, list[str], list[str]]]:
    for number, line in (line for block in blocks for line in block):
        try:
            words, tags = zip(*map(word_and_tag, line.split()), strict=True)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}; each word needs one, as in the lines before") from None
        yield f"{path}:{number}", list(words), list(tags)


def _of_columns(
    path: str, blocks: Iterable[Lines], columns: Columns, labelled: bool
) -> Iterator[tuple[str, list[str], list[str] | None]]:
    """A word in the first column (data.text), its tag in the last (data.label), parted by tabs or blanks."""
    for block in blocks:
        cells = [(at, line.split("\t") if "\t" in line else line.split()) for at, line in block]
        cells = [(at, row) for at, row in cells if row[0] != DOCUMENT]
        if cells:
            yield f"{path}:{block[0][0]}", *_of_cells(path, cells, columns, labelled)


def _of_cells(
    path: str, cells: Sequence[tuple[int, list[str]]], columns: Columns, labelled: bool
) -> tuple[list[str], list[str] | None]:
    word_at = _number(columns.text, 1, "text") - 1
    tag_at = _number(columns.label, 0, "label") - 1
    tagged = labelled or len(cells[0][1]) > 1
    words, tags = [], []
    for number, row in cells:
        if (tagged and len(row) < 2) or max(word_at, tag_at) >= len(row):
            there = f"{console.counted(len(row), 'column')} ('{' '.join(row)[:40]}')"
            raise DataError(f"{path}:{number} has {there}: a word and its tag are needed")
        words.append(row[word_at].strip())
        tags.append(row[tag_at].strip())
        if not words[-1] or not tags[-1]:
            raise DataError(f"{path}:{number} lacks its {'tag' if words[-1] else 'word'}: both are needed")
    return words, tags if tagged else None


def _number(column: str | None, default: int, setting: str) -> int:
    if column is None:
        return default
    if not column.isdecimal() or int(column) < 1:
        raise DataError(f"data.{setting}={column}: the columns of such a file have numbers, from 1; give one")
    return int(column)


def _written_together(words: Iterable[str]) -> bool:
    """Whether words are of a script without blanks between them, by most of their characters."""
    text = "".join(words)
    return 2 * len(_NO_BLANKS.findall(text)) > len(text)


def _of_words(words: Sequence[str], tags: Sequence[str] | None, separator: str, place: str) -> Tagged:
    lengths = np.array([len(word) for word in words], np.int64)
    ends = np.cumsum(lengths + len(separator)) - len(separator)
    spans = np.stack([ends - lengths, ends], axis=1).astype(np.int32)
    return Tagged(separator.join(words), spans, None if tags is None else tuple(tags), place)


# ---------------------------------------------------------------- CoNLL-U


class _Form(NamedTuple):
    """What stands in the text, whether a blank follows, and the (word, tag) pairs inside of it."""

    surface: str
    blank: bool
    words: list[tuple[str, str]]


def _of_conllu(path: str, columns: Columns, labelled: bool) -> Iterator[Tagged]:
    """Words of a sentence with one of their columns (data.label: upos, xpos, deprel), blanks as SpaceAfter says.

    A form of several words (don't: do, n't) is parted where the words make up its letters; else (zum: zu, dem) it is
    one word, its tags joined by +.
    """
    name = columns.label or "upos"
    if name not in CONLLU_COLUMNS:
        raise DataError(
            f"{path}: data.label={name} is no column of CoNLL-U; one of {', '.join(CONLLU_COLUMNS)} is needed"
        )
    for block in _sentences(path):
        if forms := list(_forms(path, block, CONLLU_COLUMNS[name])):
            yield _of_forms(forms, f"{path}:{block[0][0]}")


def _forms(path: str, block: Lines, column: int) -> Iterator[_Form]:
    words: dict[int, list[str]] = {}
    ranges: dict[int, tuple[int, list[str]]] = {}
    for at, line in block:
        row = line.split("\t")
        if line.startswith("#") or "." in row[0]:  # an empty node is nothing of the text
            continue
        first, _, last = row[0].partition("-")
        if len(row) != 10 or not (first.isdecimal() and (last or "0").isdecimal()):
            raise DataError(
                f"{path}:{at} ('{line[:20]}') is not CoNLL-U: a number and nine more columns, tabs between, are needed"
            )
        if last:
            ranges[int(first)] = (int(last), row)
        else:
            words[int(first)] = row
    number = 1
    while number in words:
        last, row = ranges.get(number, (number, words[number]))
        inside = [(words[n][1], words[n][column]) for n in range(number, last + 1) if n in words]
        yield _Form(row[1], "SpaceAfter=No" not in row[9], inside)
        number = last + 1


def _of_forms(forms: Sequence[_Form], place: str) -> Tagged:
    text, spans, tags = "", [], []
    for form in forms:
        parted = "".join(word for word, _ in form.words) == form.surface
        parts = form.words if parted else [(form.surface, "+".join(tag for _, tag in form.words))]
        start = len(text)
        for word, tag in parts:
            spans.append((start, start + len(word)))
            tags.append(tag)
            start += len(word)
        text += form.surface + (" " if form.blank else "")
    known = tuple(tags) if any(tag != "_" for tag in tags) else None
    return Tagged(text.rstrip(), np.array(spans, np.int32), known, place)


# ---------------------------------------------------------------- .jsonl


def _of_json(path: str, columns: Columns, labelled: bool) -> list[Tagged]:
    """The records of a file; says how many have spans inside of others, which are left out."""
    nested: list[str] = []
    places = ((record, f"{path}:{number}") for number, record in json_records(path))
    found = [_of_record(record, columns, labelled, place, nested) for record, place in places]
    if nested:
        console.warn(
            f"{path}: {len(nested)} spans lie inside of others, the first on line {nested[0].rpartition(':')[2]}; "
            "the outer ones are kept, as a word has one tag"
        )
    return found


def _of_record(record: Mapping[str, Any], columns: Columns, labelled: bool, place: str, nested: list[str]) -> Tagged:
    """words and tags, or text and spans; the place is added to `nested` for each span inside of another."""
    words = _key(record, columns.text, WORDS)
    if words is not None and isinstance(record[words], list):
        return _of_word_lists(record[words], record, columns, labelled, place)
    text = record.get(columns.text or "text")
    if not isinstance(text, str):
        raise DataError(
            f"{place} has neither a list of words nor a text (it has: {', '.join(record)}): name it with data.text=KEY"
        )
    whole = of_text(text, place)
    key = _key(record, columns.label, SPANS)
    if key is None:
        if labelled:
            raise DataError(f"{place} has no spans (it has: {', '.join(record)}): name them with data.label=KEY")
        return whole
    spans = list(_character_spans(record[key], text, place))
    outer = _outer(spans, place)
    nested += [place] * (len(spans) - len(outer))
    return _of_spans(whole, outer, place)


def _key(record: Mapping[str, Any], named: str | None, usual: Iterable[str]) -> str | None:
    return next((name for name in ((named,) if named else usual) if name in record), None)


def _of_word_lists(words: list[Any], record: Mapping[str, Any], columns: Columns, labelled: bool, place: str) -> Tagged:
    key = _key(record, columns.label, TAGS)
    tags = None if key is None else [str(tag) for tag in record[key]]
    if tags is None and labelled:
        raise DataError(f"{place} has no tags (it has: {', '.join(record)}): name them with data.label=KEY")
    if tags is not None and len(tags) != len(words):
        raise DataError(f"{place} has {len(words)} words and {len(tags)} tags: a tag for each word is needed")
    if not words or any(not str(word).strip() for word in words):
        raise DataError(f"{place} has {'no words' if not words else 'an empty word'}: remove it")
    forms = [str(word) for word in words]
    return _of_words(forms, tags, "" if _written_together(forms) else " ", place)


def _character_spans(value: Any, text: str, place: str) -> Iterator[Entity]:
    """Spans as [{start, end, label, (text)}], or as CLUENER writes them: {type: {surface: [[first, last], ...]}}."""
    if isinstance(value, Mapping):
        for label, surfaces in value.items():
            for surface, ranges in surfaces.items():
                for first, last in ranges:
                    yield _checked(Entity(str(label), int(first), int(last) + 1), surface, text, place)
        return
    for span in value if isinstance(value, list) else [value]:
        try:
            found = Entity(str(span["label"]), int(span["start"]), int(span["end"]))
        except (TypeError, KeyError, ValueError):
            raise DataError(f"{place}: the span {span!r} is not understood: start, end and label are needed") from None
        yield _checked(found, span.get("text"), text, place)


def _checked(span: Entity, surface: str | None, text: str, place: str) -> Entity:
    stands = text[span.start : span.stop]
    if not 0 <= span.start < span.stop <= len(text) or (surface is not None and stands != surface):
        wanted = f"'{surface}' is meant" if surface is not None else f"the text has {len(text)} characters"
        raise DataError(
            f"{place}: the span {span.start} to {span.stop} of {span.label} does not match the text: '{stands[:30]}' "
            f"stands there, {wanted}"
        )
    return span


def _outer(spans: Iterable[Entity], place: str) -> list[Entity]:
    """The spans in order without those inside of others; DataError where two cross or are the same."""
    kept: list[Entity] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.stop)):
        before = kept[-1] if kept else None
        if before is None or span.start >= before.stop:
            kept.append(span)
        elif span.stop > before.stop or (span.start, span.stop) == (before.start, before.stop):
            raise DataError(
                f"{place}: the spans of {before.label} and {span.label} overlap: one tag a word is all there is"
            )
    return kept


def _of_spans(whole: Tagged, spans: list[Entity], place: str) -> Tagged:
    """The tags of the words that spans cover; words are cut where a span begins or ends inside of them."""
    edges = {edge for span in spans for edge in (span.start, span.stop)}
    words = np.array([piece for a, b in whole.spans for piece in _cut_at(int(a), int(b), edges)], np.int32).reshape(
        -1, 2
    )
    found = []
    for span in spans:
        inside = np.flatnonzero((words[:, 0] >= span.start) & (words[:, 1] <= span.stop))
        if not len(inside):
            raise DataError(f"{place}: the span {span.start} to {span.stop} of {span.label} holds no word: remove it")
        found.append(Entity(span.label, int(inside[0]), int(inside[-1]) + 1))
    return Tagged(whole.text, words, tuple(of_entities(found, len(words))), place)


def _cut_at(start: int, end: int, edges: set[int]) -> list[tuple[int, int]]:
    cuts = [start, *sorted(edge for edge in edges if start < edge < end), end]
    return list(pairwise(cuts))
