"""What filling promises: the pipeline's numbers for one blank, fair comparison of lengths, and joint probabilities."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from unmask.errors import DataError, SettingError
from unmask.generation.blanks import find_blanks, row_of
from unmask.generation.fill import fill
from unmask.models import Model


def pipeline(model: Model):
    import transformers

    return transformers.pipeline("fill-mask", model=str(model.path), device="cpu")


def log_probabilities(model: Model, tokens: list[int]) -> torch.Tensor:
    """An independent way to the scores: transformers itself, one row, every place."""
    from transformers import AutoModelForMaskedLM

    stock = AutoModelForMaskedLM.from_pretrained(model.path).eval()
    with torch.no_grad():
        return stock(input_ids=torch.tensor([tokens])).logits[0].log_softmax(-1)


# ---------------------------------------------------------------- one blank


@pytest.mark.parametrize("text", ["The cat [MASK] on a mat", "[MASK]", "the [MASK]s", "天空是[MASK]色的"])
def test_one_blank_is_filled_exactly_as_the_pipeline_fills_it(bert: Model, text: str) -> None:
    assert_equal(fill(bert, text, top_k=7), pipeline(bert)(text, top_k=7))


@pytest.mark.parametrize("text", ["the cat <mask> on a", "<mask> cat", "on<mask>"])
def test_words_with_their_leading_space_are_filled_as_the_pipeline_fills_them(roberta: Model, text: str) -> None:
    assert_equal(fill(roberta, text, top_k=7), pipeline(roberta)(text, top_k=7))


@pytest.mark.parametrize("text", ["the cat [MASK] on the", "[MASK] cat", "on[MASK]s the"])
def test_unigram_models_are_filled_as_the_pipeline_fills_them(albert: Model, text: str) -> None:
    assert_equal(fill(albert, text, top_k=7), pipeline(albert)(text, top_k=7))


def test_targets_of_one_token_are_scored_as_the_pipeline_scores_them(bert: Model) -> None:
    text, targets = "The cat [MASK] on a mat", ["sat", "is", "dog"]
    assert_equal(fill(bert, text, targets=targets), pipeline(bert)(text, targets=targets))


def assert_equal(found: list[dict], expected: list[dict]) -> None:
    assert [set(each) for each in found] == [{"score", "token", "token_str", "sequence"}] * len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["score"] == pytest.approx(theirs["score"], rel=1e-4)
        assert [ours[key] for key in ("token", "token_str", "sequence")] == [
            theirs[key] for key in ("token", "token_str", "sequence")
        ]


@pytest.mark.parametrize("blank", ["[MASK]", "<mask>", "___", "________", "[MASK:1]", "<mask:1>"])
def test_every_way_of_writing_a_blank_means_the_same(bert: Model, roberta: Model, blank: str) -> None:
    assert fill(bert, f"the {blank} sat") == fill(bert, "the [MASK] sat")
    assert fill(roberta, f"the {blank} on") == fill(roberta, "the <mask> on")


def flat(found: list) -> list[dict]:
    return [each for part in found for each in (part if isinstance(part, list) else [part])]


def test_a_list_of_texts_gives_what_each_gives_alone(bert: Model) -> None:
    texts = ["the [MASK] sat", "a ___ sat on the mat", "[MASK] is [MASK]"]
    for together, alone in zip(fill(bert, texts, batch=2), [fill(bert, text) for text in texts], strict=True):
        assert [each["token"] for each in flat(together)] == [each["token"] for each in flat(alone)]
        assert [e["score"] for e in flat(together)] == pytest.approx([e["score"] for e in flat(alone)], rel=1e-4)


# ---------------------------------------------------------------- several blanks


def test_independent_blanks_see_each_other_blank(bert: Model) -> None:
    found = fill(bert, "the [MASK] sat on a [MASK]", top_k=3)
    expected = log_probabilities(bert, [2, 5, 4, 8, 9, 10, 4, 3])
    for fillings, place in zip(found, (2, 6), strict=True):
        values, tokens = expected[place].topk(3)
        assert [each["token"] for each in fillings] == tokens.tolist()
        assert [each["score"] for each in fillings] == pytest.approx(values.exp().tolist(), rel=1e-4)
        assert all(each["sequence"].count("[MASK]") == 1 for each in fillings)


def test_a_joint_score_is_the_probability_by_the_chain_rule_from_the_surest_blank(bert: Model) -> None:
    found = fill(bert, "the [MASK] sat on a [MASK]", joint=True, top_k=4)
    row = [2, 5, 4, 8, 9, 10, 4, 3]
    first_pass = log_probabilities(bert, row)
    first, second = sorted((2, 6), key=lambda place: -float(first_pass[place].max()))
    for each in found:
        token = dict(zip((2, 6), each["token"], strict=True))
        filled = [*row]
        filled[first] = token[first]
        expected = first_pass[first, token[first]] + log_probabilities(bert, filled)[second, token[second]]
        assert each["score"] == pytest.approx(math.exp(float(expected)), rel=1e-4)
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)


def test_the_best_joint_filling_is_the_best_of_all_when_the_beam_is_as_wide_as_the_vocabulary(bert: Model) -> None:
    [best, *_] = fill(bert, "the [MASK] on [MASK] mat", joint=True, top_k=bert.vocabulary_size)
    row = [2, 5, 4, 9, 4, 11, 3]
    first_pass = log_probabilities(bert, row)
    first, second = sorted((2, 4), key=lambda place: -float(first_pass[place].max()))
    scores = {}
    for token in range(bert.vocabulary_size):
        after = log_probabilities(bert, [*row[:first], token, *row[first + 1 :]])[second]
        for other in range(bert.vocabulary_size):
            scores[{first: token, second: other}[2], {first: token, second: other}[4]] = float(
                first_pass[first, token] + after[other]
            )
    assert tuple(best["token"]) == max(scores, key=scores.get)
    assert sum(map(math.exp, scores.values())) == pytest.approx(1, abs=1e-4), "a joint probability sums to one"


def test_a_joint_filling_has_no_blank_left(bert: Model) -> None:
    for each in fill(bert, "[MASK] cat [MASK:2]", joint=True):
        assert len(each["token"]) == len(each["token_str"]) == 2
        assert len(each["token"][1]) == 2


# ---------------------------------------------------------------- several tokens in one blank


def test_a_word_of_several_tokens_is_scored_from_left_to_right_and_by_its_mean(bert: Model) -> None:
    """cats = cat ##s: log p(cat | both masked) and log p(##s | cat), never p(cat | ##s)."""
    [cats] = fill(bert, "the [MASK] sat", targets=["cats"])
    before = log_probabilities(bert, [2, 5, 4, 4, 8, 3])[2, bert.tokenizer.id("cat")]
    after = log_probabilities(bert, [2, 5, bert.tokenizer.id("cat"), 4, 8, 3])[3, bert.tokenizer.id("##s")]
    assert cats["score"] == pytest.approx(math.exp(float(before + after) / 2), rel=1e-4)
    assert cats["token"] == [bert.tokenizer.id("cat"), bert.tokenizer.id("##s")]


