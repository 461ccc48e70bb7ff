"""Tagged texts: the forms they come in, the tag of a word, and of one never seen."""

from __future__ import annotations

import gzip

import pytest

from unmask.errors import DataError
from unmask.tokens.lexicon import Lexicon, tagged_words

CONLLU = """# sent_id = 1
1\tThe\tthe\tDET\tDT\t_\t2\tdet\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVB\t_\t0\troot\t_\t_
3\tn't\tnot\tPART\tRB\t_\t2\tadvmod\t_\t_
3.1\tgone\tgo\tVERB\t_\t_\t_\t_\t_\t_

1\t#\t#\tSYM\tNN\t_\t0\troot\t_\t_
"""


def lexicon(tmp_path, text: str) -> Lexicon:
    path = tmp_path / "tagged.txt"
    path.write_text(text, encoding="utf-8")
    return Lexicon.read(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CONLLU, [("The", "DET"), ("do", "AUX"), ("n't", "PART"), ("#", "SYM")]),
        ("# doc = a\n\nThe\tat\n.\t.\n", [("The", "at"), (".", ".")]),
        ("The/at and/or/cc ./.\n//w\n", [("The", "at"), ("and/or", "cc"), (".", "."), ("/", "w")]),
        ("a_b_NN 1/2_CD __SYM", [("a_b", "NN"), ("1/2", "CD"), ("_", "SYM")]),
        (
            "[中央/n 电视台/n]nt 的/u  [/w ]/w",
            [("中央", "n"), ("电视台", "n"), ("的", "u"), ("[", "w"), ("]", "w")],
        ),
    ],
)
def test_tagged_texts_of_each_form_give_their_words(tmp_path, text, words):
    path = tmp_path / "tagged.txt.gz"
    path.write_bytes(gzip.compress(text.encode("utf-8")))
    assert list(tagged_words(str(path))) == words


def test_a_word_has_the_tag_it_mostly_has(tmp_path):
    made = lexicon(tmp_path, "run/VERB run/NOUN run/VERB Run/PROPN the/DET the/DET the/DET the/DET")
    assert [made.tag(word) for word in ("run", "Run", "RUN", "The")] == ["VERB", "PROPN", "VERB", "DET"]
    assert set(made.tags[:2]) == {"DET", "VERB"}
    assert list(made.forms)[:2] == ["the", "run"]


def test_a_word_never_seen_has_the_tag_of_most_words_with_its_longest_known_ending(tmp_path):
    made = lexicon(tmp_path, "walking/VERB talking/VERB king/NOUN quickly/ADV slowly/ADV fly/NOUN 同胞/n 们/k 人们/k")
    assert made.tag("STALKING") == "VERB"  # -lking
    assert made.tag("xly") == "ADV"  # -ly, with two adverbs and a noun
    assert made.tag("我们") == "k"
    assert made.tag_by_ending("a fly") == "NOUN"  # -fly
    assert made.tag("?") == made.endings[""] == "VERB"  # as many words as others have, and the first to come


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The/at\nfox jumps/vbz\n", r"tagged.txt:2: 'fox' has no tag; a tagged text is CoNLL-U, a word and its tag"),
        ("a\tb\tc\n", r"tagged.txt:1: 3 columns; a tagged text is"),
        ("The\tat\nfox\t\n", r"tagged.txt:2: no tag"),
        ("# only a comment\n", r"tagged.txt holds no words with tags: give a tagged text"),
    ],
)
def test_a_file_that_is_no_tagged_text_is_named_with_its_line(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        lexicon(tmp_path, text)


def test_a_missing_tagged_text_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.conllu cannot be read: No such file"):
        Lexicon.read(str(tmp_path / "nowhere.conllu"))


def test_the_fingerprint_follows_the_tags_alone(tmp_path):
    one = lexicon(tmp_path, "a/DET b/NOUN").fingerprint
    assert lexicon(tmp_path, "a_DET\nb_NOUN\n").fingerprint == one
    assert lexicon(tmp_path, "a/DET b/VERB").fingerprint != one
