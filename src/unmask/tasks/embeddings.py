"""Vectors of texts, trained so that what belongs together is near: for search, likeness and recommendation.

Shapes: N examples, D width.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from unmask import console
from unmask.config import require
from unmask.errors import DataError
from unmask.menu import unknown
from unmask.tasks.baselines import of_numbers
from unmask.tasks.contrastive import contrastive, cosent, cosine
from unmask.tasks.embedder import EmbeddingModel
from unmask.tasks.features import Feature
from unmask.tasks.framing import Frame
from unmask.tasks.matched import Match, read_matches
from unmask.tasks.models import Base
from unmask.tasks.retrieval import CUTS, of_ranks, ranks, tfidf
from unmask.tasks.sentence_folder import POOLINGS
from unmask.tasks.tables import Columns
from unmask.tasks.task import Answer, Figures, Loss, Task
from unmask.tasks.tuples import Example, TupleBatches, tuples_collated
from unmask.tokens.tokenizer import Tokenizer

LOSSES = {
    "contrastive": ("pairs", "triplets"),
    "simcse": ("texts", "pairs", "triplets", "scored"),
    "cosine": ("scored",),
    "cosent": ("scored",),
}
"""The losses, and the forms of examples that they learn from."""
_BY_FORM = {"texts": "simcse", "pairs": "contrastive", "triplets": "contrastive", "scored": "cosent"}
FIGURES = {"scored": ("spearman", "pearson"), "pairs": (*(f"recall_at_{cut}" for cut in CUTS), "mrr")}
"""What is measured on pairs with a score, and on those without."""
LISTED = 100
"""The worst answers that the report lists."""
_HELD_OUT = 32
"""Examples among which a held-out one is told from others, for the loss."""


@dataclass(frozen=True)
class Embeddings(Task):
    """Vectors for search and likeness, from pairs, triplets, scores or texts alone; recall, Spearman."""

    objective: str | None = None
    """contrastive, simcse, cosine or cosent; none: simcse for texts alone, cosent for scores, else contrastive"""
    temperature: float = 0.05
    """cosines are divided by this before they are compared"""
    pooling: str | None = None
    """mean or cls; none: what the model's folder says, else mean"""
    normalize: bool = True
    """whether the vectors have length 1"""
    metric: str | None = None
    """the figure that the best checkpoint has most of; none: spearman where there are scores, else recall_at_10"""

    kind: ClassVar = "text"

    def __post_init__(self) -> None:
        known = [figure for figures in FIGURES.values() for figure in figures]
        for name, value, names in (("objective", self.objective, list(LOSSES)), ("metric", self.metric, known)):
            if value is not None:
                require(value in names, f"task.{name}: {unknown(name, value, names)}")
        require(self.temperature > 0, f"task.temperature={self.temperature}: more than 0 is needed")
        require(
            self.pooling in (None, *POOLINGS), f"task.pooling={self.pooling}: one of {', '.join(POOLINGS)} is needed"
        )

    @property
    def aim(self) -> str:
        return self.metric or "recall_at_10"

    # ------------------------------------------------------------ examples

    def read(self, path: str, columns: Columns, labelled: bool = True) -> list[Match]:
        return read_matches(path, columns)

    def of_texts(self, texts: Sequence[str]) -> list[Match]:
        """A tab parts the two texts of a pair."""
        matches = []
        for number, line in enumerate(texts, start=1):
            first, tab, second = line.partition("\t")
            if not first.strip() or (tab and not second.strip()):
                raise DataError(f"text {number} is empty: give a text, or two parted by a tab")
            matches.append(Match((first.strip(),), second.strip() if tab else None, None, None, f"text {number}"))
        return matches

    def labels(self, examples: Sequence[Match]) -> tuple[str, ...]:
        return ()

    def check(self, examples: Sequence[Match], labels: Sequence[str]) -> None:
        """Held-out examples are pairs: of texts alone nobody knows which are alike."""
        if examples[0].second is None:
            raise DataError(
                f"{examples[0].place}: texts alone cannot tell good vectors from bad ones: give pairs, with a score or "
                "without, as data.validation=FILE"
            )

    def warn(self, examples: Sequence[Match]) -> None:
        if self.objective in ("contrastive", "simcse"):
            console.say("negatives are the other examples of a micro-batch on the same process")

    def settled(self, train: Sequence[Match], held_out: Sequence[Match]) -> Self:
        form = train[0].form
        loss = self.objective or _BY_FORM[form]
        if form not in LOSSES[loss]:
            raise DataError(
                f"{train[0].place}: task.objective={loss} learns from {' or '.join(LOSSES[loss])}, not {form}: "
                f"leave it out for {_BY_FORM[form]}"
            )
        if loss in ("cosine", "cosent") and len({match.score for match in train}) < 2:
            raise DataError(f"{train[0].place}: all scores are alike; at least two different ones are needed")
        figures = FIGURES["scored" if held_out[0].form == "scored" else "pairs"]
        if self.metric is not None and self.metric not in figures:
            raise DataError(
                f"{held_out[0].place}: there is no {self.metric} of such examples ({held_out[0].form}): "
                f"set task.metric to one of {', '.join(figures)}"
            )
        metric = self.metric or ("spearman" if "spearman" in figures else "recall_at_10")
        return replace(self, objective=loss, metric=metric)

    # ------------------------------------------------------------ the model

    def model(self, base: Base, labels: Sequence[str], dropout: float) -> EmbeddingModel:
        model = EmbeddingModel.of(base, self.pooling, self.normalize)
        model.module.sentences = replace(model.module.sentences, prompt="", lower=False)  # what it is trained on
        model.module.drop(dropout)
        return model

    def loaded(self, folder: Path) -> EmbeddingModel:
        model = EmbeddingModel.load(folder)
        if model.module.sentences.prompt:
            console.warn(f"{folder} puts '{model.module.sentences.prompt}' before each text; it is left out here")
        return model

    # ------------------------------------------------------------ to the model and back

    def features(
        self, examples: Sequence[Match], labels: Sequence[str], tokenizer: Tokenizer, frame: Frame, limit: int
    ) -> tuple[list[Feature], int]:
        """A row for each text; `asked` says which of its example: 0 the first (one of a history), 1, 2 the negative.
        The target of first rows is the score, or the number of the text that belongs to them."""
        numbers: dict[str, int] = {}
        texts, owners = [], []
        for number, match in enumerate(examples):
            target = numbers.setdefault(match.second or match.text, len(numbers))
            scored = self.objective in ("cosine", "cosent")
            score = np.array([[math.nan if match.score is None else match.score]], np.float32)
            for side, members in enumerate((match.first, (match.second,), (match.negative,))):
                for text in members:
                    if text is not None:
                        texts.append(text)
                        owners.append((number, score if scored else np.array([target]), np.array([side])))
        room, place = frame.room(limit, pair=False), np.zeros(1, np.int64)
        encoded = tokenizer.encode(texts, literal=True)
        rows = [
            Feature(number, *frame.row(each.ids[:room]), place, target, side)
            for each, (number, target, side) in zip(encoded, owners, strict=True)
        ]
        return rows, sum(len(each.ids) > room for each in encoded)

    def batches(self, features: Sequence[Feature], batch_size: int, seed: int, pad_id: int) -> TupleBatches:
        return TupleBatches(self.tuples(features), batch_size, seed, pad_id)

    def tuples(self, features: Sequence[Feature]) -> list[Example]:
        """What is compared: first and second text of an example and its negative, each text of a history with what came
        next; of texts alone, and by simcse, each text with itself."""
        if self.objective == "simcse":
            return [(feature, feature) for feature in features]
        made: list[Example] = []
        for rows in _by_example(features):
            others = [row for row in rows if row.asked[0] > 0]
            made += [(row, *others) for row in rows if row.asked[0] == 0]
        return made

    def loss(self, examples: Sequence[Match], labels: Sequence[str]) -> Loss:
        if self.objective == "cosine":
            scores = [match.score for match in examples if match.score is not None]
            return cosine(min(scores), max(scores))
        return cosent(self.temperature) if self.objective == "cosent" else contrastive(self.temperature)

    def mean_loss(self, loss: Loss | None, features: Sequence[Feature], outputs: Sequence[np.ndarray]) -> float | None:
        """None where the loss says nothing: of texts read twice with nothing dropped, and of pairs without a score."""
        examples = self.tuples(features)
        if (
            loss is None
            or self.objective == "simcse"
            or (self.objective != "contrastive" and np.isnan(features[0].targets).any())
        ):
            return None
        vectors = {id(feature): logit for feature, logit in zip(features, outputs, strict=True)}
        total = 0.0
        for start in range(0, len(examples), _HELD_OUT):
            chosen = examples[start : start + _HELD_OUT]
            given = np.stack([np.concatenate([vectors[id(row)] for row in example]) for example in chosen])
            targets = tuples_collated(chosen, np.arange(len(chosen)), 0).targets
            total += float(loss(torch.from_numpy(given), targets))
        return total / len(examples)

    def answers(
        self,
        examples: Sequence[Match],
        features: Sequence[Feature],
        logits: Sequence[np.ndarray],
        labels: Sequence[str],
    ) -> list[Answer]:
        """Of a text its vector; of a pair the cosine, and of pairs without a score the place of the right second text
        among all second texts of the examples."""
        sides = _sides(len(examples), features, logits)
        if examples[0].second is None:
            return [{"embedding": [float(number) for number in vector]} for vector in sides[0]]
        first, second = map(_unit, sides)
        scores = [float(score) for score in (first * second).sum(1)]
        if examples[0].score is not None:
            return [{"score": score} for score in scores]
        places = _places(examples, first, second)
        return [{"score": score, "rank": place} for score, place in zip(scores, places, strict=True)]

    # ------------------------------------------------------------ how good it is

    def figures(self, examples: Sequence[Match], answers: Sequence[Answer], labels: Sequence[str]) -> Figures:
        if examples[0].score is None:
            return of_ranks([answer["rank"] for answer in answers])
        return _of_scores(examples, [answer["score"] for answer in answers])

    def baselines(
        self, train: Sequence[Match], examples: Sequence[Match], labels: Sequence[str]
    ) -> Mapping[str, Figures]:
        known = [text for match in train for text in (match.text, match.second) if text is not None]
        first, second = tfidf(known, [match.text for match in examples], [match.second or "" for match in examples])
        if examples[0].score is not None:
            found = np.asarray(first.multiply(second).sum(1)).ravel().tolist()
            return {"TF-IDF cosine": _of_scores(examples, found)}
        return {"TF-IDF cosine": of_ranks(_places(examples, first, second))}

    def report(
        self, folder: Path, examples: Sequence[Match], answers: Sequence[Answer], labels: Sequence[str]
    ) -> list[str]:
        worst = np.argsort(-_wrongness(examples, answers), kind="stable")[:LISTED]
        with (folder / "errors.jsonl").open("w", encoding="utf-8") as file:
            for number in worst:
                match = examples[number]
                texts = {"place": match.place, "first": list(match.first), "second": match.second, "truth": match.score}
                file.write(json.dumps(texts | answers[number], ensure_ascii=False) + "\n")
        return [f"The {len(worst)} pairs that are placed worst stand in `errors.jsonl`."]


