"""What the model sees where it is asked: [MASK], a random token, or the token itself (80/10/10 in BERT).

Shapes: B rows, T tokens in a row, K places asked in a row.
"""

from __future__ import annotations

import numpy as np

from unmask.seeding import keys, uniforms
from unmask.tokens.rows import RowBatch, Vocabulary

IGNORE = -100
"""The target where nothing is asked, as in torch's cross entropy."""

# Independent streams of hashes: what happens to a token, and which random token it becomes.
FATE, REPLACEMENT = 3, 4


def corrupted(
    batch: RowBatch,
    places: np.ndarray,
    used: np.ndarray,
    shares: tuple[float, float],
    epoch: np.ndarray,
    seed: int,
    vocabulary: Vocabulary,
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets (B,T): the `used` of the places (B,K) masked with `shares` (mask, random), the rest kept.

    Random tokens come from the whole vocabulary less the special ones. `epoch` is (B,).
    """
    row, nth = np.nonzero(used)
    column = places[row, nth]
    address = (epoch[row], batch.numbers[row], column)
    mask_share, random_share = shares

    inputs, targets = batch.tokens.copy(), np.full_like(batch.tokens, IGNORE)
    targets[row, column] = batch.tokens[row, column]
    draw = uniforms(keys(seed, FATE, *address))
    masked = draw < mask_share
    inputs[row[masked], column[masked]] = vocabulary.mask_id
    # Compared with both shares, so that shares that add up to 1 leave nothing by rounding.
    replaced = ~masked & (draw < mask_share + random_share)
    place = uniforms(keys(seed, REPLACEMENT, *(part[replaced] for part in address)))
    ordinary = vocabulary.ordinary_ids
    inputs[row[replaced], column[replaced]] = ordinary[(place * len(ordinary)).astype(np.int64)]
    return inputs, targets
