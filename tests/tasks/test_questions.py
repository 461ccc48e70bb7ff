"""Files of questions: what is read, and what is said of those that cannot be."""

import gzip
import json
import os
from pathlib import Path

import pytest

from unmask.errors import DataError
from unmask.tasks.questions import Gold, read_questions, typed
from unmask.tasks.tables import Columns

CONTEXT = "Paris is the capital of France. Paris is big."
CAPITAL = {"text": "Paris", "answer_start": 0}


def squad(*records, context=CONTEXT):
    return {"version": "v2.0", "data": [{"title": "x", "paragraphs": [{"context": context, "qas": list(records)}]}]}


def written(path, content):
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def test_squad_files_of_both_versions_are_read(tmp_path):
    first = {
        "id": "7",
        "question": " What is the capital? ",
        "answers": [CAPITAL, CAPITAL, {"text": "Paris", "answer_start": 32}],
    }
    second = {"question": "Who?", "is_impossible": True, "answers": [], "plausible_answers": [CAPITAL]}
    path = written(tmp_path / "train.json.gz", squad(first, second))
    one, other = read_questions(path, Columns(), True)
    assert (one.text, one.context, one.name) == ("What is the capital?", CONTEXT, "7")
    assert one.answers == (Gold("Paris", 0), Gold("Paris", 32))
    assert one.answers[0].end == 5
    assert other.answers == ()
    assert other.place == other.name == f"{path}: data[0].paragraphs[0].qas[1]"


def test_a_question_a_line_is_read_in_both_forms_and_with_columns_of_ones_own(tmp_path):
    lines = [
        {"question": "Where?", "context": CONTEXT, "answers": [CAPITAL]},
        {"question": "Where?", "context": CONTEXT, "answers": {"text": ["France"], "answer_start": [24]}},
        {"question": "Who?", "context": CONTEXT, "answers": []},
    ]
    path = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    assert [each.answers for each in read_questions(path, Columns(), True)] == [
        (Gold("Paris", 0),),
        (Gold("France", 24),),
        (),
    ]
    path = written(tmp_path / "b.jsonl", json.dumps({"q": "Where?", "review": CONTEXT, "said": [CAPITAL]}))
    [found] = read_questions(path, Columns("q", "review", "said"), True)
    assert (found.text, found.context, found.answers) == ("Where?", CONTEXT, (Gold("Paris", 0),))


def test_answers_are_not_needed_to_predict(tmp_path):
    path = written(tmp_path / "a.jsonl", json.dumps({"question": "Where?", "context": CONTEXT}))
    assert read_questions(path, Columns(), False)[0].answers is None
    path = written(tmp_path / "a.json", squad({"question": "Where?"}))
    assert read_questions(path, Columns(), False)[0].answers is None


def test_a_typed_question_has_its_context_behind_a_tab():
    found = typed("Where? \tIn Paris.", "text 1")
    assert (found.text, found.context, found.answers) == ("Where?", "In Paris.", None)
    for text in ("Where?", "Where?\t ", "\tIn Paris."):
        with pytest.raises(DataError, match="text 1 is not a question and its context: give both, with a tab between"):
            typed(text, "text 1")


def answer(**fields):
    return {"question": "Where?", "answers": [{"text": "Paris", "answer_start": 0} | fields]}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (
            answer(answer_start=1),
            r"qas\[0\]: at character 1 of the context stands 'aris', not the answer 'Paris'; that stands at 0: mend",
        ),
        (answer(answer_start=30), "that stands at 32: mend answer_start"),
        (answer(answer_start=-1), "that stands at 0: mend answer_start"),
        (answer(text="Lyon"), "the answer 'Lyon' is not in the context; it is to be copied out of it"),
        (answer(answer_start=None), "the answer 'Paris' has no answer_start; it stands at character 0"),
        (answer(text=" "), "an answer holds an empty text where a text is needed; leave it out if there is none"),
        (answer() | {"is_impossible": True}, "is_impossible and has answers: remove one or the other"),
        ({"question": "Where?"}, "no 'answers'; a list of answers is needed, an empty one where the text has none"),
        (
            {"question": "Where?", "answers": "Paris"},
            "'answers' holds the text 'Paris' where a list of text and answer_start",
        ),
        ({"question": "Where?", "answers": {"text": ["x"], "answer_start": []}}, "'answers' has 1 texts, 0 starts"),
        ({"answers": []}, r"no 'question' \(it has: answers\); a question and its context are needed"),
        ({"question": 3, "answers": []}, "'question' holds a int where a text is needed"),
    ],
)
def test_a_record_that_cannot_be_used_is_named(record, words, tmp_path):
    path = written(tmp_path / "a.json", squad(record))
    with pytest.raises(DataError, match=words) as told:
        read_questions(path, Columns(), True)
    assert str(told.value).startswith(f"{path}: data[0].paragraphs[0].qas[0]")
    assert "\n" not in str(told.value)
    line = written(tmp_path / "a.jsonl", "\n" + json.dumps(record | {"context": CONTEXT}))
    with pytest.raises(DataError) as told:
        read_questions(line, Columns(), True)
    assert str(told.value).startswith(f"{line}:2")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.tsv",
            "question\tanswer",
            r"a.tsv: questions are read from .json \(SQuAD's form\) or .jsonl .*, not '.tsv'",
        ),
        ("a.json", "{", r"a.json is not JSON \(.*\); a file with a question a line is to be called .jsonl"),
        ("a.json", [], "a.json holds a list where an object with a list 'data', as SQuAD has it, is needed"),
        ("a.json", {"rows": []}, "a.json holds only rows where an object with a list 'data'"),
        ("a.json", {"data": [{"title": "x"}]}, r"data\[0\] holds only title where a list 'paragraphs' is needed"),
        (
            "a.json",
            {"data": [{"paragraphs": [{"context": "x"}]}]},
            r"paragraphs\[0\] holds only context where a list 'qas'",
        ),
        ("a.json", {"data": [{"paragraphs": [{"qas": []}]}]}, r"paragraphs\[0\]: no 'context' \(it has: qas\)"),
        ("a.json", squad(), "a.json holds no questions"),
        ("a.jsonl", "[]", "a.jsonl:1 holds a list: a JSON object a line is needed"),
    ],
)
def test_a_file_of_another_form_is_named(name, content, words, tmp_path):
    with pytest.raises(DataError, match=words):
        read_questions(written(tmp_path / name, content), Columns(), True)


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"none.json: no such file; give a .json file of SQuAD's form, or .jsonl"):
        read_questions("none.json", Columns(), True)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count", "without"),
    [
        ("multi/xquad/xquad.en.json.gz", 1190, 0),
        ("multi/xquad/xquad.zh.json.gz", 1190, 0),
        ("zh/cmrc2018/cmrc2018_dev.json.gz", 3219, 0),
        ("en/subjqa/dev.jsonl.gz", 957, 498),
    ],
)
def test_real_files_are_read_whole(name, count, without):
    found = read_questions(str(Path(os.environ["UNMASK_DATA"]) / "tasks" / name), Columns(), True)
    assert len(found) == count
    assert sum(not each.answers for each in found) == without
