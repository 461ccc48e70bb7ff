"""The documents to evaluate on: all of a source, or a bounded sample of them."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.errors import DataError
from unmask.seeding import text_key

if TYPE_CHECKING:
    from unmask.corpus import CorpusSettings, Document

STORE = "manifest.json"
"""The file that makes a folder a store."""


def documents(data: str | Path, settings: CorpusSettings | None = None) -> Iterator[Document]:
    """The documents to evaluate on: the validation split of a store, or all of any other source of text, cleaned."""
    if (Path(data) / STORE).is_file():
        from unmask.tokens.store import Store

        yield from Store.open(data).documents("validation")
    else:
        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:  # for what comes on standard input
            yield from _read(str(data), settings, Path(folder))


def _read(what: str, settings: CorpusSettings | None, folder: Path) -> Iterator[Document]:
    from unmask.corpus import READERS, CorpusSettings, Problem, Source, clean, parts
    from unmask.corpus.documents import Document
    from unmask.corpus.sources import standard_input

    settings = settings or CorpusSettings()
    source = Source.parse(what)
    if source.what == "-":
        source = standard_input(source, folder)
    for part in parts([source], settings):
        for item in READERS.load(part.reader)().read(part):
            if not isinstance(item, Problem):
                yield Document(item.id, clean(item.text, settings), item.source)
            elif not settings.skip_unreadable:
                raise DataError(f"{item}; mend it, or skip such lines with skip_unreadable=true")


def sampled(documents: Iterable[Document], characters: int, longest: int) -> list[Document]:
    """Documents, cut to `longest` characters, in the order of a hash of their ids, until they hold `characters`.

    Which ones depends on no order of theirs, so every source has its share; no more than these are held in memory.
    """
    kept: list[tuple[int, str, Document]] = []  # a heap with the largest hash first
    held = 0
    for document in documents:
        document = shortened(document, longest)
        heapq.heappush(kept, (-text_key("sample", document.id), document.id, document))
        held += len(document.text)
        while held - len(kept[0][2].text) >= characters:
            held -= len(heapq.heappop(kept)[2].text)
    return [document for _, _, document in sorted(kept, key=lambda entry: (-entry[0], entry[1]))]


def shortened(document: Document, longest: int) -> Document:
    """The document, cut at its last blank within `longest` characters when it has more."""
    text = document.text
    if len(text) <= longest:
        return document
    blank = max(text.rfind(sign, 0, longest) for sign in " \n")
    return replace(document, text=text[: blank if blank > 0 else longest])
