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

    summary = {"speeds": {"ours": 1234.5, "peer": 0.25}, "ratio": {"median": 2.0, "min": 1.5, "max": 2.5}, "met": True}
    result = {"date": "2026-01-01", "commit": "abc", "machine": {"processor": "P", "cores": 2}, "summary": summary}
    (tmp_path / "one.json").write_text(json.dumps(result))
    page = filled("above\n<!-- one -->\nold\n<!-- /one -->\n<!-- two -->\n<!-- /two -->\nbelow", tmp_path)
    for line in ("| speeds: ours | 1,234 |", "| speeds: peer | 0.25 |", "| ratio | **2 times** (1.5 to 2.5) |"):
        assert line in page
    assert "| met | yes |" in page
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


def test_every_benchmark_has_its_section():
    from benchmarks.__main__ import ALL
    from benchmarks.tables import PAGE

    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in ALL if f"<!-- {name} -->" not in page] == []
