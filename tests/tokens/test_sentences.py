"""Where sentences start, in English and Chinese."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.tokens.sentences import sentence_starts

TEXTS = st.text(st.sampled_from("abC1 .!?…。！？；”」\"'\n\u3000我Dr"), max_size=40)


@pytest.mark.parametrize(
    "marked",
    [
        "Dr. Wu paid $3.50. |He left.",
        "Is it? |Yes! |Well… |No.",
        "J. R. Smith met Mrs. Hall at 5 p.m. on Jan. 5. |It rained.",
        '"Why?" |She went. |(It was late.) |Nobody saw.',
        "See Fig. 3 and eq. 4, i.e. the rest. |Done.",
        "1. First item. |Second sentence.",
        "The U.S. Army came. |So did I. |We left.",
        "What did he say... nothing at all. |Right.",
        "他走了。|天黑了！|是吗？|一；|二",
        "他说：“好！”|然后走了。",
        '他走了。|"你好。"|他说。',
        "First line\n|second line\n|第三行",
        "版本3.5发布了。 |It works. |很好。",
    ],
)
def test_sentences_start_where_a_reader_would_say(marked):
    sentences = marked.split("|")
    assert sentence_starts("".join(sentences)) == [0, *accumulate(map(len, sentences[:-1]))]


def test_a_line_break_ends_a_sentence_whatever_stands_before_it():
    assert sentence_starts("A title\n\n  Dr.\nWu") == [0, 11, 15]


def test_a_blank_text_has_no_sentence():
    assert sentence_starts(" \n\t") == sentence_starts("") == []


@given(TEXTS)
def test_starts_ascend_begin_with_the_first_character_and_never_are_blank(text):
    starts = sentence_starts(text)
    assert starts == sorted(set(starts))
    assert all(not text[start].isspace() for start in starts)
    assert starts[:1] == ([len(text) - len(text.lstrip())] if text.strip() else [])


@given(TEXTS, TEXTS)
def test_sentences_of_a_line_do_not_depend_on_the_lines_around_it(first, second):
    shifted = [start + len(first) + 1 for start in sentence_starts(second)]
    assert sentence_starts(f"{first}\n{second}") == sentence_starts(first) + shifted
