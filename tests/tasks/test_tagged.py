"""Files of words with tags: every format gives a text, words as spans of it, and their tags."""

import pytest

from unmask.errors import DataError
from unmask.tasks.tables import Columns
from unmask.tasks.tagged import read_tagged


def read(folder, name, text, labelled=True, **columns):
    (folder / name).write_text(text, encoding="utf-8")
    found = read_tagged(str(folder / name), Columns(**columns), labelled)
    return [(each.text, [each.text[a:b] for a, b in each.spans], each.tags) for each in found]


CONLL = "-DOCSTART- -X- O O\n\nEU NNP I-ORG\nrejects VBZ O\n# NN O\n\nPeter NNP I-PER\nBlackburn NNP I-PER\n"


def test_conll_columns_become_bio_over_words_with_blanks_between(tmp_path):
    assert read(tmp_path, "a.txt", CONLL) == [
        ("EU rejects #", ["EU", "rejects", "#"], ("B-ORG", "O", "O")),
        ("Peter Blackburn", ["Peter", "Blackburn"], ("B-PER", "I-PER")),
    ]


def test_another_column_is_chosen_by_its_number(tmp_path):
    assert read(tmp_path, "a.txt", CONLL, label="2")[1] == ("Peter Blackburn", ["Peter", "Blackburn"], ("NNP", "NNP"))


def test_han_characters_stand_together_and_bmes_is_read(tmp_path):
    found = read(tmp_path, "a.txt", "吴\tB-NAME\n重\tM-NAME\n阳\tE-NAME\n，\tO\n")
    assert found == [("吴重阳，", list("吴重阳，"), ("B-NAME", "I-NAME", "I-NAME", "O"))]


def test_words_with_parts_of_speech_and_a_comment_line(tmp_path):
    found = read(tmp_path, "a.txt", "# doc = ca01 category = news\n\nThe\tat\nCounty\tnn-tl\n")
    assert found == [("The County", ["The", "County"], ("at", "nn-tl"))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "# doc = ca01\nThe_AT Fulton_NP\n\nand/or_CC\n",
            [("The Fulton", ["The", "Fulton"], ("AT", "NP")), ("and/or", ["and/or"], ("CC",))],
        ),
        (
            "[中央/n 电视台/n]nt １９９８年/t\n江/nr 泽民/nr ，/w\n",
            [
                ("中央电视台１９９８年", ["中央", "电视台", "１９９８年"], ("n", "n", "t")),
                ("江泽民，", ["江", "泽民", "，"], ("nr", "nr", "w")),
            ],
        ),
    ],
    ids=["Brown", "People's Daily"],
)
def test_words_with_their_tags_on_a_line_are_a_sentence(tmp_path, text, expected):
    assert read(tmp_path, "a.txt", text) == expected


def test_a_word_without_its_tag_on_a_line_of_others_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.txt:4: 'fox' has no tag; each word needs one, as in the lines before"):
        read(tmp_path, "a.txt", "a/DT\nb/DT\nc/DT\nthe/DT fox\n")


def test_slashes_in_columns_are_letters_of_words(tmp_path):
    assert read(tmp_path, "a.txt", "AC/DC B_ORG\nsings O\n")[0][1:] == (["AC/DC", "sings"], ("B_ORG", "O"))


CONLLU = """# text = I don't go zum Hafen.
1\tI\t_\tPRON\tPRP\t_\t_\t_\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\t_\tAUX\tVBP\t_\t_\t_\t_\t_
3\tn't\t_\tPART\tRB\t_\t_\t_\t_\t_
3.1\tgone\t_\tVERB\tVB\t_\t_\t_\t_\t_
4\tgo\t_\tVERB\tVB\t_\t_\t_\t_\t_
5-6\tzum\t_\t_\t_\t_\t_\t_\t_\t_
5\tzu\t_\tADP\tIN\t_\t_\t_\t_\t_
6\tdem\t_\tDET\tDT\t_\t_\t_\t_\t_
7\tHafen\t_\tNOUN\tNN\t_\t_\t_\t_\tSpaceAfter=No
8\t.\t_\tPUNCT\t.\t_\t_\t_\t_\t_
"""


