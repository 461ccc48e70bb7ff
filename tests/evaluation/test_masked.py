"""Scoring blanks: models whose figures are known in advance, and one line for a model that does not fit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from unmask.corpus.documents import Document
from unmask.errors import ModelError
from unmask.evaluation import masked
from unmask.evaluation.blanks import Blanks, make_blanks
from unmask.evaluation.masked import Sample, samples, score_blanks
from unmask.tokens.training import TokenizerSettings, train_tokenizer

KEYS = [
    "loss",
    "perplexity",
    "token_accuracy",
    "word_accuracy",
    "word_error_rate",
    "bits_per_character",
    "unigram_loss",
    "masked_tokens",
]
TEXT = (
    "The old harbour lies below the town. Every boat that leaves it passes the lighthouse! Nobody remembers who built "
    "the wall, but the stones are older than the church. In spring the river carries wood and sand. "
    "Children counted the sails, one after another, until evening came.\n"
)
DOCUMENTS = [Document(f"d{n}", TEXT * (1 + n % 3), "s") for n in range(12)]
TOKENIZER = train_tokenizer(DOCUMENTS, TokenizerSettings(kind="wordpiece", vocabulary_size=120, minimum_frequency=1))
SIZE = TOKENIZER.vocabulary_size


@pytest.fixture(scope="module")
def blanks() -> Blanks:
    return make_blanks(TOKENIZER, DOCUMENTS, 40)


class Knowing:
    """A model that has read the text: it finds each row by what stands around its blanks."""

    def __init__(self, blanks: Blanks, sure: float = 50.0) -> None:
        self.sure = sure
        self.answers: dict[tuple[int, ...], dict[int, int]] = {}
        for row, column, target in zip(blanks.rows, blanks.columns, blanks.targets, strict=True):
            self.answers.setdefault(self.key(blanks.tokens[row]), {})[int(column)] = int(target)
        self.calls: list[tuple[int, ...]] = []

    @staticmethod
    def key(tokens) -> tuple[int, ...]:
        return tuple(token for token in map(int, tokens) if token != TOKENIZER.pad_id)

    def __call__(self, tokens, groups, rows, columns):
        self.calls.append(tuple(tokens.shape))
        assert ((groups > 0) == (tokens != TOKENIZER.pad_id)).all()
        assert (tokens[rows, columns] == TOKENIZER.mask_id).all()
        logits = torch.zeros(len(rows), SIZE)
        for place, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
            logits[place, self.answers[self.key(tokens[row])][column]] = self.sure
        return logits


def constant(logits: torch.Tensor):
    """A model that says the same everywhere."""
    return lambda tokens, groups, rows, columns: logits.expand(len(rows), -1)


def test_the_figures_have_the_names_that_other_tools_rely_on(blanks):
    assert list(score_blanks(blanks, constant(torch.zeros(SIZE)), np.ones(SIZE))) == KEYS


def test_a_model_that_knows_the_text_makes_no_mistake(blanks):
    figures = score_blanks(blanks, Knowing(blanks))
    assert figures["loss"] == pytest.approx(0, abs=1e-6)
    assert figures["perplexity"] == pytest.approx(1)
    assert figures["token_accuracy"] == figures["word_accuracy"] == 1
    assert figures["word_error_rate"] == figures["bits_per_character"] == pytest.approx(0, abs=1e-6)
    assert figures["unigram_loss"] is None
    assert figures["masked_tokens"] == len(blanks)


def test_a_model_that_knows_nothing_loses_the_logarithm_of_the_vocabulary(blanks):
    figures = score_blanks(blanks, constant(torch.zeros(SIZE)))
    assert figures["loss"] == pytest.approx(math.log(SIZE), rel=1e-5)
    assert figures["perplexity"] == pytest.approx(SIZE, rel=1e-4)
    bits = len(blanks) * math.log2(SIZE) / blanks.characters.sum()
    assert figures["bits_per_character"] == pytest.approx(bits, rel=1e-5)


def test_a_model_of_frequencies_stands_on_the_unigram_line(blanks):
    counts = np.random.default_rng(0).integers(0, 50, SIZE)
    figures = score_blanks(blanks, constant(torch.from_numpy(np.log(counts + 1.0))), counts)
    assert figures["loss"] == pytest.approx(figures["unigram_loss"], rel=1e-5)


def test_a_wrong_word_is_an_error_in_the_restored_text():
    """[MASK] is no text: said in place of one word, that word is missing."""
    blanks = make_blanks(TOKENIZER, DOCUMENTS[:1], 40, share=0.3)
    knowing = Knowing(blanks)
    place = int(np.flatnonzero(blanks.characters == 5)[0])  # a word between blanks
    for row, column in zip(blanks.rows[blanks.words == place], blanks.columns[blanks.words == place], strict=True):
        knowing.answers[Knowing.key(blanks.tokens[row])][int(column)] = TOKENIZER.mask_id
    figures = score_blanks(blanks, knowing)
    assert figures["word_accuracy"] == pytest.approx(1 - 1 / len(blanks.spans))
    assert figures["token_accuracy"] == pytest.approx(1 - (blanks.words == place).sum() / len(blanks))
    assert figures["word_error_rate"] == pytest.approx(1 / len(TEXT.split()))


def test_each_source_has_the_figures_it_would_have_alone():
    mixed = [replace(document, source="ab"[n % 2]) for n, document in enumerate(DOCUMENTS)]
    predict = constant(torch.sin(torch.arange(SIZE) * 0.7))
    counts = np.arange(SIZE)
    figures = score_blanks(make_blanks(TOKENIZER, mixed, 40), predict, counts)
    assert list(figures) == [*KEYS, "sources"]
    for n, name in enumerate("ab"):
        alone = score_blanks(make_blanks(TOKENIZER, mixed[n::2], 40), predict, counts)
        assert figures["sources"][name] == pytest.approx(alone)
    together = score_blanks(make_blanks(TOKENIZER, DOCUMENTS, 40), predict, counts)
    assert {key: figures[key] for key in KEYS} == pytest.approx(together)


@pytest.mark.parametrize("batch_rows", [1, 3, 64])
def test_the_figures_do_not_depend_on_how_rows_are_batched(blanks, batch_rows):
    def looking(tokens, groups, rows, columns):
        """Scores that depend on the whole row, its padding excepted."""
        seen = (tokens * groups * torch.arange(1, tokens.shape[1] + 1)).sum(dim=1)[rows]
        return torch.sin(seen[:, None] * 0.1 + columns[:, None] + torch.arange(SIZE) * 0.7) * 3

    figures = score_blanks(blanks, looking, batch_rows=batch_rows)
    assert figures == pytest.approx(score_blanks(blanks, looking, batch_rows=len(blanks.tokens)))


def test_only_so_many_logits_are_asked_at_once_and_rows_are_cut_to_the_longest(blanks, monkeypatch):
    monkeypatch.setattr(masked, "LOGITS_AT_ONCE", 10 * SIZE)
    knowing, asked = Knowing(blanks), []

    def predict(tokens, groups, rows, columns):
        asked.append(len(rows))
        assert bool(groups[:, -1].any())
        return knowing(tokens, groups, rows, columns)

    assert score_blanks(blanks, predict)["token_accuracy"] == 1
    assert sum(asked) == len(blanks)
    assert max(asked) <= max(10, int(np.bincount(blanks.rows).max()))


def test_a_model_that_knows_fewer_tokens_than_the_text_is_refused(blanks):
    few = int(blanks.targets.max())
    with pytest.raises(
        ModelError, match=f"the tokenizer has {SIZE} tokens but the model only {few}: evaluate the model"
    ):
        score_blanks(blanks, constant(torch.zeros(few)))


# ---------------------------------------------------------------- sentences to look at


def test_samples_show_sentences_with_blanks_and_what_the_model_made_of_them(blanks):
    shown = samples(blanks, Knowing(blanks), 4)
    assert 1 <= len(shown) <= 4
    assert len(set(shown)) == len(shown)
    sentences = {"".join(part.split()) for part in TEXT.replace("!", ".").split(".")}
    for sample in shown:
        assert sample.restored == sample.original
        assert "".join(sample.original.rstrip(".!").split()) in sentences
        assert sample.blanked.count("[MASK]") == len(sample.words) > 0
        assert all(true == said and true in sample.original for true, said in sample.words)


def test_samples_are_the_same_sentences_for_every_model(blanks):
    ignorant = torch.zeros(SIZE)
    ignorant[TOKENIZER.encode(["the"])[0].ids[0]] = 1.0
    knowing, other = samples(blanks, Knowing(blanks), 3), samples(blanks, constant(ignorant), 3)
    assert [sample.blanked for sample in knowing] == [sample.blanked for sample in other]
    assert any(sample.restored != sample.original for sample in other)
    said = {word for sample in other for true, new in sample.words if new != true for word in new.split()}
    assert said == {"the"}


def test_a_text_without_a_readable_sentence_still_gives_a_sample():
    text = " ".join(["harbour"] * 400)
    blanks = make_blanks(TOKENIZER, [Document("x", text, "s")], 64)
    (sample, *_) = samples(blanks, constant(torch.zeros(SIZE)), 2)
    assert isinstance(sample, Sample)
    assert "[MASK]" in sample.blanked
