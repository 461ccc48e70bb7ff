"""The benchmark of tasks: what it plans, how it cuts files, that legs are kept, continued and told of in tables."""

import gzip
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from unmask.config import overridden
from unmask.errors import DataError
from unmask.recipes import RECIPES
from unmask.tasks import TASKS
from unmask.tasks.settings import Finetuning, TaskData

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.tasks import cutting, legs, main, plan, running, sets, tables

TINY = ("training.threads=1", "training.steps=3", "training.epochs=none", "training.evaluations=1")


# ---------------------------------------------------------------- the plan


def test_every_leg_has_a_name_of_its_own_a_table_and_a_set_that_the_tables_can_name():
    planned = plan.planned()
    assert len({leg.name for leg in planned}) == len(planned)
    assert {leg.table for leg in planned} == set(tables.TABLES)
    tuned = [leg for leg in planned if isinstance(leg, legs.Tuning)]
    assert {leg.set for leg in tuned} <= set(sets.SETS)
    assert {leg.set for leg in tuned if not leg.set.startswith("xquad-")} <= set(tables.NAMES)


def test_an_encoder_is_trained_before_the_legs_that_need_it():
    made = set()
    for leg in plan.planned():
        if isinstance(leg, legs.Pretraining):
            made.add(leg.encoder)
        if isinstance(leg, (legs.Tuning, legs.Lines)):
            assert leg.model in made | {legs.MINILM, legs.GPT2}, leg.name


def test_the_settings_of_every_leg_are_settings_of_its_task_and_recipe():
    for leg in plan.planned(seeds=(0,)):
        if isinstance(leg, legs.Tuning):
            chosen = sets.SETS[leg.set]
            run = Finetuning(model="model", start=leg.start)
            words = [f"task={chosen.task}", "data.train=train", *leg.common, *chosen.settings, *leg.settings]
            assert overridden(run, words).checked().training.budget
        elif isinstance(leg, legs.Pretraining):
            words = [f"training.minutes={leg.minutes}", "data.store=store", *leg.settings]
            assert overridden(RECIPES.load(leg.recipe)(), words).checked().training.minutes == leg.minutes


def test_pretraining_and_random_weights_are_given_the_same_but_their_learning_rates():
    worth = [leg for leg in plan.planned() if leg.table == "worth"]
    for leg in worth:
        other = "random" if leg.start == "pretrained" else "pretrained"
        [peer] = [each for each in worth if (each.set, each.seed, each.start) == (leg.set, leg.seed, other)]
        without = [tuple(word for word in each.settings if "_rate=" not in word) for each in (leg, peer)]
        assert without[0] == without[1]


# ---------------------------------------------------------------- cutting


@given(st.integers(0, 60), st.integers(0, 30), st.integers(0, 30))
def test_what_is_drawn_is_disjoint_in_order_and_the_same_again(count, one, other):
    drawn = cutting.drawn(count, None, one, other)
    together = [number for each in drawn for number in each]
    assert len(set(together)) == len(together) <= count
    assert set(together) <= set(range(count))
    assert all(each == sorted(each) for each in drawn)
    assert drawn == cutting.drawn(count, None, one, other)
    if one + other <= count:
        assert [len(each) for each in drawn] == [count - one - other, one, other]


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))
    return path


def squad(prefix, articles=6):
    """A file of SQuAD's form: an article has a paragraph of two questions."""
    data = []
    for number in range(articles):
        context = f"{prefix} {number} is in the house."
        answers = [{"text": f"{number}", "answer_start": len(prefix) + 1}]
        asked = [{"id": f"{number}-{q}", "question": f"which {q}?", "answers": answers} for q in range(2)]
        data.append({"title": str(number), "paragraphs": [{"context": context, "qas": asked}]})
    return json.dumps({"data": data})


def read(files, name, task):
    data = overridden(Finetuning(), list(files.settings)).data
    path = data.tests[""] if name == "test" else getattr(data, name)
    return TASKS.load(task)().read(path, data.columns)


def test_a_table_keeps_its_header_and_gives_the_validation_that_it_lacks(tmp_path):
    rows = "".join(f"text {number}\t{number % 2}\n" for number in range(30))
    written(tmp_path / "a/train.tsv.gz", "sentence\tlabel\n" + rows)
    written(tmp_path / "a/dev.tsv.gz", "sentence\tlabel\nx\t1\ny\t0\n")
    wanted = sets.Set("classification", "accuracy", "table", "a/train.tsv.gz", None, "a/dev.tsv.gz", (20, 5, None))
    files = sets.made(wanted, tmp_path, tmp_path / "made")
    train, held_out = ({row.text for row in read(files, name, "classification")} for name in ("train", "validation"))
    assert (len(train), len(held_out), len(train & held_out)) == (20, 5, 0)
    assert [row.text for row in read(files, "test", "classification")] == ["x", "y"]
    assert files.sizes == {"train": 20, "validation": 5, "test": 2}
    shutil.rmtree(tmp_path / "a")
    assert sets.made(wanted, tmp_path, tmp_path / "made") == files


