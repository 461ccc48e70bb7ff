"""Writing a target behind its source, token by token: greedy and beam search over an encoder that remembers.

Shapes: B sources, R rows (open texts), S tokens of a source, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unmask.generation.drawing import Grams
from unmask.layers.prefix import Memory

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Decoding:
    """How a text is searched for."""

    beams: int = 4
    """texts that are open at once; 1 always takes the likeliest token"""
    length: int = 64
    """the most tokens, the end among them"""
    length_penalty: float = 1.0
    """a text of n tokens is worth its log-probability over ((5 + n) / 6)^this (Wu et al. 2016, GNMT, equation 14)"""
    no_repeat: int = 0
    """no sequence of so many tokens is written twice; 0 allows all"""

    def worth(self, log_probability: float, tokens: int) -> float:
        """What texts of unlike lengths are compared by."""
        return log_probability / ((5 + tokens) / 6) ** self.length_penalty


@dataclass(frozen=True)
class Written:
    """A text without its end, and what it is worth."""

    tokens: Tokens
    score: float


class Writer:
    """Sources that have been read, and what each open text goes on with: `logits` (R,V).

    module: an objective of masked language modelling whose encoder takes a prefix view.
    """

    def __init__(self, module: Any, sources: Tensor, groups: Tensor, mask_id: int) -> None:
        """sources, groups (B,S): 1, and 0 for the padding behind."""
        self._module, self._mask, self._written = module, mask_id, 0
        self._memory = Memory(len(module.encoder.layers))
        self._lengths = groups.sum(1, keepdim=True)
        positions = torch.arange(sources.shape[1], device=sources.device) * groups
        self.logits = self._read(sources, groups, positions, torch.zeros_like(sources))

    def go_on(self, rows: Tensor, tokens: Tensor) -> None:
        """Go on with the texts `rows` (R,) of those that were open, a token (R,) behind each."""
        self._memory.choose(rows)
        self._lengths = self._lengths[rows]
        self._written += 1
        ones = torch.ones_like(self._lengths)
        positions = self._lengths + self._written - 1
        self.logits = self._read(tokens[:, None], ones, positions, 2 * self._written * ones)

    def _read(self, tokens: Tensor, groups: Tensor, positions: Tensor, turns: Tensor) -> Tensor:
        """Read tokens (R,Q), and ask for the one behind them by a blank that is forgotten."""
        ones = torch.ones_like(self._lengths)
        blank = (self._mask * ones, ones, self._lengths + self._written, (2 * self._written + 1) * ones)
        pairs = zip((tokens, groups, positions, turns), blank, strict=True)
        tokens, groups, positions, turns = (torch.cat(pair, 1) for pair in pairs)
        view = self._memory.view(groups, positions, turns)
        places = torch.full_like(ones, tokens.shape[1] - 1)
        hidden = self._module.encoder(tokens, groups, positions, places, view=view)
        self._memory.forget(1)
        return self._module.head(hidden[:, 0], self._module.encoder.embedding.weight).float()


@dataclass
class _Search:
    """What is written for one source: open texts with their log-probabilities, and ended ones."""

    decoding: Decoding
    end: int
    texts: list[Tokens] = field(default_factory=lambda: [()])
    scores: list[float] = field(default_factory=lambda: [0.0])
    ended: list[Written] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return len(self.ended) >= self.decoding.beams or not any(score > -torch.inf for score in self.scores)

    def take(self, likeliest: Sequence[float], numbers: Sequence[int], vocabulary: int) -> list[int]:
        """Go on by the likeliest continuations, numbered text * V + token; which of the texts each goes on with."""
        texts, scores, parents = [], [], []
        for rank, (score, number) in enumerate(zip(likeliest, numbers, strict=True)):
            parent, token = divmod(number, vocabulary)
            if token == self.end and rank < self.decoding.beams and score > -torch.inf:
                self._end(self.texts[parent], score, len(self.texts[parent]) + 1)
            elif token != self.end and len(texts) < self.decoding.beams:
                texts.append((*self.texts[parent], token))
                scores.append(score)
                parents.append(parent)
        self.texts, self.scores = texts, scores
        return parents

    def best(self) -> Written:
        """The text of most worth; those that are still open end here if none has ended."""
        if not self.ended:
            for text, score in zip(self.texts, self.scores, strict=True):
                self._end(text, score, len(text))
        return max(self.ended, key=lambda text: text.score)

    def _end(self, text: Tokens, score: float, tokens: int) -> None:
        self.ended.append(Written(text, self.decoding.worth(score, max(1, tokens))))


def written(
    writer: Writer, sources: int, decoding: Decoding, end: int, banned: Sequence[int], mask_id: int
) -> list[Written]:
    """The best text of at least one token for each source. end: what ends it; banned: tokens that none may hold."""
    searches = [_Search(decoding, end) for _ in range(sources)]
    active, never = searches, [token for token in banned if token != end]
    for step in range(1, decoding.length + 1):
        chances = writer.logits.log_softmax(-1)
        chances[:, never] = -torch.inf
        if step == 1:
            chances[:, end] = -torch.inf
        _forbid_repeats(chances, active, decoding.no_repeat, mask_id)
        rows, tokens = _continued(chances, active)
        active = [search for search in active if not search.done]
        if not active or step == decoding.length:
            break
        device = chances.device
        writer.go_on(torch.tensor(rows, device=device), torch.tensor(tokens, device=device))
    return [search.best() for search in searches]


def _continued(chances: Tensor, searches: Sequence[_Search]) -> tuple[list[int], list[int]]:
    """Take a step in every search; of those that go on, the row that each open text goes on with, and its new token."""
    width, vocabulary = len(searches[0].texts), chances.shape[1]
    before = chances.new_tensor([search.scores for search in searches])  # (B,W)
    totals = (before[:, :, None] + chances.view(len(searches), width, vocabulary)).flatten(1)
    # Of twice as many as go on at most half end, if each open text ends once.
    best = totals.topk(min(2 * searches[0].decoding.beams, totals.shape[1]), 1)
    rows, tokens = [], []
    for number, search in enumerate(searches):
        parents = search.take(best.values[number].tolist(), best.indices[number].tolist(), vocabulary)
        if not search.done:
            rows += [number * width + parent for parent in parents]
            tokens += [text[-1] for text in search.texts]
    return rows, tokens


def _forbid_repeats(chances: Tensor, searches: Sequence[_Search], size: int, mask_id: int) -> None:
    """No probability for what would write a sequence of `size` tokens again."""
    if size == 0:
        return
    for row, text in enumerate(text for search in searches for text in search.texts):
        chances[row, list(Grams((*text, mask_id), size, mask_id).repeating(len(text)))] = -torch.inf
