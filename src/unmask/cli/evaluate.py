"""`unmask evaluate`: how well a model restores words of documents it has not seen."""

from __future__ import annotations

from typing import Annotated

import typer

from unmask import console
from unmask.cli.options import Json, Quiet, examples
from unmask.cli.prepare import sections

NAME = "evaluate"
EXAMPLES = examples(
    "unmask evaluate runs/demo",
    "unmask evaluate runs/demo --data stores/wiki",
    "unmask evaluate answerdotai/ModernBERT-base --data my-texts/ --json",
    "unmask evaluate runs/demo --data news.jsonl corpus.column=body",
)


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run, a Hugging Face folder, or a hub name.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="SETTING=VALUE", help="How --data is read: corpus.column=body, ..."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="TEXTS|STORE", help="Default: the run's own held-out documents.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model on held-out documents: 15 % of their words blanked."""
    from unmask.evaluation import evaluate

    figures = evaluate(model, data, corpus=sections(settings or []).corpus)
    if as_json:
        console.print_json(figures)
    else:
        from unmask.cli.figures import figures_table

        console.console().print(figures_table(figures, title=f"{model} on {data or 'its held-out documents'}"))
    console.next_step(f'unmask fill {model} "The quick brown [MASK] jumps over the lazy dog."')
