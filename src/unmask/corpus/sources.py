"""From what a person names to units of work: `Source.parse` reads the name, `parts` finds the files and cuts them.

wiki=texts/*.jsonl.zst@2.0        [TAG=]WHAT[@WEIGHT]
WHAT: a file, a folder (all below it, sorted), a glob, - (standard input), hf:NAME[:CONFIG], python-docs
"""

from __future__ import annotations

import glob
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from unmask.corpus import files
from unmask.corpus.readers import SUFFIXES
from unmask.corpus.settings import CorpusSettings
from unmask.errors import DataError, SettingError

PART_BYTES = 16 << 20
"""A large file that can be cut is cut into parts of about this many bytes."""

_TAG = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Source:
    """Where text comes from. `tag` names it in the store, `weight` is how often it is drawn relative to its size."""

    what: str
    tag: str = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.what:
            raise SettingError("a source is empty: name a file, a folder, a glob, -, hf:NAME, or python-docs")
        if not 0 < self.weight < float("inf"):
            raise SettingError(f"source {self.what}: weight {self.weight:g} cannot be used; a weight above 0 is needed")
        if not self.tag:
            object.__setattr__(self, "tag", _derived_tag(self.what))
        elif not _TAG.fullmatch(self.tag):
            raise SettingError(f"source tag '{self.tag}' cannot be used: letters, digits, dots, - and _ only")

    @staticmethod
    def parse(text: str) -> Source:
        """[TAG=]WHAT[@WEIGHT]; a path that exists is taken as it stands, whatever signs are in its name."""
        if Path(text).exists():
            return Source(text)
        tag, equals, rest = text.partition("=")
        if not equals or not _TAG.fullmatch(tag):
            tag, rest = "", text
        what, at, weight = rest.rpartition("@")
        if not at or Path(rest).exists() or not re.fullmatch(r"-?\d*\.?\d+(e-?\d+)?", weight):
            return Source(rest, tag)
        return Source(what, tag, float(weight))


@dataclass(frozen=True)
class Part:
    """A unit of reading that can be sent to another process: a file, or a range of one.

    `start`, `stop`: bytes of a text file, row groups of a parquet file; `first`: the number of the first line or row.
    `size`: bytes on disk, for the progress; `name` begins the ids of the documents.
    """

    reader: str
    path: str
    name: str
    tag: str
    weight: float
    settings: CorpusSettings
    start: int = 0
    stop: int | None = None
    first: int = 1
    size: int = 0

    def id_at(self, number: int) -> str:
        """The id of the document at a line or row."""
        return f"{self.name}:{number}"

    def place(self, number: int) -> str:
        """Where a line or row is, for a person."""
        return f"{self.path}:{number}"


def parts(sources: Sequence[Source], settings: CorpusSettings) -> list[Part]:
    """All units of work of the sources, in corpus order; the same whoever does the work.

    DataError when a source names nothing, or nothing that can be read; SettingError when sources contradict each other.
    """
    if not sources:
        raise SettingError("no source is given: name a file, a folder, a glob, -, hf:NAME, or python-docs")
    _refuse_contradictions(sources)
    found = [part for source in sources for whole in _whole(source, settings) for part in _ranges(whole)]
    return _with_unique_names(found)


def ignored(source: Source) -> dict[str, int]:
    """How many files of a folder no reader takes, by suffix."""
    counts: dict[str, int] = {}
    if Path(source.what).is_dir():
        for path in _visible(Path(source.what)):
            if _reader_of(path) is None:
                counts[path.suffix or path.name] = counts.get(path.suffix or path.name, 0) + 1
    return counts


def _derived_tag(what: str) -> str:
    if what == "-":
        return "stdin"
    if what.startswith("hf:"):
        name = what.split(":")[1].rstrip("/").split("/")[-1]
    else:
        plain = [piece for piece in Path(what).parts if not glob.has_magic(piece)]
        name = Path(*plain).resolve().name if plain else ""
        if not Path(what).is_dir() and len(plain) == len(Path(what).parts):
            name = name.split(".")[0] or name
    return re.sub(r"[^\w.-]+", "-", name).strip("-._") or "text"


def _refuse_contradictions(sources: Sequence[Source]) -> None:
    weights: dict[str, float] = {}
    for source in sources:
        if weights.setdefault(source.tag, source.weight) != source.weight:
            raise SettingError(
                f"source tag '{source.tag}' has two weights: give each its own tag, e.g. other={source.what}"
            )


def _whole(source: Source, settings: CorpusSettings) -> Iterator[Part]:
    """The files of a source, uncut."""
    if source.what == "python-docs":
        from unmask.corpus.readers.python_docs import packages

        for path, name, size in packages():
            yield Part("python_docs", path, f"{source.tag}/{name}", source.tag, source.weight, settings, size=size)
    elif source.what.startswith("hf:"):
        from unmask.corpus.readers.hub import require_datasets

        require_datasets()
        yield Part("hub", source.what.removeprefix("hf:"), source.tag, source.tag, source.weight, settings)
    else:
        for path, name, reader in _files(source):
            size = path.stat().st_size
            yield Part(reader, str(path), f"{source.tag}/{name}", source.tag, source.weight, settings, size=size)


