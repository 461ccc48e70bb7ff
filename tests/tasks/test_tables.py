"""Tables of examples: which columns are read, and the line that answers each mistake."""

import gzip
import json

import pytest

from unmask.errors import DataError
from unmask.tasks.tables import LABELS, SCORES, Columns, read_rows


def read(path, labels=LABELS, **columns):
    return [(row.text, row.second, row.label) for row in read_rows(str(path), Columns(**columns), labels)]


def written(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sentence\tlabel\ngood film \t1\n", ("good film", None, "1")),
        ("label\ttext\nnews\t好\n", ("好", None, "news")),
        ("index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n", ("a", "b", "entailment")),
        ("index\tquestion\tsentence\tlabel\n0\twho?\tme\tyes\n", ("who?", "me", "yes")),
        ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\ta\tb\n", ("a", "b", "1")),
        ('text\tlabel\nhe said "no\tx\n', ('he said "no', None, "x")),
    ],
    ids=["sst2", "tnews", "rte", "qnli", "mrpc", "a lone quote"],
)
def test_the_usual_columns_are_found(tmp_path, text, expected):
    assert read(written(tmp_path, "a.tsv", text)) == [expected]


def test_a_score_is_the_label_of_a_regression(tmp_path):
    path = written(tmp_path, "a.tsv", "genre\tsentence1\tsentence2\tscore\nx\ta\tb\t3.5\n")
    assert read(path, SCORES) == [("a", "b", "3.5")]


def test_columns_are_named_by_settings_and_by_number_where_there_is_no_header(tmp_path):
    path = written(tmp_path, "a.csv", 'body,kind\n"one, two\nthree",x\n')
    assert read(path, text="body", label="kind") == [("one, two\nthree", None, "x")]
    path = written(tmp_path, "b.tsv", "gj04\t1\t\tA sentence.\ncj99\t0\t*\tOther one.\n")
    assert read(path, text="4", label="2") == [("A sentence.", None, "1"), ("Other one.", None, "0")]


def test_a_first_label_that_is_the_number_of_a_column_makes_no_header_line(tmp_path):
    path = written(tmp_path, "a.tsv", "1\tgood\n0\tbad\n")
    assert read(path, text="2", label="1") == [("good", None, "1"), ("bad", None, "0")]


def test_json_lines_and_compressed_files_are_read(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({"text": "a", "label": [1, "x"]}).encode() + b"\n\n"))
    assert read(path) == [("a", None, [1, "x"])]


def test_a_file_without_labels_is_read_where_none_are_needed(tmp_path):
    assert read(written(tmp_path, "a.tsv", "text\nx\n"), None) == [("x", None, None)]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.tsv", "words\tlabel\nx\t1\n", r"a\.tsv:2: no text column is known \(it has: words, label\): name it with"),
        (
            "a.tsv",
            "text\tkind\nx\t1\n",
            r"a\.tsv:2: no label column is known \(it has: text, kind\): name it with data",
        ),
        ("a.tsv", "text\tlabel\nx\t1\ny\n", r"a\.tsv:3 has 1 columns where the first line has 2; mend the line"),
        ("a.tsv", "text\tlabel\nx\t1\n  \t1\n", r"a\.tsv:3: 'text' is empty: a text is needed; fill it in or remove"),
        ("a.tsv", "text\tlabel\n", r"a\.tsv holds no examples: at least one line below the header is needed"),
        ("a.jsonl", '{"text": "x", "label": 1}\nx\n', r"a\.jsonl:2 is not JSON .*: a JSON object a line is needed"),
        ("a.jsonl", "[1]\n", r"a\.jsonl:1 holds a list: a JSON object a line is needed"),
        ("a.jsonl", '{"text": 3, "label": 1}\n', r"a\.jsonl:1: 'text' holds a int where a text is needed"),
        ("a.conll", "x O\n", r"not '\.conll'; a file of words with tags is for the task token_classification"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(tmp_path, name, text, words):
    with pytest.raises(DataError, match=words):
        read(written(tmp_path, name, text))


def test_a_column_that_is_not_there_and_a_file_that_is_not_there(tmp_path):
    path = written(tmp_path, "a.tsv", "text\tlabel\nx\t1\n")
    with pytest.raises(DataError, match=r"no column 'body' \(it has: text, label\): name one with data\.text=COLUMN"):
        read(path, text="body")
    with pytest.raises(DataError, match=r"b\.tsv: no such file; give a \.tsv, \.csv or \.jsonl file of examples"):
        read(tmp_path / "b.tsv")
