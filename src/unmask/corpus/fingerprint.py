"""A hash of what a corpus is made from: when it is equal, what was made before can be used again."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

import xxhash

from unmask.config import to_dict
from unmask.corpus.settings import CorpusSettings
from unmask.corpus.sources import Part

FORMAT = 1
"""Raised when the same input would give other documents than before."""


def fingerprint_of(parts: Sequence[Part], settings: CorpusSettings) -> str:
    """32 hexadecimal digits over the parts (names, sizes, times of change), the settings and the format."""
    state = xxhash.xxh3_128(json.dumps([FORMAT, to_dict(settings)], sort_keys=True).encode())
    for part in parts:
        described = [part.reader, part.name, part.tag, part.weight, part.start, part.stop, part.size, _version(part)]
        state.update(json.dumps(described).encode())
    return state.hexdigest()


def _version(part: Part) -> str:
    """What changes when the contents change."""
    if part.reader == "hub":
        return part.path
    if part.reader == "python_docs":
        return _environment()
    if Path(part.path).stem == "stdin":
        return _contents(part.path)  # copied anew each time, so its time of change says nothing
    return str(Path(part.path).stat().st_mtime_ns)


def _contents(path: str) -> str:
    state = xxhash.xxh3_128()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


@cache
def _environment() -> str:
    """The interpreter and every installed distribution, by version."""
    installed = {(found.name or "", found.version or "") for found in metadata.distributions()}
    return xxhash.xxh3_64_hexdigest(json.dumps([sys.version, sorted(installed)]).encode())
