"""The command line of tasks: from an encoder to answers, and the line that answers each mistake."""

import io
import json

import pytest

from unmask import console
from unmask.cli import main
from unmask.cli.finetune import results
from unmask.cli.options import asking, evaluating


@pytest.fixture
def unmask(capsys, monkeypatch):
    monkeypatch.setattr("unmask.tasks.finetuning.peak_flops", lambda *given: 1e12)

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    yield run
    console.set_quiet(False)


@pytest.fixture(scope="module")
def run_folder(folder_of, files, tmp_path_factory):
    """A run fine-tuned by the command line, quickly."""
    to = tmp_path_factory.mktemp("runs") / "reviews"
    words = ["finetune", folder_of("modernbert"), "classification", f"data.train={files / 'train.tsv'}"]
    words += [f"data.validation={files / 'dev.tsv'}", "training.epochs=2", "training.batch_size=16"]
    words += ["training.threads=1", "training.evaluations=2", "tuning.learning_rate=0.01", "--to", to, "--quiet"]
    assert main([str(word) for word in words]) == 0
    console.set_quiet(False)
    return to


def test_texts_are_answered_as_text_json_and_json_lines(run_folder, unmask, monkeypatch):
    code, out, err = unmask("predict", run_folder, "a good film")
    assert code == 0
    assert out.split()[0] in ("yes", "no")
    assert "next: unmask evaluate" in err
    one = json.loads(unmask("predict", run_folder, "a good film", "--format", "json")[1])
    assert one["text"] == "a good film"
    assert sum(one["scores"].values()) == pytest.approx(1, abs=1e-5)
    monkeypatch.setattr("sys.stdin", io.StringIO("a good film\n\nbad plot\n"))
    lines = [json.loads(line) for line in unmask("predict", run_folder, "-", "--format", "jsonl")[1].splitlines()]
    assert [line["text"] for line in lines] == ["a good film", "bad plot"]
    assert lines[0]["scores"] == pytest.approx(one["scores"], abs=1e-5), "a batch changes nothing"


def test_a_file_is_answered_line_by_line_and_judged(run_folder, files, unmask):
    out = unmask("predict", run_folder, "--data", files / "dev.tsv", "--format", "jsonl")[1]
    answers = [json.loads(line)["label"] for line in out.splitlines()]
    truths = [line.split("\t")[1] for line in (files / "dev.tsv").read_text().splitlines()[1:]]
    right = sum(one == other for one, other in zip(answers, truths, strict=True)) / len(truths)
    figures = json.loads(unmask("evaluate", run_folder, "--data", files / "dev.tsv", "--json")[1])
    assert figures["accuracy"] == pytest.approx(right)
    assert figures["examples"] == 40
    code, out, _ = unmask("evaluate", run_folder, "--data", files / "dev.tsv")
    assert (code, f"{right:.4f}" in out) == (0, True)


def test_columns_of_a_file_are_named(run_folder, tmp_path, unmask):
    (tmp_path / "a.tsv").write_text("body\tkind\na good film\tyes\n")
    figures = json.loads(
        unmask("evaluate", run_folder, "data.text=body", "data.label=kind", "--data", tmp_path / "a.tsv", "--json")[1]
    )
    assert figures["examples"] == 1
    assert unmask("predict", run_folder, "--data", tmp_path / "a.tsv", "--column", "body")[0] == 0


