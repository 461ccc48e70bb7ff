"""The stock transformers class is the reference: same weights, same logits, in both directions."""

import json

import pytest
import torch
from transformers import AutoModelForMaskedLM, ModernBertConfig, ModernBertForMaskedLM

from unmask.architectures.modernbert import ModernBert
from unmask.errors import ModelError
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.weights import load_objective, save_objective

V, B, T = 320, 3, 96
IDS = {"pad": 0, "cls": 1, "sep": 2}


def rows(padded: bool):
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(5, V, (B, T), generator=generator)
    groups = torch.ones(B, T, dtype=torch.long)
    if padded:
        for row in range(B):
            groups[row, T - 11 * row :] = 0
    return tokens, groups, torch.arange(T).expand(B, T)


def ours_at_every_place(objective, tokens, groups, positions):
    row, column = groups.nonzero(as_tuple=True)
    with torch.no_grad():
        return objective.predict(tokens, groups, positions, row, column)


def stock_at_every_place(model, tokens, groups):
    with torch.no_grad():
        return model(input_ids=tokens, attention_mask=groups).logits[groups.bool()]


@pytest.mark.parametrize("padded", [False, True])
def test_a_saved_folder_gives_the_same_logits_in_the_stock_class(tmp_path, padded):
    torch.manual_seed(0)
    architecture = ModernBert(layers=4, width=64, heads=2, feedforward=96, window=32, positions=128)
    objective = MaskedLanguageModeling().build(architecture.build(V), V, torch.arange(V))
    save_objective(tmp_path, architecture, objective.state_dict(), IDS)
    stock = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    tokens, groups, positions = rows(padded)
    torch.testing.assert_close(
        ours_at_every_place(objective, tokens, groups, positions),
        stock_at_every_place(stock, tokens, groups),
        rtol=0,
        atol=1e-4,
    )


@pytest.mark.parametrize("window", [32, 64])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_stock_folder_gives_the_same_logits_in_our_class(tmp_path, window, every):
    torch.manual_seed(2)
    config = ModernBertConfig(
        vocab_size=V, hidden_size=48, intermediate_size=80, num_hidden_layers=5, num_attention_heads=3,
        local_attention=window, global_attn_every_n_layers=every, max_position_embeddings=128,
        pad_token_id=0, cls_token_id=1, bos_token_id=1, sep_token_id=2, eos_token_id=2, initializer_range=0.2,
    )  # fmt: skip
    stock = ModernBertForMaskedLM(config).eval()
    torch.nn.init.normal_(stock.decoder.bias)
    stock.save_pretrained(tmp_path)
    objective = load_objective(tmp_path)
    assert objective is not None
    tokens, groups, positions = rows(padded=True)
    torch.testing.assert_close(
        ours_at_every_place(objective, tokens, groups, positions),
        stock_at_every_place(stock, tokens, groups),
        rtol=0,
        atol=1e-4,
    )


def test_what_our_class_cannot_express_is_left_to_the_stock_class(tmp_path):
    config = ModernBertConfig(
        vocab_size=V, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, norm_bias=True,
        pad_token_id=0,
    )  # fmt: skip
    ModernBertForMaskedLM(config).save_pretrained(tmp_path)
    assert load_objective(tmp_path) is None


def saved(tmp_path):
    architecture = ModernBert(layers=2, width=32, heads=2, feedforward=32)
    objective = MaskedLanguageModeling().build(architecture.build(V), V)
    save_objective(tmp_path, architecture, objective.state_dict(), IDS)
    return objective


def test_a_weights_file_cut_in_half_is_named(tmp_path):
    saved(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        load_objective(tmp_path)


def test_weights_of_another_shape_are_named(tmp_path):
    saved(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(ModelError, match=r"mlp\.Wi\.weight has shape \(64, 32\), config\.json says \(96, 32\)"):
        load_objective(tmp_path)


def test_missing_layers_are_listed_by_their_stock_names(tmp_path):
    saved(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["layer_types"].append("full_attention")
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ModelError, match=r"missing .*model\.layers\.2\.attn\.Wqkv\.weight"):
        load_objective(tmp_path)
