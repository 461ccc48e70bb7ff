"""Exact match and F1 are those of the official scripts: SQuAD 2.0's and CMRC 2018's."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.tasks.exact_match import longest_run, normalised, scored, segmented

PARTS = ["the", "The", "a", "an", "Paris", "paris.", "in", "1,000", "theatre", "-", "U.S.", "ünder", "北京"]
WORDS = st.lists(st.sampled_from(PARTS), max_size=6).map(" ".join)
HAN = st.text("北京大学，。x1 ", min_size=1, max_size=10)


def by_the_book(said, golds):
    """SQuAD's rules once more, with words as lists: what a reader of the paper would write."""

    def words(text):
        kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
        return [word for word in re.sub(r"\b(a|an|the)\b", " ", kept).split()]

    def f1(one, other):
        if not one or not other:
            return float(one == other)
        left, shared = list(other), 0
        for word in one:
            if word in left:
                left.remove(word)
                shared += 1
        if not shared:
            return 0.0
        precision, recall = shared / len(one), shared / len(other)
        return 2 * precision * recall / (precision + recall)

    told = [words(gold) for gold in golds if words(gold)] or [[]]
    exact = any(" ".join(words(said)) == " ".join(gold) for gold in told)
    return float(exact), max(f1(words(said), gold) for gold in told)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
def test_squad_figures_are_those_of_its_rules(said, golds):
    exact, f1 = scored(said, golds, "squad")
    wanted = by_the_book(said, golds)
    assert exact == wanted[0]
    assert f1 == pytest.approx(wanted[1])
    assert exact <= f1 <= 1


@pytest.mark.parametrize(
    ("said", "golds", "exact", "f1"),
    [
        ("the Eiffel Tower", ["Eiffel Tower"], 1, 1),
        ("Eiffel Tower!", ["“Eiffel Tower”"], 0, 0),  # other quotes than ASCII's are letters to the script
        ("a theatre", ["The theatre."], 1, 1),
        ("U.S.", ["us"], 1, 1),
        ("in 1999", ["1999", "the year 1999"], 0, 2 / 3),
        ("year of the cat", ["the year of the dog", "cat"], 0, 2 / 3),
        ("cat cat", ["cat"], 0, 2 / 3),
        ("Paris", [], 0, 0),
        ("", [], 1, 1),
        ("", ["Paris"], 0, 0),
        ("the", ["Paris"], 0, 0),
        ("", ["The"], 1, 1),  # nothing is left of the gold answer
    ],
)
def test_hand_made_cases_of_squad(said, golds, exact, f1):
    assert scored(said, golds, "squad") == (exact, pytest.approx(f1))


def test_what_is_no_letter_and_no_article_is_taken_away():
    assert normalised("The  quick-brown fox, (an) animal\n of a theatre") == "quickbrown fox animal of theatre"


@pytest.mark.parametrize(
    ("said", "golds", "exact", "f1"),
    [
        ("北京大学", ["北京大学"], 1, 1),
        ("北京大学。", ["“北京大学”"], 1, 1),
        ("北京", ["北京大学"], 0, 2 * 1 * 0.5 / 1.5),
        ("在北京大学里", ["北京大学"], 0, 2 * 4 / (6 + 4)),
        ("北大京学", ["北京大学"], 0, 0.25),  # one character in a row is shared, though a subsequence has three
        ("4分钟", ["5分钟", "4 分钟"], 0, 1),  # the blank counts for the exact match alone
        ("Nexon公司", ["nexon"], 0, 2 * 1 / (3 + 1)),
        ("iPhone 4", ["iPhone 4S"], 0, 0.5),
        ("上海", ["北京"], 0, 0),
        ("", ["北京"], 0, 0),
        ("", [], 1, 1),
    ],
)
def test_hand_made_cases_of_cmrc(said, golds, exact, f1):
    assert scored(said, golds, "cmrc") == (exact, pytest.approx(f1))


def test_han_characters_are_words_and_the_rest_is_as_nltk_has_it():
    assert segmented("由Nexon's 3.5版（2018）发行") == ["由", "nexon", "'s", "3.5", "版", "2018", "发", "行"]


@given(st.text("北京大学ab", max_size=12), st.text("北京大学ab", max_size=12))
def test_the_longest_run_is_the_longest_text_that_both_hold(one, other):
    runs = [one[i:j] for i in range(len(one)) for j in range(i, len(one) + 1)]
    assert longest_run(one, other) == max((len(run) for run in runs if run in other), default=0)


@given(HAN, st.lists(HAN, min_size=1, max_size=3))
def test_cmrc_figures_are_shares_and_best_for_the_answer_itself(said, golds):
    exact, f1 = scored(said, golds, "cmrc")
    assert 0 <= f1 <= 1
    assert exact in (0, 1)
    if segmented(said):
        assert scored(said, [*golds, said], "cmrc") == (1, pytest.approx(1))
