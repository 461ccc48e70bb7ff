"""`unmask generate` as a person types it."""

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

    folder = tmp_path_factory.mktemp("generate")
    settings = TokenizerSettings(kind="wordpiece", vocabulary_size=60, minimum_frequency=1)
    tokenizer = train_tokenizer([Document("d", TEXT, "s")], settings)
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = BertConfig(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=48, **sizes)
    BertForMaskedLM(config).save_pretrained(folder / "bert")
    tokenizer.save(folder / "bert")
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)


def test_a_text_goes_to_standard_output_and_nothing_else(unmask):
    code, out, err = unmask("generate", "bert", "The cat", "--tokens", "6")
    assert code == 0
    assert out.startswith("The cat")
    assert out.count("\n") == 1
    assert err.splitlines()[-1] == "next: unmask evaluate bert"


def test_json_has_every_sample_and_where_it_was_filled(unmask):
    words = ["generate", "bert", "The [MASK:3] sleeps ___.", "--samples", "2", "--json", "--show-steps"]
    found = json.loads(unmask(*words).out)
    assert len(found) == 2
    for each in found:
        assert set(each) == {"text", "fillings", "spans", "mean_log_probability"}
        assert [each["text"][start:end] for start, end in each["spans"]] == each["fillings"]


def test_the_steps_are_shown_from_blanks_to_text(unmask, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = unmask("generate", "bert", "The cat", "--tokens", "16", "--steps", "16", "--show-steps", "-q")
    assert code == 0
    steps = [line for line in out.splitlines() if "/16 " in line]
    assert len(steps) == 12
    assert steps[0].split()[0] == "1/16"
    assert steps[0].count("░") == 15
    assert "░" not in steps[-1]
    assert all(len(line) <= 80 for line in out.splitlines()[:12])


def test_blocks_take_their_length(unmask):
    words = ["generate", "bert", "A", "--tokens", "9", "--order", "blocks", "--block", "3", "--steps"]
    assert unmask(*words, "3").code == 0
    assert "steps=2: 3 blocks need a step each" in unmask(*words, "2").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["A", "--order", "middle_out"], "unknown order 'middle_out'"),
        (["A", "--tokens", "90"], "has 93 tokens, the model reads 48 at most: shorten the text or its blanks"),
        (["A ___", "--tokens", "3"], "leave tokens out"),
    ],
)
def test_what_cannot_be_written_is_named_on_one_line(words, said, unmask):
    code, out, err = unmask("generate", "bert", *words)
    assert code in (1, 2)
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
