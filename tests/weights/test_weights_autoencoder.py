"""The masked autoencoder as a folder: the whole for ours and the Auto classes, its encoder for the stock class."""

import json

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, BertModel, ModernBertModel, RobertaPreLayerNormModel

import unmask.models  # noqa: F401  registers the model types
from unmask.architectures import ARCHITECTURES
from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.transformer import Transformer
from unmask.objectives.masked_autoencoding import Autoencoder, MaskedAutoencoding
from unmask.weights import load_encoder, load_objective, load_weights, save_objective

V, T, MASK = 60, 20, 4
IDS = {"pad": 0, "cls": 2, "sep": 3, "mask": MASK}
SIZES = {"layers": 3, "width": 32, "heads": 2, "feedforward": 48, "positions": 64}
ENCODERS = {
    "modernbert": (ModernBert(**SIZES, window=8), ModernBertModel),
    "bert": (Bert(**SIZES), BertModel),
    "transformer": (Transformer(**SIZES, norm="pre"), RobertaPreLayerNormModel),
}
DECODER = MaskedAutoencoding(decoder_layers=2, decoder_width=24, decoder_heads=3)


@pytest.fixture(params=ENCODERS)
def saved(request, tmp_path):
    """An objective, the folder it was saved to, and the stock class of its encoder."""
    torch.manual_seed(0)
    architecture, stock = ENCODERS[request.param]
    objective = DECODER.build(architecture.build(V), V, torch.arange(V), MASK).eval()
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_objective(tmp_path, objective.config, objective.state_dict(), IDS)
    return objective, tmp_path, stock


def rows():
    """Tokens with blanks, and groups: the second row is padded."""
    tokens = torch.randint(5, V, (2, T), generator=torch.Generator().manual_seed(1))
    groups = torch.ones(2, T, dtype=torch.long)
    groups[1, 14:] = 0
    tokens[:, [3, 4, 9]] = MASK
    return tokens.where(groups > 0, 0), groups, torch.arange(T).expand(2, T)


def blanks(tokens):
    return (tokens == MASK).nonzero(as_tuple=True)


def test_what_was_saved_is_read_again_with_every_weight_and_setting(saved):
    objective, folder, _ = saved
    again = load_objective(folder)
    assert again.config == objective.config == Autoencoder(objective.encoder.config, DECODER)
    assert again.mask_id == MASK
    for name, tensor in objective.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name


def test_a_checkpoint_gives_back_the_very_weights(saved):
    objective, folder, _ = saved
    fresh = DECODER.build(objective.encoder.config.build(V), V)
    load_weights(fresh, folder)
    for name, tensor in objective.state_dict().items():
        assert tensor.equal(fresh.state_dict()[name]), name


def test_auto_classes_give_the_same_logits_at_the_blanks_and_the_same_loss(saved):
    objective, folder, _ = saved
    tokens, groups, positions = rows()
    row, column = blanks(tokens)
    labels = torch.full_like(tokens, -100)
    labels[row, column] = 7
    model, report = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    with torch.no_grad():
        found = model.eval()(input_ids=tokens, attention_mask=groups, labels=labels)
        expected = objective.predict(tokens, groups, positions, row, column)
    torch.testing.assert_close(found.logits[row, column], expected, atol=1e-4, rtol=0)
    by_hand = torch.nn.functional.cross_entropy(expected, torch.full_like(row, 7))
    assert found.loss.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_what_transformers_saves_we_read(saved, tmp_path):
    objective, folder, _ = saved
    AutoModelForMaskedLM.from_pretrained(folder).save_pretrained(tmp_path / "theirs")
    again = load_objective(tmp_path / "theirs")
    assert again.config == objective.config
    for name, tensor in objective.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name


def test_the_encoder_s_folder_gives_the_same_hidden_states_in_the_stock_class(saved):
    objective, folder, stock = saved
    model, report = AutoModel.from_pretrained(folder / "encoder", output_loading_info=True)
    assert type(model) is stock
    assert json.loads((folder / "encoder" / "config.json").read_text())["architectures"] == [stock.__name__]
    assert all(name.startswith("pooler.") for name in report["missing_keys"])
    assert not report["unexpected_keys"]
    tokens, groups, positions = rows()
    with torch.no_grad():
        theirs = model.eval()(input_ids=tokens, attention_mask=groups).last_hidden_state
        ours = objective.encoder(tokens, groups, positions)
    torch.testing.assert_close(ours[groups > 0], theirs[groups > 0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("part", [".", "encoder"])
def test_the_encoder_alone_is_read_from_the_whole_folder_and_from_its_own(saved, part):
    objective, folder, _ = saved
    with torch.no_grad():
        expected, found = objective.encoder(*rows()), load_encoder(folder / part)(*rows())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_the_folder_names_a_model_type_of_ours_and_the_encoder_inside(saved):
    objective, folder, _ = saved
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "unmask-masked-autoencoder"
    assert config["architectures"] == ["UnmaskMaskedAutoencoderForMaskedLM"]
    assert config["encoder_config"]["name"] == ARCHITECTURES.name_of(objective.encoder.config)
