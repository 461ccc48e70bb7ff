"""The insides of a model are what it computes, compared with transformers and with its own answers."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from unmask.architectures.modernbert import ModernBert
from unmask.generation.blanks import find_blanks, row_of
from unmask.models import Model
from unmask.understanding.insides import OwnInside, StockInside, opened

TEXT = "every [MASK] passes the lighthouse ."


def row_of_text(model: Model) -> tuple[torch.Tensor, torch.Tensor, int]:
    """tokens, groups (1,T) and the blank's column."""
    row, [[place]] = row_of(model, TEXT, find_blanks(TEXT, model.tokenizer.mask_token), [1])
    return torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long), place


def test_the_last_layer_of_the_lens_is_the_prediction(model: Model) -> None:
    tokens, groups, place = row_of_text(model)
    found = opened(model).lens(tokens, groups, place)
    expected = model.predict(tokens, groups, torch.tensor([0]), torch.tensor([place]))[0]
    torch.testing.assert_close(found[-1], expected, rtol=1e-4, atol=1e-4)
    layers = [logits for logits in found if not logits.isnan().any()]
    assert len(layers) >= 2
    assert not torch.allclose(layers[0], layers[-1], atol=0.1), "the layers before it predict something else"


def test_hidden_states_are_the_embeddings_and_each_layer(model: Model) -> None:
    tokens, groups, _ = row_of_text(model)
    states = opened(model).hidden_states(tokens.repeat(2, 1), groups.repeat(2, 1))
    assert len(states) == 3
    assert all(state.shape[:2] == (2, tokens.shape[1]) for state in states)
    assert not any(torch.allclose(a[..., :24], b[..., :24]) for a, b in pairwise(states))


@pytest.mark.parametrize("name", ["bert", "modernbert", "transformer"])
def test_our_hidden_states_and_attention_are_those_of_the_stock_class(models: dict[str, Model], name: str) -> None:
    from transformers import AutoModelForMaskedLM

    tokens, groups, _ = row_of_text(models[name])
    inside = opened(models[name])
    assert isinstance(inside, OwnInside)
    stock = AutoModelForMaskedLM.from_pretrained(models[name].path, attn_implementation="eager").eval()
    with torch.no_grad():
        expected = stock.base_model(input_ids=tokens, output_hidden_states=True, output_attentions=True)
    found = inside.hidden_states(tokens, groups)
    for ours, theirs in zip(found[:-1], expected.hidden_states, strict=False):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    finished = models[name].module.encoder.finish(found[-1].clone())
    torch.testing.assert_close(finished, expected.last_hidden_state, rtol=1e-3, atol=1e-4)
    maps = inside.attention(tokens, groups)
    torch.testing.assert_close(maps, torch.stack(expected.attentions), rtol=1e-3, atol=1e-5)


def test_attention_sums_to_one_and_local_layers_look_nearby(models: dict[str, Model]) -> None:
    model = models["modernbert"]
    tokens, groups, _ = row_of_text(model)
    maps = opened(model).attention(tokens, groups)
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]))
    far = (torch.arange(tokens.shape[1])[:, None] - torch.arange(tokens.shape[1])).abs() > 2
    architecture = model.module.config
    assert isinstance(architecture, ModernBert)
    assert architecture.is_global(0)
    assert not architecture.is_global(1)
    assert maps[0, 0, :, far].min() > 0
    assert maps[1, 0, :, far].max() == 0


def test_attention_mixes_the_values_as_the_layer_does(models: dict[str, Model]) -> None:
    layer = models["transformer"].module.encoder.layers[0].attention
    hidden = torch.randn(2, 7, 32)
    values = layer.projection(hidden).unflatten(-1, (3, 2, -1))[:, :, 2].transpose(1, 2)
    mixed = (layer.weights(hidden, None, None) @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(layer.output(mixed), layer(hidden, None, None), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["gru", "mae"])
def test_where_the_blank_looks_at_nobody_there_is_no_map(models: dict[str, Model], name: str) -> None:
    tokens, groups, _ = row_of_text(models[name])
    assert opened(models[name]).attention(tokens, groups) is None


def test_a_stock_model_is_left_as_it_was(models: dict[str, Model]) -> None:
    model = models["roberta"]
    inside = opened(model)
    assert isinstance(inside, StockInside)
    tokens, groups, _ = row_of_text(model)
    before = model.module.config._attn_implementation
    maps = inside.attention(tokens, groups)
    assert maps.shape == (2, 1, 2, tokens.shape[1], tokens.shape[1])
    assert model.module.config._attn_implementation == before


@pytest.mark.parametrize("name", ["bert", "modernbert", "gru", "mae"])
def test_nothing_keeps_listening(models: dict[str, Model], name: str) -> None:
    model = models[name]
    tokens, groups, place = row_of_text(model)
    inside = opened(model)
    inside.hidden_states(tokens, groups)
    inside.attention(tokens, groups)
    inside.lens(tokens, groups, place)
    for part in model.module.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
