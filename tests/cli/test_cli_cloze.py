"""`unmask predict --cloze` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unmask.corpus.documents import Document
from unmask.tasks.cloze import zero_shot
from unmask.tokens.training import TokenizerSettings, train_tokenizer

TEXT = "the film was good . the film was bad . it was fun ."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("cloze") / "bert"
    settings = TokenizerSettings(kind="wordpiece", vocabulary_size=60, minimum_frequency=1)
    tokenizer = train_tokenizer([Document("d", TEXT, "s")], settings)
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = BertConfig(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=24, **sizes)
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


def test_any_masked_language_model_answers_by_the_words_of_labels(unmask, folder):
    asked = ("--cloze", "it was ___ .", "--labels", "yes:good+fun,no:bad", "--format", "json")
    code, out, err = unmask("predict", str(folder), "the film", *asked)
    assert code == 0
    expected = zero_shot(folder, "it was ___ .", "yes:good+fun,no:bad").predict("the film")[0]
    assert json.loads(out) == {"text": "the film", **expected}
    assert f"next: unmask finetune {folder} cloze task.prompt='it was ___ .'" in err
    assert set(expected["scores"]) == {"yes", "no"}
    shown = unmask("predict", str(folder), "the film", *asked[:4]).out
    assert shown.startswith(f"{expected['label']}  {expected['score']:.4f}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cloze", "it was [MASK]"], "--cloze and --labels go together"),
        (["--cloze", "it was", "--labels", "good,bad"], 'no blank in "it was": write one as [MASK] or ___'),
        (["--cloze", "[MASK]", "--labels", "good"], "labels=good: two labels at least are needed"),
        (
            ["--cloze", "[MASK]", "--labels", "good,bad", "--calibrate", "x"],
            "calibration=x: one of none, context, texts",
        ),
    ],
)
def test_mistakes_are_told_on_one_line(words, message, unmask, folder):
    code, out, err = unmask("predict", str(folder), "the film", *words)
    assert (code > 0, out) == (True, "")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.fixture
def labelled(tmp_path):
    """Four texts, three of them good (1)."""
    path = tmp_path / "dev.tsv"
    path.write_text("text\tlabel\nthe film\t1\nit was fun\t1\nthe film was bad\t0\ngood\t1\n")
    return str(path)


def test_a_labelled_file_is_answered_without_training_and_counted_beside_guessing(unmask, folder, labelled):
    asked = ("--cloze", "it was ___ .", "--labels", "1:good+fun,0:bad")
    code, out, err = unmask("evaluate", str(folder), "--data", labelled, *asked, "--json")
    answers = zero_shot(folder, "it was ___ .", "1:good+fun,0:bad").predict_file(labelled)[1]
    right = [answer["label"] == truth for answer, truth in zip(answers, "1101", strict=True)]
    found = json.loads(out)
    assert (code, found["examples"], found["accuracy"]) == (0, 4, sum(right) / 4)
    assert found["baselines"]["most frequent label"]["accuracy"] == 0.75
    assert err.endswith(
        f"next: unmask finetune {folder} cloze task.prompt='it was ___ .' task.words=1:good+fun,0:bad"
        " data.train=few.tsv\n"
    )
    shown = unmask("evaluate", str(folder), "--data", labelled, *asked).out
    assert "by its words, trained on no example" in shown
    assert "most frequent label" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels", "1:good,0:bad"], "--cloze and --labels go together"),
        (
            ["--cloze", "[MASK]", "--labels", "1:good,2:bad"],
            "the label '0' is not one of those that the model knows (1",
        ),
        (["--cloze", "[MASK]", "--labels", "1:good,0:bad", "--suite", "blimp"], "and a suite has files: leave one out"),
        (["--cloze", "[MASK]", "--labels", "1:good,0:bad", "data.text=body"], "body"),
    ],
)
def test_mistakes_of_an_evaluation_are_told_on_one_line(words, message, unmask, folder, labelled):
    code, out, err = unmask("evaluate", str(folder), "--data", labelled, *words)
    assert (code > 0, out) == (True, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_evaluation_by_words_needs_labelled_texts(unmask, folder):
    code, _, err = unmask("evaluate", str(folder), "--cloze", "[MASK]", "--labels", "1:good,0:bad")
    assert (code, err) == (2, "error: which texts? --data FILE, with a label each, is needed to count right answers\n")
