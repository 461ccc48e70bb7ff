"""Log-probabilities at asked places, many texts in a batch, and the beam search that stands on them.

Shapes: N queries in a chunk, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unmask.tokens.batching import LOGITS_AT_ONCE, batch_tokens_on, batches

if TYPE_CHECKING:
    from torch import Tensor

    from unmask.models import Model

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Query:
    """A question to the model: which token stands at `place` of a row of `tokens`?"""

    tokens: Tokens
    place: int


@dataclass(frozen=True)
class Hypothesis:
    """A row with the places of a search filled so far, and the log of their joint probability in nats."""

    tokens: Tokens
    log_probability: float


def log_probabilities(model: Model, queries: Sequence[Query], batch: int | None) -> Iterator[tuple[list[int], Tensor]]:
    """Chunks of answers: (the numbers of the queries, their log-probabilities (N,V) float32).

    Rows of like length go together, and a row asked at several places runs once a chunk. At most `batch` answers are in
    a chunk, where it is given, else as many as suit the device: so memory is bounded, whatever is asked.
    """
    import torch

    for numbers in _chunks(model, queries, batch):
        rows = list(dict.fromkeys(queries[number].tokens for number in numbers))
        row_of = {tokens: row for row, tokens in enumerate(rows)}
        longest = max(map(len, rows))
        tokens = np.full((len(rows), longest), model.tokenizer.pad_id, dtype=np.int64)
        groups = np.zeros_like(tokens)
        for row, content in enumerate(rows):
            tokens[row, : len(content)] = content
            groups[row, : len(content)] = 1
        logits = model.predict(
            torch.from_numpy(tokens),
            torch.from_numpy(groups),
            torch.tensor([row_of[queries[number].tokens] for number in numbers]),
            torch.tensor([queries[number].place for number in numbers]),
        )
        yield numbers, logits.log_softmax(dim=-1)


def _chunks(model: Model, queries: Sequence[Query], batch: int | None) -> Iterator[list[int]]:
    """The numbers of the queries that go together, by length, equal rows beside each other."""
    by_row = sorted(range(len(queries)), key=lambda number: queries[number].tokens)
    lengths = np.array([len(queries[number].tokens) for number in by_row], np.int64)
    if batch is None:
        most = max(1, LOGITS_AT_ONCE // model.vocabulary_size)
        chunks = batches(lengths, batch_tokens_on(model.device), most)
    else:
        order = np.argsort(lengths, kind="stable")
        chunks = (order[first : first + batch] for first in range(0, len(order), batch))
    return ([by_row[number] for number in chunk] for chunk in chunks)


def best(model: Model, queries: Sequence[Query], count: int, batch: int | None) -> list[list[tuple[int, float]]]:
    """The `count` likeliest (token, log-probability) of every query, likeliest first."""
    answers: list[list[tuple[int, float]]] = [[] for _ in queries]
    for numbers, scores in log_probabilities(model, queries, batch):
        # A model may have more outputs than the tokenizer has tokens (padding to a round size); those are no answers.
        known = scores[:, : model.tokenizer.vocabulary_size]
        values, tokens = known.topk(min(count, known.shape[1]), dim=-1)
        for number, row_tokens, row_values in zip(numbers, tokens.tolist(), values.tolist(), strict=True):
            answers[number] = list(zip(row_tokens, row_values, strict=True))
    return answers


def scored(model: Model, queries: Sequence[Query], wanted: Sequence[int], batch: int | None) -> list[float]:
    """The log-probability of one wanted token for every query."""
    import torch

    answers = [0.0] * len(queries)
    for numbers, scores in log_probabilities(model, queries, batch):
        tokens = scores.new_tensor([wanted[number] for number in numbers], dtype=torch.int64)
        for number, value in zip(numbers, scores.gather(1, tokens[:, None])[:, 0].tolist(), strict=True):
            answers[number] = value
    return answers


def beam(
    model: Model, starts: Sequence[tuple[Tokens, Sequence[int]]], width: int, batch: int | None
) -> list[list[Hypothesis]]:
    """Fill places one after the other, keeping the `width` likeliest rows of every start.

    A start is (row, its places in the order in which they are filled). The log-probability of a hypothesis is the sum
    over its places, each given the places filled before it and with the later ones still masked: the chain rule.
    """
    alive = [[Hypothesis(tokens, 0.0)] for tokens, _ in starts]
    for step in range(max((len(places) for _, places in starts), default=0)):
        going = [number for number, (_, places) in enumerate(starts) if step < len(places)]
        asked = [(number, hypothesis) for number in going for hypothesis in alive[number]]
        answers = best(model, [Query(h.tokens, starts[n][1][step]) for n, h in asked], width, batch)
        grown: dict[int, list[Hypothesis]] = {number: [] for number in going}
        for (number, hypothesis), choices in zip(asked, answers, strict=True):
            place = starts[number][1][step]
            for token, value in choices:
                grown[number].append(
                    Hypothesis(replaced(hypothesis.tokens, place, token), hypothesis.log_probability + value)
                )
        for number, hypotheses in grown.items():
            alive[number] = sorted(hypotheses, key=lambda h: -h.log_probability)[:width]
    return alive


def replaced(tokens: Tokens, place: int, token: int) -> Tokens:
    """The row with another token at one place."""
    return (*tokens[:place], token, *tokens[place + 1 :])
