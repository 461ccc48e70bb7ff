"""Recurrent models are read by transformers too, once unmask.models is imported."""

import json

import pytest
import torch

import unmask.models  # noqa: F401  registers the model types
from unmask.architectures.recurrent import Gru, Lstm
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.weights import save_objective

V = 40


def saved(folder, architecture):
    torch.manual_seed(0)
    objective = MaskedLanguageModeling().build(architecture.build(V), V, torch.arange(V)).eval()
    save_objective(folder, architecture, objective.state_dict(), {"pad": 0, "cls": 1, "sep": 2})
    return objective


@pytest.mark.parametrize("kind", [Lstm, Gru])
def test_auto_classes_give_the_same_logits_and_loss(tmp_path, kind):
    from transformers import AutoModelForMaskedLM

    objective = saved(tmp_path, kind(width=24, state=16))
    model = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    tokens, mask = torch.randint(5, V, (2, 9)), torch.ones(2, 9, dtype=torch.long)
    mask[1, 6:] = 0
    row, column = mask.nonzero(as_tuple=True)
    labels = tokens.where(mask.bool(), -100)
    with torch.no_grad():
        found = model(input_ids=tokens, attention_mask=mask, labels=labels)
        expected = objective.predict(tokens, mask, torch.arange(9).expand(2, 9), row, column)
    torch.testing.assert_close(found.logits[row, column], expected)
    assert found.loss.item() == pytest.approx(
        torch.nn.functional.cross_entropy(expected, tokens[row, column]).item(), rel=1e-5
    )


def test_what_transformers_saves_we_read(tmp_path):
    from transformers import AutoModelForMaskedLM

    from unmask.weights import load_objective

    (tmp_path / "ours").mkdir()
    objective = saved(tmp_path / "ours", Lstm(width=24, state=16, layers=1, dropout=0.1))
    AutoModelForMaskedLM.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    again = load_objective(tmp_path / "theirs")
    assert again is not None
    assert again.encoder.config == objective.encoder.config
    for name, tensor in objective.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name


def test_the_folder_names_a_model_type_of_ours(tmp_path):
    saved(tmp_path, Gru(width=24, state=16))
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"] == "unmask-gru"
    assert config["architectures"] == ["UnmaskGruForMaskedLM"]


def test_importing_models_does_not_import_what_takes_seconds():
    import subprocess
    import sys

    code = "import sys, unmask.models; sys.exit('transformers.modeling_utils' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
