"""GLUE: which tasks are there, one setting for all, legs that go on, and the table."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from unmask import console
from unmask.cli import main
from unmask.config import overridden
from unmask.errors import DataError, SettingError
from unmask.evaluation import evaluate
from unmask.tasks import glue
from unmask.tasks.glue import TASKS, Glue, found, rows, summary
from unmask.tasks.settings import Finetuning

WORDS = ("the", "film", "was", "very", "a", "plot")
TINY = ("training.epochs=1", "training.threads=1", "training.precision=fp32", "tuning.learning_rate=0.005")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of CoLA (no header), RTE (a pair), STS-B (numbers), and QNLI without train.tsv."""
    root, draw = tmp_path_factory.mktemp("glue"), random.Random(0)

    def text():
        return " ".join(draw.choices(WORDS, k=5))

    def write(folder, name, lines):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / name).write_text("\n".join(lines) + "\n")

    for name, count in (("train.tsv", 24), ("dev.tsv", 12)):
        write("CoLA", name, [f"x\t{n % 2}\t\t{text()} {('bad', 'good')[n % 2]}" for n in range(count)])
        pairs = [f"{n}\t{text()}\t{text()}\t{('entailment', 'not_entailment')[n % 2]}" for n in range(count)]
        write("rte", name, ["index\tsentence1\tsentence2\tlabel", *pairs])
        numbers = [f"{n}\t{text()}\t{text()}\t{n % 6}" for n in range(count)]
        write("STS-B", name, ["index\tsentence1\tsentence2\tscore", *numbers])
    write("QNLI", "dev.tsv", ["index\tquestion\tsentence\tlabel", f"0\t{text()}\t{text()}\tentailment"])
    write("SST-2-sentences", "train.tsv", ["sentence\tlabel", "good\t1"])
    return root


@pytest.fixture(autouse=True)
def no_measuring(monkeypatch):
    monkeypatch.setattr("unmask.tasks.finetuning.peak_flops", lambda *given: 1e12)


def test_the_tasks_whose_files_are_there_are_found_and_others_told_of(data, capsys):
    there = found(data)
    assert list(there) == ["CoLA", "STS-B", "RTE"]
    assert there["CoLA"][2:] == ["data.text=4", "data.label=2"]
    assert there["RTE"] == [f"data.train={data / 'rte' / 'train.tsv'}", f"data.validation={data / 'rte' / 'dev.tsv'}"]
    assert f"QNLI is left out: {data / 'QNLI'} has no train.tsv" in " ".join(capsys.readouterr().err.split())


def test_files_of_cola_with_a_header_are_read_by_their_names(tmp_path):
    (tmp_path / "cola").mkdir()
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / "cola" / name).write_text("sentence\tlabel\na film\t1\n")
    assert len(found(tmp_path)["CoLA"]) == 2


def test_a_suite_trains_alike_for_all_tasks_and_goes_on_where_it_stopped(data, folder_of, tmp_path, monkeypatch):
    made, trained = tmp_path / "legs", []
    real = glue.finetune

    def watched(run, folder):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(run)
        return real(run, folder)

    monkeypatch.setattr(glue, "finetune", watched)
    suite = Glue(to=made, seeds=2, settings=TINY)
    with pytest.raises(KeyboardInterrupt):
        suite.judge(folder_of("bert"), data)
    done = json.loads((made / "glue.json").read_text())["legs"]
    assert [key for key, leg in done.items() if leg] == ["CoLA-0", "STS-B-0", "RTE-0"]
    assert len({(run.training, run.tuning) for run in trained}) == 1
    assert trained[0].training.batch_size == 16
    assert not (made / "CoLA-0" / "model").exists()
    assert (made / "CoLA-0" / "report" / "README.md").exists()

    monkeypatch.setattr(glue, "finetune", real)
    figures = suite.judge(folder_of("bert"), data)
    after = json.loads((made / "glue.json").read_text())["legs"]
    assert {key: after[key] for key in ("CoLA-0", "STS-B-0", "RTE-0")} == {key: done[key] for key in list(done)[:3]}
    each = [after[f"CoLA-{seed}"]["figures"]["matthews"] for seed in (0, 1)]
    assert figures["tasks"]["CoLA"]["matthews"] == pytest.approx(np.mean(each))
    assert figures["baselines"]["most frequent label"]["RTE"] == 0.5
    assert "| bert | " in (made / "glue.md").read_text()
    assert suite.judge(folder_of("bert"), data) == figures

    with pytest.raises(SettingError, match=r"legs was made with other settings \(.*\): take another folder"):
        Glue(to=made, seeds=2, settings=("training.epochs=2", *TINY[1:])).judge(folder_of("bert"), data)


