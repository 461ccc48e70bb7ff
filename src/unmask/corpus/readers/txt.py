"""Plain text: a document is a file, a paragraph, or a line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from unmask.corpus import files
from unmask.corpus.documents import Document, Problem
from unmask.corpus.sections import streamed
from unmask.corpus.sources import Part


class TextReader:
    """.txt and whatever else is named and is text. Ids are name:LINE, or the name where a file is a document."""

    textual = True

    def read(self, part: Part) -> Iterator[Document | Problem]:
        """The documents of the part; a line, or a paragraph, that is not in the file's encoding is a problem."""
        encoding = files.encoding_of(part.path, part.settings.encoding)
        if part.settings.documents == "file":
            return _file(part, encoding)
        numbered = enumerate(files.lines(part.path, encoding, part.start, part.stop), part.first)
        grouped = ([(number, line)] for number, line in numbered)
        return _documents(part, grouped if part.settings.documents == "lines" else _paragraphs(numbered))


def _file(part: Part, encoding: str) -> Iterator[Document]:
    """One document, or several where the file is longer than a document may be."""
    for number, piece in enumerate(streamed(_blocks(part.path, encoding))):
        yield Document(f"{part.name}#{number + 1}" if number else part.name, piece, part.tag)


def _blocks(path: str, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with files.open_utf8(path, encoding) as stream:
        while block := stream.read(1 << 20):
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)


def _paragraphs(numbered: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    held: list[tuple[int, bytes]] = []
    for number, line in numbered:
        if line.strip():
            held.append((number, line))
        elif held:
            yield held
            held = []
    if held:
        yield held


def _documents(part: Part, grouped: Iterator[list[tuple[int, bytes]]]) -> Iterator[Document | Problem]:
    for group in grouped:
        number = group[0][0]
        try:
            text = b"\n".join(line for _, line in group).decode("utf-8")
        except UnicodeDecodeError as error:
            detail = f"not UTF-8 ({error.reason}); if all of it is in another encoding, name it: corpus.encoding=cp1252"
            yield Problem(part.place(number), "unreadable_line", detail)
        else:
            yield Document(part.id_at(number), text, part.tag)