def test_conllu_keeps_the_text_and_parts_forms_where_the_words_make_up_their_letters(tmp_path):
    [(text, words, tags)] = read(tmp_path, "a.conllu", CONLLU)
    assert text == "I don't go zum Hafen."
    assert words == ["I", "do", "n't", "go", "zum", "Hafen", "."]
    assert tags == ("PRON", "AUX", "PART", "VERB", "ADP+DET", "NOUN", "PUNCT")
    assert read(tmp_path, "a.conllu", CONLLU, label="xpos")[0][2][0] == "PRP"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"words": ["Ann", "runs"], "tags": ["S-PER", "O"]}', ("Ann runs", ["Ann", "runs"], ("B-PER", "O"))),
        ('{"tokens": ["我", "爱"], "ner_tags": ["O", "O"]}', ("我爱", ["我", "爱"], ("O", "O"))),
        (
            '{"text": "To New York!", "spans": [{"start": 3, "end": 11, "label": "LOC"}]}',
            ("To New York!", ["To", "New", "York", "!"], ("O", "B-LOC", "I-LOC", "O")),
        ),
        (
            '{"text": "浙商银行", "label": {"company": {"浙商": [[0, 1]]}}}',
            ("浙商银行", list("浙商银行"), ("B-company", "I-company", "O", "O")),
        ),
        (
            '{"text": "ex-Soviet", "entities": [{"start": 3, "end": 6, "label": "X", "text": "Sov"}]}',
            ("ex-Soviet", ["ex", "-", "Sov", "iet"], ("O", "O", "B-X", "O")),
        ),
    ],
    ids=["words", "characters", "spans", "cluener", "inside a word"],
)
def test_json_lines_hold_words_or_spans(tmp_path, line, expected):
    assert read(tmp_path, "a.jsonl", line + "\n") == [expected]


def test_files_without_tags_are_read_where_none_are_needed(tmp_path):
    assert read(tmp_path, "a.txt", "one\ntwo\n", labelled=False) == [("one two", ["one", "two"], None)]
    assert read(tmp_path, "a.jsonl", '{"text": "one"}\n', labelled=False) == [("one", ["one"], None)]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "one O\ntwo\n", r"a\.txt:2 has 1 column \('two'\): a word and its tag are needed"),
        ("a.txt", "\n\n", r"a\.txt holds no examples: a word and its tag a line, an empty line behind each sentence"),
        ("a.conllu", "one\tO\n", r"a\.conllu:1 \('one.O'\) is not CoNLL-U"),
        ("a.tsv", "text\tlabel\nx\t1\n", r"a table has one label a line, for the task classification or regression"),
        ("a.jsonl", '{"words": ["a", "b"], "tags": ["O"]}', r"a\.jsonl:1 has 2 words and 1 tags: a tag for each word"),
        ("a.jsonl", '{"words": ["a", " "], "tags": ["O", "O"]}', r"a\.jsonl:1 has an empty word: remove it"),
        ("a.jsonl", '{"words": ["a"]}', r"a\.jsonl:1 has no tags \(it has: words\): name them with data\.label=KEY"),
        ("a.jsonl", '{"text": " ", "spans": []}', r"a\.jsonl:1 is empty: give a text"),
        ("a.jsonl", '{"sentence": "x"}', r"a\.jsonl:1 has neither a list of words nor a text \(it has: sentence\)"),
        (
            "a.jsonl",
            '{"text": "Rome", "spans": [{"start": 0, "end": 9, "label": "LOC"}]}',
            r"the span 0 to 9 of LOC does not match the text: 'Rome' stands there, the text has 4 characters",
        ),
        (
            "a.jsonl",
            '{"text": "Rome", "spans": [{"start": 0, "end": 2, "label": "LOC", "text": "Rome"}]}',
            r"the span 0 to 2 of LOC does not match the text: 'Ro' stands there, 'Rome' is meant",
        ),
        (
            "a.jsonl",
            '{"text": "A B C", "spans": [{"start": 0, "end": 3, "label": "A"}, {"start": 2, "end": 5, "label": "B"}]}',
            r"the spans of A and B overlap: ",
        ),
        (
            "a.jsonl",
            '{"text": "A B", "spans": [{"start": 0, "end": 3, "label": "A"}, {"start": 0, "end": 3, "label": "B"}]}',
            r"the spans of A and B overlap: ",
        ),
        ("a.jsonl", '{"text": "x", "spans": [{"begin": 0}]}', r"is not understood: start, end and label are needed"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(tmp_path, name, text, words):
    with pytest.raises(DataError, match=words):
        read(tmp_path, name, text)


def test_a_span_inside_of_another_is_left_out_and_told_of(tmp_path, capsys):
    book, firm = '"book": {"on the Bank of X": [[0, 15]]}', '"company": {"Bank": [[7, 10]]}'
    [(_, words, tags)] = read(tmp_path, "a.jsonl", f'{{"text": "on the Bank of X", "label": {{{firm}, {book}}}}}')
    assert (words, tags) == (["on", "the", "Bank", "of", "X"], ("B-book", *["I-book"] * 4))
    told = " ".join(capsys.readouterr().err.split())
    assert "1 spans lie inside of others, the first on line 1; the outer ones are kept, as a word has one tag" in told
