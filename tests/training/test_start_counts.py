"""Token embeddings that start from what stands near each token in the training text."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from unmask import stages
from unmask.config import changed
from unmask.errors import SettingError
from unmask.start import Start
from unmask.start.counts import SPREAD, begin_from_counts, neighbours, vectors_of

MACHINE = stages.Machine(torch.device("cpu"), torch.float32, 1, False)


def fresh(run, store, **start):
    """The encoder that a run begins with."""
    run = changed(run, start=start)
    objective = stages.objective(run, store, MACHINE)
    stages.begin(run, Path("nowhere"), store, objective)
    return objective.encoder


def test_neighbours_are_those_counted_by_hand_inside_documents(store):
    tokens, documents = store.beginning("train", 10**9)
    expected = Counter()
    for place in range(len(tokens)):
        for distance, weight in ((1, 1.0), (2, 0.5)):
            if place + distance < len(tokens) and documents[place] == documents[place + distance]:
                for pair in ((place, place + distance), (place + distance, place)):
                    expected[tokens[pair[0]], tokens[pair[1]]] += weight
    found = neighbours(store).toarray()
    assert expected
    np.testing.assert_allclose(found[tuple(zip(*expected, strict=True))], list(expected.values()), rtol=1e-5)
    assert found.sum() == pytest.approx(sum(expected.values()), rel=1e-5)


def test_the_beginning_of_a_split_is_at_most_so_many_tokens_of_each_shard(store):
    whole, documents = store.beginning("train", 10**9)
    np.testing.assert_array_equal(whole, np.concatenate([shard.tokens for shard in store.shards("train")]))
    assert len(set(documents.tolist())) == store.count("documents", "train")
    tokens, documents = store.beginning("train", 500)
    assert 400 <= len(tokens) == len(documents) <= 500


def test_products_of_vectors_are_the_largest_part_of_what_counts_tell():
    """Against numpy's own decomposition of the whole matrix; a rotation changes no product."""
    near = np.random.default_rng(0).poisson(3, (12, 12)).astype(np.float32)
    near, counts = near + near.T, np.arange(5, 17)
    shares = (counts + 1) / (counts + 1).sum()
    told = np.log1p(near / (100 * shares))
    weights = shares**0.35 / (shares**0.35).mean()
    left, sizes, _ = np.linalg.svd(weights[:, None] * (told + told.T) * weights)
    expected = (left * sizes**0.5)[:, :6] / weights[:, None]
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    expected *= np.minimum(1, np.quantile(lengths, 0.9) / lengths)
    found = vectors_of(csr_matrix(near), counts, 6, seed=1).numpy()
    assert found.shape == (12, 6)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, rtol=1e-3, atol=1e-3)
    wide = vectors_of(csr_matrix(near), counts, 20).numpy()  # more channels than there are directions
    assert wide.shape == (12, 20)
    assert np.linalg.matrix_rank(wide) <= 11


def test_tokens_that_stand_together_begin_alike_and_the_others_stay(store):
    embedding = torch.nn.Embedding(store.vocabulary_size, 16)
    before = embedding.weight.detach().clone()
    begin_from_counts(embedding, store, seed=0)
    after = embedding.weight.detach()
    special = torch.from_numpy(store.tokenizer().special_ids).long()
    known = torch.from_numpy(store.token_counts > 0)
    known[special] = False
    torch.testing.assert_close(after[~known], before[~known], rtol=0, atol=0)
    torch.testing.assert_close(after[known].mean(0), before.mean(0))
    vectors = (after - after[known].mean(0))[known]
    assert vectors.std().item() == pytest.approx(SPREAD, rel=0.01)
    near = torch.from_numpy(neighbours(store).toarray())[known][:, known] > 0
    products = vectors @ vectors.T
    assert products[near].mean() > products[~near].mean()


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
    monkeypatch.setattr(stages, "same", lambda tensor: handed.append(tensor.shape))
    encoder = fresh(run, store)
    assert encoder.embedding.weight.shape in handed
