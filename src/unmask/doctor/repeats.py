"""Documents and lines that come again and again: a model recites them, and held-out text is no longer held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from unmask.doctor.diagnosis import Finding

LINE_CHARACTERS = 20
"""Shorter lines (braces, headings, "Yes.") repeat in any text."""
NOTED, HARMFUL = 0.02, 0.2
"""Shares of copies from which a note, and a warning, is given."""
SHOWN = 3


@dataclass(frozen=True)
class Repeats:
    """`document_share`: copies among the documents; `line_share`: characters in lines that stood in the text before,
    among those of all long lines; `lines`: the most repeated ones with how often they occur."""

    document_share: float
    line_share: float
    lines: tuple[tuple[str, int], ...]


def repeats(texts: Iterable[str]) -> Repeats:
    """Count copies of whole texts, and of their lines of at least 20 characters."""
    count, documents, lines = 0, set(), Counter()
    for text in texts:
        count += 1
        documents.add(hash(text))
        lines.update(line for line in map(str.strip, text.splitlines()) if len(line) >= LINE_CHARACTERS)
    characters = sum(len(line) * times for line, times in lines.items())
    copied = sum(len(line) * (times - 1) for line, times in lines.items())
    most = tuple((line, times) for line, times in lines.most_common(SHOWN) if times > 1)
    return Repeats(1 - len(documents) / count if count else 0.0, copied / characters if characters else 0.0, most)


def findings(found: Repeats, where: str, mend: str) -> list[Finding]:
    """The shares of copied documents and lines, judged."""
    named = "; ".join(f'"{line[:50]}" {times} times' for line, times in found.lines)
    lines = f"{found.line_share:.1%} of the text in {where} is lines that stood there before"
    return [
        _judged(found.document_share, f"{found.document_share:.1%} of {where} are copies of others", "", mend),
        _judged(found.line_share, lines, f" (most: {named})" if named else "", mend),
    ]


def _judged(share: float, what: str, examples: str, mend: str) -> Finding:
    if share < NOTED:
        return Finding("ok", what)
    return Finding("warning" if share >= HARMFUL else "note", what + examples, mend)
