"""Feed-forward layers."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F


class GatedFeedForward(nn.Module):
    """GeGLU (Shazeer 2020, "GLU variants improve Transformer"): out(gelu(a) * b), a and b from one projection."""

    fused: ClassVar = {"projection": 2}

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, 2 * inner, bias=False)
        self.output = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) -> (..., D)."""
        active, gate = self.projection(hidden).chunk(2, dim=-1)
        return self.output(F.gelu(active) * gate)