def test_sentences_stay_whole_and_marks_of_documents_are_none(tmp_path):
    blocks = [f"-DOCSTART- -X- O O\n\nEU{number} NNP I-NP I-ORG\nsays VBZ I-VP O" for number in range(8)]
    written(tmp_path / "train.txt.gz", "\n\n".join(blocks) + "\n")
    wanted = sets.Set("token_classification", "f1", "sentences", "train.txt.gz", None, None, (None, 2, 3))
    files = sets.made(wanted, tmp_path, tmp_path / "made")
    assert files.sizes == {"train": 3, "validation": 2, "test": 3}
    assert all(len(each.spans) == 2 for each in read(files, "train", "token_classification"))


def test_lines_with_a_tag_that_hardly_occurs_are_left_out(tmp_path):
    lines = ["充满/v 希望/n\n"] * 60 + ["面试/vvn 希望/n\n"] * 3
    written(tmp_path / "days.txt.gz", "".join(lines))
    wanted = sets.Set("token_classification", "f1", "tagged lines", "days.txt.gz", None, None, (None, 10, 10))
    files = sets.made(wanted, tmp_path, tmp_path / "made")
    assert files.sizes == {"train": 40, "validation": 10, "test": 10}
    tags = {tag for each in read(files, "train", "token_classification") for tag in each.tags}
    assert tags == {"v", "n"}


def test_the_articles_that_test_are_the_same_in_every_language_and_train_in_none(tmp_path):
    for language in ("en", "de"):
        written(tmp_path / f"x.{language}.json.gz", squad(language))
    wanted = sets.Set(
        "question_answering", "f1", "articles", "x.{}.json.gz", None, None, (None, 1, 2), languages=("en", "de")
    )
    files = sets.made(wanted, tmp_path, tmp_path / "made")
    data = overridden(Finetuning(), list(files.settings)).data
    task = TASKS.load("question_answering")()
    tests = {name: {each.name for each in task.read(path, data.columns)} for name, path in data.tests.items()}
    assert tests["en"] == tests["de"]
    assert not tests["en"] & {each.name for each in task.read(data.train, data.columns)}
    assert files.sizes == {"train": 6, "validation": 2, "test.en": 4, "test.de": 4}


def test_each_article_is_tested_in_one_fold_and_trains_in_the_others(tmp_path):
    written(tmp_path / "x.json.gz", squad("en"))
    wanted = sets.Set("question_answering", "f1", "articles", "x.json.gz", None, None, (None, 1, None))
    tested = []
    for number in range(3):
        files = sets.made(replace(wanted, fold=(number, 3)), tmp_path, tmp_path / str(number))
        names = {name: {q.name for q in read(files, name, "question_answering")} for name in sets.SPLITS}
        assert sum(map(len, names.values())) == len(set.union(*names.values())) == 12
        tested += names["test"]
    assert len(tested) == len(set(tested)) == 12


def test_two_files_of_equal_lines_stay_side_by_side(tmp_path):
    for name in ("train", "val", "test"):
        for language in ("en", "de"):
            written(tmp_path / f"{name}.{language}.gz", "".join(f"{language} {n}\n" for n in range(9)))
    words = ("data.text=en", "data.label=de")
    wanted = sets.Set("sequence_to_sequence", "chrf", "en-de", "train", "val", "test", (4, 2, 3), words)
    files = sets.made(wanted, tmp_path, tmp_path / "made")
    columns = overridden(TaskData(), ["text=en", "label=de"]).columns
    rows = TASKS.load("sequence_to_sequence")().read(files.settings[0].partition("=")[2], columns)
    assert len(rows) == 4
    assert all(row.text[2:] == row.label[2:] for row in rows)


# ---------------------------------------------------------------- legs


@pytest.fixture
def place(tmp_path, files, folder_of, monkeypatch):
    """A place with one encoder, and a set `reviews` of tiny files."""
    monkeypatch.setattr("unmask.tasks.finetuning.peak_flops", lambda *given: 1e12)
    shutil.copytree(folder_of("modernbert"), tmp_path / "encoders" / "english")
    (tmp_path / "data" / "tasks").mkdir(parents=True)
    for name in ("train", "dev"):
        shutil.copy(files / f"{name}.tsv", tmp_path / "data" / "tasks")
    tiny = sets.Set("classification", "accuracy", "table", "train.tsv", None, "dev.tsv", (100, 20, None))
    monkeypatch.setitem(sets.SETS, "reviews", tiny)
    monkeypatch.setitem(tables.NAMES, "reviews", "Reviews")
    return legs.Place(tmp_path / "data", tmp_path / "to", tmp_path / "encoders", TINY)


