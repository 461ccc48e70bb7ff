"""The report of a preparation as a table, and what a person should know about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from unmask import console

if TYPE_CHECKING:
    from rich.table import Table


def table(report: Mapping[str, Any]) -> Table:
    """All counts of a store's report."""
    return console.table("Prepared", ["", "all", "train", "validation"], list(rows(report)))


def rows(report: Mapping[str, Any]) -> Iterator[list[str]]:
    """The rows of the table: a name, and figures as text, "" where there is none."""
    corpus, splits = report["corpus"], [report["train"], report["validation"]]
    yield ["documents read", _number(corpus["documents_in"]), "", ""]
    for reason, count in corpus["dropped"].items():
        yield [f"  dropped: {reason.replace('_', ' ')}", _number(count), "", ""]
    for key in ("documents", "sentences", "characters", "tokens"):
        counts = [split.get(key, 0) for split in splits]
        yield [f"{key} kept" if key == "documents" else key, *map(_number, [sum(counts), *counts])]
    yield ["words", _number(corpus["words"]), "", _number(corpus["validation_words"])]
    yield ["tokens per word", f"{tokens_per_word(report):.2f}", "", ""]
    yield ["bytes per token", f"{bytes_per_token(report):.2f}", "", ""]
    overlap = corpus["validation_ngram_overlap"]
    yield ["13-grams also in training", "", "", "none to compare" if overlap is None else f"{overlap:.1%}"]
    encodings = ", ".join(f"{name} {count}" for name, count in corpus["encodings"].items())
    yield ["encodings (files)", encodings, "", ""]


def tokens_per_word(report: Mapping[str, Any]) -> float:
    """Tokens divided by words (between blanks, a Han character each) of all kept documents."""
    return _total(report, "tokens") / max(1, report["corpus"]["words"])


def bytes_per_token(report: Mapping[str, Any]) -> float:
    """Bytes of UTF-8 that a token stands for, over all kept documents."""
    return _total(report, "bytes") / max(1, _total(report, "tokens"))


def notes(report: Mapping[str, Any]) -> Iterator[str]:
    """Sentences a person should see: those of the corpus, and what the tokenizer's checks found wanting."""
    yield from report["corpus"]["notes"]
    checks = report["tokenizer"]["checks"]
    if checks["unknown_rate"] > 0.01:
        yield (
            f"{checks['unknown_rate']:.1%} of the tokens are unknown: raise tokenizer.vocabulary_size, "
            "or take tokenizer.kind=bpe"
        )
    elif checks["round_trip"] < 0.95:
        yield f"only {checks['round_trip']:.1%} of the lines come back from their tokens as they were"


def _total(report: Mapping[str, Any], key: str) -> int:
    return sum(report[split].get(key, 0) for split in ("train", "validation"))


def _number(value: int) -> str:
    return f"{value:,}"
