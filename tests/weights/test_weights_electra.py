"""Replaced-token detection as a folder: encoder and head, and the generator below; stock ELECTRA where it is BERT."""

import json

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    ModernBertModel,
    RobertaPreLayerNormModel,
)

import unmask.models  # noqa: F401  registers the model types
from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.projected import Projected
from unmask.architectures.recurrent import Lstm
from unmask.architectures.transformer import Transformer
from unmask.objectives.replaced_token_detection import ReplacedTokenDetection
from unmask.weights import load_encoder, load_objective, load_weights, save_objective

V, T, MASK = 60, 20, 4
IDS = {"pad": 0, "cls": 2, "sep": 3, "mask": MASK}
SIZES = {"layers": 3, "width": 32, "heads": 2, "feedforward": 48, "positions": 64}
ENCODERS = {
    "bert": Bert(**SIZES),
    "transformer": Transformer(**SIZES),
    "learned": Transformer(**SIZES, position_kind="learned"),
    "prenorm": Transformer(**SIZES, norm="pre"),
    "modernbert": ModernBert(**SIZES, window=8),
    "lstm": Lstm(layers=2, width=32, state=24, positions=64),
}
STOCK = ("bert", "transformer", "learned")
SETTINGS = ReplacedTokenDetection(generator_share=0.5, generator_layers=2)


@pytest.fixture
def saved(request, tmp_path):
    """An objective with weights unlike those it starts with, and the folder it was saved to."""
    torch.manual_seed(0)
    objective = SETTINGS.build(ENCODERS[request.param].build(V), V, torch.arange(V)).eval()
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_objective(tmp_path, objective.config, dict(objective.named_parameters()), IDS)
    return objective, tmp_path


every = pytest.mark.parametrize("saved", ENCODERS, indirect=True)
of_stock = pytest.mark.parametrize("saved", STOCK, indirect=True)


def rows():
    """Tokens with blanks, groups with a padded second row, and positions."""
    tokens = torch.randint(5, V, (2, T), generator=torch.Generator().manual_seed(1))
    groups = torch.ones(2, T, dtype=torch.long)
    groups[1, 14:] = 0
    tokens[:, [3, 4, 9]] = MASK
    return tokens.where(groups > 0, 0), groups, torch.arange(T).expand(2, T)


def whole(kind, folder):
    """A stock model, of which no weight was missing or left over."""
    model, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    return model.eval()


@every
def test_a_checkpoint_gives_back_the_very_weights_of_both(saved):
    objective, folder = saved
    fresh = SETTINGS.build(objective.encoder.config.build(V), V)
    load_weights(fresh, folder)
    for name, tensor in objective.state_dict().items():
        assert tensor.equal(fresh.state_dict()[name]), name
    assert fresh.generator.encoder.embedding is fresh.encoder.embedding


@every
def test_the_generator_alone_predicts_as_it_does_in_the_whole(saved):
    objective, folder = saved
    generator = load_objective(folder / "generator")
    with torch.no_grad():
        torch.testing.assert_close(generator.logits(*rows()), objective.logits(*rows()), atol=1e-5, rtol=1e-4)
    assert generator.config.embedding_width == objective.encoder.width


@every
def test_the_encoder_is_read_from_the_folder(saved):
    objective, folder = saved
    with torch.no_grad():
        expected, found = objective.encoder(*rows()), load_encoder(folder)(*rows())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@every
def test_the_folder_of_the_encoder_is_no_masked_language_model_of_ours(saved):
    assert load_objective(saved[1]) is None


@of_stock
def test_stock_electra_detects_with_the_same_logits(saved):
    objective, folder = saved
    tokens, groups, positions = rows()
    model = whole(AutoModelForPreTraining, folder)
    assert type(model) is ElectraForPreTraining
    with torch.no_grad():
        theirs = model(input_ids=tokens, attention_mask=groups).logits
        ours = objective.replaced(objective.encoder(tokens, groups, positions))
    torch.testing.assert_close(ours[groups > 0], theirs[groups > 0], atol=1e-4, rtol=0)


