"""Runs on mixed sources: both languages in the figures, replayed text, exact resume, one line for what does not fit."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file

from unmask import run as runs
from unmask.architectures.modernbert import ModernBert
from unmask.config import changed
from unmask.corpus.documents import Document
from unmask.errors import DataError, SettingError, Stopped
from unmask.run import Run
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import StoreWriter

TEXTS = {"en": "the dog barks loudly . the owl hoots . ", "zh": "狗大声叫。猫头鹰也叫。"}
DOCUMENTS = {
    name: [Document(f"{name}:{n}", text * (5 + n % 3), name) for n in range(24)] for name, text in TEXTS.items()
}
TOKENIZER = train_tokenizer([d for some in DOCUMENTS.values() for d in some], TokenizerSettings(vocabulary_size=80))

pytestmark = pytest.mark.usefixtures("known_peak")


def store(folder, *sources, tokenizer=TOKENIZER):
    writer = StoreWriter(folder, tokenizer)
    for name in sources:
        for split, some in (("train", DOCUMENTS[name][4:]), ("validation", DOCUMENTS[name][:4])):
            with writer.shard(f"{name}-{split}", split, name) as shard:
                for document, encoded in zip(some, tokenizer.encode([d.text for d in some]), strict=True):
                    shard.add(encoded.ids, tokenizer.word_starts(document.text, encoded), np.zeros(1, np.int64))
    held_out = [document for name in sources for document in DOCUMENTS[name][:4]]
    return writer.finish(dict.fromkeys(sources, 1.0), held_out)


@pytest.fixture
def mixing_run(tmp_path):
    """Eight steps over a store of English alone."""
    store(tmp_path / "store", "en")
    return changed(
        Run(name="mixture"),
        data={"store": str(tmp_path / "store"), "row_length": 32},
        architecture=ModernBert(layers=2, width=16, heads=2, feedforward=24, positions=64),
        training={"steps": 8, "batch_size": 8, "precision": "fp32", "threads": 1, "evaluations": 1},
    )


def test_a_store_of_two_languages_gives_the_figures_of_both(mixing_run, tmp_path):
    store(tmp_path / "both", "en", "zh")
    run = changed(mixing_run, data={"store": str(tmp_path / "both"), "temperature": 3.3, "weights": ("zh:2",)})
    outcome = runs.pretrain(run, tmp_path / "run")
    sources = outcome.figures["sources"]
    assert list(sources) == ["en", "zh"]
    assert sum(own["masked_tokens"] for own in sources.values()) == outcome.figures["masked_tokens"]
    assert all(own["unigram_loss"] > 0 and 0 <= own["word_accuracy"] <= 1 for own in sources.values())
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert f"| zh | {sources['zh']['loss']:.3f} |" in card
    record = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert all(isinstance(value, (int, float)) for value in record.values() if value is not None)


def test_a_run_with_replayed_text_stopped_and_resumed_equals_one_never_stopped(mixing_run, tmp_path, stop_at):
    store(tmp_path / "old", "zh")
    run = changed(mixing_run, data={"replay": str(tmp_path / "old"), "replay_share": 0.4})
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "parts", stop_at(5))
    runs.resume(tmp_path / "parts")
    runs.pretrain(mixing_run, tmp_path / "plain")
    whole, parts, plain = (
        load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts", "plain")
    )
    assert all(tensor.equal(parts[name]) for name, tensor in whole.items())
    assert not all(tensor.equal(plain[name]) for name, tensor in whole.items())


def test_a_replay_store_that_changed_under_a_stopped_run_is_refused(mixing_run, tmp_path, stop_at):
    store(tmp_path / "old", "zh")
    with pytest.raises(Stopped):
        runs.pretrain(changed(mixing_run, data={"replay": str(tmp_path / "old")}), tmp_path / "run", stop_at(5))
    store(tmp_path / "old", "zh", "en")
    with pytest.raises(DataError, match="old is not the replay this run was started with; prepare it again as it was"):
        runs.resume(tmp_path / "run")


def test_a_mixture_that_cannot_be_is_refused_and_leaves_no_folder(mixing_run, tmp_path):
    other = train_tokenizer(DOCUMENTS["zh"], TokenizerSettings(vocabulary_size=30))
    store(tmp_path / "other", "zh", tokenizer=other)
    with pytest.raises(DataError, match="was prepared with another tokenizer than"):
        runs.pretrain(changed(mixing_run, data={"replay": str(tmp_path / "other")}), tmp_path / "run")
    with pytest.raises(SettingError, match=r"unknown source 'zh' \(known: en\)"):
        runs.pretrain(changed(mixing_run, data={"weights": ("zh:2",)}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
