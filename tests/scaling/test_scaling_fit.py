"""`benchmarks/scaling_fit.py`: from the files of legs to law.json and the page; and the law.json that is there."""

from __future__ import annotations

import json

import pytest
from benchmarks import scaling_fit

from unmask.scaling.fit import FILE, known
from unmask.scaling.law import Law, Lines, Scale

TRUE = Law(level=-0.3, size_cost=0.15, size_power=0.5, size_growth=0.15, gain=0.25, start=0.2)
LINES = Lines(7.3, 6.0)
SIZES = {(2, 128): 344_064, (4, 192): 1_511_424, (6, 256): 3_997_696}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """What is fitted to the files of legs on two stores; they obey one law, but for 0.3 nats on the second."""
    folder = tmp_path_factory.mktemp("legs")
    write_legs(folder)
    text = {"tokens": 10**9, **LINES._asdict()}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scaling_fit, "FOLDER", folder)
        patched.setattr(scaling_fit, "described", lambda store: {"name": store.rpartition("/")[2], **text})
        return scaling_fit.fitted("stores/wiki", "stores/docs")


def write_legs(folder):
    for group, store in (("law", "wiki"), ("other", "docs")):
        for (layers, width), parameters in SIZES.items():
            for tokens in (1_000_000, 2_000_000, 4_000_000):
                loss = float(TRUE.loss(Scale(parameters, tokens, 10**9), LINES)) + 0.3 * (group == "other")
                result = {"layers": layers, "width": width, "rows": 32, "seed": 0, "tokens": tokens, "loss": loss}
                path = folder / f"{group}-{store}-{layers}x{width}-{tokens}.json"
                path.write_text(json.dumps({"commit": "c", "leg": {}, "result": result}))


def test_the_law_is_fitted_to_the_legs_of_one_text_and_tried_on_the_other(data):
    assert data["error"]["fitted"] < 0.005
    assert data["error"]["left_out"] < 0.05
    assert data["error"]["other"] == pytest.approx(0.3, abs=0.01)
    assert [run["parameters"] for run in data["runs"]] == sorted(3 * list(SIZES.values()))
    assert json.loads(json.dumps(data)) == data
    law = Law(**data["law"])
    for run in data["runs"]:
        assert run["expected"] == pytest.approx(run["loss"], abs=0.01)
        assert law.loss(Scale(run["parameters"], run["tokens"], 10**9), LINES) == pytest.approx(
            run["expected"], abs=1e-3
        )


def test_of_the_check_long_runs_count_too(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling_fit, "FOLDER", tmp_path)
    assert scaling_fit.kept("check", "stores/wiki") == []
    for minutes in (3, 10, 30):
        result = {"layers": 2, "width": 128, "rows": 32, "seed": 0, "tokens": minutes * 10**6, "loss": 5.0}
        leg = {"commit": "c", "leg": {"minutes": minutes}, "result": result}
        (tmp_path / f"check-wiki-2x128-{minutes}min.json").write_text(json.dumps(leg))
    assert [run["minutes"] for run in scaling_fit.kept("check", "stores/wiki")] == [10, 30]


def test_a_page_keeps_its_words_and_gets_every_run(data):
    part = scaling_fit.tables(data)
    page = f"words\n{scaling_fit.BEGIN}old{scaling_fit.END}more words\n"
    written = scaling_fit.written(page, part)
    assert written.startswith("words\n")
    assert written.endswith("more words\n")
    assert "old" not in written
    assert scaling_fit.written(written, part) == written
    assert sum(line.startswith(("| 2x128 ", "| 4x192 ", "| 6x256 ")) for line in part.splitlines()) == 18


def test_the_check_by_the_clock_is_a_column_for_each_time(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling_fit, "FOLDER", tmp_path)
    assert scaling_fit.checks("stores/wiki") == ""
    small, large = {"layers": 2, "width": 128}, {"layers": 4, "width": 192}
    for name, leg, result in (
        ("auto-3min", {"auto": True, "minutes": 3}, {**small, "loss": 5.2, "expected": {"loss": 5.25}}),
        ("2x128-3min", {"minutes": 3}, {**small, "loss": 5.21}),
        ("4x192-10min", {"minutes": 10}, {**large, "loss": 4.9}),
    ):
        (tmp_path / f"check-wiki-{name}.json").write_text(json.dumps({"leg": leg, "result": result}))
    assert scaling_fit.checks("stores/wiki").splitlines()[3:] == [
        "| | 3 minutes | 10 minutes |",
        "|---|---:|---:|",
        "| auto | 5.200 (2x128; 5.25 expected) |  |",
        "| 2x128 | 5.210 |  |",
        "| 4x192 |  | 4.900 |",
    ]


def test_a_store_without_legs_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling_fit, "FOLDER", tmp_path)
    monkeypatch.setattr(scaling_fit, "described", lambda store: {})
    with pytest.raises(SystemExit, match="no legs of stores/zh"):
        scaling_fit.fitted("stores/zh", None)


def test_the_law_of_the_package_expects_what_its_table_says():
    data, law = json.loads(FILE.read_text()), known().law
    lines = Lines(data["text"]["unigram"], data["text"]["ngram"])
    for run in data["runs"]:
        expected = law.loss(Scale(run["parameters"], run["tokens"], data["text"]["tokens"]), lines)
        assert run["expected"] == pytest.approx(float(expected), abs=1e-3)
    assert known().error == max(data["error"]["left_out"], data["error"].get("other", 0.0))


def test_the_page_shows_the_law_of_the_package():
    page = (scaling_fit.DOCS / "scaling.md").read_text(encoding="utf-8")
    data = json.loads(FILE.read_text())
    part = scaling_fit.tables(data) + scaling_fit.checks(data["text"]["name"])
    assert scaling_fit.written(page, part) == page
