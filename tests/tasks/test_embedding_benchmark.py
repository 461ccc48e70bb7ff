"""The benchmark of vectors: contestants are given the same texts and come to the same vectors."""

from pathlib import Path

import pytest


@pytest.fixture
def embedding(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import embedding

    return embedding


def test_contestants_come_to_the_same_vectors_and_bf16_near_them(embedding, tmp_path):
    sizes = {"layers": 1, "width": 32, "heads": 2, "feedforward": 48, "words": 200, "texts": 12, "longest": 40}
    settings = embedding.SETTINGS | sizes | {"model": str(tmp_path)}
    embedding.save(tmp_path, settings)
    found = {name: embedding.contestant(name, settings)["sample"] for name in embedding.CONTESTANTS}
    assert found["sentence-transformers"] == pytest.approx(found["ours"], abs=1e-5)
    loop = embedding.stock(settings, False)(embedding.texts_of(settings))
    assert loop[:8, :4].ravel().tolist() == pytest.approx(found["ours"], abs=1e-5)
    for name in ("ours-bf16", "sentence-transformers-bf16"):
        assert found[name] == pytest.approx(found["ours"], abs=0.02)
