"""Answers to questions as spans of a text: SQuAD, CMRC, SubjQA.

A row is the question, then a window of the text; what is learned is where the answer starts and where it ends, both at
[CLS] where a window does not hold it (Devlin et al. 2019, section 4.2 and 4.3).

Shapes: B rows, K places asked in a row: [CLS] and the pieces of the text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from unmask import console
from unmask.batches import IGNORE
from unmask.config import require
from unmask.corpus.scripts import count_scripts
from unmask.errors import DataError
from unmask.menu import unknown
from unmask.seeding import text_key
from unmask.tasks.alignment import without_blanks
from unmask.tasks.exact_match import RULES, scored
from unmask.tasks.features import Feature
from unmask.tasks.framing import Frame, windows
from unmask.tasks.questions import Question, known, read_questions, typed
from unmask.tasks.spans import Candidate, Candidates, best_threshold, candidates, probabilities
from unmask.tasks.tables import Columns
from unmask.tasks.task import Answer, Figures, Loss, Task
from unmask.tasks.texts import markdown
from unmask.tokens.sentences import sentence_starts
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.words import word_spans

FIGURES = ("f1", "exact_match")
ENDS = ("start", "end")
QUESTION = 64
"""Tokens of a question that are read, as BERT's code has it."""
CANDIDATES, ALTERNATIVES = 20, 3
"""Spans that share the probability, and those of them that an answer names beside the best."""


