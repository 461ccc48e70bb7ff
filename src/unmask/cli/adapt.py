"""`unmask adapt`: a model goes on with the text of a domain; what it gained, and what it forgot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask import console
from unmask.cli.options import Json, Quiet, examples, question, separated
from unmask.errors import SettingError

if TYPE_CHECKING:
    from unmask.adaptation import Adapted

NAME = "adapt"
EXAMPLES = examples(
    "unmask adapt runs/wiki law-texts/ training.minutes=30",
    "unmask adapt runs/wiki stores/law --replay stores/wiki --to runs/law",
    "unmask adapt bert-base-uncased law-texts/ --new-tokens 2000 --old wiki/",
    "unmask adapt runs/wiki law-texts/ --replay wiki/ data.replay_share=0.3",
)


def command(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL TEXTS|STORE SETTING=VALUE", help="A model, new text or a store of it, then settings."
        ),
    ],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="RUN", help="Run folder; runs/MODEL-adapted by default.")
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(metavar="TEXTS|STORE", help="Old text to train on as well: data.replay_share of the tokens."),
    ] = None,
    old: Annotated[
        str | None,
        typer.Option(
            metavar="TEXTS|STORE", help="Measure forgetting on this; default: --replay, or the model's store."
        ),
    ] = None,
    new_tokens: Annotated[
        int, typer.Option("--new-tokens", min=0, help="More tokens, for what is frequent in the new text.")
    ] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Continue training a model on new text, and measure what it gained and forgot."""
    plain, settings = separated(words)
    if len(plain) < 2:
        raise SettingError("which model, and which text? unmask adapt MODEL TEXTS, e.g. unmask adapt runs/wiki law/")
    model, *data = plain

    from unmask.adaptation import adapt
    from unmask.training.display import Display

    display = Display()
    try:
        adapted = adapt(model, data, to, settings, replay=replay, old=old, new_tokens=new_tokens, display=display)
    finally:
        display.close()
    _report(adapted, as_json)


def _report(adapted: Adapted, as_json: bool) -> None:
    from unmask.adaptation.gain import compared, remark
    from unmask.cli.figures import filled_blanks

    model = adapted.folder / "model"
    if as_json:
        console.print_json({**adapted.figures, "adaptation": adapted.gain, "model": str(model)})
    else:
        out = console.console()
        out.print(
            "", console.table("adaptation", ["text", "figure", "before", "after", "change"], compared(adapted.gain))
        )
        out.print(f"[dim]{remark(adapted.gain)}[/dim]")
        if adapted.samples:
            out.print("", filled_blanks(adapted.samples))
        out.print(f"\n[bold]model[/bold]  {model}")
    console.next_step(f"unmask fill {adapted.folder} {question(adapted.samples)}")
