"""`unmask score`, and `unmask evaluate --suite`, as a person types them."""

from __future__ import annotations

import gzip
import io
import json
import math
import sys
from pathlib import Path

import pytest

from unmask.corpus.documents import Document
from unmask.tokens.training import TokenizerSettings, train_tokenizer

TEXT = "the cats sleep . a cat sleeps . nobody remembers the lighthouse .\n" * 4


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder bert/ with a tiny stock model, and blimp/ with one file; where the commands run."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("scores")
    settings = TokenizerSettings(kind="wordpiece", vocabulary_size=60, minimum_frequency=1)
    tokenizer = train_tokenizer([Document("d", TEXT, "s")], settings)
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = BertConfig(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=24, **sizes)
    BertForMaskedLM(config).save_pretrained(folder / "bert")
    tokenizer.save(folder / "bert")
    (folder / "blimp").mkdir()
    pairs = [
        {"sentence_good": f"the cats sleep {n}", "sentence_bad": f"the cats sleeps {n}", "field": "syntax"}
        | {"linguistics_term": "agreement", "UID": "agreement_1"}
        for n in range(6)
    ]
    (folder / "blimp" / "agreement_1.jsonl").write_text("".join(json.dumps(each) + "\n" for each in pairs))
    return folder


@pytest.fixture(autouse=True)
def inside(bert: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(bert)


def test_one_text_is_shown_word_by_word_with_its_sums(unmask):
    code, out, err = unmask("score", "bert", "Nobody remembers.")
    assert code == 0
    first = [line.split()[0] for line in out.splitlines() if line.strip()]
    assert first == ["Nobody", "word", "Nobody", "remembers", ".", "sum", "mean", "mean", "pseudo-perplexity"]
    assert err.splitlines()[-1] == "next: unmask evaluate bert"


def test_several_texts_are_a_line_each(unmask):
    code, out, _ = unmask("score", "bert", "The cats sleep.", "A cat sleeps.", "--quiet")
    assert code == 0
    assert out.splitlines()[0].strip() == "2 texts"
    assert "The cats sleep." in out
    assert "pseudo-perplexity" in out


def test_json_has_tokens_words_and_texts_and_their_sums_agree(unmask):
    found = json.loads(unmask("score", "bert", "Nobody remembers.", "A cat.", "--json").out)
    assert set(found) == {"metric", "total", "tokens", "words", "pseudo_perplexity", "texts"}
    keys = {"text", "total", "mean", "word_mean", "pseudo_perplexity", "tokens", "words"}
    for each in found["texts"]:
        assert set(each) == keys
        assert each["total"] == pytest.approx(sum(token["score"] for token in each["tokens"]))
        assert each["total"] == pytest.approx(sum(word["score"] for word in each["words"]))
    assert found["total"] == pytest.approx(sum(each["total"] for each in found["texts"]))
    assert found["tokens"] == sum(len(each["tokens"]) for each in found["texts"])
    assert found["pseudo_perplexity"] == pytest.approx(math.exp(-found["total"] / found["tokens"]))


def test_texts_come_from_a_file_or_standard_input_a_line_each(unmask, monkeypatch, bert):
    (bert / "texts.txt").write_text("A cat.\n\nThe cats sleep.\n")
    (bert / "texts.txt.gz").write_bytes(gzip.compress(b"A cat.\n\nThe cats sleep.\n"))
    outcomes = [unmask("score", "bert", "--file", name, "--json").out for name in ("texts.txt", "texts.txt.gz")]
    for words in (["--file", "-"], ["-"]):
        monkeypatch.setattr(sys, "stdin", io.StringIO("A cat.\n\nThe cats sleep.\n"))
        outcomes.append(unmask("score", "bert", *words, "--json").out)
    assert len(set(outcomes)) == 1
    assert [each["text"] for each in json.loads(outcomes[0])["texts"]] == ["A cat.", "The cats sleep."]


def test_unknown_tokens_are_said(unmask):
    assert "note: 2 of the tokens are unknown to the tokenizer" in unmask("score", "bert", "ΩΩ a ЖЖ cat").err
    assert "unknown" not in unmask("score", "bert", "a cat sleeps").err


def test_the_metric_can_be_chosen(unmask):
    plain, hidden = (
        json.loads(unmask("score", "bert", "lighthouse sleeps", "--metric", metric, "--json").out)
        for metric in ("original", "within_word_l2r")
    )
    assert len(plain["texts"][0]["tokens"]) > 1
    assert plain["total"] != hidden["total"]
    assert plain["texts"][0]["tokens"][-1] == pytest.approx(hidden["texts"][0]["tokens"][-1])


def test_a_suite_is_shown_as_tables(unmask):
    code, out, err = unmask("evaluate", "bert", "--suite", "blimp", "--data", "blimp", "--sample", "4")
    assert code == 0
    lines = [line.split() for line in out.splitlines() if line.strip()]
    share, sign = lines[-1][3:5]
    assert " ".join(lines[-1]) == f"bert on blimp: {share} {sign} right of 4 pairs (guessing: 50 %)"
    for group, name in (("paradigm", "agreement_1"), ("phenomenon", "agreement"), ("field", "syntax")):
        assert lines[lines.index([group, "right"]) + 1] == [name, share, sign]
    assert err.splitlines()[-1].startswith("next: ")


def test_a_suite_as_json_has_its_figures(unmask):
    figures = json.loads(unmask("evaluate", "bert", "--suite", "blimp", "--data", "blimp", "--json").out)
    assert set(figures) == {"suite", "metric", "pairs", "accuracy", "field", "linguistics_term", "UID"}
    assert figures["pairs"] == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score", "bert"], "which text? unmask score MODEL"),
        (["score", "bert", ""], "the text is empty"),
        (["score", "bert", "the " * 30], "has 30 tokens, the model reads 22 at most"),
        (["score", "bert", "A cat.", "--metric", "within"], "unknown metric 'within'; did you mean 'within_word_l2r'?"),
        (["score", "bert", "--file", "gone.txt"], "gone.txt cannot be read: No such file"),
        (["score", "nowhere", "A cat."], "nowhere"),
        (["evaluate", "bert", "--suite", "clue", "--data", "blimp"], "unknown suite 'clue'; did you mean 'glue'?"),
        (["evaluate", "bert", "--suite", "glue"], "the files of glue are needed: name their folder with --data FOLDER"),
        (
            ["evaluate", "bert", "--suite", "glue", "--data", "blimp"],
            "blimp holds no task of GLUE: folders such",
        ),
        (["evaluate", "bert", "--seeds", "2"], "--to and --seeds are for --suite glue, which trains: leave them out"),
        (["evaluate", "bert", "--suite", "blimp"], "the files of blimp are needed: name their folder with --data"),
        (["evaluate", "bert", "--suite", "blimp", "--data", "bert"], "bert has no .jsonl files"),
        (["evaluate", "bert", "--sample", "3"], "a sample is drawn from a suite: name one, e.g. --suite blimp"),
        (
            ["evaluate", "bert", "--suite", "blimp", "--data", "blimp", "corpus.column=a"],
            "corpus.column=a says how text is read, and a suite has files of its own: leave it out",
        ),
    ],
)
def test_what_cannot_be_scored_is_named_on_one_line(words, said, unmask):
    code, out, err = unmask(*words)
    assert code in (1, 2)
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1