def _by_example(features: Sequence[Feature]) -> Iterator[list[Feature]]:
    rows: dict[int, list[Feature]] = {}
    for feature in features:
        rows.setdefault(feature.example, []).append(feature)
    yield from rows.values()


def _sides(count: int, features: Sequence[Feature], logits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The vectors (N,D) of first and of second texts; that of a history is the mean of its texts' directions."""
    chosen: list[np.ndarray] = []
    several = np.bincount([feature.example for feature in features if feature.asked[0] == 0], minlength=count)
    for side in (0, 1):
        rows = [number for number, feature in enumerate(features) if feature.asked[0] == side]
        if not rows:
            continue
        owners, vectors = np.array([features[row].example for row in rows]), np.stack([logits[row][0] for row in rows])
        if side == 0 and several.max() > 1:
            vectors = _unit(vectors)
        sums = np.zeros((count, vectors.shape[1]))
        np.add.at(sums, owners, vectors)
        chosen.append(sums / np.bincount(owners, minlength=count)[:, None])
    return chosen


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _places(examples: Sequence[Match], first: Any, second: Any) -> list[int]:
    """Where the right second text stands among the distinct ones, those left out that the first text itself holds."""
    numbers: dict[str, int] = {}
    rows = []
    for row, match in enumerate(examples):
        if (match.second or "") not in numbers:
            numbers[match.second or ""] = len(numbers)
            rows.append(row)
    barred = [[numbers[text] for text in match.first if text in numbers] for match in examples]
    return ranks(first, second[rows], [numbers[match.second or ""] for match in examples], barred)


def _of_scores(examples: Sequence[Match], found: Sequence[float]) -> Figures:
    figures = of_numbers([match.score or 0.0 for match in examples], found)
    return {name: figures[name] for name in FIGURES["scored"]}


def _wrongness(examples: Sequence[Match], answers: Sequence[Answer]) -> np.ndarray:
    """How far each pair is from its place (N,): by rank, or between the order of the scores and that of the cosines."""
    if examples[0].score is None:
        return np.array([answer["rank"] for answer in answers], float)
    order = [
        np.argsort(np.argsort(values))
        for values in ([match.score or 0.0 for match in examples], [answer["score"] for answer in answers])
    ]
    return np.abs(order[0] - order[1]).astype(float)
