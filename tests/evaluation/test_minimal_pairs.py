"""Minimal pairs: strictly likelier is right, accuracies are means over paradigms, files are read as BLiMP has them."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import zstandard

import unmask
from unmask.corpus.documents import Document
from unmask.errors import DataError, SettingError
from unmask.evaluation import SUITES, evaluate
from unmask.evaluation.minimal_pairs import Blimp, accuracies, chosen, judged, read_pairs
from unmask.evaluation.minimal_pairs import Pair as MinimalPair
from unmask.tokens.training import TokenizerSettings, train_tokenizer

TEXT = "the cats sleep . a cat sleeps . dogs bark loudly .\n" * 4
TOKENIZER = train_tokenizer([Document("d", TEXT, "s")], TokenizerSettings(kind="word", minimum_frequency=1))


class Fond:
    """A model that likes some words, wherever they stand: likelier by one nat each."""

    tokenizer, row_limit, device = TOKENIZER, 16, "cpu"

    def __init__(self, *words: str) -> None:
        self.logits = torch.zeros(TOKENIZER.vocabulary_size)
        for word in words:
            self.logits[TOKENIZER.id(word)] = 1.0

    def predict(self, tokens, groups, rows, columns):
        return self.logits.expand(len(rows), -1)


def pair(good: str, bad: str, uid: str = "agreement_1", term: str = "agreement", field: str = "syntax") -> MinimalPair:
    return MinimalPair(good, bad, field, term, uid)


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    made = {
        "sentence_good": f"the cats sleep {number}",
        "sentence_bad": f"the cats sleeps {number}",
        "field": "syntax",
        "linguistics_term": "agreement",
        "UID": "agreement_1",
        "pairID": str(number),
    }
    return made | changes


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows).encode()
    packed = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
    path.write_bytes(packed(text))
    return path


def test_a_pair_is_right_when_the_good_sentence_is_strictly_likelier():
    pairs = [pair("the cats sleep", "the cats sleeps"), pair("a cat sleeps", "a cat sleep")]
    assert judged(Fond("sleep"), pairs) == [True, False]
    assert judged(Fond("sleeps"), pairs) == [False, True]


def test_a_tie_is_wrong_also_between_words_the_tokenizer_does_not_know():
    pairs = [pair("the cats sleep", "the cats sleep"), pair("the zebras sleep", "the gnus sleep"), pair("cats", "cat")]
    assert judged(Fond("sleep"), pairs) == [False, False, False]


def test_accuracies_are_means_over_paradigms_and_not_over_pairs():
    pairs = [pair("x", "y", "a1", "a", "syntax")] * 4
    pairs += [pair("x", "y", "a2", "a", "syntax")] * 2
    pairs += [pair("x", "y", "b1", "b", "morphology")] * 5
    right = [True, True, True, False, True, False, False, False, False, False, True]
    assert accuracies(pairs, right) == {
        "accuracy": pytest.approx((0.75 + 0.5 + 0.2) / 3),
        "field": {"morphology": pytest.approx(0.2), "syntax": pytest.approx(0.625)},
        "linguistics_term": {"a": pytest.approx(0.625), "b": pytest.approx(0.2)},
        "UID": {"a1": 0.75, "a2": 0.5, "b1": pytest.approx(0.2)},
    }


def test_the_figures_of_a_folder_of_files(tmp_path):
    write(tmp_path / "one.jsonl", [row(n) for n in range(3)])
    other = {"UID": "number_1", "linguistics_term": "number", "field": "morphology"}
    write(tmp_path / "two.jsonl", [row(n, sentence_good="a cat", sentence_bad="a cats", **other) for n in range(2)])
    assert Blimp().judge(Fond("sleep", "cats"), tmp_path) == {
        "suite": "blimp",
        "metric": "original",
        "pairs": 5,
        "accuracy": 0.5,
        "field": {"morphology": 0.0, "syntax": 1.0},
        "linguistics_term": {"agreement": 1.0, "number": 0.0},
        "UID": {"agreement_1": 1.0, "number_1": 0.0},
    }


# ---------------------------------------------------------------- a sample


def test_a_sample_takes_as_many_pairs_of_each_paradigm_in_any_order_of_files():
    pairs = [pair(f"good {n}", f"bad {n}", uid) for uid in ("a", "b") for n in range(50)]
    some = chosen(pairs, 7)
    assert sorted(each.UID for each in some) == ["a"] * 7 + ["b"] * 7
    assert set(chosen(pairs[::-1], 7)) == set(some)
    assert set(some) < set(chosen(pairs, 8))
    assert some[:7] != pairs[:7], "not the first ones of each file"
    assert {each.good for each in some[:7]} != {each.good for each in some[7:]}


def test_a_sample_larger_than_a_paradigm_takes_all_of_it():
    pairs = [pair(f"good {n}", "bad") for n in range(3)]
    assert sorted(chosen(pairs, 10), key=str) == chosen(pairs, None) == pairs


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "data/a.jsonl"])
def test_files_are_read_compressed_or_not_and_from_the_folder_of_the_repository(name, tmp_path):
    write(tmp_path / name, [row(0), "", row(1, field="syntax/semantics")])
    (tmp_path / "README.md").write_text("about BLiMP")
    assert list(read_pairs(tmp_path)) == list(read_pairs(tmp_path / name))
    first, second = read_pairs(tmp_path)
    assert first == pair("the cats sleep 0", "the cats sleeps 0")
    assert second.field == "syntax_semantics", "one field, though BLiMP spells it in two ways"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            {"sentence_bad": None},
            r"a\.jsonl:3: no text under 'sentence_bad'; every line of BLiMP has sentence_good",
        ),
        ({"UID": " "}, r"a\.jsonl:3: no text under 'UID'"),
        ("{broken", r"a\.jsonl:3: not JSON \(.*\); get the file again"),
        ("[1]", r"a\.jsonl:3: a JSON value that is no object; BLiMP has one object a line"),
    ],
)
def test_a_line_that_is_no_pair_is_named_with_what_it_lacks(bad, said, tmp_path):
    write(tmp_path / "a.jsonl", [row(0), row(1), bad if isinstance(bad, str) else row(2, **bad)])
    with pytest.raises(DataError, match=said):
        list(read_pairs(tmp_path))


def test_a_missing_key_is_named(tmp_path):
    lacking = row(0)
    del lacking["linguistics_term"]
    write(tmp_path / "a.jsonl", [lacking])
    with pytest.raises(DataError, match=r"a\.jsonl:1: no text under 'linguistics_term'"):
        list(read_pairs(tmp_path))


def test_a_folder_without_pairs_is_named(tmp_path):
    with pytest.raises(DataError, match=r"has no \.jsonl files: --data takes the folder with those of BLiMP"):
        Blimp().judge(Fond(), tmp_path)
    with pytest.raises(DataError, match=r"nowhere: no such file or folder; --data takes the folder"):
        Blimp().judge(Fond(), tmp_path / "nowhere")
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(DataError, match=r"holds no pairs: --data takes the folder with those of BLiMP"):
        Blimp().judge(Fond(), tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", [row(n) for n in range(100)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.jsonl\.gz is damaged or cut short .*; get or make it again"):
        list(read_pairs(tmp_path))


# ---------------------------------------------------------------- as a suite


def test_evaluate_judges_by_a_suite(tmp_path):
    write(tmp_path / "a.jsonl", [row(n) for n in range(9)])
    figures = evaluate(Fond("sleep"), tmp_path, suite="blimp", sample=4)
    assert (figures["accuracy"], figures["pairs"]) == (1.0, 4)
    assert figures == SUITES.load("blimp")(sample=4).judge(Fond("sleep"), tmp_path)


def test_a_suite_that_cannot_be_run_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"unknown suite 'blmp'; did you mean 'blimp'\?"):
        evaluate(Fond(), tmp_path, suite="blmp")
    with pytest.raises(SettingError, match=r"the files of blimp are needed: name their folder with --data FOLDER"):
        evaluate(Fond(), suite="blimp")
    with pytest.raises(SettingError, match=r"a sample is drawn from a suite: name one, e.g. --suite blimp"):
        evaluate(Fond(), tmp_path, sample=3)
    with pytest.raises(SettingError, match=r"sample=0: a whole number of pairs from 1 is needed, e.g. 100"):
        evaluate(Fond(), tmp_path, suite="blimp", sample=0)


def test_a_stock_model_is_judged_from_its_folder(bert, tmp_path):
    write(tmp_path / "a.jsonl", [row(0, sentence_good="The boat leaves.", sentence_bad="The boat leave.")])
    figures = unmask.evaluate(bert, tmp_path, suite="blimp")
    model = unmask.load(bert)
    likelier = model.score("The boat leaves.").total > model.score("The boat leave.").total
    assert figures["accuracy"] == float(likelier)


@pytest.mark.data
def test_every_file_of_blimp_is_read_whole():
    pairs = list(read_pairs(Path(os.environ["UNMASK_DATA"]) / "blimp"))
    paradigms = {each.UID for each in pairs}
    assert len(pairs) == 1000 * len(paradigms)
    assert {each.field for each in pairs} == {"morphology", "semantics", "syntax", "syntax_semantics"}
