"""The benchmark of vectors: contestants are given the same texts and come to the same vectors."""

import json
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def embedding(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    monkeypatch.delenv("UNMASK_EMBEDDER", raising=False)
    from benchmarks import embedding

    return embedding


def test_contestants_come_to_the_same_vectors_and_bf16_near_them(embedding, tmp_path):
    sizes = {"layers": 1, "width": 32, "heads": 2, "feedforward": 48, "words": 200, "texts": 12, "longest": 40}
    settings = embedding.SETTINGS | sizes
    settings |= embedding.prepared(tmp_path, settings)
    vectors = {name: embedding.contestant(name, settings)["vectors"] for name in embedding.CONTESTANTS}
    found = embedding.alike(vectors)
    assert found["largest difference in fp32"] < 1e-5
    assert 0.999 < found["lowest cosine in bf16"] < 1
    loop = embedding.stock(settings, False)(json.loads(Path(settings["place"]).read_text()))
    np.testing.assert_allclose(vectors["ours"], loop, atol=1e-5)


def test_vectors_that_differ_are_not_compared_by_speed(embedding):
    vectors = {name: [[1.0, 0.0]] for name in embedding.CONTESTANTS}
    with pytest.raises(SystemExit, match=r"differ by 0\.1000"):
        embedding.alike(vectors | {"sentence-transformers": [[0.9, 0.0]]})
    with pytest.raises(SystemExit, match=r"lowest cosine is 0\.0000"):
        embedding.alike(vectors | {"ours-bf16": [[0.0, 1.0]]})
