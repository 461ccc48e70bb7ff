"""How well a model restores blanks: the figures of `unmask evaluate`, and sentences to look at.

Shapes: R rows, T tokens in a row, N masked tokens, V vocabulary.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.errors import ModelError
from unmask.evaluation.blanks import Blanks, replaced
from unmask.metrics import METRICS
from unmask.metrics.metric import Metric, Scored

if TYPE_CHECKING:
    from torch import Tensor

Predict = Callable[["Tensor", "Tensor", "Tensor", "Tensor"], "Tensor"]
"""(tokens (B,T), groups (B,T), rows (N,), columns (N,)) -> logits (N,V)"""

LOGITS_AT_ONCE = 1 << 26
"""Logits asked for in one call: 256 MB in float32."""

BLANK = "[MASK]"


def score_blanks(
    blanks: Blanks, predict: Predict, token_counts: np.ndarray | None = None, batch_rows: int = 64
) -> dict[str, Any]:
    """The figures of a model on blanks: every metric of the menu, and `masked_tokens`.

    loss, perplexity, token_accuracy, word_accuracy, word_error_rate, bits_per_character, and unigram_loss from the
    training counts `token_counts` (V,), None without them. Where the texts are of several sources, `sources` has the
    same figures for each of them, by name. ModelError when the model knows fewer tokens than the text.
    """
    losses, predicted = restored_tokens(blanks, predict, batch_rows)
    scored = _scored(blanks, losses, predicted, token_counts)
    parts = {source: _measured(part) for source, part in _by_source(scored, blanks).items()}
    figures: dict[str, Any] = _figures(_added(parts.values()))
    asked = {source: metrics for source, metrics in parts.items() if metrics["loss"].count}
    if len(asked) > 1:
        figures["sources"] = {source: _figures(metrics) for source, metrics in asked.items()}
    return figures


def _measured(scored: Scored) -> dict[str, Metric]:
    metrics = {name: METRICS.load(name)() for name in METRICS}
    for metric in metrics.values():
        metric.update(scored)
    return metrics


def _added(parts: Iterable[dict[str, Metric]]) -> dict[str, Metric]:
    """The metrics of all parts of the text together."""
    whole = {name: METRICS.load(name)() for name in METRICS}
    for metrics in parts:
        for name, metric in metrics.items():
            whole[name].merge(metric.state())
    return whole


def _figures(metrics: dict[str, Metric]) -> dict[str, float | int | None]:
    figures: dict[str, float | int | None] = {name: metric.compute() for name, metric in metrics.items()}
    if not metrics["unigram_loss"].count:
        figures["unigram_loss"] = None
    return {**figures, "masked_tokens": int(metrics["loss"].count)}


def _by_source(scored: Scored, blanks: Blanks) -> dict[str, Scored]:
    """What was scored, by the source of the text."""
    source_of = np.array(blanks.sources)
    return {name: _of_texts(scored, blanks, source_of == name) for name in sorted(set(blanks.sources))}


def _of_texts(scored: Scored, blanks: Blanks, chosen: np.ndarray) -> Scored:
    """The part of what was scored that stands in chosen texts: bool (texts,)."""
    words = chosen[blanks.documents]
    tokens = words[scored.words]
    return replace(
        scored,
        losses=scored.losses[tokens],
        targets=scored.targets[tokens],
        predicted=scored.predicted[tokens],
        words=(np.cumsum(words) - 1)[scored.words[tokens]],
        characters=scored.characters[words],
        references=list(compress(scored.references, chosen)),
        hypotheses=list(compress(scored.hypotheses, chosen)),
    )


def restored_tokens(blanks: Blanks, predict: Predict, batch_rows: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """The loss in nats and the model's first choice for each masked token: float64 (N,), int64 (N,)."""
    losses, predicted = np.empty(len(blanks)), np.empty(len(blanks), dtype=np.int64)
    most = max(1, LOGITS_AT_ONCE // blanks.tokenizer.vocabulary_size)
    for rows, places in _batches(blanks, batch_rows, most):
        losses[places], predicted[places] = _asked(blanks, predict, rows, places)
    return losses, predicted


def _batches(blanks: Blanks, batch_rows: int, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that hold blanks and their places, rows of like length together and at most about `most` places."""
    lengths, counts = np.count_nonzero(blanks.groups, axis=1), np.bincount(blanks.rows, minlength=len(blanks.tokens))
    order = np.argsort(lengths, kind="stable")
    order = order[counts[order] > 0]
    start = 0
    while start < len(order):
        fitting = int(np.searchsorted(np.cumsum(counts[order[start : start + batch_rows]]), most, side="right"))
        rows = np.sort(order[start : start + max(1, fitting)])
        yield rows, np.flatnonzero(np.repeat(np.isin(np.arange(len(counts)), rows), counts))
        start += len(rows)


def _asked(blanks: Blanks, predict: Predict, rows: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Losses and first choices at some places, from the rows that hold them, cut to the longest."""
    import torch

    longest = int(np.count_nonzero(blanks.groups[rows], axis=1).max())
    inputs = (
        blanks.tokens[rows, :longest],
        blanks.groups[rows, :longest],
        np.searchsorted(rows, blanks.rows[places]),
        blanks.columns[places],
    )
    logits = predict(*map(torch.from_numpy, inputs)).float()
    targets = torch.from_numpy(blanks.targets[places]).to(logits.device)
    known = logits.shape[1]
    if int(targets.max()) >= known:
        raise ModelError(
            f"the tokenizer has {blanks.tokenizer.vocabulary_size} tokens but the model only {known}: "
            "evaluate the model with the tokenizer it was trained with"
        )
    losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    return losses.cpu().double().numpy(), logits.argmax(dim=1).cpu().numpy()


def _scored(blanks: Blanks, losses: np.ndarray, predicted: np.ndarray, token_counts: np.ndarray | None) -> Scored:
    wrong = np.unique(blanks.words[predicted != blanks.targets])
    return Scored(
        losses=losses,
        targets=blanks.targets,
        predicted=predicted,
        words=blanks.words,
        characters=blanks.characters,
        references=blanks.texts,
        hypotheses=blanks.restored(wrong, predicted),
        token_counts=token_counts,
    )


# ---------------------------------------------------------------- sentences to look at


@dataclass(frozen=True)
class Sample:
    """A sentence with blanks, as it was, and as the model restored it."""

    blanked: str
    original: str
    restored: str
    words: tuple[tuple[str, str], ...]
    """(true, restored) of each blank"""


def samples(blanks: Blanks, predict: Predict, count: int = 3) -> list[Sample]:
    """Sentences from all over the text with their blanks restored; the same ones for every model and every call."""
    sentences = _sentences(blanks, count)
    words = np.array([word for sentence in sentences for word in sentence.words], dtype=np.int64)
    places = np.flatnonzero(np.isin(blanks.words, words))
    predicted = blanks.targets.copy()
    if len(places):
        predicted[places] = _asked(blanks, predict, np.unique(blanks.rows[places]), places)[1]
    return [_sample(blanks, sentence, predicted) for sentence in sentences]


@dataclass(frozen=True)
class _Sentence:
    document: int
    start: int
    end: int
    words: tuple[int, ...]


def _sentences(blanks: Blanks, count: int) -> list[_Sentence]:
    """Readable sentences with blanks, at even distances through the text; any sentences when none is."""
    tried = np.linspace(0, len(blanks.spans) - 1, num=min(len(blanks.spans), 16 * count)).astype(int).tolist()
    around = list(dict.fromkeys(_sentence_around(blanks, word) for word in tried))
    found = [sentence for sentence in around if _readable(blanks, sentence)] or around
    return [found[place] for place in sorted({round(n * (len(found) - 1) / max(1, count - 1)) for n in range(count)})]


def _sentence_around(blanks: Blanks, word: int) -> _Sentence:
    from unmask.tokens.sentences import sentence_starts

    document, place = int(blanks.documents[word]), int(blanks.spans[word, 0])
    text = blanks.texts[document]
    line = text.rfind("\n", 0, place) + 1  # a line break always ends a sentence
    stop = text.find("\n", place)
    stop = len(text) if stop < 0 else stop
    starts = [line, *(line + start for start in sentence_starts(text[line:stop]) if start), stop]
    number = bisect_right(starts, place, hi=len(starts) - 1)
    start, end = starts[number - 1], starts[number]
    inside = (blanks.documents == document) & (blanks.spans[:, 0] >= start) & (blanks.spans[:, 1] <= end)
    return _Sentence(document, start, end, tuple(np.flatnonzero(inside).tolist()))


def _readable(blanks: Blanks, sentence: _Sentence) -> bool:
    """Whether it is a line or two long and lacks one to three words, which begin with a letter and leave most of it."""
    text, spans = blanks.texts[sentence.document], blanks.spans[list(sentence.words)]
    length, blanked = sentence.end - sentence.start, int((spans[:, 1] - spans[:, 0]).sum())
    letters = all(text[start].isalpha() for start in spans[:, 0])
    return letters and 1 <= len(spans) <= 3 and 24 <= length <= 160 and 3 * blanked <= length


def _sample(blanks: Blanks, sentence: _Sentence, predicted: np.ndarray) -> Sample:
    text, words = blanks.texts[sentence.document], list(sentence.words)
    spans = blanks.spans[words].tolist()
    true = [text[a:b] for a, b in spans]
    right = np.bincount(blanks.words, predicted != blanks.targets, minlength=len(blanks.spans)) == 0
    said = [old if right[w] else new for w, old, new in zip(words, true, blanks.written(words, predicted), strict=True)]

    def whole(filled: list[str]) -> str:
        shifted = [[a - sentence.start, b - sentence.start] for a, b in spans]
        return " ".join(replaced(text[sentence.start : sentence.end], shifted, filled).split())

    return Sample(whole([BLANK] * len(words)), whole(true), whole(said), tuple(zip(true, said, strict=True)))
