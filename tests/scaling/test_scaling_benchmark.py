"""`benchmarks/scaling.py`: which legs there are, and a small one from its plan to its file."""

from __future__ import annotations

import json

import pytest
from benchmarks import scaling

from unmask.architectures.modernbert import ModernBert
from unmask.scaling.sizes import Size


def test_the_laws_legs_are_ordered_by_cost_and_named_by_group_store_size_and_tokens():
    found = scaling.legs("law", "stores/wiki-en")
    assert next(iter(found)) == "law-wiki-en-2x128-0.25M"
    assert found["law-wiki-en-6x256-2M"]["tokens"] == 2_000_000
    assert len(found) == sum(len(budgets) for budgets in scaling.LAW.values())


@pytest.mark.parametrize("group", ["law", "other", "rules", "check"])
def test_legs_have_names_of_their_own(group):
    planned = list(scaling._planned(group))
    assert len(scaling.legs(group, "store")) == len(planned) > 0


def test_a_leg_of_the_rules_changes_one_setting_of_the_run_that_the_rules_give():
    leg = scaling.legs("rules", "s")["rules-s-4x192-2M-adam-0.0015"] | {"final_tokens": 100}
    run, ruled = scaling._run(leg), scaling._run({**leg, "change": {}})
    assert run.optimizer.adam_learning_rate == 0.0015
    assert ruled.optimizer == Size(4, 192).optimizer
    assert run.architecture == ruled.architecture == ModernBert(layers=4, width=192, heads=3, feedforward=384)
    assert run.training == ruled.training
    assert ruled.training.batch_size == 64


def test_a_leg_is_kept_as_a_file_and_not_trained_again(store, monkeypatch, tmp_path):
    asked = []

    def rounds(module, names, count, leg):
        asked.append((names, leg))
        return {names[0]: [{"loss": 1.0}]}

    monkeypatch.setattr(scaling, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(scaling, "rounds", rounds)
    for _ in range(2):
        scaling.main(["--store", str(store.folder), "--only", "2x128-0.25M,2x128-0.5M", "--final-tokens", "7"])
    assert [names for names, _ in asked] == [["law-store-2x128-0.25M"], ["law-store-2x128-0.5M"]]
    assert asked[0][1]["final_tokens"] == 7
    kept = json.loads((tmp_path / "kept" / "law-store-2x128-0.25M.json").read_text())
    assert kept["result"] == {"loss": 1.0}
    assert kept["leg"]["store"] == "store"
    assert {"commit", "machine", "versions"} <= set(kept)


def test_a_leg_trains_the_size_it_names(store, monkeypatch):
    monkeypatch.setattr("unmask.stages.peak_flops", lambda *given: 1e12)
    leg = {"store": str(store.folder), "layers": 1, "width": 16, "tokens": 3000, "final_tokens": 500}
    result = scaling.trained(leg)
    assert (result["layers"], result["width"], result["rows"]) == (1, 16, 16)
    assert result["tokens"] >= 3000
    assert 0 < result["loss"] < 2 * result["unigram_loss"]
