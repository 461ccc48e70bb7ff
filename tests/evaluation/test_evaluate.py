"""`unmask.evaluate`: what it takes for a model and for data, and what it says when it cannot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unmask
from unmask.corpus.documents import Document
from unmask.errors import DataError, SettingError
from unmask.evaluation import evaluate
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import StoreWriter

TEXT = "Every boat that leaves the harbour passes the lighthouse. Nobody remembers who built the wall.\n" * 4
DOCUMENTS = [Document(f"d{n}", TEXT * (n + 1), "s") for n in range(5)]
TOKENIZER = train_tokenizer(DOCUMENTS, TokenizerSettings(kind="wordpiece", vocabulary_size=100, minimum_frequency=1))
SIZE = TOKENIZER.vocabulary_size


@dataclass
class Ignorant:
    """A model for which all tokens are alike; it remembers the rows it was given."""

    tokenizer: Tokenizer = TOKENIZER
    row_limit: int = 64
    run: dict[str, Any] | None = None
    token_counts: np.ndarray | None = None
    path: str = "models/ignorant"
    longest: int = 0
    asked: int = 0

    def predict(self, tokens, groups, rows, columns):
        self.longest = max(self.longest, tokens.shape[1])
        self.asked += len(rows)
        return torch.zeros(len(rows), SIZE)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    writer = StoreWriter(folder, TOKENIZER)
    for split, some in (("train", DOCUMENTS[2:]), ("validation", DOCUMENTS[:2])):
        with writer.shard(split, split, "s") as shard:
            for document, encoded in zip(some, TOKENIZER.encode([d.text for d in some]), strict=True):
                shard.add(encoded.ids, TOKENIZER.word_starts(document.text, encoded), np.array([0]))
    writer.finish({"s": 1.0}, DOCUMENTS[:2])
    return folder


def test_a_store_is_read_for_its_validation_documents(store):
    from unmask.evaluation.blanks import make_blanks
    from unmask.evaluation.masked import score_blanks

    expected = score_blanks(make_blanks(TOKENIZER, DOCUMENTS[:2], 64), Ignorant().predict)
    assert evaluate(Ignorant(), store) == expected
    assert evaluate(Ignorant(), str(store))["masked_tokens"] == expected["masked_tokens"]


def test_without_data_a_model_is_judged_as_its_run_judged_it(store):
    settings = {"data": {"store": str(store), "row_length": 24}, "evaluation": {"share": 0.3, "final_tokens": 100}}
    whole, short = Ignorant(run={"run": settings}), Ignorant()
    figures = evaluate(whole)
    assert whole.longest <= 24
    assert figures == evaluate(short, store, row_length=24, share=0.3, limit_tokens=100)
    assert figures["masked_tokens"] < evaluate(Ignorant(), store, row_length=24, share=0.3)["masked_tokens"]


def test_any_text_will_do(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": TEXT}) + "\n")
    model = Ignorant()
    figures = evaluate(model, tmp_path)
    assert figures["masked_tokens"] == model.asked > 0
    assert figures["token_accuracy"] <= 1
    assert figures["unigram_loss"] is None
    counts = np.zeros(SIZE, dtype=np.int64)
    assert evaluate(Ignorant(token_counts=counts), tmp_path)["unigram_loss"] == pytest.approx(np.log(SIZE))


def test_a_line_that_cannot_be_read_is_named_or_skipped_when_allowed(tmp_path):
    from unmask.corpus import CorpusSettings

    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps({"text": TEXT}) + "\n{broken\n")
    with pytest.raises(DataError, match=r"b.jsonl:2.*skip_unreadable=true"):
        evaluate(Ignorant(), path)
    assert evaluate(Ignorant(), path, corpus=CorpusSettings(skip_unreadable=True))["masked_tokens"] > 0


def test_a_model_without_a_run_needs_data():
    with pytest.raises(DataError, match="models/ignorant does not say what it was trained on: name texts or a store"):
        evaluate(Ignorant())


def test_a_store_that_is_gone_is_named():
    model = Ignorant(run={"data": {"store": "stores/gone"}})
    with pytest.raises(DataError, match=r"stores/gone, the store of the run, is not there: .* with --data PATH"):
        evaluate(model)


def test_data_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"missing.txt"):
        evaluate(Ignorant(), tmp_path / "missing.txt")


def test_rows_longer_than_the_model_reads_are_refused(store):
    with pytest.raises(SettingError, match="row_length=65: the model reads at most 64 tokens; set row_length=64"):
        evaluate(Ignorant(), store, row_length=65)


def test_a_stock_model_folder_is_evaluated_from_its_path(store, tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForMaskedLM(BertConfig(vocab_size=SIZE, max_position_embeddings=48, **small)).save_pretrained(tmp_path)
    TOKENIZER.save(tmp_path)
    figures = unmask.evaluate(tmp_path, store)
    assert figures["loss"] == pytest.approx(np.log(SIZE), abs=0.2)
    assert figures["unigram_loss"] is None
    assert figures["word_error_rate"] > 0
