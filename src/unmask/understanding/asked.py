"""What of a fine-tuned model's answer is explained, task by task: the row that is read, where in it, and the score.

| task | score | `target` | else |
|---|---|---|---|
| classification | the label's logit | another label | |
| cloze | the label's log-probability: that of its words in the blank | another label | |
| regression | the number | | |
| token_classification | the logit of a word's tag | another tag | `word` |
| question_answering | the logits of where the answer starts and ends | other words of the text | `part` |
| embeddings | the cosine of two texts | | |

Shapes: B rows, K places read in a row, L labels, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from unmask.errors import DataError, SettingError
from unmask.menu import unknown
from unmask.understanding.explain import Answer

if TYPE_CHECKING:
    from torch import Tensor

    from unmask.tasks.application import Application
    from unmask.tasks.features import Feature
    from unmask.tasks.questions import Question

TOP = 5
PARTS = ("start", "end")


class Wanted(NamedTuple):
    """What a person asks: see `explain_answer`."""

    text: str
    target: str | None = None
    word: str | None = None
    part: str | None = None

    def only(self, *names: str) -> None:
        """SettingError when something is given that this task has not."""
        for name in ("target", "word", "part"):
            if name not in names and getattr(self, name) is not None:
                has = " or ".join(names) if names else "neither target nor word nor part"
                raise SettingError(f"{name} '{getattr(self, name)}' says nothing here: this task takes {has}")


@dataclass(frozen=True, eq=False)
class Asked:
    """A row, and the score that is explained."""

    feature: Feature
    places: tuple[int, ...]
    """K: the columns that the score is read at; none: it is one of the row as a whole"""
    score: Callable[[Tensor], Tensor]
    """what the model gives there, float32 (B,K,L) -> (B,)"""
    target: str
    answers: tuple[Answer, ...]
    """the likeliest first"""
    log_probability: float | None
    """of the target; None where the answer is a number"""
    value: float | None = None
    """that number"""
    marked: tuple[int, ...] = ()
    """the columns that the answer is about"""
    asked: str = ""
    """what of the text is answered, where it is not all of it"""


# ---------------------------------------------------------------- one answer for a text


def of_label(application: Application, wanted: Wanted) -> list[Asked]:
    """A label of a text or a pair."""
    wanted.only("target")
    feature, logits = _row(application, wanted.text)
    several = getattr(application.task, "multi_label", False)
    shares = -np.logaddexp(0, -logits[0]) if several else _log_shares(logits[0])
    number = _number("label", wanted.target, application.labels, shares)
    answers = _ranked(application.labels, shares)
    return [Asked(feature, (), _read(0, number), application.labels[number], answers, float(shares[number]))]


def of_number(application: Application, wanted: Wanted) -> list[Asked]:
    """The number of a text or a pair."""
    wanted.only()
    feature, logits = _row(application, wanted.text)
    return [Asked(feature, (), _read(0, 0), application.labels[0], (), None, float(logits[0, 0]))]


def of_words(application: Application, wanted: Wanted) -> list[Asked]:
    """A label by its words in the blank of a prompt."""
    wanted.only("target")
    model: Any = application.model
    if len(model.verbalizer.lengths) > 1:
        told = " and ".join(map(str, model.verbalizer.lengths))
        raise SettingError(f"the words of the labels have {told} tokens: explained are words of one length")
    examples = application.task.of_texts([wanted.text])
    features, scores = application.outputs(examples)
    said = application.task.answers(examples, features, scores, application.labels)[0]["scores"]
    with np.errstate(divide="ignore"):
        shares = np.log([said[label] for label in application.labels])
    number = _number("label", wanted.target, application.labels, shares)
    feature = next(each for each in features if each.example == 0)  # those below 0 are for calibration
    places = tuple(map(int, feature.places))
    answers = _ranked(application.labels, shares)

    def score(logits: Tensor) -> Tensor:
        return model.verbalizer.scores(logits)[:, number]

    return [Asked(feature, places, score, application.labels[number], answers, float(shares[number]), marked=places)]


def of_cosine(application: Application, wanted: Wanted) -> list[Asked]:
    """How alike two texts are, each in a row of its own."""
    wanted.only()
    features, vectors = application.outputs(application.task.of_texts([wanted.text]))
    if len(features) != 2:
        raise DataError("how alike two texts are is explained: give both, with a tab between")
    units = [vector[0] / np.linalg.norm(vector[0]) for vector in vectors]
    cosine = float(units[0] @ units[1])
    pairs = zip(features, reversed(units), strict=True)
    return [Asked(feature, (), _cosine(other), "cosine", (), None, cosine) for feature, other in pairs]


def _cosine(other: np.ndarray) -> Callable[[Tensor], Tensor]:
    """The cosine of vectors (B,1,D) with a unit vector (D,)."""
    import torch
    from torch.nn import functional as F

    return lambda vectors: F.normalize(vectors[:, 0], dim=-1) @ torch.from_numpy(other).to(vectors)


def _row(application: Application, text: str) -> tuple[Feature, np.ndarray]:
    """The row of a text, which must hold all of it, and its logits (1,L)."""
    task, base = application.task, application.model.base
    limit = min(application.data.row_length or application.model.limit, application.model.limit)
    examples = task.of_texts([text])
    features, shortened = task.features(examples, application.labels, base.tokenizer, base.frame, limit)
    if shortened or len(features) > 1:
        raise DataError(f"the text is longer than the {limit} tokens of a row: explain a part of it")
    return features[0], application.outputs(examples)[1][0]


# ---------------------------------------------------------------- a tag of a word


def of_tag(application: Application, wanted: Wanted) -> list[Asked]:
    """The tag of a word: of a long text in the window in which it is answered."""
    from unmask.tasks.schemes import OUTSIDE

    wanted.only("target", "word")
    examples, labels = application.task.of_texts([wanted.text]), application.labels
    features, logits = application.outputs(examples)
    tags = application.task.answers(examples, features, logits, labels)[0]["tags"]
    words = [wanted.text[start:end] for start, end in examples[0].spans]
    usual = next((number for number, tag in enumerate(tags) if tag != OUTSIDE), 0)
    word = usual if wanted.word is None else _word(wanted.word, words)
    there = [at for at, feature in enumerate(features) if word in feature.asked]
    if not there:
        raise DataError(f"the tokenizer leaves '{words[word]}' out, so it has no tag: ask for another word")
    feature, rows = features[there[0]], logits[there[0]]
    index = int(np.flatnonzero(feature.asked == word)[0])
    shares, place = _log_shares(rows[index]), (int(feature.places[index]),)
    number, answers = _number("tag", wanted.target, labels, shares), _ranked(labels, shares)
    share = float(shares[number])
    return [Asked(feature, place, _read(0, number), labels[number], answers, share, marked=place, asked=words[word])]


def _word(wanted: str, words: Sequence[str]) -> int:
    """The number of a word among those of a text, by its letters or its number from 1."""
    if wanted in words:
        return words.index(wanted)
    if wanted.isdecimal() and 1 <= int(wanted) <= len(words):
        return int(wanted) - 1
    shown = ", ".join(words[:10]) + (", ..." if len(words) > 10 else "")
    raise SettingError(f"word '{wanted}' is not in the text: its words are {shown}")


# ---------------------------------------------------------------- an answer in a text


def of_answer(application: Application, wanted: Wanted) -> list[Asked]:
    """Where an answer starts and ends, in the window that holds it with the highest score; that there is none at the
    first place of the window that says so least."""
    from unmask.tasks.question_answering import CANDIDATES
    from unmask.tasks.spans import candidates

    wanted.only("target", "part")
    if wanted.part not in (None, *PARTS):
        raise SettingError(f"part '{wanted.part}': one of {', '.join(PARTS)} is needed")
    task: Any = application.task
    (question,) = task.of_texts([wanted.text])
    features, logits = application.outputs([question])
    found = candidates(1, features, logits, task.longest, CANDIDATES)[0]
    said = task.answers([question], features, logits, application.labels)[0]
    spans = [(said["start"], said["end"])] if wanted.target is None else _occurrences(wanted.target, question)
    window, first, last = _nothing(logits) if spans[0][0] is None else _best(spans, features, logits)
    score = float(logits[window][first, 0] + logits[window][last, 1])
    scores = [span.score for span in found.spans] + ([] if task.threshold is None and found.spans else [found.none])
    whole = float(np.logaddexp.reduce(scores))
    named = [(question.context[span.start : span.end], float(np.exp(span.score - whole))) for span in found.spans[:TOP]]
    feature = features[window]
    columns = (int(feature.places[first]), int(feature.places[last]))
    read = {None: (0, 1), "start": (0,), "end": (1,)}[wanted.part]
    given = question.context[feature.asked[first][0] : feature.asked[last][1]]
    return [
        Asked(
            feature,
            tuple(columns[end] for end in read),
            _ends(read),
            given or "no answer",
            tuple(named),
            score - whole,
            marked=tuple(range(columns[0], columns[1] + 1)),
            asked=wanted.part or "",
        )
    ]


def _ends(read: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """The sum of the logits of the start, the end or both, from (B,K,2) at their places."""
    return lambda logits: sum((logits[:, at, end] for at, end in enumerate(read)), start=logits.new_zeros(len(logits)))


def _occurrences(target: str, question: Question) -> list[tuple[int, int]]:
    """The characters [start, end) at which the words stand in the text."""
    from unmask.tasks.questions import occurrences

    starts = list(occurrences(target, question.context)) if target else []
    if not starts:
        raise SettingError(f"target '{target}' is not in the text: an answer is copied out of it")
    return [(start, start + len(target)) for start in starts]


def _best(
    spans: Sequence[tuple[int, int]], features: Sequence[Feature], logits: Sequence[np.ndarray]
) -> tuple[int, int, int]:
    """The window in which one of the spans has the highest score, and the first and last place of that."""
    found = []
    for start, end in spans:
        for window, (feature, row) in enumerate(zip(features, logits, strict=True)):
            starts, ends = feature.asked[1:, 0], feature.asked[1:, 1]
            touched = np.flatnonzero((ends > start) & (starts < end)) + 1
            if len(touched) and feature.asked[touched[0], 0] <= start and feature.asked[touched[-1], 1] >= end:
                first, last = int(touched[0]), int(touched[-1])
                found.append((float(row[first, 0] + row[last, 1]), -window, first, last))
    if not found:
        raise SettingError("the target is longer than a window over the text: give fewer words of it")
    _, window, first, last = max(found)
    return -window, first, last


def _nothing(logits: Sequence[np.ndarray]) -> tuple[int, int, int]:
    """The window in which no answer has the lowest score: the text has an answer if one window has."""
    return int(np.argmin([row[0].sum() for row in logits])), 0, 0


# ---------------------------------------------------------------- what they share


def _read(place: int, label: int) -> Callable[[Tensor], Tensor]:
    return lambda logits: logits[:, place, label]


def _log_shares(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the softmax (L,)."""
    logits = logits.astype(np.float64)
    return logits - np.logaddexp.reduce(logits)


def _ranked(labels: Sequence[str], shares: np.ndarray) -> tuple[Answer, ...]:
    order = np.argsort(-shares, kind="stable")[:TOP]
    return tuple((labels[int(number)], float(np.exp(shares[number]))) for number in order)


def _number(kind: str, wanted: str | None, labels: Sequence[str], shares: np.ndarray) -> int:
    """The number of the label that is wanted, or of the likeliest."""
    if wanted is None:
        return int(shares.argmax())
    if wanted not in labels:
        raise SettingError(unknown(kind, wanted, list(labels)))
    return list(labels).index(wanted)


ASKED: dict[str, Callable[[Application, Wanted], list[Asked]]] = {
    "classification": of_label,
    "cloze": of_words,
    "regression": of_number,
    "token_classification": of_tag,
    "question_answering": of_answer,
    "embeddings": of_cosine,
}
"""What is explained of each task; two rows where two texts have one each."""
