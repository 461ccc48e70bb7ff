"""Drawing a token for each place: temperature, nucleus, and what would repeat an n-gram.

Every draw is a pure function of (seed, sample, step, place), so a sample does not depend on which others are made.

Shapes: B samples, R places, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unmask.config import require

if TYPE_CHECKING:
    from torch import Tensor

_BELOW_ONE = 1 - 2.0**-24  # the float32 below one: a draw never passes the last token that has a probability


@dataclass(frozen=True)
class Drawing:
    """How tokens are drawn from what the model finds likely."""

    temperature: float = 1.0
    """below 1 sharper, above 1 flatter, 0 always the likeliest token"""
    top_p: float = 1.0
    """draw among the likeliest tokens that together have this probability (Holtzman et al. 2020)"""
    no_repeat: int = 0
    """no sequence of this many tokens stands twice in a text; 0 allows all"""

    def __post_init__(self) -> None:
        require(self.temperature >= 0, f"temperature={self.temperature:g}: 0 or more is needed")
        require(0 < self.top_p <= 1, f"top_p={self.top_p:g}: more than 0 and at most 1 is needed")
        require(self.no_repeat >= 0, f"no_repeat={self.no_repeat}: a whole number from 0 is needed")

    def drawn(self, log_probabilities: Tensor, uniforms: Tensor) -> Tensor:
        """A token for each place: (..., V) and a random number in [0, 1) each (...) -> int64 (...)."""
        import torch

        if self.temperature == 0:
            return log_probabilities.argmax(-1)
        shares = (log_probabilities / self.temperature).softmax(-1)
        shares = shares if self.top_p == 1 else nucleus(shares, self.top_p)
        up_to = shares.cumsum(-1)
        asked = up_to[..., -1:] * uniforms[..., None].float().clamp(max=_BELOW_ONE)
        return torch.searchsorted(up_to, asked, right=True).squeeze(-1)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The smallest set of likeliest tokens whose probabilities (..., V) reach `top_p`; the others get 0."""
    likeliest, tokens = probabilities.sort(dim=-1, descending=True)
    before = likeliest.cumsum(-1) - likeliest
    return probabilities.masked_fill((before >= top_p).gather(-1, tokens.argsort(-1)), 0)


def without(scores: Tensor, tokens: Collection[int]) -> Tensor:
    """Scores (V,) with no probability for some tokens, or as they are where nothing would be left."""
    import torch

    kept = scores.clone()
    kept[list(tokens)] = -torch.inf
    return kept if bool(kept.isfinite().any()) else scores


class Grams:
    """The n-grams of a row, to know what would write one of them again; `blank` stands where nothing is known."""

    def __init__(self, row: Sequence[int], length: int, blank: int) -> None:
        self._row, self._length, self._blank = tuple(row), length, blank
        # By which of its tokens is left out: from the others to what stood there.
        self._seen: list[dict[tuple[int, ...], set[int]]] = [{} for _ in range(length)]
        for start in range(len(self._row) - length + 1):
            gram = self._row[start : start + length]
            if blank not in gram:
                for out in range(length):
                    self._seen[out].setdefault(_without(gram, out), set()).add(gram[out])

    def repeating(self, place: int) -> set[int]:
        """The tokens that would make an n-gram stand twice if they were written to a blank place."""
        around = {
            out: self._row[place - out : place - out + self._length]
            for out in range(self._length)
            if 0 <= place - out <= len(self._row) - self._length
        }
        known = {out: gram for out, gram in around.items() if self._blank not in _without(gram, out)}
        again: set[int] = set()
        for out, gram in known.items():
            again |= self._seen[out].get(_without(gram, out), set())
        return again | self._overlapping(known)

    def _overlapping(self, known: dict[int, tuple[int, ...]]) -> set[int]:
        """Tokens that make two n-grams alike which both contain the place: "a _ a" and a, for two tokens."""
        alike = set()
        for out, gram in known.items():
            for other_out, other in known.items():
                token = other[out]
                if out < other_out and _with(gram, out, token) == _with(other, other_out, token):
                    alike.add(token)
        return alike


def _without(gram: tuple[int, ...], out: int) -> tuple[int, ...]:
    return gram[:out] + gram[out + 1 :]


def _with(gram: tuple[int, ...], out: int, token: int) -> tuple[int, ...]:
    return (*gram[:out], token, *gram[out + 1 :])
