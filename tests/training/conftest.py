"""A small store of a made-up language that a tiny model can learn in seconds, and a run over it."""

import random

import numpy as np
import pytest

from unmask.architectures.modernbert import ModernBert
from unmask.config import changed
from unmask.corpus.documents import Document
from unmask.run import Run
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import StoreWriter

ANIMALS = {"dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "pig": "grunts", "owl": "hoots"}


def documents(count: int) -> list[Document]:
    draw = random.Random(0)
    made = []
    for number in range(count):
        sentences = [f"the {animal} {ANIMALS[animal]} loudly ." for animal in draw.choices(list(ANIMALS), k=12)]
        made.append(Document(f"farm:{number}", " ".join(sentences), "farm"))
    return made


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("farm") / "store"
    texts = documents(120)
    tokenizer = train_tokenizer(texts, TokenizerSettings(vocabulary_size=64))
    writer = StoreWriter(folder, tokenizer)
    held_out, training = texts[:10], texts[10:]
    for split, some in (("train", training), ("validation", held_out)):
        with writer.shard(f"part-0-{split}", split, "farm") as shard:
            for document, encoded in zip(some, tokenizer.encode([text.text for text in some]), strict=True):
                shard.add(encoded.ids, tokenizer.word_starts(document.text, encoded), np.zeros(1, np.int64))
    return writer.finish({"farm": 1.0}, held_out, {})


@pytest.fixture
def run(store):
    """Twelve float32 steps of a model with two layers of 32."""
    return changed(
        Run(name="farm"),
        data={"store": str(store.folder), "row_length": 32},
        architecture=ModernBert(layers=2, width=32, heads=2, feedforward=48, positions=64),
        training={
            "steps": 12,
            "batch_size": 16,
            "batch_start": 1.0,
            "precision": "fp32",
            "threads": 1,
            "evaluations": 2,
        },
    )


@pytest.fixture
def known_peak(monkeypatch):
    """The speed of this machine is not asked: measuring it takes longer than the shortest runs."""
    monkeypatch.setattr("unmask.stages.peak_flops", lambda *given: 1e12)