def leg(**values):
    simple = {"most frequent label": {"accuracy": 0.5}, "TF-IDF and logistic regression": {"accuracy": 0.6}}
    return {"figures": values, "baselines": simple}


def test_the_average_is_that_of_main_figures_and_its_spread_over_seeds():
    correlated = {"figures": {"spearman": 0.4, "pearson": 0.9}, "baselines": {"TF-IDF cosine": {"spearman": 0.2}}}
    other = {"figures": {"spearman": 0.8, "pearson": 0.9}, "baselines": {"TF-IDF cosine": {"spearman": 0.2}}}
    legs = {"RTE-0": leg(accuracy=0.6), "RTE-1": leg(accuracy=0.8), "STS-B-0": correlated, "STS-B-1": other}
    found = summary(legs)
    assert found["average"] == pytest.approx(0.65)
    assert found["average_spread"] == pytest.approx(np.std([0.5, 0.8], ddof=1))
    assert found["tasks"]["STS-B"]["spearman"] == pytest.approx(0.6)
    assert found["baselines"]["TF-IDF"] == pytest.approx({"STS-B": 0.2, "RTE": 0.6, "average": 0.4})
    assert found["baselines"]["most frequent label"] == pytest.approx({"STS-B": 0, "RTE": 0.5, "average": 0.25})
    header, made = rows({"model": "runs/x", **found})
    assert header == ["", "STS-B (spearman)", "RTE (accuracy)", "average"]
    assert made[0] == ["x", "60.0 ± 28.3", "70.0 ± 14.1", "65.0 ± 21.2"]
    assert made[2] == ["TF-IDF", "20.0", "60.0", "40.0"]


def test_every_main_figure_is_one_that_its_task_gives():
    from unmask.tasks.classification import FIGURES as OF_LABELS
    from unmask.tasks.regression import FIGURES as OF_NUMBERS

    for task in TASKS.values():
        assert task.figure in {"classification": OF_LABELS, "regression": OF_NUMBERS}[task.task]


@pytest.mark.parametrize("setting", ["task.metric=f1", "data.train=x.tsv", "seed=3", "data.label=x", "task=regression"])
def test_what_belongs_to_a_task_is_not_set_for_all(setting):
    with pytest.raises(SettingError, match=r"the tasks of glue have their own; set what is the same for all of them"):
        Glue(settings=(setting,))


def test_mistakes_are_named(tmp_path):
    with pytest.raises(SettingError, match=r"--sample is of suites of questions; for glue set data.examples=N"):
        Glue(sample=3)
    with pytest.raises(DataError, match=r"none: no such folder; --data takes the folder with those of GLUE"):
        evaluate("a-model", tmp_path / "none", suite="glue")
    with pytest.raises(DataError, match=r"holds no task of GLUE: folders such as CoLA with train.tsv and dev.tsv"):
        found(tmp_path)


def test_a_folder_of_something_else_is_left_alone(data, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(SettingError, match=r"exists already and holds no glue.json: take another folder with --to"):
        Glue(to=tmp_path).judge("a-model", data)


def test_the_command_line_shows_a_column_for_the_model_and_one_for_each_simple_answerer(capsys, monkeypatch):
    asked = []

    def judge(self, model, data):
        asked.append((self, model, data))
        legs = {f"RTE-{seed}": leg(accuracy=0.6) for seed in range(self.seeds)}
        return {"suite": "glue", "model": model, **summary(legs), "folder": str(self.to)}

    monkeypatch.setattr(Glue, "judge", judge)
    words = ["evaluate", "runs/x", "--suite", "glue", "--data", "glue", "--seeds", "2", "--to", "y", "data.examples=9"]
    assert main(words) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert asked == [(Glue(to="y", seeds=2, settings=["data.examples=9"]), "runs/x", "glue")]
    assert ["RTE", "(accuracy)", "60.0", "±", "0.0", "50.0", "60.0"] in lines
    assert ["average", "60.0", "±", "0.0", "50.0", "60.0"] in lines
    assert main([*words, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["average"] == pytest.approx(0.6)
    console.set_quiet(False)


@pytest.mark.data
def test_the_real_files_are_those_of_five_tasks():
    folder = Path(os.environ["UNMASK_DATA"]) / "tasks" / "en" / "glue"
    sizes = {"CoLA": 1043, "SST-2": 872, "MRPC": 408, "STS-B": 1500, "RTE": 277}
    there = found(folder)
    assert list(there) == ["CoLA", "SST-2", "MRPC", "STS-B", "RTE"]
    for name, settings in there.items():
        run = overridden(Finetuning(), [f"task={TASKS[name].task}", *settings])
        examples = run.task.read(run.data.validation, run.data.columns)
        assert len(examples) == sizes[name]
        run.task.check(examples, run.task.labels(examples))
