"""Batches that every objective can be asked with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unmask.batches import Batch
from unmask.masking import Masking
from unmask.seeding import keys, uniforms
from unmask.tokens.rows import RowBatch, Vocabulary, positions

V, T = 40, 24
VOCABULARY = Vocabulary(size=V, mask_id=4, pad_id=0, cls_id=2, sep_id=3, special_ids=(0, 1, 2, 3, 4))


@pytest.fixture
def batch_of():
    """A function (rows, masking) -> a batch of rows of various lengths, masked as training masks them."""

    def made(count: int, masking: Masking, seed: int = 0) -> Batch:
        numbers = np.arange(count)
        draws = uniforms(keys(seed, 9, numbers[:, None], np.arange(T)[None, :]))
        lengths = 8 + numbers % (T - 7)  # (B,) with the frame
        column = np.arange(T)[None, :]
        words = np.where((column > 0) & (column < lengths[:, None] - 1), column, 0)
        tokens = np.where(words > 0, 5 + (draws * (V - 5)).astype(np.int64), VOCABULARY.pad_id)
        tokens[:, 0] = VOCABULARY.cls_id
        tokens[numbers, lengths - 1] = VOCABULARY.sep_id
        groups = (column < lengths[:, None]).astype(np.int64)
        taken = RowBatch(numbers, tokens, groups, words)
        ratio = masking.ratio_at(0.0)
        masked = masking.apply(taken, ratio, 0, seed, VOCABULARY)
        pair = {"types": (column > lengths[:, None] // 2).astype(np.int64) * groups, "labels": numbers % 2}
        arrays = (numbers, *masked[:2], groups, positions(groups), masked.places, (words > 0).sum(axis=1))
        pair["draws"] = draws.astype(np.float32)
        pair = {name: torch.from_numpy(part) for name, part in pair.items()}
        return Batch(*map(torch.from_numpy, arrays), ratio=ratio, **pair)

    return made
