"""The chunked cross-entropy against torch's, values and gradients."""

import pytest
import torch
from torch.nn import functional as F

from unmask.layers import losses

N, D, V = 37, 12, 50


@pytest.mark.parametrize("chunk", [1, 7 * V, 10_000])
def test_loss_and_gradients_equal_those_of_whole_logits(monkeypatch, chunk):
    monkeypatch.setattr(losses, "CHUNK_LOGITS", chunk)
    torch.manual_seed(0)
    hidden, embedding, bias = (torch.randn(*shape, requires_grad=True) for shape in ((N, D), (V, D), (V,)))
    targets = torch.randint(0, V, (N,))
    targets[::5] = -100
    ours = losses.projected_cross_entropy(hidden, embedding, bias, targets, -100)
    theirs = F.cross_entropy(hidden @ embedding.t() + bias, targets, reduction="sum", ignore_index=-100)
    torch.testing.assert_close(ours, theirs)
    for mine, reference in zip(
        torch.autograd.grad(ours * 0.3, (hidden, embedding, bias)),
        torch.autograd.grad(theirs * 0.3, (hidden, embedding, bias)),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference)


def test_weights_multiply_the_terms_of_the_sum_and_their_gradients():
    torch.manual_seed(1)
    hidden, embedding, bias = (torch.randn(*shape, requires_grad=True) for shape in ((N, D), (V, D), (V,)))
    targets, weights = torch.randint(0, V, (N,)), torch.rand(N) * 5
    targets[::4] = -100
    ours = losses.projected_cross_entropy(hidden, embedding, bias, targets, -100, weights)
    terms = F.cross_entropy(hidden @ embedding.t() + bias, targets, reduction="none", ignore_index=-100)
    theirs = (terms * weights).sum()
    torch.testing.assert_close(ours, theirs)
    for mine, reference in zip(
        torch.autograd.grad(ours, (hidden, embedding, bias)),
        torch.autograd.grad(theirs, (hidden, embedding, bias)),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference)


def test_a_row_with_nothing_asked_has_no_loss_and_no_gradient():
    hidden, embedding, bias = torch.randn(3, D, requires_grad=True), torch.randn(V, D), torch.zeros(V)
    loss = losses.projected_cross_entropy(hidden, embedding, bias, torch.full((3,), -100), -100)
    loss.backward()
    assert loss.item() == 0.0
    assert not hidden.grad.any()
