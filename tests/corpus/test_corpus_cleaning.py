"""Cleaning: two texts that look the same become the same, and cleaning twice changes nothing."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.corpus.cleaning import clean
from unmask.corpus.settings import CorpusSettings

ALL = CorpusSettings()
NONE = CorpusSettings(nfc=False, control_characters=False, whitespace=False)
# Any character, and, more often than chance would have them, those that cleaning is about.
TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("a e\u0301\u0327\t\n\r\x00\x0b\x0c\x1c\x85\xa0\xad\u1100\u1161\u200b\u2028\u3000\ufeff"),
    )
)
SETTINGS = st.builds(CorpusSettings, nfc=st.booleans(), control_characters=st.booleans(), whitespace=st.booleans())


@given(TEXTS, SETTINGS)
def test_cleaning_twice_changes_nothing(text: str, settings: CorpusSettings) -> None:
    once = clean(text, settings)
    assert clean(once, settings) == once


@given(TEXTS)
def test_clean_text_is_composed_and_single_spaced_and_without_controls(text: str) -> None:
    cleaned = clean(text, ALL)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert "\n\n\n" not in cleaned
    assert " \n" not in cleaned
    assert "\n " not in cleaned
    assert not [c for c in cleaned if unicodedata.category(c) == "Cc" and c != "\n"]


@given(TEXTS)
def test_only_spaces_change_when_only_whitespace_is_cleaned(text: str) -> None:
    cleaned = clean(text, replace(NONE, whitespace=True))
    assert "".join(cleaned.split()) == "".join(text.split()).translate(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))


@given(st.text())
def test_a_text_without_surrogates_stays_when_nothing_is_to_be_cleaned(text: str) -> None:
    assert clean(text, NONE) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("cafe\u0301", "café"),
        ("a\u00a0\u3000b", "a b"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("one\n \n\t\n\n two ", "one\n\ntwo"),
        ("nul\x00l and so\xadft", "null and soft"),
        ("e\u200b\u0301", "é"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("lone \ud800", "lone \ufffd"),
    ],
)
def test_examples(text: str, cleaned: str) -> None:
    assert clean(text, ALL) == cleaned
