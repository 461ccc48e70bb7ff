"""`unmask compare` as it is typed: tables of 80 columns, JSON, and mistakes in one line."""

import json
import signal

import pytest

from unmask.cli import main
from unmask.cli.compare import show
from unmask.comparison.table import Comparison


@pytest.fixture
def typed(capsys):
    """typed("compare", ...) -> its exit code and what it printed."""

    def run(*words):
        capsys.readouterr()
        return (main(words), *capsys.readouterr())

    return run


def leg(loss):
    figures = {"loss": loss, "word_accuracy": 0.2, "word_error_rate": 0.15, "masked_tokens": 1234}
    speed = {"parameters": 8_100_000, "tokens_per_second": 12_345.0, "peak_memory": 1.2e9}
    return {"figures": figures, "blimp": {"accuracy": 0.6}} | speed


def test_the_widest_table_is_80_columns(capsys):
    name = "transformer-prenorm"
    show(Comparison.of({"a": name, "b": name}, {"a": leg(5.5), "b": leg(5.6)}, "5 minutes"))
    table = capsys.readouterr().out.splitlines()[:-1]
    assert max(map(len, table)) <= 80
    row = " ".join(table[-1].split())
    assert row == "transformer-prenorm 5.550 ± 0.071 20.0 % 15.00 % 60.0 % 8.1 M 12.3 k 1.2 GB"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bert", "--sample", "3"], "--sample is drawn from BLiMP: name its folder with --blimp FOLDER"),
        (["bert", "--data", "x"], "--data goes with --models; recipes are trained and judged on data.store=STORE"),
        (["--models", "a", "seed=1", "--data", "x"], "seed=1: finished models have no settings; leave it out"),
        (["--models", "--data", "x"], "which models? unmask compare --models MODEL MODEL --data TEXTS"),
        (["--models", "a"], "which text? name what the models are judged on: --data TEXTS or a store"),
        (["bert"], "which store? data.store=STORE; make one with: unmask prepare TEXTS --to STORE"),
    ],
)
def test_mistakes_are_one_line(typed, words, said):
    assert typed("compare", *words) == (2, "", f"error: {said}\n")


def test_a_comparison_that_is_finished_prints_its_table_or_json_and_what_to_do_next(typed, made):
    found, to, words = made
    code, out, err = typed("compare", *words, "--seeds", "2", "--to", str(to))
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:6]] == [row.name for row in found.rows]
    assert "2 steps for each; means over 2 seeds" in out
    assert f"{to}/comparison.md" in out
    best = next(row.name for row in found.rows if row.name in ("bert", "cbow"))  # they stand in the order of their loss
    assert err.splitlines()[-1].startswith(f"next: unmask fill {to}/runs/{best}-0 ")
    code, out, _ = typed("compare", *words, "--seeds", "2", "--to", str(to), "--json", "--quiet")
    assert (code, json.loads(out)) == (0, json.loads((to / "comparison.json").read_text()))


def test_finished_models_print_their_table(typed, made, farm):
    _, to, _ = made
    models = [str(to / "runs" / key) for key in ("bert-0", "cbow-0")]
    code, out, _ = typed("compare", "--models", *models, "--data", str(farm.folder), "--json")
    assert code == 0
    assert {one["name"] for one in json.loads(out)} == set(models)


def test_a_sigterm_while_a_leg_is_judged_exits_with_75_and_says_how_to_go_on(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("unmask.comparison.verdicts.finished", lambda leg, to, train: to / "runs" / leg.key)
    monkeypatch.setattr("unmask.comparison.verdicts.measured", lambda folder: signal.raise_signal(signal.SIGTERM))
    assert main(["compare", *words, "--to", str(tmp_path / "two"), "--quiet"]) == 75
    err = capsys.readouterr().err
    assert err == "stopped: before the end; what is finished is kept: run the same command again to go on\n"
