"""Cleaning: what makes two texts that look the same be the same.

    clean("cafe\\u0301 \\u00a0 au\\r\\n\\r\\n\\r\\n\\r\\nlait\\x00", CorpusSettings())  -> "café au\\n\\nlait"

Cleaning twice changes nothing. Every pattern matches only what must change, so that clean text costs a scan.
"""

from __future__ import annotations

import re
import unicodedata

from unmask.corpus.settings import CorpusSettings

# Controls that are no line break, soft hyphens, zero-width spaces, direction marks, byte order marks, noncharacters.
# Zero-width joiners (U+200C, U+200D) stay: they carry meaning in Persian, in Indic scripts, and in emoji.
_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]+"
)
_CONTROL_ASCII = re.compile("[\x00-\x08\x0e-\x1b\x7f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAK = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_LINE_ENDS = re.compile(" \n ?|\n ")
_BLANK_LINES = re.compile("\n{3,}")


def clean(text: str, settings: CorpusSettings) -> str:
    """The text as it is kept; lone surrogates, which no encoding can hold, become U+FFFD whatever the settings."""
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    if settings.control_characters:
        text = (_CONTROL_ASCII if text.isascii() else _CONTROL).sub("", text)
    # After the controls: one between a letter and its accent would keep them apart.
    if settings.nfc and not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return _tidied(text) if settings.whitespace else text


def _tidied(text: str) -> str:
    text = _SPACES.sub(" ", _BREAK.sub("\n", text))
    return _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("\n", text)).strip()
