"""What a word is, checked against a reading of the rules that goes character by character."""

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import MissingExtra, SettingError
from unmask.tokens import words
from unmask.tokens.words import segmenter, word_spans, word_starts

MIXED = st.text(st.sampled_from("aB1é'’ .,\n\t我爱京ひカ한\u0301\u200d\u00ad👍_½٣न\u093f"), max_size=30)


def split(text: str, by: str | None = None) -> list[str]:
    return [text[start:end] for start, end in word_spans(text, segmenter(by))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's 3 o'clock.", ["It's", "3", "o'clock", "."]),
        ("'tis the dogs' don’t", ["'", "tis", "the", "dogs", "'", "don’t"]),
        ("a''b", ["a", "'", "'", "b"]),
        ("$3.50 (half)", ["$", "3", ".", "50", "(", "half", ")"]),
        ("snake_case", ["snake", "_", "case"]),
        ("我爱北京abc。", ["我", "爱", "北", "京", "abc", "。"]),
        ("カタカナ 한국어", ["カタカナ", "한국어"]),
        ("नमस्ते", ["नमस्ते"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("\u4e00\u0301\u4e8c", ["\u4e00\u0301", "\u4e8c"]),
        ("می\u200cخواهم co\u00adop", ["می\u200cخواهم", "co\u00adop"]),
        (" \n\t\u200b", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_single_symbols_and_han_characters(text, expected):
    assert split(text) == expected


def test_a_segmenter_divides_runs_of_han_characters_and_nothing_else():
    assert split("我爱北京天安门。It's 北京", "jieba") == ["我", "爱", "北京", "天安门", "。", "It's", "北京"]


def test_a_segmenter_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    words.jieba_segmenter.cache_clear()
    with pytest.raises(
        MissingExtra, match=r"jieba is needed to find Chinese word boundaries: pip install 'unmask\[chinese\]'"
    ):
        segmenter("jieba")


def test_an_unknown_segmenter_is_answered_with_the_nearest():
    with pytest.raises(SettingError, match=r"unknown segmenter 'jiba'; did you mean 'jieba'\?"):
        segmenter("jiba")


@given(MIXED | st.text(max_size=30))
def test_every_word_is_what_the_rules_say_read_one_character_at_a_time(text):
    assert split(text) == by_character(text)


@given(MIXED)
def test_words_do_not_overlap_and_leave_out_only_blanks(text):
    spans = word_spans(text)
    assert spans.dtype == np.int32
    assert (spans[:, 0] < spans[:, 1]).all()
    assert (spans[1:, 0] >= spans[:-1, 1]).all()
    left = "".join(text[a:b] for a, b in zip([0, *spans[:, 1]], [*spans[:, 0], len(text)], strict=True))
    assert all(c.isspace() or unicodedata.category(c) in ("Cf", "Mn", "Cc") for c in left)


@given(MIXED, MIXED)
def test_words_of_a_line_do_not_depend_on_the_lines_around_it(first, second):
    apart = np.concatenate([word_starts(first), [False], word_starts(second)])
    assert (word_starts(f"{first}\n{second}") == apart).all()


def by_character(text: str) -> list[str]:
    """The rules once more: a mark goes with its base; a joiner between two letters is a letter."""
    clusters: list[str] = []
    for c in text:
        if clusters and unicodedata.category(c)[0] == "M" and kind(clusters[-1]) != "blank":
            clusters[-1] += c
        else:
            clusters.append(c)
    kinds = [kind(cluster) for cluster in clusters]
    for i in range(1, len(clusters) - 1):
        if clusters[i] in list("'’＇\u00ad\u200c\u200d\u2060") and kinds[i - 1] == "letter" == kind(clusters[i + 1]):
            kinds[i] = "joiner"
    found: list[str] = []
    before = "blank"
    for cluster, what in zip(clusters, kinds, strict=True):
        what = "letter" if what == "joiner" else what
        if what == "letter" == before:
            found[-1] += cluster
        elif what != "blank":
            found.append(cluster)
        before = what
    return found


def kind(cluster: str) -> str:
    first = cluster[0]
    if any(a <= ord(first) <= b for a, b in words._HAN_RANGES):
        return "han"
    category = unicodedata.category(first)
    if category[0] in "LNM":
        return "letter"
    return "blank" if category[0] == "Z" or category in ("Cc", "Cf") else "symbol"
