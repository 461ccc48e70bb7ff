"""A search: every combination is a run of its own, the best one answers, and a stopped search goes on."""

import json

import pytest

from unmask.errors import DataError, ModelError, SettingError, Stopped
from unmask.tasks import searching
from unmask.tasks.folders import application_folder
from unmask.tasks.publishing import Published
from unmask.tasks.searching import Leg, legs_of, resume_search, search

RATES = "tuning.learning_rate=1e-4,3e-4"


@pytest.fixture
def trained(monkeypatch):
    """The legs that are trained, each leaving accuracy = 1000 x its learning rate instead of being trained."""
    asked = []

    def finetune(run, place, display, seeds):
        asked.append(place.name)
        (place / "model").mkdir(parents=True)
        (place / "run.json").write_text("{}")
        (place / "model" / "config.json").write_text(json.dumps({"architectures": ["BertForSequenceClassification"]}))
        return again(place)

    def again(place, display=None):
        rate = float(place.name.removeprefix("learning_rate-"))
        return Published(place, {"validation": {"accuracy": 1000 * rate}}, {}, "accuracy")

    monkeypatch.setattr(searching, "finetune", finetune)
    monkeypatch.setattr(searching, "resume", again)
    return asked


def test_legs_are_all_combinations_in_order_each_once():
    found = legs_of(["tuning.learning_rate=1e-4, 3e-4,1e-4", "training.batch_size=16,32"])
    assert [leg.values for leg in found] == [
        {"learning_rate": rate, "batch_size": size} for rate in ("1e-4", "3e-4") for size in ("16", "32")
    ]
    assert found[0].name == "learning_rate-1e-4-batch_size-16"


def test_a_leg_is_the_run_with_its_settings_and_nothing_else_changed(tuning):
    run = tuning("bert", "classification")
    leg = Leg(("tuning.learning_rate=1e-4", "training.batch_size=8")).run(run)
    assert (leg.tuning.learning_rate, leg.training.batch_size) == (1e-4, 8)
    assert (leg.task, leg.data, leg.seed) == (run.task, run.data, run.seed)


def test_the_best_leg_stands_for_all_and_the_record_says_why(tuning, tmp_path, trained):
    done = search(tuning("bert", "classification"), [RATES], tmp_path / "search")
    assert trained == ["learning_rate-1e-4", "learning_rate-3e-4"]
    assert [leg.values for leg in done.legs] == [{"learning_rate": "3e-4"}, {"learning_rate": "1e-4"}]
    assert done.best.figures["validation"]["accuracy"] == pytest.approx(0.3)
    record = json.loads((tmp_path / "search" / "search.json").read_text())
    assert record["best"] == "learning_rate-3e-4"
    assert [leg["figures"]["validation"]["accuracy"] for leg in record["legs"]] == pytest.approx([0.3, 0.1])
    assert application_folder(tmp_path / "search") == tmp_path / "search" / "learning_rate-3e-4" / "model"


def test_a_stopped_search_goes_on_with_the_leg_that_was_stopped(tuning, tmp_path, trained, monkeypatch):
    ready = searching.finetune

    def stopping(run, place, display, seeds):
        if trained:
            raise Stopped("stopped at step 3")
        return ready(run, place, display, seeds)

    monkeypatch.setattr(searching, "finetune", stopping)
    said = r"stopped in leg 2 of 2, which is saved; go on with: unmask finetune --resume .*search$"
    with pytest.raises(Stopped, match=said):
        search(tuning("bert", "classification"), [RATES], tmp_path / "search")
    with pytest.raises(ModelError, match="search is not finished: go on with unmask finetune --resume"):
        application_folder(tmp_path / "search")
    monkeypatch.setattr(searching, "finetune", ready)
    done = resume_search(tmp_path / "search")
    assert trained == ["learning_rate-1e-4", "learning_rate-3e-4"], "the first is not trained again"
    assert len(done.legs) == 2


def test_a_search_is_trained_leg_by_leg(tuning, tmp_path):
    run = tuning("bert", "classification", "training.epochs=0.5", "training.evaluations=1")
    done = search(run, ["tuning.learning_rate=1e-9,0.01"], tmp_path / "search")
    figures = [each.figures["validation"]["accuracy"] for each in done.legs.values()]
    assert figures == sorted(figures, reverse=True)
    assert resume_search(tmp_path / "search").best.figures == done.best.figures


def test_a_mistake_leaves_no_folder(tuning, tmp_path):
    with pytest.raises(DataError, match=r"gone\.tsv: no such file"):
        search(tuning("bert", "classification", "data.train=gone.tsv"), [RATES], tmp_path / "search")
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("tuning.learning_rate=1e-4", r"--search tuning.learning_rate=1e-4: a setting and several values are needed"),
        ("tuning.learning_rate", r"--search tuning.learning_rate: a setting and several values are needed"),
        ("tuning.rate=1,2", r"unknown setting 'tuning.rate'"),
        ("tuning.dropout=0.1,2", r"tuning.dropout=2.0: from 0 up to 1 is needed"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_trained(wanted, words, tuning, tmp_path, trained):
    with pytest.raises(SettingError, match=words):
        search(tuning("bert", "classification"), [wanted], tmp_path / "search")
    assert not trained
    assert not (tmp_path / "search").exists()
