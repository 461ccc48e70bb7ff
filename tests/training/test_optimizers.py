"""Muon against a step written out by hand, AdamW against torch's."""

import pytest
import torch
from torch import nn

from unmask.training.optimizers.adamw import AdamW
from unmask.training.optimizers.muon import Muon, hidden_matrices, orthogonalised
from unmask.training.precision import Masters


class Fused(nn.Module):
    fused = {"projection": 3}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.projection = nn.Linear(8, 24, bias=False)
        self.output = nn.Linear(8, 8, bias=False)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.attention = Fused()
        self.dense = nn.Linear(8, 16)

    def forward(self, tokens):
        hidden = self.embedding(tokens)
        hidden = hidden + self.attention.output(self.attention.projection(hidden)[..., :8].tanh())
        return self.dense(hidden).square().mean()


def stepped(settings, steps=3):
    torch.manual_seed(0)
    model = Model()
    masters = Masters(model, torch.float32)
    optimizer = settings.build(masters, model)
    before = {name: view.clone() for name, view in masters.views.items()}
    gradients = []
    for number in range(steps):
        model(torch.arange(11) + 0 * number).backward()
        masters.collect(first=True)
        gradients.append({name: view.clone() for name, view in masters.gradient_views.items()})
        optimizer.step(0.5)
        masters.publish()
    return model, masters, before, gradients, optimizer


def test_adamw_is_torchs_adamw():
    _, masters, before, gradients, _ = stepped(AdamW(0.1, weight_decay=0.3))
    for name, start in before.items():
        parameter = nn.Parameter(start.clone())
        decay = 0.3 if parameter.dim() > 1 and "embedding" not in name else 0.0
        reference = torch.optim.AdamW([parameter], lr=0.05, betas=(0.9, 0.98), weight_decay=decay)
        for step in gradients:
            parameter.grad = step[name]
            reference.step()
        torch.testing.assert_close(masters.views[name], parameter.data)


def test_muon_orthogonalises_the_momentum_of_each_fused_matrix_by_itself():
    settings = Muon(0.1, momentum=0.9, weight_decay=0.2)
    _, masters, before, gradients, _ = stepped(settings)
    name = "attention.projection.weight"
    weight, momentum = before[name].clone(), torch.zeros(24, 8)
    for step in gradients:
        momentum = 0.9 * momentum + 0.1 * step[name]
        looked_ahead = 0.1 * step[name] + 0.9 * momentum
        weight *= 1 - 0.05 * 0.2
        for part in range(3):
            rows = slice(8 * part, 8 * part + 8)
            weight[rows] -= 0.05 * orthogonalised(looked_ahead[rows][None], 5)[0].float()
    torch.testing.assert_close(masters.views[name], weight)


def test_only_weights_of_linear_layers_are_orthogonalised():
    assert hidden_matrices(Model()) == {
        "attention.projection.weight": 3,
        "attention.output.weight": 1,
        "dense.weight": 1,
    }


@pytest.mark.parametrize("shape", [(4, 16, 16), (3, 8, 32), (3, 32, 8)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(shape), 5).float())
    assert values.min() > 0.4
    assert values.max() < 1.35


def test_orthogonalised_keeps_the_directions_of_the_matrix():
    torch.manual_seed(0)
    matrix = torch.randn(1, 12, 20)
    left, _, right = torch.linalg.svd(matrix[0], full_matrices=False)
    closeness = torch.nn.functional.cosine_similarity(
        orthogonalised(matrix, 5).float().flatten(), (left @ right).flatten(), dim=0
    )
    assert closeness > 0.95


@pytest.mark.parametrize("settings", [AdamW(0.1), Muon(0.1)])
def test_state_goes_out_and_in_without_loss(settings):
    model, masters, _, _, optimizer = stepped(settings)
    state = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    copy = Model()
    copy.load_state_dict(model.state_dict())
    other_masters = Masters(copy, torch.float32)
    other = settings.build(other_masters, copy)
    other.load(state)
    for net, masters_of, optimizer_of in ((model, masters, optimizer), (copy, other_masters, other)):
        net(torch.arange(11)).backward()
        masters_of.collect(first=True)
        optimizer_of.step(0.5)
    assert masters.weights.equal(other_masters.weights)


def test_masters_compute_in_bf16_and_learn_in_float32():
    torch.manual_seed(0)
    model = Model()
    masters = Masters(model, torch.bfloat16)
    assert model.dense.weight.dtype == torch.bfloat16
    assert model.dense.bias.dtype == torch.float32
    masters.views["dense.weight"] += 1e-5  # far below what bf16 resolves
    masters.publish()
    torch.testing.assert_close(model.dense.weight.float(), masters.views["dense.weight"], atol=0.01, rtol=0.01)
    assert masters.views["dense.weight"].dtype == torch.float32


def test_gradients_of_later_micro_batches_are_added():
    torch.manual_seed(0)
    model = Model()
    masters = Masters(model, torch.float32)
    for number in range(2):
        model(torch.arange(11)).backward()
        masters.collect(first=number == 0)
    twice = masters.gradients.clone()
    model(torch.arange(11)).backward()
    masters.collect(first=True)
    torch.testing.assert_close(twice, 2 * masters.gradients)


def test_muon_started_once_for_all_matrices_does_what_it_does_one_by_one(monkeypatch):
    expected = stepped(Muon(learning_rate=0.1))[1].weights
    monkeypatch.setattr("unmask.training.optimizers.muon.runs_ahead", lambda device: True)
    torch.testing.assert_close(stepped(Muon(learning_rate=0.1))[1].weights, expected)
