"""Collecting: sources in, documents out, each under train, validation, or a reason why it was dropped.

    read       every part, in parallel: text -> clean text, its hash and its signature, spooled to disk
    decide     over all documents, from hashes alone: exact duplicates, near-duplicates, the split, what straddles it
    documents  stream from the spool

What is on disk under `work/FINGERPRINT` is finished or absent, so a run that was killed goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from unmask.corpus import deduplication, files, processes
from unmask.corpus.catalogue import Catalogue, Verdict
from unmask.corpus.documents import Document
from unmask.corpus.fingerprint import fingerprint_of
from unmask.corpus.overlap import ngram_overlap
from unmask.corpus.reading import Bundle, Tally, bundles, chunks_of, read_bundle
from unmask.corpus.report import CorpusReport
from unmask.corpus.settings import CorpusSettings
from unmask.corpus.sources import Part, Source, ignored, parts, standard_input
from unmask.corpus.splitting import ENOUGH_DOCUMENTS, ENOUGH_WORDS, Held, hold_out
from unmask.corpus.spool import Chunk
from unmask.errors import DataError, UnmaskError

Split = Literal["train", "validation"]

INDENTED = 1 / 3
"""With more indented lines than this share it is told that cleaning takes indentation away."""


@dataclass(frozen=True)
class CollectProgress:
    """How far it is. `stage` is "read" or "decide"; bytes are those of the sources as they are on disk."""

    stage: str
    bytes_done: int
    bytes_total: int


@dataclass(frozen=True)
class CollectedPart:
    """Some documents of one source, about 16 million characters: a unit of work for the next stage, and picklable."""

    name: str
    source: str
    weight: float
    chunk: Chunk
    verdicts: Path

    def documents(self, split: Split) -> Iterator[Document]:
        """The kept documents of one split, in corpus order; streams."""
        wanted = {"train": Verdict.TRAIN, "validation": Verdict.VALIDATION}[split]
        for verdict, (name, text) in zip(np.load(self.verdicts), self.chunk.documents(), strict=True):
            if verdict == wanted:
                yield Document(name, text, self.source)


@dataclass(frozen=True)
class Collected:
    """A corpus: its parts in order, the report, and a hash of everything it was made from."""

    parts: list[CollectedPart]
    report: CorpusReport
    fingerprint: str


def collect(
    sources: Sequence[Source],
    settings: CorpusSettings,
    work: Path,
    *,
    workers: int | None = None,
    progress: Callable[[CollectProgress], None] | None = None,
) -> Collected:
    """Read, clean, deduplicate and split the sources; `work` keeps the result, and what a killed run had finished.

    The result does not depend on `workers` (default: the cores). DataError and SettingError as the readers and the
    settings raise them; DataError when no text is left.
    """
    sources = [standard_input(source, work) if source.what == "-" else source for source in sources]
    found = parts(sources, settings)
    fingerprint = fingerprint_of(found, settings)
    told = progress or (lambda _: None)
    # Whole documents first; sections only where whole documents leave too little to hold out.
    collected, held = _collected(found, settings, work / fingerprint[:16] / "documents", 0, workers, told)
    if settings.validation_share and not held.enough:
        folder = work / fingerprint[:16] / "sections"
        collected, held = _collected(found, settings, folder, held.section_words, workers, told)
    report = replace(collected.report, ignored=_ignored(sources))
    if not report.documents_kept:
        lost = ", ".join(f"{count} {reason}" for reason, count in report.dropped.items()) or "the files are empty"
        raise DataError(f"{', '.join(source.what for source in sources)}: no text to train on ({lost}); add documents")
    return Collected(collected.parts, report, fingerprint)


def _collected(
    found: list[Part],
    settings: CorpusSettings,
    folder: Path,
    section_words: int,
    workers: int | None,
    progress: Callable[[CollectProgress], None],
) -> tuple[Collected, Held]:
    made = bundles(found)
    total = sum(bundle.size for bundle in made)
    read_all(made, folder, section_words, workers, lambda done: progress(CollectProgress("read", done, total)))
    progress(CollectProgress("decide", total, total))
    tally, collected = Tally(), []
    for bundle in made:
        own = Tally.load(folder / bundle.name / "tally.json")
        tally.add(own)
        for number, chunk in enumerate(chunks_of(folder / bundle.name, own)):
            name = f"{bundle.name}-{number:04d}"
            first = bundle.parts[0]
            collected.append(
                CollectedPart(name, first.tag, first.weight, chunk, chunk.stem.with_suffix(".verdicts.npy"))
            )
    catalogue = Catalogue([part.chunk for part in collected])
    held = decide(catalogue, settings)
    for number, part in enumerate(collected):
        np.save(part.verdicts, catalogue.of_chunk(number))
    report = _reported(catalogue, tally, held, settings, section_words)
    return Collected(collected, report, ""), held


def read_all(
    made: list[Bundle], folder: Path, section_words: int, workers: int | None, progress: Callable[[int], None]
) -> None:
    """Read the bundles that are not on disk yet, the largest first, so that no core waits long at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    left = [bundle for bundle in made if not (folder / bundle.name).exists()]
    before = sum(bundle.size for bundle in made) - sum(bundle.size for bundle in left)
    left.sort(key=lambda bundle: -bundle.size)
    task = partial(_read, folder=folder, section_words=section_words)
    for _ in processes.mapped(task, left, workers or processes.cores(), lambda done: progress(before + done)):
        pass


