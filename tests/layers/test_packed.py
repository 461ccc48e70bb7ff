"""Linear layers by oneDNN give what torch gives, for any shape, and never what a weight was before it changed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unmask.layers.packed import PackedLinears, available

pytestmark = pytest.mark.skipif(not available(), reason="this torch was built without oneDNN")


def both(module: nn.Module, inputs: torch.Tensor, packed: PackedLinears) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        usual = module(inputs)
        with packed:
            return usual, module(inputs)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_the_numbers_are_those_of_torch_for_any_shape(rows, width, out, bias):
    torch.manual_seed(0)
    usual, ours = both(nn.Linear(width, out, bias=bias), torch.randn(*rows, width), PackedLinears())
    torch.testing.assert_close(ours, usual, rtol=1e-5, atol=1e-5)


def test_rows_that_are_not_contiguous_are_right_too():
    layer, wide = nn.Linear(12, 7), torch.randn(5, 9, 24)
    for inputs in (wide[..., ::2], wide[:, ::3, 4:16], wide.transpose(0, 1)[..., :12]):
        usual, ours = both(layer, inputs, PackedLinears())
        torch.testing.assert_close(ours, usual, rtol=1e-5, atol=1e-5)


def test_products_go_through_onednn_and_each_weight_is_packed_once(monkeypatch):
    packed, made = PackedLinears(), []
    reorder = torch.ops.mkldnn._reorder_linear_weight
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", lambda weight: made.append(1) or reorder(weight))
    two = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    for _ in range(3):
        both(two, torch.randn(4, 8), packed)
    assert len(made) == 2


def test_a_weight_that_changes_is_never_answered_with_the_old_one():
    layer, inputs, packed = nn.Linear(8, 8), torch.randn(4, 8), PackedLinears()
    both(layer, inputs, packed)
    with torch.no_grad():
        layer.weight.mul_(3)
    usual, ours = both(layer, inputs, packed)
    torch.testing.assert_close(ours, usual, rtol=1e-5, atol=1e-5)


def test_gradients_and_other_kinds_of_numbers_go_their_usual_way():
    layer, inputs = nn.Linear(8, 8), torch.randn(4, 8)
    with PackedLinears():
        layer(inputs).sum().backward()
    assert layer.weight.grad is not None
    usual, ours = both(layer.to(torch.bfloat16), inputs.to(torch.bfloat16), PackedLinears())
    assert torch.equal(usual, ours)
