"""The fused gate against the same thing written with torch's own operations."""

import torch
from torch.nn import functional as F

from unmask.layers.feedforward import GatedFeedForward, _GatedGelu


def test_values_and_gradients_equal_those_of_gelu_times_gate():
    torch.manual_seed(0)
    both = torch.randn(3, 5, 16, dtype=torch.float64, requires_grad=True)
    active, gate = both.chunk(2, dim=-1)
    ours, theirs = _GatedGelu.apply(both), F.gelu(active) * gate
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn_like(ours)
    torch.testing.assert_close(
        torch.autograd.grad((ours * weight).sum(), both), torch.autograd.grad((theirs * weight).sum(), both)
    )


def test_the_layer_keeps_the_width():
    assert GatedFeedForward(8, 20)(torch.randn(2, 3, 8)).shape == (2, 3, 8)
