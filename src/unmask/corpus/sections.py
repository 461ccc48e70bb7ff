"""Cutting a long text where a reader would: before a heading, at a blank line, a line, a sentence, a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

LONGEST = 2_000_000
"""Characters; a longer document becomes several, so that no document decides how much memory is needed."""

_HEADING = re.compile(
    r"\n\s*(?=#{1,6} \S|=[^\n]+=[ \t]*\n|(?:chapter|part|book|section) [\divxlc]+\b|第.{1,6}[章回节])", re.I
)
_MARKS = ("\n\n", "\n", ". ", "。", "! ", "? ", " ")


def sections(text: str, size: int) -> list[str]:
    """The text in pieces of about `size` characters (half to one and a half), none of them empty; nothing is lost."""
    found, start = [], 0
    while len(text) - start > size * 3 // 2:
        stop = _cut(text, start + max(1, size // 2), start + size)
        found.append(text[start:stop])
        start = stop
    found.append(text[start:])
    return [piece for piece in (piece.strip("\n ") for piece in found) if piece]


def streamed(blocks: Iterable[str], size: int = LONGEST) -> Iterator[str]:
    """The concatenation of blocks in pieces of at most one and a half times `size`, holding two pieces at a time."""
    held: list[str] = []
    length = 0
    for block in blocks:
        held.append(block)
        length += len(block)
        if length > 2 * size:
            text = "".join(held)
            stop = _cut(text, size // 2, size)
            yield text[:stop]
            held, length = [text[stop:]], len(text) - stop
    yield from sections("".join(held), size) if length > size * 3 // 2 else ["".join(held)]


def _cut(text: str, low: int, high: int) -> int:
    """The best place to cut in text[low:high]: the last heading, or else the last of the first mark that occurs."""
    headings = [match.start() for match in _HEADING.finditer(text, low, high)]
    if headings:
        return headings[-1] + 1
    for mark in _MARKS:
        place = text.rfind(mark, low, high)
        if place >= 0:
            return place + len(mark)
    return high
