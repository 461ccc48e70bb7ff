"""`unmask tokenizer`: a tokenizer trained on texts, in an ordinary Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask import console
from unmask.cli.options import Json, Quiet, Workers, examples
from unmask.cli.prepare import sources_and_settings

NAME = "tokenizer"
EXAMPLES = examples(
    "unmask tokenizer my-texts/ --to tokenizers/a tokenizer.vocabulary_size=16384",
    "unmask tokenizer python-docs --to tokenizers/docs --json",
)


def command(
    words: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE SETTING=VALUE", help="As for prepare: sources, then settings."),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The folder to make.")],
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a tokenizer on texts and check it."""
    sources, settings = sources_and_settings(words)

    from unmask.tokens.build import build_tokenizer

    checks = build_tokenizer(sources, to, corpus=settings.corpus, tokenizer=settings.tokenizer, workers=workers)
    if as_json:
        console.print_json(checks)
    else:
        rows = [[name.replace("_", " "), value] for name, value in checks.items()]
        console.console().print(console.table(str(to), ["check", "value"], rows))
    console.next_step(f"unmask prepare SOURCE --to stores/NAME tokenizer.folder={to}")
