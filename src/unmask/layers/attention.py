"""Attention, written once: tokens of one group see each other, in local layers only those nearby.

Shapes: B rows, T tokens, Q queries (T, or the K places asked), D width, H heads, C = D/H channels of a head.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from unmask.layers.linear import Linear
from unmask.layers.local import Nearby, attended
from unmask.layers.positions import Angles, turn, turned
from unmask.layers.prefix import LayerMemory
from unmask.layers.stretches import Stretches

# On a CPU, rows up to this length keep their probabilities for the backward pass (H*T*T numbers a row): two small
# batched matrix products beat the tiled kernel, whose backward pass is four times slower at T = 128 (docs/log.md).
SHORT_ROW = 512


def visibility(groups: Tensor, positions: Tensor, dtype: torch.dtype, window: int | None = None) -> Tensor | None:
    """Who sees whom, to be added to the scores: 0 or -inf, (B,1,T,T); None when every token sees every other.

    groups (B,T): equal numbers see each other, 0 is padding (padding sees padding, so that no row is empty).
    window: tokens further apart than window // 2, measured in true positions, do not see each other.
    """
    visible = None
    if bool((groups != groups[:, :1]).any()):
        visible = groups[:, :, None] == groups[:, None, :]
    if window is not None and int(positions.max()) > window // 2:
        near = (positions[:, :, None] - positions[:, None, :]).abs() <= window // 2
        visible = near if visible is None else visible & near
    if visible is None:
        return None
    return torch.zeros_like(visible, dtype=dtype).masked_fill_(~visible, float("-inf"))[:, None]


Visible = Tensor | Nearby | Stretches | None
"""Who sees whom: to be added to the scores, block by block, by stretches, or everybody."""


def sight(groups: Tensor, positions: Tensor, dtype: torch.dtype, window: int | None = None) -> Visible:
    """`visibility` in the form that costs least: by stretches on a GPU, and within a window of rows longer than
    SHORT_ROW block by block; neither makes a mask of T by T."""
    stretches = Stretches.of(groups, positions, dtype, window)
    if stretches is not None:
        return stretches
    if window is not None and groups.shape[1] > max(SHORT_ROW, window):
        near = Nearby.of(groups, positions, window, dtype)
        if near is not None:
            return near
    return visibility(groups, positions, dtype, window)


class SelfAttention(nn.Module):
    """Multi-head self-attention with one fused projection for queries, keys and values.

    Vaswani et al. 2017, section 3.2. With biases as in BERT, or without as in ModernBERT (Warner et al. 2024, section
    2.1); queries and keys are turned by rotary angles where they are given.
    """

    fused: ClassVar = {"projection": 3}  # matrices that stand in one weight; Muon orthogonalises each by itself

    def __init__(self, width: int, heads: int, bias: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.projection = Linear(width, 3 * width, bias=bias)
        self.output = Linear(width, width, bias=bias)

    def forward(
        self,
        hidden: Tensor,
        by: Angles | None,
        visible: Visible,
        places: Tensor | None = None,
        memory: LayerMemory | None = None,
    ) -> Tensor:
        """hidden (B,T,D) -> (B,T,D); with places (B,K) only those positions ask, all are seen: (B,K,D). With a memory
        what it holds is seen before them, and they are added to it."""
        return self.mixed(self.parts(hidden), by, visible, places, memory)

    def parts(self, hidden: Tensor) -> Tensor:
        """Queries, keys and values: hidden (B,T,D) -> (B,T,3,H,C)."""
        return self.projection(hidden).unflatten(-1, (3, self.heads, -1))

    def mixed(
        self,
        projected: Tensor,
        by: Angles | None,
        visible: Visible,
        places: Tensor | None,
        memory: LayerMemory | None,
    ) -> Tensor:
        """What `forward` makes of queries, keys and values (B,T,3,H,C)."""
        if isinstance(visible, Stretches) and not visible.fits(projected.shape[-1]):
            visible = _masked(visible, projected.dtype)
        if isinstance(visible, (Nearby, Stretches)):
            return self.output(_in_parts(projected, by, visible, places))
        if visible is not None and places is not None:
            visible = visible.expand(len(projected), -1, -1, -1).gather(
                2, places[:, None, :, None].expand(-1, -1, -1, visible.shape[-1])
            )  # (B,1,K,T)
        if projected.device.type == "cpu" and projected.shape[1] <= SHORT_ROW and memory is None:
            mixed = _ShortRowAttention.apply(projected, *(by or (None, None)), visible, places)
        else:
            mixed = _tiled(projected, by, visible, places, memory)
        return self.output(mixed)

    def weights(self, hidden: Tensor, by: Angles | None, visible: Visible) -> Tensor:
        """What `forward` mixes the values by, to be looked at: hidden (B,T,D) -> (B,H,T,T), each row sums to 1."""
        query, key, _ = self.parts(hidden).permute(2, 0, 3, 1, 4)
        if by is not None:
            query, key = turn(query, by), turn(key, by)
        if isinstance(visible, (Nearby, Stretches)):
            visible = _masked(visible, hidden.dtype)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        return torch.softmax(scores if visible is None else scores + visible, -1)


def _masked(visible: Nearby | Stretches, dtype: torch.dtype) -> Tensor | None:
    """The same as a mask."""
    return visibility(visible.groups, visible.positions, dtype, visible.window)


def at(hidden: Tensor, places: Tensor) -> Tensor:
    """hidden (B,T,D) at places (B,K) -> (B,K,D)."""
    B, T, D = hidden.shape
    rows = torch.arange(B, device=places.device)[:, None] * T
    return hidden.reshape(B * T, D).index_select(0, (places + rows).flatten()).view(B, -1, D)


def _spread(places: Tensor, like: Tensor) -> Tensor:
    """places (B,K) as an index into the positions of `like` (B,H,T,C)."""
    return places[:, None, :, None].expand(-1, like.shape[1], -1, like.shape[3])


def _tiled(
    projected: Tensor,
    by: Angles | None,
    visible: Tensor | None,
    places: Tensor | None,
    memory: LayerMemory | None = None,
) -> Tensor:
    """Torch's own kernel: flash attention on a GPU, tiles on a CPU, memory linear in T."""
    query, key, value = projected.permute(2, 0, 3, 1, 4)  # each (B,H,T,C)
    if by is not None:
        query, key = turned(query, by), turned(key, by)
    if places is not None:
        query = query.gather(2, _spread(places, query))
    if memory is not None:
        key, value = memory.extended(key, value)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    return mixed.transpose(1, 2).flatten(2)


