"""Attention on a GPU where each token sees its own group alone: torch's flash attention for rows of unequal length
(`torch.nn.attention.varlen`; Dao 2023, "FlashAttention-2"). No mask is made, and what is not seen costs nothing.

A stretch is what stands together and sees itself alone: the tokens of one group, or the padding behind them. Where
groups are no stretches, and wherever the kernel cannot be had, masks say who sees whom (`attention.visibility`).

Shapes: B rows, T tokens, H heads, C channels of a head, N stretches in all rows, one behind the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from unmask.devices import runs_ahead, sent

_WIDEST_HEAD = 256  # what the kernel takes, in multiples of 8


@dataclass(frozen=True, eq=False)
class Stretches:
    """Who sees whom: those of one stretch, with a window no further apart than window // 2."""

    groups: Tensor
    """(B,T) equal numbers see each other"""
    positions: Tensor
    """(B,T)"""
    window: int | None
    starts: Tensor
    """(N+1,) int32: where each stretch begins, all rows one behind the other; the last is B*T"""
    kernel: Callable[..., Any]
    """`varlen_attn`"""

    @classmethod
    def of(cls, groups: Tensor, positions: Tensor, dtype: torch.dtype, window: int | None = None) -> Stretches | None:
        """None where the kernel cannot be had or groups are no stretches."""
        kernel = _kernel(groups.device, dtype)
        if kernel is None:
            return None
        laid = _laid(groups, positions)
        if not laid.whole or (window is not None and not laid.even):
            return None
        return cls(groups, positions, window, laid.starts, kernel)

    def fits(self, channels: int) -> bool:
        """Whether the kernel takes heads of so many channels."""
        return channels % 8 == 0 and channels <= _WIDEST_HEAD

    def attended(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """What each token takes from those it sees: (B,T,H,C) each -> (B,T,H,C)."""
        length = query.shape[1]
        reach = (-1, -1) if self.window is None else (self.window // 2, self.window // 2)
        flat = [each.flatten(0, 1) for each in (query, key, value)]  # (B*T,H,C)
        mixed = self.kernel(*flat, self.starts, self.starts, length, length, window_size=reach)
        return mixed.unflatten(0, query.shape[:2])


class Laid(NamedTuple):
    """How the groups of some rows lie."""

    positions: Tensor
    starts: Tensor
    """(N+1,) int32, where the stretches begin, and B*T"""
    whole: bool
    """whether each group is one stretch"""
    even: bool
    """whether positions go up by one inside of each, so that distances in the row are distances in positions"""


# How the groups of a tensor lie, as long as it lives.
_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def foresee(groups: Tensor, positions: Tensor, sent_groups: Tensor, sent_positions: Tensor) -> Tensor | None:
    """Look at rows on the processor, so that nobody waits for a GPU to say how the same rows on it lie; the starts of
    their stretches there. None where the rows are not on a GPU."""
    if not runs_ahead(sent_groups.device):
        return None
    laid = _looked_at(groups, positions)
    starts = sent(laid.starts, sent_groups.device)
    _known[sent_groups] = laid._replace(positions=sent_positions, starts=starts)
    return starts


def _laid(groups: Tensor, positions: Tensor) -> Laid:
    known = _known.get(groups)
    if known is None or known.positions is not positions:
        known = _known[groups] = _looked_at(groups, positions)
    return known


def _looked_at(groups: Tensor, positions: Tensor) -> Laid:
    """groups, positions (B,T)."""
    ranks = groups.masked_fill(groups == 0, torch.iinfo(groups.dtype).max)  # padding stands last
    same = groups[:, 1:] == groups[:, :-1]
    whole = (same | (ranks[:, 1:] > ranks[:, :-1])).all()
    even = (~same | (positions.diff(dim=1) == 1) | (groups[:, 1:] == 0)).all()
    begins = F.pad(~same, (1, 0), value=True).flatten().nonzero()[:, 0]
    starts = F.pad(begins, (0, 1), value=groups.numel()).int()
    return Laid(positions, starts, *(bool(fact) for fact in torch.stack([whole, even]).tolist()))


def _kernel(device: torch.device, dtype: torch.dtype) -> Callable[..., Any] | None:
    """`varlen_attn` of this torch where it computes on this device in this dtype, with windows; None elsewhere."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16):
        return None
    if torch.cuda.get_device_capability(device) < (8, 0):
        return None
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if "window_size" in signature(varlen_attn).parameters else None
