"""Feed-forward layers."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from unmask.layers.linear import Linear


class FeedForward(nn.Module):
    """Vaswani et al. 2017, section 3.3, with GELU (Hendrycks and Gimpel 2016) and biases, as in BERT."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.projection = Linear(width, inner)
        self.output = Linear(inner, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) -> (..., D)."""
        return self.output(F.gelu(self.projection(hidden)))


class SquaredFeedForward(nn.Module):
    """Rectified and squared (So et al. 2021, "Primer", section 4.1): two matrices where gated layers have three."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, inner, bias=False)
        self.output = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) -> (..., D)."""
        return self.output(F.relu(self.projection(hidden)).square())


class GatedFeedForward(nn.Module):
    """GeGLU (Shazeer 2020, "GLU variants improve Transformer"): out(gelu(a) * b), a and b from one projection."""

    fused: ClassVar = {"projection": 2}

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, 2 * inner, bias=False)
        self.output = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) -> (..., D)."""
        return self.output(_gated(self.projection(hidden)))


def _gated(both: Tensor) -> Tensor:
    """(..., 2I) -> gelu(first half) * second half, (..., I)."""
    if torch.compiler.is_compiling():  # one expression, which the compiler fuses both ways
        active, gate = both.chunk(2, dim=-1)
        return F.gelu(active) * gate
    return _GatedGelu.apply(both)  # type: ignore[no-any-return]


class _GatedGelu(torch.autograd.Function):
    """Both gradients are written into one tensor."""

    @staticmethod
    def forward(context, both):  # type: ignore[override]
        active, gate = both.chunk(2, dim=-1)
        context.save_for_backward(both)
        return F.gelu(active).mul_(gate)

    @staticmethod
    @once_differentiable
    def backward(context, gradient):  # type: ignore[override]
        (both,) = context.saved_tensors
        active, gate = both.chunk(2, dim=-1)
        result = torch.empty_like(both)
        of_active, of_gate = result.chunk(2, dim=-1)
        torch.mul(gradient, F.gelu(active), out=of_gate)
        torch.ops.aten.gelu_backward.grad_input(gradient * gate, active, grad_input=of_active)
        return result
