"""Token embeddings that start from what stands near each token in the training text."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, hstack, random_array

from unmask import stages
from unmask.config import changed
from unmask.errors import SettingError
from unmask.start import Start
from unmask.start.counts import SPREAD, begin_from_counts, told, vectors_of

MACHINE = stages.Machine(torch.device("cpu"), torch.float32, 1, False)


def fresh(run, store, **start):
    """The encoder that a run begins with."""
    run = changed(run, start=start)
    objective = stages.objective(run, store, MACHINE)
    stages.begin(run, Path("nowhere"), store, objective)
    return objective.encoder


def test_what_tokens_say_of_each_other_is_that_counted_by_hand_inside_documents(store):
    tokens, documents = store.beginning("train", 10**9)
    size, shares = store.vocabulary_size, (store.token_counts + 1) / (store.token_counts + 1).sum()
    sides = ((-1, 0.6), (1, 0.6), (-2, 0.3), (2, 0.3))
    expected = np.zeros((size, len(sides) * size))
    for number, (offset, weight) in enumerate(sides):
        seen = Counter()
        for place in range(max(0, -offset), min(len(tokens), len(tokens) - offset)):
            if documents[place] == documents[place + offset]:
                seen[tokens[place], tokens[place + offset]] += 1
        for (token, other), count in seen.items():
            expected[token, number * size + other] = weight * np.log(1 + count / (1000 * shares[token]))
    assert expected.any()
    np.testing.assert_allclose(hstack(told(store)).toarray(), expected, rtol=1e-4)


def test_the_beginning_of_a_split_is_at_most_so_many_tokens_of_each_shard(store):
    whole, documents = store.beginning("train", 10**9)
    np.testing.assert_array_equal(whole, np.concatenate([shard.tokens for shard in store.shards("train")]))
    assert len(set(documents.tolist())) == store.count("documents", "train")
    tokens, documents = store.beginning("train", 500)
    assert 400 <= len(tokens) == len(documents) <= 500


def test_products_of_vectors_are_the_largest_part_of_the_matrix():
    """Against numpy's own decomposition; a rotation changes no product."""
    matrix = np.random.default_rng(0).gamma(1.0, size=(12, 30)).astype(np.float32)
    left, sizes, _ = np.linalg.svd(matrix)
    expected = (left * sizes**0.5)[:, :6]
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    expected *= np.minimum(1, np.quantile(lengths, 0.9) / lengths)
    parts = [csr_matrix(matrix[:, :11]), csr_matrix(matrix[:, 11:])]
    found = vectors_of(parts, 6, seed=1).numpy()
    assert found.shape == (12, 6)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, rtol=1e-3, atol=1e-3)
    wide = vectors_of(parts, 20).numpy()  # more channels than there are directions
    assert wide.shape == (12, 20)
    assert np.linalg.matrix_rank(wide) <= 11


def test_the_number_of_threads_changes_no_bit():
    parts = [random_array((900, 700), density=0.05, format="csr", dtype=np.float32, rng=number) for number in (0, 1)]
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(vectors_of(parts, 64))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_tokens_of_the_same_neighbours_begin_alike_and_special_ones_stay(store):
    embedding = torch.nn.Embedding(store.vocabulary_size, 16)
    before = embedding.weight.detach().clone()
    begin_from_counts(embedding, store, seed=0)
    after = embedding.weight.detach()
    known = torch.from_numpy(store.token_counts > 0)
    known[torch.from_numpy(store.tokenizer().special_ids).long()] = False
    torch.testing.assert_close(after[~known], before[~known], rtol=0, atol=0)
    torch.testing.assert_close(after[known].mean(0), before.mean(0))
    vectors = (after - after[known].mean(0))[known]
    assert vectors.std().item() == pytest.approx(SPREAD, rel=0.01)
    rows = torch.nn.functional.normalize(torch.from_numpy(hstack(told(store)).toarray())[known])
    alike, near = rows @ rows.T, torch.nn.functional.normalize(vectors)
    other = ~torch.eye(len(rows), dtype=torch.bool)
    assert np.corrcoef(alike[other], (near @ near.T)[other])[0, 1] > 0.5


def test_a_text_without_neighbours_leaves_the_embeddings_as_they_are(store, monkeypatch):
    monkeypatch.setattr(
        "unmask.start.counts.told", lambda store: [csr_matrix((store.vocabulary_size, 9), dtype=np.float32)]
    )
    embedding = torch.nn.Embedding(store.vocabulary_size, 16)
    before = embedding.weight.detach().clone()
    begin_from_counts(embedding, store, seed=0)
    torch.testing.assert_close(embedding.weight.detach(), before, rtol=0, atol=0)


def test_it_is_how_runs_begin_unless_they_say_otherwise(run, store):
    counted, again = (fresh(run, store).embedding.weight for _ in range(2))
    drawn = fresh(run, store, embeddings="random").embedding.weight
    torch.testing.assert_close(counted, again, rtol=0, atol=0)
    torch.testing.assert_close(drawn, stages.objective(run, store, MACHINE).encoder.embedding.weight, rtol=0, atol=0)
    assert not torch.equal(counted, drawn)


def test_an_unknown_start_of_embeddings_is_refused():
    with pytest.raises(SettingError, match=r"start\.embeddings: .*'count'.*counts"):
        Start(embeddings="count")


def test_all_processes_begin_with_what_the_first_one_counted(run, store, monkeypatch):
    handed = []
    monkeypatch.setattr(stages, "same", handed.append)
    encoder = fresh(run, store)
    assert [objective.encoder for objective in handed] == [encoder]
