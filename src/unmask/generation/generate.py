"""Text by iterative unmasking, from any masked language model: `generate(model, "Once upon a time", tokens=40)`.

A row holds the prompt and blanks. At every step the model is asked about all places that are still blank, a token is
drawn for each, and those that come first in the chosen order are kept; the others stay blank and are asked again (Chang
et al. 2022, MaskGIT, section 3.2; Nie et al. 2025, LLaDA, section 2.4). What was kept is never changed.

That is what a model of masked diffusion has learned. Any other one has never seen a row of little but blanks, and
writes single letters into one. With `ahead=0` it is shown the text so far and no blank but those that are filled next.

Shapes: B samples at once, T tokens, R places still blank, C of them filled at a step, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.config import require
from unmask.errors import SettingError
from unmask.generation.blanks import Blank, blanks_in, row_of
from unmask.generation.drawing import Drawing, Grams, without
from unmask.generation.orders import ORDERS, Candidates, Confidence, LeftToRight, Order
from unmask.generation.plans import PLANS, counts, shared
from unmask.generation.writing import written
from unmask.seeding import keys, uniforms

if TYPE_CHECKING:
    from torch import Tensor

    from unmask.models import Model

TOKENS = 64
"""How many tokens are written behind a prompt without blanks."""
LOGITS_AT_ONCE = 1 << 27
"""Samples go together as long as their scores are no more numbers than these (half a gigabyte)."""
_PLACE, _FIRST, _AGAIN = range(3)  # what a random number is for


@dataclass(frozen=True)
class Generated:
    """One text that was made."""

    text: str
    """the whole, the given parts as they were written"""
    fillings: tuple[str, ...]
    """what stands in each blank, from left to right"""
    spans: tuple[tuple[int, int], ...]
    """where it stands in the text: characters [start, end)"""
    mean_log_probability: float
    """of its tokens in nats, each when it was filled and among what may be written, at temperature 1"""

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Step:
    """What stands in the rows after a step, for whoever watches."""

    number: int
    """from 1"""
    of: int
    tokens: Tensor
    """(B,T), the mask token where nothing stands yet"""
    new: Tensor
    """(B,C): the places that were filled in this step"""
    first_sample: int
    """the number of the first of these samples, from 0"""


def generate(
    model: Model,
    prompt: str = "",
    *,
    tokens: int | None = None,
    suffix: str = "",
    samples: int = 1,
    steps: int | None = None,
    order: str | Order | None = None,
    ahead: int | None = None,
    plan: str = "linear",
    temperature: float = 1.0,
    top_p: float = 1.0,
    no_repeat: int = 0,
    seed: int = 0,
    watch: Callable[[Step], None] | None = None,
) -> list[Generated]:
    """`samples` texts with the prompt, then `tokens` tokens (64 by default), then the suffix; or with the blanks of
    the prompt filled ("Once [MASK:20] ever after.").

    `steps` is how often the model is asked, as many as there are blanks by default; `plan` says how many are filled at
    each (PLANS), `order` which ones (ORDERS). `ahead` is how many blanks the model sees behind those that a step may
    fill, where no given text stands behind them; none: all. Without an order the usual one is taken: left to right with
    none ahead at the end of a text, but the surest first and all in view between given texts, and for a model that
    learned by masked diffusion. See Drawing for temperature, top_p and no_repeat. Special tokens are never written.
    Sample number n is the same whatever number of them is made. `watch` is called after each step.

    Raises SettingError for settings that cannot be, DataError for a row longer than the model reads.
    """
    for name, value in (("samples", samples), ("steps", 1 if steps is None else steps)):
        require(value > 0, f"{name}={value}: a whole number from 1 is needed")
    require(ahead is None or ahead >= 0, f"ahead={ahead}: a whole number from 0 is needed")
    PLANS[plan]  # an unknown name is refused before the model is asked
    chosen, asked = ORDERS.load(order)() if isinstance(order, str) else order, ahead
    drawing = Drawing(temperature, top_p, no_repeat)
    text, blanks = _with_blanks(model, prompt, suffix, tokens)
    open_end = not text[blanks[-1].end :].strip() and len(blanks) == 1
    if chosen is None:
        one_by_one = open_end and not _learned_by_diffusion(model)
        chosen, ahead = (LeftToRight(), 0 if ahead is None else ahead) if one_by_one else (Confidence(), ahead)
    if asked is not None:
        _require_ahead(asked, chosen, sum(blank.tokens or 1 for blank in blanks), open_end)
    row, places = row_of(model, text, blanks, [blank.tokens or 1 for blank in blanks])
    filler = _Filler(
        model=model,
        row=row,
        places=tuple(place for inside in places for place in inside),
        order=chosen,
        ahead=ahead if open_end else None,
        drawing=drawing,
        steps=steps,
        plan=plan,
        seed=seed,
    )
    made = []
    for rows, scores in filler.filled(samples, watch):
        for one, score in zip(rows.tolist(), scores.tolist(), strict=True):
            whole, spans = written(model.tokenizer, text, blanks, one, places)
            made.append(Generated(whole, tuple(whole[a:b] for a, b in spans), tuple(spans), score))
    return made


def _require_ahead(ahead: int, order: Order, blanks: int, open_end: bool) -> None:
    """SettingError where the blanks in view are all of them whatever `ahead` says."""
    require(open_end, f"ahead={ahead}: text stands behind a blank, so all blanks are in view; leave it out")
    anywhere = blanks > 1 and order.last(order.parts(blanks)[0], 0, 1) == blanks - 1
    require(
        not anywhere,
        f"ahead={ahead}: any blank may be the next, so all are in view; leave it out, or fill from left to right "
        "(order left_to_right or blocks)",
    )


def _learned_by_diffusion(model: Model) -> bool:
    """Whether the model's run has shown it rows of any share of blanks."""
    return model.run is not None and model.run.get("objective", {}).get("name") == "masked_diffusion"


