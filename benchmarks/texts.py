"""Texts of mixed length for benchmarks: as long as sentences and passages are, of made words or from real documents."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from pathlib import Path


def lengths(count: int, median: float, spread: float, longest: int, draw: random.Random) -> list[int]:
    """Log-normal numbers of words: their median, and `spread` of their logarithm; from 3 to the longest."""
    return [min(longest, max(3, round(median * draw.lognormvariate(0, spread)))) for _ in range(count)]


def made(wanted: Sequence[int], words: int, draw: random.Random) -> list[list[str]]:
    """The words of texts of these lengths, drawn from those of `scoring.make_model`."""
    known = [f"w{number}" for number in range(5, words)]
    return [draw.choices(known, k=length) for length in wanted]


def beginnings(wanted: Sequence[int], folder: Path, known: Collection[str] | None = None) -> list[list[str]]:
    """As many first words of documents of a folder's .jsonl.zst files as are wanted of each, the known words alone."""
    import zstandard

    found: list[list[str]] = []
    for path in sorted(folder.glob("*.jsonl.zst")):
        with zstandard.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                if len(found) == len(wanted):
                    return found
                words = [word for word in json.loads(line)["text"].split() if known is None or word in known]
                if len(words) >= max(wanted):
                    found.append(words[: wanted[len(found)]])
    raise SystemExit(f"error: {folder} has {len(found)} documents of {max(wanted)} words, {len(wanted)} are needed")
