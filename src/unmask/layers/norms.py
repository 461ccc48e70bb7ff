"""Normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Norm(nn.Module):
    """Layer norm without bias (Ba, Kiros and Hinton 2016); its scale may stay in float32 under bf16 activations."""

    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) -> (..., D)."""
        # The CPU kernel takes a float32 scale with bf16 input as it is; others want one dtype.
        scale = self.weight if hidden.device.type == "cpu" else self.weight.to(hidden.dtype)
        return F.layer_norm(hidden, self.weight.shape, scale, None, self.epsilon)


class ShiftedNorm(Norm):
    """Layer norm with a bias, and the epsilon of the released BERT code (Devlin et al. 2019)."""

    def __init__(self, width: int, epsilon: float = 1e-12) -> None:
        super().__init__(width, epsilon)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) -> (..., D)."""
        scale, shift = self.weight, self.bias
        if hidden.device.type != "cpu":
            scale, shift = scale.to(hidden.dtype), shift.to(hidden.dtype)
        return F.layer_norm(hidden, self.weight.shape, scale, shift, self.epsilon)
