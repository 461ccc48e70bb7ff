"""A grown model says of old tokens what it said before, and of a new one the mean of what it said of its pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import unmask
from unmask.adaptation.growth import grown
from unmask.architectures.recurrent import Gru
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.tokens.extension import extended, pieces_of_new
from unmask.tokens.tokenizer import Tokenizer
from unmask.weights import save_objective

TEXTS = ["hypertension needs thiazides .", "hypertensive patients need a thiazide ."] * 3


def stock(folder, tokenizer, kind: str, spare: int = 0) -> None:
    """A stock model with random, large weights, biases included."""
    import transformers

    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)
    size = tokenizer.vocabulary_size + spare
    ids = dict(pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3)
    config = getattr(transformers, f"{kind}Config")(vocab_size=size, max_position_embeddings=64, **sizes, **ids)
    module = getattr(transformers, f"{kind}ForMaskedLM")(config)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
    module.save_pretrained(folder)
    tokenizer.save(folder)


def gru(folder, tokenizer) -> None:
    size = tokenizer.vocabulary_size
    objective = MaskedLanguageModeling().build(Gru(layers=1, width=16, state=8).build(size), size)
    folder.mkdir()
    save_objective(folder, objective.config, dict(objective.named_parameters()), {"pad": tokenizer.pad_id})
    tokenizer.save(folder)


def logits(folder, ids: torch.Tensor) -> torch.Tensor:
    from transformers import AutoModelForMaskedLM

    with torch.inference_mode():
        return AutoModelForMaskedLM.from_pretrained(folder).eval()(input_ids=ids).logits


@pytest.mark.parametrize("kind", ["Bert", "ModernBert", "Roberta", "gru"])
def test_old_logits_stay_and_new_ones_are_means_of_their_pieces(kind, place, tmp_path):
    torch.manual_seed(0)
    old = Tokenizer.load(f"{place.store}/tokenizer")
    gru(tmp_path / "old", old) if kind == "gru" else stock(tmp_path / "old", old, kind)
    larger = extended(old, TEXTS, 12)
    grown(tmp_path / "old", old, larger, tmp_path / "new")
    ids = torch.arange(40).reshape(2, 20) + 6
    before, after = logits(tmp_path / "old", ids), logits(tmp_path / "new", ids)
    assert after.shape[-1] == larger.vocabulary_size == before.shape[-1] + 12
    torch.testing.assert_close(after[..., : before.shape[-1]], before)
    for number, pieces in pieces_of_new(old, larger).items():
        torch.testing.assert_close(after[..., number], before[..., pieces].mean(dim=-1), atol=1e-5, rtol=1e-4)


def test_our_class_and_the_stock_one_agree_on_a_grown_folder(place, tmp_path):
    old = Tokenizer.load(f"{place.before}/model")
    larger = extended(old, TEXTS, 12)
    grown(Path(place.before) / "model", old, larger, tmp_path / "new")
    model = unmask.load(tmp_path / "new")
    assert model.tokenizer.fingerprint == larger.fingerprint
    assert model.vocabulary_size == larger.vocabulary_size
    ids = torch.arange(20)[None] + larger.vocabulary_size - 20
    ours = model.predict(ids, torch.ones_like(ids), torch.zeros(20, dtype=torch.long), torch.arange(20))
    torch.testing.assert_close(ours, logits(tmp_path / "new", ids)[0], atol=1e-4, rtol=1e-4)


def test_rows_that_had_no_token_are_taken_first(place, tmp_path):
    old = Tokenizer.load(f"{place.store}/tokenizer")
    stock(tmp_path / "old", old, "Bert", spare=5)
    grown(tmp_path / "old", old, extended(old, TEXTS, 3), tmp_path / "few")
    grown(tmp_path / "old", old, extended(old, TEXTS, 9), tmp_path / "many")
    ids = torch.arange(10)[None] + 6
    assert logits(tmp_path / "few", ids).shape[-1] == old.vocabulary_size + 5
    assert logits(tmp_path / "many", ids).shape[-1] == old.vocabulary_size + 9
