"""A text for a text: summaries, translations, code from its description; written by the encoder itself, by the prefix
view (`unmask.layers.prefix`), a token at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from unmask.config import require
from unmask.errors import DataError, SettingError
from unmask.menu import unknown
from unmask.tasks.decoding import Decoding
from unmask.tasks.features import Feature, Loss
from unmask.tasks.framing import Frame
from unmask.tasks.models import Base
from unmask.tasks.parallel_texts import is_table, read_parallel
from unmask.tasks.sequences import Said, SequenceModel, end_of, row_of, unanswered
from unmask.tasks.tables import Columns, Row, read_rows
from unmask.tasks.task import Answer, Figures, Task
from unmask.tasks.texts import write_errors
from unmask.tasks.written_texts import FIGURES, figures_of, signatures, simple_texts
from unmask.tokens.tokenizer import Tokenizer

TARGETS = ("target", "summary", "translation", "subject", "headline", "highlights", "title")
LEAST = 8
"""Tokens of a source that must fit a row."""


@dataclass(frozen=True)
class SequenceToSequence(Task):
    """A text for a text: summaries, translations, code from its description; BLEU, chrF, ROUGE and exact matches."""

    length: int = 64
    """the longest target in tokens, its end included; longer ones are cut"""
    beams: int = 4
    """texts that are searched at once; 1 always takes the likeliest token, as evaluations during training do"""
    length_penalty: float = 1.0
    """more than 0 favours longer texts: scores are divided by ((5 + tokens) / 6)^this"""
    no_repeat: int = 0
    """no sequence of this many tokens stands twice in an answer; 0 allows all; 3 is usual for summaries"""
    metric: str = "chrf"
    """the figure that the best checkpoint has most of: bleu, chrf, rouge1, rouge2, rougeL or exact"""

    kind: ClassVar = "sequence"

    def __post_init__(self) -> None:
        for name, least in (("length", 2), ("beams", 1), ("no_repeat", 0)):
            value = getattr(self, name)
            require(value >= least, f"task.{name}={value}: at least {least} is needed")
        require(self.metric in FIGURES, f"task.metric: {unknown('figure', self.metric, list(FIGURES))}")

    @property
    def aim(self) -> str:
        return self.metric

    # ------------------------------------------------------------ examples

    def read(self, path: str, columns: Columns, labelled: bool = True) -> list[Row]:
        if not is_table(path):
            return read_parallel(path, columns, labelled)
        rows = read_rows(path, columns, TARGETS if labelled else None)
        if labelled:
            for row in rows:
                references(row)
        return rows

    def of_texts(self, texts: Sequence[str]) -> list[Row]:
        for number, text in enumerate(texts, start=1):
            if not text.strip():
                raise DataError(f"text {number} is empty: give a text")
        return [Row(text.strip(), None, None, f"text {number}") for number, text in enumerate(texts, start=1)]

    def labels(self, examples: Sequence[Row]) -> tuple[str, ...]:
        return ()

    def check(self, examples: Sequence[Row], labels: Sequence[str]) -> None:
        for row in examples:
            references(row)

    # ------------------------------------------------------------ the model, its rows and answers

    def model(self, base: Base, labels: Sequence[str], dropout: float) -> SequenceModel:
        return SequenceModel.of(base, self._decoding(beams=1), dropout)

    def loaded(self, folder: Path) -> SequenceModel:
        return SequenceModel.of(Base.of(folder), self._decoding(self.beams))

    def _decoding(self, beams: int) -> Decoding:
        return Decoding(beams, self.length, self.length_penalty, self.no_repeat)

    def features(
        self, examples: Sequence[Row], labels: Sequence[str], tokenizer: Tokenizer, frame: Frame, limit: int
    ) -> tuple[list[Feature], int]:
        """A target has the first of an example's references; its room is kept free where it is not known."""
        end, room = end_of(frame), limit - len(frame.prefix) - len(frame.middle) - self.length
        if room < LEAST:
            raise SettingError(
                f"task.length={self.length} leaves no room for a source in rows of {limit} tokens: make it smaller"
            )
        sources = tokenizer.encode([row.text for row in examples], literal=True)
        targets = tokenizer.encode([_target(row) for row in examples], literal=True)
        made, shortened = [], 0
        for number, row in enumerate(examples):
            ids, wanted = sources[number].ids, targets[number].ids
            source = np.concatenate([frame.prefix, ids[:room], frame.middle]).astype(np.int64)
            if row.label is None:
                made.append(unanswered(source, number))
            else:
                target = np.append(wanted[: self.length - 1], end)
                made.append(row_of(source, target, tokenizer.mask_id, number))
            shortened += len(ids) > room or len(wanted) >= self.length
        return made, shortened

    def mean_loss(self, loss: Loss | None, features: Sequence[Feature], outputs: Sequence[Said]) -> float:
        return sum(said.loss for said in outputs) / max(1, sum(said.asked for said in outputs))

    def answers(
        self, examples: Sequence[Row], features: Sequence[Feature], logits: Sequence[Said], labels: Sequence[str]
    ) -> list[Answer]:
        return [{"output": said.text, "score": said.score} for said in logits]

    # ------------------------------------------------------------ how good it is

    def figures(self, examples: Sequence[Row], answers: Sequence[Answer], labels: Sequence[str]) -> Figures:
        return figures_of([references(row) for row in examples], [answer["output"] for answer in answers])

    def baselines(self, train: Sequence[Row], examples: Sequence[Row], labels: Sequence[str]) -> Mapping[str, Figures]:
        truths = [references(row) for row in examples]
        known = [(row.text, _target(row)) for row in train]
        simple = simple_texts(known, [row.text for row in examples])
        return {name: figures_of(truths, texts) for name, texts in simple.items()}

    def report(
        self, folder: Path, examples: Sequence[Row], answers: Sequence[Answer], labels: Sequence[str]
    ) -> list[str]:
        count = write_errors(folder / "answers.jsonl", zip(examples, answers, strict=True))
        lines = [f"The {count:,} answers stand in `answers.jsonl`, each beside its reference.", ""]
        lines += ["All figures go from 0 to 1: bleu and chrf are those of sacrebleu over 100.", ""]
        return lines + [f"- `{line}`" for line in signatures([references(row) for row in examples])]


def references(row: Row) -> tuple[str, ...]:
    """What an example wants to be written; DataError when that is no text."""
    values: list[Any] = row.label if isinstance(row.label, list) else [row.label]
    if not values or not all(isinstance(value, str) and value.strip() for value in values):
        shown = "missing" if row.label in (None, "", []) else repr(row.label)[:60]
        raise DataError(f"{row.place}: the target is {shown}; a text (or a list of texts in .jsonl) is needed")
    return tuple(value.strip() for value in values)


def _target(row: Row) -> str:
    return "" if row.label is None else references(row)[0]
