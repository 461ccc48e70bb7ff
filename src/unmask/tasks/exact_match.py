"""Exact match and F1 of answers, by the rules of the official scripts.

| rules | of | words, in lower case without punctuation | F1 of |
|---|---|---|---|
| squad | SQuAD 2.0 (Rajpurkar et al. 2018), evaluate-v2.0.py | what blanks part, without articles | shared words |
| cmrc | CMRC 2018 (Cui et al. 2019), cmrc2018_evaluate.py | Han characters, the rest by NLTK | the longest run |

An answer counts as the best that it is by any of the gold ones. Figures are from 0 to 1.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

RULES = ("squad", "cmrc")

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_HAN = re.compile(r"[\u4e00-\u9fa5]")
# As the script has them; it also names ……, which no character equals.
_CHINESE_PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def scored(answer: str, golds: Sequence[str], rules: str) -> tuple[float, float]:
    """Exact match and F1 of an answer ("": that there is none) by the gold ones; none of these: there is no answer."""
    if not golds:
        return float(not answer), float(not answer)
    return _squad(answer, golds) if rules == "squad" else _cmrc(answer, golds)


# ---------------------------------------------------------------- SQuAD


def normalised(text: str) -> str:
    """Lower case, without punctuation, articles and needless blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _squad(answer: str, golds: Sequence[str]) -> tuple[float, float]:
    # A gold answer of which nothing is left does not count; where none is left, no answer is the right one.
    kept = [text for gold in golds if (text := normalised(gold))] or [""]
    said = normalised(answer)
    return max(float(said == gold) for gold in kept), max(_shared(said.split(), gold.split()) for gold in kept)


def _shared(said: Sequence[str], gold: Sequence[str]) -> float:
    """The F1 of words that two answers share; where one has no words, whether both have none."""
    if not said or not gold:
        return float(said == gold)
    return _f1((Counter(said) & Counter(gold)).total(), len(said), len(gold))


# ---------------------------------------------------------------- CMRC


def segmented(text: str) -> list[str]:
    """Lower case, without punctuation: each Han character alone, what is between them by NLTK's tokenizer. (Each such
    run is taken for one sentence: NLTK's sentence splitter wants a download.)"""
    parts, run = [], ""
    for character in _without_punctuation(text):
        if _HAN.match(character):
            parts += [*_latin(run), character]
            run = ""
        else:
            run += character
    return parts + _latin(run)


def _without_punctuation(text: str) -> str:
    return "".join(character for character in text.lower().strip() if character not in _CHINESE_PUNCTUATION)


def _latin(run: str) -> list[str]:
    return _nltk().tokenize(run) if run else []


@lru_cache(maxsize=1)
def _nltk() -> Any:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


def _cmrc(answer: str, golds: Sequence[str]) -> tuple[float, float]:
    said, parts = _without_punctuation(answer), segmented(answer)
    exact = max(float(said == _without_punctuation(gold)) for gold in golds)
    return exact, max(_in_a_row(parts, segmented(gold)) for gold in golds)


def _in_a_row(said: Sequence[str], gold: Sequence[str]) -> float:
    return _f1(longest_run(said, gold), len(said), len(gold))


def longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    """How long the longest run of parts is that two sequences share. (The script calls it their longest common
    subsequence; it counts parts that follow each other alone.)"""
    longest, before = 0, [0] * (len(other) + 1)
    for part in one:
        now = [0] * (len(other) + 1)
        for at, theirs in enumerate(other):
            if part == theirs:
                now[at + 1] = before[at] + 1
        longest, before = max(longest, *now), now
    return longest


def _f1(same: int, said: int, gold: int) -> float:
    return 0.0 if same == 0 else 2 * same / (said + gold)
