"""Heads that look at their neighbours from the first step on.

A masked model learns little but the frequencies of words until its attention has found out how positions work, which
takes hundreds of steps (a recurrent model knows from the start). What it then finds are heads that look at the token
before and the token after (Clark et al. 2019, "What Does BERT Look At?", section 3.1). Here the first layers start with
such heads, as "Mimetic Initialization of Self-Attention Layers" (Trockman and Kolter 2023) starts with the look of
trained ones: only the first weights differ, the model is the stock one. docs/log.md has what it gains.

Shapes: D width, H heads, C = D/H channels of a head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unmask.layers.attention import SelfAttention

OFFSETS = ((-1, 1, -2, 2), (1, -1, 3, -3))
"""How far from their own place the heads of the first layers look, in turn."""

_NEAR = 0.1  # radians a token: slower waves do not tell neighbours apart


def looking(layers: int) -> int:
    """How many of so many layers start with such heads: two, but never more than half, which look anywhere."""
    return min(len(OFFSETS), layers // 2)


@torch.no_grad()
def turned_heads(
    attention: SelfAttention, common: Tensor, part: Tensor | float, theta: float, offsets: Sequence[int]
) -> None:
    """Let rotary heads look `offsets` (in turn) tokens on, whatever the tokens are.

    Queries and keys get one vector from what all hidden states have in common, the queries turned by the offset: a
    token's score is then S times the mean of cos(frequency * (distance - offset)), S = 6, highest at the offset.

    common: unit vector (D,); part: how long all hidden states are along it. theta: the rotary base.
    """
    width = common.shape[0]
    channels = width // attention.heads
    half = channels // 2
    frequencies = theta ** (-torch.arange(half, dtype=torch.float32) / half)
    near = (frequencies > _NEAR).float()
    near = near / near.norm()
    size = (6 * channels**0.5) ** 0.5 / part
    query, key, _ = attention.projection.weight.chunk(3)
    for head in range(attention.heads):
        turn = frequencies * offsets[head % len(offsets)]
        rows = slice(head * channels, (head + 1) * channels)
        query[rows] += size * torch.outer(torch.cat([near * turn.cos(), near * turn.sin()]), common)
        key[rows] += size * torch.outer(torch.cat([near, torch.zeros(half)]), common)


@torch.no_grad()
def waved_heads(attention: SelfAttention, frequencies: Tensor, part: float, offsets: Sequence[int]) -> None:
    """Let heads look `offsets` (in turn) tokens on by waves that were added to the tokens: channels 2k and 2k+1 of a
    hidden state are the sine and cosine of position * frequencies[k], (n/2,), with n at most C.

    Keys take the waves as they are, queries moved on by the offset: a token's score is S times the mean of
    cos(frequency * (distance - offset)), S = 8. part: the root mean square of these channels.
    """
    width = attention.projection.weight.shape[1]
    channels, waves = width // attention.heads, 2 * len(frequencies)
    size = (8 * channels**0.5 / waves) ** 0.5 / part
    query, key, _ = attention.projection.weight.chunk(3)
    for head in range(attention.heads):
        start = head * channels
        query[start : start + waves, :waves] += size * _moved(frequencies, offsets[head % len(offsets)])
        key[start : start + waves, :waves] += size * torch.eye(waves)


def _moved(frequencies: Tensor, offset: int) -> Tensor:
    """The matrix (n,n) that takes the waves of position p to those of p + offset."""
    cosine, sine = (frequencies * offset).cos(), (frequencies * offset).sin()
    return torch.block_diag(*torch.stack([cosine, sine, -sine, cosine], -1).view(-1, 2, 2))


@torch.no_grad()
def unmoved(weight: Tensor, directions: Tensor, left: float = 0.0) -> None:
    """Leave only the share `left` of what weight (R,D) takes from the orthonormal directions (n,D)."""
    weight.sub_((1 - left) * (weight @ directions.T) @ directions)
