"""The figures of answers, by scikit-learn and scipy, and the simple answerers that a model must beat.

Shapes: N examples, L labels.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from unmask.tasks.tables import Row
from unmask.tokens.words import word_spans

_ZEROS: Any = {"zero_division": 0}  # a label that nobody said has an F1 of 0
MOST = 20_000
"""Training examples that a baseline reads: the first ones."""


def of_labels(
    truths: Sequence[tuple[str, ...]], said: Sequence[tuple[str, ...]], labels: Sequence[str], many: bool
) -> dict[str, float]:
    """accuracy, macro_f1 and matthews; f1 of the second label where there are two. With many labels an example
    accuracy (all labels of an example right), micro_f1 and macro_f1."""
    from sklearn import metrics

    true, found = indicators(truths, labels), indicators(said, labels)
    figures = {"accuracy": metrics.accuracy_score(true, found)}
    if many:
        figures["micro_f1"] = metrics.f1_score(true, found, average="micro", **_ZEROS)
    figures["macro_f1"] = metrics.f1_score(true, found, average="macro", **_ZEROS)
    if not many:
        one, other = true.argmax(1), found.argmax(1)
        if len(labels) == 2:
            figures["f1"] = metrics.f1_score(one, other, **_ZEROS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a single label there and answered: 0 says it
            figures["matthews"] = metrics.matthews_corrcoef(one, other)
    return {name: float(value) for name, value in figures.items()}


def indicators(sets: Sequence[tuple[str, ...]], labels: Sequence[str]) -> np.ndarray:
    """(N,L) 1 where an example has a label."""
    numbers = {label: number for number, label in enumerate(labels)}
    result = np.zeros((len(sets), len(labels)), np.int64)
    for row, members in enumerate(sets):
        result[row, [numbers[label] for label in members]] = 1
    return result


def of_numbers(truths: Sequence[float], said: Sequence[float]) -> dict[str, float]:
    """pearson and spearman (nan where the answers are all alike), and mean_error, the mean absolute one."""
    from scipy import stats

    true, found = np.asarray(truths, float), np.asarray(said, float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant answers: nan says it
        both = (stats.pearsonr(true, found)[0], stats.spearmanr(true, found)[0]) if len(true) > 1 else (math.nan,) * 2
    error = float(np.abs(true - found).mean())
    return {"pearson": float(both[0]), "spearman": float(both[1]), "mean_error": error}  # type: ignore[arg-type]


# ---------------------------------------------------------------- answerers


def tfidf_logistic(
    train: Sequence[Row], known: Sequence[tuple[str, ...]], examples: Sequence[Row], labels: Sequence[str], many: bool
) -> list[tuple[str, ...]]:
    """Logistic regression over words and pairs of words weighted by TF-IDF."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    vectors = vectorizer()
    seen = vectors.fit_transform(map(_joined, train[:MOST]))
    targets: Any = indicators(known[:MOST], labels)
    model: Any = LogisticRegression(C=10, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that are always or never there
        if many:
            said = OneVsRestClassifier(model).fit(seen, targets).predict(vectors.transform(map(_joined, examples)))
            return [tuple(label for label, yes in zip(labels, row, strict=True) if yes) for row in np.asarray(said)]
        if len(np.unique(targets.argmax(1))) == 1:
            return [known[0]] * len(examples)
        said = model.fit(seen, targets.argmax(1)).predict(vectors.transform(map(_joined, examples)))
    return [(labels[int(number)],) for number in said]


def tfidf_numbers(train: Sequence[Row], known: Sequence[float], examples: Sequence[Row]) -> tuple[str, list[float]]:
    """For pairs the cosine of their TF-IDF vectors, for single texts ridge regression over them; and its name."""
    from sklearn.linear_model import Ridge

    vectors = vectorizer()
    seen = vectors.fit_transform(map(_joined, train[:MOST]))
    if examples[0].second is None:
        model = Ridge().fit(seen, known[:MOST])
        return "TF-IDF and ridge regression", model.predict(vectors.transform(map(_joined, examples))).tolist()
    first = vectors.transform(row.text for row in examples)
    second = vectors.transform(row.second or "" for row in examples)
    return "TF-IDF cosine", np.asarray(first.multiply(second).sum(1)).ravel().tolist()


def vectorizer() -> Any:
    """Words and pairs of words as TF-IDF weights, by scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(tokenizer=_words, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True)  # type: ignore[arg-type]


def _words(text: str) -> list[str]:
    return [text[start:stop] for start, stop in word_spans(text)]


def _joined(row: Row) -> str:
    return row.text if row.second is None else f"{row.text} {row.second}"
