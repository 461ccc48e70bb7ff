"""Token embeddings that start from a text file of word vectors."""

import gzip

import numpy as np
import pytest
import torch

from conftest import documents
from unmask import run as runs
from unmask import stages
from unmask.config import changed
from unmask.errors import DataError
from unmask.start.vectors import begin_from_vectors, fitted, vectors_of
from unmask.tokens.training import TokenizerSettings, train_tokenizer

WORDS = {"dog": [1, 0, 2], "THE": [0, 1, 1], "the": [9, 9, 9], "nobody": [5, 5, 5], "loudly": [3, -1, 0]}


def written(path, words=WORDS, head=""):
    text = head + "".join(f"{word} {' '.join(map(str, numbers))}\n" for word, numbers in words.items())
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "word"])
def tokenizer(request):
    size = 400 if request.param == "bpe" else 64
    settings = TokenizerSettings(kind=request.param, vocabulary_size=size, lowercase=request.param == "wordpiece")
    return train_tokenizer(documents(60), settings)


@pytest.mark.parametrize(("name", "head"), [("v.txt", ""), ("v.vec", "5 3\n"), ("v.txt.gz", "5 3\n")])
def test_a_token_has_the_vector_of_the_word_that_becomes_it(name, head, tokenizer, tmp_path):
    vectors = vectors_of(written(tmp_path / name, head=head), tokenizer)
    for word, expected in (("dog", [1, 0, 2]), ("loudly", [3, -1, 0])):
        for spelled in (word, f" {word}"):
            ids = tokenizer.encode([spelled])[0].ids
            if len(ids) == 1:
                np.testing.assert_array_equal(vectors[int(ids[0])], np.float32(expected))
    assert {tuple(vector) for vector in vectors.values()} >= {(1, 0, 2), (3, -1, 0)}
    assert not set(vectors) & set(tokenizer.special_ids.tolist())  # "nobody" is unknown, not a word


def test_of_words_that_become_one_token_the_first_has_it(tmp_path):
    lower = train_tokenizer(documents(60), TokenizerSettings(vocabulary_size=64, lowercase=True))
    exact = train_tokenizer(documents(60), TokenizerSettings(vocabulary_size=64))
    for tokenizer, expected in ((lower, [0, 1, 1]), (exact, [9, 9, 9])):
        vectors = vectors_of(written(tmp_path / "v.txt"), tokenizer)
        np.testing.assert_array_equal(vectors[tokenizer.id("the")], np.float32(expected))


@pytest.mark.parametrize("width", [6, 4, 3])
def test_to_fewer_channels_by_the_directions_of_most_variance(width):
    given = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * torch.arange(1, 7)
    made = fitted(given, width, 0.02)
    assert made.std(correction=0).item() == pytest.approx(0.02)
    centred = (given - given.mean(0)).numpy()
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    expected = (left * sizes)[:, :width] @ (left * sizes)[:, :width].T  # products are the same in any rotation
    np.testing.assert_allclose((made @ made.T).numpy() / expected, 0.02**2 / (expected.trace() / 50 / width), rtol=1e-6)


def test_to_more_channels_every_angle_and_length_is_kept():
    given = torch.randn(20, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    made, centred = fitted(given, 32, 0.02), given - given.mean(0)
    assert made.shape == (20, 32)
    ratio = (made @ made.T) / (centred @ centred.T)
    torch.testing.assert_close(ratio, torch.full_like(ratio, ratio[0, 0].item()))


def test_words_that_hold_spaces_are_read_from_the_end(store, tmp_path):
    path = written(tmp_path / "v.txt", {"dog": [1, 0, 2], "a . b": [7, 7, 7], "the": [2, 2, 2]})
    vectors = vectors_of(path, store.tokenizer())
    assert sorted(map(tuple, vectors.values())) == [(1, 0, 2), (2, 2, 2)]


def test_a_run_begins_with_them_and_says_how_many_were_found(run, store, tmp_path, capfd):
    run = changed(run, start={"vectors": str(written(tmp_path / "v.txt"))})
    machine = stages.Machine(torch.device("cpu"), torch.float32, 1)
    plain = stages.objective(run, store, machine).encoder.embedding.weight.detach().clone()
    objective = stages.objective(run, store, machine)
    stages.begin(runs.settled(run), tmp_path / "run", store, objective)
    given = objective.encoder.embedding.weight.detach()
    moved = {store.tokenizer().token(int(row)) for row in (given != plain).any(1).nonzero()}
    assert moved == {"dog", "the", "loudly"}
    assert given[[store.tokenizer().id(word) for word in moved]].std(correction=0).item() == pytest.approx(
        plain.double().std().item(), rel=1e-3
    )
    said = " ".join(capfd.readouterr().err.split())
    assert f"3 of {store.vocabulary_size} tokens" in said
    assert "3 channels brought to 32 by a random rotation; the others at random" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dog 1 2 3\ncat 1 2\n", r"line 2: 2 numbers stand behind the word, 3 are needed$"),
        ("dog 1 x 3\n", r"line 1: a word and its numbers are needed, parted by spaces$"),
        ("chien 1 2 3\n", r"none of its words is a token of the vocabulary; take vectors of the text's language$"),
        ("", r"none of its words is a token"),
    ],
)
def test_a_file_that_holds_no_such_vectors_is_refused(text, said, store, tmp_path):
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        begin_from_vectors(torch.nn.Embedding(64, 8), tmp_path / "v.txt", store.tokenizer(), 0)


def test_a_file_that_is_missing_or_no_archive_is_refused(run, store, tmp_path):
    with pytest.raises(DataError, match=r"^nowhere\.txt: no such file of word vectors$"):
        runs.settled(changed(run, start={"vectors": "nowhere.txt"}))
    (tmp_path / "v.gz").write_text("dog 1 2 3\n")
    with pytest.raises(
        DataError, match=r"v\.gz cannot be read \(.*\): give a text file of word vectors, plain or \.gz$"
    ):
        vectors_of(tmp_path / "v.gz", store.tokenizer())
