"""A tag for each word: entities as character spans of the text, or parts of speech.

Shapes: W words of a text, L labels.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from unmask.batches import IGNORE
from unmask.config import require
from unmask.errors import DataError
from unmask.menu import unknown
from unmask.tasks.alignment import aligned
from unmask.tasks.features import Feature
from unmask.tasks.framing import Frame, shares, windows
from unmask.tasks.schemes import OUTSIDE, entities, is_of_entities
from unmask.tasks.tables import Columns
from unmask.tasks.tagged import Tagged, of_text, read_tagged
from unmask.tasks.task import Answer, Figures, Loss, Task
from unmask.tasks.texts import markdown, write_table
from unmask.tokens.tokenizer import Tokenizer

FIGURES = ("f1", "accuracy", "macro_f1")
UNKNOWN = "_"
"""The tag of a word that the tokenizer leaves out, where there is no O."""


@dataclass(frozen=True)
class TokenClassification(Task):
    """A tag for each word: named entities (span F1 as seqeval counts it) or parts of speech (accuracy)."""

    metric: str | None = None
    """the figure that the best checkpoint has most of: f1 (of entities; of other tags their accuracy), accuracy or
    macro_f1; none: f1"""

    kind: ClassVar = "token"
    file: ClassVar = "test.conll"

    def __post_init__(self) -> None:
        if self.metric is not None:
            require(self.metric in FIGURES, f"task.metric: {unknown('figure', self.metric, list(FIGURES))}")

    @property
    def aim(self) -> str:
        return self.metric or "f1"

    # ------------------------------------------------------------ examples

    def read(self, path: str, columns: Columns, labelled: bool = True) -> list[Tagged]:
        return read_tagged(path, columns, labelled)

    def of_texts(self, texts: Sequence[str]) -> list[Tagged]:
        return [of_text(text, f"text {number}") for number, text in enumerate(texts, start=1)]

    def labels(self, examples: Sequence[Tagged]) -> tuple[str, ...]:
        """All tags; of entities O and both tags of each type."""
        found = {tag for each in examples for tag in _tags(each)}
        if len(found) < 2:
            only = f"every word has the tag '{next(iter(found))}'" if found else "no word has a tag"
            raise DataError(f"{_file(examples[0])}: {only}; at least two tags are needed to learn a difference")
        if not is_of_entities(found):
            return tuple(sorted(found))
        types = sorted({tag[2:] for tag in found - {OUTSIDE}})
        return (OUTSIDE, *(f"{letter}-{kind}" for kind in types for letter in "BI"))

    def check(self, examples: Sequence[Tagged], labels: Sequence[str]) -> None:
        for each in examples:
            for tag, (start, end) in zip(_tags(each), each.spans, strict=True):
                if tag not in labels:
                    shown = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
                    raise DataError(
                        f"{each.place}: the tag '{tag}' of '{each.text[start:end]}' is not one of those that the model "
                        f"knows ({shown}); mend the tag, or train on examples of it"
                    )

    # ------------------------------------------------------------ learning and answering

    def features(
        self, examples: Sequence[Tagged], labels: Sequence[str], tokenizer: Tokenizer, frame: Frame, limit: int
    ) -> tuple[list[Feature], int]:
        """Long texts are read in windows; each word is asked once, where it has text on both sides."""
        numbers = {label: number for number, label in enumerate(labels)}
        room, made = frame.room(limit, False), []
        encoded = tokenizer.encode([each.text for each in examples], literal=True)
        for number, (each, whole) in enumerate(zip(examples, encoded, strict=True)):
            pieces = aligned(tokenizer, each.text, each.spans, whole)
            targets = np.full(len(each.spans), IGNORE, np.int64)
            if each.tags is not None:
                targets[:] = [numbers.get(tag, IGNORE) for tag in each.tags]
            spans = windows(len(pieces.ids), room)
            for (start, stop), (low, high) in zip(spans, shares(spans), strict=True):
                words = np.flatnonzero((pieces.first >= low) & (pieces.first < high))
                if len(words):
                    places = pieces.first[words] - start + len(frame.prefix)
                    made.append(Feature(number, *frame.row(pieces.ids[start:stop]), places, targets[words], words))
        return made, 0

    def loss(self, examples: Sequence[Tagged], labels: Sequence[str]) -> Loss:
        return _cross_entropy

    def answers(
        self,
        examples: Sequence[Tagged],
        features: Sequence[Feature],
        logits: Sequence[np.ndarray],
        labels: Sequence[str],
    ) -> list[Answer]:
        """words and tags with their scores; of entities their character spans."""
        unknown_tag = OUTSIDE if OUTSIDE in labels else UNKNOWN
        tags = [[unknown_tag] * len(each.spans) for each in examples]
        scores = [np.zeros(len(each.spans)) for each in examples]
        for feature, row in zip(features, logits, strict=True):
            shifted = np.exp(row - row.max(1, keepdims=True))
            best = row.argmax(1)
            scores[feature.example][feature.asked] = shifted.max(1) / shifted.sum(1)
            for word, label in zip(feature.asked, best, strict=True):
                tags[feature.example][word] = labels[label]
        made = zip(examples, tags, scores, strict=True)
        return [_answer(each, said, score, is_of_entities(labels)) for each, said, score in made]

    # ------------------------------------------------------------ how good it is

    def figures(self, examples: Sequence[Tagged], answers: Sequence[Answer], labels: Sequence[str]) -> Figures:
        return of_tags([_tags(each) for each in examples], [answer["tags"] for answer in answers], labels)

    def baselines(
        self, train: Sequence[Tagged], examples: Sequence[Tagged], labels: Sequence[str]
    ) -> Mapping[str, Figures]:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for each in train:
            for word, tag in zip(_words(each), _tags(each), strict=True):
                counts[word][tag] += 1
        usual = sum(counts.values(), Counter()).most_common(1)[0][0]
        known = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
        said = [[known.get(word, usual) for word in _words(each)] for each in examples]
        return {"most frequent tag of each word": of_tags([_tags(each) for each in examples], said, labels)}

    def report(
        self, folder: Path, examples: Sequence[Tagged], answers: Sequence[Answer], labels: Sequence[str]
    ) -> list[str]:
        wrong, pairs = 0, Counter()
        with (folder / "errors.jsonl").open("w", encoding="utf-8") as file:
            for each, answer in zip(examples, answers, strict=True):
                true, said = _tags(each), answer["tags"]
                pairs.update(zip(true, said, strict=True))
                if list(true) != list(said):
                    record = {"place": each.place, "text": each.text, "words": answer["words"], "truth": list(true)}
                    file.write(json.dumps(record | {"tags": said}, ensure_ascii=False) + "\n")
                    wrong += 1
        seen = sorted({tag for pair in pairs for tag in pair})
        rows = [[true, *(pairs[true, said] for said in seen)] for true in seen]
        write_table(folder / "confusion.csv", ["truth \\ answer", *seen], rows)
        lines = [f"{wrong:,} of {len(examples):,} texts have a wrong tag; they stand in `errors.jsonl`."]
        if is_of_entities(labels):
            table = of_types([_tags(each) for each in examples], [answer["tags"] for answer in answers])
            lines += ["", *markdown(["entity", "precision", "recall", "F1", "in truth"], table)]
        return lines


def _tags(each: Tagged) -> tuple[str, ...]:
    if each.tags is None:
        raise DataError(f"{each.place} has no tags: a tag for each word is needed")
    return each.tags


def _words(each: Tagged) -> list[str]:
    return [each.text[start:end] for start, end in each.spans]


def _file(each: Tagged) -> str:
    return each.place.rpartition(":")[0]


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")


def _answer(each: Tagged, tags: list[str], scores: np.ndarray, spans: bool) -> Answer:
    made: Answer = {"words": _words(each), "tags": tags, "scores": [round(float(score), 6) for score in scores]}
    if spans:
        made["entities"] = []
        for label, first, last in entities(tags):
            start, end = int(each.spans[first, 0]), int(each.spans[last - 1, 1])
            score = round(float(scores[first:last].mean()), 6)
            made["entities"].append(
                {"label": label, "start": start, "end": end, "text": each.text[start:end], "score": score}
            )
    return made


# ---------------------------------------------------------------- figures


def of_tags(truths: Sequence[Sequence[str]], said: Sequence[Sequence[str]], labels: Sequence[str]) -> Figures:
    """Entities: precision, recall and f1 of whole spans with their types (as conlleval and seqeval count), and
    accuracy over words. Other tags: accuracy, macro_f1, and f1, which is then the accuracy."""
    from sklearn import metrics

    true, found = [tag for tags in truths for tag in tags], [tag for tags in said for tag in tags]
    accuracy = float(np.mean([one == other for one, other in zip(true, found, strict=True)]))
    if not is_of_entities(labels):
        settings: Any = {"average": "macro", "zero_division": 0}
        macro = float(metrics.f1_score(true, found, labels=sorted(set(true)), **settings))
        return {"accuracy": accuracy, "macro_f1": macro, "f1": accuracy}
    both, answered, there = counted(truths, said)
    return {**_f1(both.total(), answered.total(), there.total()), "accuracy": accuracy}


def counted(
    truths: Sequence[Sequence[str]], said: Sequence[Sequence[str]]
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """How many entities of each type are right, answered, and there in truth."""
    both: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for one, other in zip(truths, said, strict=True):
        true, found = set(entities(one)), set(entities(other))
        both.update(entity.label for entity in true & found)
        answered.update(entity.label for entity in found)
        there.update(entity.label for entity in true)
    return both, answered, there


def of_types(truths: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> list[list[str]]:
    """A row for each type of entity: precision, recall, F1, how many there are."""
    both, answered, there = counted(truths, said)
    rows = []
    for label in sorted(answered | there):
        figures = _f1(both[label], answered[label], there[label])
        rows.append([label, *(f"{figures[name]:.3f}" for name in ("precision", "recall", "f1")), str(there[label])])
    return rows


def _f1(right: int, answered: int, there: int) -> Figures:
    precision, recall = right / answered if answered else 0.0, right / there if there else 0.0
    together = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / together if together else 0.0}
