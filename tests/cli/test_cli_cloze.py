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
