"""Figures as a person reads them."""

import io

from rich.console import Console

from unmask.cli.figures import figures_table, figures_tables, filled_blanks, shown, suite_tables


def printed(thing) -> str:
    stream = io.StringIO()
    Console(file=stream, width=80).print(thing)
    return stream.getvalue()


def test_every_figure_has_the_digits_that_mean_something():
    assert shown("word_accuracy", 0.27314) == "27.3 %"
    assert shown("loss", 4.31214) == "4.312"
    assert shown("perplexity", 1234.56) == "1,234.6"
    assert shown("masked_tokens", 20312) == "20,312"
    assert shown("unigram_loss", None) == "–"


def test_a_model_that_came_without_counts_shows_a_dash_for_the_unigram_line():
    text = printed(figures_table({"loss": 2.0, "unigram_loss": None}, title="a model"))
    assert "unigram line" in text
    assert "–" in text
    assert "nats per token\n" in "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def test_a_model_worse_than_guessing_is_said_to_be_so():
    assert "0.50 over the unigram line" in printed(figures_table({"loss": 7.5, "unigram_loss": 7.0}, title="a model"))


def test_a_table_of_figures_fits_eighty_columns():
    figures = {"loss": 4.3121, "unigram_loss": 6.9, "perplexity": 12345.6, "masked_tokens": 123456789}
    lines = [line.rstrip() for line in printed(figures_table(figures, title="runs/mine")).splitlines()]
    assert max(map(len, lines)) <= 80
    assert len(lines) == 9, "one line a figure, and the title"


def test_the_sources_of_a_text_have_a_line_each_in_eighty_columns():
    own = {"loss": 4.3121, "unigram_loss": 6.9, "perplexity": 74.6, "word_accuracy": 0.123, "masked_tokens": 12345}
    figures = own | {"sources": {"wikipedia-en": own, "wikipedia-zh": own | {"unigram_loss": None}}}
    lines = [line.rstrip() for line in printed(figures_tables(figures, title="runs/mine")).splitlines()]
    assert max(map(len, lines)) <= 80
    [english] = [line for line in lines if line.startswith("wikipedia-en")]
    assert english.split() == ["wikipedia-en", "4.312", "6.900", "74.6", "12.3", "%", "12,345"]
    assert "–" in next(line for line in lines if line.startswith("wikipedia-zh"))


def test_a_long_sentence_is_cut_to_one_line():
    assert printed(filled_blanks([("a ___ " * 40, "a b " * 40)])).count("\n") == 2


def test_the_whole_of_a_suite_stands_below_its_parts_the_weakest_of_each_first():
    figures = {"accuracy": 0.5731, "pairs": 3400, "field": {"syntax": 0.6, "semantics": 0.5}, "UID": {"wh_island": 0.4}}
    lines = [" ".join(line.split()) for line in printed(suite_tables(figures, title="a model")).splitlines()]
    paradigms, fields = ["paradigm right", "wh_island 40.0 %"], ["field right", "semantics 50.0 %", "syntax 60.0 %"]
    assert lines == [*paradigms, "", *fields, "", "a model: 57.3 % right of 3,400 pairs (guessing: 50 %)"]
