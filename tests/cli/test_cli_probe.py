"""`unmask probe` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unmask.corpus.documents import Document
from unmask.tokens.training import TokenizerSettings, train_tokenizer

TEXT = "the cats sleep . a cat sleeps . nobody remembers the lighthouse .\n" * 4
TAGS = [("the", "D"), ("cats", "N"), ("sleep", "V"), (".", "P")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("probe")
    settings = TokenizerSettings(kind="wordpiece", vocabulary_size=60, minimum_frequency=1)
    tokenizer = train_tokenizer([Document("d", TEXT, "s")], settings)
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    config = BertConfig(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=24, **sizes)
    BertForMaskedLM(config).save_pretrained(folder / "bert")
    tokenizer.save(folder / "bert")
    rows = [[*TAGS[number % 3 :], *TAGS[: number % 3], (f"cat{number}", "N")] for number in range(40)]
    (folder / "tags.txt").write_text("\n\n".join("\n".join(" ".join(word) for word in row) for row in rows))
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)


def test_every_layer_has_a_line_and_the_majority_stands_below(unmask, folder):
    code, out, err = unmask("probe", "bert", "--data", "tags.txt", "--to", "probe.png")
    assert code == 0
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    assert lines[0] == "bert on tags.txt"
    assert [line.split()[0] for line in lines[-4:]] == ["embeddings", "layer", "layer", "majority"]
    assert (folder / "probe.png").is_file()
    assert err.splitlines()[-1] == "next: unmask evaluate bert"


def test_json_has_the_figures(unmask):
    found = json.loads(unmask("probe", "bert", "--data", "tags.txt", "--json").out)
    assert set(found) == {"of_words", "trained", "tested", "labels", "majority", "layers"}
    assert [set(layer) for layer in found["layers"]] == [{"number", "accuracy", "control", "selectivity"}] * 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "gone.txt"], "gone.txt: no such file"),
        (["--data", "tags.txt", "data.label=7"], "tags.txt:1 has 2 columns ('the D'): a word and its tag are needed"),
        (["--data", "tags.txt", "--most", "1"], "most=1: at least 2 are needed"),
        ([], "missing option '--data'"),
    ],
)
def test_what_cannot_be_probed_is_named_on_one_line(words, said, unmask):
    code, out, err = unmask("probe", "bert", *words)
    assert code in (1, 2)
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
