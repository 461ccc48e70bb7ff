"""Attention to what is nearby, block by block: time and memory linear in the length of the row.

A row is cut into blocks as long as the window reaches to one side, so that whatever a token sees stands in its own
block or the two beside it (Beltagy et al. 2020, "Longformer", section 3.1, in chunks). That holds where positions grow
from column to column inside each group, which `Nearby.of` looks at.

Shapes: B rows, T tokens, H heads, C channels of a head, N blocks of b tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SHORTEST_BLOCK = 16
_PADDING, _OUTSIDE = -1, -2  # groups of what fills the last block, and of what lies beyond the row


@dataclass(frozen=True, eq=False)
class Nearby:
    """Who sees whom in a local layer: those of one group no further apart than window // 2 in true positions."""

    groups: Tensor
    """(B,T) equal numbers see each other"""
    positions: Tensor
    """(B,T)"""
    window: int
    mask: Tensor
    """(B,1,N,b,3b) to be added to the scores of each block: 0 or -inf"""

    @classmethod
    def of(cls, groups: Tensor, positions: Tensor, window: int, dtype: torch.dtype) -> Nearby | None:
        """None where columns do not follow positions, so that blocks could miss who is near."""
        if not _in_order(groups, positions):
            return None
        block = max(SHORTEST_BLOCK, window // 2)
        mine, theirs = _parted(groups, block, _PADDING, _OUTSIDE)
        here, there = _parted(positions, block, 0, 0)
        visible = (mine == theirs) & (((here - there).abs() <= window // 2) | (mine == _PADDING))
        mask = torch.zeros_like(visible, dtype=dtype).masked_fill_(~visible, float("-inf"))
        return cls(groups, positions, window, mask[:, None])


def attended(query: Tensor, key: Tensor, value: Tensor, near: Nearby) -> Tensor:
    """What each token takes from those near it: (B,H,T,C) each -> (B,H,T,C)."""
    length, block = query.shape[2], near.mask.shape[3]
    asking = _blocks(query * query.shape[-1] ** -0.5, block)  # (B,H,N,b,C)
    seen, taken = (_around(_blocks(each, block)) for each in (key, value))  # (B,H,N,3b,C)
    probabilities = torch.softmax(asking @ seen.transpose(-1, -2) + near.mask, -1)
    return (probabilities @ taken).flatten(2, 3)[:, :, :length]


def _in_order(groups: Tensor, positions: Tensor) -> bool:
    """Whether groups stand one behind the other, padding last, and positions grow inside each."""
    ranks = groups.masked_fill(groups == 0, torch.iinfo(groups.dtype).max)
    same = ranks[:, 1:] == ranks[:, :-1]
    return bool(torch.where(same, positions.diff(dim=1) > 0, ranks[:, 1:] > ranks[:, :-1]).all())


def _blocks(x: Tensor, block: int) -> Tensor:
    """x (B,H,T,C) -> (B,H,N,b,C), the last block filled up with zeros."""
    return F.pad(x, (0, 0, 0, -x.shape[2] % block)).unflatten(2, (-1, block))


def _around(blocks: Tensor) -> Tensor:
    """blocks (B,H,N,b,C) -> each with the two beside it, (B,H,N,3b,C); zeros beyond the row."""
    padded = F.pad(blocks, (0, 0, 0, 0, 1, 1))
    return torch.cat([padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]], 3)


def _parted(values: Tensor, block: int, filler: int, beyond: int) -> tuple[Tensor, Tensor]:
    """values (B,T) of those that look (B,N,b,1) and of those around them (B,N,1,3b)."""
    filled = F.pad(values, (0, -values.shape[1] % block), value=filler)
    around = F.pad(filled, (block, block), value=beyond).unfold(1, 3 * block, block)  # (B,N,3b)
    return filled.unflatten(1, (-1, block))[..., None], around[:, :, None]
