"""`unmask explain` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unmask.corpus.documents import Document
from unmask.tokens.training import TokenizerSettings, train_tokenizer

TEXT = "the cats sleep . a cat sleeps . nobody remembers the lighthouse .\n" * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("explain")
    settings = TokenizerSettings(kind="wordpiece", vocabulary_size=60, minimum_frequency=1)
    tokenizer = train_tokenizer([Document("d", TEXT, "s")], settings)
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    config = BertConfig(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=24, **sizes)
    BertForMaskedLM(config).save_pretrained(folder / "bert")
    tokenizer.save(folder / "bert")
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)


def test_lines_figures_and_layers_are_shown(unmask):
    code, out, err = unmask("explain", "bert", "the [MASK] sleeps.")
    assert code == 0
    lines = [line.strip() for line in out.splitlines()]
    for title in ("integrated gradients", "masked in turn", "left out in turn", "attention rollout"):
        assert lines[lines.index(title) + 1] == "[CLS] the [MASK] sleeps. [SEP]"
    assert [line.split()[0] for line in lines[-3:]] == ["embeddings", "layer", "layer"]
    assert err.splitlines()[-1] == "next: unmask fill bert 'the [MASK] sleeps.'"


def test_a_folder_gets_the_page_the_picture_and_the_figures(unmask, folder):
    code, out, _ = unmask("explain", "bert", "The [MASK] sleeps.", "--to", "explained", "--json")
    assert code == 0
    assert {path.name for path in (folder / "explained").iterdir()} == {
        f"explanation.{kind}" for kind in ("html", "json", "png")
    }
    found = json.loads(out)
    assert found == json.loads((folder / "explained" / "explanation.json").read_text(encoding="utf-8"))
    assert len(found["attributions"]["masked"]) == len(found["tokens"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["The cat sleeps."], "no blank in"),
        (["The [MASK].", "--blank", "3"], "blank=3: the text has 1"),
        (["The [MASK].", "--target", "catsleeps"], "give a word that is one"),
    ],
)
def test_what_cannot_be_explained_is_named_on_one_line(words, said, unmask):
    code, out, err = unmask("explain", "bert", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
