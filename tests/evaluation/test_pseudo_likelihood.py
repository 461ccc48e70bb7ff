"""Pseudo-log-likelihoods equal what the stock class gives, one masked row at a time."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.corpus.documents import Document
from unmask.errors import DataError, SettingError
from unmask.evaluation.pseudo_likelihood import (
    PLL_METRICS,
    original,
    pseudo_perplexity,
    within_word_l2r,
    word_starts,
)
from unmask.models import load
from unmask.tokens.training import TokenizerSettings, train_tokenizer

SENTENCES = [
    "Nobody remembers the lighthouse.",
    "The boat leaves.",
    "Wall",
    "Every lighthouse, every harbour and every boat passes who remembers why!",
    "The wall passes the boat.",
    "Leaves.",
]


@pytest.fixture(scope="module")
def model(bert: Path):
    return load(bert)


def reference(folder: Path, text: str, within_words: bool = False) -> list[tuple[int, float]]:
    """(id, log-probability) of each token by the stock class and tokenizer, a row at a time."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    stock = AutoModelForMaskedLM.from_pretrained(folder).eval()
    encoded = tokenizer(text, return_tensors="pt")
    ids, words = encoded["input_ids"][0], encoded.word_ids()
    found = []
    for place, word in enumerate(words):
        if word is None:
            continue
        row = ids.clone()
        for other in range(place, len(words)):
            if other == place or (within_words and words[other] == word):
                row[other] = tokenizer.mask_token_id
        with torch.no_grad():
            logits = stock(input_ids=row[None]).logits[0, place]
        found.append((int(ids[place]), float(logits.log_softmax(-1)[ids[place]])))
    return found


@pytest.mark.parametrize("metric", ["original", "within_word_l2r"])
def test_every_token_has_the_log_probability_that_the_stock_class_gives_it(metric, bert, model):
    scores = model.score(SENTENCES, metric=metric)
    assert any(len(scored.tokens) > len(scored.words) for scored in scores), "words of several pieces are needed"
    for text, scored in zip(SENTENCES, scores, strict=True):
        expected = reference(bert, text, within_words=metric == "within_word_l2r")
        assert [model.tokenizer.id(token.text) for token in scored.tokens] == [token for token, _ in expected]
        assert [token.score for token in scored.tokens] == pytest.approx([value for _, value in expected], abs=1e-4)


@pytest.mark.parametrize("metric", ["original", "within_word_l2r"])
def test_scores_equal_those_of_minicons(metric, bert, model):
    from minicons.scorer import MaskedLMScorer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bert)
    tokenizer.batch_encode_plus = tokenizer.__call__  # minicons 0.3 calls it by a name that transformers 5 dropped
    peer = MaskedLMScorer(str(bert), "cpu", tokenizer=tokenizer)
    expected = peer.sequence_score(SENTENCES, reduction=lambda scores: scores.sum(0).item(), PLL_metric=metric)
    assert [scored.total for scored in model.score(SENTENCES, metric=metric)] == pytest.approx(expected, abs=1e-3)


def test_hiding_the_rest_of_a_word_changes_the_scores_of_words_of_several_pieces_alone(model):
    plain, hidden = (model.score("Nobody passes the lighthouse.", metric=metric) for metric in PLL_METRICS)
    for a, b in zip(plain.words, hidden.words, strict=True):
        pieces = [token for token in plain.tokens if a.start <= token.start < a.end]
        assert (a.score == pytest.approx(b.score, abs=1e-5)) == (len(pieces) == 1)


def test_a_score_is_the_sum_over_tokens_and_over_words(model):
    scored = model.score("Nobody remembers the lighthouse.")
    assert [word.text for word in scored.words] == ["Nobody", "remembers", "the", "lighthouse", "."]
    assert all(scored.text[word.start : word.end] == word.text for word in scored.words)
    assert scored.total == pytest.approx(sum(token.score for token in scored.tokens))
    assert scored.total == pytest.approx(sum(word.score for word in scored.words))
    assert scored.mean == pytest.approx(scored.total / len(scored.tokens))
    assert scored.word_mean == pytest.approx(scored.total / 5)
    assert scored.pseudo_perplexity == pytest.approx(math.exp(-scored.mean))


def test_the_pseudo_perplexity_of_several_texts_weighs_their_tokens(model):
    scores = model.score(SENTENCES)
    values = [token.score for scored in scores for token in scored.tokens]
    assert pseudo_perplexity(scores) == pytest.approx(math.exp(-sum(values) / len(values)))


class Spy:
    """A model for which all tokens are alike; it keeps the rows it was asked about."""

    def __init__(self, tokenizer, row_limit: int = 32) -> None:
        self.tokenizer, self.row_limit, self.device = tokenizer, row_limit, "cpu"
        self.rows: list[tuple[list[int], list[int], int]] = []

    def predict(self, tokens, groups, rows, columns):
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            self.rows.append((tokens[row].tolist(), groups[row].tolist(), column))
        return torch.zeros(len(rows), self.tokenizer.vocabulary_size)


def score(model, texts, **settings):
    from unmask.evaluation.pseudo_likelihood import score

    return score(model, texts, **settings)