def test_targets_of_different_lengths_stand_in_one_list_likeliest_first(bert: Model) -> None:
    targets = ["cats", "dog", "dogs", "cat"]
    found = fill(bert, "the ___ sat", targets=targets, top_k=10)
    assert sorted(each["token_str"].replace(" ##", "") for each in found) == sorted(targets)
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)


def test_a_target_of_byte_level_bpe_gets_the_tokens_it_has_inside_the_sentence(roberta: Model) -> None:
    """After a space `cat` is the one token ' cat'; at the start of the text it is 'cat'."""
    assert fill(roberta, "the ___", targets=["cat"])[0]["token"] == roberta.tokenizer.id("Ġcat")
    assert fill(roberta, "___ on", targets=["cat"])[0]["token"] == roberta.tokenizer.id("cat")


def test_a_blank_of_unknown_length_takes_the_best_mean_over_its_lengths(bert: Model) -> None:
    found = fill(bert, "the ___ sat", longest=2, top_k=3)
    one = log_probabilities(bert, [2, 5, 4, 8, 3])[2]
    scores = {(token,): float(one[token]) for token in range(bert.vocabulary_size)}
    two = log_probabilities(bert, [2, 5, 4, 4, 8, 3])[2]
    # The beam follows the eight likeliest beginnings; so does the check.
    for first in two.topk(8).indices.tolist():
        after = log_probabilities(bert, [2, 5, first, 4, 8, 3])[3]
        scores |= {(first, second): float(two[first] + after[second]) / 2 for second in range(bert.vocabulary_size)}
    expected = sorted(scores, key=scores.get, reverse=True)[:3]
    tokens = [tuple(each["token"]) if isinstance(each["token"], list) else (each["token"],) for each in found]
    assert tokens == expected
    assert [each["score"] for each in found] == pytest.approx([math.exp(scores[e]) for e in expected], rel=1e-4)


def test_a_blank_that_says_its_length_has_it(bert: Model) -> None:
    assert all(len(each["token"]) == 3 for each in fill(bert, "the [MASK:3] mat", longest=5))


def test_masks_of_a_row_stand_where_the_blanks_were(bert: Model) -> None:
    for lengths in itertools.product((1, 2), repeat=2):
        text = "the ___ sat on ___"
        row, places = row_of(bert, text, find_blanks(text, "[MASK]"), lengths)
        assert [len(blank) for blank in places] == list(lengths)
        assert (
            sorted(place for blank in places for place in blank)
            == np.flatnonzero(np.array(row) == bert.mask_id).tolist()
        )


# ---------------------------------------------------------------- mistakes


def test_a_text_without_blank_is_told_how_to_write_one(bert: Model) -> None:
    with pytest.raises(SettingError, match=r'^no blank in "the cat sat": write one as \[MASK\] or ___'):
        fill(bert, "the cat sat")


def test_a_text_too_long_is_told_the_limit(bert: Model) -> None:
    with pytest.raises(DataError, match="has 33 tokens, the model reads 24 at most: shorten the text"):
        fill(bert, "the " * 30 + "[MASK]")


def test_a_target_with_unknown_characters_is_named(bert: Model) -> None:
    with pytest.raises(SettingError, match="target 'zebra' has characters the tokenizer does not know"):
        fill(bert, "the ___ sat", targets=["cat", "zebra"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"top_k": 0}, "top_k=0: a whole number from 1"),
        ({"targets": []}, "at least one word"),
        ({"targets": ["cat", " "]}, "none may be empty"),
        ({"targets": "cat"}, "a list of words"),
        ({"targets": ["cat"], "joint": True}, "leave joint out"),
        ({"joint": True, "longest": 2}, r"write \[MASK:2\]"),
        ({"targets": ["cat"], "longest": 2}, "leave longest out"),
    ],
)
def test_settings_that_cannot_be_are_refused(bert: Model, settings: dict, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        fill(bert, "the ___ sat", **settings)


def test_a_blank_of_no_token_is_refused(bert: Model) -> None:
    with pytest.raises(SettingError, match="blank of 0 tokens"):
        fill(bert, "the [MASK:0] sat")
