"""The best spans of a text, by the logits of where an answer starts and ends; and when there is none.

Devlin et al. 2019, section 4.3: the score of a span is the logit of its start plus that of its end, that of no answer
the same at the first place of a row. Of several windows over a text a span has its best score, and no answer its worst:
the text has an answer if one window has.

Shapes: K places of a row, the first one [CLS], the others pieces of the text in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unmask.tasks.features import Feature


class Candidate(NamedTuple):
    """Characters [start, end) of a text that may be the answer."""

    start: int
    end: int
    score: float


class Candidates(NamedTuple):
    """The best spans of a text, best first, and the score of there being no answer."""

    spans: list[Candidate]
    none: float

    @property
    def margin(self) -> float:
        """How much the best span is above no answer; -inf where there is no span."""
        return self.spans[0].score - self.none if self.spans else -np.inf


def best_spans(logits: np.ndarray, longest: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and last place, and score, of the `count` best spans of at most `longest` places, best first. logits (K,2):
    start and end; place 0 is in none of them. Exact: all spans are looked at."""
    start, end = logits[1:, 0].astype(np.float64), logits[1:, 1].astype(np.float64)
    size = len(start)
    scores = np.full((min(longest, size), size), -np.inf)
    for further in range(len(scores)):
        scores[further, : size - further] = start[: size - further] + end[further:]
    flat = scores.ravel()
    possible = int(np.isfinite(flat).sum())
    top = np.argsort(-flat, kind="stable")[: min(count, possible)]
    further, first = np.divmod(top, max(1, size))
    return first + 1, first + further + 1, flat[top]


def candidates(
    examples: int, features: Sequence[Feature], logits: Sequence[np.ndarray], longest: int, count: int
) -> list[Candidates]:
    """The best spans of each example over its windows, as characters; a feature's `asked` (K,2) says where its places
    stand."""
    scores: list[dict[tuple[int, int], float]] = [defaultdict(lambda: -np.inf) for _ in range(examples)]
    none = np.full(examples, np.inf)
    for feature, row in zip(features, logits, strict=True):
        known = scores[feature.example]
        for first, last, score in zip(*best_spans(row, longest, count), strict=True):
            span = (int(feature.asked[first, 0]), int(feature.asked[last, 1]))
            known[span] = max(known[span], float(score))
        none[feature.example] = min(none[feature.example], float(row[0].sum()))
    return [Candidates(_ranked(spans, count), float(null)) for spans, null in zip(scores, none, strict=True)]


def _ranked(spans: dict[tuple[int, int], float], count: int) -> list[Candidate]:
    ranked = sorted(spans.items(), key=lambda item: (-item[1], item[0]))[:count]
    return [Candidate(start, end, score) for (start, end), score in ranked]


def probabilities(scores: Sequence[float]) -> np.ndarray:
    """Softmax."""
    exponentials = np.exp(np.asarray(scores) - np.max(scores))
    return exponentials / exponentials.sum()


def best_threshold(margins: Sequence[float], worth: Sequence[float], empty: Sequence[bool]) -> float:
    """The margin from which on an answer is worth giving: that which earns most in all (SQuAD 2.0's best threshold).

    margins: of each example; worth: what its best span earns; empty: whether no answer would earn 1 (else 0). In the
    middle between two margins; below all or above all of them by 1.
    """
    order = np.argsort(-np.asarray(margins), kind="stable")
    sorted_margins = np.asarray(margins, float)[order]
    gains = np.asarray(worth, float)[order] - np.asarray(empty, float)[order]
    earned = np.concatenate([[0.0], np.cumsum(gains)])  # by answering the first n of them
    apart = np.concatenate([[True], sorted_margins[1:] < sorted_margins[:-1], [True]])
    answered = int(np.argmax(np.where(apart, earned, -np.inf)))
    finite = sorted_margins[np.isfinite(sorted_margins)]
    if not len(finite):
        return 0.0
    if answered == 0:
        return float(finite[0] + 1)
    if answered >= len(finite):
        return float(finite[-1] - 1)
    return float((sorted_margins[answered - 1] + sorted_margins[answered]) / 2)
