"""Metrics: the figures by hand, and that sums of parts are the sum of the whole."""

from __future__ import annotations

import math

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.metrics import METRICS
from unmask.metrics.metric import Metric, Scored
from unmask.metrics.word_error_rate import spaced


def scored(predicted: list[int], **changes) -> Scored:
    """Three words of tokens (5), (6 7) and (8) in two texts, five, two and three characters long."""
    values = {
        "losses": np.array([0.5, 1.5, 2.0, 4.0]),
        "targets": np.array([5, 6, 7, 8]),
        "predicted": np.array(predicted),
        "words": np.array([0, 1, 1, 2]),
        "characters": np.array([5, 2, 3]),
        "references": ["there it is", "now"],
        "hypotheses": ["there it was", "now then"],
        "token_counts": np.array([0, 0, 0, 0, 0, 9, 3, 0, 1]),
    }
    return Scored(**(values | changes))


def figure(name: str, of: Scored) -> float:
    metric = METRICS.load(name)()
    metric.update(of)
    return metric.compute()


def test_the_figures_by_hand():
    some = scored([5, 6, 0, 8])
    assert figure("loss", some) == pytest.approx(2.0)
    assert figure("perplexity", some) == pytest.approx(math.exp(2.0))
    assert figure("token_accuracy", some) == 0.75
    assert figure("word_accuracy", some) == pytest.approx(2 / 3)
    assert figure("word_error_rate", some) == pytest.approx(2 / 4)  # was for is, then inserted
    assert figure("bits_per_character", some) == pytest.approx(8.0 / math.log(2) / 10)
    expected = -np.mean(np.log(np.array([10, 4, 1, 2]) / (13 + 9)))
    assert figure("unigram_loss", some) == pytest.approx(expected)


def test_a_word_is_right_only_when_all_of_its_tokens_are():
    assert figure("word_accuracy", scored([5, 6, 7, 8])) == 1
    assert figure("word_accuracy", scored([5, 0, 7, 8])) == figure("word_accuracy", scored([5, 0, 0, 8])) == 2 / 3
    assert figure("word_accuracy", scored([0, 0, 0, 0])) == 0


def test_the_unigram_line_is_unknown_without_counts():
    assert math.isnan(figure("unigram_loss", scored([0, 0, 0, 0], token_counts=None)))


def test_a_hopeless_loss_has_no_finite_perplexity():
    assert figure("perplexity", scored([0] * 4, losses=np.full(4, 800.0))) == math.inf


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_nothing_is_unknown(name):
    assert math.isnan(METRICS.load(name)().compute())


@pytest.mark.parametrize("name", METRICS)
def test_sums_of_two_ranks_add_to_those_of_one(name):
    """Each rank with whole words of its own."""
    left = scored(
        [5],
        losses=np.array([0.5]),
        targets=np.array([5]),
        words=np.array([0]),
        characters=np.array([5]),
        references=["there it is"],
        hypotheses=["there it was"],
    )
    right = scored(
        [6, 0, 8],
        losses=np.array([1.5, 2.0, 4.0]),
        targets=np.array([6, 7, 8]),
        words=np.array([0, 0, 1]),
        characters=np.array([2, 3]),
        references=["now"],
        hypotheses=["now then"],
    )
    one, two, both = (METRICS.load(name)() for _ in range(3))
    one.update(left)
    two.update(right)
    both.update(left)
    both.update(right)
    one.merge(two.state())
    assert one.compute() == pytest.approx(both.compute())
    assert one.compute() == pytest.approx(figure(name, scored([5, 6, 0, 8])))
    assert set(one.state()) == {"total", "count"}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_which_way_is_better(name):
    metric = METRICS.load(name)()
    assert isinstance(metric, Metric)
    assert metric.higher_is_better == name.endswith("accuracy")


texts = st.lists(st.sampled_from(["a", "b", "cc", "dd", "我", "们", "。", "x，y", "\n"]), max_size=12).map(" ".join)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_word_errors_are_those_that_jiwer_counts(pairs):
    some = scored([5, 6, 7, 8], references=[true for true, _ in pairs], hypotheses=[said for _, said in pairs])
    kept = [(spaced(true), spaced(said)) for true, said in pairs if true.strip()]
    if kept:
        assert figure("word_error_rate", some) == pytest.approx(jiwer.wer(*map(list, zip(*kept, strict=True))))
    else:
        assert math.isnan(figure("word_error_rate", some))


def test_chinese_is_counted_in_characters():
    true, said = "他们喜欢北京。 New York", "他门喜欢上海。 New York"
    assert figure("word_error_rate", scored([0] * 4, references=[true], hypotheses=[said])) == pytest.approx(3 / 9)
    assert jiwer.cer("他们喜欢北京。", "他门喜欢上海。") == pytest.approx(3 / 7)
    chinese = scored([0] * 4, references=["他们喜欢北京。"], hypotheses=["他门喜欢上海。"])
    assert figure("word_error_rate", chinese) == pytest.approx(jiwer.cer("他们喜欢北京。", "他门喜欢上海。"))