def _with_blanks(model: Model, prompt: str, suffix: str, tokens: int | None) -> tuple[str, list[Blank]]:
    """The text around the blanks and these: those of the prompt, or one between prompt and suffix."""
    own = blanks_in(prompt + suffix, model.tokenizer.mask_token)
    if own and suffix:
        raise SettingError("a suffix stands behind the tokens that are written: leave it out, or the prompt's blanks")
    if own and tokens is not None:
        raise SettingError("the prompt has blanks, which say how long they are ([MASK:20]): leave tokens out")
    length = TOKENS if tokens is None else tokens
    require(length > 0, f"tokens={length}: a whole number from 1 is needed")
    return prompt + suffix, own or [Blank(len(prompt), len(prompt), length)]


@dataclass(frozen=True, eq=False)
class _Filler:
    """Fills the blank places of one row, many samples at a time."""

    model: Model
    row: tuple[int, ...]
    places: tuple[int, ...]
    order: Order
    ahead: int | None
    drawing: Drawing
    steps: int | None
    plan: str
    seed: int

    def filled(self, samples: int, watch: Callable[[Step], None] | None) -> Iterator[tuple[Tensor, Tensor]]:
        """(rows (B,T), the mean log-probability of what was filled (B,)) of some samples at a time."""
        at_once = max(1, LOGITS_AT_ONCE // (len(self.places) * self.model.vocabulary_size))
        for first in range(0, samples, at_once):
            yield self._some(range(first, min(first + at_once, samples)), watch)

    @cached_property
    def turns(self) -> list[tuple[range, list[int]]]:
        """The parts of the blanks that are filled one after the other, and how many at each of their steps."""
        parts = self.order.parts(len(self.places))
        sizes = [len(part) for part in parts]
        steps = shared(min(self.steps or sum(sizes), sum(sizes)), sizes)
        return [(part, counts(self.plan, len(part), taken)) for part, taken in zip(parts, steps, strict=True)]

    @cached_property
    def forbidden(self) -> Tensor:
        """Whether a token is never written, being special or no token at all: bool (V,)."""
        import torch

        tokenizer, size = self.model.tokenizer, self.model.vocabulary_size
        known = np.zeros(max(size, tokenizer.vocabulary_size), bool)
        known[list(tokenizer.backend.get_vocab(with_added_tokens=True).values())] = True
        known[tokenizer.special_ids] = False
        return torch.from_numpy(~known)

    def _some(self, samples: range, watch: Callable[[Step], None] | None) -> tuple[Tensor, Tensor]:
        import torch

        tokens = torch.tensor(self.row).repeat(len(samples), 1)
        everywhere = torch.tensor(self.places)
        score = torch.zeros(len(samples))
        number, of = 0, sum(len(taken) for _, taken in self.turns)
        for part, taken in self.turns:
            blank = torch.tensor(part).repeat(len(samples), 1)  # (B,R): which of all the blanks
            for count in taken:
                number += 1
                last = self.order.last(part, int(blank[0, 0]), count)
                asked = int((blank[0] <= last).sum())
                found = self._candidates(tokens[:, : self._end(last)], blank[:, :asked], everywhere, samples, number)
                ranked = self.order.priorities(found).argsort(dim=1, descending=True, stable=True)
                now = ranked[:, :count]
                score += self._kept(tokens, everywhere, found, now, samples, number)
                if watch is not None:
                    new = everywhere[blank.gather(1, now)]
                    watch(Step(number, of, tokens.clone(), new, samples.start))
                blank = torch.cat([blank.gather(1, ranked[:, count:].sort(dim=1).values), blank[:, asked:]], dim=1)
        return tokens, score / len(self.places)

    def _end(self, last: int) -> int | None:
        """Where the row ends that the model sees when the blanks up to `last` may be filled; None: at its end."""
        seen = len(self.places) if self.ahead is None else last + self.ahead + 1
        return None if seen >= len(self.places) else self.places[seen - 1] + 1

    def _candidates(self, tokens: Tensor, blank: Tensor, everywhere: Tensor, samples: range, step: int) -> Candidates:
        """What would be written to the places that are blank (B,R)."""
        import torch

        places, (B, R) = everywhere[blank], blank.shape
        rows = torch.arange(B)[:, None].expand(B, R)
        logits = self.model.predict(tokens, torch.ones_like(tokens), rows.flatten(), places.flatten()).cpu()
        logits = logits.masked_fill(self.forbidden[: logits.shape[1]], -torch.inf).view(B, R, -1)
        for sample, row in enumerate(tokens.tolist()) if self.drawing.no_repeat else ():
            grams = self._grams(row)
            for number, place in enumerate(places[sample].tolist()):
                logits[sample, number] = without(logits[sample, number], grams.repeating(place))
        scores = logits.log_softmax(-1)
        drawn = self.drawing.drawn(scores, self._uniforms(_FIRST, samples, step, blank))
        return Candidates(scores, drawn, blank, self._uniforms(_PLACE, samples, 0, blank))

    def _kept(
        self, tokens: Tensor, everywhere: Tensor, found: Candidates, now: Tensor, samples: range, step: int
    ) -> Tensor:
        """Write the drawn tokens to the places of some candidates (B,C); the sum of their log-probabilities (B,)."""
        import torch

        drawn, places = found.drawn.gather(1, now), everywhere[found.numbers.gather(1, now)]
        if self.drawing.no_repeat:
            again = self._uniforms(_AGAIN, samples, step, found.numbers)
            for sample, row in enumerate(tokens.tolist()):
                scores, chances = found.log_probabilities[sample, now[sample]], again[sample, now[sample]]
                drawn[sample] = self._unrepeated(row, places[sample].tolist(), drawn[sample], scores, chances)
        tokens.scatter_(1, places, drawn)
        return found.log_probabilities[torch.arange(len(now))[:, None], now, drawn].sum(1)

    def _unrepeated(self, row: list[int], places: list[int], drawn: Tensor, scores: Tensor, chances: Tensor) -> Tensor:
        """Tokens for some places of one row (C,), drawn anew where they repeat an n-gram.

        Two tokens of one step know nothing of each other, so only now can it be seen what they make together.
        """
        drawn = drawn.clone()
        for number, place in enumerate(places):
            repeating = self._grams(row).repeating(place)
            if int(drawn[number]) in repeating:
                drawn[number] = self.drawing.drawn(without(scores[number], repeating), chances[number])
            row[place] = int(drawn[number])
        return drawn

    def _grams(self, row: list[int]) -> Grams:
        return Grams(row, self.drawing.no_repeat, self.model.mask_id)

    def _uniforms(self, what: int, samples: range, step: int, numbers: Tensor) -> Tensor:
        """A random number for each sample and blank (B,R), the same whatever other samples are made."""
        import torch

        hashes = keys(self.seed, what, np.asarray(samples)[:, None], step, numbers.numpy())
        return torch.from_numpy(uniforms(hashes))
