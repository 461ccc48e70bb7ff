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
_CONTROLS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
)
_BREAKS = "\v\f\x1c-\x1e\x85\u2028\u2029"
_SPACES = "\t\x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_SURROGATES = "\ud800-\udfff"
_CONTROL, _BREAK, _SPACE, _SURROGATE = (re.compile(f"[{s}]") for s in (_CONTROLS, _BREAKS, _SPACES, _SURROGATES))
_UNCLEAN = re.compile(f"[{_CONTROLS}{_BREAKS}{_SPACES}{_SURROGATES}]")
_LINE_ENDS = re.compile(" \n ?|\n ")


def clean(text: str, settings: CorpusSettings) -> str:
    """The text as it is kept; lone surrogates, which no encoding can hold, become U+FFFD whatever the settings."""
    unclean = _UNCLEAN.search(text) is not None  # one scan, and for most texts the only one
    if unclean:
        text = _SURROGATE.sub("\ufffd", text)
    if unclean and settings.control_characters:
        text = _CONTROL.sub("", text)
    # After the controls: one between a letter and its accent would keep them apart.
    if settings.nfc and not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        unclean = True  # some spaces are composed to others
    return _tidied(text, unclean) if settings.whitespace else text


def _tidied(text: str, unclean: bool) -> str:
    # Looking for a string is ten times as fast as looking for a pattern, and most texts need few of these.
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if unclean:
        text = _SPACE.sub(" ", _BREAK.sub("\n", text))
    while "  " in text:
        text = text.replace("  ", " ")
    if " \n" in text or "\n " in text:
        text = _LINE_ENDS.sub("\n", text)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()
