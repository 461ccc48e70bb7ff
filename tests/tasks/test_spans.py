"""The best spans, over windows, and whether there is an answer at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unmask.tasks.features import Feature
from unmask.tasks.spans import best_spans, best_threshold, candidates, probabilities

SCORES = arrays(np.float32, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(-9, 9))


@given(SCORES, st.integers(1, 6), st.integers(1, 9))
def test_the_best_spans_are_those_of_looking_at_all(logits, longest, count):
    wanted = sorted(
        (
            (float(logits[i, 0] + logits[j, 1]), i, j)
            for i in range(1, len(logits))
            for j in range(i, min(i + longest, len(logits)))
        ),
        reverse=True,
    )[:count]
    first, last, scores = best_spans(logits, longest, count)
    assert scores.tolist() == [score for score, _, _ in wanted]
    assert all(0 < i <= j < i + longest for i, j in zip(first, last, strict=True))
    assert all(logits[i, 0] + logits[j, 1] == score for i, j, score in zip(first, last, scores, strict=True))
    assert len(set(zip(first.tolist(), last.tolist(), strict=True))) == len(wanted)


def window(example, spans):
    """A row of one example whose places stand for these characters."""
    asked = np.array([(0, 0), *spans])
    places = np.arange(len(asked))
    return Feature(example, places, places, places, places, asked)


def test_over_windows_a_span_has_its_best_score_and_no_answer_its_worst():
    features = [window(0, [(0, 3), (4, 6)]), window(0, [(4, 6), (7, 9)]), window(1, [(0, 1)])]
    logits = [
        np.array([[5.0, 1.0], [0, 0], [1, 1]]),
        np.array([[1.0, 1.0], [2, 2], [0, 3]]),
        np.array([[0.0, 0.0], [1, 1]]),
    ]
    one, other = candidates(2, features, logits, longest=2, count=3)
    assert one.none == 2
    assert [tuple(span) for span in one.spans] == [(4, 9, 5), (4, 6, 4), (7, 9, 3)]
    assert one.margin == 3
    assert [tuple(span) for span in other.spans] == [(0, 1, 2)]


def test_probabilities_add_up_to_one():
    assert probabilities([1000.0, 1000.0]).tolist() == [0.5, 0.5]
    assert probabilities([0.0, np.log(3)]) == pytest.approx([0.25, 0.75])


EXAMPLES = st.lists(
    st.tuples(st.integers(-4, 4), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans()), min_size=1, max_size=12
)


@given(EXAMPLES)
def test_no_other_threshold_earns_more(examples):
    margins, worth, empty = zip(*examples, strict=True)
    worth = [0.0 if none else value for value, none in zip(worth, empty, strict=True)]

    def earned(threshold):
        each = zip(margins, worth, empty, strict=True)
        return sum(value if margin >= threshold else float(none) for margin, value, none in each)

    assert earned(best_threshold(margins, worth, empty)) == pytest.approx(max(earned(t / 2) for t in range(-11, 12)))


def test_a_threshold_lies_in_the_middle_or_beyond_all():
    assert best_threshold([4.0, 1.0, -2.0], [1, 1, 0], [False, False, True]) == -0.5
    assert best_threshold([4.0, 1.0], [1, 1], [False, False]) == 0
    assert best_threshold([4.0, 1.0], [0, 0], [True, True]) == 5
    assert best_threshold([-np.inf, 1.0], [0, 1], [True, False]) == 0
