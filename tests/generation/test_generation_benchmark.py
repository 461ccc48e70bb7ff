"""The comparison of generating checkpoints: its figures by hand, and that it runs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from unmask.models import Model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import generation

    return generation


def test_entropy_and_distinct_n_grams_are_those_counted_by_hand(benchmark) -> None:
    assert benchmark.words_of("The cat, the") == ["the", "cat", ",", "the"]
    assert benchmark.entropy(["the", "cat", ",", "the"]) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
    texts = [["a", "b", "a", "b"], ["a", "b"]]
    assert benchmark.distinct(texts, 1) == pytest.approx(2 / 6)
    assert benchmark.distinct(texts, 2) == pytest.approx(2 / 4)
    assert benchmark.distinct(texts, 3) == pytest.approx(1)


def test_every_model_order_and_number_of_steps_is_a_row(benchmark, bert: Model, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat sat on a mat\nthe sky\nthe dog sat on the blue mat\n")
    words = ["--models", f"tiny={bert.path}", "--judge", str(bert.path), "--text", str(tmp_path / "text.txt")]
    table = benchmark.main([*words, "--tokens", "5", "--samples", "2", "--steps", "1", "5", "--prompt", "the"])
    assert list(table) == [
        "real text",
        *(f"tiny {order} {n}" for order in ("usual", "confidence", "random") for n in (1, 5)),
    ]
    assert all(math.isfinite(row[name]) for row in table.values() for name in benchmark.FIGURES if name in row)
    assert table["real text"]["text"] == "the cat sat on a"
    assert all(row["text"].startswith("the") for row in table.values())
