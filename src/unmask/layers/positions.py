"""Rotary positions (Su et al. 2021, RoFormer): queries and keys are turned by an angle that grows with the position.

Shapes: B rows, T tokens, H heads, C channels of a head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Angles(NamedTuple):
    """Cosines and signed sines, each (B|1,1,T,C), such that turned = x * cosine + swapped(x) * sine."""

    cosine: Tensor
    sine: Tensor


def angles(positions: Tensor, channels: int, theta: float, dtype: torch.dtype) -> Angles:
    """The angles of `positions` (B,T). The sign of the first half's sine is folded in: turning is then two
    multiplications and one addition. Computed in float32, handed out in `dtype`."""
    frequencies = theta ** (-torch.arange(0, channels, 2, dtype=torch.float32, device=positions.device) / channels)
    phase = positions[:, None, :, None].float() * frequencies  # (B,1,T,C/2)
    cosine, sine = phase.cos(), phase.sin()
    return Angles(torch.cat([cosine, cosine], -1).to(dtype), torch.cat([-sine, sine], -1).to(dtype))


def turn(x: Tensor, by: Angles, out: Tensor | None = None) -> Tensor:
    """Turn `x` (..., B,H,T,C) by the angles of its positions; written to `out` when given."""
    half = x.shape[-1] // 2
    result = torch.mul(x, by.cosine, out=out)
    result[..., :half].addcmul_(x[..., half:], by.sine[..., :half])
    result[..., half:].addcmul_(x[..., :half], by.sine[..., half:])
    return result


def back(by: Angles) -> Angles:
    """The angles that undo a turn; turning back is also the gradient of turning."""
    return Angles(by.cosine, -by.sine)
