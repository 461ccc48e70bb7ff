"""The plain Transformer in the stock classes of BERT (post-norm) and of RoBERTa-PreLayerNorm (pre-norm)."""

import math

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertForMaskedLM,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormForMaskedLM,
)

from unmask.architectures.transformer import Transformer
from unmask.errors import SettingError
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.weights import load_objective, load_weights, save_objective

V, B, T = 320, 3, 40


def rows(pad: int, padded: bool):
    """Rows without the padding token but where there is padding: RoBERTa counts positions by it."""
    tokens = torch.randint(5, V, (B, T), generator=torch.Generator().manual_seed(1))
    groups = torch.ones(B, T, dtype=torch.long)
    if padded:
        for row in range(B):
            groups[row, T - 11 * row :] = 0
    return tokens.where(groups > 0, pad), groups, torch.arange(T).expand(B, T)


def roughened(module):
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module


def assert_same_logits(objective, stock, given):
    tokens, groups, positions = given
    row, column = groups.nonzero(as_tuple=True)
    with torch.no_grad():
        ours = objective.predict(tokens, groups, positions, row, column)
        theirs = stock(input_ids=tokens, attention_mask=groups).logits[row, column]
    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("pad", [0, 1, 3])
@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
@pytest.mark.parametrize(("norm", "stock"), [("post", BertForMaskedLM), ("pre", RobertaPreLayerNormForMaskedLM)])
def test_a_saved_folder_gives_the_same_logits_in_the_stock_class_and_when_read_again(
    tmp_path, norm, stock, kind, pad, padded
):
    architecture = Transformer(layers=3, width=48, heads=4, feedforward=80, positions=64, norm=norm, position_kind=kind)
    objective = roughened(MaskedLanguageModeling().build(architecture.build(V), V, torch.arange(V)))
    save_objective(tmp_path, architecture, objective.state_dict(), {"pad": pad, "cls": 6, "sep": 2})
    model, report = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert type(model) is stock
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert_same_logits(objective, model.eval(), rows(pad, padded))
    again = load_objective(tmp_path)
    assert again.encoder.config.positions == 64
    assert_same_logits(again, model, rows(pad, padded))


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_checkpoint_gives_back_the_very_weights(tmp_path, norm, kind):
    architecture = Transformer(layers=2, width=32, heads=4, feedforward=48, norm=norm, position_kind=kind)
    objective = roughened(MaskedLanguageModeling().build(architecture.build(V), V))
    save_objective(tmp_path, architecture, objective.state_dict(), {"pad": 0})
    fresh = MaskedLanguageModeling().build(architecture.build(V), V)
    load_weights(fresh, tmp_path)
    for name, tensor in objective.state_dict().items():
        assert tensor.equal(fresh.state_dict()[name]), name


@pytest.mark.parametrize("padded", [False, True])
def test_a_stock_folder_gives_the_same_logits_in_our_class(tmp_path, padded):
    config = RobertaPreLayerNormConfig(
        vocab_size=V, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80,
        max_position_embeddings=66, type_vocab_size=1, initializer_range=0.1,
    )  # fmt: skip
    stock = roughened(RobertaPreLayerNormForMaskedLM(config)).eval()
    stock.save_pretrained(tmp_path)
    objective = load_objective(tmp_path)
    assert objective.encoder.config == Transformer(
        layers=3, width=48, heads=4, feedforward=80, positions=64, norm="pre", position_kind="learned"
    )
    assert_same_logits(objective, stock, rows(config.pad_token_id, padded))


def test_the_longest_row_of_a_stock_folder_leaves_out_what_roberta_reserves(tmp_path):
    architecture = Transformer(layers=1, width=16, heads=2, feedforward=16, positions=30, norm="pre")
    objective = MaskedLanguageModeling().build(architecture.build(V), V)
    save_objective(tmp_path, architecture, objective.state_dict(), {"pad": 1})
    model = AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert model.config.max_position_embeddings == 32
    tokens = torch.full((1, 30), 9)
    model(input_ids=tokens)
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        model(input_ids=torch.full((1, 31), 9))


def test_the_waves_are_those_of_the_paper_written_number_by_number():
    width, table = 6, Transformer(width=6, heads=1, positions=50).build(V).position_embedding.table
    waves = table / (0.1 * 2**0.5)
    for position in (0, 1, 17, 49):
        for k in range(width // 2):
            angle = position / 10_000 ** (2 * k / width)
            assert waves[position, 2 * k] == pytest.approx(math.sin(angle), abs=1e-6)
            assert waves[position, 2 * k + 1] == pytest.approx(math.cos(angle), abs=1e-6)


def test_after_the_embedding_norm_it_is_the_paper_s_scaled_embedding_plus_waves():
    encoder = Transformer(width=32, heads=2, positions=40).build(V)
    tokens, _, positions = rows(0, padded=False)
    size = 0.1 * 2**0.5  # of the waves, which are 1 in the paper
    scaled = encoder.embedding(tokens) / size + encoder.position_embedding.table[positions] / size
    expected = torch.nn.functional.layer_norm(scaled, (32,), eps=1e-12)
    found = encoder.embedding_norm(encoder.embedding(tokens) + encoder.position_embedding(positions))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"norm": "mid"}, r"^architecture\.norm: unknown norm 'mid'.* \(known: post, pre\)$"),
        ({"position_kind": "sinus"}, r"unknown position_kind 'sinus'; did you mean 'sinusoidal'\?"),
        ({"heads": 3}, r"^architecture\.heads=3: must divide architecture\.width=256$"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings, words):
    with pytest.raises(SettingError, match=words):
        Transformer(**settings)
