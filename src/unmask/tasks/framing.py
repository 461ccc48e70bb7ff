"""From token ids to a model's rows: the special tokens around one text or two, cutting, and windows over long texts.

The frame is the tokenizer's own (its post-processor), so that rows are those that stock code would make.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from unmask.errors import ModelError
from unmask.tokens.tokenizer import Tokenizer

OVERLAP = 0.25
"""The share of a window that it has in common with the next."""
_PROBES = ("a", "the", "1", "我", "и")


@dataclass(frozen=True)
class Frame:
    """Special tokens around one text (prefix, suffix), or around two, with `middle` between them."""

    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]
    pair_suffix: tuple[int, ...]
    second_type: int
    """the type of the second text's tokens and of those behind them"""

    def room(self, limit: int, pair: bool) -> int:
        """How many tokens of the texts fit a row of `limit`."""
        specials = (*self.prefix, *self.middle, *self.pair_suffix) if pair else (*self.prefix, *self.suffix)
        return limit - len(specials)

    def row(self, first: np.ndarray, second: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The tokens (n,) int32 and types (n,) int8 of a row. The first text starts at column len(prefix)."""
        if second is None:
            tokens = np.concatenate([self.prefix, first, self.suffix]).astype(np.int32)
            return tokens, np.zeros(len(tokens), np.int8)
        tokens = np.concatenate([self.prefix, first, self.middle, second, self.pair_suffix]).astype(np.int32)
        types = np.zeros(len(tokens), np.int8)
        types[len(self.prefix) + len(first) + len(self.middle) :] = self.second_type
        return tokens, types


def frame_of(tokenizer: Tokenizer) -> Frame:
    """The frame that a tokenizer's own post-processor makes, or [CLS] A [SEP] B [SEP] where it makes none but has these
    tokens; nothing around texts else, as for GPT-2."""
    for probe in _PROBES:
        encoded = tokenizer.backend.encode(probe, probe, add_special_tokens=True)
        if {0, 1} <= set(encoded.sequence_ids) and None in encoded.sequence_ids:
            alone = tokenizer.backend.encode(probe, add_special_tokens=True)
            return _read(encoded, alone)
    cls, sep = tokenizer.cls_id, tokenizer.sep_id
    if cls is not None and sep is not None and cls != sep:
        return Frame((cls,), (sep,), (sep,), (sep,), 1)
    return Frame((), () if sep is None else (sep,), (), (), 0)


def _read(pair, alone) -> Frame:
    """The frame in which the tokenizer has set its probes."""
    ids, whose = np.array(pair.ids), pair.sequence_ids
    first = [at for at, text in enumerate(whose) if text == 0]
    second = [at for at, text in enumerate(whose) if text == 1]
    behind = max(at for at, text in enumerate(alone.sequence_ids) if text == 0) + 1
    return Frame(
        tuple(map(int, ids[: first[0]])),
        tuple(map(int, ids[first[-1] + 1 : second[0]])),
        tuple(map(int, alone.ids[behind:])),
        tuple(map(int, ids[second[-1] + 1 :])),
        pair.type_ids[second[0]],
    )


def padding_of(tokenizer: Tokenizer, decoder: bool) -> int:
    """The id that rows are padded with; ModelError for a decoder without one, which finds the end of a row by it."""
    if not decoder or "pad" in tokenizer.special:
        return tokenizer.pad_id
    if tokenizer.sep_id is not None:  # GPT-2's <|endoftext|>
        return tokenizer.sep_id
    raise ModelError("the tokenizer has neither a padding nor an end token: add one to tokenizer_config.json")


def cut(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens are kept of two texts of these lengths: the longer one gives way first."""
    if first + second <= room:
        return first, second
    half = room // 2
    if second <= half:
        return room - second, second
    if first <= half:
        return first, room - first
    return room - half, half


def windows(length: int, size: int, step: int | None = None) -> list[tuple[int, int]]:
    """[start, stop) of overlapping windows of at most `size` over `length` tokens; one when they fit. step: from one to
    the next; None: so that they share OVERLAP."""
    if length <= size:
        return [(0, length)]
    step = max(1, size - round(size * OVERLAP)) if step is None else step
    starts = [*range(0, length - size, step), length - size]
    return [(start, start + size) for start in starts]


def shares(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """[start, stop) of what each window answers for: borders lie in the middle of what two have in common."""
    borders = [(before[1] + after[0]) // 2 for before, after in pairwise(spans)]
    return list(zip([spans[0][0], *borders], [*borders, spans[-1][1]], strict=True))
