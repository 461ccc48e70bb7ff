"""Attention whose queries and keys have a norm of their own, and whose values a token may add to.

Shapes: B rows, T tokens, K places asked, D width, H heads, C = D/H channels of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unmask.layers.attention import SelfAttention, Visible
from unmask.layers.norms import Norm
from unmask.layers.positions import Angles
from unmask.layers.prefix import LayerMemory


class NormedAttention(SelfAttention):
    """Self-attention with normed queries and keys (Henry et al. 2020, "Query-Key Normalization for Transformers";
    Dehghani et al. 2023, "ViT-22B", section 2): scores cannot grow without bound, so higher learning rates hold.

    The norm stands before the rotary turn, which changes no length; its scale says how sharply heads look.
    """

    def __init__(self, width: int, heads: int, normed: bool = True) -> None:
        super().__init__(width, heads)
        self.look_norm = Norm(width // heads) if normed else None

    def forward(
        self,
        hidden: Tensor,
        by: Angles | None,
        visible: Visible,
        places: Tensor | None = None,
        memory: LayerMemory | None = None,
        values: Tensor | None = None,
    ) -> Tensor:
        """hidden (B,T,D) -> (B,T,D) or (B,K,D), as in `SelfAttention`; values (B,T,D) are added to its own."""
        parts = self.parts(hidden)
        if values is not None:
            parts[:, :, 2] += values.unflatten(-1, (self.heads, -1))
        return self.mixed(parts, by, visible, places, memory)

    def parts(self, hidden: Tensor) -> Tensor:
        projected = super().parts(hidden)
        if self.look_norm is None:
            return projected
        looks, values = projected.split((2, 1), 2)
        return torch.cat([self.look_norm(looks), values], 2)
