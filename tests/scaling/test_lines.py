"""The lines of a text that needs no training to be known."""

from __future__ import annotations

from unmask.config import changed
from unmask.run import Run
from unmask.scaling.lines import lines_of


def test_neighbours_tell_more_than_frequency_in_a_language_of_fixed_sentences(store):
    lines = lines_of(store, changed(Run(), data={"row_length": 32}))
    assert 0 < lines.ngram < lines.unigram - 1


def test_the_unigram_line_is_that_of_an_evaluation(store):
    from unmask.comparison.baselines import Unigram
    from unmask.evaluation.blanks import make_blanks
    from unmask.evaluation.masked import score_blanks

    blanks = make_blanks(store.tokenizer(), store.documents("validation"), 32, 0.15, None)
    judged = score_blanks(blanks, Unigram.of(store).predict)
    assert abs(lines_of(store, changed(Run(), data={"row_length": 32})).unigram - judged["loss"]) < 1e-5
