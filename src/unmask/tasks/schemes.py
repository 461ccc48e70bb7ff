"""Tags that say where entities begin and end: IOB1, BIO (IOB2), BIOES and its kin, read and converted.

    to_bio(["I-PER", "I-PER", "O", "I-LOC"])   -> ["B-PER", "I-PER", "O", "B-LOC"]
    entities(["B-PER", "I-PER", "O"])          -> [Entity("PER", 0, 2)]

Where an entity begins and ends in tags that break the rules is what conlleval says (Sang and De Meulder 2003), and
seqeval after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

OUTSIDE = "O"
_TAG = re.compile(r"([BIESMLU])-(.+)$")
# The letters of BMES, BILOU and BIOES for one thing.
_LETTERS = {"M": "I", "L": "E", "U": "S"}


class Entity(NamedTuple):
    """A type and the tags [start, stop) that it covers."""

    label: str
    start: int
    stop: int


def is_of_entities(tags: Iterable[str]) -> bool:
    """Whether tags are O and letters with types, such as B-PER; part-of-speech tags are not."""
    found = set(tags)
    return bool(found - {OUTSIDE}) and all(tag == OUTSIDE or _TAG.match(tag) for tag in found)


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of one text's tags, in order, in whatever of the schemes they are."""
    found: list[Entity] = []
    before, kind, start = OUTSIDE, "", 0
    for number, tag in enumerate([*tags, OUTSIDE]):
        letter, label = _parts(tag)
        if before != OUTSIDE and _ends(before, kind, letter, label):
            found.append(Entity(kind, start, number))
        if letter != OUTSIDE and _begins(before, kind, letter, label):
            start = number
        before, kind = letter, label
    return found


def to_bio(tags: Sequence[str]) -> list[str]:
    """The same entities in BIO: every one begins with B-."""
    return of_entities(entities(tags), len(tags))


def of_entities(found: Iterable[Entity], count: int) -> list[str]:
    """BIO tags (count) of entities that do not overlap."""
    tags = [OUTSIDE] * count
    for label, start, stop in found:
        tags[start:stop] = [f"B-{label}"] + [f"I-{label}"] * (stop - start - 1)
    return tags


def _parts(tag: str) -> tuple[str, str]:
    found = _TAG.match(tag)
    if found is None:
        return OUTSIDE, ""
    return _LETTERS.get(found[1], found[1]), found[2]


def _ends(before: str, kind: str, letter: str, label: str) -> bool:
    """Whether an entity ends between a tag that is inside of one and the next tag."""
    return before in "ES" or letter in "BSO" or kind != label


def _begins(before: str, kind: str, letter: str, label: str) -> bool:
    """Whether an entity begins at a tag that is inside of one."""
    return before == OUTSIDE or letter in "BS" or before in "ES" or kind != label
