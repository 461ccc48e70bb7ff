"""Drawing tokens by given numbers: every token as often as its probability says."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.layers import losses
from unmask.layers.sampling import projected_sample

V, D = 23, 8


def prediction(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One hidden state (1,D), an embedding (V,D), a bias (V,)."""
    draw = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=draw) for shape in ((1, D), (V, D), (V,)))  # type: ignore[return-value]


def probabilities(hidden, embedding, bias) -> np.ndarray:
    logits = (hidden.double() @ embedding.double().T + bias.double()).numpy()[0]
    return np.exp(logits) / np.exp(logits).sum()


def test_evenly_spread_draws_give_every_token_as_often_as_its_probability_says(monkeypatch):
    monkeypatch.setattr(losses, "CHUNK_LOGITS", 7 * V + 3)  # chunks that do not divide the places
    count, (hidden, embedding, bias) = 10_000, prediction(0)
    draws = (torch.arange(count) + 0.5) / count
    tokens = projected_sample(hidden.expand(count, D), embedding, bias, draws)
    found = np.bincount(tokens.numpy(), minlength=V)
    assert np.abs(found - count * probabilities(hidden, embedding, bias)).max() < 1.5


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True, width=32))
def test_a_draw_falls_between_the_cumulated_probabilities_around_its_token(seed, draw):
    hidden, embedding, bias = prediction(seed)
    token = int(projected_sample(hidden, embedding, bias, torch.tensor([draw])))
    upto = np.concatenate([[0.0], probabilities(hidden, embedding, bias).cumsum()])
    assert upto[token] - 1e-5 <= draw <= upto[token + 1] + 1e-5


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-24])
def test_tokens_without_any_probability_are_never_drawn(draw):
    hidden, embedding, bias = prediction(1)
    bias[[0, 1, V - 1]] = -float("inf")
    assert 2 <= int(projected_sample(hidden, embedding, bias, torch.tensor([draw]))) <= V - 2
