"""What every architecture on the menu promises, whatever it is made of."""

import pytest
import torch

from unmask.architectures.bag_of_words import Cbow
from unmask.errors import ModelError, SettingError
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.weights import load_objective, save_objective

V, T = 64, 24
IDS = {"pad": 0, "cls": 2, "sep": 3}


@pytest.fixture
def rows():
    """Tokens, groups and positions of two documents, the second padded: (2,24) each."""
    tokens = torch.randint(5, V, (2, T), generator=torch.Generator().manual_seed(1))
    groups = torch.ones(2, T, dtype=torch.long)
    groups[1, 15:] = 0
    tokens[1, 15:] = 0
    return tokens, groups, torch.arange(T).expand(2, T)


def built(settings):
    """An encoder whose weights are large enough for every one of them to be felt."""
    torch.manual_seed(0)
    encoder = settings.build(V).eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return encoder


def test_hidden_states_have_the_width_and_some_places_are_what_all_are_there(small_architecture, rows):
    encoder, places = built(small_architecture), torch.tensor([[3, 0, 20], [14, 7, 7]])
    everywhere = encoder(*rows)
    assert everywhere.shape == (2, T, encoder.width)
    assert encoder.embedding.weight.shape == (V, encoder.width)
    torch.testing.assert_close(
        encoder(*rows, places), everywhere.gather(1, places[..., None].expand(-1, -1, encoder.width))
    )


def test_the_last_tap_finished_is_what_the_encoder_gives(small_architecture, rows):
    encoder, outputs = built(small_architecture), []
    for part in encoder.taps:
        part.register_forward_hook(lambda module, given, output: outputs.append(output))
    expected = encoder(*rows)
    torch.testing.assert_close(encoder.finish(outputs[-1]), expected)
    assert all(output.shape[:2] == (2, T) for output in outputs)


def test_padding_is_never_seen(small_architecture, rows):
    tokens, groups, positions = rows
    encoder = built(small_architecture)
    other = tokens.clone()
    other[1, 15:] = 9
    torch.testing.assert_close(encoder(other, groups, positions)[1, :15], encoder(*rows)[1, :15])
    cut = encoder(tokens[1:, :15], groups[1:, :15], positions[1:, :15])
    torch.testing.assert_close(cut[0], encoder(*rows)[1, :15], atol=1e-5, rtol=1e-4)


def test_a_group_never_sees_another_and_packed_rows_are_refused_by_name_where_it_would(small_architecture, rows):
    tokens, groups, _ = rows
    encoder, groups = built(small_architecture), groups.clone()
    groups[0, 10:] = 2
    positions = torch.arange(T).repeat(2, 1)
    positions[0, 10:] -= 10
    if not small_architecture.packed_rows:
        with pytest.raises(SettingError, match=r"data\.packing=packed: .*; set data\.packing=document"):
            encoder(tokens, groups, positions)
        return
    alone = encoder(tokens[:1, 10:], torch.ones(1, T - 10, dtype=torch.long), torch.arange(T - 10)[None])
    torch.testing.assert_close(encoder(tokens, groups, positions)[0, 10:], alone[0], atol=1e-5, rtol=1e-4)


def test_both_sides_of_a_token_are_seen(small_architecture, rows):
    tokens, groups, positions = rows
    encoder = built(small_architecture)
    before = encoder(*rows)[0, 10]
    for column in (8, 12):
        other = tokens.clone()
        other[0, column] = 5 + (other[0, column] - 4) % (V - 5)
        assert (encoder(other, groups, positions)[0, 10] - before).abs().max() > 1e-4


def test_order_is_known_but_to_the_bag_of_words(small_architecture, rows):
    tokens, groups, positions = rows
    encoder = built(small_architecture)
    swapped = tokens.clone()
    swapped[0, [7, 8]] = tokens[0, [8, 7]]
    change = (encoder(swapped, groups, positions)[0, 10] - encoder(*rows)[0, 10]).abs().max()
    assert change < 1e-5 if isinstance(small_architecture, Cbow) else change > 1e-4


def test_the_bag_of_words_is_the_mean_of_the_tokens_around_without_the_one_asked_for():
    """By hand, in a row of two documents: place 3 has 1, 2 and 4 around it, and not 5, which is another document's."""
    encoder = built(Cbow(width=8, window=2))
    tokens = torch.tensor([[2, 7, 8, 9, 10, 11, 12]])
    groups, places = torch.tensor([[1, 1, 1, 1, 1, 2, 2]]), torch.tensor([[3]])
    mean = encoder.embedding.weight[[7, 8, 10]].mean(0)
    scaled = (mean - mean.mean()) / (mean.var(unbiased=False) + encoder.norm.epsilon).sqrt() * encoder.norm.weight
    torch.testing.assert_close(encoder(tokens, groups, torch.arange(7)[None], places)[0, 0], scaled)


def test_every_weight_gets_a_gradient(small_architecture, rows):
    encoder = built(small_architecture).train()
    encoder(*rows).square().sum().backward()
    without = [name for name, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without


def test_a_saved_folder_is_read_again_to_the_same_logits(small_architecture, rows, tmp_path):
    torch.manual_seed(0)
    objective = MaskedLanguageModeling().build(built(small_architecture), V, torch.arange(V)).eval()
    save_objective(tmp_path, small_architecture, objective.state_dict(), IDS)
    again = load_objective(tmp_path)
    row, column = rows[1].nonzero(as_tuple=True)
    torch.testing.assert_close(
        again.predict(*rows, row, column), objective.predict(*rows, row, column), atol=1e-5, rtol=1e-5
    )
    assert again.encoder.config.positions == small_architecture.positions


def test_a_weight_that_is_missing_is_named(small_architecture, tmp_path):
    objective = MaskedLanguageModeling().build(small_architecture.build(V), V)
    weights = objective.state_dict()
    del weights["head.dense.weight"]
    save_objective(tmp_path, small_architecture, weights, IDS)
    with pytest.raises(ModelError, match=r"the weights do not fit the model .*: missing .*dense\.weight"):
        load_objective(tmp_path)


def test_settings_that_cannot_be_are_refused_by_name(small_architecture):
    from dataclasses import fields, replace

    known = {field.name for field in fields(small_architecture)}
    for name in {"layers", "width", "positions"} & known:
        with pytest.raises(SettingError, match=rf"^architecture\.{name}=0: at least 1 is needed$"):
            replace(small_architecture, **{name: 0})
