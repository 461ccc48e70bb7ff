"""Positions: rotary ones (Su et al. 2021, RoFormer), by which queries and keys are turned by an angle that grows with
the position, and fixed waves (Vaswani et al. 2017, section 3.5), which are added to the tokens.

Shapes: B rows, T tokens, D width, H heads, C channels of a head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


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
    """Turn `x` (..., B,H,T,C) by the angles of its positions; written to `out` when given. Without it, `x` may also
    have another order of axes, as long as the angles have the same."""
    half = x.shape[-1] // 2
    result = torch.mul(x, by.cosine, out=out)
    result[..., :half].addcmul_(x[..., half:], by.sine[..., :half])
    result[..., half:].addcmul_(x[..., :half], by.sine[..., half:])
    return result


def back(by: Angles) -> Angles:
    """The angles that undo a turn; turning back is also the gradient of turning."""
    return Angles(by.cosine, -by.sine)


def turned(x: Tensor, by: Angles) -> Tensor:
    """`turn` with a gradient, for which nothing but the angles is kept."""
    if torch.compiler.is_compiling():  # one expression, which the compiler fuses both ways
        half = x.shape[-1] // 2
        return x * by.cosine + torch.cat([x[..., half:], x[..., :half]], -1) * by.sine
    return _Turned.apply(x, *by)  # type: ignore[no-any-return]


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(context, x, cosine, sine):  # type: ignore[override]
        context.save_for_backward(cosine, sine)
        return turn(x, Angles(cosine, sine))

    @staticmethod
    @once_differentiable
    def backward(context, gradient):  # type: ignore[override]
        return turn(gradient, back(Angles(*context.saved_tensors))), None, None


WAVE = 0.1  # root mean square of the waves


def wave_frequencies(width: int) -> Tensor:
    """Radians a token of each pair of channels of `sinusoids`, fastest first: 10000^(-2k/D), (D/2,)."""
    return (10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)).float()


def sinusoids(positions: int, width: int) -> Tensor:
    """sin and cos of position * 10000^(-2k/D) in turn, 0.1 in the root mean square: (positions, D).

    In the paper it is 0.7, and the token embeddings are multiplied by sqrt(D); before a norm only the ratio of the two
    counts. Ours are not multiplied, and an optimizer that moves all numbers alike must not drown the waves in them.
    """
    phase = torch.arange(positions, dtype=torch.float32)[:, None] * wave_frequencies(width)  # (P, D/2)
    return torch.stack([phase.sin(), phase.cos()], -1).flatten(1)[:, :width] * (WAVE * 2**0.5)


class SinusoidalPositions(nn.Module):
    """The table of `sinusoids`, which nothing learns."""

    table: Tensor

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(positions, width), persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """positions (B,T) -> (B,T,D), float32."""
        return self.table[positions]
