"""A store of a made-up language in which an animal and its voice tell each other, and its words are tokens."""

import random

import numpy as np
import pytest

from unmask.comparison import compare
from unmask.corpus.documents import Document
from unmask.run import resume
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import StoreWriter

ANIMALS = {"dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "pig": "grunts", "owl": "hoots"}

SMALL = (
    "bert:architecture.layers=1", "bert:architecture.width=16", "bert:architecture.heads=2",
    "bert:architecture.feedforward=16", "lstm:architecture.layers=1", "lstm:architecture.width=16",
    "lstm:architecture.state=8", "cbow:architecture.width=16", "training.steps=2", "training.batch_size=8",
    "training.evaluations=1", "training.precision=fp32", "training.threads=1", "data.row_length=32",
)  # fmt: skip


@pytest.fixture(scope="session")
def farm(tmp_path_factory):
    """A store of 110 training documents and 10 held-out ones."""
    folder, draw = tmp_path_factory.mktemp("farm") / "store", random.Random(0)
    texts = [
        Document(
            f"farm:{n}", " ".join(f"the {a} {ANIMALS[a]} loudly ." for a in draw.choices(list(ANIMALS), k=12)), "f"
        )
        for n in range(120)
    ]
    tokenizer = train_tokenizer(texts, TokenizerSettings(kind="word", vocabulary_size=64))
    writer = StoreWriter(folder, tokenizer)
    for split, some in (("train", texts[10:]), ("validation", texts[:10])):
        with writer.shard(f"part-0-{split}", split, "f") as shard:
            for document, encoded in zip(some, tokenizer.encode([text.text for text in some]), strict=True):
                shard.add(encoded.ids, tokenizer.word_starts(document.text, encoded), np.zeros(1, np.int64))
    return writer.finish({"f": 1.0}, texts[:10], {})


@pytest.fixture
def words(farm):
    """A BERT and an LSTM, two steps each."""
    return small(farm, "bert", "lstm")


def small(store, *recipes):
    """The words that ask for some recipes, so small that they train in a second."""
    settings = [word for word in SMALL if ":" not in word or word.partition(":")[0] in recipes]
    return [*recipes, *settings, f"data.store={store.folder}"]


@pytest.fixture(scope="session")
def made(farm, tmp_path_factory):
    """A whole comparison of a BERT and a bag of words, two seeds each, and its folder."""
    patch, to = pytest.MonkeyPatch(), tmp_path_factory.mktemp("comparison") / "whole"
    patch.setattr("unmask.stages.peak_flops", lambda *given: 1e12)
    words = small(farm, "bert", "cbow")
    found = compare(words, to, seeds=2, train=resume)
    patch.undo()
    return found, to, words