def test_every_token_is_asked_for_once_in_a_row_of_its_own_and_the_frame_never(model):
    tokenizer = model.tokenizer
    spy = Spy(tokenizer)
    scored = score(spy, "The boat leaves.")
    ids = [tokenizer.cls_id, *tokenizer.encode(["The boat leaves."])[0].ids.tolist(), tokenizer.sep_id]
    assert sorted(column for _, _, column in spy.rows) == list(range(1, len(ids) - 1))
    for row, groups, column in spy.rows:
        assert row == [*ids[:column], tokenizer.mask_id, *ids[column + 1 :]]
        assert groups == [1] * len(ids)
    assert scored.pseudo_perplexity == pytest.approx(tokenizer.vocabulary_size), "who knows nothing hesitates among all"


def test_what_is_written_like_a_special_token_is_text(model):
    spy = Spy(model.tokenizer)
    score(spy, "The [MASK].")
    assert all(row.count(model.tokenizer.mask_id) == 1 for row, _, _ in spy.rows)


def test_an_unknown_token_is_scored_as_any_other(model):
    scored = model.score("The Ω.")
    assert [token.text for token in scored.tokens][1] == "[UNK]"
    assert all(token.score < 0 for token in scored.tokens)


@pytest.mark.parametrize("batch_tokens", [1, 40, 100_000])
def test_scores_do_not_depend_on_the_batches(batch_tokens, model):
    together = model.score(SENTENCES, batch_tokens=batch_tokens)
    for text, scored in zip(SENTENCES, together, strict=True):
        assert scored.total == pytest.approx(model.score(text).total, abs=1e-4)


def test_texts_of_the_same_tokens_have_the_same_score_to_the_last_bit(model):
    first, other, again = model.score(["The Ω.", "Wall", "The Ж."])
    assert [token.score for token in first.tokens] == [token.score for token in again.tokens]
    assert first.total != other.total


def test_no_texts_have_no_scores(model):
    assert model.score([]) == []


# ---------------------------------------------------------------- what is hidden, and what belongs to a word


def test_what_each_metric_hides():
    starts = np.array([True, True, False, False, True])  # un|for giv able|.
    assert original(starts).tolist() == [1, 2, 3, 4, 5]
    assert within_word_l2r(starts).tolist() == [1, 4, 4, 4, 5]


@given(st.lists(st.booleans(), max_size=30).map(lambda rest: np.array([True, *rest])))
def test_what_is_hidden_begins_with_the_token_itself_and_stays_in_its_word(starts):
    word = np.cumsum(starts)
    for name in PLL_METRICS:
        for place, stop in enumerate(PLL_METRICS.load(name)(starts).tolist()):
            assert stop > place
            assert (word[place:stop] == word[place]).all()
            if name == "within_word_l2r":
                assert stop == len(word) or word[stop] != word[place]


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
@pytest.mark.parametrize("text", ["It's 3 o'clock... (no!)", "我爱北京。 Yes", "  two  blanks "])
def test_tokens_that_share_a_word_by_their_offsets_are_not_parted(kind, text):
    settings = TokenizerSettings(kind=kind, vocabulary_size=300, minimum_frequency=1)
    tokenizer = train_tokenizer([Document("d", "It was a clock, no more. Blank is blank; two.\n" * 20, "s")], settings)
    [encoded] = tokenizer.encode([text])
    words = [match.span() for match in re.finditer(r"[一-鿿]|[^\W一-鿿]+(?:'[^\W一-鿿]+)*|[^\w\s]", text)]
    before: set[int] = set()
    for start, end, new in zip(encoded.starts, encoded.ends, word_starts([text], [encoded])[0], strict=True):
        touched = {number for number, (a, b) in enumerate(words) if start < b and end > a}
        assert new == before.isdisjoint(touched)
        before |= touched
    assert len(before) == len(words)


def test_the_words_of_a_text_do_not_depend_on_the_texts_beside_it(model):
    texts = ["The wall", "s", "'s why.", "\u0301a", "Leaves"]
    encoded = model.tokenizer.encode(texts)
    together = word_starts(texts, encoded)
    alone = [word_starts([text], [tokens])[0] for text, tokens in zip(texts, encoded, strict=True)]
    assert [each.tolist() for each in together] == [each.tolist() for each in alone]


# ---------------------------------------------------------------- what cannot be scored


@pytest.mark.parametrize("empty", ["", "  \n "])
def test_an_empty_text_is_refused(empty, model):
    with pytest.raises(DataError, match=r"^the text is empty: give one with words in it$"):
        model.score(empty)
    with pytest.raises(DataError, match=r"^text 2 of 3 is empty"):
        model.score(["Wall", empty, "Wall"])


def test_a_text_longer_than_the_model_reads_is_refused_with_its_limit(model):
    model.score("the " * 30)
    with pytest.raises(
        DataError,
        match=r'^the text \("the the .*\.\.\."\) has 31 tokens, the model reads 30 at most: score its',
    ):
        model.score("the " * 31)


def test_an_unknown_metric_is_answered_with_the_nearest(model):
    with pytest.raises(SettingError, match=r"unknown metric 'orginal'; did you mean 'original'\?"):
        model.score("Wall", metric="orginal")


def test_a_batch_without_tokens_is_refused(model):
    with pytest.raises(SettingError, match=r"batch_tokens=0: a whole number from 1 is needed"):
        model.score("Wall", batch_tokens=0)
