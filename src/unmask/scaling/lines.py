"""The two losses that say how much of a text can be known without training: the lines that the law speaks between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.comparison.ngrams import Ngrams
from unmask.evaluation.blanks import make_blanks
from unmask.evaluation.masked import score_blanks
from unmask.scaling.law import Lines

if TYPE_CHECKING:
    from unmask.run import Run
    from unmask.tokens.store import Store

COUNTED = 2_000_000
"""Tokens from which the n-gram filler is counted, the same for every text: the line says what the text is like, not how
much of it there is."""
ASKED = 100_000
"""Held-out tokens that are read, of which the blanks are a share: with half of them the n-gram line of one text was off
by 0.03 nats, and what was expected of a run of ten minutes by 0.06."""


def lines_of(store: Store, run: Run) -> Lines:
    """The unigram and the n-gram line of a store's held-out text, with the blanks of a run. Takes some seconds."""
    documents, tokenizer = store.documents("validation"), store.tokenizer()
    blanks = make_blanks(tokenizer, documents, run.data.row_length, run.evaluation.share, ASKED)
    figures = score_blanks(blanks, Ngrams.of(store, COUNTED).predict, store.token_counts)
    return Lines(unigram=figures["unigram_loss"], ngram=figures["loss"])
