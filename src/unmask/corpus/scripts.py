"""Which scripts a text is written in, told from a sample of its letters."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

_STEP = 61
_RANGES = (
    ("latin", 0x41, 0x24F), ("greek", 0x370, 0x3FF), ("cyrillic", 0x400, 0x52F), ("hebrew", 0x590, 0x5FF),
    ("arabic", 0x600, 0x6FF), ("devanagari", 0x900, 0x97F), ("bengali", 0x980, 0x9FF), ("thai", 0xE00, 0xE7F),
    ("latin", 0x1E00, 0x1EFF), ("kana", 0x3040, 0x30FF), ("han", 0x3400, 0x9FFF), ("hangul", 0xAC00, 0xD7AF),
    ("han", 0xF900, 0xFAFF), ("han", 0x20000, 0x3FFFF),
)  # fmt: skip


def count_scripts(text: str) -> Counter[str]:
    """Letters of each script among every 61st character of the text, "other" for the rest."""
    found: Counter[str] = Counter()
    for character in text[::_STEP]:
        if character.isalpha():
            found[_script(character)] += 1
    return found


@lru_cache(maxsize=65536)
def _script(character: str) -> str:
    point = ord(character)
    return next((name for name, first, last in _RANGES if first <= point <= last), "other")
