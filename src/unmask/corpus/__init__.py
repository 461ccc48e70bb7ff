"""Corpus: from sources (files, folders, the hub, the installed Python packages) to clean documents without copies.

    collected = collect([Source.parse("wiki=texts/*.jsonl.zst@2.0")], CorpusSettings(), Path("work"))
    for part in collected.parts:
        for document in part.documents("train"): ...

The names below are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.corpus.cleaning import clean
    from unmask.corpus.collecting import Collected, CollectedPart, CollectProgress, collect
    from unmask.corpus.documents import Document, Problem
    from unmask.corpus.fingerprint import fingerprint_of
    from unmask.corpus.readers import READERS
    from unmask.corpus.report import CorpusReport
    from unmask.corpus.settings import CorpusSettings
    from unmask.corpus.sources import Part, Source, parts

_HOMES = {
    "READERS": "readers",
    "CollectProgress": "collecting",
    "Collected": "collecting",
    "fingerprint_of": "fingerprint",
    "CollectedPart": "collecting",
    "CorpusReport": "report",
    "CorpusSettings": "settings",
    "Document": "documents",
    "Part": "sources",
    "Problem": "documents",
    "Source": "sources",
    "clean": "cleaning",
    "collect": "collecting",
    "parts": "sources",
}

__all__ = [
    "READERS",
    "CollectProgress",
    "Collected",
    "CollectedPart",
    "CorpusReport",
    "CorpusSettings",
    "Document",
    "Part",
    "Problem",
    "Source",
    "clean",
    "collect",
    "fingerprint_of",
    "parts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unmask.corpus' has no attribute '{name}'")
    return getattr(import_module(f"unmask.corpus.{_HOMES[name]}"), name)
