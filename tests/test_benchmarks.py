"""Benchmarks: contestants answer alike, points are what they say, tables say what the results do."""

import json
import math
import random
import sys
from pathlib import Path

import pytest

SMALL = {"layers": 2, "width": 32, "heads": 2, "feedforward": 48, "words": 120}


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    monkeypatch.delenv("UNMASK_MODEL", raising=False)


def test_the_pipeline_fills_and_scores_as_we_do(tmp_path):
    from benchmarks import filling

    settings = filling.SETTINGS | SMALL | {"texts": 12, "scored": 2, "warmup": 2, "longest": 30}
    settings |= filling.prepared(tmp_path, settings)
    found = {name: filling.contestant(name, settings) for name in ["ours", *filling.PEERS]}
    for name in filling.PEERS:
        filling.refuse(name, found["ours"], found[name])
    assert len(found["ours"]["answers"]) == 12 * settings["top"]


def test_other_answers_are_not_compared_by_speed():
    from benchmarks.filling import refuse

    ours = {"scores": [-1.0], "answers": [5, 6]}
    refuse("peer", ours, ours)
    with pytest.raises(SystemExit, match=r"differ by 0\.50000"):
        refuse("peer", ours, ours | {"scores": [-1.5]})
    with pytest.raises(SystemExit, match=r"50\.0% equal"):
        refuse("peer", ours, ours | {"answers": [5, 7]})


def test_lengths_are_log_normal_within_their_limits():
    from benchmarks.texts import lengths

    drawn = sorted(lengths(2001, 24, 0.5, 60, random.Random(0)))
    assert (drawn[0] >= 3, drawn[-1]) == (True, 60)
    assert drawn[1000] == pytest.approx(24, abs=2)
    assert drawn[317] == pytest.approx(24 * math.exp(-0.5), abs=2)  # one standard deviation below


@pytest.mark.parametrize("name", ["row_length=32", "words=80", "size=4x128"])
def test_each_point_of_growth_is_a_step_of_its_own_size(name, monkeypatch):
    from benchmarks import growth

    monkeypatch.setitem(growth.SIZES, "4x128", (1, 64))
    settings = growth.SETTINGS | SMALL | {"row_length": 16, "tokens": 64, "steps": 1, "warmup": 0}
    found = growth.contestant(name, settings)
    assert found["work"] == {"row_length=32": 32, "words=80": 80}.get(name, found["work"])
    assert found["seconds"] > 0
    assert found["peak_memory_mb"] > 10


def test_growth_is_drawn(tmp_path):
    from benchmarks.growth import draw

    points = {str(work): {"work": work, "seconds": work / 10, "peak_memory_mb": 100.0} for work in (1, 10)}
    draw({"row_length": points}, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 1000


def test_a_start_is_timed_and_a_broken_one_is_told():
    from benchmarks.startup import COMMANDS, timed

    assert timed([sys.executable, *COMMANDS["nothing"]]) > 0
    with pytest.raises(SystemExit, match="NameError"):
        timed([sys.executable, "-c", "nothing"])


def test_a_table_has_every_figure_of_its_result(tmp_path):
    from benchmarks.tables import filled

    summary = {
        "speeds": {"ours": 1234.5, "peer": 0.25},
        "ratio": {"median": 2.0, "min": 1.5, "max": 2.5},
        "met": True,
        "cosine": 0.99996,
        "row_length": {"128": {"seconds": 1.5, "memory_mb": 1056.2}, "8192": {"seconds": 5.0, "memory_mb": 1283}},
    }
    result = {"date": "2026-01-01", "commit": "abc", "machine": {"processor": "P", "cores": 2}, "summary": summary}
    (tmp_path / "one-4x2.json").write_text(json.dumps(result))
    page = filled("above\n<!-- one-4x2 -->\nold\n<!-- /one-4x2 -->\n<!-- two -->\n<!-- /two -->\nbelow", tmp_path)
    for line in ("| speeds: ours | 1,234 |", "| speeds: peer | 0.25 |", "| ratio | **2 times** (1.5 to 2.5) |"):
        assert line in page
    assert "| met | yes |" in page
    assert "| cosine | 0.99996 |" in page  # not 1
    assert (
        "| row length | seconds | memory mb |\n|---|---:|---:|\n| 128 | 1.5 | 1,056 |\n| 8192 | 5 | 1,283 |\n" in page
    )
    assert "old" not in page
    assert "2026-01-01, commit abc, P, 2 cores" in page
    assert "Not measured yet: `python -m benchmarks two`." in page
    assert page.startswith("above\n")
    assert page.endswith("below")
    assert filled(page, tmp_path) == page


def test_the_page_says_what_the_results_do():
    from benchmarks.tables import PAGE, RESULTS, filled

    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, RESULTS) == page


def test_a_result_names_a_model_without_where_it_lies(tmp_path):
    from benchmarks.measuring import named

    assert named(tmp_path / "runs" / "bert") == "runs/bert"


def test_every_benchmark_has_its_section():
    from benchmarks.__main__ import ALL
    from benchmarks.tables import PAGE

    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in ALL if f"<!-- {name} -->" not in page] == []


def test_so_many_words_are_taken_by_their_shares(tmp_path):
    from benchmarks import babylm

    _texts(tmp_path / "en")
    texts = list(babylm.documents(tmp_path / "en", 400))
    assert [sum(len(text.split()) for text in texts if text.startswith(kind)) for kind in KINDS] == [200, 160, 40]


def test_a_small_babylm_is_prepared_trained_and_judged_and_not_trained_again(tmp_path, monkeypatch):
    from benchmarks import babylm, measuring

    monkeypatch.setattr(measuring, "RESULTS", tmp_path / "results")
    _texts(tmp_path / "text" / "en")
    (tmp_path / "blimp").mkdir()
    pair = {"sentence_good": "books see 1 .", "sentence_bad": "see books 1 .", "field": "syntax"}
    lines = [json.dumps(pair | {"linguistics_term": "order", "UID": "a"}) for _ in range(3)]
    (tmp_path / "blimp" / "a.jsonl").write_text("\n".join(lines))
    words = ["--data", str(tmp_path), "--to", str(tmp_path / "runs"), "--size", "1x64", "--vocabulary", "200"]
    words += ["--words", "20000", "--epochs", "0.1", "training.precision=fp32"]
    made = babylm.main(words)
    assert made["pairs"] == 3
    assert made["BLiMP, percent"]["all"] == made["BLiMP, percent"]["order"]
    assert made["loss"] < math.log(200)
    assert json.loads((tmp_path / "results" / "babylm.json").read_text())["summary"]["tokens"] == made["tokens"]
    again = babylm.main(words)
    assert {name: again[name] for name in ("loss", "tokens", "parameters")} == {
        name: made[name] for name in ("loss", "tokens", "parameters")
    }


KINDS = ("wikipedia", "books", "brown")


def _texts(folder):
    """Files like those that BabyLM's words are taken from: every document of 40 words."""
    import zstandard

    folder.mkdir(parents=True)
    for kind, name in zip(KINDS, ("wikipedia-2015-00", "books-00", "brown"), strict=True):
        with zstandard.open(folder / f"{name}.jsonl.zst", "wt", encoding="utf-8") as lines:
            for number in range(600):
                words = " ".join(f"{(number * 7 + word) % 90}" for word in range(9))
                text = "\n".join([f"{kind} {words}"] * 3 + [f"{kind} see {number} and what is more {kind} {number} ."])
                lines.write(json.dumps({"text": text}) + "\n")
