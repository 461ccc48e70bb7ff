"""`unmask fill`: what a masked language model writes into the blanks of a text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.markup import escape

from unmask import console
from unmask.cli.options import Json, ModelName, Quiet, examples
from unmask.errors import SettingError

NAME = "fill"
EXAMPLES = examples(
    'unmask fill runs/demo "Returns a new [MASK] with the same shape as input."',
    'unmask fill runs/demo "The ___ of the ___ is returned." --joint',
    'unmask fill bert-base-uncased "The [MASK] of France." --targets capital,king',
    "cat texts.txt | unmask fill runs/demo - --json",
)


def command(
    model: ModelName,
    texts: Annotated[
        list[str], typer.Argument(metavar="TEXT...", help="Texts with [MASK], <mask> or ___; - reads lines.")
    ],
    top_k: Annotated[int, typer.Option(min=1, help="Answers for each blank.")] = 5,
    targets: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Compare these alone, each of any length.")
    ] = None,
    joint: Annotated[bool, typer.Option("--joint", metavar="", help="Fill the blanks of a text together.")] = False,
    longest: Annotated[int, typer.Option(min=1, help="Try blanks of 1 to this many tokens.")] = 1,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fill the blanks of texts."""
    asked = list(lines(texts))
    if not asked:
        raise SettingError('which text? unmask fill MODEL "A text with a [MASK] in it."')

    from unmask.generation.fill import fill
    from unmask.models import load

    wanted = [word.strip() for word in targets.split(",") if word.strip()] if targets is not None else None
    answers = fill(load(model), asked, top_k=top_k, targets=wanted, joint=joint, longest=longest)
    if as_json:
        console.print_json(answers[0] if len(asked) == 1 else answers)
    else:
        for text, found in zip(asked, answers, strict=True):
            _show(text, found)
    console.next_step(f"unmask evaluate {model}")


def lines(texts: list[str]) -> Iterator[str]:
    """The texts, with the lines of standard input in the place of `-`; blank lines are passed over."""
    for text in texts:
        yield from (line.strip() for line in sys.stdin if line.strip()) if text == "-" else (text,)


def _show(text: str, found: list[Any]) -> None:
    """The answers for one text: a table, one a blank when several were filled independently."""
    blanks = found if found and isinstance(found[0], list) else [found]
    out = console.console()
    for number, answers in enumerate(blanks, start=1):
        title = escape(text) if len(blanks) == 1 else f"{escape(text)} [dim]blank {number}[/dim]"
        rows = [[escape(_word(answer)), _score(answer["score"]), escape(answer["sequence"])] for answer in answers]
        made = console.table(title, ["word", "score", "text"], rows)
        made.columns[2].justify = "left"
        out.print(made, "")


def _score(score: float) -> str:
    """Four places, or two digits that mean something where four places would be zeros."""
    return f"{score:.4f}" if score >= 0.001 else f"{score:.1e}"


def _word(answer: dict[str, Any]) -> str:
    words = answer["token_str"]
    return words.strip() if isinstance(words, str) else ", ".join(word.strip() for word in words)
