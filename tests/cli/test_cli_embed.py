"""`unmask embed` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unmask.corpus.documents import Document
from unmask.tokens.training import TokenizerSettings, train_tokenizer

TEXTS = ["the cats sleep .", "nobody remembers ."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("embed") / "bert"
    settings = TokenizerSettings(kind="wordpiece", vocabulary_size=60, minimum_frequency=1)
    tokenizer = train_tokenizer([Document("d", "\n".join(TEXTS), "s")], settings)
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = BertConfig(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=24, **sizes)
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


def test_each_text_is_a_line_of_json_and_a_file_holds_the_same(unmask, folder, tmp_path):
    code, out, err = unmask("embed", str(folder), *TEXTS)
    records = [json.loads(line) for line in out.splitlines()]
    assert (code, [record["text"] for record in records]) == (0, TEXTS)
    assert "next: unmask finetune" in err
    vectors = np.array([record["embedding"] for record in records])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    for name in ("made.npy", "made.jsonl"):
        assert (
            unmask("embed", str(folder), "--data", str(tmp_path / "texts.txt"), "--to", str(tmp_path / name)).code == 0
        )
    np.testing.assert_allclose(np.load(tmp_path / "made.npy"), vectors, atol=1e-6)
    assert (tmp_path / "made.jsonl").read_text() == out


def test_pooling_and_length_can_be_chosen(unmask, folder):
    (one, other) = (
        json.loads(unmask("embed", str(folder), TEXTS[0], "--pooling", "cls", *raw).out)["embedding"]
        for raw in ([], ["--raw"])
    )
    np.testing.assert_allclose(np.array(other) / np.linalg.norm(other), one, atol=1e-5)
    assert np.linalg.norm(other) != pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "which texts? unmask embed MODEL TEXT, or --data FILE, or - for lines of standard input"),
        (["a", "--to", "x.csv"], "--to x.csv: a name that ends in .npy or .jsonl is needed"),
        (["a", "--pooling", "max"], "pooling=max: one of mean, cls is needed"),
        (["--data", "missing.tsv"], "missing.tsv: no such file"),
    ],
)
def test_mistakes_are_told_on_one_line(words, message, unmask, folder):
    code, out, err = unmask("embed", str(folder), *words)
    assert (code > 0, out) == (True, "")
    assert message in err
    assert len(err.splitlines()) == 1
