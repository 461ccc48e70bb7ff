"""The text of a row whose blanks were filled: what was given stays as it was written, what was filled is decoded.

A tokenizer may change what it reads (case, spaces), so the text around the blanks is never decoded; and what a token
looks like depends on what stands before it (`##s`, a leading space), so a blank is what its tokens *add* to the row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unmask.generation.blanks import Blank

if TYPE_CHECKING:
    from unmask.tokens.tokenizer import Tokenizer

_INCOMPLETE = "\ufffd"  # bytes that are no character yet
_WIDE = "\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
_BETWEEN_WIDE = re.compile(f"(?<=[{_WIDE}]) +(?=[{_WIDE}])")


def added(tokenizer: Tokenizer, row: Sequence[int], start: int, end: int) -> str:
    """The characters that tokens [start, end) of a row add to those before them, blanks as the mask token.

    Bytes that do not make a character are left out. A space that the tokenizer itself puts between Chinese characters
    is taken out again.
    """
    before, after = (_decoded(tokenizer, row[:stop]) for stop in (start, end))
    text = after[len(before) :] if after.startswith(before) else _decoded(tokenizer, row[start:end])
    if not parts_characters(tokenizer):
        return text
    return _BETWEEN_WIDE.sub("", before[-1:] + text)[len(before[-1:]) :]


def written(
    tokenizer: Tokenizer, text: str, blanks: Sequence[Blank], row: Sequence[int], places: Sequence[Sequence[int]]
) -> tuple[str, list[tuple[int, int]]]:
    """A text with its blanks filled, and the characters [start, end) of each filling in it.

    `places` says which tokens of the row stand in each blank (`unmask.generation.blanks.row_of`).
    """
    whole, cursor, spans = "", 0, []
    for blank, inside in zip(blanks, places, strict=True):
        whole += text[cursor : blank.start]
        start, end = inside[0], inside[-1] + 1
        filling = added(tokenizer, row, start, end)
        filling = filling.lstrip(" ") if not whole or whole[-1].isspace() else filling
        spans.append((len(whole), len(whole) + len(filling)))
        whole, cursor = whole + filling, blank.end
        # Two words in the row are two words in the text, also where nothing stood between blank and text.
        apart = end < len(row) and added(tokenizer, row, end, end + 1).startswith(" ")
        whole += " " if apart and cursor < len(text) and not text[cursor].isspace() else ""
    return whole + text[cursor:], spans


def parts_characters(tokenizer: Tokenizer) -> bool:
    """Whether a tokenizer that reads Chinese characters writes them with spaces between them (WordPiece does)."""
    return " " in tokenizer.decode(tokenizer.encode(["中文"])[0].ids, keep_special=True).strip()


def _decoded(tokenizer: Tokenizer, row: Sequence[int]) -> str:
    frame = {tokenizer.cls_id, tokenizer.sep_id}
    return tokenizer.decode([token for token in row if token not in frame], keep_special=True).rstrip(_INCOMPLETE)