def test_a_finished_run_just_gives_its_figures_again(run_folder, unmask):
    code, out, err = unmask("finetune", "--resume", run_folder, "--json")
    assert code == 0
    assert "finished already" in err
    assert (
        json.loads(out)["validation"]
        == json.loads((run_folder / "model" / "figures.json").read_text())["figures"]["validation"]
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["finetune"], 2, "error: which model, for what? unmask finetune MODEL TASK"),
        (["finetune", "m", "sorting", "data.train=x"], 2, "error: unknown task 'sorting'"),
        (["finetune", "m", "regression"], 2, "error: data.train=FILE (the examples to learn from) is needed"),
        (["finetune", "m", "regression", "--resume", "x"], 2, "error: --resume goes on with a run as it was saved"),
        (["finetune", "MODEL", "classification", "data.train=none.tsv"], 1, "error: none.tsv: no such file"),
        (["predict", "RUN"], 2, "error: which texts? unmask predict RUN TEXT, or --data FILE, or - for lines"),
        (["predict", "RUN", "x", "--format", "xml"], 2, "error: --format xml: one of text, json, jsonl is needed"),
        (["predict", "MODEL", "x"], 1, "has no head for a task: fine-tune it first with unmask finetune"),
        (["evaluate", "RUN"], 2, "is fine-tuned: --data FILE (labelled examples) is needed to evaluate it"),
        (
            ["evaluate", "RUN", "--data", "OTHER"],
            1,
            "the label 'maybe' is not one of those that the model knows (no, yes)",
        ),
    ],
)
def test_mistakes_get_one_line(words, code, said, run_folder, folder_of, tmp_path, unmask, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.tsv").write_text("text\tlabel\na\tmaybe\n")
    names = {"RUN": run_folder, "MODEL": folder_of("modernbert"), "OTHER": tmp_path / "other.tsv"}
    found, out, err = unmask(*(names.get(word, word) for word in words))
    assert (found, out) == (code, "")
    assert len(err.strip().splitlines()) == 1
    assert said in err


def test_a_search_ends_with_a_table_of_its_legs_and_the_best_answers(folder_of, files, unmask, tmp_path):
    words = ["finetune", folder_of("modernbert"), "classification", f"data.train={files / 'train.tsv'}"]
    words += [f"data.validation={files / 'dev.tsv'}", "training.epochs=0.3", "training.threads=1"]
    words += ["training.evaluations=1", "--search", "tuning.dropout=0,0.5", "--to", tmp_path / "search"]
    code, out, _ = unmask(*words)
    assert code == 0
    assert "on validation examples, by accuracy" in out
    assert {line.split()[0] for line in out.splitlines() if line.split()[:1] in (["0"], ["0.5"])} == {"0", "0.5"}
    found = json.loads(unmask("finetune", "--resume", tmp_path / "search", "--json")[1])
    assert {leg["dropout"] for leg in found["legs"]} == {"0", "0.5"}
    assert unmask("predict", tmp_path / "search", "a good film")[0] == 0


def test_a_dry_run_shows_every_setting_and_writes_nothing(unmask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = unmask("finetune", "m", "regression", "data.train=x.tsv", "--dry-run", "--json")[1]
    assert json.loads(out)["task"]["name"] == "regression"
    assert "layer_decay" in unmask("finetune", "m", "regression", "data.train=x.tsv", "--dry-run")[1]
    assert not list(tmp_path.iterdir())


def test_an_answer_of_a_text_is_a_line_or_json(folder_of, files, unmask, tmp_path):
    words = ["finetune", folder_of("bert"), "question_answering", f"data.train={files / 'qa.jsonl'}"]
    words += [f"data.validation={files / 'qadev.jsonl'}", "training.epochs=0.2", "training.threads=1"]
    assert unmask(*words, "training.evaluations=1", "task.threshold=-99", "--to", tmp_path / "run")[0] == 0
    context = "the film was [good]"
    code, out, _ = unmask("predict", tmp_path / "run", f"good\t{context}", "--format", "json")
    answer = json.loads(out)
    assert (code, answer["text"]) == (0, f"good\t{context}")
    assert context[answer["start"] : answer["end"]] == answer["answer"]
    out = unmask("predict", tmp_path / "run", f"good\t{context}")[1]
    assert out.split() == [*answer["answer"].split(), f"{answer['score']:.4f}", "good", *context.split()]
    code, _, err = unmask("predict", tmp_path / "run", "good")
    assert (code, "text 1 is not a question and its context: give both, with a tab between" in err) == (1, True)


@pytest.mark.parametrize(
    ("task", "asked", "measured"),
    [
        ("classification", 'unmask predict F "A text."', "unmask evaluate F --data test.tsv"),
        (
            "question_answering",
            "unmask predict F $'What is asked?\\tThe text that says it.'",
            "unmask evaluate F --data test.json",
        ),
        ("token_classification", 'unmask predict F "A text."', "unmask evaluate F --data test.conll"),
    ],
)
def test_the_next_command_fits_the_task(task, asked, measured, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "task.json").write_text(json.dumps({"task": task, "settings": {}, "data": {}}))
    assert asking(tmp_path) == asked.replace("F", str(tmp_path), 1)
    assert evaluating(tmp_path) == measured.replace("F", str(tmp_path), 1)
    assert evaluating("runs/pretrained") == "unmask evaluate runs/pretrained"


def test_four_figures_with_their_spreads_fit_a_line_of_80_columns(capsys, monkeypatch):
    names = ("accuracy", "macro_f1", "f1", "matthews")
    figures = {"validation": {name: 0.51234 for name in names} | {f"{name}_spread": 0.1 for name in names}}
    monkeypatch.setenv("COLUMNS", "80")
    made = results(figures, {"most frequent label": dict.fromkeys(names, 0.5)})
    console.console().print(made)
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert title.rstrip() == "on held-out examples, mean ± spread over seeds"
    assert [row.split()[-1] for row in rows] == ["0.100", "0.5000"], "no row is broken"
    assert rows[0].count("0.512 ± 0.100") == 4
    assert rows[1].startswith("most frequent label ")