def test_a_leg_is_kept_passed_over_the_next_time_and_stands_in_the_table(place, capsys, monkeypatch):
    two = [legs.Tuning("worth", "reviews", "english", 5, seed, "random") for seed in (0, 1)]
    assert running.all_done(two, place) == []
    record = json.loads((place.to / "legs" / "reviews-english-random-0.json").read_text())
    assert set(record["figures"]) == {"validation", "test"}
    assert record["sizes"] == {"train": 100, "validation": 20, "test": 40}
    assert record["stock_gap"] < 1e-4
    assert {"commit", "machine", "seconds", "date", "versions"} <= set(record)
    assert not (place.to / "runs" / "reviews-english-random-0" / "model").exists()
    monkeypatch.setattr(legs.Tuning, "run", lambda *given: pytest.fail("it is done"))
    assert running.all_done(two, place) == []
    assert "2 of 2 legs are done" in capsys.readouterr().out
    monkeypatch.setattr(tables, "RESULTS", place.to)
    main(["--to", str(place.to), "--tables", str(place.to / "told.md")])
    assert len(json.loads((place.to / "tasks.json").read_text())) == 2
    told = (place.to / "told.md").read_text()
    mean = sum(json.loads(path.read_text())["figures"]["test"]["accuracy"] for path in place.to.glob("legs/*")) / 2
    assert f"| Reviews | accuracy | 100 / 40 | {100 * mean:.1f} ± " in told
    assert "1 fine-tuned folders were loaded by the stock Auto class" in told


def test_a_leg_that_fails_or_waits_does_not_keep_the_next_one(place, capsys, monkeypatch):
    def run(self, place):
        if self.label == "bad":
            raise DataError("the file is not there")
        return {"figures": {"test": {"accuracy": 1.0}}, "baselines": {}, "sizes": {"train": 1}}

    monkeypatch.setattr(legs.Tuning, "run", run)
    leg = legs.Tuning("beside", "reviews", "english", 5)
    three = [replace(leg, label="bad"), replace(leg, model="chinese"), leg]
    assert running.all_done(three, place) == ["reviews-english-bad-0"]
    out = capsys.readouterr().out
    assert "failed: DataError: the file is not there" in out
    assert "passed over: it waits for the encoder chinese, the leg encoder-chinese" in out
    assert [path.stem for path in (place.to / "legs").iterdir()] == ["reviews-english-0"]


def test_a_leg_of_other_settings_is_not_taken_for_the_one_asked(place, monkeypatch):
    monkeypatch.setattr(legs.Tuning, "run", lambda *given: {"figures": {}, "sizes": {}, "baselines": {}})
    monkeypatch.setattr(running, "_told", lambda figures: "")
    leg = legs.Tuning("beside", "reviews", "english", 5)
    running.done(leg, place)
    with pytest.raises(SystemExit, match=r"reviews-english-0.json was made with other settings: remove it, or take"):
        running.all_done([replace(leg, settings=("training.epochs=9",))], place)


def test_a_leg_done_before_there_was_a_setting_counts_as_done_at_its_default(place, monkeypatch):
    monkeypatch.setattr(legs.Pretraining, "run", lambda *given: {"figures": {}})
    monkeypatch.setattr(running, "_told", lambda figures: "")
    leg = legs.Pretraining("english", ("en.txt",), 1, 100, "english")
    running.done(leg, place)
    path = running.record_of(leg, place)
    record = json.loads(path.read_text())
    del record["settings"]["indented"], record["settings"]["settings"]
    path.write_text(json.dumps(record))
    assert running.known(leg, place) == record
    with pytest.raises(SystemExit, match="made with other settings"):
        running.known(replace(leg, indented=True), place)


def test_legs_are_chosen_by_name_or_table_and_an_unknown_name_is_told():
    planned = plan.planned()
    assert {leg.table for leg in running.chosen(planned, ["minilm"])} == {"minilm"}
    assert [leg.name for leg in running.chosen(planned, ["rte-*-0", "encoder-chinese"])] == [
        "rte-english-0",
        "encoder-chinese",
    ]
    with pytest.raises(SystemExit, match=r"^error: no leg is called 'rtf'; --plan shows them"):
        running.chosen(planned, ["rtf"])


def test_the_command_shows_its_plan_and_wants_to_know_where_the_data_are(tmp_path, capsys, monkeypatch):
    main(["--data", str(tmp_path), "--to", str(tmp_path / "to"), "--plan", "--minutes", "english=60"])
    out = capsys.readouterr().out
    assert "encoder-english                    about 1 h 2 min" in out
    monkeypatch.delenv("UNMASK_DATA", raising=False)
    with pytest.raises(SystemExit, match=r"^error: --data FOLDER"):
        main(["--plan"])


# ---------------------------------------------------------------- tables


def test_a_verdict_is_welchs_difference_over_its_standard_error():
    ours, others = [0.81, 0.82, 0.80], [0.70, 0.74, 0.69]
    expected = stats.ttest_ind(ours, others, equal_var=False).statistic
    assert tables.verdict(ours, others) == ("+10.0", f"{expected:.1f}", "pretraining wins")
    assert tables.verdict(others, ours)[2] == "random wins"
    assert tables.verdict([0.5, 0.6, 0.7], [0.5, 0.6, 0.8])[2] == "no difference seen"
    assert tables.verdict([0.5], [0.4])[2] == "too few seeds"
