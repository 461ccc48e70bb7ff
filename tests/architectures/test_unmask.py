"""The encoder of our own: with all of its parts off it is ModernBERT; each part by hand; what a fresh one hands on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from unmask.architectures.modernbert import ModernBert
from unmask.architectures.unmask import Unmask
from unmask.config import overridden
from unmask.errors import SettingError
from unmask.layers.heads import CappedHead
from unmask.layers.normed_attention import NormedAttention
from unmask.layers.positions import angles
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.run import Run
from unmask.weights import load_objective, save_objective

V, T = 64, 24
SIZES = {"layers": 5, "width": 32, "heads": 2, "feedforward": 48, "window": 8, "positions": 64}
OFF = Unmask(**SIZES, activation="gated", look_norm=False, zero_outputs=False, embedding_skip=False)
PARTS = {
    "activation": "squared",
    "look_norm": True,
    "zero_outputs": True,
    "embedding_skip": True,
    "layer_skips": True,
    "value_embeddings": 2,
    "cap": 5.0,
}


@pytest.fixture
def rows():
    """Tokens, groups and positions of two documents in a row, and of one that is padded: (2,24) each."""
    tokens = torch.randint(5, V, (2, T), generator=torch.Generator().manual_seed(1))
    groups, positions = torch.ones(2, T, dtype=torch.long), torch.arange(T).repeat(2, 1)
    groups[0, 10:], positions[0, 10:] = 2, torch.arange(T - 10)
    groups[1, 15:] = 0
    return tokens, groups, positions


def built(settings, spread=0.2):
    """An objective whose weights are large enough for every one of them to be felt, unless said otherwise."""
    torch.manual_seed(0)
    objective = MaskedLanguageModeling().build(settings.build(V), V, torch.arange(V)).eval()
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return objective


def logits(objective, rows):
    with torch.no_grad():
        return objective.logits(*rows)


# ---------------------------------------------------------------- each part can be switched


def test_with_all_of_its_parts_off_it_is_modernbert(rows):
    ours, theirs = built(OFF), built(ModernBert(**SIZES))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, weight in theirs.state_dict().items():
        assert weight.equal(ours.state_dict()[name]), name  # the start too
    torch.testing.assert_close(logits(ours, rows), logits(theirs, rows))


@pytest.mark.parametrize("part", PARTS)
def test_each_part_alone_changes_what_is_predicted_and_keeps_the_promises_of_an_encoder(part, rows, tmp_path):
    settings = replace(OFF, **{part: PARTS[part]})
    objective, spread = built(settings), 0.0 if part == "zero_outputs" else 0.2
    assert (logits(built(settings, spread), rows) - logits(built(OFF, spread), rows)).abs().max() > 1e-4
    whole, places = objective.encoder(*rows), torch.tensor([[3, 0, 20], [14, 7, 7]])
    asked = objective.encoder(*rows, places)
    torch.testing.assert_close(asked, whole.gather(1, places[..., None].expand(-1, -1, 32)), atol=1e-5, rtol=1e-4)

    objective.logits(*rows).square().sum().backward()
    for name, weight in objective.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.any(), name

    save_objective(tmp_path, settings, objective.state_dict(), {"pad": 0, "cls": 2, "sep": 3})
    again = load_objective(tmp_path)
    assert again is not None
    assert again.encoder.config == settings
    torch.testing.assert_close(logits(again, rows), logits(objective, rows))


def test_all_parts_together_never_let_a_document_see_another(rows):
    objective, other = built(replace(OFF, **PARTS)), rows[0].clone()
    other[0, 10:] = 7
    ours, theirs = logits(objective, rows), logits(objective, (other, *rows[1:]))
    torch.testing.assert_close(theirs[0, :10], ours[0, :10])
    assert (theirs[0, 10:] - ours[0, 10:]).abs().max() > 1e-3


# ---------------------------------------------------------------- what each part is


def test_a_fresh_encoder_hands_on_its_embeddings(rows):
    """Layers write nothing yet; each but the first reads 1 times the state before it and 0.1 times the embeddings."""
    torch.manual_seed(0)
    encoder = Unmask(**SIZES).build(V)
    embedded = encoder.embedding_norm(encoder.embedding(rows[0]))
    torch.testing.assert_close(encoder(*rows), encoder.final_norm(1.4 * embedded))


def test_late_layers_get_what_early_ones_gave_the_last_that_of_the_first():
    settings = replace(OFF, layer_skips=True)
    assert [settings.mirrored(number) for number in range(5)] == [None, None, None, 1, 0]
    assert [replace(settings, layers=6).mirrored(number) for number in range(6)] == [None, None, None, None, 1, 0]
    assert [replace(settings, layers=2).mirrored(number) for number in range(2)] == [None, None]
    assert OFF.mirrored(4) is None


def test_the_last_layer_and_every_second_before_it_have_values_of_their_own():
    assert replace(OFF, layers=6, value_embeddings=2).valued == (5, 3)
    assert OFF.valued == ()


def test_scores_are_those_of_normed_queries_and_keys_and_values_of_tokens_are_mixed_like_others():
    """By hand, without a fused step: layer norm without bias, the rotary turn, softmax, and a mean of values."""
    torch.manual_seed(0)
    attention, hidden, extra = NormedAttention(32, 2), 3 * torch.randn(1, 6, 32), torch.randn(1, 6, 32)
    with torch.no_grad():
        attention.look_norm.weight.copy_(1 + torch.rand(16))
        cosine, sine = angles(torch.arange(6)[None], 16, 100.0, torch.float32)
        projected = attention.projection(hidden).view(6, 3, 2, 16)
        query, key = (
            F.layer_norm(projected[:, part].transpose(0, 1), (16,), attention.look_norm.weight) for part in (0, 1)
        )  # (2,6,16)
        query, key = (x * cosine[0] + x.roll(8, -1) * sine[0] for x in (query, key))
        shares = (query @ key.transpose(1, 2) / 16**0.5).softmax(-1)
        values = (projected[:, 2].reshape(6, 32) + extra[0]).view(6, 2, 16).transpose(0, 1)
        by_hand = attention.output((shares @ values).transpose(0, 1).reshape(6, 32))
        found = attention(hidden, angles(torch.arange(6)[None], 16, 100.0, torch.float32), None, values=extra)
        weights = attention.weights(hidden, angles(torch.arange(6)[None], 16, 100.0, torch.float32), None)
    torch.testing.assert_close(found[0], by_hand)
    torch.testing.assert_close(weights[0], shares)


def test_the_length_of_a_hidden_state_says_nothing_of_where_heads_look():
    attention, hidden = NormedAttention(32, 2), torch.randn(1, 6, 32)
    with torch.no_grad():
        ours, theirs = (attention.weights(size * hidden, None, None) for size in (1.0, 100.0))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)


@pytest.mark.parametrize("chunk", [1, 10_000])
def test_capped_logits_loss_and_gradients_are_those_of_torch(monkeypatch, chunk):
    from unmask.layers import losses

    monkeypatch.setattr(losses, "CHUNK_LOGITS", chunk)
    torch.manual_seed(0)
    head, hidden = CappedHead(8, V, 8, cap=2.0), torch.randn(9, 8, requires_grad=True)
    embedding, targets = torch.randn(V, 8, requires_grad=True), torch.randint(0, V, (9,))
    with torch.no_grad():
        head.bias.normal_()
    products = head.norm(F.gelu(head.dense(hidden))) @ embedding.t()
    by_hand = 2 * torch.tanh(products / 2) + head.bias
    torch.testing.assert_close(head(hidden, embedding), by_hand)
    ours = head.loss(hidden, embedding, targets, -100)
    theirs = F.cross_entropy(by_hand, targets, reduction="sum")
    torch.testing.assert_close(ours, theirs)
    weights = [hidden, embedding, head.bias, head.dense.weight]
    for mine, reference in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(theirs, weights), strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-5, rtol=1e-4)


def test_tokens_are_drawn_from_capped_logits():
    head = CappedHead(1, 2, 1, cap=1.0)
    with torch.no_grad():
        head.dense.weight.fill_(1.0)
        head.norm.weight.fill_(1.0)
        # A norm over one channel gives 0; what is drawn then follows the bias alone.
        head.bias.copy_(torch.tensor([0.25, 0.75]).log())
    draws = torch.tensor([0.2, 0.3, 0.9])
    assert head.sample(torch.ones(3, 1), torch.ones(2, 1), draws).tolist() == [0, 1, 1]


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("heads=3", r"^architecture\.heads=3: must divide architecture\.width=256 into an even number$"),
        ("activation=square", r"^architecture\.activation: unknown activation 'square'; did you mean 'squared'\?"),
        ("value_embeddings=4", r"^architecture\.value_embeddings=4: of 6 layers 0 to 3 can have them$"),
        ("cap=-1", r"^architecture\.cap=-1: 0 or more is needed$"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(setting, words):
    with pytest.raises(SettingError, match=words):
        overridden(Run(), ["architecture=unmask", f"architecture.{setting}"])
