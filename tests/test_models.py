"""A model is loaded whole or not at all, from wherever it stands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.errors import ModelError
from unmask.models import load, positions, read_token_counts, row_limit, write_token_counts
from unmask.sealed import seal

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "the", "cat", "dog", "sat", "on", "a", "mat", "blue", "sky", "is", "##s", "##ing", "run"]
SIZES = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=24
)


def save_tokenizer(folder: Path, words: list[str] = WORDS) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    PreTrainedTokenizerFast(
        tokenizer_object=made, **{f"{name}_token": token for name, token in names.items()}
    ).save_pretrained(folder)


def save_bert(folder: Path, kind: str = "BertForMaskedLM", vocabulary: int = len(WORDS)) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=vocabulary, initializer_range=0.5, **SIZES)
    getattr(transformers, kind)(config).save_pretrained(folder)
    save_tokenizer(folder)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "bert"
    save_bert(folder)
    return folder


def stock(folder: Path):
    from transformers import AutoModelForMaskedLM

    return AutoModelForMaskedLM.from_pretrained(folder).eval()


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "modernbert", "roberta-prelayernorm"])
def test_predictions_equal_those_of_transformers_at_the_asked_places(kind: str, tmp_path: Path) -> None:
    import transformers

    common = dict(vocab_size=len(WORDS), max_position_embeddings=24, pad_token_id=0)
    sizes = SIZES | {"initializer_range": 0.3} | common
    configs = {
        "bert": lambda: transformers.BertConfig(**sizes),
        "roberta": lambda: transformers.RobertaConfig(**sizes),
        "roberta-prelayernorm": lambda: transformers.RobertaPreLayerNormConfig(**sizes),
        "distilbert": lambda: transformers.DistilBertConfig(dim=16, n_layers=2, n_heads=2, hidden_dim=32, **common),
        "modernbert": lambda: transformers.ModernBertConfig(
            **sizes, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3
        ),
    }
    torch.manual_seed(1)
    transformers.AutoModelForMaskedLM.from_config(configs[kind]()).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)

    tokens = torch.tensor([[2, 5, 4, 8, 9, 3, 0, 0], [2, 5, 6, 8, 4, 5, 11, 3]])
    groups = (tokens > 0).long()
    rows, columns = torch.tensor([1, 0, 1]), torch.tensor([4, 2, 4])
    found = load(tmp_path).predict(tokens, groups, rows, columns)
    with torch.no_grad():
        expected = stock(tmp_path)(input_ids=tokens, attention_mask=groups).logits[rows, columns]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_positions_restart_in_each_group() -> None:
    groups = torch.tensor([[1, 1, 2, 2, 2, 0], [7, 7, 7, 7, 3, 3]])
    assert positions(groups).tolist() == [[0, 1, 0, 1, 2, 0], [0, 1, 2, 3, 0, 1]]


def test_a_stock_model_refuses_packed_rows_instead_of_mixing_documents(tmp_path: Path) -> None:
    save_bert(tmp_path / "m", "BertForPreTraining")  # which has no class of ours
    model = load(tmp_path / "m")
    tokens = torch.tensor([[5, 6, 7, 8]])
    with pytest.raises(ModelError, match="one document a row, not packed rows"):
        model.predict(tokens, torch.tensor([[1, 1, 2, 2]]), torch.tensor([0]), torch.tensor([0]))


def test_a_row_longer_than_the_positions_is_refused_by_both_numbers(bert: Path) -> None:
    tokens = torch.full((1, 25), 5)
    with pytest.raises(ModelError, match="25 tokens is longer than the 24"):
        load(bert).predict(tokens, torch.ones_like(tokens), torch.tensor([0]), torch.tensor([0]))


def test_roberta_keeps_two_positions_for_padding() -> None:
    import transformers

    config = transformers.RobertaConfig(vocab_size=20, **(SIZES | {"max_position_embeddings": 514}), pad_token_id=1)
    assert row_limit(transformers.RobertaForMaskedLM(config), config.to_dict()) == 512


# ---------------------------------------------------------------- what cannot be loaded, and what is said


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(ModelError, match=r"^no/such/../folder: no such folder$"):
        load("no/such/../folder")


def test_a_name_the_hub_cannot_give_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelError, match=r"^nobody/nothing: no such folder here, and the Hub is not asked \(HF_HUB_OFFLINE is set\)$"
    ):
        load("nobody/nothing")


def test_a_name_the_hub_does_not_know_is_told_apart_from_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for error, words in (
        (RepositoryNotFoundError, "no public model of this name on the Hub"),
        (LocalEntryNotFoundError, "the Hub cannot be reached"),
    ):

        def refuse(*_, error=error, **__):
            raise error.__new__(error)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
        with pytest.raises(ModelError, match=f"^nobody/nothing: no such folder here, and {words}$"):
            load("nobody/nothing")


def test_a_misspelt_run_is_answered_with_the_nearest_and_the_hub_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    with pytest.raises(ModelError, match=r"^runs/dmeo: no such folder; did you mean 'runs/demo'\?$"):
        load("runs/dmeo")


def test_a_folder_without_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is no model: neither run\.json \(a run\) nor config\.json"):
        load(tmp_path)


def test_a_config_without_weights_is_refused(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no weights: model\.safetensors is missing"):
        load(tmp_path / "m")


def test_weights_cut_short_are_refused(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "m")
    assert str(tmp_path / "m") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_causal_model_is_refused_and_told_what_fits(tmp_path: Path) -> None:
    import transformers

    config = transformers.GPT2Config(
        vocab_size=len(WORDS), n_embd=16, n_layer=1, n_head=2, bos_token_id=2, eos_token_id=3
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    with pytest.raises(ModelError, match="holds a 'gpt2' model, which has no masked-LM head: give a BERT"):
        load(tmp_path)


def test_an_encoder_without_head_is_never_given_a_random_one(tmp_path: Path) -> None:
    save_bert(tmp_path, "BertModel")
    with pytest.raises(ModelError, match=r"lacks weights .*cls\.predictions"):
        load(tmp_path)


def test_a_tokenizer_larger_than_the_model_is_refused_by_both_numbers(tmp_path: Path) -> None:
    save_bert(tmp_path, vocabulary=12)
    with pytest.raises(ModelError, match=f"tokenizer has {len(WORDS)} tokens but the model only 12"):
        load(tmp_path)


def test_weights_nobody_uses_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_bert(tmp_path, "BertForPreTraining")
    load(tmp_path)
    assert "does not use" in " ".join(capsys.readouterr().err.split())


# ---------------------------------------------------------------- run folders


def test_a_finished_run_gives_its_model_and_its_settings(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "model")
    (tmp_path / "run.json").write_text(json.dumps({"run": {"seed": 7}, "environment": {"torch": "2"}}))
    model = load(tmp_path)
    assert model.path == tmp_path / "model"
    assert model.run == {"seed": 7}


def test_a_run_that_is_not_finished_gives_its_newest_whole_checkpoint_and_says_so(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text('{"seed": 3}')
    for step in (9, 10, 100):
        shutil.copytree(bert, tmp_path / "checkpoints" / f"step-{step}")
        seal(tmp_path / "checkpoints" / f"step-{step}")
    broken = tmp_path / "checkpoints" / "step-100" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1])
    model = load(tmp_path)
    said = " ".join(capsys.readouterr().err.split())
    assert model.path.name == "step-10"
    assert model.run == {"seed": 3}
    assert "step-100 is broken (model.safetensors has" in said
    assert "taking step-10" in said


def test_our_own_architecture_keeps_packed_documents_apart(tmp_path: Path) -> None:
    import transformers

    config = transformers.ModernBertConfig(
        vocab_size=len(WORDS), pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, **SIZES
    )
    torch.manual_seed(1)
    transformers.ModernBertForMaskedLM(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    model = load(tmp_path)
    packed = torch.tensor([[2, 5, 4, 3, 2, 9, 4, 10, 3]])
    groups = torch.tensor([[1, 1, 1, 1, 2, 2, 2, 2, 2]])
    together = model.predict(packed, groups, torch.tensor([0, 0]), torch.tensor([2, 6]))
    apart = [
        model.predict(part, torch.ones_like(part), torch.tensor([0]), torch.tensor([2]))
        for part in (packed[:, :4], packed[:, 4:])
    ]
    torch.testing.assert_close(together, torch.cat(apart), rtol=1e-4, atol=1e-5)


def test_a_run_without_checkpoint_says_how_to_continue(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ModelError, match=r"no model and no whole checkpoint yet: .*--resume"):
        load(tmp_path)


def test_a_folder_of_the_hub_belongs_to_no_run(bert: Path) -> None:
    assert load(bert).run is None


def test_token_counts_come_back_as_saved(tmp_path: Path) -> None:
    counts = np.array([0, 5, 2**40])
    write_token_counts(tmp_path, counts)
    assert read_token_counts(tmp_path).tolist() == counts.tolist()


def test_token_counts_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "token_counts.json").write_text("[1, 2")
    with pytest.raises(ModelError, match=r"token_counts\.json cannot be read"):
        read_token_counts(tmp_path)
