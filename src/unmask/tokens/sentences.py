"""Where sentences start, in English and Chinese, mixed as they may be.

    sentence_starts("Dr. Wu paid $3.50. He left.")   -> [0, 19]
    sentence_starts("他说：“好！”然后走了。天黑了。")     -> [0, 7, 12]

A line break always ends a sentence. So do 。！？； with the quotes and brackets that close behind them, and . ! ? …
before a blank, unless the word before the dot is an abbreviation, an initial or the number of an item, or the text goes
on in lower case.
"""

from __future__ import annotations

import re

_CLOSING = "”’」』）】》〉〕"
_END = re.compile(
    rf"(?P<chinese>[。！？；｡][。！？；｡…]*[{_CLOSING}\"']*)"
    rf"|(?P<english>[.!?…][.!?…]*[\"'{_CLOSING})\]}}»]*)(?=[^\S\n\r])"
    r"|(?P<line>[\n\r\u2028\u2029]+)"
)
_NEXT = re.compile(r"\S")
_LAST_WORD = re.compile(r"[\w.&'’-]*$")

# Lower case; words that are usually followed by a name, a number or more of the sentence.
_ABBREVIATIONS = frozenset(
    """mr mrs ms dr prof st sr jr rev hon gen col maj capt cmdr lt sgt sen rep gov pres messrs mme mlle
    vs cf eg ie viz al approx ca resp incl esp ed eds trans vol vols no nos fig figs eq eqs sec secs ch chap pp pt art
    ref refs tab dept univ inst assn bros inc ltd co corp mt ft ave blvd rd
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri""".split()  # noqa: SIM905
)


def sentence_starts(text: str) -> list[int]:
    """Offsets in characters of the first character of each sentence, ascending; empty for a text of blanks."""
    first = _NEXT.search(text)
    if first is None:
        return []
    starts = [first.start()]
    for end in _END.finditer(text, first.start()):
        after = _after(text, end, starts[-1])
        if starts[-1] < after < len(text):
            starts.append(after)
    return starts


def _after(text: str, end: re.Match[str], start: int) -> int:
    """The offset of the sentence that begins behind this end, or -1 where the sentence goes on."""
    stop = end.end()
    if end.lastgroup == "chinese":
        stop = _without_opening_quote(text, start, end)
    following = _NEXT.search(text, stop)
    if following is None:
        return -1
    if end.lastgroup == "english" and _goes_on(text, start, end, following.group()):
        return -1
    return following.start()


def _without_opening_quote(text: str, start: int, end: re.Match[str]) -> int:
    """Straight quotes look alike: behind 。 one that closes nothing opened in this sentence opens the next."""
    closing = end.group().rstrip("\"'")
    for offset in range(end.start() + len(closing), end.end()):
        if text.count(text[offset], start, offset) % 2 == 0:
            return offset
    return end.end()


def _goes_on(text: str, start: int, end: re.Match[str], following: str) -> bool:
    if following.islower():
        return True
    if end.group() != ".":
        return False
    word = _LAST_WORD.search(text, max(start, end.start() - 40), end.start())
    before = word.group() if word else ""
    initial = len(before) == 1 and before.isalpha() and before.isascii() and before != "I"
    acronym = "." in before and all(len(part) <= 1 for part in before.split("."))
    item = before.isdigit() and end.start() - len(before) == start
    return initial or acronym or item or before.lower().replace(".", "") in _ABBREVIATIONS
