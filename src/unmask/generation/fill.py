"""Fill the blanks of a text: `fill(model, "The [MASK] is blue.")`.

How candidates are compared, and why:

- One token: its probability among all tokens, as `pipeline("fill-mask")` gives it.
- Several tokens in one blank (a long word, `[MASK:3]`, a blank of unknown length): they are scored from left to right,
  each with the tokens before it filled in and those after it masked, so that the end of a word cannot give its
  beginning away (pseudo-log-likelihood of Salazar et al. 2020, within words from left to right as Kauf and Ivanova
  2023 correct it). `score` is the exponential of the *mean* log-probability per token, which does not punish a
  candidate for being cut into more tokens (Jiang et al. 2020, X-FACTR). For one token it is the probability again.
- Several blanks, `joint=False`: each is filled with the others still blank. `joint=True`: one filling of all of them,
  found by a beam search that begins with the blank the model is surest of; `score` is their joint probability by the
  chain rule in that order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unmask.errors import SettingError
from unmask.generation.blanks import Blank, find_blanks, row_of
from unmask.generation.search import Query, Tokens, beam, best, replaced, scored

if TYPE_CHECKING:
    from unmask.models import Model

Filling = dict[str, Any]
"""The keys of the fill-mask pipeline: score, token, token_str, sequence."""

_NARROWEST = 8  # a beam of one or two misses likely words whose first token is not the likeliest


@dataclass(frozen=True)
class _Problem:
    """A text and its blanks."""

    text: str
    blanks: list[Blank]

    @property
    def lengths(self) -> list[int]:
        return [blank.tokens or 1 for blank in self.blanks]


def fill(
    model: Model,
    text: str | list[str],
    *,
    top_k: int = 5,
    targets: Sequence[str] | None = None,
    joint: bool = False,
    longest: int = 1,
    batch: int | None = None,
) -> list[Any]:
    """The `top_k` likeliest fillings of every blank, likeliest first.

    Each is a dict with the keys of `pipeline("fill-mask")`: score, token, token_str, sequence; a filling of several
    tokens has a list of them under `token`. One blank, or `joint`: a list of dicts; a joint one has one entry a blank
    under `token` and `token_str`. Several independent blanks: a list of such lists, one a blank. A list of texts: a
    list of all this, one a text.

    `targets` restricts the candidates to these words, of any number of tokens. `longest` lets a blank whose length is
    not said have 1 to that many tokens. `batch` rows go through the model together.

    Raises SettingError for a text without blank and settings that exclude each other, DataError for a text longer than
    the model's rows.
    """
    _check(top_k, targets, joint, longest, batch)
    own = model.tokenizer.mask_token
    problems = [_Problem(one, find_blanks(one, own)) for one in ([text] if isinstance(text, str) else text)]
    if joint:
        results = _jointly(model, problems, top_k, batch)
    else:
        lists = (
            _independently(model, problems, top_k, longest, batch)
            if targets is None
            else _among(model, problems, list(dict.fromkeys(targets)), top_k, batch)
        )
        results = [found[0] if len(found) == 1 else found for found in lists]
    return results[0] if isinstance(text, str) else results


def _check(top_k: int, targets: Sequence[str] | None, joint: bool, longest: int, batch: int | None) -> None:
    for name, value in (("top_k", top_k), ("longest", longest), ("batch", batch)):
        if value is not None and value < 1:
            raise SettingError(f"{name}={value}: a whole number from 1 is needed")
    if isinstance(targets, str):
        raise SettingError(f"targets='{targets}': a list of words is needed")
    if targets is not None and (not targets or not all(target.strip() for target in targets)):
        raise SettingError("targets: at least one word is needed, and none may be empty")
    if joint and targets is not None:
        raise SettingError("targets are compared one blank at a time: leave joint out")
    if joint and longest > 1:
        raise SettingError(
            "a joint filling needs the length of each blank: write [MASK:2] for two tokens, or leave longest out"
        )
    if targets is not None and longest > 1:
        raise SettingError("targets have their own lengths: leave longest out")


def _independently(
    model: Model, problems: Sequence[_Problem], top_k: int, longest: int, batch: int | None
) -> list[list[list[Filling]]]:
    """Every blank by itself, each of its possible lengths searched, the lengths compared by mean log-probability."""
    starts, owners = [], []
    for number, problem in enumerate(problems):
        for index, blank in enumerate(problem.blanks):
            for length in [blank.tokens] if blank.tokens else range(1, longest + 1):
                lengths = [*problem.lengths[:index], length, *problem.lengths[index + 1 :]]
                row, places = row_of(model, problem.text, problem.blanks, lengths)
                starts.append((row, places[index]))
                owners.append((number, index))
    # A search over a single place is exact with top_k; only longer ones need room.
    width = max(top_k, _NARROWEST) if any(len(places) > 1 for _, places in starts) else top_k
    results: list[list[list[Filling]]] = [[[] for _ in problem.blanks] for problem in problems]
    for (number, index), (_, places), found in zip(owners, starts, beam(model, starts, width, batch), strict=True):
        alone = len(problems[number].blanks) == 1
        results[number][index] += [
            _filling(model, each.tokens, places, each.log_probability / len(places), alone) for each in found
        ]
    return [[_ranked(fillings, top_k) for fillings in blanks] for blanks in results]


def _jointly(model: Model, problems: Sequence[_Problem], top_k: int, batch: int | None) -> list[list[Filling]]:
    """All blanks of a text together, the surest first."""
    rows = [row_of(model, problem.text, problem.blanks, problem.lengths) for problem in problems]
    asked = [Query(row, places[0]) for row, blanks in rows for places in blanks]
    surest = iter(answer[0][1] for answer in best(model, asked, 1, batch))
    starts = []
    for row, blanks in rows:
        confidence = {number: next(surest) for number in range(len(blanks))}
        order = sorted(confidence, key=lambda number: -confidence[number])
        starts.append((row, [place for number in order for place in blanks[number]]))
    found = beam(model, starts, max(top_k, _NARROWEST), batch)
    return [
        [_joint_filling(model, each.tokens, blanks, each.log_probability) for each in hypotheses[:top_k]]
        for (_, blanks), hypotheses in zip(rows, found, strict=True)
    ]


def _among(
    model: Model, problems: Sequence[_Problem], targets: Sequence[str], top_k: int, batch: int | None
) -> list[list[list[Filling]]]:
    """Every blank by itself, the candidates given; each is tokenised as it stands in the sentence."""
    queries: list[Query] = []
    wanted: list[int] = []
    candidates: list[list[list[tuple[Tokens, list[int], int]]]] = []
    for problem in problems:
        candidates.append([[] for _ in problem.blanks])
        for index in range(len(problem.blanks)):
            for target in targets:
                contents: list[int | str] = [*problem.lengths]
                contents[index] = target
                row, places = row_of(model, problem.text, problem.blanks, contents)
                asked, tokens = _word_queries(model, row, places[index], target)
                candidates[-1][index].append((row, places[index], len(queries)))
                queries += asked
                wanted += tokens
    values = scored(model, queries, wanted, batch)
    return [
        [
            _ranked(
                [
                    _filling(
                        model, row, places, sum(values[first : first + len(places)]) / len(places), len(blanks) == 1
                    )
                    for row, places, first in found
                ],
                top_k,
            )
            for found in blanks
        ]
        for blanks in candidates
    ]


def _word_queries(model: Model, row: Tokens, places: Sequence[int], word: str) -> tuple[list[Query], list[int]]:
    """The questions that score a word from left to right: its first token with the whole word masked, and so on."""
    tokens = [row[place] for place in places]
    if not tokens or model.tokenizer.unknown_id in tokens:
        raise SettingError(f"target '{word}' has characters the tokenizer does not know: leave it out")
    masked = row
    for place in places:
        masked = replaced(masked, place, model.mask_id)
    queries = []
    for place, token in zip(places, tokens, strict=True):
        queries.append(Query(masked, place))
        masked = replaced(masked, place, token)
    return queries, tokens


def _ranked(fillings: list[Filling], top_k: int) -> list[Filling]:
    return sorted(fillings, key=lambda filling: -filling["score"])[:top_k]


def _filling(model: Model, row: Tokens, places: Sequence[int], log_score: float, alone: bool) -> Filling:
    tokens = [row[place] for place in places]
    return {
        "score": math.exp(log_score),
        "token": tokens[0] if len(tokens) == 1 else tokens,
        "token_str": model.tokenizer.decode(tokens, keep_special=True),
        "sequence": _sequence(model, row, alone),
    }


def _joint_filling(model: Model, row: Tokens, blanks: Sequence[Sequence[int]], log_score: float) -> Filling:
    words = [[row[place] for place in places] for places in blanks]
    return {
        "score": math.exp(log_score),
        "token": [word[0] if len(word) == 1 else word for word in words],
        "token_str": [model.tokenizer.decode(word, keep_special=True) for word in words],
        "sequence": _sequence(model, row, True),
    }


def _sequence(model: Model, row: Tokens, whole: bool) -> str:
    """The filled row as text; the masks of the other blanks stay visible unless the row is filled as a whole."""
    hidden = set(model.tokenizer.special_ids.tolist()) - (set() if whole else {model.mask_id})
    return model.tokenizer.decode([token for token in row if token not in hidden], keep_special=True)
