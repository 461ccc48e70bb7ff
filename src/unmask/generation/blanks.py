"""Where the blanks of a text are, and the tokens of a text whose blanks hold masks or words.

A blank is written `[MASK]`, `<mask>`, `___` (three underscores or more) or with the model's own mask token; `[MASK:3]`
asks for three tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unmask.errors import DataError, SettingError

if TYPE_CHECKING:
    from unmask.models import Model

_FORMS = r"\[MASK(?::(?P<square>\d+))?\]|<mask(?::(?P<angle>\d+))?>|_{3,}"


@dataclass(frozen=True)
class Blank:
    """Characters [start, end) of a text, to be filled with `tokens` tokens (None: not said)."""

    start: int
    end: int
    tokens: int | None = None


def find_blanks(text: str, mask_token: str) -> list[Blank]:
    """The blanks of a text from left to right; SettingError when there is none or one asks for no token."""
    found = blanks_in(text, mask_token)
    if not found:
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise SettingError(f'no blank in "{shown}": write one as [MASK] or ___, as in "The ___ is blue."')
    return found


def blanks_in(text: str, mask_token: str) -> list[Blank]:
    """The same where a text may have none."""
    found = [
        Blank(match.start(), match.end(), None if said is None else int(said))
        for match in re.finditer(f"{_FORMS}|{re.escape(mask_token)}", text)
        for said in [match["square"] or match["angle"]]
    ]
    if any(blank.tokens == 0 for blank in found):
        raise SettingError("a blank of 0 tokens cannot be filled: write [MASK:2] for two")
    return found


def row_of(
    model: Model, text: str, blanks: Sequence[Blank], contents: Sequence[int | str]
) -> tuple[tuple[int, ...], list[list[int]]]:
    """The row of a text, [CLS] and [SEP] included, and the places of each blank in it.

    `contents` says what stands in each blank: a number of masks, or a word. The text between masks is tokenised as
    it stands, so that a word gets the tokens it has in its sentence (a leading space of byte-level BPE included).
    Raises DataError when the row is longer than the model's limit.
    """
    tokenizer = model.tokenizer
    tokens = [] if tokenizer.cls_id is None else [tokenizer.cls_id]
    places: list[list[int]] = [[] for _ in blanks]
    for stretch in _stretches(text, blanks, contents):
        encoded = tokenizer.encode_beside(stretch.text, behind=stretch.behind, before=bool(stretch.masks))
        for number, start, end in stretch.words:
            inside = (encoded.ends > start) & (encoded.starts < end)
            places[number] = [len(tokens) + int(index) for index in inside.nonzero()[0]]
        tokens += encoded.ids.tolist()
        for number, count in stretch.masks:
            places[number] = list(range(len(tokens), len(tokens) + count))
            tokens += [model.mask_id] * count
    tokens += [] if tokenizer.sep_id is None else [tokenizer.sep_id]
    if len(tokens) > model.row_limit:
        raise DataError(
            f"the text has {len(tokens)} tokens, the model reads {model.row_limit} at most: "
            "shorten the text or its blanks"
        )
    return tuple(tokens), places


@dataclass
class _Stretch:
    """Text up to the next mask, the words that stand in it for blanks (blank, start, end), and the masks after it."""

    text: str = ""
    behind: bool = False
    """whether it stands behind a mask"""
    words: list[tuple[int, int, int]] = field(default_factory=list)
    masks: tuple[tuple[int, int], ...] = ()
    """(blank, number of masks), at most one"""


def _stretches(text: str, blanks: Sequence[Blank], contents: Sequence[int | str]) -> Iterator[_Stretch]:
    stretch, cursor = _Stretch(), 0
    for number, (blank, content) in enumerate(zip(blanks, contents, strict=True)):
        stretch.text += text[cursor : blank.start]
        cursor = blank.end
        if isinstance(content, str):
            stretch.words.append((number, len(stretch.text), len(stretch.text) + len(content)))
            stretch.text += content
        else:
            stretch.masks = ((number, content),)
            yield stretch
            stretch = _Stretch(behind=True)
    stretch.text += text[cursor:]
    yield stretch