@dataclass(frozen=True)
class QuestionAnswering(Task):
    """Where in a text the answer to a question stands (SQuAD 1.1 and 2.0, CMRC): exact match and F1."""

    stride: int = 128
    """tokens from one window over a long text to the next; less where windows are short, so that they overlap"""
    longest: int = 30
    """the longest answer in tokens"""
    threshold: float | None = None
    """an answer is given when its score is at least so much above that of none; none: by the validation examples, and
    where all of them have answers, one is always given"""
    rules: str = "auto"
    """how answers are scored: squad, cmrc (Chinese), or auto, which goes by the script of the texts"""
    metric: str = "f1"
    """the figure that the best checkpoint has most of: f1 or exact_match"""

    kind: ClassVar = "span"
    question: ClassVar = "$'What is asked?\\tThe text that says it.'"
    file: ClassVar = "test.json"

    def __post_init__(self) -> None:
        require(self.stride > 0, f"task.stride={self.stride}: at least 1 is needed")
        require(self.longest > 0, f"task.longest={self.longest}: at least 1 is needed")
        names = ("auto", *RULES)
        require(self.rules in names, f"task.rules={self.rules}: one of {', '.join(names)} is needed")
        require(self.metric in FIGURES, f"task.metric: {unknown('figure', self.metric, list(FIGURES))}")

    @property
    def aim(self) -> str:
        return self.metric

    # ------------------------------------------------------------ examples

    def read(self, path: str, columns: Columns, labelled: bool = True) -> list[Question]:
        return read_questions(path, columns, labelled)

    def of_texts(self, texts: Sequence[str]) -> list[Question]:
        """A tab parts the question and its context."""
        return [typed(text, f"text {number}") for number, text in enumerate(texts, start=1)]

    def labels(self, examples: Sequence[Question]) -> tuple[str, ...]:
        if not any(known(examples)):
            raise DataError(f"{examples[0].place}: neither this nor any other question has an answer; some are needed")
        return ENDS

    def check(self, examples: Sequence[Question], labels: Sequence[str]) -> None:
        known(examples)
        if len(labels) != len(ENDS):
            raise DataError(f"{examples[0].place}: the model has {len(labels)} outputs, not a start and an end")

    def kept_together(self, example: Question) -> str:
        """All questions about one text."""
        return example.context

    def warn(self, examples: Sequence[Question]) -> None:
        without = sum(not answers for answers in known(examples))
        if 2 * without > len(examples):
            console.warn(
                f"{without / len(examples):.0%} of the training questions have no answer in their text: "
                "look at answered_f1 beside f1"
            )

    # ------------------------------------------------------------ learning and answering

    def features(
        self, examples: Sequence[Question], labels: Sequence[str], tokenizer: Tokenizer, frame: Frame, limit: int
    ) -> tuple[list[Feature], int]:
        """Each window over a text is a row; those cut are questions longer than QUESTION tokens."""
        texts = list(dict.fromkeys(each.context for each in examples))
        encoded = tokenizer.encode(texts, literal=True)
        contexts = {text: _Pieces.of(text, one) for text, one in zip(texts, encoded, strict=True)}
        asked = tokenizer.encode([each.text for each in examples], literal=True)
        room, made, shortened = frame.room(limit, True), [], 0
        for number, (each, question) in enumerate(zip(examples, asked, strict=True)):
            ids = question.ids[: min(QUESTION, room // 2)]
            shortened += len(ids) < len(question.ids)
            made += self._rows(number, each, ids, contexts[each.context], frame, room - len(ids))
        return made, shortened

    def _rows(
        self, number: int, each: Question, question: np.ndarray, pieces: _Pieces, frame: Frame, size: int
    ) -> list[Feature]:
        """The windows of one question; `size`: how much of the text fits each."""
        before = len(frame.prefix) + len(question) + len(frame.middle)
        gold = pieces.of_answer(each)
        made = []
        for start, stop in windows(len(pieces.ids), size, min(self.stride, max(1, size // 2))):
            inside = np.flatnonzero(pieces.starts[start:stop] < pieces.ends[start:stop]) + start
            places = np.concatenate([[0], before + inside - start])
            asked = np.stack([pieces.starts[inside], pieces.ends[inside]], axis=1)
            asked = np.concatenate([np.zeros((1, 2), asked.dtype), asked])
            targets = _targets(gold, inside)
            made.append(Feature(number, *frame.row(question, pieces.ids[start:stop]), places, targets, asked))
        return made

    def loss(self, examples: Sequence[Question], labels: Sequence[str]) -> Loss:
        return _of_ends

    def calibrated(
        self,
        examples: Sequence[Question],
        features: Sequence[Feature],
        logits: Sequence[np.ndarray],
        labels: Sequence[str],
    ) -> QuestionAnswering:
        """Itself with a threshold, where none is set and some examples have no answer."""
        golds = known(examples)
        if self.threshold is not None or all(golds):
            return self
        found = self._candidates(examples, features, logits)
        said = [_text(each, one.spans[0]) if one.spans else "" for each, one in zip(examples, found, strict=True)]
        worth = [figures[self.metric] for figures in self._each(examples, said)]
        margins, empty = [one.margin for one in found], [not gold for gold in golds]
        return replace(self, threshold=round(best_threshold(margins, worth, empty), 6))

    def answers(
        self,
        examples: Sequence[Question],
        features: Sequence[Feature],
        logits: Sequence[np.ndarray],
        labels: Sequence[str],
    ) -> list[Answer]:
        """answer, score (its probability among the best spans), start and end in characters of the text; "" and None
        where there is none."""
        found = self._candidates(examples, features, logits)
        return [_answer(each, one, self.threshold) for each, one in zip(examples, found, strict=True)]

    def _candidates(
        self, examples: Sequence[Question], features: Sequence[Feature], logits: Sequence[np.ndarray]
    ) -> list[Candidates]:
        return candidates(len(examples), features, logits, self.longest, CANDIDATES)

    # ------------------------------------------------------------ how good it is

    def figures(self, examples: Sequence[Question], answers: Sequence[Answer], labels: Sequence[str]) -> Figures:
        return self._together(examples, [answer["answer"] for answer in answers])

    def _together(self, examples: Sequence[Question], said: Sequence[str]) -> Figures:
        """exact_match and f1; where some questions have no answer also answered_f1, of those that have one, and
        unanswered_right, the share of the others that were left without."""
        each = self._each(examples, said)
        figures = {name: float(np.mean([one[name] for one in each])) for name in ("exact_match", "f1")}
        golds = known(examples)
        if not all(golds) and any(golds):
            pairs = list(zip(golds, each, strict=True))
            figures["answered_f1"] = float(np.mean([one["f1"] for gold, one in pairs if gold]))
            figures["unanswered_right"] = float(np.mean([one["f1"] for gold, one in pairs if not gold]))
        return figures

    def _each(self, examples: Sequence[Question], said: Sequence[str]) -> list[Figures]:
        rules = self.rules if self.rules != "auto" else _rules_of(examples)
        pairs = zip(known(examples), said, strict=True)
        scores = (scored(answer, [gold.text for gold in golds], rules) for golds, answer in pairs)
        return [{"exact_match": exact, "f1": f1} for exact, f1 in scores]

    def baselines(
        self, train: Sequence[Question], examples: Sequence[Question], labels: Sequence[str]
    ) -> Mapping[str, Figures]:
        lengths = [len(word_spans(gold[0].text)) for gold in known(train) if gold]
        found = {
            "first sentence": self._together(examples, [_first_sentence(each.context) for each in examples]),
            "random span": self._together(examples, [_random_span(each, lengths) for each in examples]),
        }
        if not all(known(examples)):
            found["no answer"] = self._together(examples, [""] * len(examples))
        return found

    def report(
        self, folder: Path, examples: Sequence[Question], answers: Sequence[Answer], labels: Sequence[str]
    ) -> list[str]:
        each, wrong = self._each(examples, [answer["answer"] for answer in answers]), 0
        with (folder / "errors.jsonl").open("w", encoding="utf-8") as file:
            for question, answer, figures in zip(examples, answers, each, strict=True):
                if figures["exact_match"] < 1:
                    record = {"id": question.name, "place": question.place, "question": question.text}
                    truth = [gold.text for gold in question.answers or ()]
                    file.write(json.dumps({**record, "truth": truth, **answer, **figures}, ensure_ascii=False) + "\n")
                    wrong += 1
        lines = [f"{wrong:,} of {len(examples):,} questions have no exact answer; they stand in `errors.jsonl`."]
        if all(known(examples)):
            return lines
        rows = [["has an answer", 0, 0], ["has none", 0, 0]]
        for gold, answer in zip(known(examples), answers, strict=True):
            rows[not gold][1 if answer["answer"] else 2] += 1
        return [*lines, "", *markdown(["the text", "answer given", "none given"], rows)]


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The pieces of a text (n,): their ids, and the characters [start, end) of each without blanks."""

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, text: str, encoded: Any) -> _Pieces:
        return cls(encoded.ids, *without_blanks(text, encoded))

    def of_answer(self, each: Question) -> tuple[int, int] | None:
        """The first and the last piece of the (first) answer; None where there is none."""
        if not each.answers:
            return None
        gold = each.answers[0]
        touched = np.flatnonzero((self.ends > gold.start) & (self.starts < gold.end) & (self.starts < self.ends))
        return (int(touched[0]), int(touched[-1])) if len(touched) else None


def _targets(gold: tuple[int, int] | None, inside: np.ndarray) -> np.ndarray:
    """Shares (k,2): where the answer starts and ends among [CLS] and the pieces `inside` (k-1,); at [CLS] where it is
    not there as a whole."""
    targets = np.zeros((len(inside) + 1, 2), np.float32)
    whole = gold is not None and bool(np.isin(gold, inside).all())
    for end, piece in enumerate(gold if gold is not None and whole else (None, None)):
        targets[0 if piece is None else 1 + int(np.searchsorted(inside, piece)), end] = 1
    return targets


def _of_ends(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean of the cross-entropies of start and end over the places of a row, summed over rows. logits, targets
    (B,K,2); IGNORE where a row has no more places."""
    absent = targets == IGNORE
    shares = logits.masked_fill(absent, torch.finfo(logits.dtype).min).log_softmax(1)
    return -(shares * targets.masked_fill(absent, 0)).sum() / len(ENDS)


def _text(each: Question, span: Candidate) -> str:
    return each.context[span.start : span.end]


def _answer(each: Question, found: Candidates, threshold: float | None) -> Answer:
    """The best span, or none where its margin is below the threshold, and what else it may be."""
    spans = found.spans
    given = bool(spans) and (threshold is None or found.margin >= threshold)
    if not spans:
        return {"answer": "", "score": 1.0, "start": None, "end": None, "alternatives": []}
    none = [] if threshold is None else [found.none]
    shares = [round(float(share), 6) for share in probabilities([*(span.score for span in spans), *none])]
    named = [
        {"answer": _text(each, span), "score": share, "start": span.start, "end": span.end}
        for span, share in zip(spans, shares, strict=False)
    ]
    if given:
        return {**named[0], "alternatives": named[1 : 1 + ALTERNATIVES]}
    return {"answer": "", "score": shares[-1], "start": None, "end": None, "alternatives": named[:ALTERNATIVES]}


# ---------------------------------------------------------------- what a model must beat


def _rules_of(examples: Sequence[Question]) -> str:
    """cmrc where most letters of the texts are Han characters."""
    counts = count_scripts("".join(dict.fromkeys(each.context for each in examples)))
    return "cmrc" if 2 * counts["han"] > counts.total() else "squad"


def _first_sentence(text: str) -> str:
    starts = [*sentence_starts(text), len(text)]
    return text[starts[0] : starts[1]].strip()


def _random_span(each: Question, lengths: Sequence[int]) -> str:
    """As many words as the answer to a training question has, drawn by the question."""
    draw, spans = random.Random(text_key(each.text + each.context)), word_spans(each.context)
    size = min(max(1, draw.choice(lengths)), len(spans))
    first = draw.randrange(len(spans) - size + 1)
    return each.context[spans[first, 0] : spans[first + size - 1, 1]] if size else ""
