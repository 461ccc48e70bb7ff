"""The fused gate against the same thing written with torch's own operations."""

import torch
from torch.nn import functional as F

from unmask.layers.feedforward import FeedForward, GatedFeedForward, _GatedGelu


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


def test_the_plain_layer_is_gelu_between_two_affine_maps():
    torch.manual_seed(0)
    layer, hidden = FeedForward(8, 20), torch.randn(2, 3, 8)
    inner = F.gelu(hidden @ layer.projection.weight.t() + layer.projection.bias)
    torch.testing.assert_close(layer(hidden), inner @ layer.output.weight.t() + layer.output.bias)
