"""The figures of an evaluation as a person reads them: the table, and sentences with their blanks filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from unmask.console import table
from unmask.training.display import sentence

_ROWS = (
    ("loss", "loss", "nats per token"),
    ("unigram_loss", "unigram line", "nats: guessing by frequency alone"),
    ("perplexity", "perplexity", ""),
    ("token_accuracy", "tokens right", "of the masked ones"),
    ("word_accuracy", "words right", "of the masked ones, every token of the word"),
    ("word_error_rate", "word error rate", "of the restored text"),
    ("bits_per_character", "bits per character", "comparable across tokenizers"),
    ("masked_tokens", "masked tokens", ""),
)
_BY_SOURCE = ("loss", "unigram_loss", "perplexity", "word_accuracy", "masked_tokens")
_GROUPS = {"linguistics_term": "phenomenon", "UID": "paradigm"}
"""What the groupings of a suite are called on a page, where its files have other names."""
_SHARES = {"token_accuracy", "word_accuracy", "word_error_rate"}


def figures_table(figures: Mapping[str, Any], title: str) -> Table:
    """One row a figure, with what it means; a figure that is absent or unknown shows a dash."""
    rows = [[label, shown(key, figures.get(key)), _meaning(key, meaning, figures)] for key, label, meaning in _ROWS]
    made = table(title, ["", "", ""], rows)
    made.show_header = False
    made.columns[2].justify, made.columns[2].style = "left", "dim"
    return made


def figures_tables(figures: Mapping[str, Any], title: str) -> Group:
    """The figures of an evaluation, and those of each source of its text where there are several."""
    parts: list[Any] = [figures_table(figures, title)]
    if sources := figures.get("sources"):
        labels = {key: label for key, label, _ in _ROWS}
        rows = [[name, *(shown(key, own.get(key)) for key in _BY_SOURCE)] for name, own in sources.items()]
        parts += ["", table("by source", ["", *(labels[key] for key in _BY_SOURCE)], rows)]
    return Group(*parts)


def shown(key: str, value: float | None) -> str:
    """A figure in the digits that mean something: shares in percent, counts whole, the rest to three places."""
    if value is None:
        return "–"
    if key in _SHARES:
        return _percent(value)
    if key == "masked_tokens":
        return f"{value:,.0f}"
    return f"{value:,.1f}" if key == "perplexity" else f"{value:.3f}"


def suite_tables(figures: Mapping[str, Any], title: str) -> Group:
    """The accuracies of a suite: a table for each of its groupings, from the weakest name up; at the end of a long
    page, where it is seen, the coarsest of them and all together."""
    parts: list[Any] = []
    for group, accuracies in reversed(list(figures.items())):
        if isinstance(accuracies, Mapping):
            rows = [[name, _percent(share)] for name, share in sorted(accuracies.items(), key=lambda pair: pair[1])]
            parts += [table("", [_GROUPS.get(group) or group, "right"], rows), ""]
    overall = f"{_percent(figures['accuracy'])} right of {figures['pairs']:,} pairs (guessing: 50 %)"
    return Group(*parts, Text.assemble((title, "bold"), f": {overall}"))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def filled_blanks(samples: Sequence[tuple[str, str]]) -> Group:
    """Sentences of held-out documents, (masked, restored), the words that the model wrote in bold."""
    return Group(Text("blanks filled", "bold"), *(sentence(masked, restored) for masked, restored in samples))


def _meaning(key: str, meaning: str, figures: Mapping[str, Any]) -> str:
    loss, line = figures.get("loss"), figures.get("unigram_loss")
    if key == "loss" and loss is not None and line is not None:
        side = "under" if loss < line else "over"
        return f"{meaning}, {abs(line - loss):.2f} {side} the unigram line"
    return meaning
