"""The encoder of our own as a folder: read by us and, once unmask.models is imported, by transformers."""

import json

import pytest
import torch
from transformers import AutoModelForMaskedLM

import unmask.models  # noqa: F401  registers the model types
from unmask.architectures.unmask import Unmask
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.weights import load_encoder, load_objective, save_objective

V = 40
SETTINGS = Unmask(
    layers=3, width=24, heads=2, feedforward=32, positions=64, layer_skips=True, value_embeddings=2, cap=9
)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    objective = MaskedLanguageModeling().build(SETTINGS.build(V), V, torch.arange(V)).eval()
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    save_objective(tmp_path, SETTINGS, objective.state_dict(), {"pad": 0, "cls": 1, "sep": 2, "mask": 4})
    return objective, tmp_path


def rows():
    tokens, mask = torch.randint(5, V, (2, 9), generator=torch.Generator().manual_seed(1)), torch.ones(2, 9)
    mask[1, 6:] = 0
    return tokens, mask.long(), torch.arange(9).expand(2, 9)


def test_auto_classes_give_the_same_logits_and_loss(saved):
    objective, folder = saved
    model, report = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    tokens, mask, positions = rows()
    row, column = mask.nonzero(as_tuple=True)
    with torch.no_grad():
        found = model.eval()(input_ids=tokens, attention_mask=mask, labels=tokens.where(mask.bool(), -100))
        expected = objective.predict(tokens, mask, positions, row, column)
    torch.testing.assert_close(found.logits[row, column], expected, atol=1e-5, rtol=1e-4)
    by_hand = torch.nn.functional.cross_entropy(expected, tokens[row, column])
    assert found.loss.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_what_transformers_saves_we_read(saved, tmp_path):
    objective, folder = saved
    AutoModelForMaskedLM.from_pretrained(folder).save_pretrained(tmp_path / "theirs")
    again = load_objective(tmp_path / "theirs")
    assert again.encoder.config == SETTINGS
    for name, tensor in objective.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name


def test_the_encoder_alone_is_read_from_the_folder(saved):
    objective, folder = saved
    with torch.no_grad():
        torch.testing.assert_close(load_encoder(folder)(*rows()), objective.encoder(*rows()))


def test_the_folder_names_a_model_type_of_ours_and_every_setting(saved):
    config = json.loads((saved[1] / "config.json").read_text())
    assert config["model_type"] == "unmask-encoder"
    assert config["architectures"] == ["UnmaskEncoderForMaskedLM"]
    assert config["encoder_config"]["name"] == "unmask"
    assert (config["encoder_config"]["cap"], config["encoder_config"]["layer_skips"]) == (9.0, True)
