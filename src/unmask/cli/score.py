"""`unmask score`: how likely a model finds texts, word by word."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from unmask import console
from unmask.cli.fill import lines
from unmask.cli.options import Json, ModelName, Quiet, examples
from unmask.errors import SettingError

if TYPE_CHECKING:
    from unmask.evaluation.pseudo_likelihood import Score

NAME = "score"
EXAMPLES = examples(
    'unmask score runs/demo "Returns a new array."',
    'unmask score runs/demo "They sing." "They sings." --json',
    "unmask score bert-base-uncased --file texts.txt",
    'unmask score runs/demo "A text." --metric within_word_l2r',
)


def command(
    model: ModelName,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="Texts to score; - reads lines.")] = None,
    file: Annotated[
        str | None, typer.Option(metavar="PATH|-", help="A text on each line; also .gz, .bz2, .xz or .zst.")
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="METRIC", help="original, or within_word_l2r: the rest of a word is hidden too.")
    ] = "original",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score texts: pseudo-log-likelihood and pseudo-perplexity."""
    from unmask.evaluation import PLL_METRICS

    PLL_METRICS[metric]  # before a model is loaded for nothing
    given = [*lines(texts or []), *_file_lines(file)]
    if not given:
        raise SettingError('which text? unmask score MODEL "A text.", or --file PATH with a text on each line')

    from unmask.evaluation.pseudo_likelihood import pseudo_perplexity, score
    from unmask.models import load

    loaded = load(model)
    scores = score(loaded, given, metric=metric)
    unknown = sum(token.text == loaded.tokenizer.special.get("unk") for one in scores for token in one.tokens)
    if unknown:
        console.warn(f"{unknown} of the tokens are unknown to the tokenizer: what they stand for does not count")
    together = {
        "metric": metric,
        "total": sum(scored.total for scored in scores),
        "tokens": sum(len(scored.tokens) for scored in scores),
        "words": sum(len(scored.words) for scored in scores),
        "pseudo_perplexity": pseudo_perplexity(scores),
    }
    if as_json:
        console.print_json(together | {"texts": [scored.as_dict() for scored in scores]})
    else:
        _show(scores, together["pseudo_perplexity"])
    console.next_step(f"unmask evaluate {model}")


def _file_lines(path: str | None) -> Iterator[str]:
    """The lines of a file, or of standard input for -; blank ones are passed over."""
    from unmask.corpus.files import text_lines

    for line in () if path is None else sys.stdin if path == "-" else text_lines(path):
        if line.strip():
            yield line.strip()


def _show(scores: list[Score], together: float) -> None:
    """One text word by word, or several as a line each; in the end the pseudo-perplexity."""
    made = _by_word(scores[0]) if len(scores) == 1 else _by_text(scores)
    console.console().print(made, "")
    console.console().print(f"[dim]pseudo-perplexity[/dim]  {together:,.2f}")


def _by_word(scored: Score) -> Table:
    rows = [[escape(word.text), f"{word.score:.3f}"] for word in scored.words]
    sums = [["sum", f"{scored.total:.3f}"], ["mean of a word", f"{scored.word_mean:.3f}"]]
    sums.append(["mean of a token", f"{scored.mean:.3f}"])
    made = console.table(escape(scored.text), ["word", "log-probability"], rows)
    made.rows[-1].end_section = True
    for cells in sums:
        made.add_row(*cells, style="dim")
    return made


def _by_text(scores: list[Score]) -> Table:
    rows = [
        [escape(scored.text), f"{scored.total:.2f}", f"{scored.mean:.3f}", f"{scored.pseudo_perplexity:,.1f}"]
        for scored in scores
    ]
    return console.table(f"{len(scores)} texts", ["text", "log-probability", "mean of a token", "perplexity"], rows)
