"""Operations are counted as they are written on paper, also where torch runs a whole recurrence as one operation."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unmask.architectures.bert import Bert
from unmask.layers.packed import PackedLinears
from unmask.layers.recurrent import Recurrence
from unmask.training.throughput import _pairs, _seen_flops, counted_flops


def test_a_product_costs_two_operations_a_multiplication_forward_and_four_backward():
    layer, hidden = nn.Linear(8, 16), torch.randn(5, 8, requires_grad=True)
    assert counted_flops(lambda: layer(hidden)) == 2 * 5 * 8 * 16
    assert counted_flops(lambda: layer(hidden).sum().backward()) == 6 * 5 * 8 * 16


def test_a_product_in_the_order_of_onednn_costs_as_much_as_any():
    layer, hidden = nn.Linear(8, 16), torch.randn(5, 3, 8)

    def work():
        with torch.inference_mode(), PackedLinears():
            layer(hidden)

    assert counted_flops(work) == 2 * 15 * 8 * 16


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_a_recurrence_costs_two_operations_a_weight_and_token_forward_and_four_backward(cell):
    recurrence, hidden = Recurrence(cell, 64, 32, 2, 0.0), torch.randn(4, 16, 64, requires_grad=True)
    weights = sum(parameter.numel() for parameter in recurrence.parameters() if parameter.dim() > 1)
    lengths = torch.tensor([16, 9, 16, 3])
    assert counted_flops(lambda: recurrence(hidden, lengths)) == pytest.approx(2 * 64 * weights, rel=0.02)
    counted = counted_flops(lambda: recurrence(hidden, lengths).sum().backward())
    assert counted == pytest.approx(6 * 64 * weights, rel=0.02)


@pytest.mark.parametrize("mask", [False, True])
def test_the_tiled_attention_of_a_cpu_costs_its_two_products_forward_and_five_backward(mask):
    query, key, value = (torch.randn(2, 3, 40, 16, requires_grad=True) for _ in range(3))
    visible = torch.zeros(2, 1, 40, 40) if mask else None
    product = 2 * 2 * 3 * 40 * 40 * 16

    def attend():
        return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)

    assert counted_flops(attend) == 2 * product
    assert counted_flops(lambda: attend().sum().backward()) == (2 + 5) * product


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
def test_a_whole_encoder_costs_what_torchs_own_counter_says(mode):
    encoder = Bert(layers=2, width=16, heads=2, feedforward=32).build(50)
    tokens = torch.randint(50, (3, 8))

    def work():
        with mode():
            hidden = encoder(tokens, torch.ones_like(tokens), torch.arange(8).expand(3, 8))
            if hidden.requires_grad:
                hidden.sum().backward()

    with FlopCounterMode(display=False) as peer:
        work()
    assert counted_flops(work) == peer.get_total_flops() > 0


@pytest.mark.parametrize(("length", "reach"), [(1, 4), (7, -1), (7, 2), (3, 9), (6, 5), (9, 0)])
def test_stretches_cost_what_is_seen_and_no_more(length, reach):
    distance = (torch.arange(length)[:, None] - torch.arange(length)).abs()
    seen = int((distance <= reach).sum()) if reach >= 0 else length**2
    assert _pairs(length, reach) == seen
    starts = torch.tensor([0, length, 2 * length])
    given = {"query": torch.empty(2 * length, 3, 8), "cu_seq_q": starts, "window_size": [reach, reach]}
    assert _seen_flops(given) == 2 * 2 * seen * 3 * 8
