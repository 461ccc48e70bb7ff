"""A tokenizer with more tokens: pieces that stand side by side in new text, joined, the most frequent pair first.

    larger = extended(tokenizer, texts, count=2000)
    larger.token(i) == tokenizer.token(i)            for every token of before
    pieces_of_new(tokenizer, larger)                 {new id: the old ids that it was written with}

Byte-pair encoding (Sennrich, Haddow and Birch 2016) that goes on where the old tokenizer ends, as Purason et al. 2025
("Teaching old tokenizers new words") do; frequent words come out whole. The new tokens stand in the model of
tokenizer.json itself, so every reader of such files knows them:

WordPiece  in the vocabulary: the longest piece is taken first
BPE        in the vocabulary, with a merge behind all others
Unigram    with the scores of their pieces added up and a little more, so that each wins against its own pieces alone
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import tokenizers

from unmask.errors import SettingError
from unmask.tokens.tokenizer import Tokenizer

Pair = tuple[str, str]

KINDS = ("WordPiece", "BPE", "Unigram")
_ADVANTAGE = 1e-3
"""By how much (natural logarithm) a new Unigram piece is better than the pieces it is made of."""
_NEVER = -1e4
"""The score of a Unigram piece that text is never written with."""


def extended(tokenizer: Tokenizer, texts: Iterable[str], count: int, minimum: int = 2) -> Tokenizer:
    """The tokenizer with up to `count` new tokens behind its own, fewer when no pair of pieces occurs `minimum` times.

    SettingError for a tokenizer that is none of KINDS: whole words or characters have no pieces to join.
    """
    written = json.loads(tokenizer.backend.to_str())
    model = written["model"]
    if model["type"] not in KINDS:
        raise SettingError(
            f"tokenizer.new_tokens={count}: a {model['type']} tokenizer cannot be extended, {', '.join(KINDS)} can"
        )
    known = set(tokenizer.backend.get_vocab(with_added_tokens=True))
    pairs = _joined_pairs(_segmented(tokenizer, texts), _joiner(model), known, count, minimum)
    _added_tokens_written(model, tokenizer)
    {"WordPiece": _into_wordpiece, "BPE": _into_bpe, "Unigram": _into_unigram}[model["type"]](model, pairs)
    return tokenizer.over(tokenizers.Tokenizer.from_str(json.dumps(written, ensure_ascii=False)))


def extends(larger: Tokenizer, tokenizer: Tokenizer) -> bool:
    """Whether every token of a tokenizer has the same number and, if special, the same role in a larger one."""
    size = tokenizer.vocabulary_size
    return (
        larger.vocabulary_size > size
        and larger.special == tokenizer.special
        and all(larger.token(number) == tokenizer.token(number) for number in range(size))
    )


def pieces_of_new(tokenizer: Tokenizer, larger: Tokenizer) -> dict[int, list[int]]:
    """The old ids with which each token that only the larger tokenizer has was written before."""
    model = json.loads(tokenizer.backend.to_str())["model"]
    prefix = _prefix(model) if model["type"] == "WordPiece" else ""
    numbers = range(tokenizer.vocabulary_size, larger.vocabulary_size)
    return {number: _pieces(tokenizer, larger.token(number), prefix) for number in numbers if larger.token(number)}


def _pieces(tokenizer: Tokenizer, spelled: str, prefix: str) -> list[int]:
    if not prefix or not spelled.startswith(prefix):
        return [token.id for token in tokenizer.backend.model.tokenize(spelled)]
    # The rest of a word, which WordPiece does not write by itself: the longest piece first, as inside a word.
    ids, rest = [], spelled.removeprefix(prefix)
    while rest:
        found = (end for end in range(len(rest), 0, -1) if tokenizer.id(prefix + rest[:end]) is not None)
        end = next(found, 0)
        if not end:
            return ids
        ids.append(tokenizer.id(prefix + rest[:end]) or 0)
        rest = rest[end:]
    return ids


# ---------------------------------------------------------------- which


def _segmented(tokenizer: Tokenizer, texts: Iterable[str]) -> list[tuple[list[str], int]]:
    """The distinct words of texts, as the tokenizer divides text, in their pieces, and how often each occurs; words
    with an unknown or a single piece are left out."""
    backend, special = tokenizer.backend, set(tokenizer.special_ids.tolist())
    counts: Counter[str] = Counter()
    for text in texts:
        normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
        words = backend.pre_tokenizer.pre_tokenize_str(normal) if backend.pre_tokenizer else [(normal, None)]
        counts.update(word for word, _ in words)
    divided = ((backend.model.tokenize(word), number) for word, number in sorted(counts.items()))
    return [
        ([piece.value for piece in pieces], number)
        for pieces, number in divided
        if len(pieces) > 1 and not any(piece.id in special for piece in pieces)
    ]


def _joined_pairs(
    words: list[tuple[list[str], int]], join: Callable[[Pair], str], known: set[str], count: int, minimum: int
) -> dict[str, Pair]:
    """New tokens in the order in which they were found, each with the two pieces it joins; `words` are changed.

    Of equally frequent pairs the first in the order of letters; a pair that spells a known token is none.
    """
    times: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, (pieces, often) in enumerate(words):
        for pair in pairwise(pieces):
            times[pair] += often
            where[pair].add(number)
    queue = [(-often, pair) for pair, often in times.items() if join(pair) not in known]
    heapq.heapify(queue)
    found: dict[str, Pair] = {}
    while queue and len(found) < count:
        often, pair = heapq.heappop(queue)
        if -often != times[pair] or -often < minimum or join(pair) in found:
            continue  # it became rarer, and stands again in the queue with what is left of it
        found[join(pair)] = pair
        for changed in _join_everywhere(words, pair, join, times, where):
            if join(changed) not in known:
                heapq.heappush(queue, (-times[changed], changed))
    return found


def _join_everywhere(
    words: list[tuple[list[str], int]],
    pair: Pair,
    join: Callable[[Pair], str],
    times: Counter[Pair],
    where: defaultdict[Pair, set[int]],
) -> set[Pair]:
    """Join a pair in all words; the pairs whose counts have changed."""
    changed: set[Pair] = set()
    for number in where.pop(pair):
        pieces, often = words[number]
        for old in pairwise(pieces):
            times[old] -= often
            changed.add(old)
        pieces = _join(pieces, pair, join(pair))
        words[number] = (pieces, often)
        for new in pairwise(pieces):
            times[new] += often
            where[new].add(number)
            changed.add(new)
    return changed


def _join(pieces: list[str], pair: Pair, joined: str) -> list[str]:
    made: list[str] = []
    place = 0
    while place < len(pieces):
        if tuple(pieces[place : place + 2]) == pair:
            made.append(joined)
            place += 2
        else:
            made.append(pieces[place])
            place += 1
    return made


# ---------------------------------------------------------------- into the model of tokenizer.json


def _prefix(model: dict[str, Any]) -> str:
    """How a piece begins that goes on with a word: "##" for WordPiece, mostly nothing."""
    return model.get("continuing_subword_prefix") or ""


def _joiner(model: dict[str, Any]) -> Callable[[Pair], str]:
    prefix = _prefix(model)
    return lambda pair: pair[0] + pair[1].removeprefix(prefix)


def _added_tokens_written(model: dict[str, Any], tokenizer: Tokenizer) -> None:
    """Give tokens that stand beside the model their numbers in it: readers number those that it lacks anew, by its
    size."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        for number, token in tokenizer.backend.get_added_tokens_decoder().items():
            vocabulary.setdefault(token.content, number)
    else:
        missing = range(len(vocabulary), tokenizer.vocabulary_size)
        vocabulary += [[tokenizer.token(number), _NEVER] for number in missing]


def _into_wordpiece(model: dict[str, Any], pairs: dict[str, Pair]) -> None:
    first = 1 + max(model["vocab"].values())
    model["vocab"] |= {token: first + number for number, token in enumerate(pairs)}


def _into_bpe(model: dict[str, Any], pairs: dict[str, Pair]) -> None:
    _into_wordpiece(model, pairs)
    older = bool(model["merges"]) and isinstance(model["merges"][0], str)
    model["merges"] += [" ".join(pair) if older else list(pair) for pair in pairs.values()]


def _into_unigram(model: dict[str, Any], pairs: dict[str, Pair]) -> None:
    scores = dict(model["vocab"])
    for token, (first, second) in pairs.items():
        scores[token] = scores[first] + scores[second] + _ADVANTAGE
        model["vocab"].append([token, scores[token]])
