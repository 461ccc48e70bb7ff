"""The verbs on a real corpus, store and run, small enough for seconds: from a folder of text to filled blanks."""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path

import pytest

from unmask.cli import main

FIGURES = {
    "loss",
    "perplexity",
    "token_accuracy",
    "word_accuracy",
    "word_error_rate",
    "bits_per_character",
    "unigram_loss",
    "masked_tokens",
}
TINY = ["architecture=modernbert-tiny", "architecture.layers=2", "architecture.width=32", "architecture.heads=2"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts/, a store made of them, and a finished run on it; made by the command line."""
    folder = tmp_path_factory.mktemp("verbs")
    (folder / "texts").mkdir()
    drawn = random.Random(0)
    nouns = ["tensor", "array", "model", "value", "matrix", "list", "index", "shape"]
    for number in range(80):
        lines = [f"The {drawn.choice(nouns)} {drawn.randrange(9999)} has a {drawn.choice(nouns)}." for _ in range(12)]
        (folder / "texts" / f"{number}.txt").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert main(["prepare", "texts", "--to", "store", "--workers", "1", "tokenizer.vocabulary_size=300"]) == 0
        budget = ["training.steps=4", "training.evaluations=2", "training.batch_size=8", "training.checkpoint_every=2"]
        assert main(["pretrain", "modernbert", "data.store=store", *TINY, *budget, "--to", "run"]) == 0
    return folder


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)


def test_a_run_holds_what_other_tools_rely_on(place):
    run = json.loads((place / "run" / "run.json").read_text())
    assert run["run"]["training"]["steps"] == 4
    records = [json.loads(line) for line in (place / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 3, 4]
    keys = {"step", "seconds", "tokens", "loss", "learning_rate", "tokens_per_second", "peak_share"}
    assert all(keys <= set(record) for record in records)
    assert "validation_loss" in records[-1]
    for name in ("config.json", "model.safetensors", "tokenizer.json", "README.md"):
        assert (place / "run" / "model" / name).is_file()
    assert (place / "run" / "checkpoints" / "step-4").is_dir()
    assert list((place / "run" / "report").glob("*.png"))


def test_an_existing_run_is_never_overwritten(unmask, place):
    before = (place / "run" / "metrics.jsonl").read_bytes()
    code, _, err = unmask("pretrain", "modernbert", "data.store=store", *TINY, "training.steps=4", "--to", "run")
    assert code == 2
    assert "run exists already: go on with --resume run, or take another folder with --to" in err
    assert (place / "run" / "metrics.jsonl").read_bytes() == before


def test_a_finished_run_that_is_resumed_tells_its_figures_again(unmask):
    code, out, err = unmask("pretrain", "--resume", "run", "--json")
    assert code == 0
    assert set(json.loads(out)) == FIGURES | {"model"}
    assert "run is finished already" in err


def test_evaluate_prints_the_figures_of_the_runs_own_documents(unmask):
    code, out, err = unmask("evaluate", "run", "--json")
    assert code == 0
    figures = json.loads(out)
    assert set(figures) == FIGURES
    assert figures["masked_tokens"] > 0
    assert err.splitlines()[-1].startswith("next: unmask fill run")


@pytest.mark.parametrize("data", ["store", "texts"])
def test_evaluate_takes_a_store_or_any_text(data, unmask):
    figures = json.loads(unmask("evaluate", "run", "--data", data, "--json").out)
    assert set(figures) == FIGURES


def test_evaluate_reads_text_as_the_corpus_settings_say(unmask, place):
    (place / "news.jsonl").write_text('{"body": "The tensor has a shape of its own and a value."}\n' * 3)
    assert unmask("evaluate", "run", "--data", "news.jsonl", "corpus.column=body").code == 0
    code, _, err = unmask("evaluate", "run", "--data", "news.jsonl")
    assert code != 0
    assert "body" in err, "the columns that exist are named"


def test_fill_shows_a_table_a_blank(unmask):
    code, out, err = unmask("fill", "run", "The ___ has a [MASK].", "--top-k", "2")
    assert code == 0
    lines = [line.strip() for line in out.splitlines()]
    assert "The ___ has a [MASK]. blank 1" in lines
    assert "The ___ has a [MASK]. blank 2" in lines
    assert sum(line.split() == ["word", "score", "text"] for line in lines) == 2
    assert err.startswith("next: ")


def test_fill_as_json_has_the_keys_of_the_pipeline(unmask):
    answers = json.loads(unmask("fill", "run", "The [MASK] has.", "--json", "--top-k", "3").out)
    assert len(answers) == 3
    assert all(set(answer) == {"score", "token", "token_str", "sequence"} for answer in answers)


def test_fill_compares_candidates(unmask):
    answers = json.loads(unmask("fill", "run", "The [MASK] has.", "--targets", "tensor, shape", "--json").out)
    assert {answer["token_str"].strip() for answer in answers} == {"tensor", "shape"}


def test_fill_fills_blanks_together(unmask):
    answers = json.loads(unmask("fill", "run", "The [MASK] has a ___.", "--joint", "--json").out)
    assert all(len(answer["token_str"]) == 2 for answer in answers)


def test_fill_reads_lines_of_standard_input(unmask, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("The ___ has.\n\nA ___ of the list.\n"))
    answers = json.loads(unmask("fill", "run", "-", "--json", "--top-k", "1").out)
    assert len(answers) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fill", "run", "no blank"], "no blank in"),
        (["fill", "nowhere", "a ___"], "nowhere"),
        (["fill", "texts", "a ___"], "texts"),
        (["evaluate", "run", "--data", "nowhere.txt"], "nowhere.txt: no such file or folder"),
        (["evaluate", "run", "corpus.colum=x"], "did you mean 'corpus.column'?"),
        (["plot", "texts"], "texts"),
        (["prepare", "nowhere", "--to", "other"], "nowhere"),
        (["prepare", "corpus.column=body", "--to", "other"], "which text? name a file, a folder, a glob"),
        (["prepare", "texts", "--to", "other", "tokenizer.kind=bp"], "did you mean 'bpe'?"),
        (["prepare", "texts", "--to", "texts"], "texts"),
        (["tokenizer", "texts", "--to", "store"], "store"),
        (["pretrain", "--resume", "texts"], "texts is not a run folder"),
        (["pretrain", "modernbert", "data.store=texts", "training.steps=1", "--to", "x"], "texts"),
    ],
)
def test_what_cannot_be_used_is_named_on_one_line(words, said, unmask, place):
    code, out, err = unmask(*words)
    assert code in (1, 2)
    assert out == ""
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert err.splitlines()[-1] == errors[0], "the error is the last word"


def test_plot_draws_a_picture_and_a_curve_in_the_terminal(unmask, place):
    code, out, _ = unmask("plot", "run", "--x", "tokens", "--to", "curve.png")
    assert code == 0
    assert (place / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "tokens" in out
    assert "curve.png" in out


def test_plot_without_words_is_the_picture_alone(unmask):
    assert unmask("plot", "run", "--quiet") == (0, "picture  run/report/learning-curve.png\n", "")


@pytest.mark.parametrize("target", ["texts", "store", "run"])
def test_doctor_looks_at_a_source_a_store_or_a_run(target, unmask):
    code, out, err = unmask("doctor", target)
    assert code == 0
    assert out.split()[0] in {"ok", "note", "warning"}
    assert err.splitlines()[-1].startswith("next: ")
    found = json.loads(unmask("doctor", target, "--json").out)
    assert {finding["level"] for finding in found["findings"]} <= {"ok", "note", "warning"}


def test_prepare_a_second_time_uses_the_store_again(unmask):
    words = ("prepare", "texts", "--to", "store", "--workers", "1", "tokenizer.vocabulary_size=300")
    code, out, err = unmask(*words, "--json")
    assert code == 0
    assert json.loads(out)["format"] == "unmask-store"
    assert "used again" in err


def test_tokenizer_makes_a_folder_that_prepare_takes(unmask, place):
    code, out, _ = unmask("tokenizer", "texts", "--to", "words", "tokenizer.kind=word", "--workers", "1", "--json")
    assert code == 0
    assert json.loads(out)["round_trip"] > 0
    assert (place / "words" / "tokenizer.json").is_file()
    assert unmask("prepare", "texts", "--to", "store2", "tokenizer.folder=words", "--workers", "1").code == 0
