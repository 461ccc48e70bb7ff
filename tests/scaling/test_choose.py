"""Recipe `auto`: what is decided, what is refused, and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import unmask.scaling as scaling
from unmask import run as runs
from unmask.architectures.modernbert import ModernBert
from unmask.config import changed, from_dict, overridden, to_dict
from unmask.errors import DataError, SettingError
from unmask.recipes.auto import auto
from unmask.run import Run, saved
from unmask.scaling.fit import Fitted
from unmask.scaling.law import Law

LAW = Law(level=-0.3, size_cost=0.15, size_power=0.5, size_growth=0.15, gain=0.25, start=0.2)


@pytest.fixture
def known(speed, monkeypatch):
    """A law and a machine that are known, and a text that is large enough."""
    monkeypatch.setattr(scaling, "FEWEST_TOKENS", 1000)
    monkeypatch.setattr("unmask.scaling.fit.known", lambda: Fitted(LAW, 0.05, 1e8, 1e9))
    monkeypatch.setattr("unmask.scaling.speed.measured", lambda setup: speed)


@pytest.fixture
def run(store):
    return changed(auto(), data={"store": str(store.folder), "row_length": 32}, training={"minutes": 3.0})


def test_what_is_decided_is_an_ordinary_run(run, known):
    choice = scaling.choose(run)
    best = choice.best
    assert choice.run == choice.run.checked()
    assert choice.run.architecture == best.size.architecture
    assert choice.run.optimizer == best.size.optimizer
    assert choice.run.training.batch_size == best.rows
    assert best.loss == min(one.loss for one in choice.considered)
    assert from_dict(Run, to_dict(choice.run)) == choice.run


def test_everything_else_stays_as_it_was_set(run, known):
    mine = overridden(run, ["seed=7", "masking.ratio=0.2", "training.evaluations=3", "data.language=en"])
    decided = scaling.choose(mine).run
    fields = {name: getattr(mine.training, name) for name in ("minutes", "evaluations", "schedule", "precision")}
    assert (decided.seed, decided.masking, decided.data) == (7, mine.masking, mine.data)
    assert {name: getattr(decided.training, name) for name in fields} == fields


def test_more_rows_than_fit_at_once_go_through_the_model_in_parts(run, known):
    choice = scaling.choose(changed(run, training={"minutes": 10_000.0}))
    part, most = choice.run.training.micro_batch, scaling.AT_ONCE["cpu"] // 32
    assert part <= most < choice.best.rows
    assert -(-choice.best.rows // part) == -(-choice.best.rows // most)  # and in no more parts than needed


def test_texts_are_prepared_first_where_there_is_no_store(run, known, store, monkeypatch):
    asked = []
    monkeypatch.setattr("unmask.stages.prepared", lambda *given: asked.append(given) or store)
    source = changed(run, data={"store": None, "source": "a.txt b.txt"})
    choice = scaling.choose(source)
    assert asked == [(["a.txt", "b.txt"], source.corpus, source.tokenizer)]
    assert choice.run.data.store == str(store.folder.resolve())


def test_the_expectation_is_kept_in_run_json_and_in_the_card(run, known, tmp_path, monkeypatch):
    monkeypatch.setattr("unmask.stages.peak_flops", lambda *given: 1e12)
    choice = scaling.choose(run)
    tiny = ModernBert(layers=1, width=16, heads=1, feedforward=16)
    short = {"minutes": None, "steps": 2, "batch_size": 4, "evaluations": 0, "precision": "fp32", "threads": 1}
    runs.pretrain(changed(choice.run, architecture=tiny, training=short), tmp_path / "run", expected=choice.record)
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert kept["environment"]["expected"] == choice.record
    assert saved(tmp_path / "run" / "run.json").auto is False
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert f"{choice.record['loss']:.3f}" in next(line for line in card.splitlines() if "expected" in line)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["training.minutes=none"], "recipe auto trains by the clock: training.minutes=30 is needed"),
        (["training.steps=9"], "training.minutes=30 is needed, and no other budget"),
        (["training.minutes=9", "training.tokens=9"], "set the others to none"),
        (["training.minutes=0.2"], "training.minutes=0.2: recipe auto needs 1 at least"),
        (["architecture.layers=8"], "architecture.layers=8: recipe auto decides it; leave it out, or"),
        (["architecture=bert"], "architecture=bert: recipe auto decides it"),
        (["training.batch_size=8"], "training.batch_size=8: recipe auto decides it"),
        (["optimizer.learning_rate=0.1"], "optimizer.learning_rate=0.1: recipe auto decides it"),
        (["start.model=runs/a"], "start.model=runs/a: recipe auto decides it"),
        (["data.store=none"], "data.source=TEXTS (prepared first) or data.store=STORE"),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_is_refused_on_one_line(run, known, settings, said):
    with pytest.raises(SettingError) as error:
        scaling.choose(overridden(run, settings))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_text_too_small_for_the_law_is_refused(run, known, monkeypatch):
    monkeypatch.setattr(scaling, "FEWEST_TOKENS", 1_000_000)
    with pytest.raises(DataError, match=r"recipe auto knows nothing of texts under 1,000,000: give more text"):
        scaling.choose(run)


def test_a_machine_too_slow_for_the_time_is_told_so(run, known, speed, monkeypatch):
    slow = replace(speed, timed=tuple(one._replace(learning=1e4 * one.learning) for one in speed.timed))
    monkeypatch.setattr("unmask.scaling.speed.measured", lambda setup: slow)
    with pytest.raises(SettingError, match=r"training.minutes=3: this machine reads fewer than 1,000 tokens"):
        scaling.choose(run)


def test_several_processes_decide_nothing(run, known, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingError, match="recipe auto is decided by one process: keep its run with --dry-run"):
        scaling.choose(run)


def test_a_run_that_is_still_open_is_not_trained(run, tmp_path):
    with pytest.raises(SettingError, match=r"unmask pretrain auto decides it, from Python unmask.scaling.choose"):
        runs.pretrain(run, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_choice_is_shown_in_eighty_columns(run, known):
    from rich.text import Text

    from unmask.cli.choice import lines

    choice = scaling.choose(changed(run, training={"minutes": 600.0}))
    shown = [Text.from_markup(line).plain for line in lines(choice)]
    assert max(map(len, shown)) <= 80
    assert f"held-out loss {choice.best.loss:.2f}, give or take 0.05" in " ".join(shown)
    first = 8 * round(choice.best.rows / 64)  # an eighth, as multiples of 8
    assert f"{first} rows of 32 tokens at first, {choice.best.rows} in" in " ".join(shown)
    beside = next(line for line in shown if line.startswith("beside it"))
    assert all(f"{one.size} {one.loss:.2f}" in beside for one in choice.considered[1:4])


@pytest.mark.parametrize("seen", [(1e3, 1e9), (1e8, 1e3)])
def test_what_is_larger_than_all_that_the_law_has_seen_is_said_to_be_extrapolated(run, known, monkeypatch, seen):
    from unmask.cli.choice import lines

    assert not scaling.choose(run).extrapolated
    monkeypatch.setattr("unmask.scaling.fit.known", lambda: Fitted(LAW, 0.05, *seen))
    choice = scaling.choose(run)
    assert choice.record["extrapolated"] is True
    assert "the expectation is extrapolated" in lines(choice)[-1]
