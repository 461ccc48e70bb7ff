"""Affine maps."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """torch's own, but its bias may stay in float32 under bf16 activations."""

    def forward(self, input: Tensor) -> Tensor:
        """input (..., D) -> (..., E)."""
        bias = None if self.bias is None else self.bias.to(input.dtype)
        return F.linear(input, self.weight, bias)


def projection(width_in: int, width_out: int, bias: bool) -> nn.Module:
    """From one width to another: an affine map, or nothing at all where the two are one."""
    return nn.Identity() if width_in == width_out else Linear(width_in, width_out, bias=bias)