def _files(source: Source) -> Iterator[tuple[Path, str, str]]:
    """(path, name below the source, reader) of every file a source names."""
    path = Path(source.what)
    if path.is_dir():
        known = [(file, _reader_of(file)) for file in _visible(path)]
        chosen = [(file, file.relative_to(path).as_posix(), reader) for file, reader in known if reader]
        if not chosen:
            raise DataError(f"{path}: no file to read in this folder; {', '.join(SUFFIXES)} are known, also compressed")
        yield from chosen
    elif path.is_file():
        yield path, path.name, _reader_of(path) or "txt"
    elif glob.has_magic(source.what):
        found = sorted(Path(name) for name in glob.glob(source.what, recursive=True) if Path(name).is_file())
        if not found:
            raise DataError(f"{source.what}: no file matches; put a pattern in quotes and check its folder")
        fixed = Path(*_fixed(Path(source.what).parts))
        for file in found:
            yield file, file.relative_to(fixed).as_posix(), _reader_of(file) or "txt"
    else:
        raise DataError(f"{source.what}: no such file or folder{_nearest(path)}")


def _fixed(pieces: tuple[str, ...]) -> tuple[str, ...]:
    count = next(number for number, piece in enumerate(pieces) if glob.has_magic(piece))
    return pieces[:count]


def _nearest(path: Path) -> str:
    import difflib

    names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean '{path.parent / near[0]}'?" if near else "; check the path"


def _visible(folder: Path) -> Iterator[Path]:
    """Every file below a folder but the hidden ones, in a fixed order."""
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts):
        if path.is_file() and not any(piece.startswith(".") for piece in path.relative_to(folder).parts):
            yield path


def _reader_of(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in files.COMPRESSIONS:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def _ranges(whole: Part) -> Iterator[Part]:
    """A part, or the parts of one that is large and can be cut."""
    if whole.reader == "parquet":
        from unmask.corpus.readers.parquet import row_group_ranges

        with files.named_errors(whole.path):
            ranges = list(row_group_ranges(whole.path, PART_BYTES))
        for start, stop, first, size in ranges:
            yield replace(whole, start=start, stop=stop, first=first, size=size)
    elif whole.size >= 2 * PART_BYTES and _by_line(whole) and not files.compression(whole.path):
        if files.encoding_of(whole.path, whole.settings.encoding) == "utf-8":
            yield from _line_ranges(
                whole, paragraphs=whole.settings.documents == "paragraphs" and whole.reader == "txt"
            )
        else:
            yield whole
    else:
        yield whole


def _by_line(part: Part) -> bool:
    return part.reader == "jsonl" or (part.reader == "txt" and part.settings.documents != "file")


def _line_ranges(whole: Part, paragraphs: bool) -> Iterator[Part]:
    """Cut a file at line starts (after blank lines where documents are paragraphs), and count the lines before."""
    start, first = 0, 1
    with open(whole.path, "rb") as file:
        while start < whole.size:
            stop = min(_cut(file, start + PART_BYTES, paragraphs), whole.size)
            yield replace(whole, start=start, stop=stop, first=first, size=stop - start)
            first += _count_lines(file, start, stop)
            start = stop


def _cut(file: BinaryIO, position: int, paragraphs: bool) -> int:
    """The start of the first line, or paragraph, after a position; the end of the file when none follows."""
    file.seek(position)
    file.readline()  # what is left of the line that the position falls into
    if paragraphs:
        while (line := file.readline()) and line.strip():
            pass
    return file.tell()


def _count_lines(file: BinaryIO, start: int, stop: int) -> int:
    file.seek(start)
    count = 0
    while block := file.read(min(1 << 20, stop - start)):
        count += block.count(b"\n")
        start += len(block)
    return count


def _with_unique_names(found: list[Part]) -> list[Part]:
    """Two files of one name under one tag would give equal document ids: later ones get ~2, ~3, ..."""
    paths: dict[str, list[str]] = {}
    for number, part in enumerate(found):
        seen = paths.setdefault(part.name, [])
        if part.path not in seen:
            seen.append(part.path)
        elif part.start == 0 and part.reader != "parquet":
            raise SettingError(f"{part.path} is named by two sources: name it once")
        if seen.index(part.path):
            found[number] = replace(part, name=f"{part.name}~{seen.index(part.path) + 1}")
    return found


def standard_input(source: Source, folder: Path) -> Source:
    """Standard input as a file in `folder`, so that several processes, and a second run, can read it."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "stdin.partial"
    with partial.open("wb") as file:
        while block := sys.stdin.buffer.read(1 << 20):
            file.write(block)
    with partial.open("rb") as file:
        suffix = ".jsonl" if file.read(256).lstrip().startswith(b"{") else ".txt"
    path = folder / f"stdin{suffix}"
    partial.replace(path)
    return replace(source, what=str(path))