def _in_parts(projected: Tensor, by: Angles | None, visible: Nearby | Stretches, places: Tensor | None) -> Tensor:
    """Blocks or stretches, all of whose tokens ask: (B,T,3,H,C) -> (B,Q,D)."""
    if isinstance(visible, Nearby):
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each (B,H,T,C)
        if by is not None:
            query, key = turned(query, by), turned(key, by)
        mixed = attended(query, key, value, visible).transpose(1, 2)
    else:
        query, key, value = projected.unbind(2)  # each (B,T,H,C)
        if by is not None:
            by = Angles(*(each.transpose(1, 2) for each in by))
            query, key = turned(query, by), turned(key, by)
        mixed = visible.attended(query, key, value)
    mixed = mixed.flatten(2)
    return mixed if places is None else at(mixed, places)


class _ShortRowAttention(torch.autograd.Function):
    """Rotation (where cosine and sine are given), scores, softmax and mixing in one node: (B,T,3,H,C) -> (B,Q,D).

    Keeps rotated queries and keys, values and probabilities; writes the gradient of all three projections into one
    tensor, so that nothing is concatenated or copied twice.
    """

    @staticmethod
    def forward(context, projected, cosine, sine, visible, places):  # type: ignore[override]
        B, T, _, H, C = projected.shape
        parts = projected.permute(2, 0, 3, 1, 4)  # (3,B,H,T,C)
        turned = _turned_into(projected.new_empty(2, B, H, T, C), parts[:2], cosine, sine)
        query = turned[0].mul_(C**-0.5)
        if places is not None:
            query = query.gather(2, _spread(places, query))
        query, key, value = query.view(B * H, -1, C), turned[1].view(B * H, T, C), parts[2].reshape(B * H, T, C)
        scores = torch.bmm(query, key.transpose(1, 2))  # (BH,Q,T)
        if visible is not None:
            scores.view(B, H, -1, T).add_(visible)
        probabilities = torch.softmax(scores, -1)
        mixed = torch.bmm(probabilities, value).view(B, H, -1, C)
        context.save_for_backward(query, key, value, probabilities, cosine, sine, places)
        context.shape = projected.shape
        return mixed.transpose(1, 2).flatten(2)

    @staticmethod
    @once_differentiable
    def backward(context, gradient):  # type: ignore[override]
        query, key, value, probabilities, cosine, sine, places = context.saved_tensors
        B, T, _, H, C = context.shape
        gradient = gradient.unflatten(-1, (H, C)).transpose(1, 2).reshape(B * H, -1, C)
        result = gradient.new_empty(context.shape)
        parts = result.permute(2, 0, 3, 1, 4)  # (3,B,H,T,C)
        parts[2].copy_(torch.bmm(probabilities.transpose(1, 2), gradient).view(B, H, T, C))
        of_scores = torch.bmm(gradient, value.transpose(1, 2))
        of_scores = torch.ops.aten._softmax_backward_data(of_scores, probabilities, -1, of_scores.dtype)
        of_query = torch.bmm(of_scores, key).mul_(C**-0.5).view(B, H, -1, C)
        of_key = torch.bmm(of_scores.transpose(1, 2), query).view(B, H, T, C)
        if places is not None:
            everywhere = of_query.new_zeros(B, H, T, C)
            of_query = everywhere.scatter_add_(2, _spread(places, of_query), of_query)
        back_sine = None if sine is None else -sine
        _turned_into(parts[0], of_query, cosine, back_sine)
        _turned_into(parts[1], of_key, cosine, back_sine)
        return result, None, None, None, None


def _turned_into(out: Tensor, x: Tensor, cosine: Tensor | None, sine: Tensor | None) -> Tensor:
    """`x` (..., B,H,T,C) turned by its angles, or as it is without any, written to `out`."""
    if cosine is None or sine is None:
        return out.copy_(x)
    return turn(x, Angles(cosine, sine), out=out)
