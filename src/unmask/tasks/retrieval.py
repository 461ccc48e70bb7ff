"""How well vectors find what belongs to a text: the place of the right one among all, and figures of such places.

Shapes: N questions, M candidates, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

CUTS = (1, 5, 10)
"""The k of recall at k."""
_AT_ONCE = 1024


def ranks(questions: Any, candidates: Any, right: Sequence[int], barred: Sequence[Sequence[int]]) -> list[int]:
    """The place, from 1, of each question's right candidate by the product of vectors; a tie counts against it.

    questions (N,D), candidates (M,D), as arrays or sparse matrices. right (N,): numbers of candidates; barred: for each
    question candidates that are no answer (what stands in the question itself), its right one never.
    """
    found = []
    for start in range(0, len(right), _AT_ONCE):
        product = questions[start : start + _AT_ONCE] @ candidates.T
        scores = product.toarray() if hasattr(product, "toarray") else np.asarray(product)
        for row, scored in enumerate(scores):
            number = start + row
            own = scored[right[number]]
            scored[[each for each in barred[number] if each != right[number]]] = -np.inf
            found.append(int((scored >= own).sum()))
    return found


def of_ranks(places: Sequence[int]) -> dict[str, float]:
    """recall_at_1, _5 and _10: the share of questions whose right answer stands so high; mrr: the mean of 1/place."""
    each = np.asarray(places, float)
    return {f"recall_at_{cut}": float((each <= cut).mean()) for cut in CUTS} | {"mrr": float((1 / each).mean())}


def tfidf(train: Sequence[str], *lists: Sequence[str]) -> list[Any]:
    """The texts of each list as rows of TF-IDF weights (sparse, of length 1), the words counted in training texts."""
    from unmask.tasks.baselines import MOST, vectorizer

    made = vectorizer()
    made.fit(train[:MOST])
    return [made.transform(texts) for texts in lists]
