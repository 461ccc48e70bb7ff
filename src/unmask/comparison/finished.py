"""Finished masked language models of any tokenizer, side by side: figures that need no tokenizer.

All models read the same documents with the same words blanked, 15 % of them by a hash of the text, and the same
sentences. Counted are the words that every tokenizer writes with tokens of their own and none of them unknown.

bits_per_character      nats of a blanked word (the sum over its tokens, each asked while all of them are hidden) in
                        bits, over the characters of the blanked words
pll_bits_per_character  minus the pseudo-log-likelihood of sentences, within-word left-to-right (Kauf and Ivanova 2023),
                        in bits, over their characters, blanks included
word_accuracy           the share of blanked words with every token right

A tokenizer that lowercases has an easier task: it need not know capitals. Rows are as long as a model reads, 512 tokens
at most, and begin where they are full: a model that reads longer rows sees more.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.comparison.table import DASH, percent
from unmask.config import require
from unmask.errors import DataError
from unmask.evaluation import ROW_LENGTH, SHARE
from unmask.evaluation.blanks import make_blanks
from unmask.evaluation.documents import documents, sampled
from unmask.evaluation.masked import restored_tokens
from unmask.evaluation.pseudo_likelihood import score
from unmask.models import load
from unmask.seeding import text_key
from unmask.tokens.rows import Vocabulary
from unmask.tokens.sentences import sentence_starts
from unmask.training.display import compact

if TYPE_CHECKING:
    from unmask.comparison.verdicts import MinimalPairs
    from unmask.corpus import Document
    from unmask.models import Model

CHARACTERS, SENTENCES = 400_000, 200
"""How much text is read with blanks, and how many sentences are scored token by token."""

FEWEST_DOCUMENTS = 20
SHORTEST, LONGEST = 20, 300
"""Characters of a sentence that is scored."""

Word = tuple[int, int, int]
"""A blanked word: its document, and its characters [start, end)."""


@dataclass(frozen=True)
class ModelFigures:
    """What a finished model came to; see the head of this file."""

    name: str
    parameters: int
    pll_bits_per_character: float | None
    """None where no sentence could be scored with every model"""
    bits_per_character: float
    word_accuracy: float
    blimp: float | None
    """accuracy; None where it was not asked for"""
    words: int
    """blanked words, the same for all"""
    sentences: int
    """sentences scored, the same for all"""

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return asdict(self)


def judged(
    names: Sequence[str | Path], data: str | Path, pairs: MinimalPairs | None, characters: int, sentences: int
) -> list[ModelFigures]:
    """The figures of every model, those of the fewest bits for a blanked character first.

    Raises SettingError where no model is named, ModelError for what is no model, DataError where the text has no words
    or the tokenizers have none in common.
    """
    require(bool(names), "which models? unmask compare --models MODEL MODEL --data TEXTS")
    texts = sampled(documents(data), characters, max(LONGEST, characters // FEWEST_DOCUMENTS))
    models = [load(name) for name in names]
    answers = [word_answers(model, texts) for model in models]
    common = sorted(set.intersection(*map(set, answers)))
    if not common:
        raise DataError(f"{data} has no blanked word that every tokenizer can write: give more text")
    asked = [text for text in some_sentences(texts, 2 * sentences) if all(_reads(model, text) for model in models)]
    asked = asked[:sentences]
    made = [
        _figures(str(name), model, [answer[word] for word in common], common, asked, pairs)
        for name, model, answer in zip(names, models, answers, strict=True)
    ]
    return sorted(made, key=lambda one: one.bits_per_character)


def word_answers(model: Model, texts: Sequence[Document]) -> dict[Word, tuple[float, bool]]:
    """The nats of every blanked word, and whether all of its tokens were restored."""
    blanks = make_blanks(model.tokenizer, texts, min(ROW_LENGTH, model.row_limit), SHARE)
    losses, predicted = restored_tokens(blanks, model.predict)
    nats = np.bincount(blanks.words, losses, minlength=len(blanks.spans))
    wrong = np.bincount(blanks.words, predicted != blanks.targets, minlength=len(blanks.spans))
    words = zip(blanks.documents.tolist(), *blanks.spans.T.tolist(), strict=True)
    return dict(zip(words, zip(nats.tolist(), (wrong == 0).tolist(), strict=True), strict=True))


def some_sentences(texts: Sequence[Document], count: int) -> list[str]:
    """Sentences of a readable length from all over the text, chosen by a hash of where they stand."""
    return [text for _, text in heapq.nsmallest(count, _sentences(texts))]


def _sentences(texts: Sequence[Document]) -> Iterator[tuple[int, str]]:
    for document in texts:
        for number, line in enumerate(document.text.splitlines()):
            starts = sentence_starts(line)
            for start, end in zip(starts, [*starts[1:], len(line)], strict=True):
                text = line[start:end].strip()
                if SHORTEST <= len(text) <= LONGEST:
                    yield text_key("sentence", document.id, number, start), text


def _reads(model: Model, text: str) -> bool:
    """Whether a model can read a text as a row, all of it."""
    ids = model.tokenizer.encode([text], literal=True)[0].ids
    fits = 0 < len(ids) <= model.row_limit - Vocabulary.of(model.tokenizer).frame
    return fits and model.tokenizer.unknown_id not in ids.tolist()


def _figures(
    name: str,
    model: Model,
    answers: Sequence[tuple[float, bool]],
    words: Sequence[Word],
    sentences: Sequence[str],
    pairs: MinimalPairs | None,
) -> ModelFigures:
    nats, characters = math.fsum(nats for nats, _ in answers), sum(end - start for _, start, end in words)
    scores = score(model, sentences, metric="within_word_l2r")
    total = -math.fsum(scored.total for scored in scores)
    return ModelFigures(
        name=name,
        parameters=sum(parameter.numel() for parameter in model.module.parameters()),
        pll_bits_per_character=total / math.log(2) / sum(map(len, sentences)) if sentences else None,
        bits_per_character=nats / math.log(2) / characters,
        word_accuracy=sum(right for _, right in answers) / len(answers),
        blimp=None if pairs is None else pairs.judge(model)["accuracy"],
        words=len(words),
        sentences=len(sentences),
    )


# ---------------------------------------------------------------- as text


def table_rows(found: Sequence[ModelFigures]) -> tuple[list[str], list[list[str]]]:
    """Titles and rows, without what no model has."""
    columns = [
        ("bits/character\nof blanks", [f"{one.bits_per_character:.3f}" for one in found]),
        ("of text", [DASH if (bits := one.pll_bits_per_character) is None else f"{bits:.3f}" for one in found]),
        ("words\nright", [percent(one.word_accuracy) for one in found]),
        ("BLiMP", [percent(one.blimp) for one in found if one.blimp is not None]),
        ("size", [compact(one.parameters) for one in found]),
    ]
    kept = [(title, cells) for title, cells in columns if cells]
    return [title for title, _ in kept], [
        [one.name, *(cells[number] for _, cells in kept)] for number, one in enumerate(found)
    ]


def explained(found: Sequence[ModelFigures]) -> str:
    """One line on what the figures are."""
    first = found[0]
    return (
        f"the same {first.words:,} blanked words and {first.sentences:,} sentences for all; "
        "of text: pseudo-log-likelihood, within-word left-to-right"
    )
