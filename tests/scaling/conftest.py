"""A store of a made-up language in which an animal and its voice tell each other, and a machine of known speed."""

import random

import pytest

from unmask.corpus.documents import Document
from unmask.scaling.speed import Speed, Timed
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import StoreWriter

ANIMALS = {"dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "pig": "grunts", "owl": "hoots"}


def documents(count):
    draw = random.Random(0)
    for number in range(count):
        sentences = [f"the {animal} {ANIMALS[animal]} loudly ." for animal in draw.choices(list(ANIMALS), k=12)]
        yield Document(f"farm:{number}", " ".join(sentences), "farm")


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("farm") / "store"
    texts = list(documents(120))
    tokenizer = train_tokenizer(texts, TokenizerSettings(vocabulary_size=64))
    writer = StoreWriter(folder, tokenizer)
    held_out, training = texts[:10], texts[10:]
    for split, some in (("train", training), ("validation", held_out)):
        with writer.shard(f"part-0-{split}", split, "farm") as shard:
            for document, encoded in zip(some, tokenizer.encode([text.text for text in some]), strict=True):
                words = tokenizer.word_starts(document.text, encoded)
                shard.add(encoded.ids, words, words.nonzero()[0][:1])
    return writer.finish({"farm": 1.0}, held_out, {})


def seconds(layers: int, width: int, rows: int) -> Timed:
    """Linear in layers and rows, quadratic in the width."""
    learning = width**2 * (1e-7 + 1e-8 * layers + 2e-8 * rows + 4e-8 * layers * rows)
    return Timed(layers, width, rows, learning, width**2 * (1e-7 + 3e-7 * layers))


@pytest.fixture
def made_up():
    """The seconds of a shape on a machine that obeys simple lines."""
    return seconds


@pytest.fixture
def speed():
    """Such a machine as it is measured, at shapes for which that is quick."""
    shapes = [(depth, width, rows) for width in (128, 256, 512) for depth in (2, 4) for rows in (8, 32)]
    return Speed(tuple(seconds(*shape) for shape in shapes))