def _read(bundle: Bundle, folder: Path, section_words: int) -> None:
    last = files.Meter.read

    def advanced() -> None:
        nonlocal last
        processes.advance(files.Meter.read - last)
        last = files.Meter.read

    read_bundle(bundle, folder, section_words, advanced)


def decide(catalogue: Catalogue, settings: CorpusSettings) -> Held:
    """Give every document its verdict; returns how much is held out."""
    if settings.exact_duplicates:
        deduplication.drop_exact(catalogue)
    if settings.near_duplicates:
        deduplication.drop_near(catalogue, settings.near_duplicates)
    held = hold_out(catalogue, settings.validation_share)
    if held.documents:
        deduplication.drop_straddling(catalogue, min(settings.near_duplicates or 1, deduplication.STRADDLE))
    return held


def _reported(
    catalogue: Catalogue, tally: Tally, held: Held, settings: CorpusSettings, section_words: int
) -> CorpusReport:
    dropped = dict(sorted(tally.dropped.items()))
    for verdict in (v for v in Verdict if v > Verdict.VALIDATION):
        count = int((catalogue.verdicts == verdict).sum())
        dropped |= {verdict.name.lower(): count} if count else {}
    sizes = np.zeros(2, dtype=np.int64)
    for number, chunk in enumerate(catalogue.chunks):
        sizes += chunk.array("sizes")[catalogue.kept(number)].astype(np.int64).sum(axis=0)
    letters = max(1, tally.scripts.total())
    return CorpusReport(
        documents_in=tally.documents_in,
        documents_kept=int((catalogue.verdicts <= Verdict.VALIDATION).sum()),
        dropped=dropped,
        problems=tally.problems,
        characters=int(sizes[0]),
        words=int(sizes[1]),
        bytes_read=tally.bytes_read,
        encodings=dict(sorted(tally.encodings.items())),
        scripts={name: round(count / letters, 4) for name, count in tally.scripts.most_common()},
        validation_documents=held.documents,
        validation_words=held.words,
        validation_ngram_overlap=ngram_overlap(catalogue),
        notes=list(_notes(tally, held, settings, section_words)),
    )


def _notes(tally: Tally, held: Held, settings: CorpusSettings, section_words: int) -> Iterator[str]:
    share = held.documents / max(1, held.all_documents)
    other = {name: count for name, count in tally.encodings.items() if name != "utf-8"}
    if other:
        yield "not UTF-8, converted: " + ", ".join(f"{count} files in {name}" for name, count in sorted(other.items()))
    if settings.whitespace and tally.indented > INDENTED * tally.lines:
        yield (
            f"{tally.indented / tally.lines:.0%} of the lines were indented, as in source code, and cleaning took that "
            "away: corpus.whitespace=false keeps it"
        )
    if section_words:
        yield f"few documents: {tally.cut} were cut into sections of about {section_words} words, to hold some out"
    elif tally.cut:
        yield f"{tally.cut} very long documents were cut where a section, a paragraph or a sentence ends"
    if not settings.validation_share:
        yield "corpus.validation_share=0: nothing is held out, so nothing can be measured"
    elif not held.enough:
        wanted = f"{ENOUGH_DOCUMENTS} documents or {ENOUGH_WORDS:,} words"
        yield f"only {held.documents} documents ({held.words:,} words) are held out, not {wanted}: the corpus is small"
    elif share > 1.5 * settings.validation_share:
        yield f"{share:.1%} of the documents are held out instead of {settings.validation_share:.1%}, to have enough"
    if tally.dropped.get("unreadable_line"):
        yield f"{tally.dropped['unreadable_line']} unreadable lines were skipped"


def _ignored(sources: Sequence[Source]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for source in sources:
        for suffix, count in ignored(source).items():
            counts[suffix] = counts.get(suffix, 0) + count
    return dict(sorted(counts.items()))


def discard(work: Path) -> None:
    """Remove what `collect` left in `work`, when its documents are no longer needed."""
    try:
        shutil.rmtree(work)
    except OSError as error:
        raise UnmaskError(f"{work} cannot be removed: {error.strerror}; remove it by hand") from None