@of_stock
def test_stock_electra_generates_with_the_same_logits(saved):
    objective, folder = saved
    tokens, groups, positions = rows()
    model = whole(AutoModelForMaskedLM, folder / "generator")
    assert type(model) is ElectraForMaskedLM
    with torch.no_grad():
        theirs = model(input_ids=tokens, attention_mask=groups).logits
        ours = objective.logits(tokens, groups, positions)
    torch.testing.assert_close(ours[groups > 0], theirs[groups > 0], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("saved", "stock"),
    [("modernbert", ModernBertModel), ("prenorm", RobertaPreLayerNormModel)],
    indirect=["saved"],
)
def test_another_encoder_is_read_by_the_stock_class_of_its_layout(saved, stock):
    objective, folder = saved
    tokens, groups, positions = rows()
    assert json.loads((folder / "config.json").read_text())["architectures"] == [stock.__name__]
    model, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert type(model) is stock
    assert all(name.startswith("pooler.") for name in report["missing_keys"])
    assert all(name.startswith("replaced.") for name in report["unexpected_keys"])
    with torch.no_grad():
        theirs = model.eval()(input_ids=tokens, attention_mask=groups).last_hidden_state
        ours = objective.encoder(tokens, groups, positions)
    torch.testing.assert_close(ours[groups > 0], theirs[groups > 0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("saved", ["prenorm", "modernbert", "lstm"], indirect=True)
def test_another_generator_is_read_by_the_auto_class_and_saved_by_it_again(saved, tmp_path):
    objective, folder = saved
    tokens, groups, positions = rows()
    model = whole(AutoModelForMaskedLM, folder / "generator")
    with torch.no_grad():
        theirs = model(input_ids=tokens, attention_mask=groups).logits
        ours = objective.logits(tokens, groups, positions)
    torch.testing.assert_close(ours[groups > 0], theirs[groups > 0], atol=1e-4, rtol=0)
    model.save_pretrained(tmp_path / "theirs")
    again = load_objective(tmp_path / "theirs")
    assert again.config == objective.generator.config
    for name, tensor in objective.generator.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name


# ---------------------------------------------------------------- ELECTRA that others trained


def of_others(kind, folder, **changes):
    """A stock model whose embeddings are narrower than its layers, as in the published small one."""
    torch.manual_seed(0)
    sizes = {"vocab_size": V, "embedding_size": 16, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48}
    config = ElectraConfig(**sizes, num_attention_heads=2, max_position_embeddings=64, **changes)
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


def test_a_stock_generator_is_read_by_our_class_with_the_same_logits(tmp_path):
    model = of_others(ElectraForMaskedLM, tmp_path)
    ours = load_objective(tmp_path)
    assert isinstance(ours.config, Projected)
    tokens, groups, positions = rows()
    with torch.no_grad():
        theirs = model(input_ids=tokens, attention_mask=groups).logits
        found = ours.logits(tokens, groups, positions)
    torch.testing.assert_close(found[groups > 0], theirs[groups > 0], atol=1e-4, rtol=0)


def test_a_stock_detector_gives_our_encoder_the_same_hidden_states(tmp_path):
    model = of_others(ElectraForPreTraining, tmp_path)
    assert load_objective(tmp_path) is None
    tokens, groups, positions = rows()
    with torch.no_grad():
        theirs = model.electra(input_ids=tokens, attention_mask=groups).last_hidden_state
        ours = load_encoder(tmp_path)(tokens, groups, positions)
    torch.testing.assert_close(ours[groups > 0], theirs[groups > 0], atol=1e-4, rtol=0)


def test_what_our_class_cannot_express_is_left_to_the_stock_class(tmp_path):
    of_others(ElectraForMaskedLM, tmp_path, hidden_act="relu")
    assert load_objective(tmp_path) is None
