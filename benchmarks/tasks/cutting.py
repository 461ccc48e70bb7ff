"""Parts of files of examples: a part of a large set, a set without a standard split, cross-validation.

A file is taken apart into *units* that are never cut: a line of a table or of texts, a sentence between empty lines, an
article of SQuAD's form, a pair of lines. Which are taken is drawn by the seed 0, the same in every run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unmask.corpus.files import text_lines
from unmask.tasks.tables import suffix_of

RARE = 50


class Units(NamedTuple):
    """The units of a file, and what stands once above them."""

    units: list[Any]
    header: str = ""


@dataclass(frozen=True)
class Form:
    """How files of a kind are taken apart and put together again."""

    read: Callable[[str], Units]
    write: Callable[[Path, Units], Path]
    """(path without its suffix, units) -> what data.train is set to"""


def drawn(count: int, *sizes: int | None) -> list[list[int]]:
    """Disjoint sets of numbers below `count`, each in order; None: all that the sets after it leave."""
    order = np.random.default_rng(0).permutation(count)
    rest = count - sum(size for size in sizes[1:] if size is not None)
    starts = np.cumsum([0, *(max(0, rest) if size is None else min(size, count) for size in sizes)])
    return [sorted(order[start:stop].tolist()) for start, stop in pairwise(starts)]


def chosen(units: Units, numbers: Iterable[int]) -> Units:
    """Some of the units."""
    return Units([units.units[number] for number in numbers], units.header)


# ---------------------------------------------------------------- lines, and sentences of a line a word


def _table(path: str) -> Units:
    header, *lines = text_lines(path)
    return Units(lines, header)


def _lines(path: str) -> Units:
    return Units(list(text_lines(path)))


def _tagged_lines(path: str) -> Units:
    """Lines of word/TAG without those that hold a tag seen in fewer than RARE lines, as a tag that is never learned
    cannot be tested (some are slips: the People's Daily has one word of 19,484 lines tagged vvn)."""
    lines = [line for line in text_lines(path) if line.strip()]
    tags = [{word.rpartition("/")[2] for word in line.split()} for line in lines]
    counts = Counter(tag for each in tags for tag in each)
    kept = (min(counts[tag] for tag in each) >= RARE for each in tags)
    return Units([line for line, keep in zip(lines, kept, strict=True) if keep])


def _sentences(path: str) -> Units:
    blocks = "\n".join(text_lines(path)).split("\n\n")
    return Units([block for block in blocks if block.strip() and not block.startswith("-DOCSTART-")])


def _written(suffix: str, between: str) -> Callable[[Path, Units], Path]:
    def write(path: Path, units: Units) -> Path:
        path = path.parent / f"{path.name}{suffix}"
        head = [units.header] if units.header else []
        path.write_text(between.join([*head, *units.units]) + "\n", encoding="utf-8")
        return path

    return write


# ---------------------------------------------------------------- SQuAD's form, and two files of equal lines


def _articles(path: str) -> Units:
    return Units(json.loads("\n".join(text_lines(path)))["data"])


def _paragraphs(path: str) -> Units:
    """Each paragraph an article of its own."""
    articles = _articles(path).units
    return Units([{"paragraphs": [paragraph]} for article in articles for paragraph in article["paragraphs"]])


def _as_squad(path: Path, units: Units) -> Path:
    path = path.parent / f"{path.name}.json"
    path.write_text(json.dumps({"data": units.units}, ensure_ascii=False), encoding="utf-8")
    return path


def parallel(source: str, target: str) -> Form:
    """Files such as train.en.gz and train.de.gz, named by train."""

    def read(path: str) -> Units:
        return Units(list(zip(text_lines(f"{path}.{source}.gz"), text_lines(f"{path}.{target}.gz"), strict=True)))

    def write(path: Path, units: Units) -> Path:
        for number, ending in enumerate((source, target)):
            lines = "".join(f"{pair[number]}\n" for pair in units.units)
            (path.parent / f"{path.name}.{ending}").write_text(lines, encoding="utf-8")
        return path

    return Form(read, write)


FORMS: dict[str, Callable[[str], Form]] = {
    "table": lambda path: Form(_table, _written(suffix_of(path), "\n")),
    "lines": lambda path: Form(_lines, _written(suffix_of(path), "\n")),
    "tagged lines": lambda path: Form(_tagged_lines, _written(suffix_of(path), "\n")),
    "sentences": lambda path: Form(_sentences, _written(suffix_of(path), "\n\n")),
    "articles": lambda path: Form(_articles, _as_squad),
    "paragraphs": lambda path: Form(_paragraphs, _as_squad),
    "en-de": lambda path: parallel("en", "de"),
}
"""The forms of files, by what their units are."""


def count_of(units: Sequence[Any]) -> int:
    """How many examples there are in units: the questions, where units are articles."""
    if units and isinstance(units[0], dict):
        return sum(len(paragraph["qas"]) for article in units for paragraph in article["paragraphs"])
    return len(units)
