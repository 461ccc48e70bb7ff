"""Reading: a bundle of parts becomes a folder of the spool. This is what worker processes do."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from unmask.corpus import files
from unmask.corpus.cleaning import clean
from unmask.corpus.documents import Document, Problem
from unmask.corpus.readers import READERS
from unmask.corpus.scripts import count_scripts
from unmask.corpus.sections import LONGEST, sections
from unmask.corpus.sources import Part
from unmask.corpus.spool import Chunk, SpoolWriter
from unmask.errors import DataError

PROBLEMS_NAMED = 20
BUNDLE_BYTES = 4 << 20
"""Small files are read together up to this size: few enough bundles for many files, enough of them for many cores."""


@dataclass
class Tally:
    """What was read: every document that went in is in the spool or under a reason in `dropped`."""

    documents_in: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    encodings: Counter[str] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    cut: int = 0
    chunks: int = 0
    lines: int = 0
    """ends of lines before cleaning, and how many of them an indented line follows"""
    indented: int = 0

    def save(self, path: Path) -> None:
        data = vars(self) | {"problems": [asdict(problem) for problem in self.problems]}
        path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Tally:
        data = json.loads(path.read_text(encoding="utf-8"))
        problems = [Problem(**problem) for problem in data.pop("problems")]
        counters = {name: Counter(data.pop(name)) for name in ("dropped", "encodings", "scripts")}
        return Tally(problems=problems, **counters, **data)

    def add(self, other: Tally) -> None:
        """Count the other's things as well."""
        for name in ("documents_in", "bytes_read", "cut", "chunks", "lines", "indented"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("dropped", "encodings", "scripts"):
            getattr(self, name).update(getattr(other, name))
        self.problems = (self.problems + other.problems)[:PROBLEMS_NAMED]


@dataclass(frozen=True)
class Bundle:
    """Parts of one source that are read together, so that many small files do not make many small chunks."""

    name: str
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


def bundles(parts: Sequence[Part]) -> list[Bundle]:
    """Neighbouring parts of one source, together up to `BUNDLE_BYTES`."""
    groups: list[list[Part]] = []
    held = 0
    for part in parts:
        if groups and groups[-1][-1].tag == part.tag and held + part.size <= BUNDLE_BYTES:
            groups[-1].append(part)
            held += part.size
        else:
            groups.append([part])
            held = part.size
    return [Bundle(f"{number:06d}", tuple(group)) for number, group in enumerate(groups)]


def read_bundle(bundle: Bundle, spool: Path, section_words: int, advanced: Callable[[], None]) -> Path:
    """Read, clean, hash and write a bundle; returns its folder. One that is there already is left as it is.

    `section_words` above 0 cuts long documents into sections of about so many words. `advanced` is called now and then.
    DataError at the first line that cannot be read, unless the settings allow to skip it.
    """
    folder = spool / bundle.name
    if folder.exists():
        return folder
    partial = spool / f"{bundle.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tally, writer = Tally(), SpoolWriter(partial)
    for part in bundle.parts:
        for name, text in _kept(part, tally, section_words):
            writer.add(name, text)
            advanced()
        advanced()
    writer.close()
    tally.chunks, tally.bytes_read = writer.chunks, bundle.size
    tally.save(partial / "tally.json")
    partial.rename(folder)
    return folder


def chunks_of(folder: Path, tally: Tally) -> list[Chunk]:
    """The chunks of a finished bundle."""
    return [Chunk(folder / f"{number:04d}") for number in range(tally.chunks)]


def _kept(part: Part, tally: Tally, section_words: int) -> Iterator[tuple[str, str]]:
    """(id, cleaned text) of the part's documents that are not too short; the tally counts the others."""
    for item in _items(part, tally):
        if isinstance(item, Problem):
            _refuse_or_count(item, part, tally)
            continue
        for name, text in _pieces(item, part, section_words, tally):
            tally.documents_in += 1
            if len(text) >= part.settings.minimum_characters:
                tally.scripts.update(count_scripts(text))
                yield name, text
            else:
                tally.dropped["too_short" if text else "empty"] += 1


def _items(part: Part, tally: Tally) -> Iterator[Document | Problem]:
    reader = READERS.load(part.reader)()
    with files.named_errors(part.path):
        if reader.textual and part.start == 0:
            tally.encodings[files.encoding_of(part.path, part.settings.encoding)] += 1
        yield from reader.read(part)


def _refuse_or_count(problem: Problem, part: Part, tally: Tally) -> None:
    if not part.settings.skip_unreadable:
        raise DataError(f"{problem}; mend it, or skip and count such lines with corpus.skip_unreadable=true")
    tally.documents_in += 1
    tally.dropped[problem.reason] += 1
    if len(tally.problems) < PROBLEMS_NAMED:
        tally.problems.append(problem)


def _pieces(document: Document, part: Part, section_words: int, tally: Tally) -> Iterator[tuple[str, str]]:
    """The document cleaned, whole or in sections; the first keeps its id, the others get #2, #3, ..."""
    text = clean(document.text, part.settings)
    tally.lines += document.text.count("\n")
    tally.indented += document.text.count("\n  ") + document.text.count("\n\t")
    size = section_characters(text, section_words) if section_words else LONGEST
    if len(text) <= size * 3 // 2:
        yield document.id, text
        return
    tally.cut += 1
    for number, piece in enumerate(sections(text, size), 1):
        yield f"{document.id}#{number}" if number > 1 else document.id, piece


def section_characters(text: str, words: int) -> int:
    """How many characters about `words` words of this text have; in Chinese a character is a word."""
    from unmask.corpus.shingles import units

    sample = text[:100_000]
    return max(1, len(sample) * words // max(1, len(units([sample]).hashes)))
